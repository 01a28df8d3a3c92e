//! `render`: the issuer file, written for other tools.

use clap::{Args, Subcommand};
use issuer_iam::AccountId;

use super::pods::{PolicyArgs, WebhookArgs};
use super::{AwsArgs, DistributionCommand, FileArgs, KubeArgs};

/// Print Terraform, CloudFormation, manifests, or what API server and pods need
///
/// For teams that change AWS only through one of these tools, for the API server, which has to be
/// told its issuer, and for what gives pods their roles. Nothing is changed without --write. Only
/// the output of `render webhook` has a secret, the key of its certificate.
#[derive(Debug, Subcommand)]
pub(crate) enum RenderCommand {
    #[command(flatten)]
    Resources(ResourceCommand),
    #[command(flatten)]
    Distribution(DistributionCommand),
    Policy(Box<PolicyArgs>),
    Webhook(WebhookArgs),
}

/// What an issuer needs in AWS and in the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    Terraform(TerraformArgs),
    Cloudformation(CloudformationArgs),
    Kubernetes(KubernetesArgs),
}

/// Print HCL for Terraform and OpenTofu: bucket, documents, provider, roles
///
/// Plain resources without modules, for version 6.0 or later of the aws provider; the provider
/// block is yours. The documents have the keys in the file; --import keeps the published keys too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render terraform -f issuer.yaml --account 111122223333 > issuer.tf
  issuerctl render terraform -f issuer.yaml --import > issuer.tf")]
pub(crate) struct TerraformArgs {
    #[command(flatten)]
    pub(crate) render: RenderArgs,
    /// Write import blocks for what already exists in AWS, and keep its unmanaged parts
    #[arg(long, conflicts_with = "account")]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Print a CloudFormation template: bucket, provider, roles
///
/// CloudFormation cannot create S3 objects: the command that publishes the documents is in the
/// Outputs section.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render cloudformation -f issuer.yaml --account 111122223333 \\
      > issuer.json
  aws cloudformation deploy --stack-name issuer --template-file issuer.json \\
      --capabilities CAPABILITY_NAMED_IAM")]
pub(crate) struct CloudformationArgs {
    #[command(flatten)]
    pub(crate) render: RenderArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Print the annotated ServiceAccounts of the roles
///
/// Service accounts with wildcards are skipped and reported.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render kubernetes -f issuer.yaml --account 111122223333 |
      kubectl --kubeconfig workload.kubeconfig apply -f -")]
pub(crate) struct KubernetesArgs {
    #[command(flatten)]
    pub(crate) render: RenderArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// The arguments that all of them share.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// AWS account ID of the provider and the roles; if set, AWS is not called [default: that of the
    /// credentials]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// AWS partition of the account [default: that of the region, or of the issuer's host]
    #[arg(long, value_name = "P", requires = "account", value_parser = ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])]
    pub(crate) partition: Option<String>,
}

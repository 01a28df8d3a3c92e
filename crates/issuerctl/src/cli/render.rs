//! `render`: the same file, for other tools.

use clap::{Args, Subcommand};
use issuer_iam::AccountId;

use super::{AwsArgs, FileArgs, KubeArgs};

/// Write what the file says for another tool: Terraform, CloudFormation, Kubernetes
///
/// For teams that change AWS through one of them alone. Nothing is changed, and nothing secret is
/// written.
#[derive(Debug, Subcommand)]
pub(crate) enum RenderCommand {
    Terraform(TerraformArgs),
    Cloudformation(CloudformationArgs),
    Kubernetes(KubernetesArgs),
}

/// Write HCL for Terraform and OpenTofu: bucket, documents, provider, roles
///
/// One plain resource for each thing, for the aws provider from 6.0 on; the provider block is your
/// own. The documents hold the keys that the file names; with --import those that are published are
/// kept too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render terraform -f issuer.yaml --account 111122223333 > issuer.tf
  issuerctl render terraform -f issuer.yaml --import > issuer.tf")]
pub(crate) struct TerraformArgs {
    #[command(flatten)]
    pub(crate) render: RenderArgs,
    /// Ask AWS what exists already, write import blocks for it, and keep what others have in it
    #[arg(long, conflicts_with = "account")]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Write a CloudFormation template: bucket, provider, roles
///
/// CloudFormation knows no objects of S3: the line that publishes the documents stands in the
/// outputs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render cloudformation -f issuer.yaml --account 111122223333 > issuer.json
  aws cloudformation deploy --stack-name issuer --template-file issuer.json --capabilities \
  CAPABILITY_NAMED_IAM")]
pub(crate) struct CloudformationArgs {
    #[command(flatten)]
    pub(crate) render: RenderArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Write the annotated ServiceAccounts of the roles
///
/// A wildcard names no one service account: it is left out, and named.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render kubernetes -f issuer.yaml --account 111122223333 | kubectl apply -f -")]
pub(crate) struct KubernetesArgs {
    #[command(flatten)]
    pub(crate) render: RenderArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// What all of them have in common.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Account of provider and roles; AWS is not asked then [default: that of the credentials]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// Partition of the account [default: that of the region, or of the issuer's host]
    #[arg(long, value_name = "P", requires = "account", value_parser = ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])]
    pub(crate) partition: Option<String>,
}

//! `provider` and `role`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};
use issuer_iam::{
    AccountId, Audience, PolicyArn, PolicyName, RoleName, RolePath, ServiceAccountPattern, Tag,
};

use super::{KubeArgs, TlsArgs};

/// Manage the OIDC provider of an issuer in IAM
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    Apply(ProviderApplyArgs),
    List(ProviderListArgs),
    Show(ProviderShowArgs),
    Delete(ProviderDeleteArgs),
}

/// Create the OIDC provider, or update the existing one
///
/// Verifies the issuer first. An existing provider is adopted: audiences that are not given are
/// kept and reported. A second run changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl provider apply \\
      --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod
  issuerctl provider apply --issuer https://oidc.example.com/prod \\
      --tag team=platform --dry-run")]
pub(crate) struct ProviderApplyArgs {
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Audience (client ID) to allow (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
    /// Tag to set (repeatable)
    #[arg(long, value_name = "K=V")]
    pub(crate) tag: Vec<Tag>,
    /// Thumbprint to set, or auto for the last certificate of the chain that the server sends
    /// (repeatable); required only for a private CA
    #[arg(long, value_name = "auto|HEX")]
    pub(crate) thumbprint: Vec<String>,
    /// Remove audiences that are not given
    #[arg(long)]
    pub(crate) prune: bool,
    /// Skip verifying the issuer first
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// List the issuers of all OIDC providers in the account
#[derive(Debug, Args)]
pub(crate) struct ProviderListArgs {
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Show the OIDC provider; exits with 3 if it does not exist
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl provider show --issuer https://oidc.example.com/prod --output json")]
pub(crate) struct ProviderShowArgs {
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Delete the OIDC provider; requires --force if issuerctl did not create it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl provider delete --issuer https://oidc.example.com/prod --dry-run")]
pub(crate) struct ProviderDeleteArgs {
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Delete the provider even if issuerctl did not create it
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Manage IAM roles for service accounts, and their trust policies
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    Apply(Box<RoleApplyArgs>),
    List(RoleListArgs),
    Show(RoleShowArgs),
    Delete(RoleDeleteArgs),
    TrustPolicy(TrustPolicyArgs),
    Lint(LintArgs),
}

/// Check a trust policy: every problem, its consequence and its fix
///
/// Exits with 5 if the policy does not allow the issuer's tokens, is too permissive, or would
/// be rejected by IAM. Works offline, without AWS credentials. Several roles are checked at once,
/// and reported on one line each; --role reports one of them in full.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role lint trust.json --issuer https://oidc.example.com/prod \\
      --service-account default/app
  aws iam list-roles |
      issuerctl role lint - --issuer https://oidc.example.com/prod
  terraform show -json |
      issuerctl role lint - --issuer https://oidc.example.com/prod --role app")]
pub(crate) struct LintArgs {
    /// File with the policy in JSON or YAML, the output of `aws iam get-role` or `list-roles`, a
    /// CloudFormation template, or the output of `terraform show -json`; - for standard input
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Service account that must be able to assume the role
    #[arg(long, value_name = "NS/NAME")]
    pub(crate) service_account: Option<ServiceAccountPattern>,
    /// Check only this role, if FILE has several
    #[arg(long, value_name = "NAME")]
    pub(crate) role: Option<String>,
    /// AWS account ID of the role and the provider
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// AWS partition of the role and the provider [default: that of the issuer's host, if it is an
    /// S3 or EKS host]
    #[arg(long, value_name = "P", value_parser = ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])]
    pub(crate) partition: Option<String>,
    /// Audience of the tokens (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
}

/// Create the role, or update the existing one
///
/// Statements of an existing trust policy that issuerctl does not manage, including those of other
/// issuers, are kept. An option that is not given leaves its setting unchanged; an option that is
/// given replaces what issuerctl added for this issuer earlier, and a warning names what is removed;
/// with --add nothing is removed. Prints the command that annotates each service account.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role apply app --issuer https://oidc.example.com/prod \\
      --service-account default/app \\
      --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
  issuerctl role apply app --issuer https://oidc.example.com/prod \\
      --service-account default/worker --add
  issuerctl role apply app --issuer https://oidc.example.com/prod \\
      --service-account 'jobs/*' --inline-policy extra=extra.json")]
pub(crate) struct RoleApplyArgs {
    /// Name of the role
    pub(crate) name: RoleName,
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Service account that may assume the role; the wildcards * and ? are allowed in the
    /// namespace or the name (repeatable)
    #[arg(long, value_name = "NS/NAME", required_unless_present = "add")]
    pub(crate) service_account: Vec<ServiceAccountPattern>,
    /// Add to what was requested earlier, and remove nothing
    #[arg(long)]
    pub(crate) add: bool,
    /// Audience that tokens must have (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
    /// Managed policy to attach (repeatable)
    #[arg(long, value_name = "ARN")]
    pub(crate) policy_arn: Vec<PolicyArn>,
    /// Inline policy (repeatable)
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) inline_policy: Vec<NamedFile>,
    /// Customer managed policy to create or update, and to attach (repeatable)
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) managed_policy: Vec<NamedFile>,
    /// Policy to set as the permissions boundary
    #[arg(long, value_name = "ARN")]
    pub(crate) permissions_boundary: Option<PolicyArn>,
    /// Path of the role if it is created, such as /apps/
    #[arg(long, value_name = "P")]
    pub(crate) path: Option<RolePath>,
    /// Maximum session duration
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(3600..=43200))]
    pub(crate) max_session_duration: Option<u32>,
    /// Tag to set (repeatable)
    #[arg(long, value_name = "K=V")]
    pub(crate) tag: Vec<Tag>,
    /// Annotate the service accounts through the Kubernetes API
    #[arg(long)]
    pub(crate) annotate: bool,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// List the roles that trust an issuer, and the service accounts that may assume them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role list --issuer https://oidc.example.com/prod")]
pub(crate) struct RoleListArgs {
    /// Only roles that trust this issuer [default: any issuer]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Show a role; exits with 3 if it does not exist
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role show app --output json")]
pub(crate) struct RoleShowArgs {
    /// Name of the role
    pub(crate) name: RoleName,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Remove what issuerctl added to a role, and delete the role if nothing else uses it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role delete app --dry-run
  issuerctl role delete app --issuer https://oidc.example.com/old")]
pub(crate) struct RoleDeleteArgs {
    /// Name of the role
    pub(crate) name: RoleName,
    /// Remove only the statements that trust this issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// `NAME=FILE` of a policy.
#[derive(Debug, Clone)]
pub(crate) struct NamedFile {
    pub(crate) name: PolicyName,
    pub(crate) file: PathBuf,
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, file)) if !file.is_empty() => Ok(Self {
                name: name.parse().map_err(|error: issuer_iam::Error| error.to_string())?,
                file: file.into(),
            }),
            _ => Err("expected NAME=FILE".to_owned()),
        }
    }
}

/// Print a trust policy that lets service accounts assume a role
///
/// Works offline, without AWS credentials. The wildcards * and ? are allowed in the namespace or
/// the name of a service account.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role trust-policy --issuer https://oidc.example.com/prod \\
      --account 111122223333 --service-account default/app
  issuerctl role trust-policy --issuer https://oidc.example.com/prod \\
      --account 111122223333 --service-account 'jobs/*' > trust.json")]
pub(crate) struct TrustPolicyArgs {
    /// Issuer URL; each one gets its own statement (repeatable)
    #[arg(long, value_name = "URL", required = true)]
    pub(crate) issuer: Vec<String>,
    /// AWS account ID of the role and the provider
    #[arg(long, value_name = "ID")]
    pub(crate) account: AccountId,
    /// Service account that may assume the role (repeatable)
    #[arg(long, value_name = "NS/NAME", required = true)]
    pub(crate) service_account: Vec<ServiceAccountPattern>,
    /// Audience that tokens must have (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
    /// AWS partition of the account
    #[arg(long, value_name = "P", default_value = "aws", value_parser = ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])]
    pub(crate) partition: String,
}

#[derive(Debug, Args)]
pub(crate) struct IssuerArg {
    /// Issuer URL, as in the cluster's --service-account-issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: String,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct AwsArgs {
    /// Region, which also determines the partition [default: that of the profile]
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Named profile from the AWS config and credentials files
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Endpoint URL to use instead of the default of AWS
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Print the IAM policy that this command needs, and exit
    #[arg(long)]
    pub(crate) print_iam_policy: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

//! `provider` and `role`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};
use issuer_iam::{
    AccountId, Audience, PolicyArn, PolicyName, RoleName, RolePath, ServiceAccountPattern, Tag,
};

use super::{KubeArgs, TlsArgs};

/// Create, show or delete the issuer's OIDC provider in IAM
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    Apply(ProviderApplyArgs),
    Show(ProviderShowArgs),
    Delete(ProviderDeleteArgs),
}

/// Create the provider, or bring the one that is there up to what is asked for
///
/// Verifies the issuer first. A provider that somebody made by hand is taken over as it is:
/// audiences that nobody asked for are kept, and named. Running it again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl provider apply --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod
  issuerctl provider apply --issuer https://oidc.example.com/prod --audience sts.amazonaws.com \
  --tag team=platform --dry-run")]
pub(crate) struct ProviderApplyArgs {
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Audience that tokens may be for (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
    /// Tag to be set (repeatable)
    #[arg(long, value_name = "K=V")]
    pub(crate) tag: Vec<Tag>,
    /// Thumbprint to be set, or auto for the top of the certificate chain as served (repeatable);
    /// only a private CA needs one
    #[arg(long, value_name = "auto|HEX")]
    pub(crate) thumbprint: Vec<String>,
    /// Take audiences away that are not given
    #[arg(long)]
    pub(crate) prune: bool,
    /// Do not verify the issuer first
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Print the plan and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Show the provider; exit code 1 where there is none
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

/// Delete the provider; one that issuerctl did not make needs --force
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl provider delete --issuer https://oidc.example.com/prod --dry-run")]
pub(crate) struct ProviderDeleteArgs {
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Delete it although issuerctl did not make it
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be deleted and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Roles that service accounts may assume, and their trust policies
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    Apply(Box<RoleApplyArgs>),
    Show(RoleShowArgs),
    Delete(RoleDeleteArgs),
    TrustPolicy(TrustPolicyArgs),
    Lint(LintArgs),
}

/// Name every fault of a trust policy, what follows from it, and the mend
///
/// Exit code 5 where tokens of the issuer would not get in, where the policy is too wide, or where
/// IAM would refuse it. It needs no AWS account at hand.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role lint trust.json --issuer https://oidc.example.com/prod --service-account \
  default/app
  aws iam get-role --role-name app | issuerctl role lint - --issuer https://oidc.example.com/prod")]
pub(crate) struct LintArgs {
    /// File of the policy, or of what `aws iam get-role` printed; - for standard input
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Service account that should get in
    #[arg(long, value_name = "NS/NAME")]
    pub(crate) service_account: Option<ServiceAccountPattern>,
    /// Account of role and provider
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// Partition of role and provider [default: that of the issuer's host, where it is one of S3 or
    /// EKS]
    #[arg(long, value_name = "P", value_parser = ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])]
    pub(crate) partition: Option<String>,
    /// Audience of the tokens (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
}

/// Create the role, or bring the one that is there up to what is asked for
///
/// Merges into an existing trust policy: statements of others, those of other issuers included, are
/// not touched. What is not given stays as it is; what issuerctl added and is no longer asked for
/// is taken away. The command that annotates each service account stands on standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role apply app --issuer https://oidc.example.com/prod --service-account default/app \\
      --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
  issuerctl role apply app --issuer https://oidc.example.com/prod --service-account 'jobs/*' \
  --inline-policy extra=extra.json")]
pub(crate) struct RoleApplyArgs {
    /// Name of the role
    pub(crate) name: RoleName,
    #[command(flatten)]
    pub(crate) issuer: IssuerArg,
    /// Service account that may assume the role; * and ? stand in the namespace or in the name
    /// (repeatable)
    #[arg(long, value_name = "NS/NAME", required = true)]
    pub(crate) service_account: Vec<ServiceAccountPattern>,
    /// Audience that tokens must be for (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
    /// Policy to be attached (repeatable)
    #[arg(long, value_name = "ARN")]
    pub(crate) policy_arn: Vec<PolicyArn>,
    /// Policy within the role (repeatable)
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) inline_policy: Vec<NamedFile>,
    /// Policy of the account: made, updated by a new version, and attached (repeatable)
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) managed_policy: Vec<NamedFile>,
    /// Permissions boundary
    #[arg(long, value_name = "ARN")]
    pub(crate) permissions_boundary: Option<PolicyArn>,
    /// Path of a new role, such as /apps/
    #[arg(long, value_name = "P")]
    pub(crate) path: Option<RolePath>,
    /// The longest session
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(3600..=43200))]
    pub(crate) max_session_duration: Option<u32>,
    /// Tag to be set (repeatable)
    #[arg(long, value_name = "K=V")]
    pub(crate) tag: Vec<Tag>,
    /// Annotate the service accounts through the Kubernetes API
    #[arg(long)]
    pub(crate) annotate: bool,
    /// Print the plan and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Show a role; exit code 1 where there is none
#[derive(Debug, Args)]
pub(crate) struct RoleShowArgs {
    /// Name of the role
    pub(crate) name: RoleName,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Take away what issuerctl added to a role, and the role itself where nothing of others is left
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role delete app --dry-run
  issuerctl role delete app --issuer https://oidc.example.com/old")]
pub(crate) struct RoleDeleteArgs {
    /// Name of the role
    pub(crate) name: RoleName,
    /// Only what lets this issuer in
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Say what would be taken away and change nothing
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
            _ => Err("a policy is NAME=FILE".to_owned()),
        }
    }
}

/// Write a trust policy that lets service accounts assume a role, to standard output
///
/// It needs no AWS account at hand. Service accounts may hold * and ? in the namespace or in the
/// name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl role trust-policy --issuer https://oidc.example.com/prod --account 111122223333 \
  --service-account default/app
  issuerctl role trust-policy --issuer https://oidc.example.com/prod --account 111122223333 \
  --service-account 'jobs/*' > trust.json")]
pub(crate) struct TrustPolicyArgs {
    /// Issuer URL; a statement each (repeatable)
    #[arg(long, value_name = "URL", required = true)]
    pub(crate) issuer: Vec<String>,
    /// Account of role and provider
    #[arg(long, value_name = "ID")]
    pub(crate) account: AccountId,
    /// Service account that may assume the role (repeatable)
    #[arg(long, value_name = "NS/NAME", required = true)]
    pub(crate) service_account: Vec<ServiceAccountPattern>,
    /// Audience that tokens must be for (repeatable)
    #[arg(long, value_name = "AUD", default_value = issuer_iam::DEFAULT_AUDIENCE)]
    pub(crate) audience: Vec<Audience>,
    /// Partition of the account
    #[arg(long, value_name = "P", default_value = "aws", value_parser = ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])]
    pub(crate) partition: String,
}

#[derive(Debug, Args)]
pub(crate) struct IssuerArg {
    /// Issuer URL, as in the cluster's --service-account-issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct AwsArgs {
    /// Region, which also says the partition [default: the profile's]
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Profile in ~/.aws/config
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Endpoint in place of AWS's
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Print the IAM policy that this very run needs, and do nothing
    #[arg(long)]
    pub(crate) print_iam_policy: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

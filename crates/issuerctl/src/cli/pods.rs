//! `inject`, `policy`, and what `render` has of them: how pods get their roles.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use issuer_cluster::Namespace;
use issuer_iam::AccountId;
use issuer_pods::{Composed, Selector, Settings, WEBHOOK_IMAGE};

use super::{AwsArgs, KubeArgs};

/// Add roles to the pods of manifests, as the pod identity webhook would
///
/// Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs, ReplicationControllers
/// and PodTemplates get the volume, the mounts and the variables; everything else is printed as it
/// is, with comments and order. Roles come from the annotations of ServiceAccounts: in the same
/// input, in --service-accounts files, or in the cluster. Running it again changes nothing. It also
/// works as a KRM function of kustomize (ResourceList) and as a post-renderer of Helm.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl inject -f app.yaml --service-accounts accounts.yaml |
      kubectl apply -f -
  kustomize build . | issuerctl inject -f - | kubectl apply -f -
  helm template app ./chart | issuerctl inject -f - --from-cluster > app.yaml")]
pub(crate) struct InjectArgs {
    /// Manifests as YAML or JSON, or - for standard input (repeatable)
    #[arg(long, short, value_name = "FILE|-", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) file: Vec<PathBuf>,
    /// Manifests with annotated ServiceAccounts, which are read and not printed (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) service_accounts: Vec<PathBuf>,
    /// Read the ServiceAccounts that are in no file from the cluster
    #[arg(long)]
    pub(crate) from_cluster: bool,
    /// Namespace of objects that have none
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    pub(crate) namespace: Namespace,
    #[command(flatten)]
    pub(crate) flags: WebhookFlags,
    /// Also use the roles in the ConfigMap pod-identity-webhook, if it is in one of the files
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t, default_missing_value = "true", hide_default_value = true, hide_possible_values = true, help_heading = FLAGS)]
    pub(crate) watch_config_map: bool,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
}

const FLAGS: &str = "Flags of the pod identity webhook";

/// The flags of the pod identity webhook.
#[derive(Debug, Args)]
#[command(next_help_heading = FLAGS)]
pub(crate) struct WebhookFlags {
    /// Prefix of the annotations of ServiceAccounts and pods
    #[arg(long, value_name = "PREFIX", default_value = "eks.amazonaws.com")]
    pub(crate) annotation_prefix: String,
    /// Audience of the tokens, if the ServiceAccount has no annotation for it
    #[arg(long, value_name = "AUDIENCE", default_value = "sts.amazonaws.com")]
    pub(crate) token_audience: String,
    /// Lifetime of the tokens, if neither pod nor ServiceAccount has an annotation for it
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, allow_negative_numbers = true)]
    pub(crate) token_expiration: i64,
    /// Where the token is mounted
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
    )]
    pub(crate) token_mount_path: String,
    /// Set AWS_DEFAULT_REGION and AWS_REGION
    #[arg(long, value_name = "REGION")]
    pub(crate) aws_default_region: Option<String>,
    /// Set AWS_STS_REGIONAL_ENDPOINTS to regional, if the ServiceAccount does not say otherwise
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t, default_missing_value = "true", hide_default_value = true, hide_possible_values = true)]
    pub(crate) sts_regional_endpoint: bool,
    /// Annotations may have the name of a role in place of its ARN
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t, default_missing_value = "true", hide_default_value = true, hide_possible_values = true)]
    pub(crate) compose_role_arn: bool,
    /// Account of roles that are given by name
    #[arg(long, value_name = "ID", required_if_eq("compose_role_arn", "true"))]
    pub(crate) role_account: Option<AccountId>,
    /// Partition of roles that are given by name
    #[arg(long, value_name = "P", default_value = "aws")]
    pub(crate) role_partition: String,
}

impl WebhookFlags {
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.prefix.clone_from(&self.annotation_prefix);
        settings.audience.clone_from(&self.token_audience);
        settings.expiration = self.token_expiration;
        settings.mount_path.clone_from(&self.token_mount_path);
        settings.region.clone_from(&self.aws_default_region);
        settings.regional_sts = self.sts_regional_endpoint;
        settings.composed =
            self.role_account.as_ref().filter(|_| self.compose_role_arn).map(|account| Composed {
                partition: self.role_partition.clone(),
                account: account.to_string(),
            });
        settings
    }
}

/// Print an admission policy that gives pods their roles, without a webhook
///
/// A MutatingAdmissionPolicy with its binding: the API server itself adds what the pod identity
/// webhook would add. It is v1 in Kubernetes 1.36 and later; in 1.34 and 1.35 it is v1beta1, and API
/// and feature gate have to be enabled. Which one is served is asked of the cluster, or follows from
/// --kubernetes-version.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render policy | kubectl apply -f -
  issuerctl render policy --kubernetes-version 1.36 --select-labelled \\
      --guard > policy.yaml
  issuerctl render policy --roles-from file -f issuer.yaml \\
      --account 111122223333 \\
      --kubernetes-version 1.36 > policy.yaml")]
pub(crate) struct PolicyArgs {
    /// Where the roles are: in the annotations of ServiceAccounts, which the policy reads, or in the
    /// issuer file, from which they are written into the policy
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    pub(crate) roles_from: RolesFrom,
    /// Issuer file with roles, or - for standard input (repeatable)
    #[arg(long, short, value_name = "FILE|-", required_if_eq("roles_from", "file"), value_hint = ValueHint::FilePath)]
    pub(crate) file: Vec<PathBuf>,
    /// AWS account ID of the roles in the file [default: that of the credentials]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// AWS partition of the account [default: that of the region, or of the issuer's host]
    #[arg(long, value_name = "P", requires = "account", value_parser = ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])]
    pub(crate) partition: Option<String>,
    /// Read only ServiceAccounts that have a role, told by a label that a second policy sets
    #[arg(long)]
    pub(crate) select_labelled: bool,
    /// Only pods in namespaces with these labels, such as team=a,tier in (web,api)
    #[arg(long, value_name = "SELECTOR", value_parser = selector)]
    pub(crate) namespace_selector: Option<Selector>,
    /// Refuse pods with the label issuerctl.dev/require-role that did not get a role
    #[arg(long)]
    pub(crate) guard: bool,
    /// Version of Kubernetes, such as 1.36 [default: ask the cluster]
    #[arg(long, value_name = "V")]
    pub(crate) kubernetes_version: Option<String>,
    #[command(flatten)]
    pub(crate) flags: WebhookFlags,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Where a policy has its roles from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum RolesFrom {
    /// Always up to date
    #[default]
    Annotations,
    /// As fast for hundreds of roles as for one, and out of reach of whoever may create
    /// ServiceAccounts
    File,
}

/// Print the pod identity webhook: certificate, Deployment, RBAC and configuration
///
/// Everything that the webhook needs, in its own namespace, with two replicas. The certificate is
/// made here, so the output has a private key, unless cert-manager makes it (--cert-manager).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl render webhook | kubectl apply -f -
  issuerctl render webhook --cert-manager --failure-policy Fail \\
      > webhook.yaml")]
pub(crate) struct WebhookArgs {
    /// Image of the webhook, by version or digest
    #[arg(long, value_name = "IMAGE", default_value = WEBHOOK_IMAGE)]
    pub(crate) image: String,
    /// Namespace of the webhook
    #[arg(long, short, value_name = "NAME", default_value = "pod-identity-webhook")]
    pub(crate) namespace: Namespace,
    /// What happens to pods that are created while no webhook answers
    #[arg(long, value_enum, ignore_case = true, default_value_t, value_name = "POLICY")]
    pub(crate) failure_policy: OnFailure,
    /// Only pods in namespaces with these labels; kube-system and the webhook's own are always spared
    #[arg(long, value_name = "SELECTOR", value_parser = selector)]
    pub(crate) namespace_selector: Option<Selector>,
    /// Let cert-manager make and renew the certificate
    #[arg(long)]
    pub(crate) cert_manager: bool,
    /// Days that the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 3650, conflicts_with = "cert_manager", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) valid_days: u16,
    /// Certificate authorities that the API server goes on accepting, as PEM: those of the certificate
    /// that is replaced
    #[arg(long, value_name = "FILE", conflicts_with = "cert_manager", value_hint = ValueHint::FilePath)]
    pub(crate) keep_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: WebhookFlags,
}

/// What happens to pods while no webhook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum OnFailure {
    /// They start without a role
    #[default]
    #[value(name = "Ignore")]
    Ignore,
    /// They are refused; controllers try again
    #[value(name = "Fail")]
    Fail,
}

/// Check an admission policy that gives pods their roles
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Check(PolicyCheckArgs),
}

/// Check with dry-run pods that the cluster gives pods their roles
///
/// Nothing is stored: a pod of each ServiceAccount is created as a server-side dry run, and what the
/// API server would store is compared with what the pod identity webhook would make of it. Says what
/// does the mutation: a policy, a webhook, or both.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl policy check --service-account demo/app
  issuerctl policy check --service-account demo/app --output json")]
pub(crate) struct PolicyCheckArgs {
    /// ServiceAccount with a role, NAMESPACE/NAME (repeatable)
    #[arg(long, value_name = "NS/NAME", required = true)]
    pub(crate) service_account: Vec<issuer_cluster::ServiceAccountRef>,
    #[command(flatten)]
    pub(crate) flags: WebhookFlags,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
}

fn selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text).map_err(|error| error.to_string())
}

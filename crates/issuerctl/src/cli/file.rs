//! `plan`, `apply` and `delete`: a whole issuer, declared in one file.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{AwsArgs, KubeArgs, Overrides};

/// Show what `apply` would change; exits with 7 if anything would
///
/// The file declares which keys are published where, and the provider and roles in IAM; its format
/// is described by `issuerctl schema`. There is no state file: the current state is read from
/// the store and from IAM.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl plan -f issuer.yaml
  issuerctl plan -f issuer.yaml --prune --output json")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

/// Publish and verify the documents, and create or update the provider and the roles
///
/// Shows the plan, then executes it. Published keys that are not in the file are kept, and so is
/// everything that issuerctl does not manage. A role that was removed from the file is kept and
/// reported; --prune deletes it. A second run changes nothing. Prints the command that annotates
/// each service account; with spec.workload in the file it annotates them itself, installs what gives
/// pods their roles, and ends by proving that AWS STS would accept a fresh token of each role.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl apply -f issuer.yaml
  issuerctl apply -f issuer.yaml --prove
  issuerctl apply -f issuer.yaml --quiet | KUBECONFIG=workload.kubeconfig sh
  generate | issuerctl apply -f - --output json")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
    /// Skip verifying the issuer before IAM is changed
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Also exchange a token of each role for credentials at STS, and print whose they are
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) prove: bool,
    /// Show what would change, without changing anything; like `plan`, but exits with 0
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Delete what `apply` created: provider, roles, documents
///
/// Everything that issuerctl does not manage is kept. The documents are kept as long as a provider
/// trusts them; the bucket is deleted only if issuerctl created it and it is empty. Every role of
/// the issuer stops working.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl delete -f issuer.yaml --dry-run
  issuerctl delete -f issuer.yaml")]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Delete the provider and the documents even if issuerctl did not create them
    #[arg(long)]
    pub(crate) force: bool,
    /// Also delete roles that were removed from the file earlier
    #[arg(long)]
    pub(crate) prune: bool,
    /// Print the Roles and ClusterRoles that this run needs in its clusters, and exit
    #[arg(long, conflicts_with = "print_iam_policy")]
    pub(crate) print_rbac: bool,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Maximum number of issuers to process at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) parallel: u16,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// The arguments that `plan` and `apply` share.
#[derive(Debug, Args)]
pub(crate) struct DeclaredArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Delete roles that were removed from the file; keys and audiences are never pruned here
    #[arg(long)]
    pub(crate) prune: bool,
    /// Print the Roles and ClusterRoles that this run needs in its clusters, and exit
    #[arg(long, conflicts_with = "print_iam_policy")]
    pub(crate) print_rbac: bool,
    /// Maximum number of issuers to process at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) parallel: u16,
    /// Publish only if one of the keys verifies this token of the cluster: a file, or - for standard
    /// input
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) token: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

#[derive(Debug, Default, Args)]
pub(crate) struct FileArgs {
    /// File with one or more issuers, a folder with such files, or - for standard input
    /// (repeatable); paths in a file are relative to its folder
    #[arg(long, short, alias = "filename", value_name = "FILE|DIR|-", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) file: Vec<PathBuf>,
    /// Also read the folders in a folder
    #[arg(long, short = 'R')]
    pub(crate) recursive: bool,
}

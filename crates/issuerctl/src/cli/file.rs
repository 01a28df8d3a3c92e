//! `plan`, `apply` and `delete`: the whole of an issuer by one file.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{AwsArgs, KubeArgs};

/// Say what `apply` would change; exit code 7 where it is anything
///
/// The file says which keys are published where, and what IAM needs; its format is in
/// docs/issuer.schema.json. The state is read from the store and from IAM themselves.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl plan -f issuer.yaml
  issuerctl plan -f issuer.yaml --prune --output json")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
}

/// Publish, verify, and make provider and roles, as the file says
///
/// Plans, shows the plan and executes that very plan. Published keys that the file does not name
/// are kept, whatever others added too; a role that was taken out of the file is left, and named,
/// until --prune. Running it again changes nothing. The command that annotates each service account
/// stands on standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl apply -f issuer.yaml
  issuerctl apply -f issuer.yaml --quiet | sh
  generate | issuerctl apply -f - --output json")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) declared: DeclaredArgs,
    /// Do not read the issuer back before IAM is touched
    #[arg(long)]
    pub(crate) no_verify: bool,
}

/// Take away what `apply` made: provider, roles, documents
///
/// What others made or added stays, and the documents stay as long as a provider trusts them; the
/// bucket goes only if issuerctl made it and nothing else is in it. Every role of the issuer stops
/// working.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl delete -f issuer.yaml --dry-run
  issuerctl delete -f issuer.yaml")]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Delete provider and documents although issuerctl did not make them
    #[arg(long)]
    pub(crate) force: bool,
    /// Take roles away, too, that were taken out of the file earlier
    #[arg(long)]
    pub(crate) prune: bool,
    /// Print the plan and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Maximum number of issuers that are worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) parallel: u16,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// What `plan` and `apply` have in common.
#[derive(Debug, Args)]
pub(crate) struct DeclaredArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Take roles away that were taken out of the file; keys and audiences are never pruned here
    #[arg(long)]
    pub(crate) prune: bool,
    /// Maximum number of issuers that are worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) parallel: u16,
    /// Let the published discovery document, which names another issuer or jwks_uri, be replaced
    #[arg(long)]
    pub(crate) change_issuer: bool,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// File with one or more issuers, or - for standard input (repeatable); paths in it are
    /// relative to it
    #[arg(long, short, value_name = "FILE|-", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) file: Vec<PathBuf>,
}

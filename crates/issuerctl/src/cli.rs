//! The command line. Man pages and completions are generated from these definitions.

mod distribution;
mod doctor;
mod file;
mod history;
mod iam;
mod keys;
mod migration;
mod pods;
mod render;
mod rotation;
mod site;
mod sync;
mod words;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use iam::{
    AwsArgs, LintArgs, NamedFile, ProviderApplyArgs, ProviderCommand, ProviderDeleteArgs,
    ProviderListArgs, ProviderShowArgs, RoleApplyArgs, RoleCommand, RoleDeleteArgs, RoleListArgs,
    RoleShowArgs, TrustPolicyArgs,
};

pub(crate) use distribution::{DistributionArgs, DistributionCommand, FromClusterArgs};
pub(crate) use doctor::DoctorArgs;
pub(crate) use file::{ApplyArgs, DeclaredArgs, DeleteArgs, FileArgs, PlanArgs};
pub(crate) use history::{HistoryArgs, KeepArgs, RetireArgs, RollbackArgs};
pub(crate) use keys::{DiscoveryArgs, ExtractArgs, JwksArgs, KeyArgs, KeygenArgs, RequiredKeyArgs};
pub(crate) use migration::{ChangeCommand, IssuerChangeArgs, IssuerCommand};
pub(crate) use pods::{
    InjectArgs, OnFailure, PolicyArgs, PolicyCheckArgs, PolicyCommand, RolesFrom, WebhookArgs,
};
pub(crate) use render::{RenderArgs, RenderCommand, ResourceCommand};
pub(crate) use rotation::{
    ChangeArgs, KeysArgs, PlaceArgs, RotateAbortArgs, RotateCommand, RotateFinishArgs,
    RotateStartArgs, RotateStatusArgs, ServerArgs, SiteArgs, WaitArgs,
};
pub(crate) use site::{Access, DocumentArgs, Overrides, PublishArgs, S3Args, UrlArgs, VerifyArgs};
pub(crate) use sync::{LogFormat, SyncArgs};
pub(crate) use words::{Word, words};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Publish the service account issuer of a Kubernetes cluster and verify that AWS accepts its
/// tokens.
///
/// A Kubernetes cluster signs service account tokens. AWS STS accepts them once it can read two
/// small public documents. issuerctl generates both from the cluster's public signing keys,
/// publishes them to S3 or a folder without losing a key, and reads them back the way STS does.
#[derive(Debug, Parser)]
#[command(name = "issuerctl", version, styles = STYLES, max_term_width = 110, after_help = START,
    after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) general: GeneralArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command that the command line of this process names.
pub(crate) fn command_of_the_line(whole: &clap::Command) -> &clap::Command {
    let arguments = std::env::args_os().skip(1);
    arguments.fold(whole, |command, argument| command.find_subcommand(argument).unwrap_or(command))
}

/// Whether the command of this process has an option with this long name.
pub(crate) fn has_option(name: &str) -> bool {
    let whole = Cli::command();
    let command = command_of_the_line(&whole);
    let mut arguments = command.get_arguments().chain(whole.get_arguments());
    arguments.any(|argument| argument.get_long() == Some(name))
}

/// Where to begin.
const START: &str = "\
Begin with:
  issuerctl publish --apiserver --to ./site --issuer https://oidc.example.com
  issuerctl verify --issuer https://oidc.example.com
Or with one file for documents, provider and roles:
  issuerctl plan -f issuer.yaml
https://github.com/issuerctl/issuerctl#readme has such a file.";

/// One line per exit code (`docs/usage.md`).
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  success, or nothing to do
  1  failure (network, disk or server error)
  2  invalid command line
  3  invalid input (file, key, document or URL), or it names what does not exist
  4  conflict with existing state
  5  verification failed
  6  permission denied, or the bucket belongs to another account
  7  plan, issuer change plan and rotate status only: changes are pending";

#[derive(Debug, Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct GeneralArgs {
    /// Output format: plain data, one JSON object with schema_version, or one a line for each issuer
    /// as it ends (jsonl: plan, apply and delete)
    #[arg(long, short, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// Print only warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more detail
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Time limit of the run; each request has its own, too
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: u32,
}

/// `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Text,
    Json,
    Jsonl,
}

/// The format of a command that prints one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    Text,
    Json,
}

impl Output {
    /// What one thing is printed as: with `jsonl` as JSON, too.
    pub(crate) fn format(self) -> OutputFormat {
        match self {
            Self::Text => OutputFormat::Text,
            Self::Json | Self::Jsonl => OutputFormat::Json,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Keygen(KeygenArgs),
    Extract(ExtractArgs),
    Jwks(JwksArgs),
    Discovery(DiscoveryArgs),
    Publish(Box<PublishArgs>),
    Sync(Box<SyncArgs>),
    Url(UrlArgs),
    Verify(VerifyArgs),
    Doctor(Box<DoctorArgs>),
    Keys(Box<KeysArgs>),
    History(Box<HistoryArgs>),
    Rollback(Box<RollbackArgs>),
    #[command(subcommand)]
    Rotate(RotateCommand),
    #[command(subcommand)]
    Provider(ProviderCommand),
    #[command(subcommand)]
    Role(RoleCommand),
    Plan(PlanArgs),
    Apply(ApplyArgs),
    Delete(DeleteArgs),
    #[command(subcommand)]
    Render(RenderCommand),
    Inject(Box<InjectArgs>),
    #[command(subcommand)]
    Policy(PolicyCommand),
    #[command(subcommand)]
    Issuer(IssuerCommand),
    Schema(SchemaArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    /// Print the version
    Version,
}

impl Command {
    /// Whether it runs until it is told to end.
    pub(crate) fn has_no_end(&self) -> bool {
        matches!(self, Self::Sync(args) if !args.once)
    }
}

/// Print the JSON Schema of the issuer file, or of the objects of --output json
///
/// With the first line `# yaml-language-server: $schema=issuer.schema.json`, editors complete and
/// check an issuer file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl schema > issuer.schema.json
  issuerctl schema output > output.schema.json")]
pub(crate) struct SchemaArgs {
    /// Whose schema
    #[arg(value_enum, default_value_t)]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The file of plan, apply, delete and render
    #[default]
    Issuer,
    /// The objects of --output json
    Output,
}

/// Print a shell completion script
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl completions bash > /etc/bash_completion.d/issuerctl
  issuerctl completions zsh > \"${fpath[1]}/_issuerctl\"")]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Write man pages for all commands to a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl man --out-dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for the man pages; created if it does not exist
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct KubeArgs {
    /// Kubeconfig file [default: KUBECONFIG, ~/.kube/config, the pod's service account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Kubeconfig context
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TlsArgs {
    /// CA certificates (PEM or DER) to trust in addition to those of the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
}
#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn examples_can_be_pasted_from_a_terminal_of_80_columns() {
        let mut commands = vec![super::Cli::command()];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = help.lines().collect();
            for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
                assert!(line.chars().count() <= 79, "{line}");
                let goes_on = line.ends_with(['\\', '|']);
                assert_eq!(goes_on, next.starts_with("      "), "{line}");
            }
        }
    }
}

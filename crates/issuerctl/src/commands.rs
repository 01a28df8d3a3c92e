//! One module per command: parse, call, print.

mod apply;
mod completions;
mod delete;
mod discovery;
mod distribution;
mod doctor;
mod extract;
mod history;
mod inject;
mod issuer_change;
mod jwks;
mod keygen;
mod keys;
mod man;
mod plan;
mod policy_check;
mod provider;
mod publish;
mod render;
mod render_policy;
mod render_webhook;
mod role;
mod rollback;
mod rotate;
mod schema;
mod sync;
mod url;
mod verify;
mod version;

use crate::Outcome;
use crate::advice::Surface;
use crate::cli::{
    ChangeCommand, Cli, Command, IssuerCommand, Output, PolicyCommand, ProviderCommand,
    RoleCommand, RotateCommand,
};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// Runs the given command.
///
/// # Errors
/// The failure of the command; the caller prints it.
pub(crate) fn run(cli: &Cli, ui: &Ui) -> Outcome {
    let output = cli.general.output;
    if output == Output::Jsonl && !has_issuers(&cli.command) {
        let message =
            "--output jsonl is for plan, apply and delete, which end one issuer after another";
        return Err(Failure::new(Exit::Usage, message).hint(Some("give --output json")));
    }
    let format = output.format();
    let outcome = match &cli.command {
        Command::Keygen(args) => keygen::run(args, format, ui),
        Command::Extract(args) => extract::run(args, format, ui),
        Command::Jwks(args) => jwks::run(args, format, ui),
        Command::Discovery(args) => discovery::run(args, format, ui),
        Command::Publish(args) => publish::run(args, format, ui),
        Command::Sync(args) => sync::run(args, &cli.general, ui),
        Command::Url(args) => url::run(args, format, ui),
        Command::Verify(args) => verify::run(args, format, ui),
        Command::Doctor(args) => doctor::run(args, format, ui),
        Command::Keys(args) => keys::run(args, format, ui),
        Command::History(args) => history::run(args, format, ui),
        Command::Rollback(args) => rollback::run(args, format, ui),
        Command::Rotate(RotateCommand::Status(args)) => rotate::status::run(args, format, ui),
        Command::Rotate(RotateCommand::Start(args)) => rotate::start::run(args, format, ui),
        Command::Rotate(RotateCommand::Finish(args)) => rotate::finish::run(args, format, ui),
        Command::Rotate(RotateCommand::Abort(args)) => rotate::abort::run(args, format, ui),
        Command::Provider(ProviderCommand::Apply(args)) => provider::apply::run(args, format, ui),
        Command::Provider(ProviderCommand::List(args)) => provider::list::run(args, format, ui),
        Command::Provider(ProviderCommand::Show(args)) => provider::show::run(args, format, ui),
        Command::Provider(ProviderCommand::Delete(args)) => provider::delete::run(args, format, ui),
        Command::Role(RoleCommand::Apply(args)) => role::apply::run(args, format, ui),
        Command::Role(RoleCommand::List(args)) => role::list::run(args, format, ui),
        Command::Role(RoleCommand::Show(args)) => role::show::run(args, format, ui),
        Command::Role(RoleCommand::Delete(args)) => role::delete::run(args, format, ui),
        Command::Role(RoleCommand::TrustPolicy(args)) => role::trust_policy::run(args, format, ui),
        Command::Role(RoleCommand::Lint(args)) => role::lint::run(args, format, ui),
        Command::Plan(args) => plan::run(&args.declared, output, ui, Exit::Changes),
        Command::Apply(args) if args.dry_run => plan::run(&args.declared, output, ui, Exit::Done),
        Command::Apply(args) => apply::run(args, output, ui),
        Command::Delete(args) => delete::run(args, output, ui),
        Command::Inject(args) => inject::run(args, format, ui),
        Command::Policy(PolicyCommand::Check(args)) => policy_check::run(args, format, ui),
        Command::Issuer(IssuerCommand::Change(ChangeCommand::Plan(args))) => {
            issuer_change::run(args, format, ui)
        }
        Command::Render(command) => render::run(command, format, ui),
        Command::Schema(args) => schema::run(args, format),
        Command::Version => version::run(format),
        Command::Completions(args) => completions::run(args, format),
        Command::Man(args) => man::run(args, format, ui),
    };
    outcome.map_err(|failure| failure.on_command(surface(&cli.command), crate::cli::has_option))
}

/// Whether a command prints something of each issuer of its files.
fn has_issuers(command: &Command) -> bool {
    matches!(command, Command::Plan(_) | Command::Apply(_) | Command::Delete(_))
}

/// Where the settings of a command are written.
fn surface(command: &Command) -> Surface {
    match command {
        Command::Plan(_) | Command::Apply(_) | Command::Delete(_) | Command::Render(_) => {
            Surface::File
        }
        Command::Sync(args) if args.file.is_some() => Surface::File,
        _ => Surface::Flags,
    }
}

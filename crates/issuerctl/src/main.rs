//! `issuerctl` publishes the service account issuer of a Kubernetes cluster and verifies that AWS
//! accepts its tokens.

mod advice;
mod batch;
mod cli;
mod commands;
mod engine;
mod failure;
mod files;
mod keys;
mod man_page;
mod output;
mod publish_command;
mod render_request;
mod runtime;
mod targets;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::{Exit, Failure};
use crate::ui::Ui;

fn main() -> ExitCode {
    // A usage error quotes the argument, so a key or token given by mistake would end up in a log.
    if std::env::args_os().any(|argument| holds_a_secret(&argument.to_string_lossy())) {
        Ui::default().failure(
            &Failure::new(
                Exit::Usage,
                "an argument is a key, a token or a document, not the name of a file",
            )
            .hint(Some("give the name of the file, or - and the contents on standard input")),
        );
        return Exit::Usage.into();
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version go to standard output and end with 0; a usage error ends with 2.
        Err(error) => {
            let _ = error.print();
            if let Some(option) = option_for(&error) {
                Ui::default().hint(&format!("give it with an option: {option}"));
            }
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let ui = Ui::new(&cli.general);
    match commands::run(&cli, &ui) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failed(cli.general.output, &failure);
            ui.failure(&failure);
            failure.exit.into()
        }
    }
}

/// The option for a value that was given without one.
fn option_for(error: &clap::Error) -> Option<&'static str> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    if !matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand) {
        return None;
    }
    let given = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand];
    match given.into_iter().find_map(|kind| error.get(kind))? {
        ContextValue::String(value) if value.starts_with("https://") => Some("--issuer URL"),
        ContextValue::String(value) if value.starts_with("s3://") => {
            Some("--to s3://BUCKET/PREFIX")
        }
        ContextValue::String(value)
            if [".yaml", ".yml", ".json"].iter().any(|end| value.ends_with(end)) =>
        {
            Some("-f FILE")
        }
        ContextValue::String(value)
            if [".pub", ".pem", ".key", ".crt"].iter().any(|end| value.ends_with(end)) =>
        {
            Some("--key FILE")
        }
        _ => None,
    }
}

/// Whether it is PEM, a JWT or JSON, which is not a valid argument of any command.
fn holds_a_secret(argument: &str) -> bool {
    argument.contains("-----BEGIN")
        || argument.starts_with(['{', '['])
        || (argument.starts_with("eyJ") && argument.len() > 60)
        // An issuer URL with a line break gets its own error message.
        || (argument.contains('\n') && !argument.starts_with("http"))
}

/// The result of a command.
type Outcome = Result<Exit, Failure>;

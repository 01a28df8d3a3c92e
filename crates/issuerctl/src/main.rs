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
        Err(error) => error.exit(),
    };
    let ui = Ui::new(&cli.general);
    match commands::run(&cli, &ui) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ui.failure(&failure);
            failure.exit.into()
        }
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

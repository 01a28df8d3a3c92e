//! `issuerctl` publishes a Kubernetes cluster's service-account issuer, and proves that AWS will
//! accept its tokens.

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
    // A usage error quotes what was given, and a key or token in its place would stand in the job's
    // log.
    if std::env::args_os().any(|argument| holds_a_secret(&argument.to_string_lossy())) {
        Ui::default().failure(
            &Failure::new(
                Exit::Usage,
                "an argument is a key, a token or a document itself, not the name of a file",
            )
            .hint(Some("give the file's name, or - and the contents on standard input")),
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

/// PEM, a JWT or JSON; no argument of any command begins so.
fn holds_a_secret(argument: &str) -> bool {
    argument.contains("-----BEGIN")
        || argument.starts_with(['{', '['])
        || (argument.starts_with("eyJ") && argument.len() > 60)
        // An issuer with a line break has a message of its own.
        || (argument.contains('\n') && !argument.starts_with("http"))
}

/// What every command ends with.
type Outcome = Result<Exit, Failure>;

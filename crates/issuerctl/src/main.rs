//! `issuerctl` publishes a Kubernetes cluster's service-account issuer, and proves that AWS will accept its tokens.

mod cli;
mod commands;
mod failure;
mod files;
mod output;
mod runtime;
mod sources;
mod talk;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::talk::Talk;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are data and end with 0; a usage error is talk and ends with 2.
        Err(error) => error.exit(),
    };
    let talk = Talk::new(&cli.general);
    match commands::run(&cli, &talk) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            talk.failure(&failure);
            failure.exit.into()
        }
    }
}

/// What every command ends with.
type Outcome = Result<failure::Exit, Failure>;

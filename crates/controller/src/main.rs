//! `issuer-controller` keeps the issuers of a cluster as their objects declare them.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}

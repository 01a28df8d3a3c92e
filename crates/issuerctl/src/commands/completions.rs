//! `issuerctl completions`

use clap::CommandFactory;

use crate::Outcome;
use crate::cli::{Cli, CompletionsArgs, OutputFormat};
use crate::failure::Exit;
use crate::output::{self, SCHEMA_VERSION};

pub(crate) fn run(args: &CompletionsArgs, format: OutputFormat) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "issuerctl", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match format {
        OutputFormat::Text => output::document(&script)?,
        OutputFormat::Json => {
            output::json(&output::Script { schema_version: SCHEMA_VERSION, document: script })?
        }
    }
    Ok(Exit::Done)
}

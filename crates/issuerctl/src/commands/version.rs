//! `issuerctl version`

use crate::Outcome;
use crate::cli::OutputFormat;
use crate::failure::Exit;
use crate::output::{self, SCHEMA_VERSION};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn run(format: OutputFormat) -> Outcome {
    match format {
        OutputFormat::Text => output::line(&format!("issuerctl {VERSION}"))?,
        OutputFormat::Json => output::json(&output::Version {
            schema_version: SCHEMA_VERSION,
            version: VERSION.to_owned(),
        })?,
    }
    Ok(Exit::Done)
}

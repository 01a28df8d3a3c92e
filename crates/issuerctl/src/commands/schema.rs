//! `issuerctl schema`

use crate::Outcome;
use crate::cli::{OutputFormat, SchemaArgs, SchemaOf};
use crate::output;

pub(crate) fn run(args: &SchemaArgs, format: OutputFormat) -> Outcome {
    let schema = match args.of {
        SchemaOf::Issuer => issuer_manifest::json_schema(),
        SchemaOf::Output => output::schema(),
    };
    output::rendered(format, format!("{schema:#}\n"))
}

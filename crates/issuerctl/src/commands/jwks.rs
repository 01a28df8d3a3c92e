//! `issuerctl jwks`

use crate::Outcome;
use crate::cli::{JwksArgs, OutputFormat};
use crate::keys;
use crate::output;
use crate::ui::Ui;

pub(crate) fn run(args: &JwksArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let mut set = keys::read(&args.keys.keys, &args.tls, ui)?.keys;
    if args.with_empty_kid {
        set = set.with_empty_kid()?;
    }
    let json = if args.pretty { set.to_json_pretty() } else { set.to_json() };
    output::keys_document(format, json, &set)
}

//! `issuerctl extract`

use std::collections::HashSet;

use crate::Outcome;
use crate::cli::{ExtractArgs, OutputFormat};
use crate::keys;
use crate::output;
use crate::ui::Ui;

pub(crate) fn run(args: &ExtractArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let set = keys::read(&args.keys.keys, &args.tls, ui)?.keys;
    // A key with two kids (one of them empty, as in the guide) is still one key.
    let mut seen = HashSet::new();
    let pem: String = set
        .keys()
        .iter()
        .filter(|jwk| seen.insert(&jwk.key))
        .map(|jwk| jwk.key.to_spki_pem())
        .collect();
    output::keys_document(format, pem, &set)
}

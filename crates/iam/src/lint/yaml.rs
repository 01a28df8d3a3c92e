//! Policies in YAML, as the AWS CLI prints them with `output = yaml`, and as templates have them.

use serde_json::Value;
use serde_saphyr::Options;

use crate::Error;

/// The documents of a text.
///
/// # Errors
/// [`Error::NotAPolicy`], with line and column.
pub(super) fn read(text: &str) -> Result<Vec<Value>, Error> {
    let not = |reason: String| Error::NotAPolicy { reason };
    if is_hcl(text) {
        return Err(not(
            "it is Terraform source; give the output of terraform show -json".to_owned()
        ));
    }
    let mut options = Options::default();
    options.with_snippet = false;
    // Keep leading zeros of account IDs; only true and false are booleans.
    options.leading_zero_numbers_as_strings = true;
    options.strict_booleans = true;
    let read = serde_saphyr::from_multiple_with_options(text, options);
    let documents: Vec<Value> = read.map_err(|error| {
        let place = error.location().map_or_else(String::new, |location| {
            format!(" at line {} column {}", location.line(), location.column())
        });
        not(format!("it is neither JSON nor valid YAML{place}"))
    })?;
    if documents.iter().all(|document| !document.is_object() && !document.is_array()) {
        return Err(not("it is neither JSON nor a YAML mapping".to_owned()));
    }
    Ok(documents)
}

/// Whether it has blocks of Terraform's language.
fn is_hcl(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        ["resource \"", "data \"", "module \"", "locals {", "variable \""]
            .iter()
            .any(|block| line.starts_with(block))
    })
}

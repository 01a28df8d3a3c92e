//! From text to objects.

use std::collections::BTreeSet;

use serde_saphyr::{Error as YamlError, Options};

use crate::{Error, Issuer};

/// How alike a known name must be to be suggested (Jaro-Winkler).
const ALIKE: f64 = 0.8;

/// Reads one or more YAML documents (or JSON, which is YAML). What does not fit is named with line and column; the text itself
/// is not repeated, since somebody may have given a key in place of the file.
///
/// # Errors
/// [`Error::Text`], [`Error::Empty`], [`Error::Unfit`].
pub fn parse(text: &str) -> Result<Vec<Issuer>, Error> {
    let mut options = Options::default();
    options.with_snippet = false;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let issuers: Vec<Issuer> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| unreadable(&error))?;
    if issuers.is_empty() {
        return Err(Error::Empty);
    }
    let mut names = BTreeSet::new();
    for issuer in &issuers {
        check(issuer)?;
        if !names.insert(issuer.name()) {
            return Err(unfit(issuer, "there are two of this name in the file"));
        }
    }
    Ok(issuers)
}

fn check(issuer: &Issuer) -> Result<(), Error> {
    let spec = &issuer.spec;
    if spec.store.is_some() && spec.keys.is_empty() {
        return Err(unfit(issuer, "a store without keys: there is nothing to publish"));
    }
    if spec.store.is_none() && !spec.keys.is_empty() {
        return Err(unfit(issuer, "keys without a store: say where they are published, or leave them out"));
    }
    if spec.issuer.is_none() && !matches!(spec.store, Some(crate::StoreSpec::S3(_))) {
        return Err(unfit(issuer, "spec.issuer is needed, since no S3 store says it"));
    }
    let mut names = BTreeSet::new();
    for role in &spec.roles {
        // Names of roles are not case-sensitive to IAM.
        if !names.insert(role.name.as_str().to_ascii_lowercase()) {
            return Err(unfit(issuer, &format!("there are two roles of the name {}", role.name)));
        }
    }
    let mut policies = BTreeSet::new();
    for (role, policy) in spec.roles.iter().flat_map(|role| role.managed_policies.keys().map(move |name| (role, name)))
    {
        if !policies.insert(policy.to_ascii_lowercase()) {
            let reason = format!("two roles make the policy {policy}; {} can attach it by its ARN instead", role.name);
            return Err(unfit(issuer, &reason));
        }
    }
    Ok(())
}

fn unfit(issuer: &Issuer, reason: &str) -> Error {
    Error::Unfit { name: issuer.name().to_owned(), reason: reason.to_owned() }
}

fn unreadable(error: &YamlError) -> Error {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((1, 1), |location| (location.line(), location.column()));
    let (reason, near) = match error {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            (format!("there is no {field:?} here; there is {}", expected.join(", ")), nearest(field, expected))
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("{variant:?} is not known here; there is {}", expected.join(", ")), nearest(variant, expected))
        }
        YamlError::SerdeMissingField { field, .. } => (format!("{field:?} is missing"), None),
        YamlError::DuplicateMappingKey { key, .. } => {
            (format!("{:?} stands there twice", key.as_deref().unwrap_or_default()), None)
        }
        other => {
            let text = other.to_string();
            let place = format!(" at line {line}, column {column}");
            (text.strip_suffix(&place).unwrap_or(&text).to_owned(), None)
        }
    };
    Error::Text { line, column, reason, near }
}

fn nearest(given: &str, known: &[&'static str]) -> Option<String> {
    let given = given.to_lowercase();
    let likeness = |name: &&&str| strsim::jaro_winkler(&given, &name.to_lowercase());
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= ALIKE).then(|| (*best).to_owned())
}

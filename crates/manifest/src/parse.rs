//! Reading issuer files.

use std::collections::{BTreeMap, BTreeSet};

use issuer_diagnostic::deceptive_in;
use issuer_discovery::IssuerUrl;
use issuer_publish::AccessMode;
use serde_saphyr::{Error as YamlError, Options};

use crate::{Error, Issuer, StoreSpec};

/// Text that only PEM, base64-encoded PEM or a JSON Web Key has.
pub(crate) const KEYS: [&str; 3] = ["-----BEGIN", "LS0tLS1CRUdJTi", "\"kty\""];

/// The kind, and its earlier name, which is also a kind of cert-manager.
const KIND: &str = "ServiceAccountIssuer";
const OLD_KIND: &str = "Issuer";

const SAME_NAME: &str = "the file has two issuers with this name";

/// Minimum similarity of a suggested name (Jaro-Winkler).
const ALIKE: f64 = 0.8;

/// Reads one or more YAML documents (or JSON, which is YAML). Errors have line and column, but do
/// not quote the text, which may be a key that was given by mistake.
///
/// # Errors
/// [`Error::Text`], [`Error::Key`], [`Error::Empty`], [`Error::Unfit`].
pub fn parse(text: &str) -> Result<Vec<Issuer>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(line) = text.lines().position(|line| KEYS.iter().any(|key| line.contains(key))) {
        return Err(Error::Key { line: line + 1 });
    }
    let mut options = Options::default();
    options.with_snippet = false;
    // Keep leading zeros of account IDs; only true and false are booleans.
    options.leading_zero_numbers_as_strings = true;
    options.strict_booleans = true;
    // A fleet is one file with thousands of issuers; aliases keep their limits.
    if let Some(budget) = &mut options.budget {
        budget.max_documents = usize::MAX;
        budget.max_events = usize::MAX;
        budget.max_nodes = usize::MAX;
        budget.max_total_scalar_bytes = usize::MAX;
    }
    let issuers: Vec<Issuer> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| unreadable(&error, text))?;
    if issuers.is_empty() {
        return Err(Error::Empty);
    }
    let mut names = BTreeSet::new();
    for issuer in &issuers {
        check(issuer)?;
        if !names.insert(issuer.name()) {
            return Err(unfit(issuer, SAME_NAME));
        }
    }
    Ok(issuers)
}

/// Reads every document for itself: one that is not valid says nothing about the others. Of several with
/// one name, none is valid. A text without a document is one error.
#[must_use]
pub fn parse_each(text: &str) -> Vec<Result<Issuer, Error>> {
    let error = match parse(text) {
        Ok(issuers) => return issuers.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    let mut read = Vec::new();
    for (lines, document) in documents(text) {
        match parse(document) {
            Ok(issuers) => read.extend(issuers.into_iter().map(Ok)),
            // White space or comments between two documents.
            Err(Error::Empty) => {}
            Err(error) => read.push(Err(error.below(lines))),
        }
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for issuer in read.iter().flatten() {
        *names.entry(issuer.name().to_owned()).or_default() += 1;
    }
    for one in &mut read {
        if let Ok(issuer) = one
            && names.get(issuer.name()).is_some_and(|&count| count > 1)
        {
            *one = Err(unfit(issuer, SAME_NAME));
        }
    }
    // What is wrong may be between the documents.
    if read.iter().all(Result::is_ok) { vec![Err(error)] } else { read }
}

/// The documents of a text, each with the number of lines before it. A line that begins with --- begins
/// a document wherever it is (YAML 1.2.2 section 9.1.2).
fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut documents, mut begin, mut lines, mut at) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            documents.push((lines, &text[begin..at]));
            (begin, lines) = (at, number);
        }
        at += line.len();
    }
    documents.push((lines, &text[begin..]));
    documents
}

pub(crate) fn check(issuer: &Issuer) -> Result<(), Error> {
    let spec = &issuer.spec;
    if spec.store.is_some() && spec.keys.is_empty() {
        return Err(unfit(issuer, "it has a store but no keys, so there is nothing to publish"));
    }
    if spec.store.is_none() && !spec.keys.is_empty() {
        return Err(unfit(issuer, "it has keys but no store; add a store, or remove the keys"));
    }
    if spec.issuer.is_none() && !matches!(spec.store, Some(StoreSpec::S3(_))) {
        return Err(unfit(issuer, "spec.issuer is required without an S3 store"));
    }
    if let Some(url) = &spec.issuer
        && let Err(fault) = IssuerUrl::parse(url.as_str(), spec.ports())
    {
        let without = "an issuer with a port can have neither provider nor roles";
        return Err(unfit(issuer, &format!("{fault}; {without}")));
    }
    if let Some(StoreSpec::S3(s3)) = &spec.store
        && s3.shared_bucket
        && s3.access != AccessMode::Policy
    {
        return Err(unfit(issuer, "sharedBucket requires access: policy"));
    }
    if let Some(StoreSpec::S3(s3)) = &spec.store {
        if s3.access != AccessMode::CloudFront && s3.certificate_arn.is_some() {
            return Err(unfit(issuer, "certificateArn requires access: cloudfront"));
        }
        if s3.access == AccessMode::CloudFront && s3.endpoint_url.is_some() {
            return Err(unfit(
                issuer,
                "access: cloudfront is for a bucket in AWS, without endpointUrl",
            ));
        }
    }
    let mut names = BTreeSet::new();
    for role in &spec.roles {
        // Role names are not case-sensitive in IAM.
        if !names.insert(role.name.as_str().to_ascii_lowercase()) {
            return Err(unfit(issuer, &format!("it has two roles with the name {}", role.name)));
        }
    }
    let mut policies = BTreeSet::new();
    for (role, policy) in spec
        .roles
        .iter()
        .flat_map(|role| role.managed_policies.keys().map(move |name| (role, name)))
    {
        if !policies.insert(policy.to_ascii_lowercase()) {
            let reason = format!(
                "two roles create the policy {policy}; {} can attach it by its ARN instead",
                role.name
            );
            return Err(unfit(issuer, &reason));
        }
    }
    Ok(())
}

fn unfit(issuer: &Issuer, reason: &str) -> Error {
    Error::Unfit { name: issuer.name().to_owned(), reason: reason.to_owned() }
}

fn unreadable(error: &YamlError, text: &str) -> Error {
    let error = error.without_snippet();
    let (line, column) =
        error.location().map_or((1, 1), |location| (location.line(), location.column()));
    let (reason, near) = match error {
        YamlError::SerdeUnknownField { field, expected, .. } => (
            format!("unknown field{}; the fields here are {}", name(field), expected.join(", ")),
            nearest(field, expected),
        ),
        YamlError::SerdeUnknownVariant { variant, expected, .. }
            if variant == OLD_KIND && expected.contains(&KIND) =>
        {
            (format!("the kind {OLD_KIND} is now called {KIND}"), None)
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => (
            format!("unknown value{}; the values here are {}", name(variant), expected.join(", ")),
            nearest(variant, expected),
        ),
        YamlError::SerdeMissingField { field, .. } => {
            (format!("the field {field:?} is missing"), None)
        }
        YamlError::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or_default();
            let documents = match key {
                "apiVersion" | "kind" | "metadata" | "spec" => {
                    "; put --- on a line of its own between two issuers"
                }
                _ => "",
            };
            (format!("the field{} is set twice{documents}", name(key)), None)
        }
        other => {
            let text = other.to_string();
            let place = format!(" at line {line}, column {column}");
            let text = text.strip_suffix(&place).unwrap_or(&text);
            (plainly(text).unwrap_or(text).to_owned(), None)
        }
    };
    let reason = match deceptive_in(text).find(|stray| stray.line as u64 == line) {
        Some(stray) => format!("{reason}; the line has {} in column {}", stray.what, stray.column),
        None => reason,
    };
    Error::Text { line, column, reason, near }
}

/// A name or value as it is in the file, unless it has the form of something that could be secret.
fn name(text: &str) -> String {
    let is_plain = text.len() <= 40 && !text.chars().any(|c| "+/=".contains(c) || c.is_control());
    if is_plain { format!(" {text:?}") } else { String::new() }
}

/// Common messages of the library, reworded for users.
fn plainly(text: &str) -> Option<&'static str> {
    let words = [
        ("expected sequence start", "this must be a list"),
        ("expected string scalar", "this must be a string"),
        ("tabs disallowed", "YAML does not allow a tab for indentation; use spaces"),
        ("expected mapping start", "this must be a mapping, such as kind: ServiceAccountIssuer"),
        (
            "expected end of mapping after enum variant value",
            "this can have only one of these fields; write a list entry for each",
        ),
        ("cannot deserialize null into string", "this must be a string, and is empty"),
        ("invalid u32", "this must be a whole number"),
    ];
    words.into_iter().find(|(said, _)| text.starts_with(said)).map(|(_, plain)| plain)
}

fn nearest(given: &str, known: &[&'static str]) -> Option<String> {
    let given = given.to_lowercase();
    let likeness = |name: &&&str| strsim::jaro_winkler(&given, &name.to_lowercase());
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= ALIKE).then(|| (*best).to_owned())
}

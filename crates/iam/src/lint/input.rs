//! Trust policies in the forms in which they are available.

use issuer_diagnostic::explain_json;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::options::Wanted;
use super::roles::{self, Found};
use super::template::Template;
use super::{duplicates, yaml};
use crate::{Error, TrustPolicy};

/// A policy, and what only its text shows.
pub(super) struct Document {
    /// What the text calls the role.
    pub(super) role: Option<String>,
    pub(super) policy: TrustPolicy,
    /// Members that an object has twice.
    pub(super) twice: Vec<String>,
    /// A comment before it, which JSON does not have.
    pub(super) comment: Option<&'static str>,
    /// Characters without white space, as IAM counts them.
    pub(super) size: usize,
}

impl Document {
    /// Reads the policies in a text: a policy alone, in JSON or YAML, or percent-encoded, as IAM's
    /// API returns it; or the policies of roles in the output of another tool.
    pub(super) fn read_all(text: &str, wanted: &Wanted) -> Result<Vec<Self>, Error> {
        // Editors on Windows add it, and JSON parsers reject it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if is_encoded(text) {
            return Ok(vec![Self::plain(&decoded(text)?)?]);
        }
        if let Some((comment, text)) = after_comment(text) {
            let mut all = Self::read_all(&text, wanted)?;
            all.iter_mut().for_each(|document| document.comment = Some(comment));
            return Ok(all);
        }
        let documents = if is_json(text) {
            vec![serde_json::from_str(text).map_err(|error| not(&explain_json(text, &error)))?]
        } else {
            yaml::read(text)?
        };
        let mut all = Vec::new();
        for document in documents {
            let template = Template::of(&document, wanted);
            for found in roles::find(document) {
                all.push(Self::of(found, template.as_ref())?);
            }
        }
        match &mut all[..] {
            [] => return Err(not("it has no Statement, and no role with a trust policy")),
            [one] if is_json(text) => one.twice.extend(duplicates::find(text)),
            _ => {}
        }
        Ok(all)
    }

    fn of(found: Found, template: Option<&Template<'_>>) -> Result<Self, Error> {
        let role = found.name;
        let policy = match template {
            Some(template) => template.resolve(found.policy)?,
            None => found.policy,
        };
        let document = match policy {
            Value::String(inner) if is_encoded(&inner) => Self::plain(&decoded(&inner)?),
            Value::String(inner) => Self::plain(&inner),
            inner => Self::plain(&inner.to_string()),
        };
        match (document, &role) {
            (Ok(document), _) => Ok(Self { role, ..document }),
            (Err(Error::NotAPolicy { reason }), Some(role)) => {
                Err(not(&format!("the policy of {role}: {reason}")))
            }
            (Err(error), _) => Err(error),
        }
    }

    fn plain(text: &str) -> Result<Self, Error> {
        Ok(Self {
            role: None,
            policy: TrustPolicy::parse(text)?,
            twice: duplicates::find(text),
            comment: None,
            size: text.chars().filter(|c| !c.is_whitespace()).count(),
        })
    }
}

/// YAML can begin like JSON, but it allows what IAM rejects, such as a comma at the end.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"']) || text.trim().is_empty()
}

/// The comment before JSON, and the text with spaces instead of it, so that positions are the same.
/// In YAML that does not look like JSON, `#` is no fault.
fn after_comment(text: &str) -> Option<(&'static str, String)> {
    let mut rest = text.trim_start();
    let mut first = None;
    loop {
        let kind = ["//", "/*", "#"].into_iter().find(|start| rest.starts_with(start));
        let Some(kind) = kind else { break };
        let end = match kind {
            "/*" => rest.find("*/").map(|at| at + 2),
            _ => rest.find('\n'),
        };
        rest = rest[end?..].trim_start();
        first = first.or(Some(kind));
    }
    let blank = |c: char| if c == '\n' || c == '\r' { c } else { ' ' };
    let before = text[..text.len() - rest.len()].chars().map(blank);
    first
        .filter(|_| rest.starts_with(['{', '[']))
        .map(|kind| (kind, before.collect::<String>() + rest))
}

/// JSON and YAML never begin with a percent sign and two hexadecimal digits.
fn is_encoded(text: &str) -> bool {
    text.trim_start().starts_with('%')
}

fn decoded(text: &str) -> Result<String, Error> {
    let text = percent_decode_str(text.trim()).decode_utf8();
    text.map(String::from).map_err(|_| not("the percent-encoded text is not UTF-8"))
}

fn not(reason: &str) -> Error {
    Error::NotAPolicy { reason: reason.to_owned() }
}

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
    /// The account of the role, if the text has its ARN.
    pub(super) account: Option<String>,
    pub(super) policy: TrustPolicy,
    /// Members that an object has twice.
    pub(super) twice: Vec<String>,
    /// A comment before it, which JSON does not have.
    pub(super) comment: Option<&'static str>,
    /// Characters without white space, as IAM counts them.
    pub(super) size: usize,
}

/// A role whose policy cannot be judged, and why.
pub(super) struct Unread {
    pub(super) role: Option<String>,
    pub(super) error: Box<Error>,
}

impl Unread {
    /// The error with the name of the role.
    pub(super) fn named(&self) -> Error {
        match (&self.role, &*self.error) {
            (Some(role), Error::NotAPolicy { reason }) => {
                not(&format!("the policy of {role}: {reason}"))
            }
            (_, error) => error.clone(),
        }
    }
}

/// What a text has.
pub(super) struct Input {
    /// Each policy by itself: one that cannot be judged does not affect the others.
    pub(super) documents: Vec<Result<Document, Unread>>,
    /// Whether AWS says that there are more roles than these.
    pub(super) truncated: bool,
}

impl Input {
    /// Reads the policies in a text: a policy alone, in JSON or YAML, or percent-encoded, as IAM's
    /// API returns it; or the policies of roles in the output of another tool.
    ///
    /// # Errors
    /// [`Error::NotAPolicy`] if it has none, or only one that cannot be judged.
    pub(super) fn read(text: &str, wanted: &Wanted) -> Result<Self, Error> {
        // Editors on Windows add it, and JSON parsers reject it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(not(EMPTY));
        }
        if is_encoded(text) {
            let document = Document::plain(&decoded(text)?)?;
            return Ok(Self { documents: vec![Ok(document)], truncated: false });
        }
        if let Some((comment, text)) = after_comment(text) {
            let mut all = Self::read(&text, wanted)?;
            all.documents
                .iter_mut()
                .flatten()
                .for_each(|document| document.comment = Some(comment));
            return Ok(all);
        }
        let read = if is_json(text) {
            vec![serde_json::from_str(text).map_err(|error| not(&explain_json(text, &error)))?]
        } else {
            yaml::read(text)?
        };
        let truncated = read.iter().any(is_truncated);
        let mut documents = Vec::new();
        for document in read {
            let template = Template::of(&document, wanted);
            for found in roles::find(document) {
                documents.push(Document::of(found, &template));
            }
        }
        if let [Err(unread)] = &documents[..] {
            return Err(unread.named());
        }
        match &mut documents[..] {
            [] => return Err(not("it has no Statement, and no role with a trust policy")),
            [Ok(one)] if is_json(text) => one.twice.extend(duplicates::find(text)),
            _ => {}
        }
        Ok(Self { documents, truncated })
    }
}

impl Document {
    fn of(found: Found, template: &Template<'_>) -> Result<Self, Unread> {
        let Found { name: role, account, policy } = found;
        let read = template.resolve(policy).and_then(|policy| match policy {
            Value::String(inner) if is_encoded(&inner) => Self::plain(&decoded(&inner)?),
            Value::String(inner) => Self::plain(&inner),
            inner => Self::plain(&inner.to_string()),
        });
        match read {
            Ok(document) => Ok(Self { role, account, ..document }),
            Err(error) => Err(Unread { role, error: Box::new(error) }),
        }
    }

    fn plain(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Err(not(EMPTY));
        }
        Ok(Self {
            role: None,
            account: None,
            policy: TrustPolicy::parse(text)?,
            twice: duplicates::find(text),
            comment: None,
            size: text.chars().filter(|c| !c.is_whitespace()).count(),
        })
    }
}

const EMPTY: &str = "it is empty";

/// Whether the AWS CLI or the API says that there are more: `--max-items` leaves a `NextToken`, and
/// `--no-paginate` prints one answer of the API with a `Marker`.
fn is_truncated(document: &Value) -> bool {
    let has = |name: &str| {
        document.get(name).and_then(Value::as_str).is_some_and(|token| !token.is_empty())
    };
    document.get("IsTruncated") == Some(&Value::Bool(true)) || has("NextToken") || has("Marker")
}

/// YAML can begin like JSON, but it allows what IAM rejects, such as a comma at the end.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
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

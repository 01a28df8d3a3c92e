//! Standard output: exact documents, and the frozen objects of `--output json`.

mod aws;
mod whole;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use issuer_diagnostic::{Check, Status};
use issuer_jwks::JwkSet;
use issuer_publish::{Change, KeyChange, Plan};
use serde::Serialize;

use crate::Outcome;
use crate::cli::OutputFormat;
use crate::failure::{Exit, Failure};

pub(crate) use aws::{Lint, ProviderChange, ProviderState, RoleChange, RoleState, Step, Trust};
pub(crate) use whole::{LEFT, Line, Whole, WholeIssuer, coloured_plan, lines_of, summary};

/// Version of every object below; it grows when a member changes its meaning or goes.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// A key by its public names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) alg: &'static str,
    /// `RSA-2048`, `P-256`.
    pub(crate) kind: String,
}

impl From<&issuer_jwks::Jwk> for Key {
    fn from(jwk: &issuer_jwks::Jwk) -> Self {
        Self {
            kid: jwk.kid.as_str().to_owned(),
            alg: jwk.key.algorithm().as_str(),
            kind: jwk.key.describe(),
        }
    }
}

/// `keygen`.
#[derive(Debug, Serialize)]
pub(crate) struct Keygen {
    pub(crate) schema_version: u32,
    pub(crate) key: Key,
    pub(crate) private_key_file: String,
    pub(crate) public_key_file: String,
}

/// `extract`, `jwks`, `discovery`: a document, and the keys it was made from.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) schema_version: u32,
    /// The document's exact text.
    pub(crate) document: String,
    pub(crate) keys: Vec<Key>,
}

/// `publish`.
#[derive(Debug, Serialize)]
pub(crate) struct Publish<'a> {
    pub(crate) schema_version: u32,
    pub(crate) issuer: &'a str,
    pub(crate) store: &'a str,
    pub(crate) dry_run: bool,
    /// Whether anything was written, or would be.
    pub(crate) changed: bool,
    pub(crate) keys: Vec<PublishedKey>,
    pub(crate) documents: Vec<PublishedDocument>,
    /// What was done about public access, in order.
    pub(crate) access: Vec<String>,
    pub(crate) notices: Vec<&'a str>,
    pub(crate) verification: Option<Verify<'a>>,
}

/// A key of `publish` with what happens to it.
#[derive(Debug, Serialize)]
pub(crate) struct PublishedKey {
    #[serde(flatten)]
    pub(crate) key: Key,
    /// `added`, `unchanged`, `kept` or `pruned`.
    pub(crate) change: &'static str,
}

/// A document of `publish` with what happens to it.
#[derive(Debug, Serialize)]
pub(crate) struct PublishedDocument {
    pub(crate) name: &'static str,
    /// `create`, `update` or `unchanged`.
    pub(crate) change: &'static str,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        verdict: Option<&'a issuer_verify::Verdict>,
        dry_run: bool,
    ) -> Self {
        let key = |(jwk, change): &(issuer_jwks::Jwk, KeyChange)| PublishedKey {
            key: jwk.into(),
            change: match change {
                KeyChange::Added => "added",
                KeyChange::Unchanged => "unchanged",
                KeyChange::Kept => "kept",
                KeyChange::Pruned => "pruned",
            },
        };
        let document = |document: &issuer_publish::DocumentPlan| PublishedDocument {
            name: document.name,
            change: match document.change {
                Change::Create => "create",
                Change::Update => "update",
                Change::Unchanged => "unchanged",
            },
        };
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: plan.issuer().as_str(),
            store: plan.location(),
            dry_run,
            changed: plan.changes_anything(),
            keys: plan.key_changes().iter().map(key).collect(),
            documents: plan.documents().iter().map(document).collect(),
            access: plan.access().steps(),
            notices: plan.access().notices().collect(),
            verification: verdict.map(Verify::from),
        }
    }
}

/// `verify`.
#[derive(Debug, Serialize)]
pub(crate) struct Verify<'a> {
    pub(crate) schema_version: u32,
    pub(crate) issuer: &'a str,
    pub(crate) passed: bool,
    pub(crate) checks: &'a [Check],
}

impl<'a> From<&'a issuer_verify::Verdict> for Verify<'a> {
    fn from(verdict: &'a issuer_verify::Verdict) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: &verdict.issuer,
            passed: verdict.passed(),
            checks: &verdict.checks,
        }
    }
}

/// `completions`, `render`, and `--print-iam-policy`.
#[derive(Debug, Serialize)]
pub(crate) struct Script {
    pub(crate) schema_version: u32,
    pub(crate) document: String,
}

/// `man`.
#[derive(Debug, Serialize)]
pub(crate) struct Files {
    pub(crate) schema_version: u32,
    pub(crate) files: Vec<String>,
}

/// Checks for people: a line each in columns and colours, below it its consequence under the name
/// `so` and its fix, and at the end the result.
pub(crate) fn report(checks: &[Check], so: &str, passed: bool) -> String {
    let mut text = String::new();
    let width = checks.iter().map(|check| check.id.len()).max().unwrap_or_default();
    for check in checks {
        let style = match check.status {
            Status::Pass => AnsiColor::Green.on_default(),
            Status::Fail => AnsiColor::Red.on_default().bold(),
            Status::Warn => AnsiColor::Yellow.on_default(),
            Status::Skip => Style::new().dimmed(),
        };
        let (status, id, message) = (check.status, &check.id, &check.message);
        let _ = writeln!(text, "  {style}{status}{style:#}  {id:width$}  {message}");
        for (what, more) in [(so, &check.consequence), ("fix", &check.fix)] {
            if let Some(more) = more {
                let _ = writeln!(text, "        {what}: {more}");
            }
        }
    }
    let _ = writeln!(text, "{}", if passed { "passed" } else { "FAILED" });
    text
}

/// Writes a document's exact bytes; a newline follows only on a terminal, where the prompt would
/// stick to it.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn document(text: &str) -> Result<(), Failure> {
    let newline = io::stdout().is_terminal() && !text.ends_with('\n');
    write(text, if newline { "\n" } else { "" })
}

/// Ends `extract`, `jwks` and `discovery`: the document, exactly or within the JSON object.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn keys_document(format: OutputFormat, document: String, set: &JwkSet) -> Outcome {
    match format {
        OutputFormat::Text => self::document(&document)?,
        OutputFormat::Json => {
            let keys = set.keys().iter().map(Key::from).collect();
            json(&Document { schema_version: SCHEMA_VERSION, document, keys })?;
        }
    }
    Ok(Exit::Done)
}

/// Writes an IAM policy, plainly or within the JSON object.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn policy(format: OutputFormat, policy: &serde_json::Value) -> Outcome {
    let document = format!("{policy:#}");
    match format {
        OutputFormat::Text => line(&document)?,
        OutputFormat::Json => json(&Script { schema_version: SCHEMA_VERSION, document })?,
    }
    Ok(Exit::Done)
}

/// Ends `render`: the document, exactly or within the JSON object.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn rendered(format: OutputFormat, document: String) -> Outcome {
    match format {
        OutputFormat::Text => self::document(&document)?,
        OutputFormat::Json => json(&Script { schema_version: SCHEMA_VERSION, document })?,
    }
    Ok(Exit::Done)
}

/// Writes one line.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write(text, "\n")
}

/// Writes one of the objects above.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn json(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(object).map_err(|error| {
        Failure::while_doing(Exit::Failure, "cannot write the answer as JSON", &error)
    })?;
    write(&text, "\n")
}

/// Writes text with colours, which are left out where standard output is no terminal or `NO_COLOR`
/// is set.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn coloured(text: &str) -> Result<(), Failure> {
    anstream::stdout().write_all(text.as_bytes()).map_err(|error| refused(&error))
}

fn write(text: &str, end: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    [text, end]
        .iter()
        .try_for_each(|part| out.write_all(part.as_bytes()))
        .and_then(|()| out.flush())
        .map_err(|error| refused(&error))
}

fn refused(error: &io::Error) -> Failure {
    Failure::while_doing(Exit::Failure, "cannot write to standard output", error)
}

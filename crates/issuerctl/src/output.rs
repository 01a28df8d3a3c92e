//! Standard output: documents, and the versioned objects of `--output json`.

mod changes;
mod doctor;
mod history;
mod layout;
mod lines;
mod lists;
mod migration;
mod rotation;
mod state;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use issuer_diagnostic::{Check, Status};
use issuer_jwks::JwkSet;
use issuer_redact::redact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::advice;
use crate::cli::{Output, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

pub(crate) use changes::{
    Issuer, IssuerError, Plan, Proof, ProviderChange, Publish, RoleChange, Verify, changes_iam,
    dry_run_text, schema,
};
pub(crate) use doctor::doctor;
pub(crate) use history::History;
pub(crate) use lines::{Ended, Line, Totals, end_of_issuer};
pub(crate) use lists::{ProviderList, RoleList};
pub(crate) use migration::{IssuerChange, steps_text};
pub(crate) use rotation::{Keys, RotateStatus};
pub(crate) use state::{Lint, ProviderState, RoleState, Trust, provider, role, roles_text};

/// Version of all JSON objects; increased when a member changes its meaning or is removed.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// A public key by its identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) alg: String,
    /// `RSA-2048`, `P-256`.
    pub(crate) kind: String,
}

impl From<&issuer_jwks::Jwk> for Key {
    fn from(jwk: &issuer_jwks::Jwk) -> Self {
        Self {
            kid: jwk.kid.as_str().to_owned(),
            alg: jwk.key.algorithm().as_str().to_owned(),
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

/// `extract`, `jwks`, `discovery`: a document, and the keys that it is generated from.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) schema_version: u32,
    /// The exact text of the document.
    pub(crate) document: String,
    pub(crate) keys: Vec<Key>,
}

/// `completions`, `render`, `schema`, and `--print-iam-policy`.
#[derive(Debug, Serialize)]
pub(crate) struct Script {
    pub(crate) schema_version: u32,
    pub(crate) document: String,
}

/// `version`.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) schema_version: u32,
    pub(crate) version: String,
}

/// Any command that failed before it printed another object.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Failed {
    pub(crate) schema_version: u32,
    pub(crate) error: IssuerError,
}

/// `render` of a distribution's configuration.
#[derive(Debug, Serialize)]
pub(crate) struct Configuration {
    pub(crate) schema_version: u32,
    /// The whole file, or the lines alone.
    pub(crate) document: String,
    /// Whether it differs from the file.
    pub(crate) changed: bool,
    /// The accepted issuers; the first signs.
    pub(crate) issuers: Vec<String>,
    /// `accept`, `sign`, `drop`, `at-once` or `unchanged`.
    pub(crate) step: &'static str,
    /// The commands of this step, in order.
    pub(crate) rollout: Vec<String>,
    /// The command of the step that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    pub(crate) warnings: Vec<String>,
}

/// `url`.
#[derive(Debug, Serialize)]
pub(crate) struct Urls {
    pub(crate) schema_version: u32,
    pub(crate) issuers: Vec<IssuerUrl>,
}

/// One issuer of `url`.
#[derive(Debug, Serialize)]
pub(crate) struct IssuerUrl {
    /// Its name in the file, or null.
    pub(crate) name: Option<String>,
    pub(crate) issuer: String,
}

/// `man`.
#[derive(Debug, Serialize)]
pub(crate) struct Files {
    pub(crate) schema_version: u32,
    pub(crate) files: Vec<String>,
}

/// Checks as text: one line per check, followed by its consequence, labelled `so`, and its fix; the
/// last line is the result.
pub(crate) fn report(checks: &[Check], so: &str, passed: bool) -> String {
    let mut text = String::new();
    let columns = layout::columns();
    let width = checks.iter().map(|check| check.id.len()).max().unwrap_or_default();
    for check in checks {
        let style = status_style(check.status);
        let (status, id, message) = (check.status, &check.id, redact(&check.message));
        let line = format!("  {style}{status}{style:#}  {id:width$}  {message}");
        let _ = writeln!(text, "{}", layout::hanging(&line, 10 + width, columns));
        for (what, more) in [(so, &check.consequence), ("fix", &check.fix)] {
            if let Some(more) = more {
                let line = format!("        {what}: {}", redact(more));
                let _ = writeln!(text, "{}", layout::hanging(&line, 12, columns));
            }
        }
    }
    let failed = checks.iter().find(|check| check.failed()).filter(|_| !passed);
    let (style, result) = match failed {
        Some(check) => (status_style(Status::Fail), format!("FAILED at {}", check.id)),
        None if passed => (status_style(Status::Pass), "passed".to_owned()),
        None => (status_style(Status::Fail), "FAILED".to_owned()),
    };
    let _ = writeln!(text, "{style}{result}{style:#}");
    text
}

fn status_style(status: Status) -> Style {
    match status {
        Status::Pass => AnsiColor::Green.on_default(),
        Status::Fail => AnsiColor::Red.on_default().bold(),
        Status::Warn => AnsiColor::Yellow.on_default(),
        Status::Skip => Style::new().dimmed(),
    }
}

/// A verdict as text.
pub(crate) fn verdict_text(verdict: &issuer_verify::Verdict) -> String {
    let issuer = match verdict.issuer.as_str() {
        "" => String::new(),
        issuer => format!("{issuer}\n"),
    };
    let verdict = advice::with_options(verdict.clone());
    issuer + &report(&verdict.checks, "STS says", verdict.passed())
}

/// Writes the exact bytes of a document; on a terminal a missing final newline is added.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn document(text: &str) -> Result<(), Failure> {
    let newline = io::stdout().is_terminal() && !text.ends_with('\n');
    write(text, if newline { "\n" } else { "" })
}

/// Ends `extract`, `jwks` and `discovery`: the plain document, or the JSON object.
///
/// # Errors
/// Standard output cannot be written to.
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

/// Writes an IAM policy, plain or in a JSON object; nothing if no permission is needed.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn policy(format: OutputFormat, policy: &serde_json::Value, ui: &Ui) -> Outcome {
    let is_empty = policy["Statement"].as_array().is_some_and(Vec::is_empty);
    if is_empty {
        ui.note("no AWS permissions are needed; IAM has no policy without a statement");
    }
    let document = if is_empty { String::new() } else { format!("{policy:#}") };
    match format {
        OutputFormat::Text if is_empty => {}
        OutputFormat::Text => line(&document)?,
        OutputFormat::Json => json(&Script { schema_version: SCHEMA_VERSION, document })?,
    }
    Ok(Exit::Done)
}

/// Ends `render` and `schema`: the plain document, or the JSON object.
///
/// # Errors
/// Standard output cannot be written to.
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
/// Standard output cannot be written to.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write(text, "\n")
}

/// Whether anything was written.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Writes the object of a command that failed, unless the command has written one.
pub(crate) fn failed(output: Output, failure: &Failure) {
    if output == Output::Text || WRITTEN.load(Ordering::Relaxed) {
        return;
    }
    let failed = Failed { schema_version: SCHEMA_VERSION, error: failure.into() };
    // The failure itself is more important than that standard output cannot be written to.
    let _ = match output {
        Output::Jsonl => json_line(&Line::Error(failed)),
        _ => json(&failed),
    };
}

/// Writes an object as JSON.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn json(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(object).map_err(|error| {
        Failure::while_doing(Exit::Failure, "cannot write the result as JSON", &error)
    })?;
    write(&text, "\n")
}

/// Writes an object as JSON on one line.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn json_line(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(object).map_err(|error| {
        Failure::while_doing(Exit::Failure, "cannot write the result as JSON", &error)
    })?;
    write(&text, "\n")
}

/// Text for people: without secrets, and with lines that fit the terminal, or 80 columns.
pub(crate) fn fitting(text: &str) -> String {
    layout::fit(&redact(text), layout::columns())
}

/// Writes text for people, with colours unless standard output is not a terminal or `NO_COLOR` is
/// set.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn coloured(text: &str) -> Result<(), Failure> {
    coloured_lines(&fitting(text))
}

/// The same for lines whose width is decided already.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn coloured_lines(text: &str) -> Result<(), Failure> {
    WRITTEN.store(true, Ordering::Relaxed);
    anstream::stdout().write_all(redact(text).as_bytes()).or_else(closed)
}

fn write(text: &str, end: &str) -> Result<(), Failure> {
    WRITTEN.store(true, Ordering::Relaxed);
    let mut out = io::stdout().lock();
    [text, end]
        .iter()
        .try_for_each(|part| out.write_all(part.as_bytes()))
        .and_then(|()| out.flush())
        .or_else(closed)
}

/// A reader that has read enough (`head`) is not a failure.
fn closed(error: io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(Failure::while_doing(Exit::Failure, "cannot write to standard output", &error))
}

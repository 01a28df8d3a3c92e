//! What `doctor` prints: one line a group, the root cause in full, and what to do next.

use std::fmt::Write as _;

use anstyle::Style;
use issuer_diagnostic::{Check, Status};
use issuer_doctor::{Diagnosis, Group, Seen};
use issuer_redact::redact;

use super::changes::CheckResult;
use super::{SCHEMA_VERSION, Verify, coloured_lines, layout, status_style};
use crate::failure::Failure;
use crate::ui::Ui;

/// Where each check is explained.
const DOCS: &str = "https://github.com/issuerctl/issuerctl/blob/main/docs/doctor.md";

/// Errors of STS by the beginning of their text.
const STS: [&str; 7] = [
    "InvalidIdentityToken",
    "AccessDenied",
    "ExpiredTokenException",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "RegionDisabledException",
    "ValidationError",
];

impl Verify {
    /// The object of `verify` with the checks of a diagnosis.
    pub(crate) fn of_doctor(diagnosis: &Diagnosis) -> Self {
        let checks = diagnosis.checks.iter().map(|(_, check)| result(check));
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: diagnosis.issuer.clone(),
            passed: diagnosis.passed(),
            checks: checks.collect(),
        }
    }
}

fn result(check: &Check) -> CheckResult {
    let consequence = check.consequence.clone().map(|text| redact(&text));
    let is_of_sts = |text: &String| STS.iter().any(|code| text.starts_with(code));
    CheckResult {
        id: check.id.to_owned(),
        status: check.status.to_string(),
        message: redact(&check.message),
        sts_error: consequence.clone().filter(is_of_sts),
        consequence,
        fix: check.fix.as_ref().map(|fix| redact(fix)),
    }
}

/// Prints a diagnosis for people.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn doctor(
    diagnosis: &Diagnosis,
    seen: &Seen,
    again: &str,
    ui: &Ui,
) -> Result<(), Failure> {
    let columns = layout::columns();
    let mut text = String::new();
    if !ui.is_quiet() {
        heading(&mut text, diagnosis, seen, columns);
        groups(&mut text, diagnosis, columns, ui.is_verbose());
    }
    for line in &diagnosis.accounts {
        let _ = writeln!(text, "  {}", redact(line));
    }
    if let Some(root) = diagnosis.root() {
        let style = status_style(Status::Fail);
        let _ = writeln!(text);
        let line = format!("{style}\u{2717} {}{style:#}  {}", root.id, redact(&root.message));
        let _ = writeln!(text, "{}", layout::hanging(&line, 2, columns));
        let more = [("so", &root.consequence), ("fix", &root.fix)];
        for (what, more) in more.into_iter().filter_map(|(what, more)| Some((what, more.as_ref()?)))
        {
            let line = format!("  {what}: {}", redact(more));
            let _ = writeln!(text, "{}", layout::hanging(&line, 4, columns));
        }
        let _ = writeln!(text, "  see {DOCS}#{}", root.id);
    }
    let _ = writeln!(text, "{}", layout::hanging(&end(diagnosis, seen, again), 2, columns));
    coloured_lines(&text)
}

fn heading(text: &mut String, diagnosis: &Diagnosis, seen: &Seen, columns: usize) {
    let about = match (&seen.asked.pod, &seen.asked.subject) {
        (Some(pod), Some(subject)) => format!("pod {}/{pod}, ", subject.namespace),
        (None, Some(subject)) => format!("ServiceAccount {subject}, "),
        _ => String::new(),
    };
    let issuer = match diagnosis.issuer.as_str() {
        "" => "issuer not known",
        issuer => issuer,
    };
    let _ = writeln!(text, "{}", layout::hanging(&redact(&format!("{about}{issuer}")), 2, columns));
}

/// One line a group; every check with `verbose`.
fn groups(text: &mut String, diagnosis: &Diagnosis, columns: usize, verbose: bool) {
    for group in Group::ALL {
        let checks: Vec<&Check> = diagnosis.of(group).collect();
        let worst = worst(&checks);
        let (style, sign) = (status_style(worst), sign(worst));
        let line = format!("  {style}{sign} {:<10}{style:#} {}", group.as_str(), summary(&checks));
        let _ = writeln!(text, "{}", layout::hanging(&line, 15, columns));
        for check in checks.iter().filter(|_| verbose) {
            let style = status_style(check.status);
            let line = format!(
                "      {style}{}{style:#}  {}  {}",
                check.status,
                check.id,
                redact(&check.message)
            );
            let _ = writeln!(text, "{}", layout::hanging(&line, 12, columns));
            if let Some(fix) = check.fix.as_ref().filter(|_| check.status == Status::Warn) {
                let _ = writeln!(
                    text,
                    "{}",
                    layout::hanging(&format!("            fix: {}", redact(fix)), 14, columns)
                );
            }
        }
    }
}

fn worst(checks: &[&Check]) -> Status {
    let has = |status| checks.iter().any(|check| check.status == status);
    [Status::Fail, Status::Warn, Status::Pass]
        .into_iter()
        .find(|status| has(*status))
        .unwrap_or(Status::Skip)
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Pass => "\u{2713}",
        Status::Warn => "!",
        Status::Fail => "\u{2717}",
        Status::Skip => "-",
    }
}

/// What is wrong, what was found right, and what was not looked at.
fn summary(checks: &[&Check]) -> String {
    let of = |status| checks.iter().filter(move |check| check.status == status);
    let ids = |status| of(status).map(|check| check.id).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    for (status, what) in [(Status::Fail, "failed: "), (Status::Warn, "doubtful: ")] {
        if of(status).next().is_some() {
            parts.push(format!("{what}{}", ids(status)));
        }
    }
    let passed = of(Status::Pass).count();
    if passed > 0 {
        parts.push(format!("{passed} as it should be"));
    }
    if of(Status::Skip).next().is_some() {
        parts.push(format!("not looked at: {}", ids(Status::Skip)));
    }
    parts.join("; ")
}

/// The verdict and the next command.
fn end(diagnosis: &Diagnosis, seen: &Seen, again: &str) -> String {
    let (style, text) = match diagnosis.root() {
        Some(root) => (
            status_style(Status::Fail),
            format!("FAILED at {}; once it is fixed: `{again}`", root.id),
        ),
        None if !diagnosis.is_useful() && seen.unauthorized().is_some() => {
            (status_style(Status::Skip), "the credentials of the cluster are not valid".to_owned())
        }
        None if !diagnosis.is_useful() && seen.trouble().is_some() => {
            (status_style(Status::Skip), "nothing that matters could be read of the cluster".to_owned())
        }
        None if !diagnosis.is_useful() => {
            (status_style(Status::Skip), "nothing that matters may be seen".to_owned())
        }
        None if seen.is_proved() => (
            status_style(Status::Pass),
            "passed: STS gives credentials for a fresh token; if a program still has none, look at its own \
             configuration and the version of its SDK"
                .to_owned(),
        ),
        None => {
            let missing = if let Some(why) = seen.unauthorized() {
                format!("; the credentials of the cluster are not valid, so nothing is known of it: {why}")
            } else if let Some(why) = seen.trouble() {
                format!("; of the cluster not everything could be read: {why}")
            } else {
                String::new()
            };
            let style = if missing.is_empty() { Status::Pass } else { Status::Warn };
            (
                status_style(style),
                format!(
                    "passed, as far as it was looked at, and not proved{}: `{again} --verbose` says what is missing",
                    redact(&missing)
                ),
            )
        }
    };
    let plain: Style = Style::new();
    format!("{style}{text}{plain:#}{style:#}")
}

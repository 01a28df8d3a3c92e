//! Everything on standard error: plans that accompany an action, warnings, notes, errors, progress.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use issuer_change::{ChangeSet, Notice};
use issuer_reconcile::{Event, Events};
use issuer_redact::redact;
use issuer_verify::Status;

use crate::cli::{GeneralArgs, Output};
use crate::failure::Failure;
use crate::output;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Up to this number of issuers, `apply` and `delete` print each plan; above it a line for each.
const WHOLE_PLANS: usize = 20;

/// Messages for a terminal or a log.
pub(crate) struct Ui {
    quiet: bool,
    verbose: bool,
    /// Whether standard output is one JSON object, which contains the plan.
    json: bool,
    terminal: bool,
    /// Warnings that were already printed: several issuers can have the same one.
    warned: RefCell<HashSet<String>>,
    /// Whether lines name their issuer.
    several: std::cell::Cell<bool>,
    bar: RefCell<ProgressBar>,
    time_limit: Duration,
    /// What the run is waiting for, if an event said so.
    step: RefCell<Option<String>>,
    /// Hosts that were named because their answer took long.
    slow: RefCell<HashSet<String>>,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            quiet: false,
            verbose: false,
            json: false,
            terminal: false,
            warned: RefCell::default(),
            several: std::cell::Cell::new(false),
            bar: RefCell::new(ProgressBar::hidden()),
            time_limit: Duration::MAX,
            step: RefCell::default(),
            slow: RefCell::default(),
        }
    }
}

impl Ui {
    pub(crate) fn new(general: &GeneralArgs) -> Self {
        Self {
            quiet: general.quiet,
            verbose: general.verbose,
            json: general.output != Output::Text,
            terminal: std::io::stderr().is_terminal(),
            time_limit: Duration::from_secs(general.timeout.into()),
            ..Self::default()
        }
    }

    /// Shows a progress bar; with more than one issuer, lines name their issuer.
    pub(crate) fn begin(&self, issuers: usize) {
        self.several.set(issuers > 1);
        if issuers > 1 && !self.quiet && self.terminal {
            let bar = ProgressBar::new(issuers as u64);
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            self.bar.replace(bar);
        }
    }

    /// Moves the progress bar.
    pub(crate) fn issuer_ended(&self) {
        if self.several.get() {
            self.bar.borrow().inc(1);
        }
    }

    /// Removes the progress bar.
    pub(crate) fn end(&self) {
        self.bar.replace(ProgressBar::hidden()).finish_and_clear();
    }

    /// Whether only warnings and errors are printed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether more detail was asked for.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Prints an error, also with `--quiet`.
    pub(crate) fn failure(&self, failure: &Failure) {
        if let Some(report) = &failure.report {
            self.plain(report.trim_end());
        }
        self.line(ERROR, "error", &failure.message);
        for cause in &failure.causes {
            self.line(ERROR, "caused by", cause);
        }
        for hint in &failure.hints {
            match self.several.get() {
                true => self.hint_once(hint),
                false => self.hint(hint),
            }
        }
    }

    /// Prints a hint.
    pub(crate) fn hint(&self, text: &str) {
        self.line(NOTE, "hint", text);
    }

    /// Prints a hint, and each text only once.
    pub(crate) fn hint_once(&self, text: &str) {
        if self.warned.borrow_mut().insert(format!("hint: {text}")) {
            self.hint(text);
        }
    }

    /// Prints a warning, also with `--quiet`; each text only once.
    pub(crate) fn warning(&self, text: &str) {
        if self.warned.borrow_mut().insert(text.to_owned()) {
            self.line(WARNING, "warning", text);
        }
    }

    /// Prints the notices of a plan as warnings.
    pub(crate) fn notices(&self, notices: &[Notice]) {
        for notice in notices {
            self.warning(&notice.message);
        }
    }

    /// Prints the changes that are about to be made. With `--output json` they are in the object, and
    /// are printed with `--verbose` alone.
    pub(crate) fn plan(&self, heading: &str, set: &ChangeSet) {
        self.plan_text(&output::dry_run_text(heading, &set.changes));
    }

    /// The same for the text of several issuers.
    pub(crate) fn plan_text(&self, text: &str) {
        if !self.quiet && (!self.json || self.verbose) && !text.trim().is_empty() {
            self.plain(output::fitting(text).trim_end());
        }
    }

    /// Prints the plan of an issuer that is about to be executed, one of so many.
    pub(crate) fn plan_of_issuer(&self, issuer: &output::Issuer, issuers: usize) {
        match issuers {
            1 => self.plan_text(&output::dry_run_text(&issuer.heading(), &issuer.changes)),
            _ if issuers <= WHOLE_PLANS || self.verbose => self.plan_text(&(issuer.text() + "\n")),
            _ => {}
        }
    }

    /// Prints a line about an issuer that has ended, if its plan was not printed.
    pub(crate) fn end_of_issuer(&self, issuer: &output::Issuer, issuers: usize) {
        if issuers > WHOLE_PLANS && !self.json {
            self.note(&output::end_of_issuer(issuer));
        }
    }

    /// Prints the command that follows a change.
    pub(crate) fn next(&self, command: &str) {
        self.note(output::fitting(&format!("next: {command}")).trim_end());
    }

    /// Prints what was done, or what to do next.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !text.is_empty() {
            self.plain(text);
        }
    }

    /// Prints a detail with `--verbose`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            self.line(Style::new().dimmed(), "detail", text);
        }
    }

    /// The time limit of the run.
    pub(crate) fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// What the run is waiting for, if it is known.
    pub(crate) fn step(&self) -> Option<String> {
        self.step.borrow().clone()
    }

    /// Says, once for each host, that its answer takes long.
    pub(crate) fn waiting_for(&self, host: &str) {
        if self.slow.borrow_mut().insert(host.to_owned()) {
            self.note(&format!("waiting for {host}"));
        }
    }

    /// Shows a spinner if standard error is a terminal.
    pub(crate) fn wait(&self, text: &str) {
        self.step.replace(Some(text.to_owned()));
        if self.quiet || !self.terminal || self.several.get() {
            return;
        }
        let bar = ProgressBar::new_spinner().with_message(redact(text));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        self.bar.replace(bar);
    }

    /// Removes the spinner.
    pub(crate) fn waited(&self) {
        self.step.replace(None);
        if !self.several.get() {
            self.end();
        }
    }

    /// Prints an error of the command line.
    pub(crate) fn usage(&self, text: &str) {
        self.plain(text.trim_end());
    }

    fn line(&self, style: Style, word: &str, text: &str) {
        self.plain(&format!("{style}{word}:{style:#} {text}"));
    }

    /// All text on standard error leaves the process here.
    fn plain(&self, text: &str) {
        let text = redact(text);
        // A closed standard error must not fail the command.
        self.bar.borrow().suspend(|| {
            let _ = writeln!(anstream::stderr(), "{text}");
        });
    }
}

impl Events for Ui {
    fn event(&self, issuer: &str, event: Event<'_>) {
        let about = |text: &str| match self.several.get() && !issuer.is_empty() {
            true => format!("{issuer}: {text}"),
            false => text.to_owned(),
        };
        match event {
            Event::Waiting(text) => self.wait(text),
            Event::Waited => self.waited(),
            Event::Started(what) => self.bar.borrow().set_message(about(what)),
            Event::Replanned(set) => {
                self.notices(&set.notices);
                self.plan(&about("changed by another writer, planned again"), set);
            }
            Event::LiveKeyProved => self.note(&about(
                "a fresh token of the cluster is signed by one of these keys and has this issuer",
            )),
            Event::Using(text) if self.warned.borrow_mut().insert(text.to_owned()) => {
                self.note(text);
            }
            Event::Verified { verdict, folder } if verdict.passed() => {
                let doubt = verdict
                    .checks
                    .iter()
                    .find(|check| check.id == "vantage" && check.status == Status::Warn);
                self.note(&about(match (folder, doubt) {
                    (true, _) => {
                        "verified: AWS STS can use these documents; now serve the folder at the \
                         issuer URL"
                    }
                    (false, None) => "verified: AWS STS can read this issuer",
                    (false, Some(_)) => "verified from this machine: the documents are correct",
                }));
                if let Some(doubt) = doubt {
                    self.warning(&about(&doubt.message));
                }
                self.detail(&output::verdict_text(verdict));
            }
            Event::Proved(proof) => {
                let (role, account) = (&proof.role, &proof.account);
                self.note(&about(&match (&proof.assumed_role, &proof.verdict) {
                    (Some(arn), _) => format!("proved: {account} has credentials of {arn}"),
                    (None, Some(_)) => {
                        format!(
                            "proved: AWS STS would accept a token of {account} for the role {role}"
                        )
                    }
                    (None, None) => format!(
                        "a token of {account} for the role {role} has this issuer; whether AWS STS \
                         would accept it was not verified"
                    ),
                }));
            }
            Event::Notice(notice) => self.warning(&notice.message),
            Event::Kept(version) => {
                self.detail(&about(&format!("the published site is kept as {version}")));
            }
            Event::Detail(text) => self.detail(&about(text)),
            _ => {}
        }
    }
}

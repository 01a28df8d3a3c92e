//! Everything on stderr: warnings, notes, errors, progress.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::GeneralArgs;
use crate::failure::Failure;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();

/// Speaks to the person in front of the terminal, or to the log of a job.
#[derive(Default)]
pub(crate) struct Talk {
    quiet: bool,
    verbose: bool,
    terminal: bool,
}

impl Talk {
    pub(crate) fn new(general: &GeneralArgs) -> Self {
        Self {
            quiet: general.quiet,
            verbose: general.verbose,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Always said, also with `--quiet`.
    pub(crate) fn failure(&self, failure: &Failure) {
        line(ERROR, "error", &failure.message);
        for cause in &failure.causes {
            line(ERROR, "caused by", cause);
        }
        for hint in &failure.hints {
            line(NOTE, "hint", hint);
        }
    }

    /// Something that is not an error and must not be missed; said also with `--quiet`.
    pub(crate) fn warning(&self, text: &str) {
        line(WARNING, "warning", text);
    }

    /// A report that explains a failure; said also with `--quiet`.
    pub(crate) fn always(&self, text: &str) {
        plain(text.trim_end());
    }

    /// What was done, or what to do next.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            plain(text);
        }
    }

    /// Details for `--verbose`.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            line(Style::new().dimmed(), "detail", text);
        }
    }

    /// A spinner for one thing that is waited for; nothing where stderr is no terminal.
    pub(crate) fn wait(&self, text: impl Into<String>) -> ProgressBar {
        if self.quiet || !self.terminal {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(text.into());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// A bar over a known number of steps; nothing where stderr is no terminal.
    pub(crate) fn steps(&self, count: usize) -> ProgressBar {
        if self.quiet || !self.terminal {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(count as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar
    }
}

fn line(style: Style, word: &str, text: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(anstream::stderr(), "{style}{word}:{style:#} {text}");
}

fn plain(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

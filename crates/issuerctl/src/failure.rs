//! Exit codes, and the common form of all errors.

use std::error::Error;
use std::process::ExitCode;

use issuer_diagnostic::{Diagnostic, ErrorKind};

use crate::advice::{Advice, Surface};

/// The documented exit codes (`docs/usage.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success, or nothing to do.
    Done = 0,
    /// Any other failure: network, disk or server error.
    Failure = 1,
    /// The command line is not valid (the code that clap uses).
    Usage = 2,
    /// A given file, document, key or URL is not valid, or what it names does not exist.
    BadInput = 3,
    /// Existing state conflicts with what was to be written.
    Conflict = 4,
    /// The issuer or the token would not be accepted.
    Verification = 5,
    /// Permission denied, or the bucket belongs to another account.
    NotPermitted = 6,
    /// `plan` only: changes are pending.
    Changes = 7,
    /// SIGINT: 128 and the number of the signal, as shells have it.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The severity that decides which of several exit codes a run ends with.
    pub(crate) fn severity(&self) -> u8 {
        match self {
            // They end the whole run.
            Self::Interrupted | Self::Terminated => 6,
            Self::Verification => 5,
            Self::Conflict => 4,
            Self::NotPermitted => 3,
            Self::BadInput => 2,
            Self::Failure | Self::Usage => 1,
            Self::Done | Self::Changes => 0,
        }
    }

    /// The exit code of a file system error.
    pub(crate) fn of_io(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            Self::NotPermitted
        } else {
            Self::Failure
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput | ErrorKind::NotFound => Self::BadInput,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::NotPermitted => Self::NotPermitted,
            ErrorKind::Refused => Self::Verification,
            _ => Self::Failure,
        }
    }
}

/// An error for the user: what failed, why, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code the process ends with.
    pub(crate) exit: Exit,
    /// After `error:`.
    pub(crate) message: String,
    /// After `caused by:`, outermost first.
    pub(crate) causes: Vec<String>,
    /// After `hint:`.
    pub(crate) hints: Vec<String>,
    /// The report that is printed before the error.
    pub(crate) report: Option<Box<str>>,
    /// Hints that depend on the surface.
    advice: Vec<Advice>,
}

impl Failure {
    /// A failure without a cause.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let (causes, hints, advice) = (Vec::new(), Vec::new(), Vec::new());
        Self { exit, message: message.into(), causes, hints, report: None, advice }
    }

    /// A failure with `error` as the cause; `message` says what was attempted.
    pub(crate) fn while_doing(exit: Exit, message: impl Into<String>, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, message);
        failure.causes.push(error.to_string());
        failure.add_sources(error);
        failure
    }

    /// The same for an error with a kind and a hint.
    pub(crate) fn because<E: Diagnostic + 'static>(message: impl Into<String>, error: &E) -> Self {
        Self::while_doing(error.kind().into(), message, error).advised(error)
    }

    /// Adds a hint, if any.
    pub(crate) fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hints.extend(hint.map(Into::into));
        self
    }

    /// Replaces the hints that depend on the surface.
    pub(crate) fn with_advice(mut self, hint: &str) -> Self {
        self.advice.clear();
        self.hint(Some(hint))
    }

    /// Adds one of several causes, with its own hints.
    pub(crate) fn and<E: Diagnostic + 'static>(mut self, problem: &E) -> Self {
        self.causes.push(problem.to_string());
        self.advised(problem)
    }

    /// Adds a report.
    pub(crate) fn after(mut self, report: Option<String>) -> Self {
        self.report = report.map(String::into_boxed_str);
        self
    }

    /// Turns the advice for this surface into hints.
    pub(crate) fn on(mut self, surface: Surface) -> Self {
        let advice = std::mem::take(&mut self.advice);
        self.hints.extend(advice.into_iter().filter_map(|advice| advice.on(surface)));
        self
    }

    /// Turns the advice into hints for a command, without the clauses that name an option of other commands.
    pub(crate) fn on_command(
        mut self,
        surface: Surface,
        has_option: impl Fn(&str) -> bool,
    ) -> Self {
        let advice = std::mem::take(&mut self.advice);
        let advice = advice.into_iter().filter_map(|advice| advice.on(surface));
        let of_command = |hint: String| {
            let clauses = hint.split("; ").filter(|clause| named_options(clause).all(&has_option));
            Some(clauses.collect::<Vec<_>>().join("; ")).filter(|hint| !hint.is_empty())
        };
        self.hints.extend(advice.filter_map(of_command));
        self
    }

    fn advised<E: Diagnostic + 'static>(mut self, error: &E) -> Self {
        self.hints.extend(error.hint());
        self.advice.push(Advice::of(error));
        self
    }

    fn add_sources(&mut self, error: &dyn Error) {
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Some libraries repeat the source in their own message.
            if self.causes.last().unwrap_or(&self.message) != &text {
                self.causes.push(text);
            }
            source = error.source();
        }
    }
}

impl<E: Diagnostic + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut failure = Self::new(error.kind().into(), error.to_string());
        failure.add_sources(&error);
        failure.advised(&error)
    }
}

/// The long options that a hint names, without those of the command lines that it quotes.
fn named_options(hint: &str) -> impl Iterator<Item = &str> {
    hint.split('`').step_by(2).flat_map(str::split_whitespace).filter_map(|word| {
        let name = word.trim_start_matches(['(', '"']).strip_prefix("--")?;
        let end = name.find(|c: char| c != '-' && !c.is_ascii_alphanumeric());
        Some(&name[..end.unwrap_or(name.len())]).filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::named_options;

    #[test]
    fn options_of_a_hint_are_those_outside_of_quoted_commands() {
        let hint = "give --key FILE, or (--jwks=FILE); `issuerctl jwks --path X` -- writes; --all.";
        assert_eq!(named_options(hint).collect::<Vec<_>>(), ["key", "jwks", "all"]);
    }
}

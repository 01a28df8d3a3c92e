//! Exit codes, and the one shape in which every error reaches the user.

use std::error::Error;
use std::process::ExitCode;

use issuer_diagnostic::{Diagnostic, ErrorKind};

use crate::advice::{Advice, Surface};

/// The documented exit codes (`docs/usage.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Something failed that is none of the below: network, disk, a server's fault.
    Failure = 1,
    /// The command line itself is wrong (also clap's code).
    Usage = 2,
    /// A file, document, key or URL that was given is unusable.
    BadInput = 3,
    /// What is there already stands against what was to be written.
    Conflict = 4,
    /// The issuer or the token would not be accepted.
    Verification = 5,
    /// A server refused the call, or the bucket belongs to someone else.
    NotPermitted = 6,
    /// `plan` alone: something would change.
    Changes = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// What a failed access to the disk means.
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
            ErrorKind::InvalidInput => Self::BadInput,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::NotPermitted => Self::NotPermitted,
            ErrorKind::Refused => Self::Verification,
            _ => Self::Failure,
        }
    }
}

/// An error on its way to the user: what failed, why, and what to do.
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
    /// What was found, before all of it.
    pub(crate) report: Option<Box<str>>,
    /// More hints, once it is clear what the user wrote.
    advice: Vec<Advice>,
}

impl Failure {
    /// A failure without a cause behind it.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let (causes, hints, advice) = (Vec::new(), Vec::new(), Vec::new());
        Self { exit, message: message.into(), causes, hints, report: None, advice }
    }

    /// The error as the cause of `message`, which says what was being done.
    pub(crate) fn while_doing(exit: Exit, message: impl Into<String>, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, message);
        failure.causes.push(error.to_string());
        failure.add_sources(error);
        failure
    }

    /// The same for an error that knows its kind and its hint.
    pub(crate) fn because<E: Diagnostic + 'static>(message: impl Into<String>, error: &E) -> Self {
        Self::while_doing(error.kind().into(), message, error).advised(error)
    }

    /// The same with one more hint, where there is one.
    pub(crate) fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hints.extend(hint.map(Into::into));
        self
    }

    /// The same with what was found, before the error.
    pub(crate) fn after(mut self, report: Option<String>) -> Self {
        self.report = report.map(String::into_boxed_str);
        self
    }

    /// The same with the advice for what the user wrote among its hints.
    pub(crate) fn on(mut self, surface: Surface) -> Self {
        let advice = std::mem::take(&mut self.advice);
        self.hints.extend(advice.into_iter().filter_map(|advice| advice.on(surface)));
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
            // Some libraries repeat the source in their own text.
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

//! Errors that say what kind of failure they are.

use std::error::Error;

/// What kind of failure an error is, for whoever has to react to it: a program's exit code, or the
/// reason of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value, file, key or document that was given cannot be used. Trying again does not help;
    /// the input has to change.
    InvalidInput,
    /// Something that was named does not exist: a bucket, a Secret, a ServiceAccount. Trying again
    /// does not help; the name has to change, or somebody has to create it.
    NotFound,
    /// What exists already contradicts what was to be written, or somebody else changed it in the
    /// meantime. Somebody has to decide which of the two is right.
    Conflict,
    /// A server or the operating system refused the operation: credentials that are not valid, a
    /// missing permission, or a resource that belongs to another account.
    NotPermitted,
    /// A verification failed: the issuer or the token would not be accepted.
    Refused,
    /// Anything else: the network, a quota, a full disk, an error of a server. Trying again may
    /// help.
    Other,
}

/// An error and its causes, including what I/O errors wrap, which their `source` skips: TLS errors are
/// wrapped in them, once or twice.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}

/// An error and its causes on one line. Some errors repeat their cause in their own message.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

/// An error with a kind and, where one is known, a remedy.
pub trait Diagnostic: Error {
    /// What kind of failure it is.
    fn kind(&self) -> ErrorKind;

    /// How to fix it, in plain words. It never names an option of a program that shows it.
    fn hint(&self) -> Option<String> {
        None
    }
}

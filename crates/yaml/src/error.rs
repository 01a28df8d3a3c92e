//! What can be wrong with a text.

/// Why a text cannot be read. The text itself is never quoted: it can hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not valid YAML.
    #[error("not valid YAML at line {line}, column {column}: {reason}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser expected, in its own fixed words.
        reason: &'static str,
    },
    /// Aliases multiply a value beyond what can be held.
    #[error("the aliases at line {line} expand to more than {limit} values")]
    TooLarge {
        /// The line of the value, from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
}

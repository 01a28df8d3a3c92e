//! What can be wrong with a text.

/// Why a text cannot be read or changed. The text itself is never quoted: it can hold secrets.
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
        /// What the parser expected, in words that quote nothing.
        reason: String,
    },
    /// A name that a mapping has twice.
    #[error("the mapping has the name at line {line}, column {column} twice")]
    Duplicate {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// Aliases multiply a value beyond what can be held.
    #[error("the aliases expand to more than {limit} values")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// A value where a mapping would have to be.
    #[error("a mapping is needed at line {line}, column {column}")]
    NoMapping {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A layout that cannot be changed in place with certainty.
    #[error("the text is laid out in a way that cannot be changed in place")]
    Unsupported,
}

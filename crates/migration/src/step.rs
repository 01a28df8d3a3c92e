//! One step of a migration.

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is done.
    Done,
    /// It is the one to do now.
    Next,
    /// It is to be done after the one that is next.
    Later,
    /// Whether it is done could not be read.
    Unknown,
    /// This migration does not need it.
    NotNeeded,
}

impl Status {
    /// `done`, `next`, `later`, `unknown` or `not-needed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Next => "next",
            Self::Later => "later",
            Self::Unknown => "unknown",
            Self::NotNeeded => "not-needed",
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::NotNeeded)
    }
}

/// A step: what it does, where it stands, and how it is done and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its stable name.
    pub id: &'static str,
    /// What is true afterwards.
    pub title: &'static str,
    /// Where it stands.
    pub status: Status,
    /// What was found.
    pub finding: String,
    /// What fails, or is about to, until it is done.
    pub warning: Option<String>,
    /// The commands that do it, in order; a line that is no command begins with `#`.
    pub commands: Vec<String>,
    /// The command that checks it by hand.
    pub check: String,
}

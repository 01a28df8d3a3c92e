//! Something that was looked at, or why not.

/// What is known of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// It was read.
    Known(T),
    /// It may not be read: the missing permission, such as `list on pods in namespace demo`.
    Denied(String),
    /// It was not looked at, and why: a clause.
    NotAsked(String),
    /// It could not be read: the failure.
    Failed(String),
}

impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self::NotAsked("it was not looked at".to_owned())
    }
}

impl<T> Fact<T> {
    /// The value, if it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Why it is not known, for a check that depends on it; empty if it is known.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Known(_) => String::new(),
            Self::Denied(permission) => format!("not permitted: {permission}"),
            Self::NotAsked(reason) => format!("not looked at: {reason}"),
            Self::Failed(reason) => format!("not known: {reason}"),
        }
    }

    /// The same with another value.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(change(value)),
            Self::Denied(permission) => Fact::Denied(permission),
            Self::NotAsked(reason) => Fact::NotAsked(reason),
            Self::Failed(reason) => Fact::Failed(reason),
        }
    }
}

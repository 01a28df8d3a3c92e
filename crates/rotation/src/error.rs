//! Why a step is refused.

use issuer_diagnostic::{Diagnostic, ErrorKind, date};

/// Why a rotation cannot be continued as requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is published.
    #[error("no key is published yet, so there is none to rotate")]
    NothingPublished,
    /// The key that was named is not published.
    #[error("the key {kid:?} is not published; published are {}", list(published))]
    NotPublished {
        /// Its kid.
        kid: String,
        /// The published kids.
        published: Vec<String>,
    },
    /// An API server signs with a key that is not published.
    #[error("{server} signs with the key {kid:?}, which is not published: AWS refuses its tokens")]
    LiveNotPublished {
        /// The API server.
        server: String,
        /// The kid.
        kid: String,
    },
    /// Several keys have not signed yet, or more than two sign.
    #[error("which of the published keys is the new one is not clear: {}", list(kids))]
    Unclear {
        /// The candidates.
        kids: Vec<String>,
    },
    /// The new key signs already, and is the only one.
    #[error("the key {kid:?} is the one that is published and in use already")]
    SameKey {
        /// Its kid.
        kid: String,
    },
    /// Another rotation was begun.
    #[error(
        "a rotation is under way: {} are published; it has to be finished or aborted first",
        list(published)
    )]
    UnderWay {
        /// The published kids.
        published: Vec<String>,
    },
    /// What an API server signs with is not known.
    #[error("the key that {server} signs with is not known: {reason}")]
    NotAsked {
        /// The API server.
        server: String,
        /// Why.
        reason: String,
    },
    /// Not every API server was asked.
    #[error(
        "{asked} of the {count} API servers of the cluster were asked: the others may sign with another key"
    )]
    NotAll {
        /// How many were asked.
        asked: usize,
        /// How many there are.
        count: usize,
    },
    /// The old key still signs.
    #[error("{server} still signs with the key {kid:?}: without it, every new token fails")]
    StillSigning {
        /// The API server.
        server: String,
        /// The kid.
        kid: String,
    },
    /// When the new key began to sign is not known.
    #[error("since when the API servers sign with the new key is not known: {reason}")]
    SinceUnknown {
        /// Why.
        reason: String,
    },
    /// Tokens of the old key may still be valid.
    #[error(
        "tokens of the old key may be valid until {}: the last API server was started at {}",
        date(*until_secs), date(*since_secs)
    )]
    TooEarly {
        /// When the last API server was started.
        since_secs: u64,
        /// When the last token of the old key has expired.
        until_secs: u64,
    },
    /// The new key has signed.
    #[error(
        "{server} signs with the key {kid:?}: pods hold its tokens, which would fail without it"
    )]
    HasSigned {
        /// The API server.
        server: String,
        /// The kid.
        kid: String,
    },
    /// The key to take back is older than one that signs.
    #[error(
        "the key {kid:?} is not the new one: it is older than {signs:?}, which signs now, so that pods may hold \
         its tokens"
    )]
    OldKey {
        /// Its kid.
        kid: String,
        /// The kid of the newer one.
        signs: String,
    },
    /// The key to remove is the only one.
    #[error("the key {kid:?} is the only one that is published")]
    OnlyKey {
        /// Its kid.
        kid: String,
    },
    /// The clock of this machine and that of an API server differ.
    #[error(
        "the clock of this machine is {} {} that of {server}: when a step may be done cannot be told",
        duration(clock_secs.unsigned_abs()), if *clock_secs > 0 { "behind" } else { "ahead of" }
    )]
    Clock {
        /// The API server.
        server: String,
        /// Its time less the time of this machine.
        clock_secs: i64,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotPublished { .. } | Self::NothingPublished => ErrorKind::NotFound,
            Self::Clock { .. } => ErrorKind::InvalidInput,
            _ => ErrorKind::Conflict,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NothingPublished => "publish the key of the cluster first",
            Self::LiveNotPublished { .. } => {
                "publish its key at once, next to the others; was the right cluster asked?"
            }
            Self::StillSigning { .. } => "let every API server sign with the new key first",
            Self::TooEarly { .. } => {
                "if the old key was stolen, it can be removed at once; pods then fail until they have \
                 new tokens"
            }
            Self::HasSigned { .. } => {
                "let every API server sign with the old key again, and finish the rotation the other \
                 way round after the life of a token"
            }
            Self::OldKey { .. } => {
                "an old key is removed by finishing the rotation, once its last token has expired"
            }
            Self::Clock { .. } => "set the clocks by NTP",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn list(kids: &[String]) -> String {
    kids.iter().map(|kid| format!("{kid:?}")).collect::<Vec<_>>().join(", ")
}

/// Hours and minutes.
pub(crate) fn duration(secs: u64) -> String {
    match (secs / 3600, secs % 3600 / 60) {
        (0, 0) => format!("{secs} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

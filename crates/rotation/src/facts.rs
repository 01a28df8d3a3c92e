//! What was read before a rotation is judged, and what was requested.

use std::collections::BTreeMap;

use issuer_distribution::Distribution;
use issuer_migration::Known;

/// Everything that a rotation is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The kids of the published keys, the newest first.
    pub published: Vec<String>,
    /// When the published keys were written last, in seconds since 1970, if the store says it: every
    /// key in them has been published since then, or for longer.
    pub written_secs: Option<u64>,
    /// When each of them was published first, in seconds since 1970, if that was recorded.
    pub first_secs: BTreeMap<String, u64>,
    /// When a run saw each of them sign last, in seconds since 1970, if that was recorded.
    pub signed_secs: BTreeMap<String, u64>,
    /// The API servers that were asked.
    pub servers: Vec<Server>,
    /// How many API servers the cluster has besides them, if they were named one by one.
    pub unasked: usize,
    /// When the last of them was started, in seconds since 1970. An API server reads its signing key
    /// when it starts.
    pub started_secs: Known<u64>,
    /// The current time, in seconds since 1970.
    pub now_secs: u64,
}

/// What one API server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its URL.
    pub name: String,
    /// The kids in its `/openid/v1/jwks`.
    pub accepts: Known<Vec<String>>,
    /// The kids of fresh tokens, each once.
    pub signs: Known<Vec<String>>,
    /// When it says that a fresh token was issued, less the current time, in seconds.
    pub clock_secs: Option<i64>,
}

/// A rotation, and what its commands repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The kid of the new key, if it was named.
    pub new_kid: Option<String>,
    /// The distribution, if it is known.
    pub distribution: Option<Distribution>,
    /// The options that say where the keys are published, each one quoted for a shell already.
    pub place: String,
    /// Those that say how the API servers are asked.
    pub servers: String,
    /// That which says since when they sign with the new key, for commands that are printed once they do.
    pub since: String,
    /// How long a reader may keep the published keys, in seconds.
    pub cached_secs: u64,
    /// The longest life of a token, in seconds.
    pub token_secs: u64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            new_kid: None,
            distribution: None,
            place: String::new(),
            servers: String::new(),
            since: String::new(),
            cached_secs: 60 * 60,
            token_secs: 24 * 60 * 60,
        }
    }
}

impl Facts {
    /// By when a key was published, and what says so.
    pub(crate) fn published_by(&self, kid: &str) -> Option<(u64, &'static str)> {
        let first = self.first_secs.get(kid).map(|first| (*first, "published"));
        first.or_else(|| Some((self.written_secs?, "written")))
    }

    /// Whether a key is older than another one: by when they were published first, if that was recorded, otherwise
    /// by their order.
    pub(crate) fn is_older(&self, kid: &str, other: &str) -> bool {
        let first = |kid: &str| self.first_secs.get(kid);
        let place = |kid: &str| self.published.iter().position(|one| one == kid);
        match (first(kid), first(other)) {
            (Some(first), Some(other)) if first != other => first < other,
            _ => place(kid) > place(other),
        }
    }

    pub(crate) fn is_published(&self, kid: &str) -> bool {
        self.published.iter().any(|one| one == kid)
    }

    /// The kids that fresh tokens are signed with, each once, as far as they are known.
    #[must_use]
    pub fn signing(&self) -> Vec<&str> {
        let mut kids: Vec<&str> = Vec::new();
        for server in &self.servers {
            if let Known::Seen(signs) = &server.signs {
                for kid in signs.iter().map(String::as_str) {
                    if !kids.contains(&kid) {
                        kids.push(kid);
                    }
                }
            }
        }
        kids
    }

    /// The first time at which every token that was signed before the API servers were started has
    /// expired.
    pub(crate) fn tokens_gone(&self, rotation: &Rotation) -> Known<u64> {
        match &self.started_secs {
            Known::Seen(secs) => {
                Known::Seen(secs.saturating_add(rotation.token_secs).saturating_add(MARGIN_SECS))
            }
            Known::Unknown(reason) => Known::Unknown(reason.clone()),
        }
    }
}

/// The difference of clocks that AWS STS tolerates.
pub(crate) const MARGIN_SECS: u64 = 5 * 60;

//! What is known of credentials before a server refuses them.

use issuer_diagnostic::{date, now_secs};
use issuer_jwks::Token;

/// Why a server may refuse the credentials of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// There are none.
    #[error("{user} has no credentials, so the request was anonymous{}", also(.stray))]
    NoCredentials {
        /// `user "admin" in the kubeconfig /home/a/.kube/config`.
        user: String,
        /// A file, and a character in it that looks like another.
        stray: Option<String>,
        /// The command for kubectl that gives it credentials.
        command: String,
    },
    /// A token of the kubeconfig that has expired.
    #[error("the token of {user} expired on {at}")]
    Token {
        /// Whose it is.
        user: String,
        /// When.
        at: String,
    },
    /// A client certificate that has expired.
    #[error("the client certificate of {user} expired on {at}")]
    Certificate {
        /// Whose it is.
        user: String,
        /// When.
        at: String,
    },
    /// An exec plugin's credentials that have expired.
    #[error("the credentials of its exec plugin, of {user}, had expired (expirationTimestamp)")]
    Plugin {
        /// Whose they are.
        user: String,
    },
}

impl Doubt {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::NoCredentials { stray: Some(_), .. } => {
                "type this character anew: it looks like a space or a quotation mark, and is none \
                 for YAML"
            }
            Self::NoCredentials { stray: None, command, .. } => {
                return format!(
                    "give the user of the kubeconfig credentials (`{command}`), or use a context \
                     whose user has some"
                );
            }
            Self::Token { .. } => "get a new token: log in again, or create one",
            Self::Certificate { .. } => {
                "get a new kubeconfig (kubeadm certs renew admin.conf renews that of kubeadm)"
            }
            Self::Plugin { .. } => {
                "log in again with the program of the plugin, and check the clock of this machine"
            }
        };
        hint.to_owned()
    }

    /// If a token is a JWT that has expired.
    pub(crate) fn of_token(user: &str, token: &str) -> Option<Self> {
        let claims = Token::parse(token).ok()?;
        let at = claims.claims().get("exp")?.as_u64()?;
        (at <= now_secs()).then(|| Self::Token { user: user.to_owned(), at: date(at) })
    }

    /// If a client certificate is no longer valid, from the end of its validity.
    pub(crate) fn of_certificate(user: &str, not_after: Option<u64>) -> Option<Self> {
        let at = not_after.filter(|at| *at < now_secs())?;
        Some(Self::Certificate { user: user.to_owned(), at: date(at) })
    }

    /// If the `expirationTimestamp` of a plugin is in the past. Times in UTC have the order of their
    /// texts; one in another zone is left to the server.
    pub(crate) fn of_plugin(user: &str, timestamp: &str) -> Option<Self> {
        let (until_second, rest) = timestamp.trim().split_at_checked(19)?;
        let is_date = until_second
            .bytes()
            .zip(*b"dddd-dd-ddTdd:dd:dd")
            .all(|(byte, form)| if form == b'd' { byte.is_ascii_digit() } else { byte == form });
        let is_utc = rest.ends_with('Z');
        let expired = is_date && is_utc && *until_second < date(now_secs())[..19];
        expired.then(|| Self::Plugin { user: user.to_owned() })
    }
}

fn also(stray: &Option<String>) -> String {
    stray.as_ref().map(|stray| format!("; {stray}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_has_expired_is_doubted() {
        for (timestamp, expired) in [
            ("2001-02-03T04:05:06Z", true),
            ("2001-02-03T04:05:06.789Z\n", true),
            ("9001-02-03T04:05:06Z", false),
            ("2001-02-03T04:05:06+02:00", false),
            ("2001-02-03", false),
            ("2001-02-03 04:05:06Z", false),
            ("hidden", false),
            ("", false),
        ] {
            assert_eq!(Doubt::of_plugin("u", timestamp).is_some(), expired, "{timestamp}");
        }
        assert!(Doubt::of_certificate("u", Some(1)).is_some());
        assert!(Doubt::of_certificate("u", Some(u64::MAX)).is_none());
        assert!(Doubt::of_token("u", "not a JWT").is_none());
        let golden = include_str!("../../../fixtures/golden/cases/p256/token.jwt");
        let text = Doubt::of_token("u", golden.trim()).unwrap().to_string();
        assert!(text.starts_with("the token of u expired on 20"), "{text}");
    }

    proptest! {
        #[test]
        fn no_timestamp_or_token_panics(text in ".*", digits in "[0-9TZ:.-]{15,30}") {
            for text in [text, digits] {
                let _ = (Doubt::of_plugin("u", &text), Doubt::of_token("u", &text));
            }
        }
    }
}

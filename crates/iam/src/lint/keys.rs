//! Condition keys of a token's claims: `HOST/PATH:CLAIM` (IAM user guide, "IAM and AWS STS
//! condition context keys").

/// Which issuer's key it is. The names of keys are not case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A claim of this issuer.
    Ours { claim: String },
    /// A claim, but with a name that is not this issuer's.
    Astray { claim: String, fault: Astray },
    /// Another property of the request: `aws:SourceIp`, `sts:RoleSessionName`…
    Context,
}

/// What is wrong with the name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Astray {
    /// This issuer's, with `https://`.
    Scheme,
    /// This issuer's, with a slash at the end.
    Slash,
    /// Another issuer's, or no issuer's.
    Issuer,
}

impl Key {
    /// Reads a key for `issuer`, given without scheme.
    pub(super) fn read(text: &str, issuer: &str) -> Self {
        let (issuer, text) = (issuer.to_ascii_lowercase(), text.to_ascii_lowercase());
        let (prefix, claim) = match text.rsplit_once(':') {
            Some((prefix, claim)) if !claim.contains('/') => (prefix, claim),
            // `sub` alone, or an issuer without a claim.
            _ if matches!(text.as_str(), "aud" | "sub") => ("", text.as_str()),
            _ => (text.as_str(), ""),
        };
        let claim = claim.to_owned();
        if prefix == issuer {
            return if claim.is_empty() {
                Self::Astray { claim, fault: Astray::Issuer }
            } else {
                Self::Ours { claim }
            };
        }
        if text.starts_with("aws:") || (!prefix.is_empty() && !prefix.contains(['.', '/'])) {
            return Self::Context;
        }
        let fault = match without_scheme(prefix) {
            Some(rest) if rest.trim_end_matches('/') == issuer => Astray::Scheme,
            _ if prefix.trim_end_matches('/') == issuer => Astray::Slash,
            _ => Astray::Issuer,
        };
        Self::Astray { claim, fault }
    }

    /// The claim, of any issuer.
    pub(super) fn claim(&self) -> Option<&str> {
        match self {
            Self::Ours { claim } | Self::Astray { claim, .. } => Some(claim),
            Self::Context => None,
        }
    }

    /// Whether it is meant for this issuer, even if it is not written correctly.
    pub(super) fn means_ours(&self) -> bool {
        match self {
            Self::Ours { .. } => true,
            Self::Astray { fault, .. } => *fault != Astray::Issuer,
            Self::Context => false,
        }
    }
}

/// What follows `https://` or another scheme.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    text.split_once("://").map(|(_, rest)| rest)
}

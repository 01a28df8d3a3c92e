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
        if let Some((claim, fault)) = of_issuer(&text, &issuer) {
            let claim = claim.to_owned();
            return match fault {
                None => Self::Ours { claim },
                Some(fault) => Self::Astray { claim, fault },
            };
        }
        let (prefix, claim) = match text.rsplit_once(':') {
            Some((prefix, claim)) if !claim.contains('/') => (prefix, claim),
            // `sub` alone, or an issuer without a claim.
            _ if matches!(text.as_str(), "aud" | "sub") => ("", text.as_str()),
            _ => (text.as_str(), ""),
        };
        // A name without dots before a claim of a token is a placeholder for the issuer.
        let is_service = !prefix.is_empty()
            && !prefix.contains(['.', '/'])
            && (prefix == "saml" || !matches!(claim, "aud" | "sub"));
        if text.starts_with("aws:") || is_service {
            return Self::Context;
        }
        Self::Astray { claim: claim.to_owned(), fault: Astray::Issuer }
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

/// The claim after the name of this issuer, and what is wrong with how the name is written. Claims
/// such as `kubernetes.io/namespace` may contain slashes.
fn of_issuer<'t>(text: &'t str, issuer: &str) -> Option<(&'t str, Option<Astray>)> {
    let bare = without_scheme(text);
    let rest = bare.unwrap_or(text).strip_prefix(issuer)?;
    let claim = rest.trim_start_matches('/').strip_prefix(':')?;
    let fault = match (bare, rest.starts_with('/')) {
        _ if claim.is_empty() => Some(Astray::Issuer),
        (Some(_), _) => Some(Astray::Scheme),
        (None, true) => Some(Astray::Slash),
        (None, false) => None,
    };
    Some((claim, fault))
}

/// What follows `https://` or another scheme.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    text.split_once("://").map(|(_, rest)| rest)
}

//! What is asked for.

use issuer_discovery::{IssuerUrl, IssuerUrlError, Ports};

use crate::{Distribution, Error};

/// The issuers that an API server is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose configuration.
    pub distribution: Distribution,
    /// The issuer that signs.
    pub issuer: String,
    /// Issuers that stay accepted, in order.
    pub keep: Vec<String>,
    /// Issuers that may go.
    pub drop: Vec<String>,
    /// The version of Kubernetes, if the file does not have it.
    pub kubernetes_version: Option<String>,
    /// The cluster, if the file has several.
    pub name: Option<String>,
    /// The path of the file: a drop-in of k3s is written differently.
    pub path: Option<String>,
}

impl Request {
    /// One issuer, and nothing else said.
    #[must_use]
    pub fn new(distribution: Distribution, issuer: impl Into<String>) -> Self {
        Self {
            distribution,
            issuer: issuer.into(),
            keep: Vec::new(),
            drop: Vec::new(),
            kubernetes_version: None,
            name: None,
            path: None,
        }
    }

    /// Checks the issuers. What a cluster has already is a fact, whatever its form.
    pub(crate) fn check(&self, known: &[String]) -> Result<(), Error> {
        let is_known = |issuer: &String| known.contains(issuer);
        if !is_known(&self.issuer) {
            // A default issuer may have a port: in Talos it is the control-plane endpoint.
            match IssuerUrl::parse(&self.issuer, Ports::Allow) {
                Ok(_) | Err(IssuerUrlError::Port { .. }) => {}
                Err(error) => return Err(Error::Issuer(error)),
            }
        }
        for kept in self.keep.iter().filter(|kept| !is_known(kept)) {
            let reason = if !kept.starts_with("https://") {
                "does not begin with https://"
            } else if kept.contains(',') {
                "has a comma; give each issuer by itself"
            } else if kept.chars().any(|c| c.is_whitespace() || c.is_control()) {
                "has white space"
            } else if has_user(kept) {
                "has user information before the host; an issuer is public"
            } else {
                continue;
            };
            return Err(Error::Kept { issuer: shown(kept), reason });
        }
        for issuer in &self.drop {
            if *issuer == self.issuer || self.keep.contains(issuer) {
                return Err(Error::KeptAndDropped { issuer: shown(issuer) });
            }
        }
        if self.distribution == Distribution::MicroK8s
            && let Some(issuer) = self.accepted().find(|issuer| issuer.contains('$'))
        {
            return Err(Error::Expanded { issuer: shown(issuer) });
        }
        Ok(())
    }

    /// The issuers to be accepted, each once, the signing one first.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = &String> {
        let kept = self.keep.iter().enumerate();
        let kept = kept
            .filter(|(index, kept)| **kept != self.issuer && !self.keep[..*index].contains(kept));
        [&self.issuer].into_iter().chain(kept.map(|(_, kept)| kept))
    }
}

/// Whether a URL has a user or a password before its host.
fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())].contains('@')
}

/// An issuer for messages: on one line, and without a password.
pub(crate) fn shown(issuer: &str) -> String {
    let line: String =
        issuer.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    let Some((scheme, rest)) = line.split_once("://") else { return line };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{tail}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_issuer_to_be_kept_is_refused_and_not_shown() {
        for kept in [
            "https://u:hidden@x.example.com",
            "https://hidden@x.example.com/path",
            "https://u:hid@den@x.example.com?a",
        ] {
            let mut request = Request::new(Distribution::Kubeadm, "https://oidc.example.com/prod");
            request.keep = vec![kept.to_owned()];
            let error = request.check(&[]).unwrap_err().to_string();
            assert!(error.contains("user information") && !error.contains("hid"), "{error}");
            // What the file has already is a fact.
            assert!(request.check(&[kept.to_owned()]).is_ok(), "{kept}");
        }
        let mut request = Request::new(Distribution::Kubeadm, "https://oidc.example.com/prod");
        request.keep = vec!["https://x.example.com/a@b".to_owned()];
        assert!(request.check(&[]).is_ok());
    }
}

//! The discovery document (OpenID Connect Discovery 1.0 section 3).

use std::collections::BTreeSet;

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_jwks::Algorithm;
use serde::Serialize;

use crate::grammar::without_user_info;
use crate::issuer::{IssuerUrl, KEYS_NAME};

/// The members of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Shape {
    /// The seven of the pod identity webhook's self-hosted guide.
    #[default]
    Irsa,
    /// The five that kube-apiserver serves, byte for byte.
    Kubernetes,
}

/// Why an issuer's discovery document cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// No keys, so no algorithm to name.
    #[error(
        "there are no keys, so the document would name no signing algorithm; AWS STS needs at \
         least one"
    )]
    NoAlgorithms,
    /// A `jwks_uri` that is not valid.
    #[error(
        "the jwks_uri {uri:?} is not a plain https URL (without user information, white space or \
         fragment); kube-apiserver does not start with it, or AWS STS does not fetch it"
    )]
    JwksUri {
        /// As given, user information replaced by `***`.
        uri: String,
    },
}

impl Diagnostic for DiscoveryError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

/// The discovery document of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    issuer: IssuerUrl,
    jwks_uri: String,
    algorithms: BTreeSet<Algorithm>,
    shape: Shape,
}

impl Discovery {
    /// The document of `issuer`, with its keys at `jwks_uri` (default: [`KEYS_NAME`] below the
    /// issuer) and the `algorithms` of the keys.
    ///
    /// # Errors
    /// [`DiscoveryError::NoAlgorithms`] if there are none, [`DiscoveryError::JwksUri`] if it is not
    /// a plain https URL.
    pub fn new(
        issuer: IssuerUrl,
        jwks_uri: Option<&str>,
        algorithms: BTreeSet<Algorithm>,
        shape: Shape,
    ) -> Result<Self, DiscoveryError> {
        if algorithms.is_empty() {
            return Err(DiscoveryError::NoAlgorithms);
        }
        let jwks_uri = match jwks_uri {
            None => issuer.document_url(KEYS_NAME),
            Some(uri) => https_url(uri)
                .ok_or_else(|| DiscoveryError::JwksUri { uri: without_user_info(uri) })?,
        };
        Ok(Self { issuer, jwks_uri, algorithms, shape })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// The URL of its keys.
    #[must_use]
    pub fn jwks_uri(&self) -> &str {
        &self.jwks_uri
    }

    /// The document, compact and without a final newline, in the member order of its shape's
    /// source.
    #[must_use]
    pub fn to_json(&self) -> String {
        escape_as_go(&self.with_document(|document| serde_json::to_string(document)))
    }

    /// The same for people: indented by two spaces.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        escape_as_go(&self.with_document(|document| serde_json::to_string_pretty(document)))
    }

    #[expect(clippy::expect_used, reason = "strings and lists of strings always serialize")]
    fn with_document(&self, write: impl Fn(&Document<'_>) -> serde_json::Result<String>) -> String {
        let irsa = self.shape == Shape::Irsa;
        let algorithms: Vec<_> = self.algorithms.iter().map(|a| a.as_str()).collect();
        write(&Document {
            issuer: self.issuer.as_str(),
            jwks_uri: &self.jwks_uri,
            authorization_endpoint: irsa.then_some("urn:kubernetes:programmatic_authorization"),
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: &algorithms,
            claims_supported: irsa.then_some(["sub", "iss"]),
        })
        .expect("a document of strings serializes")
    }
}

#[derive(Serialize)]
struct Document<'a> {
    issuer: &'a str,
    jwks_uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_endpoint: Option<&'a str>,
    response_types_supported: [&'a str; 1],
    subject_types_supported: [&'a str; 1],
    id_token_signing_alg_values_supported: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    claims_supported: Option<[&'a str; 2]>,
}

/// Escapes the three characters that Go's `encoding/json`, which kube-apiserver uses, escapes.
fn escape_as_go(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

fn https_url(uri: &str) -> Option<String> {
    let parsed = url::Url::parse(uri).ok()?;
    let clean = !uri.chars().any(|c| c.is_whitespace() || c.is_control());
    (parsed.scheme() == "https"
        && parsed.has_host()
        && parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.fragment().is_none()
        && clean)
        .then(|| uri.to_owned())
}

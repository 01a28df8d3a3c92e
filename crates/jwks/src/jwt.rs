//! Tokens: JWS compact serialization (RFC 7515 section 7.1) and its signature.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use der::oid::AssociatedOid;
use p256::ecdsa::signature::Verifier;
use rsa::BoxedUint;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::key::Members;
use crate::{Algorithm, Curve, Jwk, JwkSet, PublicKey};

/// A parsed token, not verified. Its `Debug` omits the signature, since a complete token in a log
/// could be used.
#[derive(Clone, PartialEq)]
pub struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signing_input: String,
    signature: Vec<u8>,
}

/// Why a text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// No text.
    #[error("it is empty")]
    Empty,
    /// `Bearer` and a token, as in an HTTP header.
    #[error("it begins with \"Bearer \", which is part of the HTTP header and not of the token")]
    Bearer,
    /// White space between its first and last character.
    #[error("it contains white space: it is wrapped, or there is more than one token")]
    WhiteSpace,
    /// A JSON object, such as a TokenRequest or ExecCredential.
    #[error("it is JSON, not a JWT; the token itself is in status.token")]
    Json,
    /// Five parts: an encrypted token (RFC 7516).
    #[error("it has five parts separated by dots: an encrypted token (JWE), not a signed one")]
    Encrypted,
    /// Not three parts between dots.
    #[error(
        "it has {parts} part(s) separated by dots, a JWT has three (header, claims, signature)"
    )]
    Parts {
        /// How many it has.
        parts: usize,
    },
    /// A part that is not unpadded base64url (RFC 7515 section 2).
    #[error("its {part} is not base64url without padding: truncated or damaged")]
    Base64 {
        /// `header`, `claims` or `signature`.
        part: &'static str,
    },
    /// A part that is not a JSON object, or has a member twice.
    #[error("its {part} is not a JSON object")]
    NotAnObject {
        /// `header` or `claims`.
        part: &'static str,
    },
}

/// Why a token's signature is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The header has no `alg`.
    #[error("the token's header has no alg")]
    MissingAlgorithm,
    /// `alg` is `none`, symmetric, or unknown.
    #[error(
        "the token's alg is {alg:?}; a service-account token is signed with RS256, ES256, ES384 or \
         ES512"
    )]
    UnsupportedAlgorithm {
        /// The token's.
        alg: String,
    },
    /// The header has `crit`, extensions that a reader must understand (RFC 7515 section 4.1.11).
    #[error("the token's header has crit, which requires extensions that are not supported")]
    Critical,
    /// The header has no `kid`.
    #[error("the token's header has no kid")]
    MissingKid,
    /// The set has no such key.
    #[error("no key has the kid {kid:?}")]
    UnknownKid {
        /// The token's.
        kid: String,
    },
    /// `alg` is not one for the key's type.
    #[error("the token's alg is {alg:?}, but the key {kid:?} signs with {expected}")]
    AlgorithmMismatch {
        /// The token's.
        alg: String,
        /// The key's kid.
        kid: String,
        /// The key's.
        expected: Algorithm,
    },
    /// The signature was not made with the key.
    #[error("the signature was not made with the key {kid:?}")]
    BadSignature {
        /// The key's.
        kid: String,
    },
}

impl Token {
    /// Parses a token; white space around it is ignored.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, TokenFault> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if text.is_empty() {
            return Err(TokenFault::Empty);
        }
        if text.starts_with('{') {
            return Err(TokenFault::Json);
        }
        if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
            return Err(TokenFault::Bearer);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let (header, claims, signature) = match parts.as_slice() {
            _ if text.contains(char::is_whitespace) && parts.len() >= 3 => {
                return Err(TokenFault::WhiteSpace);
            }
            [header, claims, signature] => (*header, *claims, *signature),
            [_, _, _, _, _] => return Err(TokenFault::Encrypted),
            _ => return Err(TokenFault::Parts { parts: parts.len() }),
        };
        Ok(Self {
            header: object(header, "header")?,
            claims: object(claims, "claims")?,
            signature: decode(signature, "signature")?,
            signing_input: format!("{header}.{claims}"),
        })
    }

    /// The token as it is sent (RFC 7515 section 7.1).
    #[must_use]
    pub fn compact(&self) -> String {
        format!("{}.{}", self.signing_input, Base64UrlUnpadded::encode_string(&self.signature))
    }

    /// The JOSE header.
    #[must_use]
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The header's `kid`, if it is a string.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The header's `alg`, if it is a string.
    pub fn alg(&self) -> Option<&str> {
        self.header.get("alg").and_then(Value::as_str)
    }

    /// Verifies the signature (RS256, ES256, ES384, ES512) with the key of the token's kid, and
    /// returns that key.
    ///
    /// # Errors
    /// Which of kid, algorithm and signature is not valid.
    pub fn verify<'set>(&self, set: &'set JwkSet) -> Result<&'set Jwk, SignatureFault> {
        let alg = self.alg().ok_or(SignatureFault::MissingAlgorithm)?;
        if !["RS256", "ES256", "ES384", "ES512"].contains(&alg) {
            return Err(SignatureFault::UnsupportedAlgorithm { alg: alg.to_owned() });
        }
        if self.header.contains_key("crit") {
            return Err(SignatureFault::Critical);
        }
        let kid = self.kid().ok_or(SignatureFault::MissingKid)?;
        let jwk = set.get(kid).ok_or_else(|| SignatureFault::UnknownKid { kid: kid.to_owned() })?;
        let expected = jwk.key.algorithm();
        if alg != expected.as_str() {
            return Err(SignatureFault::AlgorithmMismatch {
                alg: alg.to_owned(),
                kid: kid.to_owned(),
                expected,
            });
        }
        if holds(&jwk.key, alg, self.signing_input.as_bytes(), &self.signature) {
            Ok(jwk)
        } else {
            Err(SignatureFault::BadSignature { kid: kid.to_owned() })
        }
    }
}

impl Token {
    /// Whether the signature was made with `key`, whatever the header's kid: RS256, RS384, RS512,
    /// ES256, ES384 and ES512, the algorithms that AWS STS accepts.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let alg = self.alg().unwrap_or_default();
        let fits = alg == key.algorithm().as_str()
            || (key.algorithm() == Algorithm::Rs256 && matches!(alg, "RS384" | "RS512"));
        fits && holds(key, alg, self.signing_input.as_bytes(), &self.signature)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { header, claims, signing_input: _, signature: _ } = self;
        f.debug_struct("Token")
            .field("header", header)
            .field("claims", claims)
            .finish_non_exhaustive()
    }
}

fn decode(text: &str, part: &'static str) -> Result<Vec<u8>, TokenFault> {
    Base64UrlUnpadded::decode_vec(text).map_err(|_| TokenFault::Base64 { part })
}

fn object(text: &str, part: &'static str) -> Result<Map<String, Value>, TokenFault> {
    serde_json::from_slice(&decode(text, part)?).map_err(|_| TokenFault::NotAnObject { part })
}

/// RFC 7518 sections 3.3 (PKCS#1 v1.5) and 3.4 (ECDSA, the two numbers side by side).
fn holds(key: &PublicKey, alg: &str, message: &[u8], signature: &[u8]) -> bool {
    match &key.0 {
        Members::Rsa { n, e } => match alg {
            "RS384" => rsa_holds::<Sha384>(n, e, message, signature),
            "RS512" => rsa_holds::<Sha512>(n, e, message, signature),
            _ => rsa_holds::<Sha256>(n, e, message, signature),
        },
        Members::Ec { curve, point } => {
            let point = [&[4], point.as_ref()].concat();
            match curve {
                Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).and_then(|key| {
                    key.verify(message, &p256::ecdsa::Signature::from_slice(signature)?)
                }),
                Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).and_then(|key| {
                    key.verify(message, &p384::ecdsa::Signature::from_slice(signature)?)
                }),
                Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(&point).and_then(|key| {
                    key.verify(message, &p521::ecdsa::Signature::from_slice(signature)?)
                }),
            }
            .is_ok()
        }
    }
}

fn rsa_holds<D>(n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool
where
    D: Digest + AssociatedOid,
{
    let number = |bytes| BoxedUint::from_be_slice_vartime(bytes);
    let key = rsa::PublicKey::new_with_size_limits(number(n), number(e), 512..=8192);
    let signature = rsa::pkcs1v15::Signature::try_from(signature);
    match (key, signature) {
        (Ok(key), Ok(signature)) => {
            rsa::pkcs1v15::VerifyingKey::<D>::new(key).verify(message, &signature).is_ok()
        }
        _ => false,
    }
}

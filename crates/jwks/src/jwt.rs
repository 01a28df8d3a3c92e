//! Tokens: JWS compact serialization (RFC 7515 section 7.1) and its signature.

use serde_json::{Map, Value};

use crate::{Jwk, JwkSet};

/// A token in its parts, nothing of it verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signing_input: String,
    signature: Vec<u8>,
}

/// Why a text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// Not three parts between dots.
    #[error("it has {parts} parts between dots, a JWT has three")]
    Parts {
        /// How many it has.
        parts: usize,
    },
}

/// Why a token's signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The header has no `kid`.
    #[error("the token's header has no kid")]
    MissingKid,
    /// The set has no such key.
    #[error("no key has the kid {kid:?}")]
    UnknownKid {
        /// The token's.
        kid: String,
    },
    /// `alg` is none that the key's type allows.
    #[error("the token says alg {alg:?}, the key {kid:?} signs {expected}")]
    AlgorithmMismatch {
        /// The token's.
        alg: String,
        /// The key's kid.
        kid: String,
        /// The key's.
        expected: crate::Algorithm,
    },
    /// The key says no.
    #[error("the signature is not that of the key {kid:?}")]
    BadSignature {
        /// The key's.
        kid: String,
    },
}

impl Token {
    /// Takes a token apart; white space around it is ignored.
    ///
    /// # Errors
    /// What it is not, as far as it can be seen.
    pub fn parse(text: &str) -> Result<Self, TokenFault> {
        let _ = text;
        todo!()
    }

    /// The JOSE header.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The header's `kid`, where it is a string.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The header's `alg`, where it is a string.
    pub fn alg(&self) -> Option<&str> {
        self.header.get("alg").and_then(Value::as_str)
    }

    /// Verifies the signature (RS256, ES256, ES384, ES512) with the key of the token's kid, which is given back.
    ///
    /// # Errors
    /// Which of kid, algorithm and signature does not hold.
    pub fn verify<'set>(&self, set: &'set JwkSet) -> Result<&'set Jwk, SignatureFault> {
        let _ = (set, &self.signing_input, &self.signature);
        todo!()
    }
}

//! Public keys and what follows from them: kid, algorithm, SPKI.

use std::fmt;

use crate::Error;

/// A key id, the `kid` of a JWK and of a token's header (RFC 7517 section 4.5).
///
/// kube-apiserver uses the unpadded base64url SHA-256 of the key's SPKI DER; an external signer may use any string
/// of at most 1024 characters, and the pod identity webhook's guide uses the empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// Takes a kid as it stands in a document.
    ///
    /// # Errors
    /// [`Error::KidTooLong`] beyond 1024 characters.
    pub fn new(kid: impl Into<String>) -> Result<Self, Error> {
        let kid = kid.into();
        if kid.chars().count() > 1024 {
            return Err(Error::KidTooLong);
        }
        Ok(Self(kid))
    }

    /// The kid as it stands in a document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A JWS algorithm (RFC 7518 section 3.1) that kube-apiserver signs with and AWS STS accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// ECDSA with P-521 and SHA-512.
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256; kube-apiserver signs so with an RSA key of any size.
    Rs256,
}

impl Algorithm {
    /// The name in `alg` and in `id_token_signing_alg_values_supported`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A named curve (RFC 7518 section 6.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// NIST P-256, secp256r1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1.
    P521,
}

/// What to do with RSA keys of fewer than 2048 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeakKeys {
    /// Refuse them, with the reason.
    #[default]
    Refuse,
    /// Accept them, as kube-apiserver does (`--allow-weak-keys`).
    Allow,
}

/// A public key that a token may be verified with: RSA, or EC on a named curve with its point on it.
///
/// Its only contents are the public members of RFC 7518 sections 6.2.1 and 6.3.1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(());

impl PublicKey {
    /// The kid that kube-apiserver gives this key: unpadded base64url of the SHA-256 of the SPKI DER
    /// (kubernetes `pkg/serviceaccount/jwt.go`).
    pub fn kid(&self) -> KeyId {
        todo!()
    }

    /// The algorithm that tokens of this key are signed with.
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// SubjectPublicKeyInfo in DER (RFC 5280 section 4.1), an EC point uncompressed.
    pub fn to_spki_der(&self) -> Vec<u8> {
        todo!()
    }

    /// SubjectPublicKeyInfo as a `PUBLIC KEY` PEM block of 64 columns, with a final newline.
    pub fn to_spki_pem(&self) -> String {
        todo!()
    }

    /// What people call the key: `RSA-2048`, `P-256`.
    pub fn describe(&self) -> String {
        todo!()
    }
}

//! New signing keys, in the form that kube-apiserver reads.

use zeroize::Zeroizing;

use crate::{Error, PublicKey};

/// A kind of signing key that kube-apiserver can sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// EC on P-256.
    P256,
    /// EC on P-384.
    P384,
    /// EC on P-521.
    P521,
}

/// A new signing key; the one place where a private value exists. It has no `Debug`.
pub struct GeneratedKey {
    /// `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC1) PEM, for `--service-account-signing-key-file`.
    pub private_pem: Zeroizing<String>,
    /// The public half.
    pub public: PublicKey,
}

/// Makes a signing key from the operating system's random numbers.
///
/// # Errors
/// Where the operating system has none to give.
pub fn generate(kind: KeyKind) -> Result<GeneratedKey, Error> {
    let _ = kind;
    todo!()
}

//! New signing keys, in the form that kube-apiserver reads.

use getrandom::SysRng;
use rsa::Generate;
use rsa::pkcs1::EncodeRsaPrivateKey;
use zeroize::Zeroizing;

use crate::{Error, PublicKey, WeakKeys, der_key, pem};

/// A kind of signing key that kube-apiserver can sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
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

/// A new signing key; the only type that holds a private key. It has no `Debug`.
#[expect(missing_debug_implementations, reason = "a private key must not get into a log")]
pub struct GeneratedKey {
    /// `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC1) PEM, for
    /// `--service-account-signing-key-file`.
    pub private_pem: Zeroizing<String>,
    /// The public half.
    pub public: PublicKey,
}

/// Generates a signing key from the operating system's random numbers.
///
/// # Errors
/// [`Error::Generate`].
pub fn generate(kind: KeyKind) -> Result<GeneratedKey, Error> {
    let der = match kind {
        KeyKind::Rsa2048 => rsa_der(2048),
        KeyKind::Rsa3072 => rsa_der(3072),
        KeyKind::Rsa4096 => rsa_der(4096),
        KeyKind::P256 => {
            p256::SecretKey::try_generate().map_err(failed)?.to_sec1_der().map_err(failed)
        }
        KeyKind::P384 => {
            p384::SecretKey::try_generate().map_err(failed)?.to_sec1_der().map_err(failed)
        }
        KeyKind::P521 => {
            p521::SecretKey::try_generate().map_err(failed)?.to_sec1_der().map_err(failed)
        }
    }?;
    let label = match kind {
        KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => "RSA PRIVATE KEY",
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => "EC PRIVATE KEY",
    };
    // Read back as the API server will read it: a key that cannot be read must not be used.
    let public = der_key::read(&der, WeakKeys::Refuse).map_err(|fault| Error::Key { fault })?.key;
    Ok(GeneratedKey { private_pem: Zeroizing::new(pem::write(label, &der)), public })
}

fn rsa_der(bits: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let key = rsa::PrivateKey::new(&mut SysRng, bits).map_err(failed)?;
    Ok(key.to_pkcs1_der().map_err(failed)?.to_bytes())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Generate { reason: error.to_string() }
}

//! Public keys and what is derived from them: kid, algorithm, SPKI.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::elliptic_curve::sec1::ToSec1Point;
use sha2::{Digest, Sha256};

use crate::{Error, KeyFault, pem};

/// A key id, the `kid` of a JWK and of a token's header (RFC 7517 section 4.5).
///
/// kube-apiserver uses the unpadded base64url SHA-256 of the key's SPKI DER; an external signer may
/// use any string of at most 1024 characters, and the pod identity webhook's guide uses the empty
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// A kid as it is in a document.
    ///
    /// # Errors
    /// [`Error::KidTooLong`] if it has more than 1024 characters.
    pub fn new(kid: impl Into<String>) -> Result<Self, Error> {
        let kid = kid.into();
        if kid.chars().count() > 1024 {
            return Err(Error::KidTooLong);
        }
        Ok(Self(kid))
    }

    /// The kid as it is in a document.
    #[must_use]
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
    /// RSASSA-PKCS1-v1_5 with SHA-256; kube-apiserver uses it with an RSA key of any size.
    Rs256,
}

impl Algorithm {
    /// The name in `alg` and in `id_token_signing_alg_values_supported`.
    #[must_use]
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
    /// Reject them, with the reason.
    #[default]
    Refuse,
    /// Accept them from 512 bits on, as kube-apiserver does.
    Allow,
}

/// A public key to verify tokens with: RSA, or EC on a named curve with a point that is on it.
///
/// Its only contents are the public members of RFC 7518 sections 6.2.1 and 6.3.1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(pub(crate) Members);

/// The public members, checked; big-endian.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Members {
    /// Neither begins with a zero byte.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// The point is `x` and `y`, each as wide as the field.
    Ec { curve: Curve, point: Box<[u8]> },
}

impl PublicKey {
    /// An RSA key from its big-endian modulus and exponent; leading zero bytes do not matter.
    ///
    /// # Errors
    /// [`KeyFault`]: fewer than 2048 bits (512 if weak keys are allowed) or more than 8192, an even
    /// modulus, an exponent that is 1, even or longer than 32 bits.
    pub fn rsa(n: &[u8], e: &[u8], weak: WeakKeys) -> Result<Self, KeyFault> {
        let (n, e) = (strip_zeros(n), strip_zeros(e));
        let bits = bit_length(n);
        let least = if weak == WeakKeys::Allow { 512 } else { 2048 };
        if bits < least {
            return Err(KeyFault::WeakRsa { bits });
        }
        if bits > 8192 {
            return Err(KeyFault::LargeRsa { bits });
        }
        if n.last().is_some_and(|byte| byte % 2 == 0) {
            return Err(KeyFault::EvenModulus);
        }
        // 32 bits is the limit of kube-apiserver (Go's crypto/rsa).
        if e == [1] || e.last().is_none_or(|byte| byte % 2 == 0) || bit_length(e) > 32 {
            return Err(KeyFault::RsaExponent);
        }
        Ok(Self(Members::Rsa { n: n.into(), e: e.into() }))
    }

    /// An EC key from a SEC1 point (SEC 1 section 2.3.3), compressed or not.
    ///
    /// # Errors
    /// [`KeyFault::NotOnCurve`], also for the point at infinity.
    pub fn ec(curve: Curve, sec1_point: &[u8]) -> Result<Self, KeyFault> {
        let fault = KeyFault::NotOnCurve { curve: curve.as_str() };
        let uncompressed = match curve {
            Curve::P256 => p256::PublicKey::from_sec1_bytes(sec1_point)
                .map(|key| uncompressed(sec1_point, &key)),
            Curve::P384 => p384::PublicKey::from_sec1_bytes(sec1_point)
                .map(|key| uncompressed(sec1_point, &key)),
            Curve::P521 => p521::PublicKey::from_sec1_bytes(sec1_point)
                .map(|key| uncompressed(sec1_point, &key)),
        };
        let point = uncompressed.map_err(|_| fault)?;
        Ok(Self(Members::Ec { curve, point }))
    }

    /// The kid that kube-apiserver gives this key: unpadded base64url of the SHA-256 of the SPKI
    /// DER (kubernetes `pkg/serviceaccount/jwt.go`).
    #[must_use]
    pub fn kid(&self) -> KeyId {
        KeyId(Base64UrlUnpadded::encode_string(&Sha256::digest(self.to_spki_der())))
    }

    /// The algorithm that tokens of this key are signed with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Members::Rsa { .. } => Algorithm::Rs256,
            Members::Ec { curve, .. } => curve.algorithm(),
        }
    }

    /// SubjectPublicKeyInfo in DER (RFC 5280 section 4.1), an EC point uncompressed.
    #[must_use]
    pub fn to_spki_der(&self) -> Vec<u8> {
        match &self.0 {
            Members::Rsa { n, e } => rsa_spki(n, e),
            Members::Ec { curve, point } => [curve.spki_prefix(), point].concat(),
        }
    }

    /// SubjectPublicKeyInfo as a `PUBLIC KEY` PEM block of 64 columns, with a final newline.
    #[must_use]
    pub fn to_spki_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.to_spki_der())
    }

    /// The usual name of the key's type: `RSA-2048`, `P-256`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.0 {
            Members::Rsa { n, .. } => format!("RSA-{}", bit_length(n)),
            Members::Ec { curve, .. } => curve.as_str().to_owned(),
        }
    }

    /// `RSA` or `EC`, the `kty` of RFC 7518 section 6.1.
    #[must_use]
    pub fn key_type(&self) -> &'static str {
        match &self.0 {
            Members::Rsa { .. } => "RSA",
            Members::Ec { .. } => "EC",
        }
    }
}

impl Curve {
    /// The curve that other tools call so, such as `prime256v1`; `None` for any other one.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        match plain.to_ascii_lowercase().as_str() {
            "p256" | "nistp256" | "prime256v1" | "secp256r1" | "es256" => Some(Self::P256),
            "p384" | "nistp384" | "secp384r1" | "es384" => Some(Self::P384),
            "p521" | "nistp521" | "secp521r1" | "es512" | "p512" => Some(Self::P521),
            _ => None,
        }
    }

    /// The name in `crv`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The bytes of one coordinate.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    /// SPKI DER up to and with the `04` of an uncompressed point: id-ecPublicKey, the named curve,
    /// the bit string's head (RFC 5480 section 2.1.1).
    fn spki_prefix(self) -> &'static [u8] {
        match self {
            Self::P256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
            ],
            Self::P384 => &[
                0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
            ],
            Self::P521 => &[
                0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04,
            ],
        }
    }
}

/// `x` and `y` of a point that is on its curve; only a compressed one has to be worked out.
fn uncompressed<C>(sec1_point: &[u8], key: &impl ToSec1Point<C>) -> Box<[u8]>
where
    C: p256::elliptic_curve::Curve,
    p256::elliptic_curve::FieldBytesSize<C>: p256::elliptic_curve::sec1::ModulusSize,
{
    match sec1_point {
        [4, point @ ..] => point.into(),
        _ => key.to_sec1_point(false).as_bytes()[1..].into(),
    }
}

/// rsaEncryption with NULL parameters, and RSAPublicKey in the bit string (RFC 3279 section 2.3.1).
fn rsa_spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    const ALGORITHM: &[u8] =
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let key = tlv_len(integer_len(n) + integer_len(e));
    let mut der = Vec::with_capacity(key + 32);
    push_header(&mut der, 0x30, ALGORITHM.len() + tlv_len(key + 1));
    der.extend_from_slice(ALGORITHM);
    push_header(&mut der, 0x03, key + 1);
    der.push(0);
    push_header(&mut der, 0x30, integer_len(n) + integer_len(e));
    for number in [n, e] {
        let pad = usize::from(number[0] >= 0x80);
        push_header(&mut der, 0x02, number.len() + pad);
        der.extend(std::iter::repeat_n(0, pad));
        der.extend_from_slice(number);
    }
    der
}

fn integer_len(number: &[u8]) -> usize {
    tlv_len(number.len() + usize::from(number[0] >= 0x80))
}

fn tlv_len(content: usize) -> usize {
    content
        + if content < 0x80 {
            2
        } else if content < 0x100 {
            3
        } else {
            4
        }
}

/// Tag and length; no content here is longer than 65,535 bytes.
fn push_header(der: &mut Vec<u8>, tag: u8, content: usize) {
    let [_, _, .., high, low] = content.to_be_bytes();
    match content {
        0..0x80 => der.extend_from_slice(&[tag, low]),
        0x80..0x100 => der.extend_from_slice(&[tag, 0x81, low]),
        _ => der.extend_from_slice(&[tag, 0x82, high, low]),
    }
}

pub(crate) fn strip_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

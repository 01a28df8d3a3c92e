//! Reads the public key of a DER structure of any kind.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use p256::elliptic_curve::bigint::ConcatenatingMul;
use pkcs1::{RsaPrivateKey, RsaPublicKeyRef};
use pkcs8::PrivateKeyInfoRef;
use rsa::BoxedUint;
use sec1::EcPrivateKey;

use crate::{Curve, KeyFault, PublicKey, WeakKeys, recognize};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const RSA_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const P224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.33");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The key in a DER structure.
pub(crate) struct Found {
    pub(crate) key: PublicKey,
    /// Whether the structure was a private key; only its public half is kept.
    pub(crate) private: bool,
}

/// Reads one DER structure: SPKI, PKCS#1 (public or private), PKCS#8, SEC1, or an X.509
/// certificate.
pub(crate) fn read(der: &[u8], weak: WeakKeys) -> Result<Found, KeyFault> {
    let fields = sequence(der).ok_or(KeyFault::NotDer)?;
    let public = |key| Ok(Found { key, private: false });
    let private = |key| Ok(Found { key, private: true });
    match fields.as_slice() {
        // SubjectPublicKeyInfo: AlgorithmIdentifier, BIT STRING.
        [algorithm, key] if is(algorithm, Tag::Sequence) && is(key, Tag::BitString) => {
            spki(algorithm, key, weak).and_then(public)
        }
        // RSAPublicKey: INTEGER, INTEGER.
        [n, e] if is(n, Tag::Integer) && is(e, Tag::Integer) => {
            pkcs1_public(der, weak).and_then(public)
        }
        // ContentInfo (RFC 5652 section 3): OBJECT IDENTIFIER, [0].
        [kind, ..] if is_pkcs7(kind) => {
            Err(recognize::of_label("PKCS7").unwrap_or(KeyFault::NotDer))
        }
        // PFX (RFC 7292 section 4): INTEGER 3, ContentInfo, MacData.
        [version, content, ..]
            if is(version, Tag::Integer)
                && children(content).is_some_and(|inner| inner.first().is_some_and(is_pkcs7)) =>
        {
            Err(KeyFault::Container {
                what: "a PKCS#12 file",
                convert: "extract the certificate: openssl pkcs12 -nokeys -clcerts -in FILE",
            })
        }
        // EncryptedPrivateKeyInfo: AlgorithmIdentifier, OCTET STRING.
        [algorithm, data] if is(algorithm, Tag::Sequence) && is(data, Tag::OctetString) => {
            Err(KeyFault::Encrypted)
        }
        // Certificate, CertificationRequest, CertificateList: to be signed, AlgorithmIdentifier,
        // BIT STRING.
        [signed, algorithm, signature]
            if is(signed, Tag::Sequence)
                && is(algorithm, Tag::Sequence)
                && is(signature, Tag::BitString) =>
        {
            certificate(signed, weak).and_then(public)
        }
        // RSAPrivateKey: version and eight INTEGERs or more.
        [first, n, e, _, _, _, _, _, _, ..]
            if [first, n, e].iter().all(|f| is(f, Tag::Integer)) =>
        {
            pkcs1_private(der, weak).and_then(private)
        }
        // ECPrivateKey: INTEGER 1, OCTET STRING.
        [version, key, ..] if is(version, Tag::Integer) && is(key, Tag::OctetString) => {
            sec1_private(der, None).and_then(private)
        }
        // PrivateKeyInfo: INTEGER, AlgorithmIdentifier, OCTET STRING.
        [version, algorithm, key, ..]
            if is(version, Tag::Integer)
                && is(algorithm, Tag::Sequence)
                && is(key, Tag::OctetString) =>
        {
            pkcs8(der, weak).and_then(private)
        }
        // DSAPrivateKey: version, p, q, g, y, x.
        [_, _, _, _, _, _] if fields.iter().all(|f| is(f, Tag::Integer)) => {
            Err(KeyFault::Unsupported { what: "a DSA private key".to_owned() })
        }
        _ => Err(KeyFault::Unsupported { what: "a DER structure that is not a key".to_owned() }),
    }
}

/// The same for a certificate that is followed by data, as in OpenSSL's `TRUSTED CERTIFICATE`.
pub(crate) fn read_leading(der: &[u8], weak: WeakKeys) -> Result<Found, KeyFault> {
    let mut reader = SliceReader::new(der).map_err(|_| KeyFault::NotDer)?;
    let first = reader.tlv_bytes().map_err(|_| KeyFault::NotDer)?;
    read(first, weak)
}

/// The fields of the one SEQUENCE that the bytes are.
fn sequence(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let whole = AnyRef::from_der(der).ok()?;
    (whole.tag() == Tag::Sequence).then(|| children(&whole)).flatten()
}

fn children<'a>(parent: &AnyRef<'a>) -> Option<Vec<AnyRef<'a>>> {
    let mut reader = SliceReader::new(parent.value()).ok()?;
    let mut fields = Vec::with_capacity(10);
    while !reader.is_finished() {
        fields.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(fields)
}

fn is(field: &AnyRef<'_>, tag: Tag) -> bool {
    field.tag() == tag
}

/// An OBJECT IDENTIFIER under 1.2.840.113549.1.7 (RFC 5652).
fn is_pkcs7(field: &AnyRef<'_>) -> bool {
    const PREFIX: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
    is(field, Tag::ObjectIdentifier) && field.value().starts_with(PREFIX)
}

fn spki(algorithm: &AnyRef<'_>, key: &AnyRef<'_>, weak: WeakKeys) -> Result<PublicKey, KeyFault> {
    let (oid, parameters) = algorithm_of(algorithm)?;
    let bits = key
        .decode_as::<BitStringRef<'_>>()
        .ok()
        .and_then(|bits| bits.as_bytes())
        .ok_or(KeyFault::NotDer)?;
    match oid {
        RSA => pkcs1_public(bits, weak),
        EC => PublicKey::ec(named_curve(parameters.as_ref())?, bits),
        other => Err(unsupported(&other)),
    }
}

fn algorithm_of<'a>(
    algorithm: &AnyRef<'a>,
) -> Result<(ObjectIdentifier, Option<AnyRef<'a>>), KeyFault> {
    let fields = children(algorithm).ok_or(KeyFault::NotDer)?;
    let oid = fields
        .first()
        .and_then(|f| f.decode_as::<ObjectIdentifier>().ok())
        .ok_or(KeyFault::NotDer)?;
    Ok((oid, fields.get(1).copied()))
}

fn named_curve(parameters: Option<&AnyRef<'_>>) -> Result<Curve, KeyFault> {
    let unsupported = |what: &str| KeyFault::Unsupported { what: what.to_owned() };
    let Some(parameters) = parameters else {
        return Err(unsupported("an EC key that does not name its curve"));
    };
    let Ok(oid) = parameters.decode_as::<ObjectIdentifier>() else {
        return Err(unsupported("an EC key with explicit parameters instead of a named curve"));
    };
    curve_of(&oid)
}

fn curve_of(oid: &ObjectIdentifier) -> Result<Curve, KeyFault> {
    let what = match *oid {
        P256 => return Ok(Curve::P256),
        P384 => return Ok(Curve::P384),
        P521 => return Ok(Curve::P521),
        P224 => "an EC key on P-224; kube-apiserver cannot sign with it".to_owned(),
        SECP256K1 => "an EC key on secp256k1".to_owned(),
        other => format!("an EC key on the curve {other}"),
    };
    Err(KeyFault::Unsupported { what })
}

fn unsupported(oid: &ObjectIdentifier) -> KeyFault {
    if *oid == RSA_PSS {
        return KeyFault::RsaPss;
    }
    let what = match oid.to_string().as_str() {
        _ if *oid == RSA_OAEP => "an RSA-OAEP key, which is for encryption".to_owned(),
        "1.3.101.112" => {
            "an Ed25519 key; kube-apiserver and AWS STS support only RSA and EC".to_owned()
        }
        "1.3.101.113" => {
            "an Ed448 key; kube-apiserver and AWS STS support only RSA and EC".to_owned()
        }
        "1.3.101.110" => "an X25519 key, which is for key agreement".to_owned(),
        "1.3.101.111" => "an X448 key, which is for key agreement".to_owned(),
        "1.2.840.10040.4.1" => "a DSA key".to_owned(),
        "1.2.840.113549.1.3.1" | "1.2.840.10046.2.1" => "a Diffie-Hellman key".to_owned(),
        other => format!("a key of the algorithm {other}"),
    };
    KeyFault::Unsupported { what }
}

fn pkcs1_public(der: &[u8], weak: WeakKeys) -> Result<PublicKey, KeyFault> {
    let key = RsaPublicKeyRef::from_der(der).map_err(|_| KeyFault::NotDer)?;
    PublicKey::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes(), weak)
}

fn pkcs1_private(der: &[u8], weak: WeakKeys) -> Result<PublicKey, KeyFault> {
    let key = RsaPrivateKey::<UintRef<'_>>::from_der(der).map_err(|_| KeyFault::NotDer)?;
    let public = PublicKey::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes(), weak)?;
    // A damaged modulus would be published under a kid that no token has.
    let number = |part: &UintRef<'_>| {
        zeroize::Zeroizing::new(BoxedUint::from_be_slice_vartime(part.as_bytes()))
    };
    let product = number(&key.prime1).concatenating_mul(&*number(&key.prime2));
    if key.other_prime_infos.is_none()
        && product != BoxedUint::from_be_slice_vartime(key.modulus.as_bytes())
    {
        return Err(KeyFault::HalvesDiffer);
    }
    Ok(public)
}

fn pkcs8(der: &[u8], weak: WeakKeys) -> Result<PublicKey, KeyFault> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyFault::NotDer)?;
    let inner = info.private_key.as_bytes();
    match info.algorithm.oid {
        RSA => pkcs1_private(inner, weak),
        EC => sec1_private(inner, Some(named_curve(info.algorithm.parameters.as_ref())?)),
        other => Err(unsupported(&other)),
    }
}

fn sec1_private(der: &[u8], outer: Option<Curve>) -> Result<PublicKey, KeyFault> {
    let explicit = || KeyFault::Unsupported {
        what: "an EC key with explicit parameters instead of a named curve".to_owned(),
    };
    let key = EcPrivateKey::from_der(der)
        .map_err(|_| if has_explicit_parameters(der) { explicit() } else { KeyFault::NotDer })?;
    let inner =
        key.parameters.and_then(|p| p.named_curve()).map(|oid| curve_of(&oid)).transpose()?;
    let curve = match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => return Err(KeyFault::NotDer),
        (Some(curve), _) | (None, Some(curve)) => curve,
        (None, None) => {
            return Err(KeyFault::Unsupported {
                what: "an EC key that does not name its curve".to_owned(),
            });
        }
    };
    // A public half in the same structure is ignored, as kube-apiserver does: it may be another
    // key's.
    public_of(curve, key.private_key)
}

fn has_explicit_parameters(der: &[u8]) -> bool {
    let tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    let parameters =
        sequence(der).and_then(|fields| fields.iter().find(|f| f.tag() == tag).copied());
    parameters
        .and_then(|p| children(&p))
        .is_some_and(|inner| inner.first().is_some_and(|f| is(f, Tag::Sequence)))
}

/// The public half of a private scalar, which may have too few or too many leading zero bytes.
fn public_of(curve: Curve, scalar: &[u8]) -> Result<PublicKey, KeyFault> {
    let stripped = crate::key::strip_zeros(scalar);
    let width = curve.width();
    if stripped.len() > width {
        return Err(KeyFault::NotDer);
    }
    let mut padded = zeroize::Zeroizing::new(vec![0; width]);
    padded[width - stripped.len()..].copy_from_slice(stripped);
    let point = match curve {
        Curve::P256 => p256::SecretKey::from_slice(&padded).map(|k| k.public_key().to_sec1_bytes()),
        Curve::P384 => p384::SecretKey::from_slice(&padded).map(|k| k.public_key().to_sec1_bytes()),
        Curve::P521 => p521::SecretKey::from_slice(&padded).map(|k| k.public_key().to_sec1_bytes()),
    };
    PublicKey::ec(curve, &point.map_err(|_| KeyFault::NotDer)?)
}

/// The key of a TBSCertificate (RFC 5280 section 4.1); the rest of it is ignored.
fn certificate(signed: &AnyRef<'_>, weak: WeakKeys) -> Result<PublicKey, KeyFault> {
    let fields = children(signed).ok_or(KeyFault::NotDer)?;
    // version [0] is left out in version 1.
    let versioned = matches!(fields.first().map(Tagged::tag), Some(Tag::ContextSpecific { .. }));
    let info = fields.get(if versioned { 6 } else { 5 }).filter(|f| is(f, Tag::Sequence));
    let certificate = info.and_then(|info| info.to_der().ok());
    match certificate {
        Some(der) if is_spki(&der) => read(&der, weak).map(|found| found.key),
        // CertificationRequestInfo: version, subject, SubjectPublicKeyInfo; a list has a time in
        // fourth place.
        _ if fields.get(2).and_then(|f| f.to_der().ok()).is_some_and(|der| is_spki(&der)) => {
            Err(KeyFault::CertificateRequest)
        }
        _ => Err(KeyFault::Unsupported { what: "a certificate revocation list".to_owned() }),
    }
}

fn is_spki(der: &[u8]) -> bool {
    matches!(sequence(der).as_deref(), Some([algorithm, key]) if is(algorithm, Tag::Sequence) && is(key, Tag::BitString))
}

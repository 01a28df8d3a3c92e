//! Reads key files of any kind as a JWK Set.

use std::borrow::Cow;

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use issuer_diagnostic::{Encoding, EncodingFault, Stray, Text, Unexpected, decode, stray_in_json};
use zeroize::{Zeroize, Zeroizing};

use crate::containers::{self, Part};
use crate::jwk::LargerHashes;
use crate::pem::{self, Block, BlockFault};
use crate::recognize::{self, recognize};
use crate::{Content, Error, JwkSet, KeyFault, MAX_INPUT_BYTES, WeakKeys, der_key};

/// The content of a key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The valid keys, in file order, at least one.
    pub set: JwkSet,
    /// What the caller must know.
    pub notes: Vec<Note>,
}

/// Something about a key file that is not an error, but must be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The file is in UTF-16 or UTF-32, which no API server and no AWS service reads.
    OtherEncoding(Encoding),
    /// A PEM file with a character that an API server does not read; the key was read without it.
    Unusual(Stray),
    /// What looks like the first line of a further PEM block, but has such a character; the block was
    /// skipped.
    LooksLikePem(Stray),
    /// The block is a private key; only its public half was kept.
    PrivateKey {
        /// Number of the block, from 1.
        block: usize,
    },
    /// The block was skipped.
    Skipped {
        /// Number of the block, from 1.
        block: usize,
        /// What it is, and why it was skipped.
        what: String,
    },
    /// The entry of a JWK Set was skipped.
    SkippedEntry {
        /// [`Error::Entry`].
        fault: Error,
    },
    /// The key in a file of another tool is a private one; only its public half was kept.
    PrivateKeyWithin {
        /// The place, and the tool.
        place: String,
    },
    /// A key of such a file was skipped.
    SkippedWithin {
        /// The place, and the tool.
        place: String,
        /// Why.
        reason: String,
    },
}

/// Reads every key in `bytes`: PEM in one block or many, DER, a JWK Set, or a file of another tool
/// that has the key at a known place: the secrets or the machine configuration of Talos, a kops
/// Keyset, OpenShift's ConfigMap, the output of `aws kms get-public-key`. Labels of PEM blocks are
/// ignored, as kube-apiserver does (client-go `util/keyutil`).
///
/// # Errors
/// If there is no valid key, with what the bytes are instead.
pub fn read(bytes: &[u8], weak: WeakKeys) -> Result<Reading, Error> {
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(Error::TooLarge);
    }
    if bytes.starts_with(&[0x30]) && std::str::from_utf8(bytes).is_err() {
        return read_der(bytes, weak);
    }
    let text = match decode(bytes) {
        Ok(text) => text,
        Err(fault @ EncodingFault::DamagedUtf32 { .. }) => return Err(Error::Encoding { fault }),
        // Comments around the blocks may be in another encoding.
        Err(_) => Text { text: String::from_utf8_lossy(bytes), encoding: Encoding::Utf8 },
    };
    noted(text, |text| read_text(bytes, text, weak))
}

/// Reads a JWK Set; entries that cannot be used are skipped.
///
/// # Errors
/// If it has no valid key, with what the bytes are instead.
pub fn read_set(bytes: &[u8], weak: WeakKeys) -> Result<Reading, Error> {
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(Error::TooLarge);
    }
    if recognize::is_compressed(bytes) {
        return Err(Error::NotAJwkSet { what: Content::Archive });
    }
    let text = decode(bytes).map_err(|fault| Error::Encoding { fault })?;
    noted(text, |text| match unarmored(text.trim()) {
        Some(inner) if is_object(&inner) => {
            let inner = Zeroizing::new(inner);
            read_json(&String::from_utf8_lossy(&inner), weak)
        }
        _ => read_json(text, weak),
    })
}

/// Adds the note on the encoding; removes a text that was decoded from memory, since it may be a
/// private key.
fn noted(
    text: Text<'_>,
    read: impl FnOnce(&str) -> Result<Reading, Error>,
) -> Result<Reading, Error> {
    let mut reading = read(&text.text);
    if let (Ok(reading), Encoding::Utf16 | Encoding::Utf32) = (&mut reading, text.encoding) {
        reading.notes.insert(0, Note::OtherEncoding(text.encoding));
    }
    if let Cow::Owned(mut decoded) = text.text {
        decoded.zeroize();
    }
    reading
}

fn read_text(bytes: &[u8], text: &str, weak: WeakKeys) -> Result<Reading, Error> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    if text.is_empty() {
        return Err(Error::Empty);
    }
    if let Some(parts) = containers::find(text) {
        return read_parts(parts?, weak);
    }
    // JSON of another kind may contain PEM text (a Secret does), so it is checked first.
    let is_json_like = text.starts_with(['{', '[']) && !recognize::is_ini(text);
    if is_json_like && (!pem::is_in(text) || is_json(text)) {
        return read_json(text, weak);
    }
    if pem::is_in(text) {
        return read_pem(text, weak);
    }
    if let Some(stray) = pem::lookalike(text) {
        return Err(Error::LooksLikePem { stray });
    }
    if let Some(inner) = unarmored(text) {
        return read_inner(&Zeroizing::new(inner), weak);
    }
    if let Some(stray) = comment_before_json(text) {
        return Err(Error::NotJson { reason: format!("JSON does not allow {stray}") });
    }
    Err(recognize(bytes, text))
}

/// A comment at the beginning of a text that is JSON after it.
fn comment_before_json(text: &str) -> Option<Stray> {
    let stray = stray_in_json(text)?;
    let is_first = (stray.line, stray.column) == (1, 1);
    let is_comment = matches!(stray.what, Unexpected::Comment(_));
    (is_first && is_comment && text.contains("\"keys\"")).then_some(stray)
}

/// PEM, DER or a JWK Set that was in base64.
fn read_inner(bytes: &[u8], weak: WeakKeys) -> Result<Reading, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_object(bytes) => read_json(text, weak),
        Ok(text) if pem::is_in(text) => read_pem(text, weak),
        _ => read_der(bytes, weak),
    }
}

/// The keys of a file of another tool.
fn read_parts(parts: Vec<Part>, weak: WeakKeys) -> Result<Reading, Error> {
    let mut reading = Reading { set: JwkSet::default(), notes: Vec::new() };
    let mut unusable = Vec::new();
    for Part { place, content } in parts {
        match content.map(|bytes| read_inner(&bytes, weak)) {
            Ok(Ok(inner)) => {
                reading.set = reading.set.union(&inner.set)?;
                if inner.notes.iter().any(|note| matches!(note, Note::PrivateKey { .. })) {
                    reading.notes.push(Note::PrivateKeyWithin { place });
                }
            }
            Ok(Err(fault)) => unusable.push((place, fault.to_string())),
            Err(reason) => unusable.push((place, reason.to_owned())),
        }
    }
    if reading.set.is_empty() {
        let keys = unusable.into_iter().map(|(place, reason)| format!("{place}: {reason}"));
        return Err(Error::NoUsableKey { keys: keys.collect(), weak: false });
    }
    let skipped = unusable.into_iter();
    let skipped = skipped.map(|(place, reason)| Note::SkippedWithin { place, reason });
    reading.notes.extend(skipped);
    Ok(reading)
}

fn read_der(der: &[u8], weak: WeakKeys) -> Result<Reading, Error> {
    let found = der_key::read(der, weak).map_err(|fault| Error::Key { fault })?;
    let notes = if found.private { vec![Note::PrivateKey { block: 1 }] } else { Vec::new() };
    Ok(Reading { set: JwkSet::from_keys([found.key])?, notes })
}

/// A JWK Set; one entry that cannot be used does not affect the others.
fn read_json(text: &str, weak: WeakKeys) -> Result<Reading, Error> {
    let entries = JwkSet::read_entries(text.as_bytes(), weak, LargerHashes::Refuse)?;
    let (mut keys, mut faults) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.jwk {
            Ok(jwk) => keys.push(jwk),
            Err(fault) => faults.push(fault),
        }
    }
    match (keys.as_slice(), faults.as_mut_slice()) {
        ([], []) => Err(Error::EmptySet),
        ([], [_]) => Err(faults.remove(0)),
        ([], _) => {
            let weak = faults.iter().any(Error::is_allowed_weak);
            let keys = shortened(faults.iter().map(Error::to_string).collect());
            Err(Error::NoUsableKey { keys, weak })
        }
        _ => {
            let notes = faults.into_iter().map(|fault| Note::SkippedEntry { fault }).collect();
            Ok(Reading { set: JwkSet::from_entries(keys)?, notes })
        }
    }
}

fn read_pem(text: &str, weak: WeakKeys) -> Result<Reading, Error> {
    let mut keys = Vec::new();
    let mut notes = Vec::new();
    let mut unusable = Vec::new();
    let mut cut_off = None;
    for (number, block) in (1..).zip(pem::blocks(text)) {
        let truncated = block.body == Err(BlockFault::Truncated);
        match read_block(block, weak) {
            Ok(found) => {
                if found.private {
                    notes.push(Note::PrivateKey { block: number });
                }
                keys.push(found.key);
            }
            Err(BlockVerdict::Harmless) => {}
            Err(BlockVerdict::Unusable { label, fault }) => {
                cut_off = cut_off.or(truncated.then_some((number, label)));
                unusable.push((number, label, fault));
            }
        }
    }
    if keys.is_empty() {
        let (block, label) = cut_off.unzip();
        return Err(match block {
            // The key may have been in the missing rest of the file.
            Some(block) => Error::Truncated { block, label: label.unwrap_or(UNUSUAL_LABEL) },
            None => none_usable(&unusable),
        });
    }
    notes.extend(
        unusable
            .into_iter()
            .map(|(block, label, fault)| Note::Skipped { block, what: describe(label, &fault) }),
    );
    notes.sort_by_key(|note| match note {
        Note::PrivateKey { block } | Note::Skipped { block, .. } => *block,
        _ => 0,
    });
    notes.extend(pem::unusual(text).map(Note::Unusual));
    notes.extend(pem::lookalike(text).map(Note::LooksLikePem));
    Ok(Reading { set: JwkSet::from_keys(keys)?, notes })
}

enum BlockVerdict {
    /// Not a key, and never mistaken for one: the named curve that `openssl ecparam -genkey` writes
    /// before the key.
    Harmless,
    Unusable {
        label: &'static str,
        fault: KeyFault,
    },
}

/// Labels that may be shown. After a damaged BEGIN line, the label may be part of a private key.
const LABELS: [&str; 21] = [
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "EC PUBLIC KEY",
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "X509 CRL",
    "EC PARAMETERS",
    "PKCS7",
    "CMS",
    "PGP PUBLIC KEY BLOCK",
    "PGP PRIVATE KEY BLOCK",
    "PGP MESSAGE",
    "AGE ENCRYPTED FILE",
];
const UNUSUAL_LABEL: &str = "an unusual label";

fn read_block(block: Block<'_>, weak: WeakKeys) -> Result<der_key::Found, BlockVerdict> {
    let label = LABELS.into_iter().find(|known| *known == block.label).unwrap_or(UNUSUAL_LABEL);
    if let Some(fault) = recognize::of_label(label) {
        return Err(BlockVerdict::Unusable { label, fault });
    }
    let mut der = match block.body {
        Ok(der) => der,
        Err(BlockFault::NotBase64) => {
            return Err(BlockVerdict::Unusable { label, fault: KeyFault::NotBase64 });
        }
        Err(BlockFault::Truncated) => {
            return Err(BlockVerdict::Unusable { label, fault: KeyFault::CutOff });
        }
    };
    // OBJECT IDENTIFIER alone: EC PARAMETERS of a named curve.
    if label == "EC PARAMETERS" && der.first() == Some(&0x06) {
        return Err(BlockVerdict::Harmless);
    }
    let found = match label {
        "TRUSTED CERTIFICATE" => der_key::read_leading(&der, weak),
        _ if der.starts_with(b"openssh-key-v1") => Err(KeyFault::OpenSshPrivateKey),
        _ => der_key::read(&der, weak),
    };
    // Whatever the header says, a key that can be read is not encrypted.
    let found = found.map_err(|fault| if block.encrypted { KeyFault::Encrypted } else { fault });
    // Possibly private values are removed from memory.
    if found.as_ref().map_or(true, |found| found.private) {
        der.zeroize();
    }
    found.map_err(|fault| BlockVerdict::Unusable { label, fault })
}

fn none_usable(unusable: &[(usize, &'static str, KeyFault)]) -> Error {
    match unusable {
        [] => Error::Key {
            fault: KeyFault::Unsupported {
                what: "the parameters of a curve without a key".to_owned(),
            },
        },
        [(_, _, fault)] => Error::Key { fault: fault.clone() },
        _ => {
            let texts = unusable
                .iter()
                .map(|(n, label, fault)| format!("block {n} is {}", describe(label, fault)));
            let weak = unusable.iter().any(|(_, _, fault)| fault.is_allowed_weak());
            Error::NoUsableKey { keys: shortened(texts.collect()), weak }
        }
    }
}

/// The first few, and how many more there are.
fn shortened(mut texts: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 5;
    if let Some(more) = texts.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        texts.truncate(SHOWN);
        texts.push(format!("and {more} more"));
    }
    texts
}

fn describe(label: &str, fault: &KeyFault) -> String {
    let labelled = if label == UNUSUAL_LABEL {
        format!("under {label}")
    } else {
        format!("labelled {label:?}")
    };
    format!("{fault} ({labelled})")
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// DER, PEM text or a JSON object in base64, as `kubectl get secret -o jsonpath` prints it.
fn unarmored(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = Base64::decode_vec(&compact).or_else(|_| Base64Unpadded::decode_vec(&compact));
    let bytes = bytes.ok()?;
    let is_known = bytes.starts_with(&[0x30])
        || bytes.windows(11).any(|window| window == b"-----BEGIN ")
        || is_object(&bytes);
    is_known.then_some(bytes)
}

fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

//! What can be wrong with keys and key sets.

use std::fmt;

use issuer_diagnostic::{Diagnostic, EncodingFault, ErrorKind, Stray, Unexpected};

use crate::{Curve, KeyId};

/// Why bytes are not a key, or keys are not a JWK Set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A kid of more than 1024 characters, the API server's limit.
    #[error("the kid is longer than 1024 characters")]
    KidTooLong,
    /// More than [`crate::MAX_INPUT_BYTES`].
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// No bytes, or white space alone.
    #[error("it is empty")]
    Empty,
    /// Something else that was recognized.
    #[error("it is {what}, which an API server does not read as a key")]
    NotAKey {
        /// What the bytes are.
        what: Content,
    },
    /// Bytes that are not text, where text is needed.
    #[error("{fault}")]
    Encoding {
        /// What they are.
        fault: EncodingFault,
    },
    /// The answer of a server, or the output of a command, that failed.
    #[error("it is {what}")]
    ErrorAnswer {
        /// Of what, with the message or code of the server.
        what: String,
    },
    /// A file of another tool with keys, but not with those of the service accounts.
    #[error("it is {what}")]
    OtherKey {
        /// What it is.
        what: &'static str,
    },
    /// A BEGIN line that a word processor or a web page has changed.
    #[error(
        "line {} looks like the first line of a PEM block, but has {stray}, so that no API server \
         reads it",
        stray.line
    )]
    LooksLikePem {
        /// The first such character.
        stray: Stray,
    },
    /// Nothing that looks like a key at all.
    #[error("it contains no PEM block, DER structure or JWK Set")]
    Unrecognized,
    /// A PEM block without its end; a part of the file is missing.
    #[error(
        "PEM block {block} ({label}) has no matching END line: the file is truncated or damaged"
    )]
    Truncated {
        /// Number of the block, from 1.
        block: usize,
        /// Its label, where that is a known one.
        label: &'static str,
    },
    /// Several keys, and none of them usable.
    #[error("none of its keys is usable: {}", .keys.join("; "))]
    NoUsableKey {
        /// One text for each key: which one, and what is wrong with it.
        keys: Vec<String>,
        /// Whether one of them is an RSA key that [`crate::WeakKeys::Allow`] accepts.
        weak: bool,
    },
    /// One DER structure, unusable.
    #[error("{fault}")]
    Key {
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The document is not JSON.
    #[error("it is not valid JSON: {reason}")]
    NotJson {
        /// What the JSON reader says, with line and column.
        reason: String,
    },
    /// JSON of another shape.
    #[error("it is {what}, not a JWK Set")]
    NotAJwkSet {
        /// What it is instead.
        what: Content,
    },
    /// A set without keys where some are needed.
    #[error("the JWK Set is empty")]
    EmptySet,
    /// One entry of `keys` is unusable.
    #[error("key {number} of the set{}: {fault}", .kid.as_ref().map(|k| format!(" (kid {k:?})")).unwrap_or_default())]
    Entry {
        /// Position in `keys`, from 1.
        number: usize,
        /// Its `kid`, where it has one.
        kid: Option<String>,
        /// What is wrong with it.
        fault: JwkFault,
    },
    /// Two different keys under one kid.
    #[error("two different keys have the kid {:?}", kid.as_str())]
    KidConflict {
        /// The kid they share.
        kid: KeyId,
    },
    /// More keys of one type than AWS STS accepts.
    #[error("{count} {key_type} keys; AWS STS accepts at most 100 of a type")]
    TooManyKeys {
        /// `RSA` or `EC`.
        key_type: &'static str,
        /// How many there are.
        count: usize,
    },
    /// Not a URL that a JWK Set is read from; it is not repeated, since it may have a password.
    #[error("the URL of the JWK Set is not valid: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The operating system had no random numbers, or key generation failed.
    #[error("the key could not be generated: {reason}")]
    Generate {
        /// What the library says.
        reason: String,
    },
}

impl Error {
    /// Whether it is an entry with a key of a type or on a curve that AWS STS does not support. Readers
    /// ignore such an entry (RFC 7517 section 5); the misspelled name of a type or curve that is
    /// supported makes none.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let Self::Entry { fault, .. } = self else { return false };
        match fault {
            JwkFault::KeyType { kty } => {
                !matches!(kty.to_ascii_uppercase().as_str(), "RSA" | "EC" | "OCT")
            }
            JwkFault::Curve { crv } => Curve::of_name(crv).is_none(),
            _ => false,
        }
    }

    /// Whether it is an entry with an RSA key that [`crate::WeakKeys::Allow`] accepts.
    pub(crate) fn is_allowed_weak(&self) -> bool {
        matches!(self, Self::Entry { fault: JwkFault::Key(fault), .. } if fault.is_allowed_weak())
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Generate { .. } => ErrorKind::Other,
            _ => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAKey { what } | Self::NotAJwkSet { what } => what.hint()?,
            Self::Empty | Self::EmptySet => {
                "the command that wrote this file probably failed; use the API server's sa.pub"
            }
            Self::Encoding { .. } => "save it as UTF-8",
            Self::ErrorAnswer { .. } => "the command that wrote this file failed; run it again",
            Self::Unrecognized => "use the API server's sa.pub (PEM) or a certificate",
            Self::Truncated { .. } => "copy the whole file again",
            Self::LooksLikePem { .. } => {
                "copy the file again, not through a word processor or a web page"
            }
            Self::Key { fault } => fault.hint()?,
            Self::Entry { fault, .. } => fault.hint()?,
            Self::KidConflict { .. } => "a kid must identify exactly one key; remove the wrong one",
            Self::TooManyKeys { .. } => "remove keys that signed no token that is still valid",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// What bytes are that are not what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A page, not a file.
    Markup,
    /// A JSON Web Token.
    Token,
    /// One line of `authorized_keys`, or RFC 4716.
    OpenSshPublicKey,
    /// A PuTTY private key.
    PuttyKey,
    /// A keystore of Java (JKS, JCEKS).
    JavaKeystore,
    /// gzip, ZIP or another compression.
    Archive,
    /// Encrypted with Ansible Vault or age.
    Encrypted,
    /// Sections with `name = value`, as in `~/.aws/credentials`.
    Ini,
    /// A Secret, most likely.
    KubernetesObject,
    /// The name of a file in the place of its contents.
    Path,
    /// A single JWK with `k`.
    SymmetricKey,
    /// One key without the set around it.
    SingleJwk,
    /// The other one of an issuer's two documents.
    DiscoveryDocument,
    /// Any other JSON.
    NoKeys,
    /// `keys` twice; readers disagree about which one counts.
    DuplicateKeys,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Markup => "HTML or XML",
            Self::Token => "a token (JWT)",
            Self::OpenSshPublicKey => "an OpenSSH public key",
            Self::PuttyKey => "a PuTTY private key",
            Self::JavaKeystore => "a Java keystore (JKS)",
            Self::Archive => "a compressed file, such as gzip or ZIP",
            Self::Encrypted => "an encrypted file (Ansible Vault or age)",
            Self::Ini => "an INI file, such as ~/.aws/credentials",
            Self::KubernetesObject => "a Kubernetes object",
            Self::Path => "the path of a file",
            Self::SymmetricKey => "a symmetric key, which is a secret",
            Self::SingleJwk => "a single JWK, which belongs into {\"keys\": […]}",
            Self::DiscoveryDocument => "a discovery document",
            Self::NoKeys => "JSON without an array \"keys\"",
            Self::DuplicateKeys => "JSON that has the member \"keys\" twice",
        })
    }
}

impl Content {
    fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Markup => "the download returned a page instead; check the URL",
            Self::Token => {
                "a token is signed with the key and does not contain it; use the API server's \
                 sa.pub"
            }
            Self::OpenSshPublicKey => "convert it with `ssh-keygen -e -m PKCS8 -f FILE`",
            Self::PuttyKey => "convert it with `puttygen FILE -O private-openssh`, or use sa.pub",
            Self::JavaKeystore => {
                "extract the certificate: keytool -exportcert -rfc -keystore FILE -alias NAME"
            }
            Self::Archive => "decompress it first",
            Self::Encrypted => "decrypt it first",
            Self::KubernetesObject => {
                "extract the key with `kubectl get secret NAME-sa -o \
                 jsonpath='{.data.tls\\.crt}' | base64 -d`"
            }
            Self::Path => "use the contents of the file",
            _ => return None,
        })
    }
}

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// Fewer than 2048 bits, or where those are allowed, fewer than 512.
    #[error("an RSA key of {bits} bits; at least 2048 are needed")]
    WeakRsa {
        /// Of the modulus.
        bits: usize,
    },
    /// More than 8192 bits.
    #[error("an RSA key of {bits} bits; at most 8192 are supported")]
    LargeRsa {
        /// Of the modulus.
        bits: usize,
    },
    /// An even modulus.
    #[error("an RSA key whose modulus is even, so it is damaged")]
    EvenModulus,
    /// 1, even, or more than 32 bits.
    #[error("an RSA key whose exponent e is 1, even, or longer than 32 bits")]
    RsaExponent,
    /// RSASSA-PSS by its algorithm identifier.
    #[error("an RSA-PSS key; kube-apiserver signs with RS256, which such a key does not allow")]
    RsaPss,
    /// The point is not on the curve, or is infinity.
    #[error("an EC key whose point is not on {curve}")]
    NotOnCurve {
        /// The curve.
        curve: &'static str,
    },
    /// A private key that states the public half of another.
    #[error("a private key whose public half does not belong to it: it is damaged")]
    HalvesDiffer,
    /// A private key under a password.
    #[error("an encrypted private key")]
    Encrypted,
    /// Invalid DER, or not the structure that its PEM label announces.
    #[error("damaged, or not a key (its DER is not valid)")]
    NotDer,
    /// A PEM block without its end.
    #[error("truncated or damaged: it has no matching END line")]
    CutOff,
    /// Not base64 between the PEM lines.
    #[error("not valid base64 between its BEGIN and END lines")]
    NotBase64,
    /// A request for a certificate (PKCS #10).
    #[error("a certificate request")]
    CertificateRequest,
    /// A private key in OpenSSH's own format.
    #[error("an OpenSSH private key")]
    OpenSshPrivateKey,
    /// A file of another tool that may contain a key.
    #[error("{what}, which an API server does not read as a key")]
    Container {
        /// What it is.
        what: &'static str,
        /// How to get at the key.
        convert: &'static str,
    },
    /// Something else that was recognized and cannot be used.
    #[error("{what}")]
    Unsupported {
        /// What it is.
        what: String,
    },
}

impl KeyFault {
    /// Whether [`crate::WeakKeys::Allow`] accepts the key.
    #[must_use]
    pub fn is_allowed_weak(&self) -> bool {
        matches!(self, Self::WeakRsa { bits } if *bits >= 512)
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Encrypted => {
                "the public half is enough: use sa.pub, or decrypt the key with \
                 `openssl pkey -pubout`"
            }
            Self::RsaPss => "sign with a plain RSA key or an EC key",
            Self::HalvesDiffer | Self::CutOff => "copy the whole file again; sa.pub is enough",
            Self::NotBase64 => {
                "copy the file again without changes; if it came through a variable or JSON, \\n \
                 stands for the end of a line (printf '%b' \"$KEY\" writes it)"
            }
            Self::LargeRsa { .. }
            | Self::RsaExponent
            | Self::EvenModulus
            | Self::NotOnCurve { .. } => {
                "if the API server uses it, generate a new key and rotate to it"
            }
            Self::WeakRsa { .. } => "generate a new key of at least 2048 bits and rotate to it",
            Self::CertificateRequest => {
                "extract its public key: openssl req -pubkey -noout -in FILE"
            }
            Self::OpenSshPrivateKey => {
                "convert it to PEM first: ssh-keygen -p -m PEM -f FILE; or use sa.pub"
            }
            Self::Container { convert, .. } => convert,
            Self::NotDer => "use the API server's sa.pub, complete and unchanged",
            Self::Unsupported { .. } => "use an RSA key, or an EC key on P-256, P-384 or P-521",
        })
    }
}

/// What is wrong with one entry of a JWK Set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkFault {
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A member twice; readers disagree about which one counts.
    #[error("it has the member {member:?} twice")]
    DuplicateMember {
        /// The member.
        member: String,
    },
    /// A private member (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
    #[error("it has the private member {member:?}")]
    PrivateMember {
        /// `d`, `p`, `q`, `dp`, `dq`, `qi`, `oth` or `k`.
        member: &'static str,
    },
    /// `kty: oct`.
    #[error("it is a symmetric key (kty \"oct\"), which is a secret")]
    Symmetric,
    /// No `kid`.
    #[error("it has no kid")]
    MissingKid,
    /// A `kid` that is not a string, or is too long.
    #[error("its kid is not a string of at most 1024 characters")]
    BadKid,
    /// `use` other than `sig`.
    #[error("its use is {value}, not \"sig\"")]
    Use {
        /// The value.
        value: String,
    },
    /// Any `key_ops`.
    #[error("it has key_ops, which AWS STS does not accept")]
    KeyOps,
    /// No `kty`.
    #[error("it has no kty")]
    MissingKeyType,
    /// A `kty` that is neither RSA nor EC.
    #[error("its kty is {kty:?}; kube-apiserver and AWS STS support only RSA and EC")]
    KeyType {
        /// The value.
        kty: String,
    },
    /// A `crv` other than the three.
    #[error("its crv is {crv:?}, not P-256, P-384 or P-521")]
    Curve {
        /// The value.
        crv: String,
    },
    /// A member that the key type needs is missing or not a string.
    #[error("its member {member:?} is missing or not a string")]
    Member {
        /// The member.
        member: &'static str,
    },
    /// A member that is not unpadded base64url.
    #[error("its member {member:?} is not base64url without padding{}", has(*.stray))]
    Base64 {
        /// The member.
        member: &'static str,
        /// A character in it that nobody sees, or that looks like another one.
        stray: Option<char>,
    },
    /// A coordinate that is not as wide as the field (RFC 7518 section 6.2.1.2).
    #[error("its member {member:?} has {bytes} bytes, not {expected}")]
    Width {
        /// `x` or `y`.
        member: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many the curve needs.
        expected: usize,
    },
    /// `alg` that the key cannot be used with.
    #[error("its alg is {alg:?}, but the key signs with {expected}")]
    Algorithm {
        /// The value.
        alg: String,
        /// The key's.
        expected: crate::Algorithm,
    },
    /// The first certificate of `x5c` holds another key, or none (RFC 7517 section 4.7).
    #[error("its x5c does not contain the same key")]
    Certificate,
    /// The key itself.
    #[error("it is {0}")]
    Key(KeyFault),
}

/// That a value has a character, in a message about the value.
fn has(stray: Option<char>) -> String {
    stray.map(|c| format!(": it has {}", Unexpected::Character(c))).unwrap_or_default()
}

impl JwkFault {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::PrivateMember { .. } | Self::Symmetric => Some(
                "whoever could read it can sign as the cluster: rotate the signing key, and use \
                 public keys only",
            ),
            Self::Key(fault) => fault.hint(),
            _ => None,
        }
    }
}

//! What can be wrong with keys and key sets.

use crate::KeyId;

/// Why bytes are no key, or keys are no JWK Set.
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
    /// Something else than a key, recognized.
    #[error("it is {what}; an API server does not read that as a key")]
    NotAKey {
        /// What the bytes are.
        what: &'static str,
        /// What to do about it.
        mend: &'static str,
    },
    /// Nothing that looks like a key at all.
    #[error("it holds no PEM block, DER structure or JWK Set")]
    Unrecognized,
    /// A PEM block without its end; a part of the file is missing.
    #[error("PEM block {block} ({label}) has no matching END line: the file is cut off or damaged")]
    Truncated {
        /// Number of the block, from 1.
        block: usize,
        /// Its label, where that is a known one.
        label: &'static str,
    },
    /// Blocks, and none of them usable.
    #[error("none of its blocks is usable: {}", .blocks.join("; "))]
    NoUsableKey {
        /// One text a block: its number, and what it is.
        blocks: Vec<String>,
    },
    /// One DER structure, unusable.
    #[error("{fault}")]
    Key {
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The document is not JSON.
    #[error("not JSON: {reason}")]
    NotJson {
        /// What the JSON reader says, with line and column.
        reason: String,
    },
    /// JSON of another shape.
    #[error("{what}")]
    NotAJwkSet {
        /// What it is instead.
        what: &'static str,
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
    /// The operating system had no random numbers, or no key came of them.
    #[error("no key could be made: {reason}")]
    Generate {
        /// What the library says.
        reason: String,
    },
}

impl Error {
    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotAKey { mend, .. } => Some(mend),
            Self::Empty | Self::EmptySet => {
                Some("the command that wrote it has probably failed; give the API server's sa.pub")
            }
            Self::Unrecognized => {
                Some("give the API server's sa.pub (PEM), a certificate, or a JWK Set with --jwks")
            }
            Self::Truncated { .. } => Some("copy the file again, whole"),
            Self::NotAJwkSet { what } if what.contains("Kubernetes") => Some(
                "give --cluster NAME to read the Secret, or take the key out with `kubectl get \
                 secret NAME-sa -o jsonpath='{.data.tls\\.crt}' | base64 -d`",
            ),
            Self::NotJson { .. } | Self::NotAJwkSet { .. } => Some(
                "`issuerctl jwks --key sa.pub` makes a JWK Set; keys in PEM or DER are for --key",
            ),
            Self::Key { fault } => fault.hint(),
            Self::Entry { fault, .. } => fault.hint(),
            Self::KidConflict { .. } => Some("one kid must mean one key; remove the wrong one"),
            Self::TooManyKeys { .. } => Some("remove keys that no live token was signed with"),
            _ => None,
        }
    }
}

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// Fewer than 2048 bits, or where those are allowed, fewer than 512.
    #[error("an RSA key of {bits} bits, too weak to trust tokens to; 2048 is the least")]
    WeakRsa {
        /// Of the modulus.
        bits: usize,
    },
    /// More than 8192 bits.
    #[error("an RSA key of {bits} bits; 8192 is the most")]
    LargeRsa {
        /// Of the modulus.
        bits: usize,
    },
    /// A modulus that no two odd primes have.
    #[error("an RSA key with an even modulus, which is no RSA modulus")]
    EvenModulus,
    /// 1, even, or more than 32 bits.
    #[error("an RSA key whose exponent e is 1, even, or longer than 32 bits")]
    RsaExponent,
    /// RSASSA-PSS by its algorithm identifier.
    #[error("an RSA-PSS key; kube-apiserver signs RS256, which such a key must not")]
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
    /// No DER, or not the one that its outer form promises.
    #[error("damaged, or no key at all (not valid DER)")]
    NotDer,
    /// A PEM block without its end.
    #[error("cut off or damaged: it has no matching END line")]
    CutOff,
    /// Not base64 between the PEM lines.
    #[error("not base64 between its BEGIN and END lines")]
    NotBase64,
    /// Something that is known, and no use.
    #[error("{what}")]
    Unsupported {
        /// What it is.
        what: String,
    },
}

impl KeyFault {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::WeakRsa { bits } if *bits >= 512 => {
                Some("make a new key with `issuerctl keygen`, or give --allow-weak-keys")
            }
            Self::Encrypted => Some(
                "the public half is enough: give sa.pub, or decrypt it with `openssl pkey -pubout`",
            ),
            Self::RsaPss => {
                Some("sign with a plain RSA key or an EC key; `issuerctl keygen` makes one")
            }
            Self::HalvesDiffer | Self::CutOff => {
                Some("copy the file again, whole; sa.pub is enough")
            }
            Self::NotBase64 => Some(
                "copy the file again as it is; where it came through a variable or JSON, \\n \
                 stands for the end of a line (printf '%b' \"$KEY\" writes it)",
            ),
            Self::LargeRsa { .. }
            | Self::RsaExponent
            | Self::EvenModulus
            | Self::NotOnCurve { .. } => Some(
                "if it is what the API server has, make a new key with `issuerctl keygen` and \
                 rotate to it",
            ),
            Self::Unsupported { what } if what.contains("request") => {
                Some("take its public key out: openssl req -pubkey -noout -in FILE")
            }
            Self::Unsupported { what } if what.contains("OpenSSH") => {
                Some("write it as PEM first: ssh-keygen -p -m PEM -f FILE; or give sa.pub")
            }
            Self::NotDer => Some("give the API server's sa.pub, whole and as it is"),
            Self::Unsupported { .. } => {
                Some("give an RSA key, or an EC key on P-256, P-384 or P-521")
            }
            _ => None,
        }
    }
}

/// What is wrong with one entry of a JWK Set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkFault {
    /// Not a JSON object.
    #[error("it is no JSON object")]
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
    /// A `kid` that is no string, or too long a one.
    #[error("its kid is no string of at most 1024 characters")]
    BadKid,
    /// `use` other than `sig`.
    #[error("its use is {value}, not \"sig\"")]
    Use {
        /// As it stands there.
        value: String,
    },
    /// Any `key_ops`.
    #[error("it has key_ops, which AWS STS does not accept")]
    KeyOps,
    /// No `kty`.
    #[error("it has no kty")]
    MissingKeyType,
    /// A `kty` that is neither RSA nor EC.
    #[error("its kty is {kty:?}; kube-apiserver and AWS STS know RSA and EC only")]
    KeyType {
        /// As it stands there.
        kty: String,
    },
    /// A `crv` that is none of the three.
    #[error("its crv is {crv:?}, not P-256, P-384 or P-521")]
    Curve {
        /// As it stands there.
        crv: String,
    },
    /// A member that the key type needs is missing, or no string.
    #[error("its member {member:?} is missing or no string")]
    Member {
        /// The member.
        member: &'static str,
    },
    /// A member that is not unpadded base64url.
    #[error("its member {member:?} is not base64url without padding")]
    Base64 {
        /// The member.
        member: &'static str,
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
    #[error("its alg is {alg:?}, but the key signs {expected}")]
    Algorithm {
        /// As it stands there.
        alg: String,
        /// The key's.
        expected: crate::Algorithm,
    },
    /// The first certificate of `x5c` holds another key, or none (RFC 7517 section 4.7).
    #[error("its x5c does not hold the same key")]
    Certificate,
    /// The key itself.
    #[error("it is {0}")]
    Key(KeyFault),
}

impl JwkFault {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::PrivateMember { .. } | Self::Symmetric => Some(
                "whoever could read it can sign as the cluster: rotate the signing key, and give \
                 public keys only",
            ),
            Self::MissingKid => Some(
                "make the set anew with `issuerctl jwks`, which writes the kid that the API server \
                 uses",
            ),
            Self::Use { .. } | Self::KeyOps | Self::Algorithm { .. } => {
                Some("make the set anew with `issuerctl jwks`")
            }
            Self::Key(fault) => fault.hint(),
            _ => None,
        }
    }
}

//! Service-account signing keys, read from whatever form they come in and written as the JWK Set
//! that kube-apiserver serves at `/openid/v1/jwks`.
//!
//! The crate is pure: bytes in, values out, no I/O. It can hold public keys only; of a private key
//! given as input it keeps the public half and says so ([`Note::PrivateKey`]). Private values exist
//! in one place alone, [`GeneratedKey`], on their way from the random number generator to the
//! caller's file.
//!
//! ```text
//! read(bytes) ──► Reading { set: JwkSet, notes } ──► JwkSet::union ──► JwkSet::to_json
//! ```

mod der_key;
mod error;
mod generate;
mod jwk;
mod jwt;
mod key;
mod pem;
mod read;
mod set;

pub use error::{Error, JwkFault, KeyFault};
pub use generate::{GeneratedKey, KeyKind, generate};
pub use jwk::Jwk;
pub use jwt::{SignatureFault, Token, TokenFault};
pub use key::{Algorithm, Curve, KeyId, PublicKey, WeakKeys};
pub use read::{Note, Reading, read};
pub use set::{Entry, JwkSet};

/// The most bytes of one file or answer that any reader accepts: 1 MiB.
pub const MAX_INPUT_BYTES: usize = 1 << 20;

/// The most keys of one type (RSA, EC) that a JWK Set may hold; beyond it AWS STS stops accepting
/// tokens.
pub const MAX_KEYS_PER_TYPE: usize = 100;

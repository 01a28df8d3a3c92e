#![doc = include_str!("../README.md")]

mod containers;
mod der_key;
mod error;
mod generate;
mod jwk;
mod jwt;
mod key;
pub mod pem;
mod read;
mod recognize;
mod salvage;
mod set;
mod source;

pub use error::{Content, Error, JwkFault, KeyFault};
pub use generate::{GeneratedKey, KeyKind, generate};
pub use jwk::{Jwk, PRIVATE_MEMBERS};
pub use jwt::{SignatureFault, Token, TokenFault};
pub use key::{Algorithm, Curve, KeyId, PublicKey, WeakKeys};
pub use read::{Note, Reading, read, read_set};
pub use recognize::is_compressed;
pub use salvage::{LostKey, Salvage, reason, salvage};
pub use set::{Entry, ForeignKey, JwkSet};
pub use source::{JwksSource, JwksUrl};

/// The maximum size of a file or response that any reader accepts: 1 MiB.
pub const MAX_INPUT_BYTES: usize = 1 << 20;

/// The maximum number of keys of one type (RSA, EC) in a JWK Set; with more, AWS STS accepts no
/// token.
pub const MAX_KEYS_PER_TYPE: usize = 100;

//! Bytes of any key file to a JWK Set.

use crate::{Error, JwkSet, WeakKeys};

/// What a key file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The usable keys, in file order, at least one.
    pub set: JwkSet,
    /// What the caller has to be told.
    pub notes: Vec<Note>,
}

/// Something about a key file that is not an error, and must not be silent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The block is a private key; only its public half was kept.
    PrivateKey {
        /// Number of the block, from 1.
        block: usize,
    },
    /// The block was left out.
    Skipped {
        /// Number of the block, from 1.
        block: usize,
        /// What it is, and why it is no use here.
        what: String,
    },
}

/// Reads every key in `bytes`: PEM in one block or many, DER, or a JWK Set.
///
/// # Errors
/// Where there is no usable key, with what the bytes are instead.
pub fn read(bytes: &[u8], weak: WeakKeys) -> Result<Reading, Error> {
    let _ = (bytes, weak);
    todo!()
}

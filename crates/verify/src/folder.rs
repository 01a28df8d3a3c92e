//! A site in a folder, as it would be served.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};
use issuer_jwks::MAX_INPUT_BYTES;

use crate::{Answer, BodyFault, Error, Fetched, FileFault, Observation, Unreached, Vantage};

/// Reads the two documents of a folder. The keys are always those of `keys.json`: what `jwks_uri`
/// will return once the folder is served is not known yet.
///
/// # Errors
/// [`Error::Site`] if `dir` is not a readable folder; a missing document is a failed check.
pub fn read_folder(dir: &Path) -> Result<Observation, Error> {
    std::fs::read_dir(dir).map_err(|source| Error::Site { path: dir.to_owned(), source })?;
    Ok(Observation {
        issuer: None,
        vantage: Vantage::Folder(dir.to_owned()),
        discovery: read_file(&dir.join(DISCOVERY_NAME)),
        keys: Some(read_file(&dir.join(KEYS_NAME))),
        keys_again: None,
    })
}

fn read_file(path: &Path) -> Fetched {
    let outcome = match read(path) {
        Ok(mut body) => {
            let body_fault = (body.len() > MAX_INPUT_BYTES).then_some(BodyFault::TooLarge);
            body.truncate(MAX_INPUT_BYTES);
            Ok(Answer { status: 200, body, body_fault, ..Answer::default() })
        }
        Err(fault) => Err(Unreached::File(fault)),
    };
    Fetched { location: path.display().to_string(), outcome, proxy: None }
}

fn read(path: &Path) -> Result<Vec<u8>, FileFault> {
    let fault = |error: std::io::Error| match error.kind() {
        // A symbolic link that leads nowhere is not a missing file.
        ErrorKind::NotFound if path.is_symlink() => FileFault::DanglingLink,
        ErrorKind::NotFound => FileFault::Missing,
        ErrorKind::NotADirectory => FileFault::NotAFolder,
        ErrorKind::PermissionDenied => FileFault::Denied,
        _ => FileFault::Other(error.to_string()),
    };
    // Opening a named pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(fault)?;
    if metadata.is_dir() {
        return Err(FileFault::Directory);
    }
    if !metadata.is_file() {
        return Err(FileFault::NotAFile);
    }
    let mut body = Vec::new();
    let file = File::open(path).map_err(fault)?;
    file.take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut body).map_err(fault)?;
    Ok(body)
}

//! Files and standard input, bounded; files that are written once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use issuer_jwks::MAX_INPUT_BYTES;

use crate::failure::{Exit, Failure};

/// Reads a file, or standard input for `-`, up to 1 MiB.
///
/// # Errors
/// [`Exit::BadInput`]: it is not there, not readable, no file, or too large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = name_of(path);
    let refuse = |error: &io::Error| {
        Failure::while_doing(Exit::BadInput, format!("cannot read {name}"), error)
    };
    let mut bytes = Vec::new();
    let limit = MAX_INPUT_BYTES as u64 + 1;
    if is_stdin(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
    } else {
        File::open(path)
            .and_then(|file| file.take(limit).read_to_end(&mut bytes))
            .map_err(|e| refuse(&e))?;
    }
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(Failure::new(
            Exit::BadInput,
            format!("{name} is larger than 1 MiB; that is no key and no document"),
        ));
    }
    Ok(bytes)
}

/// How a message names the path.
pub(crate) fn name_of(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Whether the path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes a file that does not exist yet, with exactly these permissions from the first byte on,
/// down to the disk.
///
/// # Errors
/// The operating system's, `AlreadyExists` among them; a file that could not be finished is taken
/// away again.
pub(crate) fn create(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    file.write_all(contents).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

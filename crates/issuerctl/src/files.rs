//! Reads of limited size from files and standard input; files that are written once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use issuer_diagnostic::{Waiting, decode};
use issuer_jwks::MAX_INPUT_BYTES;

use crate::failure::{Exit, Failure};

/// Reads a file, or standard input for `-`, up to 1 MiB.
///
/// # Errors
/// [`Exit::BadInput`]: the file does not exist, cannot be read, is not a file, or is too large.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_bytes(path).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let failure =
        Failure::while_doing(Exit::BadInput, format!("cannot read {}", name_of(path)), error);
    failure.hint(looked_for(path, error))
}

/// Where a file with a relative path would be, if it does not exist.
pub(crate) fn looked_for(path: &Path, error: &io::Error) -> Option<String> {
    let is_missing = error.kind() == io::ErrorKind::NotFound && path.is_relative();
    let folder = is_missing.then(std::env::current_dir)?.ok()?;
    Some(format!("there is no {} in {}", path.display(), folder.display()))
}

/// Reads a text in UTF-8 or UTF-16.
///
/// # Errors
/// Those of [`read`]; [`Exit::BadInput`] for what is not text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    text(path, read(path)?)
}

/// Reads a text like [`read_text`], as large as memory allows (1 GiB): the issuers of a fleet.
///
/// # Errors
/// Those of [`read_text`].
pub(crate) fn read_text_of_any_size(path: &Path) -> Result<String, Failure> {
    let bytes = read_up_to(path, 1 << 30, "it is larger than 1 GiB");
    text(path, bytes.map_err(|error| cannot_read(path, &error))?)
}

/// Reads a text like [`read_text`], up to 64 MiB: the roles of an account or the state of Terraform
/// are larger than any key or document.
///
/// # Errors
/// Those of [`read_text`].
pub(crate) fn read_large_text(path: &Path) -> Result<String, Failure> {
    let limit = 64 << 20;
    let bytes = read_up_to(path, limit, "it is larger than 64 MiB");
    text(path, bytes.map_err(|error| cannot_read(path, &error))?)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    let text = decode(&bytes).map(|decoded| decoded.text.into_owned());
    text.map_err(|fault| Failure::because(format!("cannot read {}", name_of(path)), &fault))
}

/// Reads like [`read`], with an I/O error.
///
/// # Errors
/// `FileTooLarge` above 1 MiB, and those of the operating system.
pub(crate) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let message = "it is larger than 1 MiB, so it is neither a key nor a document";
    read_up_to(path, MAX_INPUT_BYTES, message)
}

fn read_up_to(path: &Path, limit: usize, message: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let enough = limit as u64 + 1;
    // A named pipe or a terminal may never end.
    let _waiting = Waiting::new(name_of(path));
    if is_stdin(path) {
        io::stdin().lock().take(enough).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(enough).read_to_end(&mut bytes)?;
    }
    if bytes.len() > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Files by their names, with those of a folder in its place: `.yaml`, `.yml` and `.json`, in
/// alphabetical order, as kubectl reads a folder.
///
/// # Errors
/// [`Exit::BadInput`]: a folder that cannot be read, or has no such file.
pub(crate) fn in_folders(paths: &[PathBuf], recursive: bool) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if is_stdin(path) || !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        add_folder(path, recursive, &mut files).map_err(|error| cannot_read(path, &error))?;
        if files.len() == before {
            let message = format!("there is no .yaml, .yml or .json file in {}", path.display());
            let hint = (!recursive).then_some("-R also reads the folders in it");
            return Err(Failure::new(Exit::BadInput, message).hint(hint));
        }
    }
    Ok(files)
}

fn add_folder(folder: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let named = path.extension().and_then(|extension| extension.to_str());
        // A link to a folder could lead back.
        if path.is_dir() {
            if recursive && !path.is_symlink() {
                add_folder(&path, recursive, files)?;
            }
        } else if named.is_some_and(|named| matches!(named, "yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    Ok(())
}

/// The path as shown in messages.
pub(crate) fn name_of(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Whether the path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Creates a file with exactly these permissions, and syncs it to disk. An incomplete file is
/// deleted.
///
/// # Errors
/// Those of the operating system, including `AlreadyExists`.
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

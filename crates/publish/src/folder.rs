//! A folder that a web server serves.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};
use issuer_jwks::MAX_INPUT_BYTES;
use sha2::{Digest, Sha256};

use crate::state::Attributes;
use crate::{Condition, Error, StoreState, Stored, Version};

/// Prefix of temporary file names.
const TEMPORARY: &str = ".issuerctl-";

/// A folder that contains `keys.json` and `.well-known/openid-configuration`.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`; it is created by the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(crate) fn location(&self) -> String {
        self.root.display().to_string()
    }

    pub(crate) fn read(&self) -> Result<StoreState, Error> {
        Ok(StoreState {
            keys: self.read_document(KEYS_NAME)?,
            discovery: self.read_document(DISCOVERY_NAME)?,
            desired: attributes(true),
            bucket: None,
        })
    }

    /// Writes to a temporary file in the same folder, syncs it to disk and renames it, so that
    /// readers see either the old or the new document.
    pub(crate) fn write(
        &self,
        name: &str,
        bytes: &[u8],
        condition: &Condition,
    ) -> Result<(), Error> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        make_folders(folder).map_err(failed("create the folder", folder))?;
        let _lock = self.lock()?;
        let now = self.read_document(name)?;
        let holds = match condition {
            Condition::Absent => now.is_none(),
            Condition::Unchanged(version) => now.is_some_and(|stored| stored.version == *version),
        };
        if !holds {
            return Err(Error::Changed { location: path.display().to_string() });
        }
        sweep(folder);
        replace(&path, folder, bytes).map_err(failed("write", &path))
    }

    pub(crate) fn remove(&self, name: &str, version: &Version) -> Result<(), Error> {
        let path = self.root.join(name);
        let _lock = self.lock()?;
        match self.read_document(name)? {
            None => return Ok(()),
            Some(stored) if stored.version != *version => {
                return Err(Error::Changed { location: path.display().to_string() });
            }
            Some(_) => fs::remove_file(&path).map_err(failed("delete", &path))?,
        }
        if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
            // Fails if the folder contains anything else.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Locks the folder against other processes until the lock is dropped.
    fn lock(&self) -> Result<File, Error> {
        let lock = File::open(&self.root).map_err(failed("open the folder", &self.root))?;
        lock.lock().map_err(failed("lock the folder", &self.root))?;
        Ok(lock)
    }

    fn read_document(&self, name: &str) -> Result<Option<Stored>, Error> {
        let path = self.root.join(name);
        let not = |what| Error::NotADocument { location: path.display().to_string(), what };
        // Opening a named pipe would wait for a writer.
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // A dangling symbolic link is not a missing document.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if path.is_symlink() {
                    Err(not("a dangling symbolic link"))
                } else {
                    Ok(None)
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let location = path.parent().unwrap_or(&self.root).display().to_string();
                return Err(Error::NotADocument { location, what: "a file, not a folder" });
            }
            Err(error) => return Err(failed("read", &path)(error)),
        };
        if !metadata.is_file() {
            return Err(not(if metadata.is_dir() { "a directory" } else { "not a regular file" }));
        }
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(failed("read", &path))?;
        // A file cannot record who created it.
        let digest = Sha256::new().chain_update(metadata.len().to_be_bytes()).chain_update(&bytes);
        let tag = Base64UrlUnpadded::encode_string(&digest.finalize());
        let version = Version { tag, ours: true };
        let attributes = attributes(is_world_readable(&metadata));
        Ok(Some(Stored { bytes, version, attributes }))
    }
}

fn attributes(world_readable: bool) -> Attributes {
    Attributes::from([("world_readable", world_readable.to_string())])
}

/// Deletes temporary files of interrupted runs; the lock is held, so they are not in use.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            // If this fails, the next run tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn replace(path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    // A symbolic link is kept: its target is replaced.
    let target = if path.is_symlink() { fs::canonicalize(path)? } else { path.to_owned() };
    let folder = target.parent().unwrap_or(folder);
    let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    set_mode(temporary.path(), 0o644)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Creates the folder and missing parent folders; existing ones keep their permissions.
fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folders(above)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => set_mode(folder, 0o755),
        // Created by a concurrent run.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix has these permissions"))]
fn is_world_readable(metadata: &fs::Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o444 == 0o444;
    #[cfg(not(unix))]
    true
}

/// Sets the mode regardless of the umask: the web server may run as another user.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

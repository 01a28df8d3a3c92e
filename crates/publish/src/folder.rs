//! A folder that a web server serves.

mod history;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_change::Notice;
use issuer_diagnostic::now_secs;
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};
use issuer_jwks::MAX_INPUT_BYTES;
use sha2::{Digest, Sha256};

use crate::lock::{self, FolderLock};
use crate::state::{Attributes, Write};
use crate::{Condition, Error, KeyRecord, Purpose, Setting, StoreState, Stored, Version};

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

    pub(crate) fn read(&self, purpose: Purpose) -> Result<StoreState, Error> {
        let [keys, discovery] = self.read_documents()?;
        let history = match purpose {
            Purpose::Remove => {
                let kept = self.list_kept()?.into_iter().map(|kept| kept.version);
                Setting::Present(kept.collect())
            }
            _ => Setting::NotRead,
        };
        let notices = self.closed().into_iter().collect();
        Ok(StoreState {
            keys,
            discovery,
            desired: attributes(true),
            bucket: None,
            history,
            read_secs: now_secs(),
            clock_ahead_secs: 0,
            notices,
        })
    }

    /// A warning about the first folder on the way to the documents that only its owner can enter: a web
    /// server runs as another user. What is in the folder for temporary files is not served from there.
    #[cfg(unix)]
    fn closed(&self) -> Option<Notice> {
        use std::os::unix::fs::PermissionsExt as _;
        let absolute = std::path::absolute(&self.root).ok()?;
        // The rest is created readable.
        let there = absolute.ancestors().find_map(|folder| fs::canonicalize(folder).ok())?;
        let temporary = fs::canonicalize(std::env::temp_dir()).ok();
        if temporary.is_some_and(|temporary| there.starts_with(temporary)) {
            return None;
        }
        let mut folders: Vec<&Path> = there.ancestors().collect();
        folders.reverse();
        let (folder, mode) = folders.into_iter().find_map(|folder| {
            let mode = fs::metadata(folder).ok()?.permissions().mode() & 0o777;
            (mode & 0o011 == 0).then_some((folder, mode))
        })?;
        let shown = folder.display().to_string();
        let message = format!(
            "no web server can read through the folder {shown}, which has mode {mode:04o}: chmod o+x {}",
            issuer_diagnostic::for_a_shell(&shown)
        );
        Some(Notice { id: "folder-closed".into(), message })
    }

    #[cfg(not(unix))]
    fn closed(&self) -> Option<Notice> {
        None
    }

    /// `keys.json` and the discovery document. The lock of a run that was killed between its writes
    /// says whose keys these are.
    pub(crate) fn read_documents(&self) -> Result<[Option<Stored>; 2], Error> {
        let (mut keys, discovery) =
            (self.read_document(KEYS_NAME)?, self.read_document(DISCOVERY_NAME)?);
        if let (Some(keys), None) = (&mut keys, &discovery) {
            keys.issuer = lock::owner(&self.folders()?);
        }
        if let Some(keys) = &mut keys {
            keys.record = self.read_record();
        }
        Ok([keys, discovery])
    }

    /// Writes to a temporary file in the same folder, syncs it to disk and renames it, so that
    /// readers see either the old or the new document. The lock is held.
    pub(crate) fn write(&self, write: Write<'_>) -> Result<Version, Error> {
        let path = self.root.join(write.name);
        let folder = path.parent().unwrap_or(&self.root);
        make_folders(folder).map_err(failed("create the folder", folder))?;
        self.check(write.name, write.condition)?;
        lock::claim(&self.folders()?, write.issuer);
        sweep(folder);
        replace(&path, folder, write.bytes).map_err(failed("write", &path))?;
        if write.name == KEYS_NAME {
            self.write_record(write.record);
        }
        Ok(version(write.bytes.len() as u64, write.bytes))
    }

    /// Checks that a document still has the version that a plan was made against.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub(crate) fn check(&self, name: &str, condition: &Condition) -> Result<(), Error> {
        if condition.holds_for(self.read_document(name)?.as_ref()) {
            return Ok(());
        }
        Err(Error::Changed { location: self.root.join(name).display().to_string() })
    }

    pub(crate) async fn remove(&self, name: &str, version: &Version) -> Result<(), Error> {
        let path = self.root.join(name);
        let _lock = self.lock().await?;
        match self.read_document(name)? {
            None => return Ok(()),
            Some(stored) if stored.version != *version => {
                return Err(Error::Changed { location: path.display().to_string() });
            }
            Some(_) => fs::remove_file(&path).map_err(failed("delete", &path))?,
        }
        if name == KEYS_NAME {
            self.remove_record();
        }
        if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
            // Fails if the folder contains anything else.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Locks both documents against other runs until the lock is dropped.
    ///
    /// # Errors
    /// [`Error::Locked`]; a folder that cannot be created or locked.
    pub(crate) async fn lock(&self) -> Result<FolderLock, Error> {
        make_folders(&self.root).map_err(failed("create the folder", &self.root))?;
        FolderLock::take(self.clone(), self.folders()?).await
    }

    /// Deletes what a killed run left. Another run may be at work, or the folder not writable: then it
    /// stays.
    pub(crate) fn tidy(&self) {
        let Ok(folders) = self.folders() else { return };
        let documents = [KEYS_NAME, DISCOVERY_NAME].map(|name| self.root.join(name));
        let places: Vec<&Path> = documents.iter().filter_map(|path| path.parent()).collect();
        if !lock::is_left(&folders) && !places.iter().any(|place| has_temporary(place)) {
            return;
        }
        if let Some(_lock) = FolderLock::try_take(self.clone(), folders) {
            places.into_iter().for_each(sweep);
        }
    }

    /// Whether one of the documents is there without the other one.
    pub(crate) fn is_half(&self) -> bool {
        let is_there = |name| self.root.join(name).exists();
        is_there(KEYS_NAME) != is_there(DISCOVERY_NAME)
    }

    /// The folders that are locked: those in which the documents really are, so that two folders that
    /// link to one file have one lock.
    fn folders(&self) -> Result<BTreeSet<PathBuf>, Error> {
        let mut folders = BTreeSet::new();
        for name in [KEYS_NAME, DISCOVERY_NAME] {
            let path = self.root.join(name);
            let depth = Path::new(name).components().count();
            // A file that does not exist is created in the folder itself.
            let real = match fs::canonicalize(&path) {
                Ok(real) => real,
                Err(_) => match fs::canonicalize(&self.root) {
                    Ok(root) => root.join(name),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed("open the folder", &self.root)(error)),
                },
            };
            let is_named = real.ends_with(name);
            let root = real.ancestors().nth(if is_named { depth } else { 1 });
            folders.extend(root.map(Path::to_owned));
        }
        Ok(folders)
    }

    pub(crate) fn read_document(&self, name: &str) -> Result<Option<Stored>, Error> {
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
        let version = version(metadata.len(), &bytes);
        let attributes = attributes(is_world_readable(&metadata));
        let written_secs = metadata.modified().ok().and_then(secs);
        let (issuer, retained, record) = (None, false, KeyRecord::default());
        Ok(Some(Stored { bytes, version, attributes, issuer, written_secs, retained, record }))
    }
}

/// Seconds since 1970.
fn secs(time: SystemTime) -> Option<u64> {
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// A file cannot record who created it.
fn version(length: u64, bytes: &[u8]) -> Version {
    let digest = Sha256::new().chain_update(length.to_be_bytes()).chain_update(bytes);
    Version { tag: Base64UrlUnpadded::encode_string(&digest.finalize()), ours: true }
}

fn attributes(world_readable: bool) -> Attributes {
    Attributes::from([("world_readable", world_readable.to_string())])
}

/// Deletes temporary files of interrupted runs; the lock is held, so they are not in use.
fn sweep(folder: &Path) {
    for entry in temporary(folder) {
        // If this fails, the next run tries again.
        let _ = fs::remove_file(entry.path());
    }
}

fn has_temporary(folder: &Path) -> bool {
    temporary(folder).next().is_some()
}

fn temporary(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY))
}

fn replace(path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    // A symbolic link is kept: its target is replaced.
    let target = if path.is_symlink() { fs::canonicalize(path)? } else { path.to_owned() };
    let folder = target.parent().unwrap_or(folder);
    write_to(&target, folder, bytes, 0o644)
}

/// Writes a file with this mode, completely or not at all.
fn write_to(target: &Path, folder: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // Only its owner can read it until it is complete.
    let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    set_mode(temporary.path(), mode)?;
    temporary.persist(target).map_err(|error| error.error)?;
    sync_folder(folder);
    Ok(())
}

/// Syncs the entries of a folder. The document is there already, and some file systems cannot do
/// this (EINVAL), so a failure is none of the run.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
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
        Ok(()) => {
            set_mode(folder, 0o755)?;
            sync_folder(folder.parent().unwrap_or(folder));
            Ok(())
        }
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

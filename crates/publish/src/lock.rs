//! One lock for both documents of a folder, for a whole plan and its writes.
//!
//! It is a file, since directories have no locks on NFS, and exists only while a run holds it; a killed
//! run leaves it behind, unlocked. It names the issuer that is being written, so that a `keys.json`
//! that is there without a discovery document has an owner.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Error, Folder};

/// The file; its name is not that of a temporary one.
const NAME: &str = ".issuerctl.lock";

/// How long another run may hold the lock.
const LIMIT: Duration = Duration::from_secs(30);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// The documents of a folder are locked as long as this value lives.
#[derive(Debug)]
pub(crate) struct FolderLock {
    folder: Folder,
    held: Vec<(PathBuf, File)>,
}

impl FolderLock {
    /// Locks these folders, in their order, so that two runs never wait for each other.
    ///
    /// # Errors
    /// [`Error::Locked`]; a lock file that cannot be opened or locked.
    pub(crate) async fn take(folder: Folder, folders: BTreeSet<PathBuf>) -> Result<Self, Error> {
        let deadline = Instant::now() + LIMIT;
        let mut lock = Self { folder, held: Vec::new() };
        for folder in folders {
            let path = folder.join(NAME);
            let file = loop {
                match try_take(&path) {
                    Ok(Some(file)) => break file,
                    Ok(None) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                    Ok(None) => return Err(locked(&folder, &path)),
                    Err(source) => {
                        return Err(Error::Io { action: "lock the folder with", path, source });
                    }
                }
            };
            lock.held.push((path, file));
        }
        Ok(lock)
    }

    /// Locks these folders if no other run holds them.
    pub(crate) fn try_take(folder: Folder, folders: BTreeSet<PathBuf>) -> Option<Self> {
        let mut lock = Self { folder, held: Vec::new() };
        for folder in folders {
            let path = folder.join(NAME);
            let file = try_take(&path).ok()??;
            lock.held.push((path, file));
        }
        Some(lock)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Only its file says whose the first document is.
        if self.folder.is_half() {
            return;
        }
        for (path, _) in &self.held {
            // Deleted while it is locked: whoever waits for it sees that it is not there any more.
            #[cfg(unix)]
            let _ = fs::remove_file(path);
            #[cfg(not(unix))]
            let _ = fs::write(path, "");
        }
    }
}

/// Whether a run holds a lock here, or did not end.
pub(crate) fn is_left(folders: &BTreeSet<PathBuf>) -> bool {
    folders.iter().any(|folder| folder.join(NAME).exists())
}

/// The issuer that a run was writing here, if it did not end.
pub(crate) fn owner(folders: &BTreeSet<PathBuf>) -> Option<String> {
    folders.iter().find_map(|folder| Some(read(&folder.join(NAME))?["issuer"].as_str()?.to_owned()))
}

/// Records whose documents are written now. The message of a run that waits names them; nothing
/// depends on it but the owner of half a site, so a failure ends no run.
pub(crate) fn claim(folders: &BTreeSet<PathBuf>, issuer: &str) {
    let text = json!({ "issuer": issuer, "pid": std::process::id() }).to_string();
    for folder in folders {
        let path = folder.join(NAME);
        if read(&path)
            .is_some_and(|now| now["issuer"] == issuer && now["pid"] == std::process::id())
        {
            continue;
        }
        let open = OpenOptions::new().write(true).truncate(true).open(path);
        let _ = open.and_then(|mut file| file.write_all(text.as_bytes()));
    }
}

/// `None` if another run holds the lock, or has just deleted the file.
fn try_take(path: &Path) -> io::Result<Option<File>> {
    if path.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    // NFS locks only what is open for writing.
    let file =
        match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path) {
            // Left behind by a killed run of another user.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.exists() => {
                File::open(path)?
            }
            file => file?,
        };
    match file.try_lock() {
        Ok(()) => Ok(is_there(&file, path).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the path still is this file.
fn is_there(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if id(&one) == id(&other))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn locked(folder: &Path, path: &Path) -> Error {
    let holder = read(path).and_then(|holder| {
        Some(format!(
            "process {}, which publishes {}",
            holder["pid"].as_u64()?,
            holder["issuer"].as_str()?
        ))
    });
    Error::Locked {
        location: format!("the folder {}", folder.display()),
        holder: holder.unwrap_or_else(|| "another run".to_owned()),
        secs: LIMIT.as_secs(),
    }
}

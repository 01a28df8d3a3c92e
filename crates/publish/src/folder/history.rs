//! The history of a site in a folder: copies in a hidden folder that only its owner can read.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use issuer_jwks::MAX_INPUT_BYTES;

use super::{Folder, failed, secs, set_mode, sweep, sync_folder, write_to};
use crate::history::{self, FOLDER, Listed, MAX_BYTES, PastSite, Read};
use crate::{Error, KeyRecord};

/// The hidden folder; the copies are in a folder in it.
const HIDDEN: &str = ".issuerctl";

impl Folder {
    /// Writes a copy. The lock is held.
    ///
    /// # Errors
    /// A folder that cannot be created or written to.
    pub(crate) fn keep(&self, name: &str, past: &PastSite) -> Result<(), Error> {
        self.make_hidden()?;
        let folder = self.history_folder();
        make_private(&folder).map_err(failed("create the folder", &folder))?;
        sweep(&folder);
        let path = folder.join(name);
        write_to(&path, &folder, &past.to_bytes(), 0o600).map_err(failed("write", &path))
    }

    /// Reads a copy, if it is there.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn read_kept(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.history_folder().join(name);
        let mut bytes = Vec::new();
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        file.take(MAX_BYTES as u64).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        Ok(Some(bytes))
    }

    /// The names of the copies, with the times at which they were written.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub(crate) fn list_kept(&self) -> Result<Vec<Listed>, Error> {
        let folder = self.history_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read the folder", &folder)(error)),
        };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("read the folder", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if history::is_name(&name) {
                let written = entry.metadata().ok().and_then(|metadata| metadata.modified().ok());
                let replaced_secs = written.and_then(secs);
                let (owner, before_copies) = (None, false);
                listed.push(Listed { version: name, replaced_secs, before_copies, owner });
            }
        }
        Ok(listed)
    }

    /// Deletes a copy, and the folders that are empty then.
    ///
    /// # Errors
    /// A file that cannot be deleted.
    pub(crate) fn forget(&self, name: &str) -> Result<(), Error> {
        let path = self.history_folder().join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("delete", &path)(error));
            }
            _ => {}
        }
        // These fail if something else is in them.
        let _ = fs::remove_dir(self.history_folder());
        let _ = fs::remove_dir(self.hidden());
        Ok(())
    }

    /// The newest `limit` previous sites.
    ///
    /// # Errors
    /// A folder that cannot be read. What cannot be read is an error of its own in the list.
    pub(crate) fn history(&self, limit: usize) -> Result<Vec<Read>, Error> {
        let mut listed = self.list_kept()?;
        history::newest_first(&mut listed);
        listed.truncate(limit);
        let read = listed.into_iter().filter_map(|listed| {
            let site = self.read_past(&listed.version).transpose()?;
            Some((listed, site))
        });
        Ok(read.collect())
    }

    /// A previous site, if there is one of this version.
    ///
    /// # Errors
    /// A file that cannot be read; [`Error::BrokenHistory`].
    pub(crate) fn read_past(&self, version: &str) -> Result<Option<PastSite>, Error> {
        if !history::is_name(version) {
            return Ok(None);
        }
        let location = || self.history_folder().join(version).display().to_string();
        let read = self.read_kept(version)?;
        read.map(|bytes| PastSite::parse(&bytes, version, &location())).transpose()
    }

    /// What is recorded of the published keys; nothing depends on it but what is said of them, so what
    /// cannot be read is not known.
    pub(super) fn read_record(&self) -> KeyRecord {
        let mut text = String::new();
        let read = fs::File::open(self.record_file())
            .and_then(|file| file.take(MAX_INPUT_BYTES as u64).read_to_string(&mut text));
        read.map(|_| KeyRecord::parse(&text)).unwrap_or_default()
    }

    /// Writes it. The lock is held, and the keys are published already.
    pub(crate) fn write_record(&self, record: &KeyRecord) {
        let hidden = self.hidden();
        let _ = make_private(&hidden).and_then(|()| {
            sweep(&hidden);
            let text = record.encode(MAX_INPUT_BYTES);
            write_to(&self.record_file(), &hidden, text.as_bytes(), 0o600)
        });
    }

    pub(super) fn remove_record(&self) {
        let _ = fs::remove_file(self.record_file());
        // Fails if there is a history.
        let _ = fs::remove_dir(self.hidden());
    }

    /// Creates the hidden folder, or takes it from everybody else.
    fn make_hidden(&self) -> Result<(), Error> {
        let hidden = self.hidden();
        make_private(&hidden).map_err(failed("create the folder", &hidden))
    }

    fn hidden(&self) -> PathBuf {
        self.root.join(HIDDEN)
    }

    fn record_file(&self) -> PathBuf {
        self.hidden().join("keys")
    }

    fn history_folder(&self) -> PathBuf {
        self.root.join(FOLDER)
    }
}

/// Creates a folder that only its owner can read.
fn make_private(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => {
            set_mode(folder, 0o700)?;
            sync_folder(folder.parent().unwrap_or(folder));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

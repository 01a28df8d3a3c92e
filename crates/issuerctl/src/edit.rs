//! Files that are changed in place: what changes is shown, and the file is replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use similar::TextDiff;

/// Words of lines that may have a secret beside what is changed.
const SECRET: [&str; 6] = ["token", "secret", "password", "key:", "\"key\"", "privatekey"];

/// The lines that change, without their neighbors: those may hold secrets. A line in flow style has
/// everything on one line, so it is shown only if it has no such word.
pub(crate) fn diff(name: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(0).header(name, name).to_string();
    let shown = text.lines().map(|line| {
        let lower = line.to_lowercase();
        let flow = line.contains(['{', '[']);
        if flow && !line.starts_with("@@") && SECRET.iter().any(|word| lower.contains(word)) {
            return format!("{}(a line that may hold secrets is not shown)", &line[..1]);
        }
        line.trim_end_matches('\r').to_owned()
    });
    shown.filter(|line| !line.starts_with("\\ No newline")).collect::<Vec<_>>().join("\n")
}

/// Replaces a file atomically. Mode and owner stay; a symbolic link stays, and its target is
/// replaced.
///
/// # Errors
/// Those of the operating system; the file changed since it was read.
pub(crate) fn replace(path: &Path, before: &[u8], after: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let mut temporary = tempfile::Builder::new().prefix(".issuerctl-").tempfile_in(folder)?;
    temporary.write_all(after)?;
    let metadata = fs::metadata(&target)?;
    fs::set_permissions(temporary.path(), metadata.permissions())?;
    #[cfg(unix)]
    keep_owner(temporary.as_file(), &metadata)?;
    temporary.as_file().sync_all()?;
    if fs::read(&target)? != before {
        return Err(io::Error::other("it has changed since it was read; run the command again"));
    }
    temporary.persist(&target).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// A file of another owner can be replaced only by somebody who may give it back.
#[cfg(unix)]
fn keep_owner(file: &File, metadata: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (metadata.uid(), metadata.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(metadata.uid()), Some(metadata.gid()))?;
    // A change of the owner may clear bits of the mode.
    file.set_permissions(metadata.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_beside_the_change_is_not_shown() {
        let before = "token: hunter2\n{token: hunter2, kube-apiserver-arg: [a]}\nx: 1\n";
        let after = "token: hunter2\n{token: hunter2, kube-apiserver-arg: [a, b]}\nx: 2\n";
        let diff = diff("config.yaml", before, after);
        assert!(diff.contains("\n-x: 1") && diff.contains("\n+x: 2"), "{diff}");
        assert!(!diff.contains("hunter2"), "{diff}");
    }

    #[cfg(unix)]
    #[test]
    fn mode_and_link_stay_and_nothing_is_left_beside() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"old", b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.is_symlink());
        assert!(replace(&link, b"old", b"newer").is_err(), "somebody else wrote in the meantime");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

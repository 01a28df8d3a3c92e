//! Where `tests/servers/install` puts the servers.

use std::path::{Path, PathBuf};

/// The oldest Kubernetes that the chain runs on.
pub const OLDEST: &str = "1.34.4";

/// The newest.
pub const NEWEST: &str = "1.36.3";

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A program that was installed, such as `minio/minio`.
pub fn installed(program: &str) -> PathBuf {
    let part = program.split('/').next().unwrap();
    let folder = repository().join("target/servers");
    let path = folder.join(program);
    assert!(
        path.exists() && folder.join(part).join("stamp").exists(),
        "{program} is not installed; run this first: tests/servers/install"
    );
    path
}

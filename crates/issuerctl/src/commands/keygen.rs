//! `issuerctl keygen`

use std::io;
use std::path::{Path, PathBuf};

use issuer_jwks::{GeneratedKey, Jwk};

use crate::Outcome;
use crate::cli::{KeygenArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, SCHEMA_VERSION};
use crate::ui::Ui;

pub(crate) fn run(args: &KeygenArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let [private_file, public_file] = files_of(&args.out_dir)?;
    ui.wait("generating the key");
    let generated = issuer_jwks::generate(args.algorithm.into())?;
    ui.waited();
    write_new(&args.out_dir, &generated, ui)?;
    let jwk = Jwk { kid: generated.public.kid(), key: generated.public };
    ui.note(&format!(
        "next: issuerctl publish --key {} --to ./site --issuer https://… (or --to \
         s3://BUCKET/PREFIX)",
        public_file.display()
    ));
    if format == OutputFormat::Json {
        output::json(&output::Keygen {
            schema_version: SCHEMA_VERSION,
            key: (&jwk).into(),
            private_key_file: private_file.display().to_string(),
            public_key_file: public_file.display().to_string(),
        })?;
    }
    Ok(Exit::Done)
}

/// Writes a new pair to a folder, and says so.
///
/// # Errors
/// A file that exists or cannot be written.
pub(super) fn write_new(folder: &Path, key: &GeneratedKey, ui: &Ui) -> Result<(), Failure> {
    let [private_file, public_file] = files_of(folder)?;
    std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    write_pair(&private_file, &public_file, key)?;
    ui.note(&format!(
        "wrote {} (private, keep it secret) and {}",
        private_file.display(),
        public_file.display()
    ));
    ui.note(&format!("kid {}", key.public.kid()));
    Ok(())
}

/// The two files of a pair in a folder. Checked first, so that an existing file does not leave an
/// incomplete pair behind.
fn files_of(folder: &Path) -> Result<[PathBuf; 2], Failure> {
    let files = ["sa.key", "sa.pub"].map(|name| folder.join(name));
    match files.iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(taken(path)),
        None => Ok(files),
    }
}

fn write_pair(private_file: &Path, public_file: &Path, key: &GeneratedKey) -> Result<(), Failure> {
    write(private_file, key.private_pem.as_bytes(), 0o600)?;
    write(public_file, key.public.to_spki_pem().as_bytes(), 0o644).inspect_err(|_| {
        let _ = std::fs::remove_file(private_file);
    })
}

fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), Failure> {
    files::create(path, contents, mode).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => cannot_write(path, &error),
    })
}

fn taken(path: &Path) -> Failure {
    Failure::new(
        Exit::Conflict,
        format!("{} already exists; signing keys are never overwritten", path.display()),
    )
    .hint(Some(
        "publish the key that exists: `issuerctl publish --key FILE` with its public half, sa.pub; \
         or give another --out-dir",
    ))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::while_doing(Exit::of_io(error), format!("cannot write {}", path.display()), error)
}

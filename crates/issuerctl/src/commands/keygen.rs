//! `issuerctl keygen`

use std::io;
use std::path::Path;

use issuer_jwks::{GeneratedKey, Jwk};

use crate::Outcome;
use crate::cli::{KeygenArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, SCHEMA_VERSION};
use crate::ui::Ui;

pub(crate) fn run(args: &KeygenArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let private_file = args.out_dir.join("sa.key");
    let public_file = args.out_dir.join("sa.pub");
    // Checked first, so that an existing file does not leave an incomplete pair behind.
    for path in [&private_file, &public_file] {
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
    }
    std::fs::create_dir_all(&args.out_dir).map_err(|error| cannot_write(&args.out_dir, &error))?;
    ui.wait("generating the key");
    let generated = issuer_jwks::generate(args.algorithm.into())?;
    ui.waited();
    write_pair(&private_file, &public_file, &generated)?;

    let jwk = Jwk { kid: generated.public.kid(), key: generated.public };
    ui.note(&format!(
        "wrote {} (private, keep it secret) and {}",
        private_file.display(),
        public_file.display()
    ));
    ui.note(&format!("kid {}", jwk.kid));
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

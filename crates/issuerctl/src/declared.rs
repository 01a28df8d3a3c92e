//! The documents of issuer files: each is read for itself, and one that is not valid does not stop the
//! others.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use issuer_manifest::Issuer;

use crate::cli::FileArgs;
use crate::failure::{Exit, Failure};
use crate::files;

/// The documents of all files, in order.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) valid: Vec<Valid>,
    /// The others.
    pub(crate) refused: Vec<Refused>,
}

/// A document that is valid.
pub(crate) struct Valid {
    pub(crate) issuer: Issuer,
    /// The folder that its paths are relative to.
    pub(crate) base: PathBuf,
    place: String,
}

/// A document that is not valid, alone or beside the others.
pub(crate) struct Refused {
    /// Its file, and its number if there are several.
    pub(crate) place: String,
    /// Why, without the place.
    pub(crate) failure: Failure,
    file: Option<String>,
}

impl Refused {
    /// The failure of a run that it ends.
    pub(crate) fn into_failure(mut self) -> Failure {
        if let Some(file) = self.file {
            self.failure.message = format!("{file} is {}", self.failure.message);
        }
        self.failure
    }
}

/// Reads all files.
///
/// # Errors
/// A file that does not exist, or a folder without a file.
pub(crate) fn read(args: &FileArgs) -> Result<Declared, Failure> {
    let mut declared = Declared::default();
    for path in &files::in_folders(&args.file, args.recursive)? {
        let missing = !files::is_stdin(path) && !path.exists();
        match files::read_text_of_any_size(path) {
            Ok(text) => declared.add(path, &text),
            Err(failure) if missing => {
                return Err(failure.hint(Some(
                    "https://github.com/issuerctl/issuerctl#readme has an issuer file to begin with, \
                     and `issuerctl schema` prints its fields",
                )));
            }
            Err(failure) => declared.refuse(files::name_of(path), failure),
        }
    }
    declared.refuse_same_names();
    declared.refuse_disagreements();
    Ok(declared)
}

impl Declared {
    fn add(&mut self, path: &Path, text: &str) {
        let name = files::name_of(path);
        let base = path.parent().filter(|_| !files::is_stdin(path));
        let base = base.map(Path::to_owned).unwrap_or_default();
        let documents = issuer_manifest::parse_each(text);
        let alone = documents.len() == 1;
        for (index, document) in documents.into_iter().enumerate() {
            let place = match alone {
                true => name.clone(),
                false => format!("{name}, document {}", index + 1),
            };
            match document {
                Ok(issuer) => self.valid.push(Valid { issuer, base: base.clone(), place }),
                Err(error) => {
                    let failure = Failure::because("not a valid issuer file", &error);
                    self.refused.push(Refused { place, failure, file: Some(name.clone()) });
                }
            }
        }
    }

    fn refuse(&mut self, place: String, failure: Failure) {
        self.refused.push(Refused { place, failure, file: None });
    }

    /// Of several issuers with one name, nobody knows which is meant.
    fn refuse_same_names(&mut self) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for Valid { issuer, .. } in &self.valid {
            *counts.entry(issuer.name().to_owned()).or_default() += 1;
        }
        self.refuse_if(|issuer| {
            let several = counts.get(issuer.name()).is_some_and(|&count| count > 1);
            let message = format!("two issuers have the name {}", issuer.name());
            several.then(|| Failure::new(Exit::BadInput, message))
        });
    }

    fn refuse_disagreements(&mut self) {
        let issuers: Vec<&Issuer> = self.valid.iter().map(|valid| &valid.issuer).collect();
        let found = issuer_manifest::disagreements(&issuers);
        self.refuse_if(|issuer| found.get(issuer.name()).cloned().map(Failure::from));
    }

    fn refuse_if(&mut self, why: impl Fn(&Issuer) -> Option<Failure>) {
        for valid in std::mem::take(&mut self.valid) {
            match why(&valid.issuer) {
                Some(failure) => self.refuse(valid.place, failure),
                None => self.valid.push(valid),
            }
        }
    }
}

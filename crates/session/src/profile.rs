//! The selected profile: it must exist, and so must those that it refers to.

use std::error::Error as _;
use std::ffi::OsString;
use std::path::PathBuf;

use aws_config::profile::{ProfileFileLoadError, ProfileSet, load};
use aws_types::os_shim_internal::{Env, Fs};

use issuer_diagnostic::{Encoding, decode};

use crate::Error;

/// A profile, and what selects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) name: String,
    /// The environment variable; `None` for an option.
    pub(crate) variable: Option<&'static str>,
}

/// The profiles of `~/.aws/config` and `~/.aws/credentials`, or of the files that the environment
/// names.
///
/// # Errors
/// [`Error::ProfileFiles`]
pub(crate) async fn read() -> Result<ProfileSet, Error> {
    for path in files(|name| std::env::var_os(name)) {
        // Files that do not exist are none.
        if let Ok(bytes) = std::fs::read(&path) {
            check_encoding(&bytes).map_err(|reason| Error::ProfileFiles {
                reason: format!("{} {reason}", path.display()),
            })?;
        }
    }
    load(&Fs::real(), &Env::real(), &Default::default(), None).await.map_err(|error| unread(&error))
}

/// The two files (AWS SDKs and tools reference guide, "Location of the shared config and credentials
/// files").
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let home = || variable("HOME").or_else(|| variable("USERPROFILE"));
    [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
        .into_iter()
        .filter_map(|(name, usual)| {
            let named = variable(name).filter(|path| !path.is_empty()).map(PathBuf::from);
            named.or_else(|| Some(PathBuf::from(home()?).join(".aws").join(usual)))
        })
        .collect()
}

/// The SDK takes a file that is not UTF-8 for an empty one, and a byte order mark for a property.
fn check_encoding(bytes: &[u8]) -> Result<(), String> {
    match decode(bytes) {
        Ok(text) if text.encoding == Encoding::Utf8 && !bytes.starts_with(b"\xef\xbb\xbf") => {
            Ok(())
        }
        Ok(text) if text.encoding == Encoding::Utf8 => {
            Err("begins with a byte order mark (U+FEFF): save it as UTF-8 without one".to_owned())
        }
        Ok(_) => Err("is UTF-16: save it as UTF-8".to_owned()),
        Err(fault) => Err(format!("is not a text in UTF-8: {fault}")),
    }
}

/// The message names file and line, and quotes nothing.
fn unread(error: &ProfileFileLoadError) -> Error {
    let reason = match error {
        ProfileFileLoadError::ParseError { .. } => error.source().map(ToString::to_string),
        other => other.source().map(|source| format!("{other}: {source}")),
    };
    let reason = reason.unwrap_or_else(|| error.to_string());
    Error::ProfileFiles { reason: reason.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// Registers the secrets of all profiles.
pub(crate) fn register_secrets(profiles: &ProfileSet) {
    for profile in profiles.profiles().filter_map(|name| profiles.get_profile(name)) {
        for name in ["aws_secret_access_key", "aws_session_token"] {
            issuer_redact::register(profile.get(name).unwrap_or_default());
        }
    }
}

/// The values among the arguments of each `credential_process`.
pub(crate) fn process_arguments(profiles: &ProfileSet) -> Vec<String> {
    let profiles = profiles.profiles().filter_map(|name| profiles.get_profile(name));
    let commands = profiles.filter_map(|profile| profile.get("credential_process"));
    commands
        .flat_map(|command| command.split_whitespace().skip(1))
        .map(|argument| argument.split_once('=').map_or(argument, |(_, value)| value))
        .map(|value| value.trim_matches(['"', '\'']))
        .filter(|value| value.len() > 2 && !value.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

/// Checks that the selected profile exists.
///
/// # Errors
/// [`Error::NoProfile`]
pub(crate) fn check(profiles: &ProfileSet, selected: &Selected) -> Result<(), Error> {
    if profiles.get_profile(&selected.name).is_some() {
        return Ok(());
    }
    let by = match selected.variable {
        Some(variable) => format!(", which {variable} selects,"),
        None => String::new(),
    };
    Err(missing(profiles, &selected.name, by))
}

/// Checks that every profile exists that credentials are taken from: `source_profile` names the
/// next one as long as a profile has a `role_arn`.
///
/// # Errors
/// [`Error::NoProfile`]
pub(crate) fn check_sources(profiles: &ProfileSet, first: &str) -> Result<(), Error> {
    let mut seen = vec![first];
    while let Some(profile) = profiles.get_profile(seen.last().copied().unwrap_or_default()) {
        let Some(source) = profile.get("role_arn").and_then(|_| profile.get("source_profile"))
        else {
            break;
        };
        if profiles.get_profile(source).is_none() {
            let by = format!(", the source_profile of {:?},", profile.name());
            return Err(missing(profiles, source, by));
        }
        // A circle is reported by the SDK.
        if seen.contains(&source) {
            break;
        }
        seen.push(source);
    }
    Ok(())
}

fn missing(profiles: &ProfileSet, name: &str, by: String) -> Error {
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    let nearest = profiles.profiles().min_by_key(distance).filter(|known| distance(known) <= 2);
    Error::NoProfile { profile: name.to_owned(), by, nearest: nearest.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

    use super::*;

    async fn of(config: &str) -> Result<ProfileSet, Error> {
        let files =
            EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, config).build();
        load(&Fs::real(), &Env::from_slice(&[]), &files, None).await.map_err(|error| unread(&error))
    }

    #[tokio::test]
    async fn a_selected_profile_must_exist() {
        let profiles = of("[profile prod]\nregion = eu-west-1\n[default]\n").await.unwrap();
        let select =
            |name: &str, variable| check(&profiles, &Selected { name: name.to_owned(), variable });
        assert_eq!(select("prod", None), Ok(()));
        let refused = select("prdo", Some("AWS_PROFILE")).unwrap_err();
        assert!(
            matches!(&refused, Error::NoProfile { nearest: Some(near), .. } if near == "prod"),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("AWS_PROFILE"), "{refused}");
        assert!(select("Prod ", None).is_err() && select("other", None).is_err());
    }

    #[tokio::test]
    async fn the_profiles_that_credentials_are_taken_from_must_exist() {
        let role = "role_arn = arn:aws:iam::111122223333:role/x\n";
        let config = format!(
            "[profile a]\n{role}source_profile = b\n[profile b]\n{role}source_profile = \
             gone\n[profile c]\nsource_profile = gone\n[profile d]\n{role}source_profile = d\n"
        );
        let profiles = of(&config).await.unwrap();
        for first in ["a", "b"] {
            let refused = check_sources(&profiles, first).unwrap_err().to_string();
            assert!(refused.contains("\"gone\", the source_profile of \"b\""), "{refused}");
        }
        // Without a role nothing is taken from it; a circle is reported by the SDK.
        for first in ["c", "d", "nobody"] {
            assert_eq!(check_sources(&profiles, first), Ok(()), "{first}");
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_not_taken_for_an_empty_one() {
        let utf16: Vec<u8> =
            "\u{feff}[default]".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, says) in [
            (&b"\xef\xbb\xbf[default]\n"[..], "byte order mark"),
            (&utf16, "UTF-16"),
            (&utf16[2..], "UTF-16"),
            (&b"[default]\nregion = \xff\n"[..], "UTF-8"),
        ] {
            let refused = check_encoding(bytes).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
        assert_eq!(check_encoding("[default]\r\n# für".as_bytes()), Ok(()));
        assert_eq!(check_encoding(b""), Ok(()));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_parsed_is_named_with_its_line_and_not_quoted() {
        for config in ["[default]\nHIDDEN\n", "HIDDEN = x", "[default\naws_secret = HIDDEN"] {
            let refused = of(config).await.unwrap_err().to_string();
            assert!(refused.contains("on line") && !refused.contains("HIDDEN"), "{refused}");
        }
    }
}

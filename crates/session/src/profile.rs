//! The selected profile: it must exist, and so must those that it refers to.

use std::error::Error as _;
use std::ffi::OsString;
use std::path::PathBuf;

use aws_config::profile::{ProfileFileLoadError, ProfileSet, load};
use aws_runtime::env_config::file::{Builder, EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};

use issuer_diagnostic::{Encoding, Stray, deceptive_in, decode};

use crate::Error;

/// A profile, and what selects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) name: String,
    /// The environment variable; `None` for an option.
    pub(crate) variable: Option<&'static str>,
}

/// The files with profiles, and what they say.
pub(crate) struct Profiles {
    /// For the SDK, which reads them itself.
    pub(crate) files: EnvConfigFiles,
    pub(crate) set: ProfileSet,
}

/// The profiles of `~/.aws/config` and `~/.aws/credentials`, or of the files that the environment
/// names.
///
/// # Errors
/// [`Error::ProfileFiles`]
pub(crate) async fn read() -> Result<Profiles, Error> {
    let (mut texts, mut are_plain) = (Vec::new(), true);
    for (kind, path) in files(|name| std::env::var_os(name)) {
        // Files that do not exist are none.
        let bytes = std::fs::read(&path).unwrap_or_default();
        let (text, is_plain) = check_text(&bytes).map_err(|reason| Error::ProfileFiles {
            reason: format!("{} {reason}", path.display()),
        })?;
        are_plain &= is_plain;
        texts.push((kind, text));
    }
    let files = match are_plain {
        true => EnvConfigFiles::default(),
        // Both, since the order counts: the credentials file wins.
        false => {
            let with =
                |builder: Builder, (kind, text): (_, String)| builder.with_contents(kind, text);
            texts.into_iter().fold(EnvConfigFiles::builder(), with).build()
        }
    };
    let set = load(&Fs::real(), &Env::real(), &files, None).await;
    Ok(Profiles { set: set.map_err(|error| unread(&error))?, files })
}

/// The two files (AWS SDKs and tools reference guide, "Location of the shared config and credentials
/// files").
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<(EnvConfigFileKind, PathBuf)> {
    let home = || variable("HOME").or_else(|| variable("USERPROFILE"));
    [
        (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", "config"),
        (EnvConfigFileKind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ]
    .into_iter()
    .filter_map(|(kind, name, usual)| {
        let named = variable(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Some((kind, named.or_else(|| Some(PathBuf::from(home()?).join(".aws").join(usual)))?))
    })
    .collect()
}

/// The text of a file, and whether the SDK reads it as it is: it takes a file that is not UTF-8 for an
/// empty one, and a byte order mark for a property.
///
/// # Errors
/// What is wrong with the text. A no-break space would be a part of a name for the SDK.
fn check_text(bytes: &[u8]) -> Result<(String, bool), String> {
    let decoded = decode(bytes).map_err(|fault| format!("is not a text in UTF-8: {fault}"))?;
    if let Some((stray, place)) = stray(&decoded.text) {
        return Err(format!("has {stray}, in {place}: type it anew"));
    }
    let is_plain = decoded.encoding == Encoding::Utf8 && !bytes.starts_with(b"\xef\xbb\xbf");
    Ok((decoded.text.into_owned(), is_plain))
}

/// A character that is invisible or looks like another, in the name of a profile or of a setting, or
/// in a value in which there can be none; and what it is in.
fn stray(text: &str) -> Option<(Stray, String)> {
    deceptive_in(text).find_map(|stray| {
        let line = text.split('\n').nth(stray.line - 1).unwrap_or_default();
        let before: String = line.chars().take(stray.column - 1).collect();
        if before.trim_start().starts_with(['#', ';']) {
            return None;
        }
        let place = match before.split_once('=') {
            None if line.trim_start().starts_with('[') => "the name of a profile".to_owned(),
            None => "the name of a setting".to_owned(),
            Some((name, _)) => {
                let name = name.trim();
                ASCII.contains(&name).then(|| format!("the value of {name}"))?
            }
        };
        Some((stray, place))
    })
}

/// Settings whose values are ASCII.
const ASCII: [&str; 13] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "credential_source",
    "endpoint_url",
    "region",
    "role_arn",
    "source_profile",
    "sso_account_id",
    "sso_region",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
];

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
        if let Some(path) = profile.get("web_identity_token_file") {
            crate::chain::register_token(path);
        }
    }
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

/// A profile that does not exist.
pub(crate) fn missing(profiles: &ProfileSet, name: &str, by: String) -> Error {
    if issuer_redact::is_access_key(name) {
        return Error::NotAProfile { by };
    }
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    let nearest = profiles.profiles().min_by_key(distance).filter(|known| distance(known) <= 2);
    Error::NoProfile { profile: name.to_owned(), by, nearest: nearest.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
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
        for key in ["AKIAIOSFODNN7HIDDEN:x", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMHIDDEN"] {
            let refused = select(key, Some("AWS_PROFILE")).unwrap_err().to_string();
            assert!(refused.contains("form of an access key"), "{refused}");
            assert!(refused.contains("AWS_PROFILE") && !refused.contains("HIDDEN"), "{refused}");
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_read_and_never_taken_for_an_empty_one() {
        let utf16: Vec<u8> =
            "\u{feff}[default]".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [&b"\xef\xbb\xbf[default]"[..], &utf16, &utf16[2..]] {
            assert_eq!(check_text(bytes), Ok(("[default]".to_owned(), false)));
        }
        let refused = check_text(b"[default]\nregion = \xff\n").unwrap_err();
        assert!(refused.contains("UTF-8"), "{refused}");
        for plain in ["[default]\r\n# für", ""] {
            assert_eq!(check_text(plain.as_bytes()), Ok((plain.to_owned(), true)));
        }
        let marked: Vec<u8> =
            "\u{feff}[a\u{a0}b]".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(check_text(&marked).unwrap_err().contains("U+00A0"));
    }

    #[test]
    fn a_no_break_space_is_named_with_its_place_and_never_taken_for_a_name() {
        for (text, says) in [
            ("[prod\u{a0}]\n", "line 1, column 6, in the name of a profile"),
            ("[profile\u{a0}prod]\n", "column 9, in the name of a profile"),
            (
                "[a]\naws_access_key_id\u{a0}= HIDDEN\n",
                "line 2, column 18, in the name of a setting",
            ),
            ("[a]\n\u{a0}aws_access_key_id = HIDDEN\n", "line 2, column 1, in the name"),
            ("[a]\naws_access_key_id =\u{a0}HIDDEN\n", "in the value of aws_access_key_id"),
            ("[a]\naws_secret_access_key = HID\u{200b}DEN\n", "U+200B (zero width space)"),
            ("[a]\nregion = us\u{2011}east-1\n", "in the value of region"),
        ] {
            let refused = check_text(text.as_bytes()).unwrap_err();
            assert!(refused.contains(says) && !refused.contains("HID"), "{refused}");
        }
        for fine in ["# a\u{a0}b\n[a]\n", "[a]\ncredential_process = /caf\u{e9}\u{a0}x\n"] {
            assert_eq!(check_text(fine.as_bytes()), Ok((fine.to_owned(), true)), "{fine}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), text in ".*") {
            let _ = (check_text(&bytes), check_text(text.as_bytes()), stray(&text));
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_parsed_is_named_with_its_line_and_not_quoted() {
        for config in ["[default]\nHIDDEN\n", "HIDDEN = x", "[default\naws_secret = HIDDEN"] {
            let refused = of(config).await.unwrap_err().to_string();
            assert!(refused.contains("on line") && !refused.contains("HIDDEN"), "{refused}");
        }
    }
}

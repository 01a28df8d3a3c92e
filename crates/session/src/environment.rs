//! The AWS variables of the environment, cleaned.
//!
//! The SDK takes them as they are: it panics on a line break in an access key, and passes over an
//! access key without a secret.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use crate::Error;
use crate::retry::{Field, Retries};

/// A key pair of the environment; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyPair {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
}

/// What the environment says; values without the white space around them, which Secrets made with
/// `echo` have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) keys: Option<KeyPair>,
    pub(crate) region: Option<String>,
    /// The profile, and the variable that names it.
    pub(crate) profile: Option<(String, &'static str)>,
    pub(crate) ca_bundle: Option<String>,
    pub(crate) retries: Retries,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").finish_non_exhaustive()
    }
}

/// The variables of this process that begin with `AWS_`.
pub(crate) fn of_process() -> BTreeMap<String, OsString> {
    let names = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with("AWS_").then_some((name, value))
    });
    names.collect()
}

/// Reads the variables.
///
/// # Errors
/// [`Error::Variable`]: a value that no tool accepts, or an access key ID without its secret.
pub(crate) fn read(variables: &BTreeMap<String, OsString>) -> Result<Environment, Error> {
    let variables = Variables(variables);
    let environment = Environment {
        keys: variables.keys()?,
        region: variables.first(&["AWS_REGION", "AWS_DEFAULT_REGION"])?.map(|(value, _)| value),
        profile: variables.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])?,
        ca_bundle: variables.first(&["AWS_CA_BUNDLE"])?.map(|(value, _)| value),
        retries: variables.retries()?,
    };
    variables.check_others()?;
    Ok(environment)
}

struct Variables<'a>(&'a BTreeMap<String, OsString>);

impl Variables<'_> {
    /// A value without the white space around it; `None` if nothing is left.
    fn get(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let Some(value) = value.to_str() else { return Err(refuse(name, "is not valid UTF-8")) };
        Ok(Some(value.trim()).filter(|value| !value.is_empty()).map(str::to_owned))
    }

    fn first(&self, names: &[&'static str]) -> Result<Option<(String, &'static str)>, Error> {
        for name in names {
            if let Some(value) = self.get(name)? {
                if value.contains(char::is_control) {
                    return Err(refuse(name, "contains a line break or another control character"));
                }
                return Ok(Some((value, name)));
            }
        }
        Ok(None)
    }

    fn keys(&self) -> Result<Option<KeyPair>, Error> {
        let Some(access_key_id) = self.credential("AWS_ACCESS_KEY_ID")? else { return Ok(None) };
        let secret = "AWS_SECRET_ACCESS_KEY";
        let Some(secret_access_key) = self.credential(secret)? else {
            return Err(refuse(secret, "is not set, although AWS_ACCESS_KEY_ID is"));
        };
        let session_token = self.credential("AWS_SESSION_TOKEN")?;
        Ok(Some(KeyPair { access_key_id, secret_access_key, session_token }))
    }

    fn retries(&self) -> Result<Retries, Error> {
        let (mode, attempts) = (self.get(RETRY_MODE)?, self.get(MAX_ATTEMPTS)?);
        let parsed = Retries::parse(mode.as_deref(), attempts.as_deref());
        parsed.map_err(|(field, reason)| match field {
            Field::Mode => refuse(RETRY_MODE, reason),
            Field::MaxAttempts => refuse(MAX_ATTEMPTS, reason),
        })
    }

    fn credential(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        match unusable(&value) {
            Some(reason) => Err(refuse(name, reason)),
            None => Ok(Some(value)),
        }
    }

    /// The SDK reads the others itself, so they cannot be cleaned.
    fn check_others(&self) -> Result<(), Error> {
        for (name, value) in self.0 {
            let Some(value) = value.to_str() else {
                return Err(refuse(name, "is not valid UTF-8"));
            };
            if value.trim() != value && !CLEANED.contains(&name.as_str()) {
                return Err(refuse(name, "begins or ends with white space or a line break"));
            }
            // It is sent in a header.
            if name == "AWS_EXECUTION_ENV" && !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
                return Err(refuse(name, "contains a line break or a character that is not ASCII"));
            }
            if name.starts_with("AWS_ENDPOINT_URL") {
                if value.is_empty() {
                    return Err(refuse(name, "is empty: unset it, or set a URL"));
                }
                crate::endpoint::check(value)
                    .map_err(|reason| Error::Endpoint { setting: name.clone(), reason })?;
            }
        }
        Ok(())
    }
}

const RETRY_MODE: &str = "AWS_RETRY_MODE";
const MAX_ATTEMPTS: &str = "AWS_MAX_ATTEMPTS";

const CLEANED: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CA_BUNDLE",
    RETRY_MODE,
    MAX_ATTEMPTS,
];

/// Why no request can be signed with this access key ID, secret or token.
pub(crate) fn unusable(value: &str) -> Option<&'static str> {
    let quotes = |c: char| matches!(c, '"' | '\'' | '`');
    if value.starts_with(quotes) && value.ends_with(quotes) {
        Some("is enclosed in quotation marks, which are taken as a part of it")
    } else if value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some("contains white space or a line break")
    } else if !value.is_ascii() {
        Some("contains a character that is not ASCII")
    } else {
        None
    }
}

fn refuse(name: &str, reason: &'static str) -> Error {
    Error::Variable { name: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Environment, Error> {
        read(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
    }

    #[test]
    fn white_space_around_a_value_is_no_part_of_it() {
        let read = of(&[
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE\n"),
            ("AWS_SECRET_ACCESS_KEY", " secret\r\n"),
            ("AWS_SESSION_TOKEN", "token\n\n"),
            ("AWS_REGION", "us-west-2\r"),
            ("AWS_PROFILE", "prod\n"),
        ])
        .unwrap();
        let keys = read.keys.unwrap();
        assert_eq!(keys.access_key_id, "AKIAEXAMPLE");
        assert_eq!(keys.secret_access_key, "secret");
        assert_eq!(keys.session_token.as_deref(), Some("token"));
        assert_eq!(read.region.as_deref(), Some("us-west-2"));
        assert_eq!(read.profile, Some(("prod".to_owned(), "AWS_PROFILE")));
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        let empty = of(&[
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", "\n"),
            ("AWS_REGION", " "),
            ("AWS_PROFILE", ""),
        ]);
        assert_eq!(empty.unwrap(), Environment::default());
        let older = of(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap();
        assert_eq!(older.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn a_value_that_cannot_be_used_is_refused_by_its_name_and_never_quoted() {
        let pair = |id: &'static str, secret: &'static str| {
            [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)]
        };
        for (pairs, name) in [
            (pair("AKIAHIDDEN\nX", "s"), "AWS_ACCESS_KEY_ID"),
            (pair("\"AKIAHIDDEN\"", "s"), "AWS_ACCESS_KEY_ID"),
            (pair("AKIAHIDDEN\u{a0}X", "s"), "AWS_ACCESS_KEY_ID"),
            (pair("AKIAHIDDEN\u{200b}", "s"), "AWS_ACCESS_KEY_ID"),
            (pair("AKIA", "HIDDEN HIDDEN"), "AWS_SECRET_ACCESS_KEY"),
            (pair("AKIAHIDDEN", "\n"), "AWS_SECRET_ACCESS_KEY"),
            ([("AWS_ENDPOINT_URL_S3", "http://HIDDEN\n"), ("A", "")], "AWS_ENDPOINT_URL_S3"),
            ([("AWS_ENDPOINT_URL", "https://u:HIDDEN@s3"), ("A", "")], "AWS_ENDPOINT_URL"),
            // The SDK takes it for an endpoint.
            ([("AWS_ENDPOINT_URL", ""), ("A", "")], "AWS_ENDPOINT_URL"),
            ([("AWS_CONFIG_FILE", "HIDDEN\n"), ("A", "")], "AWS_CONFIG_FILE"),
            ([("AWS_PROFILE", "HID\nDEN"), ("A", "")], "AWS_PROFILE"),
            ([("AWS_EXECUTION_ENV", "HID\nDEN"), ("A", "")], "AWS_EXECUTION_ENV"),
            ([("AWS_RETRY_MODE", "HIDDEN"), ("A", "")], "AWS_RETRY_MODE"),
            ([("AWS_MAX_ATTEMPTS", "0"), ("A", "")], "AWS_MAX_ATTEMPTS"),
        ] {
            let refused = of(&pairs).unwrap_err().to_string();
            assert!(refused.contains(name) && !refused.contains("HID"), "{refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_taken_can_be_sent_in_a_header(id in "\\PC{0,12}[\\n\\r\\t ]?", secret in ".{0,12}") {
            let read = of(&[("AWS_ACCESS_KEY_ID", &id), ("AWS_SECRET_ACCESS_KEY", &secret)]);
            if let Ok(Environment { keys: Some(keys), .. }) = read {
                proptest::prop_assert!(keys.access_key_id.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}

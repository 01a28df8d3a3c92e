//! Where a JWK Set is read from.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// Where a JWK Set is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// A file.
    File(PathBuf),
    /// An https URL.
    Url(JwksUrl),
}

/// An https URL without user information. `Display` and `Debug` omit the query, which can be a
/// signature that grants access.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksUrl(String);

impl JwksUrl {
    /// The complete URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JwksSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::File(text.into()));
        };
        let refused = |reason| Err(Error::Url { reason });
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("https") {
            return refused("its scheme is not https");
        }
        if host.contains('@') {
            return refused("it contains a user name or password");
        }
        if host.is_empty() {
            return refused("it has no host");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return refused("it contains white space");
        }
        Ok(Self::Url(JwksUrl(text.to_owned())))
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('?') {
            Some((url, _)) => write!(f, "{url}?…"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwksUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_file_or_an_https_url() {
        let read = |text: &str| text.parse::<JwksSource>();
        for file in ["keys.json", "-", "C:\\keys.json", "a:b/c"] {
            assert_eq!(read(file), Ok(JwksSource::File(file.into())));
        }
        for url in
            ["http://a/keys", "file:///keys", "https://u:p@a/keys", "https:///k", "https://a/ k"]
        {
            let error = read(url).unwrap_err();
            assert!(matches!(error, Error::Url { .. }) && !error.to_string().contains("u:p"));
        }
        let Ok(JwksSource::Url(url)) = read("https://a/keys?X-Amz-Signature=secret") else {
            unreachable!("a URL")
        };
        assert_eq!(url.to_string(), "https://a/keys?…");
        assert!(!format!("{url:?}").contains("secret"));
        assert!(url.as_str().ends_with("secret"));
    }
}

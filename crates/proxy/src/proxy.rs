//! One proxy.

use std::fmt;

use issuer_diagnostic::{Diagnostic, ErrorKind};
use url::Url;

/// An HTTP proxy. What is shown of it has neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    setting: String,
    url: Url,
}

/// A proxy that cannot be used. No message quotes the value: it can hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A SOCKS proxy.
    #[error("{setting} names a SOCKS proxy, which is not supported")]
    Socks {
        /// The environment variable, or the field of a file.
        setting: String,
    },
    /// A scheme that is written wrongly or twice, or a variable that was not expanded.
    #[error(
        "{setting} is not the URL of a proxy: its scheme is not http:// or it has a variable that was \
         not expanded"
    )]
    Placeholder {
        /// Where it is set.
        setting: String,
    },
    /// A scheme other than `http` and `https`.
    #[error("{setting} is not the URL of an HTTP proxy: it has another scheme")]
    Scheme {
        /// The environment variable, or the field of a file.
        setting: String,
    },
    /// Not a URL.
    #[error("{setting} is not a valid URL: {reason}")]
    Url {
        /// The environment variable, or the field of a file.
        setting: String,
        /// What is wrong with it.
        reason: url::ParseError,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        let (Self::Socks { setting }
        | Self::Placeholder { setting }
        | Self::Scheme { setting }
        | Self::Url { setting, .. }) = self;
        Some(format!(
            "set {setting} to an HTTP proxy, such as http://proxy.example.com:3128, or add the \
             host to NO_PROXY if it can be reached without one"
        ))
    }
}

impl Proxy {
    /// Parses the value of `setting`, an environment variable or a field. Without a scheme it is an
    /// HTTP proxy, as for curl and Go.
    ///
    /// # Errors
    /// [`Error`]: a SOCKS proxy, another scheme, or not a URL.
    pub fn parse(setting: &str, value: &str) -> Result<Self, Error> {
        let setting = setting.to_owned();
        let value = value.trim();
        let whole =
            if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        let rest = whole.split_once("://").map_or("", |(_, rest)| rest);
        // `http:/proxy` and `http://http://proxy` would be a host of that name.
        let is_scheme = ["http:/", "https:/"].iter().any(|scheme| rest.starts_with(scheme));
        // A password may have these characters.
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if is_scheme || host.contains(['$', '{', '}']) {
            return Err(Error::Placeholder { setting });
        }
        let url = match Url::parse(&whole) {
            Ok(url) => url,
            Err(reason) => return Err(Error::Url { setting, reason }),
        };
        match url.scheme() {
            "http" | "https" => Ok(Self { setting, url }),
            scheme if scheme.starts_with("socks") => Err(Error::Socks { setting }),
            _ => Err(Error::Scheme { setting }),
        }
    }

    /// The environment variable, or the field of a file, that names it.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Its URL, user and password included.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        write!(f, " ({})", self.setting)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_proxy_is_shown_without_user_and_password_and_needs_no_scheme() {
        for (value, shown) in [
            ("http://proxy.example.com:3128", "http://proxy.example.com:3128 (HTTPS_PROXY)"),
            (" proxy.example.com:3128/\n", "http://proxy.example.com:3128 (HTTPS_PROXY)"),
            ("127.0.0.2:9", "http://127.0.0.2:9 (HTTPS_PROXY)"),
            ("proxy", "http://proxy (HTTPS_PROXY)"),
            ("[fd00::1]:3128", "http://[fd00::1]:3128 (HTTPS_PROXY)"),
            ("https://user:hidden@proxy:8443", "https://proxy:8443 (HTTPS_PROXY)"),
            ("user:hidden@proxy:3128", "http://proxy:3128 (HTTPS_PROXY)"),
        ] {
            let proxy = Proxy::parse("HTTPS_PROXY", value).unwrap();
            assert_eq!(proxy.to_string(), shown);
            assert!(!format!("{proxy:?}").contains("hidden"));
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_setting() {
        for (value, says) in [
            ("socks5://user:hidden@127.0.0.1:1080", "HTTPS_PROXY names a SOCKS proxy"),
            ("socks5h://127.0.0.1:1080", "SOCKS"),
            ("SOCKS4://127.0.0.1:1080", "SOCKS"),
            ("ftp://hidden@proxy", "another scheme"),
            ("http:/127.0.0.1:3128", "not http://"),
            ("http://http://proxy:3128", "not http://"),
            ("$PROXY", "not expanded"),
            ("http://user:hidden@proxy:port", "HTTPS_PROXY is not a valid URL: invalid port"),
            ("http://", "empty host"),
        ] {
            let error = Proxy::parse("HTTPS_PROXY", value).unwrap_err();
            let text = format!("{error} {}", error.hint().unwrap());
            assert!(text.contains(says) && !text.contains("hidden"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics_or_shows_its_password(value in ".*", password in "[a-z]{12}") {
            for value in [value.clone(), format!("u:{password}@{value}"), format!("http://u:{password}@{value}")] {
                match Proxy::parse("HTTPS_PROXY", &value) {
                    Ok(proxy) if !value.contains(&format!("//{password}")) => {
                        prop_assert!(!proxy.to_string().contains(&password));
                    }
                    Ok(_) => {}
                    Err(error) => prop_assert!(!error.to_string().contains(&password)),
                }
            }
        }
    }
}

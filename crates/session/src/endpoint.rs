//! Endpoint URLs.

use aws_smithy_runtime_api::http::Request;
use url::{Host, Url};

/// Checks the endpoint URL of a service; the reason quotes nothing of it.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(text: &str) -> Result<(), &'static str> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it contains white space or a line break");
    }
    if !text.is_ascii() {
        return Err(
            "it contains a character that is not ASCII; an international domain name begins with \
                    xn--",
        );
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return Err("it has no scheme; it begins with https://");
        }
        Err(url::ParseError::InvalidPort) => return Err("its port is not a number up to 65535"),
        Err(_) => return Err("it is not a URL"),
    };
    if !matches!(url.scheme(), "http" | "https") {
        // `localhost:9000` is a URL with the scheme `localhost`.
        return Err("its scheme is not https (or http); it begins with https://");
    }
    // Browsers take them for `://`, and the SDK does not.
    let rest = text.get(url.scheme().len()..).unwrap_or_default();
    if rest.contains('\\') || !rest.starts_with("://") {
        return Err("its scheme is not followed by ://");
    }
    if rest.starts_with(":///") {
        return Err("it has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "it contains a user name or a password, which are never sent: AWS requests are \
                    signed with an access key",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment");
    }
    match url.host() {
        Some(Host::Domain("")) | None => Err("it has no host"),
        // What the SDK sends is not what browsers make of it.
        Some(_) if Request::new(()).set_uri(text).is_err() => {
            Err("it contains a character that is not allowed in a URL")
        }
        Some(_) => Ok(()),
    }
}

/// An endpoint URL in messages: scheme, host and port, since people put passwords into URLs.
#[must_use]
pub fn shown_endpoint(text: &str) -> String {
    match Url::parse(text.trim()) {
        Ok(url) => format!("{}://{}", url.scheme(), crate::http::host_of(&url)),
        Err(_) => "its endpoint".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_without_a_password() {
        for (text, shown) in [
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
            ("https://user:HIDDEN@minio.example.com/x?HIDDEN", "https://minio.example.com"),
            ("HIDDEN", "its endpoint"),
        ] {
            assert_eq!(shown_endpoint(text), shown);
        }
    }

    #[test]
    fn endpoints_are_urls_of_a_host() {
        for text in [
            "https://minio.example.com",
            "http://127.0.0.1:9000",
            "https://[::1]:9000/",
            "https://host/path",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, says) in [
            ("minio.example.com", "scheme"),
            ("localhost:9000", "scheme"),
            ("s3://bucket", "scheme"),
            ("https://user:pw@minio", "password"),
            ("https://user@minio", "user name"),
            ("https://minio\n", "line break"),
            ("https://minio:port", "port"),
            ("https://minio:99999", "port"),
            ("https://", "not a URL"),
            ("https://minio?x", "query"),
            ("http:/127.0.0.1:9", "://"),
            ("http:127.0.0.1:9", "://"),
            ("http:\\\\x", "://"),
            ("http://x\\y", "://"),
            ("http:///x", "no host"),
            ("http://\u{fc}nicode.example", "ASCII"),
            ("http://a%41b", "not allowed"),
            ("http://x/a^`<b", "not allowed"),
            ("", "scheme"),
        ] {
            let refused = check(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}

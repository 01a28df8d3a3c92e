//! Issuer URLs that all readers of a token compare as equal.

use std::fmt;

use issuer_diagnostic::{Diagnostic, ErrorKind};
/// The path of the JWK Set below the issuer URL.
pub const KEYS_NAME: &str = "keys.json";

/// The path of the discovery document below the issuer URL (OpenID Connect Discovery 1.0 section
/// 4).
pub const DISCOVERY_NAME: &str = ".well-known/openid-configuration";

/// Whether an issuer may name a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ports {
    /// No: IAM rejects a provider whose URL has one.
    #[default]
    Refuse,
    /// Yes, for readers other than AWS.
    Allow,
}

/// The `iss` of a cluster's tokens: an https URL that Kubernetes, IAM and STS compare byte for
/// byte.
///
/// OpenID Connect Discovery 1.0 section 3 (`issuer`), narrowed to what IAM's
/// `CreateOpenIDConnectProvider` and kube-apiserver's `--service-account-issuer` both accept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerUrl(String);

/// Why a text is not a valid issuer URL, which reader would break, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerUrlError {
    /// Nothing there.
    #[error(
        "the issuer is empty; kube-apiserver does not start with an empty --service-account-issuer"
    )]
    Empty,
    /// More than 255 characters.
    #[error("the issuer has {length} characters; the maximum for a provider URL in IAM is 255")]
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// White space or a control character anywhere.
    #[error(
        "the issuer {url:?} contains {}; kube-apiserver would put it into tokens unchanged, and no \
         provider in IAM matches it",
        white(*character)
    )]
    WhiteSpace {
        /// As given.
        url: String,
        /// The first such character.
        character: char,
    },
    /// `https://https://…`.
    #[error("the issuer {url:?} has its scheme twice")]
    SchemeTwice {
        /// As given.
        url: String,
    },
    /// In quotes.
    #[error("the issuer {url:?} is in quotes, which are not a part of a URL")]
    Quotes {
        /// As given.
        url: String,
    },
    /// The URL of a bucket or the ARN of a provider.
    #[error("the issuer {url:?} is {what}, not the https URL that is the iss of the tokens")]
    OtherName {
        /// As given.
        url: String,
        /// What it is.
        what: &'static str,
    },
    /// A port that is not a number from 1 to 65535.
    #[error("the issuer {url:?} has a port that is not a number from 1 to 65535")]
    InvalidPort {
        /// As given.
        url: String,
    },
    /// A comma.
    #[error(
        "the issuer {url:?} contains a comma; kube-apiserver does not split a list, so two issuers \
         joined by a comma (EKS Anywhere does this when apiServerExtraArgs sets one too) are one \
         issuer that nobody can fetch"
    )]
    Comma {
        /// As given.
        url: String,
    },
    /// A character that no URL has without percent-encoding.
    #[error(
        "the issuer {url:?} contains the character {character:?}; readers encode it differently, \
         so the iss of a token and the issuer of the document would not match byte for byte"
    )]
    Character {
        /// As given.
        url: String,
        /// The first such character.
        character: char,
    },
    /// Another scheme, or none.
    #[error(
        "the issuer {url:?} does not begin with https://; kube-apiserver then serves no discovery \
         document, and IAM refuses the provider"
    )]
    NotHttps {
        /// As given.
        url: String,
    },
    /// `$NAME`, `${NAME}`, `$(NAME)` or `{{ NAME }}`.
    #[error(
        "the issuer {url:?} contains a placeholder, a variable that was never expanded; nobody \
         could fetch its documents"
    )]
    Placeholder {
        /// As given.
        url: String,
    },
    /// The URL of one of the documents.
    #[error(
        "the issuer {url:?} ends in /{name}: that is the URL of a document of the issuer, and \
         every reader appends it once more"
    )]
    DocumentUrl {
        /// As given.
        url: String,
        /// The document's path under the issuer.
        name: &'static str,
    },
    /// A user name or password.
    #[error(
        "the issuer {url} has user information before the host; an issuer is public, and IAM \
         refuses it"
    )]
    UserInfo {
        /// As given, the user information replaced by `***`.
        url: String,
    },
    /// No host, or one that is not valid.
    #[error(
        "the issuer {url:?} has no valid host; AWS STS would have nowhere to fetch the discovery \
         document from"
    )]
    Host {
        /// As given.
        url: String,
    },
    /// Upper case in the host.
    #[error(
        "the issuer {url:?} has upper-case letters in its host; IAM and STS compare byte for \
         byte, while readers that normalize URLs write the host in lower case"
    )]
    UpperCaseHost {
        /// As given.
        url: String,
    },
    /// A port.
    #[error(
        "the issuer {url:?} has a port; IAM refuses a provider whose URL has one, and readers \
         disagree whether 443, the default, is part of the URL"
    )]
    Port {
        /// As given.
        url: String,
    },
    /// A query.
    #[error(
        "the issuer {url:?} has a query; kube-apiserver then serves no discovery document, and IAM \
         refuses the provider"
    )]
    Query {
        /// As given.
        url: String,
    },
    /// A fragment.
    #[error(
        "the issuer {url:?} has a fragment; kube-apiserver then serves no discovery document, and \
         it is never sent to a server"
    )]
    Fragment {
        /// As given.
        url: String,
    },
    /// A slash at the end.
    #[error(
        "the issuer {url:?} ends in a slash; IAM and STS compare byte for byte, and the provider, \
         the document and the tokens rarely all have it: \"No OpenIDConnect provider found in your \
         account\""
    )]
    TrailingSlash {
        /// As given.
        url: String,
    },
    /// `//` in the path.
    #[error(
        "the issuer {url:?} has a double slash in its path; web servers collapse it, so the \
         document is not found or is a different one"
    )]
    DoubledSlash {
        /// As given.
        url: String,
    },
    /// `.` or `..` as a part of the path.
    #[error(
        "the issuer {url:?} has a dot segment in its path; STS resolves it before it fetches, so \
         the document is requested from a different URL"
    )]
    DotSegment {
        /// As given.
        url: String,
    },
}

impl Diagnostic for IssuerUrlError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Port { url } if url.contains(":443") => "remove :443, the default",
            Self::Port { .. } => "serve it on port 443",
            Self::SchemeTwice { .. } => {
                "the variable in it probably has https:// already: write it once"
            }
            Self::WhiteSpace { url, .. } => return meant(url),
            Self::NotHttps { url } | Self::Quotes { url } | Self::OtherName { url, .. } => {
                return meant(url);
            }
            Self::TrailingSlash { .. } => {
                "remove the slash here, in kube-apiserver's --service-account-issuer and in IAM"
            }
            Self::Placeholder { .. } => {
                "expand the variable; a shell does so between double quotes, not between single \
                 quotes"
            }
            Self::DocumentUrl { .. } => {
                "remove the last part: the issuer is the iss of the tokens, without a document"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl IssuerUrl {
    /// Reads an issuer URL.
    ///
    /// # Errors
    /// The first rule that it violates, with the reader that would fail.
    pub fn parse(text: &str, ports: Ports) -> Result<Self, IssuerUrlError> {
        use IssuerUrlError as E;
        let url = || without_user_info(text);
        if text.is_empty() {
            return Err(E::Empty);
        }
        let length = text.chars().count();
        if length > 255 {
            return Err(E::TooLong { length });
        }
        if let Some(character) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(E::WhiteSpace { url: url(), character });
        }
        if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
            return Err(E::Quotes { url: url() });
        }
        if let Some((_, rest)) = text.split_once(':')
            && scheme_of(text).is_some()
            && scheme_of(rest.trim_start_matches('/')).is_some()
        {
            return Err(E::SchemeTwice { url: url() });
        }
        if let Some(what) = other_name(text) {
            return Err(E::OtherName { url: url(), what });
        }
        let Some(rest) = text.strip_prefix("https://") else {
            return Err(E::NotHttps { url: url() });
        };
        if text.contains(',') {
            return Err(E::Comma { url: url() });
        }
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_end);
        if authority.contains('@') {
            return Err(E::UserInfo { url: url() });
        }
        if has_placeholder(rest) {
            return Err(E::Placeholder { url: url() });
        }
        if let Some(name) =
            [DISCOVERY_NAME, KEYS_NAME].into_iter().find(|name| is_url_of(text, name))
        {
            return Err(E::DocumentUrl { url: url(), name });
        }
        if tail.contains('#') {
            return Err(E::Fragment { url: url() });
        }
        if tail.contains('?') {
            return Err(E::Query { url: url() });
        }
        let (host, port) = split_port(authority);
        if host.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(E::UpperCaseHost { url: url() });
        }
        if let Some(character) = text.chars().find(|&c| !is_url_character(c)) {
            return Err(E::Character { url: url(), character });
        }
        if let Some(digits) = port {
            // Readers omit the default port, and the texts would differ.
            if !digits.bytes().all(|b| b.is_ascii_digit())
                || !digits.parse::<u16>().is_ok_and(|port| port > 0)
            {
                return Err(E::InvalidPort { url: url() });
            }
            if ports == Ports::Refuse || digits.trim_start_matches('0') == "443" {
                return Err(E::Port { url: url() });
            }
            if !is_port(digits) {
                return Err(E::InvalidPort { url: url() });
            }
        }
        // The URL parser of browsers and of our HTTP client must find the same host.
        let parsed_host = url::Url::parse(text).ok().and_then(|u| u.host_str().map(str::to_owned));
        if host.is_empty() || parsed_host.as_deref() != Some(host) || !is_host(host) {
            return Err(E::Host { url: url() });
        }
        if tail.contains("//") {
            return Err(E::DoubledSlash { url: url() });
        }
        if tail.split('/').any(is_dot_segment) {
            return Err(E::DotSegment { url: url() });
        }
        if tail.ends_with('/') {
            return Err(E::TrailingSlash { url: url() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and path without the scheme, as IAM names the provider and as trust policies begin
    /// their condition keys.
    #[must_use]
    pub fn without_scheme(&self) -> &str {
        self.0.strip_prefix("https://").unwrap_or(&self.0)
    }

    /// The host without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.without_scheme();
        split_port(rest.split('/').next().unwrap_or(rest)).0
    }

    /// The path, empty or beginning with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        let rest = self.without_scheme();
        rest.find('/').map_or("", |at| &rest[at..])
    }

    /// The URL of a document of this issuer, such as [`KEYS_NAME`].
    #[must_use]
    pub fn document_url(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

fn white(character: char) -> String {
    match character {
        '\n' | '\r' => "a line break".to_owned(),
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        other => format!("the character U+{:04X}, which is not visible", u32::from(other)),
    }
}

/// `http` or `https` with a colon and a slash, in any letter case.
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    (is_web && rest.starts_with('/')).then_some(rest)
}

/// What else names an issuer or its bucket.
fn other_name(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("arn:") {
        return Some(if lower.contains(":oidc-provider/") {
            "the ARN of a provider"
        } else {
            "an ARN"
        });
    }
    lower.starts_with("s3:").then_some("the location of a bucket")
}

/// The issuer that was probably meant.
fn meant(url: &str) -> Option<String> {
    let text = url.trim().trim_matches(QUOTES);
    let rest = match text.split_once(":oidc-provider/") {
        Some((_, rest)) => rest,
        None => scheme_of(text).unwrap_or(text).trim_start_matches('/'),
    };
    let issuer =
        IssuerUrl::parse(&format!("https://{}", rest.trim_end_matches('/')), Ports::Refuse);
    issuer
        .ok()
        .filter(|issuer| issuer.host().contains('.'))
        .map(|issuer| format!("did you mean {issuer}?"))
}

/// Placeholders of shells, Make, Terraform and Helm. A path may contain a `$`: Azure has a
/// container `$web`.
fn has_placeholder(rest: &str) -> bool {
    let is_name =
        |after: &str| after.starts_with(|c: char| c.is_ascii_uppercase() || "_{(".contains(c));
    let host = rest.split('/').next().unwrap_or(rest);
    host.contains('$') || rest.split('$').skip(1).any(is_name) || rest.contains("{{")
}

fn is_url_of(text: &str, name: &str) -> bool {
    text.strip_suffix(name).is_some_and(|issuer| issuer.ends_with('/'))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// For messages: a name or password before the host is replaced by `***`.
pub(crate) fn without_user_info(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{tail}"),
        None => url.to_owned(),
    }
}

/// Labels of letters, digits, hyphens and underscores, or an IPv6 address.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.starts_with('[') || host.split('.').all(label)
}

/// A number as every reader writes it, without a leading zero.
fn is_port(digits: &str) -> bool {
    !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
        && digits.parse::<u16>().is_ok()
}

/// RFC 3986 section 2: unreserved, reserved, and the percent sign.
fn is_url_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        match IssuerUrl::parse(text, Ports::Refuse) {
            Ok(url) => format!("accepted {url}"),
            Err(error) => {
                format!("{error:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
            }
        }
    }

    #[test]
    fn each_broken_rule_is_refused_by_its_name() {
        let long = format!("https://example.com/{}", "a".repeat(236));
        for (text, rule) in [
            ("", "Empty"),
            (long.as_str(), "TooLong"),
            ("https://example.com/a b", "WhiteSpace"),
            (" https://example.com", "WhiteSpace"),
            ("https://example.com\n", "WhiteSpace"),
            ("https://a.example,https://b.example", "Comma"),
            ("https://example.com/a,b", "Comma"),
            ("https://example.com/\u{fc}", "Character"),
            ("https://b\u{fc}cher.example", "Character"),
            ("https://example.com/<x>", "Character"),
            ("http://example.com", "NotHttps"),
            ("HTTPS://example.com", "NotHttps"),
            ("example.com/demo", "NotHttps"),
            ("kubernetes/serviceaccount", "NotHttps"),
            ("https://user:pw@example.com/demo", "UserInfo"),
            ("https://https://example.com", "SchemeTwice"),
            ("https://http://example.com", "SchemeTwice"),
            ("https://HTTPS:/example.com", "SchemeTwice"),
            ("http://https://example.com", "SchemeTwice"),
            ("https:https://example.com", "NotHttps"),
            ("\"https://example.com\"", "Quotes"),
            ("'https://example.com", "Quotes"),
            ("https:/example.com", "NotHttps"),
            ("s3://my-oidc/prod", "OtherName"),
            ("arn:aws:iam::111122223333:oidc-provider/example.com", "OtherName"),
            ("https://example.com:", "InvalidPort"),
            ("https://example.com:http/demo", "InvalidPort"),
            ("https://example.com:70000", "InvalidPort"),
            ("https://example.com:0", "InvalidPort"),
            ("https://", "Host"),
            ("https:///demo", "Host"),
            ("https://exa[mple.com", "Host"),
            ("https://Example.com/demo", "UpperCaseHost"),
            ("https://example.com:8443/demo", "Port"),
            ("https://example.com:443", "Port"),
            ("https://example.com/demo?x=1", "Query"),
            ("https://example.com/demo?", "Query"),
            ("https://example.com/demo#frag", "Fragment"),
            ("https://example.com/demo#", "Fragment"),
            ("https://$BUCKET.s3.amazonaws.com", "Placeholder"),
            ("https://$bucket.s3.amazonaws.com", "Placeholder"),
            ("https://example.com/${CLUSTER}", "Placeholder"),
            ("https://example.com/{{cluster}}", "Placeholder"),
            ("https://example.com/demo/.well-known/openid-configuration", "DocumentUrl"),
            ("https://example.com/keys.json", "DocumentUrl"),
            ("https://example.com/", "TrailingSlash"),
            ("https://example.com/demo/", "TrailingSlash"),
            ("https://example.com//demo", "DoubledSlash"),
            ("https://example.com/demo//", "DoubledSlash"),
            ("https://example.com/demo/../x", "DotSegment"),
            ("https://example.com/./x", "DotSegment"),
            ("https://example.com/%2E%2e/x", "DotSegment"),
            ("https://example.com/..", "DotSegment"),
        ] {
            assert_eq!(refused(text), rule, "{text:?}");
        }
    }

    #[test]
    fn a_password_is_not_repeated_in_the_error() {
        for text in [
            "https://user:hunter2@example.com",
            "http://user:hunter2@example.com",
            "https://user:hunter2@example.com,https://b.example",
            "https://user:hunter2@EXAMPLE.com/ x",
        ] {
            let error = IssuerUrl::parse(text, Ports::Refuse).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("user:"), "{error}");
        }
    }

    #[test]
    fn a_port_is_taken_only_when_allowed_and_written_as_readers_write_it() {
        let parse = |text| IssuerUrl::parse(text, Ports::Allow);
        assert_eq!(parse("https://localhost:9000/demo").unwrap().host(), "localhost");
        assert_eq!(parse("https://[::1]:9000").unwrap().host(), "[::1]");
        for text in ["https://h:443", "https://h:0443/a"] {
            assert!(matches!(parse(text), Err(IssuerUrlError::Port { .. })), "{text}");
        }
        for host in ["a..b", ".a", "a.", "-a.b", "a-.b"] {
            assert!(
                matches!(
                    IssuerUrl::parse(&format!("https://{host}/x"), Ports::Allow),
                    Err(IssuerUrlError::Host { .. })
                ),
                "{host}"
            );
        }
        for text in ["https://h:09", "https://h:", "https://h:x", "https://h:70000"] {
            assert!(matches!(parse(text), Err(IssuerUrlError::InvalidPort { .. })), "{text}");
        }
    }

    #[test]
    fn the_issuer_that_was_meant_is_named() {
        for (text, meant) in [
            ("https://example.com/demo\n", Some("https://example.com/demo")),
            ("http://example.com/demo/", Some("https://example.com/demo")),
            ("https:/example.com/demo", Some("https://example.com/demo")),
            ("example.com/demo", Some("https://example.com/demo")),
            ("\"https://example.com\"", Some("https://example.com")),
            (
                "arn:aws:iam::111122223333:oidc-provider/example.com/demo",
                Some("https://example.com/demo"),
            ),
            ("s3://my-oidc/prod", None),
            ("kubernetes/serviceaccount", None),
            ("https://example.com\nhttps://b.example", None),
        ] {
            let hint = IssuerUrl::parse(text, Ports::Refuse).unwrap_err().hint();
            assert_eq!(hint, meant.map(|meant| format!("did you mean {meant}?")), "{text:?}");
        }
    }

    #[test]
    fn the_parts_are_those_that_iam_and_policies_name() {
        let url =
            IssuerUrl::parse("https://b.s3.us-west-2.amazonaws.com/prod", Ports::Refuse).unwrap();
        assert_eq!(url.without_scheme(), "b.s3.us-west-2.amazonaws.com/prod");
        assert_eq!(url.host(), "b.s3.us-west-2.amazonaws.com");
        assert_eq!(url.path(), "/prod");
        assert_eq!(
            url.document_url(KEYS_NAME),
            "https://b.s3.us-west-2.amazonaws.com/prod/keys.json"
        );
        assert_eq!(IssuerUrl::parse("https://h.example", Ports::Refuse).unwrap().path(), "");
        assert_eq!(
            IssuerUrl::parse("https://h.example/$web/my-keys.json", Ports::Refuse).unwrap().path(),
            "/$web/my-keys.json"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,300}") {
            let _ = IssuerUrl::parse(&text, Ports::Allow);
        }

        #[test]
        fn what_is_accepted_is_what_a_url_parser_sees(text in "https://[a-zA-Z0-9.:@\\[\\]-]{1,20}(/[a-z.%2eE/?#-]{0,12})?") {
            if let Ok(issuer) = IssuerUrl::parse(&text, Ports::Allow) {
                let parsed = url::Url::parse(&text).unwrap();
                prop_assert_eq!(issuer.as_str(), &text);
                prop_assert_eq!(parsed.host_str().unwrap(), issuer.host());
                prop_assert_eq!(parsed.path().trim_end_matches('/'), issuer.path());
                prop_assert!(parsed.query().is_none() && parsed.fragment().is_none() && parsed.username().is_empty());
            }
        }
    }
}

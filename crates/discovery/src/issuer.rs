//! Issuer URLs that all readers of a token compare as equal.

use std::fmt;

use issuer_diagnostic::{Diagnostic, ErrorKind};

use crate::grammar::{
    has_placeholder, is_dot_segment, is_host, is_port, is_url_character, is_url_of, other_name,
    scheme_of, split_port, white, without_user_info,
};
use crate::storage::{Elsewhere, elsewhere};

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
    /// A host that serves no objects to anonymous readers: a web console, the website endpoint of a
    /// bucket, an access point.
    #[error("the issuer {url:?} is {what}; AWS STS could not fetch the discovery document")]
    NotObjects {
        /// As given.
        url: String,
        /// What it is.
        what: &'static str,
        /// The URL that was probably meant.
        meant: Option<String>,
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
            Self::NotObjects { meant: Some(meant), .. } => {
                return Some(format!("did you mean {meant}?"));
            }
            Self::NotObjects { .. } => {
                "the URL of the objects of a bucket is https://BUCKET.s3.REGION.amazonaws.com/PREFIX"
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
        if let Some(Elsewhere { what, meant }) = elsewhere(split_port(authority).0, tail) {
            return Err(E::NotObjects { url: url(), what, meant });
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

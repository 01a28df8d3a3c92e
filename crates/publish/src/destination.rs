//! What people write for the place of a site: a folder, a bucket, and the forms in which other
//! tools name a bucket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use issuer_discovery::{DISCOVERY_NAME, IssuerUrl, KEYS_NAME};

use crate::address::{self, location};
use crate::other_store::{self, Host};
use crate::{Error, S3Location};

/// Where a site is to be published: a folder, or `s3://BUCKET[/PREFIX]`.
///
/// Other forms of a bucket's address are not valid: taken as the name of a folder, the site would
/// be written to this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    S3(S3Location),
}

/// Form of a destination that is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DestinationFault {
    /// Nothing, or only white space.
    Empty,
    /// White space at an end, or a line break or another control character.
    WhiteSpace,
    /// Characters that only look like those of a URL.
    Lookalike,
    /// In quotes.
    Quotes,
    /// `-`, which means standard output elsewhere.
    Dash,
    /// `~`, `$NAME` or another variable that was not expanded.
    Unexpanded,
    /// `s3:` in another form than `s3://`.
    S3Scheme,
    /// `s3://` after other text.
    S3Within,
    /// An ARN.
    Arn,
    /// The ARN of an access point.
    AccessPoint,
    /// The https URL or the host name of a bucket.
    BucketUrl,
    /// The host and the port of a server.
    Endpoint,
    /// A user name and a host, or a host and a path on it.
    Remote,
    /// Any other https URL.
    WebUrl,
    /// A `file:` URL.
    FileUrl,
    /// A URL with any other scheme.
    OtherUrl,
    /// The host name of another store with the API of S3.
    OtherStore,
    /// The host name of a store with an API of its own.
    ForeignStore,
    /// The host name of a web site or a CDN.
    WebHost,
    /// The issuer URL, without its scheme.
    IssuerHost,
    /// One of the two documents, or the folder of one.
    Document,
    /// Two slashes at the beginning.
    TwoSlashes,
    /// A path with a drive or backslashes, where the system is not Windows.
    WindowsPath,
}

impl fmt::Display for DestinationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::WhiteSpace => {
                "has white space at an end, or a line break or another control character"
            }
            Self::Lookalike => "has characters that only look like those of a URL",
            Self::Quotes => "is in quotes",
            Self::Dash => "is `-`, and two documents cannot be written to standard output",
            Self::Unexpanded => "has a `~`, a variable or a placeholder that was not expanded",
            Self::S3Scheme => "begins with s3 in another form than s3://",
            Self::S3Within => "has s3:// after other text",
            Self::Arn => "is an ARN",
            Self::AccessPoint => {
                "is the ARN of an access point, which anonymous readers cannot use"
            }
            Self::BucketUrl => "is the URL or the host name of a bucket",
            Self::Endpoint => "is the host and port of a server",
            Self::Remote => "names another machine",
            Self::WebUrl => "is a URL",
            Self::FileUrl => "is a file URL",
            Self::OtherUrl => "is a URL with a scheme other than s3",
            Self::OtherStore => "is in an object store other than Amazon S3",
            Self::ForeignStore => "is in an object store without the API of S3",
            Self::WebHost => "is the host name of a web site or a CDN, not of the store behind it",
            Self::IssuerHost => {
                "is the issuer URL without https://, not the place of its documents"
            }
            Self::Document => "is the place of a document, not of the folder that both are in",
            Self::TwoSlashes => "begins with two slashes",
            Self::WindowsPath => "is a path of Windows, and this is another system",
        })
    }
}

impl FromStr for Destination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        use DestinationFault as F;
        let wrong = |fault, meant| Err(Error::Destination { fault, meant, endpoint: None });
        let valid = |text: &str| text.parse::<Self>().ok().map(|valid| valid.to_string());
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return wrong(F::Empty, None);
        }
        if trimmed != text || text.contains(char::is_control) {
            // One within it stays there.
            let meant = if trimmed == text { None } else { valid(trimmed) };
            return wrong(F::WhiteSpace, meant);
        }
        if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
            return wrong(F::Quotes, valid(text.trim_matches(QUOTES)));
        }
        if text == "-" {
            return wrong(F::Dash, None);
        }
        if let Some(folder) = of_document(text) {
            return wrong(F::Document, valid(folder));
        }
        if !cfg!(windows) && is_of_windows(text) {
            let relative = text.starts_with('.').then(|| text.replace('\\', "/"));
            return wrong(F::WindowsPath, relative.and_then(|path| valid(&path)));
        }
        if let Some(rest) = text.strip_prefix("//").filter(|_| !cfg!(windows)) {
            return wrong(F::TwoSlashes, location(rest.trim_start_matches('/')));
        }
        if is_path(text) {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let plain = address::plain(text);
        if plain != text {
            match plain.parse() {
                Ok(Self::S3(location)) => return wrong(F::Lookalike, Some(location.to_string())),
                Err(Error::Destination { meant, .. }) => {
                    return wrong(F::Lookalike, meant.and_then(|meant| valid(&meant)));
                }
                Ok(Self::Folder(_)) | Err(_) => {}
            }
        }
        if is_unexpanded(text) {
            return wrong(F::Unexpanded, None);
        }
        match other_store::of(text) {
            Some(Host::Compatible { endpoint, place }) => {
                let (fault, meant) = (F::OtherStore, location(&place));
                return Err(Error::Destination { fault, meant, endpoint: Some(endpoint) });
            }
            Some(Host::Other) => return wrong(F::ForeignStore, None),
            Some(Host::Web) => return wrong(F::WebHost, None),
            None => {}
        }
        if let Some((_, rest)) = text.rsplit_once("s3://").filter(|(before, _)| !before.is_empty())
        {
            return wrong(
                F::S3Within,
                location(rest.split_whitespace().next().unwrap_or_default()),
            );
        }
        match text.strip_prefix("s3://") {
            Some(rest) => match of_bucket(rest) {
                Some((fault, meant)) => wrong(fault, meant),
                None => text.parse().map(Self::S3),
            },
            None => match other_form(text) {
                Some((fault, meant)) => wrong(fault, meant),
                None => Ok(Self::Folder(PathBuf::from(text))),
            },
        }
    }
}

impl Destination {
    /// Refuses a folder whose name is the host of the issuer, with or without its path.
    ///
    /// # Errors
    /// [`Error::Destination`].
    pub fn refuse_issuer(&self, issuer: &IssuerUrl) -> Result<(), Error> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let first = folder.components().next().map(|part| part.as_os_str().to_string_lossy());
        let host = issuer.as_str().strip_prefix("https://").unwrap_or(issuer.as_str());
        let host = host.split(['/', ':']).next().unwrap_or(host);
        match first.is_some_and(|first| first.eq_ignore_ascii_case(host)) {
            true => {
                let (fault, meant) = (DestinationFault::IssuerHost, None);
                Err(Error::Destination { fault, meant, endpoint: None })
            }
            false => Ok(()),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::S3(location) => write!(f, "{location}"),
        }
    }
}

impl S3Location {
    /// The bucket and prefix of a URL of S3, virtual-hosted or path-style (S3 user guide, "Virtual
    /// hosting of general purpose buckets"), of a website endpoint or of the console; the scheme may
    /// be missing. `None` for any other text.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        address::of_url(url)
    }
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// Whether a text is the path of a folder by its first characters, whatever follows.
fn is_path(text: &str) -> bool {
    ["./", "../", "/", ".\\", "..\\"].iter().any(|start| text.starts_with(start))
        && !text.contains("s3://")
        || matches!(text.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic())
}

/// The folder that the documents are in, for the place of one of them.
fn of_document(text: &str) -> Option<&str> {
    let path = text.trim_end_matches('/');
    if path.contains(['?', '#']) {
        return None;
    }
    let names = [DISCOVERY_NAME, ".well-known", KEYS_NAME].into_iter();
    let folder = names.filter_map(|name| path.strip_suffix(name)).next()?;
    match folder {
        "" => Some("."),
        "/" => Some("/"),
        _ => folder.strip_suffix('/'),
    }
}

fn is_of_windows(text: &str) -> bool {
    matches!(text.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic())
        || ["\\", ".\\", "..\\"].iter().any(|start| text.starts_with(start))
}

/// Variables of shells, also of Windows, and placeholders. A folder may be called `a$b`.
fn is_unexpanded(text: &str) -> bool {
    let is_name = |after: &str| {
        after.starts_with(|c: char| c.is_ascii_uppercase() || matches!(c, '_' | '{' | '('))
    };
    let windows = |text: &str| {
        let name = text.split_once('%').and_then(|(_, rest)| rest.split_once('%'));
        name.is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(is_of_name))
    };
    text.starts_with(['~', '$'])
        || text.split('$').skip(1).any(is_name)
        || text.starts_with("s3://$")
        || text.contains("{{")
        || text.split('/').any(is_placeholder)
        || windows(text)
}

/// `<NAME>` or `{NAME}`.
fn is_placeholder(part: &str) -> bool {
    let within = |open, close| {
        let name = part.split_once(open).and_then(|(_, rest)| rest.split_once(close));
        name.is_some_and(|(name, _)| !name.is_empty())
    };
    within('<', '>') || within('{', '}')
}

/// Letters of a variable, at the beginning of which no digit is expected: `%20` is none.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// What is wrong with what follows `s3://`, if it is the address of a bucket in another form.
fn of_bucket(rest: &str) -> Option<(DestinationFault, Option<String>)> {
    use DestinationFault as F;
    if rest.starts_with(['/', '\\']) {
        return Some((F::S3Scheme, location(&slashes(rest))));
    }
    if let Some(bucket) = address::of_url(rest) {
        return Some((F::BucketUrl, Some(bucket.to_string())));
    }
    match scheme(rest) {
        Some((scheme, rest)) if scheme == "arn" => Some(of_arn(rest)),
        scheme => {
            let rest = scheme.map_or(rest, |(_, rest)| rest.trim_start_matches('/'));
            address::endpoint(rest).map(|path| (F::Endpoint, location(path)))
        }
    }
}

/// What a text is that is neither a folder nor begins with `s3://`.
fn other_form(text: &str) -> Option<(DestinationFault, Option<String>)> {
    use DestinationFault as F;
    if let Some(rest) = address::like_s3(text) {
        return Some((F::S3Scheme, location(&slashes(rest))));
    }
    if let Some((scheme, rest)) = scheme(text) {
        return Some(match scheme.as_str() {
            "arn" => of_arn(rest),
            "s3" | "s3a" | "s3n" => (F::S3Scheme, location(&slashes(rest))),
            "http" | "https" => match address::of_url(rest) {
                Some(bucket) => (F::BucketUrl, Some(bucket.to_string())),
                None => match address::endpoint(rest.trim_start_matches('/')) {
                    Some(path) => (F::Endpoint, location(path)),
                    None => (F::WebUrl, None),
                },
            },
            "file" => (F::FileUrl, Some(address::file(rest).to_owned())),
            _ => (F::OtherUrl, None),
        });
    }
    if let Some(bucket) = address::of_url(text) {
        return Some((F::BucketUrl, Some(bucket.to_string())));
    }
    if let Some(path) = address::endpoint(text) {
        return Some((F::Endpoint, location(path)));
    }
    if address::is_remote(text) {
        return Some((F::Remote, None));
    }
    text.contains("://").then_some((F::OtherUrl, None))
}

fn of_arn(rest: &str) -> (DestinationFault, Option<String>) {
    match address::is_access_point(rest) {
        true => (DestinationFault::AccessPoint, None),
        false => (DestinationFault::Arn, address::arn(rest)),
    }
}

/// What follows a scheme, with slashes instead of those of Windows.
fn slashes(rest: &str) -> String {
    rest.replace('\\', "/").trim_start_matches('/').to_owned()
}

/// Scheme in lower case, and the rest. A single letter is a drive of Windows; a name with a colon
/// but no slash after it may be a folder. A known scheme may lack its colon.
fn scheme(text: &str) -> Option<(String, &str)> {
    const KNOWN: [&str; 8] = ["arn", "s3", "s3a", "s3n", "http", "https", "file", "gs"];
    let lower = text.to_ascii_lowercase();
    let bare = KNOWN
        .iter()
        .find(|known| lower.strip_prefix(**known).is_some_and(|rest| rest.starts_with("//")));
    if let Some(known) = bare {
        return Some(((*known).to_owned(), &text[known.len()..]));
    }
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-".contains(&b));
    let known = KNOWN.contains(&scheme.as_str());
    (is_scheme && (known || rest.starts_with('/'))).then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        text.parse::<Destination>().map(|valid| valid.to_string()).map_err(|error| match error {
            Error::Destination { fault, meant, endpoint } => {
                let endpoint = endpoint.map(|url| format!(" at {url}")).unwrap_or_default();
                let meant = meant.unwrap_or_default();
                format!("{fault:?} {meant}{endpoint}").trim_end().to_owned()
            }
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn an_address_of_a_bucket_is_not_taken_as_the_name_of_a_folder() {
        let host = "my-oidc.s3.us-west-2.amazonaws.com";
        for (text, refused) in [
            ("", "Empty"),
            (" \n", "Empty"),
            ("-", "Dash"),
            ("~/site", "Unexpanded"),
            ("$BUCKET/prod", "Unexpanded"),
            ("s3://$BUCKET/prod", "Unexpanded"),
            ("s3://my-oidc/${CLUSTER}", "Unexpanded"),
            ("site/{{ cluster }}", "Unexpanded"),
            ("%BUCKET%/prod", "Unexpanded"),
            ("s3://%BUCKET%", "Unexpanded"),
            ("s3://my-oidc/prod\n", "WhiteSpace s3://my-oidc/prod"),
            (" site", "WhiteSpace site"),
            ("\"s3://my-oidc\"", "Quotes s3://my-oidc"),
            ("S3://my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("s3:/my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("s3:my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("s3:///my-oidc", "S3Scheme s3://my-oidc"),
            ("s3//my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("S3//my-oidc", "S3Scheme s3://my-oidc"),
            ("s3;//my-oidc", "S3Scheme s3://my-oidc"),
            ("s3 ://my-oidc", "S3Scheme s3://my-oidc"),
            ("s3.//my-oidc", "S3Scheme s3://my-oidc"),
            ("s3:\\\\my-oidc\\prod", "S3Scheme s3://my-oidc/prod"),
            ("s3\u{ff1a}//my-oidc", "Lookalike s3://my-oidc"),
            ("s3:\u{ff0f}\u{ff0f}my-oidc", "Lookalike s3://my-oidc"),
            ("s3://my\u{2013}oidc", "Lookalike s3://my-oidc"),
            ("\u{200b}s3://my-oidc", "Lookalike s3://my-oidc"),
            ("aws s3://my-oidc/prod", "S3Within s3://my-oidc/prod"),
            ("--to=s3://my-oidc", "S3Within s3://my-oidc"),
            ("s3://s3://my-oidc", "S3Within s3://my-oidc"),
            ("./s3://my-oidc", "S3Within s3://my-oidc"),
            ("site s3://my-oidc more", "S3Within s3://my-oidc"),
            (&format!("s3://{host}/prod"), "BucketUrl s3://my-oidc/prod"),
            ("s3://s3.us-west-2.amazonaws.com/my-oidc/prod", "BucketUrl s3://my-oidc/prod"),
            ("s3://https://my-oidc.s3.amazonaws.com", "BucketUrl s3://my-oidc"),
            ("s3://arn:aws:s3:::my-oidc/prod", "Arn s3://my-oidc/prod"),
            ("s3://minio.example.com:9000/my-oidc/prod", "Endpoint s3://my-oidc/prod"),
            ("localhost:9000/my-oidc", "Endpoint s3://my-oidc"),
            ("localhost:9000", "Endpoint"),
            ("127.0.0.1:9000/my-oidc/prod", "Endpoint s3://my-oidc/prod"),
            ("[::1]:9000/my-oidc", "Endpoint s3://my-oidc"),
            ("minio:9000/my-oidc", "Endpoint s3://my-oidc"),
            ("minio.example.com:9000", "Endpoint"),
            ("http://localhost:9000/my-oidc/prod", "Endpoint s3://my-oidc/prod"),
            ("https//minio.example.com:9000/my-oidc", "Endpoint s3://my-oidc"),
            ("user@host:/srv/site", "Remote"),
            ("user@host:site", "Remote"),
            ("u:p@host:1/x", "Remote"),
            ("u:p@host/x", "Remote"),
            ("www.example.com:/srv/site", "Remote"),
            ("www.example.com:site", "Remote"),
            ("backup:/srv/site", "OtherUrl"),
            ("a b://c", "OtherUrl"),
            ("s3a://my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("arn:aws:s3:::my-oidc/prod", "Arn s3://my-oidc/prod"),
            ("arn:aws-cn:s3:::my-oidc/prod/*", "Arn s3://my-oidc/prod"),
            ("arn:aws:s3:us-west-2:111122223333:accesspoint/x", "AccessPoint"),
            ("arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/x", "AccessPoint"),
            ("ARN:aws:iam::111122223333:role/x", "Arn"),
            (&format!("https://{host}/prod"), "BucketUrl s3://my-oidc/prod"),
            (&format!("https:/{host}/prod"), "BucketUrl s3://my-oidc/prod"),
            (&format!("{host}/prod"), "BucketUrl s3://my-oidc/prod"),
            (host, "BucketUrl s3://my-oidc"),
            (&format!("HTTPS://u:p@{host}:443/prod/keys.json?X=1"), "BucketUrl s3://my-oidc/prod"),
            ("https://s3.us-west-2.amazonaws.com/my-oidc/prod/", "BucketUrl s3://my-oidc/prod"),
            ("https://my-oidc.s3-us-west-2.amazonaws.com", "BucketUrl s3://my-oidc"),
            ("my.oidc.s3.amazonaws.com", "BucketUrl s3://my.oidc"),
            ("http://my-oidc.s3-website-us-west-2.amazonaws.com", "BucketUrl s3://my-oidc"),
            ("https://my-oidc.s3.dualstack.eu-west-1.amazonaws.com/a", "BucketUrl s3://my-oidc/a"),
            ("https://my-oidc.s3.cn-north-1.amazonaws.com.cn", "BucketUrl s3://my-oidc"),
            (
                "https://us-west-2.console.aws.amazon.com/s3/buckets/my-oidc?region=x&prefix=a%2Fb/",
                "BucketUrl s3://my-oidc/a/b",
            ),
            (
                "https://s3.console.aws.amazon.com/s3/object/my-oidc?prefix=prod/keys.json",
                "BucketUrl s3://my-oidc/prod",
            ),
            ("https://oidc.example.com/prod", "WebUrl"),
            ("https//oidc.example.com/prod", "WebUrl"),
            ("gs//bucket/prod", "OtherStore s3://bucket/prod at https://storage.googleapis.com"),
            ("https:/x", "WebUrl"),
            ("file:///srv/site", "FileUrl /srv/site"),
            ("file://localhost/srv/site", "FileUrl /srv/site"),
            ("file:site", "FileUrl site"),
            ("gs://bucket/prod", "OtherStore s3://bucket/prod at https://storage.googleapis.com"),
            (
                "my-oidc.storage.googleapis.com",
                "OtherStore s3://my-oidc at https://storage.googleapis.com",
            ),
            (
                "https://storage.googleapis.com/my-oidc",
                "OtherStore s3://my-oidc at https://storage.googleapis.com",
            ),
            (
                "s3://my-oidc.nyc3.digitaloceanspaces.com/prod",
                "OtherStore s3://my-oidc/prod at https://nyc3.digitaloceanspaces.com",
            ),
            (
                "acct.r2.cloudflarestorage.com/bucket",
                "OtherStore s3://bucket at https://acct.r2.cloudflarestorage.com",
            ),
            ("acct.blob.core.windows.net/c", "ForeignStore"),
            ("https://acct.blob.core.windows.net/c", "ForeignStore"),
            ("d111.cloudfront.net/prod", "WebHost"),
            ("https://d111.cloudfront.net/prod", "WebHost"),
            ("example.github.io", "WebHost"),
            ("<bucket>/prod", "Unexpanded"),
            ("s3://<bucket>/prod", "Unexpanded"),
            ("s3://my-oidc/<cluster>", "Unexpanded"),
            ("{bucket}/prod", "Unexpanded"),
            ("//my-oidc/prod", "TwoSlashes s3://my-oidc/prod"),
            ("s3://b42/p/keys.json", "Document s3://b42/p"),
            ("s3://b42/keys.json", "Document s3://b42"),
            ("s3://b42/p/.well-known/openid-configuration", "Document s3://b42/p"),
            ("s3://b42/p/.well-known/", "Document s3://b42/p"),
            ("site/keys.json", "Document site"),
            ("./site/keys.json", "Document ./site"),
            ("/keys.json", "Document /"),
            ("keys.json", "Document ."),
            ("ftp:/host/x", "OtherUrl"),
            ("s3://my\u{1}oidc", "WhiteSpace"),
            (" s3://my-oidc\n", "WhiteSpace s3://my-oidc"),
        ] {
            let found = parse(text).expect_err(text);
            assert_eq!(found, refused, "{text}");
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(!error.contains("p@host"), "{error}");
        }
    }

    #[test]
    fn a_folder_may_have_any_other_name() {
        for text in [
            "site",
            "./my-oidc/prod",
            "/srv/www",
            "out/site.v2",
            "deploy/oidc.example.com",
            "my-keys.json",
            "a:b",
            "s3",
            "arn",
            "a b/c",
            "oidc.example.com/site",
            "s3.example.com",
            "2026-11-25T10:00",
            "./~x",
            "x@y",
            "x@y/z",
            "out",
            "a/b",
            "../site",
            "/srv/$x/${Y}",
            "./localhost:9000",
            "./user@host:x",
            "s3-site",
            "s3/site",
            "s3x//site",
            "2026-11-25T10:30/site",
            "a$b",
            "100%",
            "50% of 100%/x",
            "日本\u{ff1a}x",
            "prod–eu",
        ] {
            assert_eq!(parse(text), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_path_of_windows_is_a_folder_there_and_nowhere_else() {
        for text in ["C:\\site", "C:/site", ".\\site", "\\\\server\\share"] {
            match cfg!(windows) {
                true => assert_eq!(parse(text), Ok(text.to_owned()), "{text}"),
                false => assert!(parse(text).unwrap_err().starts_with("WindowsPath"), "{text}"),
            }
        }
    }

    #[test]
    fn the_issuer_without_its_scheme_is_not_a_folder() {
        let ports = issuer_discovery::Ports::Allow;
        let issuer = IssuerUrl::parse("https://oidc.example.com/demo", ports).unwrap();
        let refused =
            |text: &str| text.parse::<Destination>().unwrap().refuse_issuer(&issuer).is_err();
        for text in ["oidc.example.com/demo", "oidc.example.com", "OIDC.example.com/x"] {
            assert!(refused(text), "{text}");
        }
        for text in
            ["./oidc.example.com", "deploy/oidc.example.com", "site", "s3://oidc.example.com"]
        {
            assert!(!refused(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_relative_path_of_plain_names_is_a_folder(text in "[a-zA-Z_][a-zA-Z0-9_-]{0,8}(/[a-zA-Z_][a-zA-Z0-9_-]{0,8}){0,3}") {
            prop_assert_eq!(parse(&text), Ok(text));
        }

        #[test]
        fn no_text_panics_and_what_was_meant_is_valid(text in "(s3|S3|arn:aws:s3::|https|file)?[:;\u{ff1a}]?[/\\\\]{0,3}[a-zA-Z0-9.:/@?#%~$\" \u{1}\n-]{0,40}|.{0,40}") {
            match text.parse::<Destination>() {
                Ok(valid) => prop_assert_eq!(valid.to_string(), text),
                Err(Error::Destination { meant: Some(meant), fault, .. }) => {
                    prop_assert!(fault == DestinationFault::FileUrl || meant.parse::<Destination>().is_ok(), "{}", meant);
                }
                Err(_) => {}
            }
        }
    }
}

//! What people write for the place of a site: a folder, a bucket, and the forms in which other
//! tools name a bucket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};

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
    /// White space at an end, or a line break.
    WhiteSpace,
    /// In quotes.
    Quotes,
    /// `-`, which means standard output elsewhere.
    Dash,
    /// `~` or `$NAME`, which the shell did not expand.
    Unexpanded,
    /// `s3:` in another form than `s3://`.
    S3Scheme,
    /// An ARN.
    Arn,
    /// The https URL or the host name of a bucket.
    BucketUrl,
    /// Any other https URL.
    WebUrl,
    /// A `file:` URL.
    FileUrl,
    /// A URL with any other scheme.
    OtherUrl,
}

impl fmt::Display for DestinationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::WhiteSpace => "has white space at an end, or a line break",
            Self::Quotes => "is in quotes",
            Self::Dash => "is `-`, and two documents cannot be written to standard output",
            Self::Unexpanded => "has a `~` or a variable that the shell did not expand",
            Self::S3Scheme => "begins with s3 in another form than s3://",
            Self::Arn => "is an ARN",
            Self::BucketUrl => "is the URL or the host name of a bucket",
            Self::WebUrl => "is a URL",
            Self::FileUrl => "is a file URL",
            Self::OtherUrl => "is a URL with a scheme other than s3",
        })
    }
}

impl FromStr for Destination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        use DestinationFault as F;
        let wrong = |fault, meant| Err(Error::Destination { fault, meant });
        let valid = |text: &str| text.parse::<Self>().ok().map(|valid| valid.to_string());
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return wrong(F::Empty, None);
        }
        if trimmed != text || text.contains(char::is_control) {
            return wrong(F::WhiteSpace, valid(trimmed));
        }
        if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
            return wrong(F::Quotes, valid(text.trim_matches(QUOTES)));
        }
        if text == "-" {
            return wrong(F::Dash, None);
        }
        if text.starts_with("s3://") {
            return text.parse().map(Self::S3);
        }
        if text.starts_with(['~', '$']) {
            return wrong(F::Unexpanded, None);
        }
        if let Some((scheme, rest)) = scheme(text) {
            return match scheme.as_str() {
                "arn" => wrong(F::Arn, arn(rest)),
                "s3" | "s3a" | "s3n" => wrong(F::S3Scheme, location(rest.trim_start_matches('/'))),
                "http" | "https" => {
                    let bucket = of_url(text).map(|bucket| bucket.to_string());
                    wrong(if bucket.is_some() { F::BucketUrl } else { F::WebUrl }, bucket)
                }
                "file" => wrong(F::FileUrl, Some(file(rest).to_owned())),
                _ => wrong(F::OtherUrl, None),
            };
        }
        if let Some(bucket) = of_url(text) {
            return wrong(F::BucketUrl, Some(bucket.to_string()));
        }
        Ok(Self::Folder(PathBuf::from(text)))
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
        of_url(url)
    }
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// Scheme in lower case, and the rest. A single letter is a drive of Windows; a name with a colon
/// but no slash after it may be a folder.
fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let known = ["arn", "s3", "s3a", "s3n", "http", "https", "file"].contains(&scheme.as_str());
    (is_scheme && (known || rest.starts_with('/'))).then_some((scheme, rest))
}

/// `aws:s3:::BUCKET[/PREFIX]`, also in other partitions, also with the `/*` of a policy.
fn arn(rest: &str) -> Option<String> {
    let mut fields = rest.splitn(5, ':');
    let (_, service) = (fields.next()?, fields.next()?);
    let (region, account, resource) = (fields.next()?, fields.next()?, fields.next()?);
    let of_bucket = service == "s3" && region.is_empty() && account.is_empty();
    location(resource.trim_end_matches(['*', '/'])).filter(|_| of_bucket)
}

/// The path of a file URL (RFC 8089).
fn file(rest: &str) -> &str {
    match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    }
}

/// As `s3://BUCKET[/PREFIX]`, if it is valid.
fn location(bucket_and_prefix: &str) -> Option<String> {
    parsed(bucket_and_prefix).map(|location| location.to_string())
}

fn parsed(bucket_and_prefix: &str) -> Option<S3Location> {
    format!("s3://{bucket_and_prefix}").parse().ok()
}

fn of_url(url: &str) -> Option<S3Location> {
    let rest = url.split_once(':').map_or(url, |(scheme, rest)| {
        if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") { rest } else { url }
    });
    let rest = rest.trim_start_matches('/');
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let path = path.split('#').next().unwrap_or(path).trim_matches('/');
    if host.ends_with("console.aws.amazon.com") {
        return of_console(path, query);
    }
    let labels: Vec<&str> = host.split('.').collect();
    let is_service = |label: &str| label == "s3" || label.starts_with("s3-");
    // What precedes the service is a bucket, whatever it looks like.
    let service = labels.iter().rposition(|label| is_service(label))?;
    let in_aws = Partition::of_host(&host).is_some();
    if !in_aws {
        return None;
    }
    let path = [DISCOVERY_NAME, KEYS_NAME]
        .into_iter()
        .find_map(|name| path.strip_suffix(name))
        .unwrap_or(path)
        .trim_end_matches('/');
    match labels[..service].join(".").as_str() {
        "" => parsed(path),
        bucket => parsed(format!("{bucket}/{path}").trim_end_matches('/')),
    }
}

/// `/s3/buckets/BUCKET?prefix=PREFIX` of the console.
fn of_console(path: &str, query: &str) -> Option<S3Location> {
    let bucket = path.strip_prefix("s3/buckets/")?.split('/').next()?;
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or_default();
    parsed(format!("{bucket}/{}", prefix.replace("%2F", "/")).trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        text.parse::<Destination>().map(|valid| valid.to_string()).map_err(|error| match error {
            Error::Destination { fault, meant } => {
                format!("{fault:?} {}", meant.unwrap_or_default()).trim_end().to_owned()
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
            ("s3://my-oidc/prod\n", "WhiteSpace s3://my-oidc/prod"),
            (" site", "WhiteSpace site"),
            ("\"s3://my-oidc\"", "Quotes s3://my-oidc"),
            ("S3://my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("s3:/my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("s3:my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("s3:///my-oidc", "Location"),
            ("s3a://my-oidc/prod", "S3Scheme s3://my-oidc/prod"),
            ("arn:aws:s3:::my-oidc/prod", "Arn s3://my-oidc/prod"),
            ("arn:aws-cn:s3:::my-oidc/prod/*", "Arn s3://my-oidc/prod"),
            ("arn:aws:s3:us-west-2:111122223333:accesspoint/x", "Arn"),
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
            ("https://oidc.example.com/prod", "WebUrl"),
            ("https:/x", "WebUrl"),
            ("file:///srv/site", "FileUrl /srv/site"),
            ("file://localhost/srv/site", "FileUrl /srv/site"),
            ("file:site", "FileUrl site"),
            ("gs://bucket/prod", "OtherUrl"),
            ("ftp:/host/x", "OtherUrl"),
        ] {
            let found = parse(text).expect_err(text);
            assert!(
                found == refused || (refused == "Location" && found.starts_with(refused)),
                "{text}: {found}"
            );
        }
    }

    #[test]
    fn a_folder_may_have_any_other_name() {
        for text in [
            "site",
            "./my-oidc/prod",
            "/srv/www",
            "C:\\site",
            "C:/site",
            "a:b",
            "s3",
            "arn",
            "a b/c",
            "oidc.example.com/site",
            "s3.example.com",
            "2026-11-25T10:00",
            "./~x",
            "x@y",
        ] {
            assert_eq!(parse(text), Ok(text.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_was_meant_is_valid(text in "(s3|S3|arn:aws:s3::|https|file)?:?/{0,3}[a-z0-9.:/@?#%~$\" -]{0,40}") {
            match text.parse::<Destination>() {
                Ok(valid) => prop_assert_eq!(valid.to_string(), text),
                Err(Error::Destination { meant: Some(meant), fault }) => {
                    prop_assert!(fault == DestinationFault::FileUrl || meant.parse::<Destination>().is_ok(), "{}", meant);
                }
                Err(_) => {}
            }
        }
    }
}

//! The location of a site in S3, and the issuer URL derived from it.

use std::fmt;
use std::str::FromStr;

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};
use issuer_session::shown_endpoint;

use crate::Error;

/// The name of a bucket (S3 user guide, "Bucket naming rules").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketName(String);

/// The prefix of object keys, without leading or trailing slash; may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefix(String);

/// An object key has at most 1,024 bytes, and the names of documents and their copies come after the prefix.
const LONGEST_PREFIX: usize = 900;

/// `s3://BUCKET[/PREFIX]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: BucketName,
    /// The prefix in it.
    pub prefix: Prefix,
}

impl BucketName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BucketName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| {
            Err(Error::Location { text: text.to_owned(), reason: reason.to_owned() })
        };
        if !(3..=63).contains(&text.len()) {
            return refuse("a bucket name has 3 to 63 characters");
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        {
            return refuse(
                "a bucket name consists of lower-case letters, digits, hyphens and dots",
            );
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !text.ends_with(|c: char| c.is_ascii_alphanumeric())
        {
            return refuse("a bucket name begins and ends with a letter or digit");
        }
        if text.contains("..") {
            return refuse("a bucket name has no adjacent dots");
        }
        if text.split('.').count() == 4 && text.split('.').all(|part| part.parse::<u8>().is_ok()) {
            return refuse("a bucket name is not an IP address");
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Prefix {
    type Err = Error;

    /// The prefix becomes part of the issuer URL, so it must not need percent-encoding.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| {
            Err(Error::Location { text: text.to_owned(), reason: reason.to_owned() })
        };
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        if trimmed.split('/').any(|part| part.is_empty() || part == "." || part == "..")
            && !trimmed.is_empty()
        {
            return refuse(
                "a prefix has no empty parts and no dot segments, since it is a part of the issuer \
                 URL",
            );
        }
        if !trimmed.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/".contains(&b)) {
            return refuse(
                "a prefix consists of letters, digits and -._~/, since it is a part of the issuer \
                 URL",
            );
        }
        if trimmed.len() > LONGEST_PREFIX {
            return Err(Error::Location {
                text: format!("{}…", &trimmed[..40]),
                reason: format!("a prefix has at most {LONGEST_PREFIX} characters"),
            });
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl FromStr for S3Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Err(Error::Location {
                text: text.to_owned(),
                reason: "it does not begin with s3://".to_owned(),
            });
        };
        if let Some((_, tail)) = rest.rsplit_once('@') {
            let reason = "it has user information; credentials are not a part of a location";
            return Err(Error::Location {
                text: format!("s3://***@{tail}"),
                reason: reason.to_owned(),
            });
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self { bucket: bucket.parse()?, prefix: prefix.parse()? })
    }
}

impl S3Location {
    /// The key of an object below the prefix.
    #[must_use]
    pub fn object_key(&self, name: &str) -> String {
        if self.prefix.0.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix.0) }
    }

    /// ARNs of the two documents, in the partition of the region.
    pub(crate) fn object_arns(&self, region: &str) -> [String; 2] {
        let partition = Partition::of_region(region).name;
        [KEYS_NAME, DISCOVERY_NAME]
            .map(|name| format!("arn:{partition}:s3:::{}/{}", self.bucket, self.object_key(name)))
    }

    /// The issuer URL. The host is regional, because the global one redirects; the certificates of
    /// S3 do not cover bucket names with dots in the host.
    ///
    /// # Errors
    /// [`Error::NoIssuer`] if the endpoint is not an https URL.
    pub fn issuer_url(
        &self,
        region: &str,
        endpoint_url: Option<&str>,
        path_style: bool,
    ) -> Result<String, Error> {
        let (bucket, suffix) = (&self.bucket.0, Partition::of_region(region).dns_suffix);
        let base = match endpoint_url {
            Some(endpoint) if endpoint.starts_with("https://") => {
                let host = endpoint.trim_start_matches("https://").trim_end_matches('/');
                // The same addressing style as the SDK.
                if path_style
                    || bucket.contains('.')
                    || host.starts_with(|c: char| c.is_ascii_digit() || c == '[')
                {
                    format!("https://{host}/{bucket}")
                } else {
                    format!("https://{bucket}.{host}")
                }
            }
            Some(endpoint) => {
                let endpoint = shown_endpoint(endpoint);
                let reason =
                    format!("the endpoint {endpoint} is not https, which an issuer must be");
                return Err(Error::NoIssuer { location: self.to_string(), reason });
            }
            None if bucket.contains('.') => format!("https://s3.{region}.{suffix}/{bucket}"),
            None => format!("https://{bucket}.s3.{region}.{suffix}"),
        };
        Ok(if self.prefix.0.is_empty() { base } else { format!("{base}/{}", self.prefix.0) })
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.prefix.0.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix.0) }
    }
}

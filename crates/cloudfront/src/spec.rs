//! The desired distribution.

use issuer_discovery::{IssuerUrl, Partition};
use issuer_publish::S3Location;
use sha2::{Digest, Sha256};

use crate::Error;

/// What the domains of distributions end with.
const CLOUDFRONT: &str = ".cloudfront.net";

/// The beginning of the comment of a distribution that issuerctl created; the place of its documents
/// follows.
const COMMENT: &str = "issuerctl ";

/// What the names of cache policies begin with; the lifetime follows.
pub(crate) const CACHE_POLICY: &str = "issuerctl-max-age-";

/// The maximum length of a comment (CloudFront API, `DistributionConfig`).
const COMMENT_MAX: usize = 128;

/// The desired distribution of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontSpec {
    /// The bucket, and the prefix of the two documents.
    pub location: S3Location,
    /// The region of the bucket.
    pub region: String,
    /// How long CloudFront keeps a document, in seconds: the `max-age` of the documents.
    pub max_age_secs: u32,
    /// The host of the issuer, if it is not that of the distribution.
    pub domain: Option<String>,
    /// The ARN of the certificate for it.
    pub certificate_arn: Option<String>,
    /// What CloudFront adds before the path of a request: the prefix without the path of the issuer.
    pub origin_path: String,
}

impl FrontSpec {
    /// The distribution for a place and, if it is given, an issuer.
    ///
    /// # Errors
    /// [`Error::Partition`], [`Error::Path`], [`Error::NoCertificate`], [`Error::Certificate`],
    /// [`Error::CertificateAlone`].
    pub fn new(
        location: &S3Location,
        region: &str,
        issuer: Option<&IssuerUrl>,
        certificate_arn: Option<&str>,
        max_age_secs: u32,
    ) -> Result<Self, Error> {
        if Partition::of_region(region).name != "aws" {
            return Err(Error::Partition { region: region.to_owned() });
        }
        let prefix = location.object_key("");
        let prefix = prefix.trim_end_matches('/');
        let path = issuer.map(path_of).unwrap_or_default();
        let before = prefix.strip_suffix(path.trim_matches('/'));
        let before =
            before.filter(|before| path.is_empty() || before.is_empty() || before.ends_with('/'));
        let Some(before) = before else {
            return Err(Error::Path { path: path.to_owned(), prefix: prefix.to_owned() });
        };
        let before = before.trim_end_matches('/');
        let origin_path = if before.is_empty() { String::new() } else { format!("/{before}") };
        let own = issuer.map(IssuerUrl::host).filter(|host| !host.ends_with(CLOUDFRONT));
        match (own, certificate_arn) {
            (Some(domain), None) => return Err(Error::NoCertificate { domain: domain.to_owned() }),
            (None, Some(_)) => return Err(Error::CertificateAlone),
            (Some(_), Some(arn)) => check_certificate(arn)?,
            (None, None) => {}
        }
        Ok(Self {
            location: location.clone(),
            region: region.to_owned(),
            max_age_secs,
            domain: own.map(str::to_owned),
            certificate_arn: certificate_arn.map(str::to_owned),
            origin_path,
        })
    }

    /// The host that CloudFront reads from.
    #[must_use]
    pub fn origin(&self) -> String {
        let suffix = Partition::of_region(&self.region).dns_suffix;
        format!("{}.s3.{}.{suffix}", self.location.bucket, self.region)
    }

    /// The name of the cache policy, which all distributions with the same lifetime share.
    #[must_use]
    pub fn cache_policy(&self) -> String {
        cache_policy(self.max_age_secs)
    }

    /// The name of the origin access control.
    #[must_use]
    pub fn access_control(&self) -> String {
        access_control(&self.location)
    }
}

/// The name of the origin access control of a place; it has at most 64 characters, a bucket alone 63.
pub(crate) fn access_control(location: &S3Location) -> String {
    format!("issuerctl-{}", digest(&location.to_string()))
}

/// The name of the cache policy with this lifetime.
pub(crate) fn cache_policy(max_age_secs: u32) -> String {
    format!("{CACHE_POLICY}{max_age_secs}")
}

/// The comment by which the distribution of a place is found again.
pub(crate) fn comment(location: &S3Location) -> String {
    let whole = format!("{COMMENT}{location}");
    match whole.len() {
        ..=COMMENT_MAX => whole,
        _ => format!("{COMMENT}s3://{} {}", location.bucket, digest(&location.to_string())),
    }
}

pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path of an issuer, without a trailing slash.
fn path_of(issuer: &IssuerUrl) -> &str {
    let rest = issuer.as_str().strip_prefix("https://").unwrap_or_default();
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// CloudFront uses certificates of ACM in us-east-1 (CloudFront developer guide, "Requirements for using
/// SSL/TLS certificates with CloudFront").
fn check_certificate(arn: &str) -> Result<(), Error> {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let refuse = |reason| Err(Error::Certificate { arn: arn.to_owned(), reason });
    match fields[..] {
        ["arn", "aws", "acm", "us-east-1", account, resource]
            if account.len() == 12 && resource.starts_with("certificate/") =>
        {
            Ok(())
        }
        ["arn", "aws", "acm", region, ..] if region != "us-east-1" => {
            refuse("it is not in us-east-1")
        }
        _ => refuse("it does not have the form arn:aws:acm:us-east-1:ACCOUNT:certificate/ID"),
    }
}

#[cfg(test)]
mod tests {
    use issuer_discovery::Ports;

    use super::*;

    const ARN: &str = "arn:aws:acm:us-east-1:111122223333:certificate/0a1b";

    fn spec(place: &str, issuer: Option<&str>, arn: Option<&str>) -> Result<FrontSpec, Error> {
        let issuer = issuer.map(|text| IssuerUrl::parse(text, Ports::Refuse).unwrap());
        FrontSpec::new(&place.parse().unwrap(), "us-west-2", issuer.as_ref(), arn, 300)
    }

    #[test]
    fn the_path_of_the_issuer_and_that_of_the_origin_are_the_prefix() {
        for (place, issuer, origin_path) in [
            ("s3://my-oidc", None, ""),
            ("s3://my-oidc/prod", None, "/prod"),
            ("s3://my-oidc/prod", Some("https://d1.cloudfront.net"), "/prod"),
            ("s3://my-oidc/prod", Some("https://d1.cloudfront.net/prod"), ""),
            ("s3://my-oidc/a/prod", Some("https://d1.cloudfront.net/prod"), "/a"),
        ] {
            assert_eq!(spec(place, issuer, None).unwrap().origin_path, origin_path, "{place}");
        }
        for (place, issuer) in [
            ("s3://my-oidc", "https://d1.cloudfront.net/prod"),
            ("s3://my-oidc/prod", "https://d1.cloudfront.net/rod"),
            ("s3://my-oidc/prod", "https://d1.cloudfront.net/a/prod"),
        ] {
            let refused = spec(place, Some(issuer), None);
            assert!(matches!(refused, Err(Error::Path { .. })), "{place} {refused:?}");
        }
    }

    #[test]
    fn a_domain_of_ones_own_needs_a_certificate_that_cloudfront_can_use() {
        let own = Some("https://oidc.example.com/prod");
        let place = "s3://my-oidc/prod";
        assert_eq!(spec(place, own, Some(ARN)).unwrap().domain.unwrap(), "oidc.example.com");
        assert!(matches!(spec(place, own, None), Err(Error::NoCertificate { .. })));
        assert!(matches!(spec(place, None, Some(ARN)), Err(Error::CertificateAlone)));
        for arn in
            [ARN.replace("us-east-1", "us-west-2"), "x".to_owned(), ARN.replace("acm", "iam")]
        {
            let refused = spec(place, own, Some(&arn));
            assert!(matches!(refused, Err(Error::Certificate { .. })), "{refused:?}");
        }
    }

    #[test]
    fn a_comment_is_never_too_long_and_names_one_place() {
        let long = |end: &str| {
            let text = format!("s3://{}/{}{end}", "b".repeat(63), "p".repeat(200));
            comment(&text.parse().unwrap())
        };
        assert!(long("a").len() <= COMMENT_MAX && long("a") != long("b"), "{}", long("a"));
        assert_eq!(comment(&"s3://my-oidc/prod".parse().unwrap()), "issuerctl s3://my-oidc/prod");
    }
}

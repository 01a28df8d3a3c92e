//! Hosts of object stores from which nobody reads an object anonymously over https.

use crate::Partition;

/// What a host is instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// As the end of a sentence: `a page of the AWS console`.
    pub(crate) what: &'static str,
    /// The URL of the objects, as far as it is known.
    pub(crate) meant: Option<String>,
}

const CONSOLES: [&str; 4] = [
    "console.aws.amazon.com",
    "console.amazonaws-us-gov.com",
    "console.amazonaws.cn",
    "console.amazonaws.eu",
];

/// Consoles of other clouds, whose pages are for people who are signed in.
const OTHER_CONSOLES: [&str; 5] = [
    "console.cloud.google.com",
    "storage.cloud.google.com",
    "portal.azure.com",
    "dash.cloudflare.com",
    "cloud.digitalocean.com",
];

/// Whether the host of a URL serves no objects to anonymous readers; `tail` is what follows it.
pub(crate) fn elsewhere(host: &str, tail: &str) -> Option<Elsewhere> {
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let is = |name: &str| {
        host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if let Some(console) = CONSOLES.iter().find(|name| is(name)) {
        let what = "a page of the AWS console, which is for people who are signed in";
        return Some(Elsewhere { what, meant: of_console(host, console, path, query) });
    }
    if OTHER_CONSOLES.iter().any(|name| is(name)) {
        let what = "a page of a web console, which is for people who are signed in";
        return Some(Elsewhere { what, meant: None });
    }
    Partition::of_host(host)?;
    let labels: Vec<&str> = host.split('.').collect();
    if let Some(at) = labels.iter().rposition(|label| label.starts_with("s3-website")) {
        let what = "the website endpoint of a bucket, which has no https";
        let region = labels[at].strip_prefix("s3-website-").or(labels.get(at + 1).copied());
        let bucket = labels[..at].join(".");
        let meant = region.and_then(|region| regional(&bucket, region, path));
        return Some(Elsewhere { what, meant });
    }
    let is_access_point = |label: &&str| {
        ["s3-accesspoint", "s3-object-lambda", "accesspoint"].iter().any(|p| label.starts_with(p))
    };
    labels.iter().any(is_access_point).then_some(Elsewhere {
        // S3 user guide, "Access points restrictions and limitations".
        what: "an S3 access point, which accepts no anonymous requests",
        meant: None,
    })
}

/// `/s3/buckets/BUCKET?region=REGION&prefix=PREFIX/`, also with the region in the host.
fn of_console(host: &str, console: &str, path: &str, query: &str) -> Option<String> {
    let rest = path.strip_prefix("/s3/buckets/").or_else(|| path.strip_prefix("/s3/object/"))?;
    let bucket = rest.split('/').next()?;
    let value = |name: &str| {
        query.split(['&', '#']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let of_host = host.strip_suffix(console)?.trim_end_matches('.');
    let of_host = of_host.rsplit('.').next().filter(|label| label.contains('-'));
    let prefix = value("prefix").unwrap_or_default().replace("%2F", "/");
    regional(bucket, value("region").or(of_host)?, &format!("/{prefix}"))
}

/// The URL of the objects of a bucket (S3 user guide, "Virtual hosting of general purpose buckets").
/// The certificate of S3 has one label before the region, so a bucket with dots is a part of the path.
fn regional(bucket: &str, region: &str, path: &str) -> Option<String> {
    let of_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    };
    let suffix = Partition::of_region(region).dns_suffix;
    let names = [crate::DISCOVERY_NAME, crate::KEYS_NAME].into_iter();
    let path = names.filter_map(|name| path.strip_suffix(name)).next().unwrap_or(path);
    let path = path.trim_end_matches('/');
    (of_name(bucket) && of_name(region) && region.contains('-')).then(|| {
        match bucket.contains('.') {
            true => format!("https://s3.{region}.{suffix}/{bucket}{path}"),
            false => format!("https://{bucket}.s3.{region}.{suffix}{path}"),
        }
    })
}

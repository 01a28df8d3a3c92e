//! The forms in which other tools name a bucket or a server.

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};

use crate::S3Location;

/// Hosts of the console, of all partitions.
const CONSOLES: [&str; 3] =
    ["console.aws.amazon.com", "console.amazonaws-us-gov.com", "console.amazonaws.cn"];

/// The bucket and prefix of a URL of S3; the scheme may be missing.
pub(crate) fn of_url(url: &str) -> Option<S3Location> {
    let rest = url.split_once(':').map_or(url, |(scheme, rest)| {
        if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") { rest } else { url }
    });
    let rest = rest.trim_start_matches('/');
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let path = path.split('#').next().unwrap_or(path).trim_matches('/');
    if CONSOLES.iter().any(|console| host.ends_with(console)) {
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
    let path = without_document(path);
    match labels[..service].join(".").as_str() {
        "" => parsed(path),
        bucket => parsed(format!("{bucket}/{path}").trim_end_matches('/')),
    }
}

/// `/s3/buckets/BUCKET?prefix=PREFIX` or `/s3/object/BUCKET?prefix=KEY` of the console.
fn of_console(path: &str, query: &str) -> Option<S3Location> {
    let rest = path.strip_prefix("s3/")?;
    let bucket = rest.strip_prefix("buckets/").or_else(|| rest.strip_prefix("object/"))?;
    let bucket = bucket.split('/').next()?;
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or_default();
    let prefix = prefix.replace("%2F", "/");
    parsed(format!("{bucket}/{}", without_document(&prefix)).trim_end_matches('/'))
}

fn without_document(path: &str) -> &str {
    let names = [DISCOVERY_NAME, KEYS_NAME].into_iter();
    let path = names.filter_map(|name| path.strip_suffix(name)).next().unwrap_or(path);
    path.trim_end_matches('/')
}

/// `aws:s3:::BUCKET[/PREFIX]`, also in other partitions, also with the `/*` of a policy.
pub(crate) fn arn(rest: &str) -> Option<String> {
    let mut fields = rest.splitn(5, ':');
    let (_, service) = (fields.next()?, fields.next()?);
    let (region, account, resource) = (fields.next()?, fields.next()?, fields.next()?);
    let of_bucket = service == "s3" && region.is_empty() && account.is_empty();
    location(resource.trim_end_matches(['*', '/'])).filter(|_| of_bucket)
}

/// `aws:s3:REGION:ACCOUNT:accesspoint/NAME`, also of Object Lambda and multi-region.
pub(crate) fn is_access_point(rest: &str) -> bool {
    rest.split(':').nth(4).is_some_and(|resource| resource.starts_with("accesspoint"))
}

/// The path of a file URL (RFC 8089).
pub(crate) fn file(rest: &str) -> &str {
    match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    }
}

/// As `s3://BUCKET[/PREFIX]`, if it is valid.
pub(crate) fn location(bucket_and_prefix: &str) -> Option<String> {
    parsed(bucket_and_prefix).map(|location| location.to_string())
}

fn parsed(bucket_and_prefix: &str) -> Option<S3Location> {
    format!("s3://{bucket_and_prefix}").parse().ok()
}

/// What follows `s3` and two slashes with anything else than a colon between them: `s3//`, `s3;//`,
/// `s3:\\`.
pub(crate) fn like_s3(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let name = ["s3a", "s3n", "s3"].into_iter().find(|name| lower.starts_with(name))?;
    let rest = text[name.len()..].trim_start_matches([':', ';', ',', '.', '=', '-', ' ']);
    let bucket = rest.trim_start_matches(['/', '\\']);
    (rest.len() >= bucket.len() + 2).then_some(bucket)
}

/// The path after the host and the port of a server; a host without a dot needs a path.
pub(crate) fn endpoint(text: &str) -> Option<&str> {
    let (authority, path) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) = authority.rsplit_once(':')?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_address = host.starts_with('[') && host.ends_with(']');
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = host.chars().all(of_host)
        && (host.contains('.')
            || host.eq_ignore_ascii_case("localhost")
            || host.starts_with(|c: char| c.is_ascii_alphabetic())
                && host.len() > 1
                && !path.is_empty());
    (is_port && (is_host || is_address)).then_some(path)
}

/// Whether it is a place on another machine: `USER@HOST:PATH`, `HOST.DOMAIN:PATH`, or anything with
/// a password.
pub(crate) fn is_remote(text: &str) -> bool {
    let authority = text.split(['/', '\\']).next().unwrap_or(text);
    let Some((host, _)) = authority.split_once(':') else { return false };
    authority.contains('@') || (host.contains('.') && !host.starts_with('.') && !host.contains(' '))
}

/// The text with characters of ASCII instead of those that look like them, and without invisible
/// ones.
pub(crate) fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        '\u{2215}' | '\u{2044}' | '\u{29f8}' => Some('/'),
        '\u{2236}' | '\u{a789}' | '\u{fe55}' => Some(':'),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => None,
        c => Some(c),
    };
    text.chars().filter_map(plain).collect()
}

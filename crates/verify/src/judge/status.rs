//! An answer of another status than 200.

use crate::judge::store::{self, Source, SourceKind, element, forbidden, is_refusal};
use crate::judge::subject::Document;
use crate::text::{PUBLISH, quote, shorten};
use crate::verdict::Fault;
use crate::{Answer, Fetched};

/// Who answered so, why, and the mend.
pub(super) fn fault(answer: &Answer, fetched: &Fetched, document: Document) -> Fault {
    let body = String::from_utf8_lossy(&answer.body);
    let source = store::source(answer, &body);
    let code = source.code.map(|code| format!(", {}", shorten(code))).unwrap_or_default();
    let status = answer.status;
    let answered = format!(
        "{} at {} is answered with status {status}{}{code}{}",
        document.name(),
        quote(&fetched.location),
        phrase(status),
        source.name,
    );
    let (cause, fix) = store::telling(answer, &source, &fetched.location, &body)
        .unwrap_or_else(|| by_status(answer, &source, &body, fetched, document));
    Fault::new(format!("{answered}: {cause}"), fix)
}

fn by_status(
    answer: &Answer,
    source: &Source<'_>,
    body: &str,
    fetched: &Fetched,
    document: Document,
) -> (String, String) {
    match answer.status {
        304 => (
            "nobody asked whether it was modified, so a cache in between is broken".to_owned(),
            "let the server or CDN answer a GET without conditions with status 200 and the \
             document; purge its cache"
                .to_owned(),
        ),
        300..=399 => redirect(answer, source, body, fetched, document),
        status if is_refusal(source, status) => forbidden(source, body),
        401 => unauthorized(source),
        404 | 410 => not_found(source, fetched, document),
        407 => (
            "a proxy in between wants credentials".to_owned(),
            "give the proxy's credentials in HTTPS_PROXY, or verify from a machine without a \
             proxy"
                .to_owned(),
        ),
        429 => (
            "the host throttles its readers (too many requests)".to_owned(),
            format!(
                "serve the documents from a static host without a rate limit, such as a bucket or \
                 a CDN: {PUBLISH}"
            ),
        ),
        _ if source.code == Some("SlowDown") => (
            "the bucket throttles its readers".to_owned(),
            "put a CDN (CloudFront) with a cache in front of the bucket".to_owned(),
        ),
        400 if source.kind == SourceKind::S3 => bad_request(answer, source, body),
        500..=599 => (
            "the server or what stands behind it is broken or down (server error)".to_owned(),
            format!(
                "mend the server, or serve both documents as static files from a bucket or \
                     CDN: {PUBLISH}"
            ),
        ),
        201..=299 => (
            "only status 200 carries the document".to_owned(),
            "let the server answer a plain GET with status 200 and the whole document".to_owned(),
        ),
        _ => (
            "anonymous GET requests are refused".to_owned(),
            format!(
                "let the server answer an anonymous GET of any client with status 200 (no firewall \
                 rule, bot protection or method filter), or publish to a bucket: {PUBLISH}"
            ),
        ),
    }
}

fn bad_request(answer: &Answer, source: &Source<'_>, body: &str) -> (String, String) {
    let message = source.message.map(|m| format!(" ({})", quote(m))).unwrap_or_default();
    let region = region(answer, body);
    let is_elsewhere = region.is_some()
        || matches!(
            source.code,
            Some("IllegalLocationConstraintException" | "AuthorizationHeaderMalformed")
        );
    if is_elsewhere {
        return (
            format!(
                "the bucket cannot be read under this host{message}: it is one of another region"
            ),
            format!("use the regional host of the bucket as issuer: {}", regional(region)),
        );
    }
    (
        format!("S3 takes this URL for none of a bucket and an object{message}"),
        format!(
            "mend the URL, the bucket's name and region in its host and the path: {}/PATH",
            regional(region)
        ),
    )
}

fn regional(region: Option<&str>) -> String {
    format!("https://BUCKET.s3.{}.amazonaws.com", region.map_or("REGION".to_owned(), shorten))
}

fn redirect(
    answer: &Answer,
    source: &Source<'_>,
    body: &str,
    fetched: &Fetched,
    document: Document,
) -> (String, String) {
    let region = region(answer, body);
    if source.kind == SourceKind::S3 && (region.is_some() || answer.header("location").is_none()) {
        let endpoint = element(body, "Endpoint")
            .map(|e| format!(", its host is {}", quote(e)))
            .unwrap_or_default();
        let lies = region
            .map(|r| format!(" lies in the region {}", shorten(r)))
            .unwrap_or_else(|| " lies in another region".to_owned());
        return (
            format!("STS follows no redirect; the bucket{lies}{endpoint}"),
            format!(
                "use the bucket's regional endpoint as issuer, {}, in the documents, the API \
                 server and the IAM provider alike",
                regional(region)
            ),
        );
    }
    let Some(location) = answer.header("location") else {
        return (
            "a redirect without a Location; STS follows none anyway".to_owned(),
            "serve the document itself at this URL with status 200".to_owned(),
        );
    };
    let cause = format!("a redirect to {}, and STS follows no redirect", quote(location));
    let lower = location.to_ascii_lowercase();
    let is_login = [
        "login",
        "signin",
        "sign_in",
        "sign-in",
        "oauth",
        "sso",
        "/auth",
        "saml",
        "cloudflareaccess",
    ]
    .iter()
    .any(|word| lower.contains(word));
    let fix = if is_login {
        "take this path out of the login (single sign-on) in front of the host: the document must \
         be public, for anonymous readers"
            .to_owned()
    } else if location.strip_suffix('/') == Some(&fetched.location) {
        "let the server answer at the URL without the slash at the end: the document is a file, \
         not a directory"
            .to_owned()
    } else if document == Document::Keys {
        "let jwks_uri name the https URL where the keys are; or serve the keys at this very URL \
         with status 200"
            .to_owned()
    } else {
        "serve the document at this very URL with status 200; or make the URL that it redirects to \
         the issuer, in the documents, the API server and the IAM provider alike"
            .to_owned()
    };
    (cause, fix)
}

fn region<'a>(answer: &'a Answer, body: &'a str) -> Option<&'a str> {
    let of_host = |host: &'a str| {
        let (_, rest) = host.split_once(".s3.").or_else(|| host.split_once(".s3-"))?;
        rest.split('.').next()
    };
    let of_message = |text: &'a str| text.split_once(" location constraint")?.0.rsplit(' ').next();
    answer
        .header("x-amz-bucket-region")
        .or_else(|| element(body, "Region"))
        .or_else(|| of_host(element(body, "Endpoint")?))
        .or_else(|| of_message(element(body, "Message")?))
        .filter(|region| region.contains('-'))
}

fn unauthorized(source: &Source<'_>) -> (String, String) {
    if source.kind == SourceKind::ApiServer {
        return (
            "it takes no anonymous readers (unauthorized; --anonymous-auth=false?)".to_owned(),
            format!(
                "publish the documents at a public place, {PUBLISH}; or allow anonymous requests \
                 for /.well-known/openid-configuration and /openid/v1/jwks in the API server's \
                 AuthenticationConfiguration"
            ),
        );
    }
    (
        "it wants its readers to log in (unauthorized)".to_owned(),
        "let anonymous readers GET both documents, without authentication: they hold only public \
         keys"
            .to_owned(),
    )
}

fn not_found(source: &Source<'_>, fetched: &Fetched, document: Document) -> (String, String) {
    let url = quote(&fetched.location);
    match source.code {
        Some("NoSuchBucket") => (
            "the bucket does not exist".to_owned(),
            "create the bucket and publish again: issuerctl publish KEY-SOURCE --to s3://BUCKET \
             --create-bucket. If the bucket was given up, delete the IAM provider: whoever takes \
             its name next owns the issuer"
                .to_owned(),
        ),
        Some("NoSuchWebsiteConfiguration") => (
            "the bucket is no website".to_owned(),
            "use the bucket's REST host as issuer, https://BUCKET.s3.REGION.amazonaws.com; website \
             hosts have no https"
                .to_owned(),
        ),
        _ if document == Document::Discovery => (
            "there is no such file (not found); the path of the issuer is part of it".to_owned(),
            format!("publish the document so that it lies at {url}: issuerctl publish with \
                     --issuer of this very URL and path"),
        ),
        _ => (
            "jwks_uri leads to no file (not found)".to_owned(),
            format!("upload the keys to {url}, or let jwks_uri name where they are: issuerctl \
                     publish does both"),
        ),
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        301 => " Moved Permanently",
        302 => " Found",
        303 => " See Other",
        304 => " Not Modified",
        307 => " Temporary Redirect",
        308 => " Permanent Redirect",
        400 => " Bad Request",
        401 => " Unauthorized",
        403 => " Forbidden",
        404 => " Not Found",
        405 => " Method Not Allowed",
        406 => " Not Acceptable",
        407 => " Proxy Authentication Required",
        409 => " Conflict",
        410 => " Gone",
        421 => " Misdirected Request",
        429 => " Too Many Requests",
        451 => " Unavailable For Legal Reasons",
        500 => " Internal Server Error",
        502 => " Bad Gateway",
        503 => " Service Unavailable",
        504 => " Gateway Timeout",
        _ => "",
    }
}

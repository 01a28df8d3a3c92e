//! Responses with a status other than 200.

use crate::judge::store::{self, Source, SourceKind, element, forbidden, is_refusal};
use crate::judge::subject::Document;
use crate::text::{PUBLISH, quote, shorten};
use crate::verdict::Fault;
use crate::{Answer, Fetched};

/// Which service responded, why it did not return the document, and the fix.
pub(super) fn fault(answer: &Answer, fetched: &Fetched, document: Document) -> Fault {
    let body = String::from_utf8_lossy(&answer.body);
    let source = store::source(answer, &body);
    let code = source.code.map(|code| format!(", {}", shorten(code))).unwrap_or_default();
    let status = answer.status;
    let answered = format!(
        "{} at {} returned status {status}{}{code}{}",
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
            "the request has no conditions, so a cache between client and server is faulty"
                .to_owned(),
            "configure the server or CDN to answer an unconditional GET with status 200 and the \
             document, and purge its cache"
                .to_owned(),
        ),
        300..=399 => redirect(answer, source, body, fetched, document),
        status if is_refusal(source, status) => forbidden(source, body),
        401 => unauthorized(source),
        404 | 410 => not_found(source, fetched, document),
        407 => (
            "a proxy requires credentials".to_owned(),
            "set the proxy's credentials in HTTPS_PROXY, or verify from a machine without a proxy"
                .to_owned(),
        ),
        429 => (
            "the host throttles requests (too many requests)".to_owned(),
            format!(
                "serve the documents from a static host without a rate limit, such as a CDN, or \
                 {PUBLISH}"
            ),
        ),
        _ if source.code == Some("SlowDown") => (
            "the bucket throttles requests".to_owned(),
            "put a CDN (CloudFront) with a cache in front of the bucket".to_owned(),
        ),
        400 if source.kind == SourceKind::S3 => bad_request(answer, source, body),
        500..=599 => (
            "the server or its backend is faulty or down (server error)".to_owned(),
            format!("fix the server, or {PUBLISH}"),
        ),
        201..=299 => (
            "STS accepts the document only with status 200".to_owned(),
            "configure the server to answer a plain GET with status 200 and the complete document"
                .to_owned(),
        ),
        _ => (
            "anonymous GET requests are refused".to_owned(),
            format!(
                "configure the server to answer an anonymous GET of any client with status 200 (no \
                 firewall rule, bot protection or method filter), or {PUBLISH}"
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
            format!("the bucket cannot be read at this host{message}: it is in another region"),
            format!("use the regional host of the bucket as the issuer: {}", regional(region)),
        );
    }
    (
        format!("this URL does not name a bucket and an object of S3{message}"),
        format!(
            "correct the URL: bucket name and region in the host, then the path: {}/PATH",
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
        let place = region
            .map(|r| format!(" is in the region {}", shorten(r)))
            .unwrap_or_else(|| " is in another region".to_owned());
        return (
            format!("STS does not follow redirects; the bucket{place}{endpoint}"),
            format!(
                "use the bucket's regional endpoint as the issuer, {}, in the documents, the API \
                 server and the IAM provider alike",
                regional(region)
            ),
        );
    }
    let Some(location) = answer.header("location") else {
        return (
            "a redirect without a Location header; STS does not follow redirects".to_owned(),
            "serve the document itself at this URL with status 200".to_owned(),
        );
    };
    let cause = format!("a redirect to {}, and STS does not follow redirects", quote(location));
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
        "exclude this path from the login (single sign-on) in front of the host: the document must \
         be public, for anonymous readers"
            .to_owned()
    } else if location.strip_suffix('/') == Some(&fetched.location) {
        "configure the server to return the document at the URL without the trailing slash: it is \
         a file, not a directory"
            .to_owned()
    } else if document == Document::Keys {
        "set jwks_uri to the https URL of the keys; or serve the keys at this URL with status 200"
            .to_owned()
    } else {
        "serve the document at this URL with status 200; or use the URL that it redirects to as \
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
            "it does not allow anonymous requests (unauthorized; --anonymous-auth=false?)"
                .to_owned(),
            format!(
                "{PUBLISH}; or allow anonymous requests for /.well-known/openid-configuration and \
                 /openid/v1/jwks in the API server's AuthenticationConfiguration"
            ),
        );
    }
    (
        "it requires authentication (unauthorized)".to_owned(),
        "allow anonymous GET of both documents, without authentication: they contain only public \
         keys"
            .to_owned(),
    )
}

fn not_found(source: &Source<'_>, fetched: &Fetched, document: Document) -> (String, String) {
    let url = quote(&fetched.location);
    match source.code {
        Some("NoSuchBucket") => (
            "the bucket does not exist".to_owned(),
            "create the bucket and publish the documents again (issuerctl publish can create it). \
             If the bucket was deleted on purpose, delete the IAM provider too: whoever creates a \
             bucket of this name controls the issuer"
                .to_owned(),
        ),
        Some("NoSuchWebsiteConfiguration") => (
            "the bucket is not configured as a website".to_owned(),
            "use the bucket's REST endpoint as the issuer, https://BUCKET.s3.REGION.amazonaws.com; \
             website endpoints do not support https"
                .to_owned(),
        ),
        _ if document == Document::Discovery => (
            "the file does not exist (not found); the path of the issuer is part of its path"
                .to_owned(),
            format!("publish the documents again for this issuer (issuerctl publish), so that this \
                     one is at {url}"),
        ),
        _ => (
            "there is no file at jwks_uri (not found)".to_owned(),
            format!("upload the keys to {url}, or set jwks_uri to their URL; issuerctl publish \
                     does both"),
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

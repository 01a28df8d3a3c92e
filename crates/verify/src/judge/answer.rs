//! From an answer, or none, to its cause: transport, status, body.

use serde_json::Value;

use crate::judge::url::{host, internal};
use crate::text::{date, quote, shorten};
use crate::verdict::Fault;
use crate::{Answer, BodyFault, CertificateFault, Chain, Fetched, TIME_LIMIT_SECS, Unreached, sts};

/// Which document it is, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Discovery,
    Keys,
}

impl Document {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discovery => "the discovery document",
            Self::Keys => "the keys document (jwks_uri)",
        }
    }
}

const PUBLISH: &str = "issuerctl publish KEY-SOURCE --to s3://BUCKET";

/// What is wrong with an answer, and STS's word for it; none for a whole answer of status 200.
pub(super) fn fault(fetched: &Fetched, document: Document, extra_roots: bool) -> Option<(Fault, &'static str)> {
    match &fetched.outcome {
        Err(unreached) => Some(unreached_fault(unreached, fetched, document, extra_roots)),
        Ok(answer) if answer.status != 200 => Some((status_fault(answer, fetched, document), sts::NO_KEY)),
        Ok(answer) => answer.body_fault.map(|fault| (body_fault(fault, answer, fetched, document), sts::NO_KEY)),
    }
}

fn unreached_fault(
    unreached: &Unreached,
    fetched: &Fetched,
    document: Document,
    extra_roots: bool,
) -> (Fault, &'static str) {
    let url = quote(&fetched.location);
    let host_name = host(&fetched.location);
    let name = document.name();
    let cannot = format!("{name} cannot be fetched from {url}");
    let host = quote(host_name);
    let fault = match unreached {
        Unreached::NameNotFound => {
            let hint = if fetched.location.contains(".amazonaws.com") { " (is the region in it right?)" } else { "" };
            Fault::new(
                format!("{cannot}: the name {host} does not resolve (DNS){hint}"),
                format!(
                    "give {host} a public DNS record; or publish where the name exists, with {PUBLISH}, and use that \
                     issuer URL"
                ),
            )
        }
        Unreached::Refused => Fault::new(
            format!("{cannot}: connection refused, nothing listens there"),
            format!("start the web server for {host}, or serve the documents from a public bucket: {PUBLISH}"),
        ),
        Unreached::Unroutable => Fault::new(
            format!("{cannot}: no route to the host, it is unreachable"),
            format!("serve it from a public address; a public bucket will do: {PUBLISH}"),
        ),
        Unreached::ConnectTimedOut => {
            let why = internal(host_name).map(|why| format!(" ({host} is {why})")).unwrap_or_default();
            Fault::new(
                format!(
                    "{cannot}: no connection within {TIME_LIMIT_SECS} s (timeout){why}; a firewall, a security group, or an \
                     address that only insiders reach"
                ),
                format!(
                    "open port 443 of {host} to the internet, or publish the documents in a public bucket: {PUBLISH}"
                ),
            )
        }
        Unreached::AnswerTimedOut => slow(&cannot, "no answer"),
        Unreached::Closed => Fault::new(
            format!("{cannot}: the server closed (reset) the connection without an answer"),
            format!(
                "look into the log of the server or load balancer of {host}; a firewall that cuts strangers off does this \
                 too. It must answer every client on the internet"
            ),
        ),
        Unreached::NotTls => Fault::new(
            format!("{cannot}: the port does not speak TLS; the server seems to speak plain HTTP there"),
            format!("serve {host} over https with a certificate of a public CA; STS never uses plain http"),
        ),
        Unreached::Handshake(why) => Fault::new(
            format!("{cannot}: the TLS handshake failed: {}", shorten(why)),
            format!("let the server of {host} offer TLS 1.2 or 1.3 with current cipher suites"),
        ),
        Unreached::Certificate(fault) => return certificate_fault(fault, &cannot, host_name, extra_roots),
        Unreached::NotHttp(why) => Fault::new(
            format!("{cannot}: what answers does not speak valid HTTP ({})", shorten(why)),
            format!("let a web server answer on {host}"),
        ),
        Unreached::NoSuchFile => Fault::new(
            format!("{name} is not there: {url} does not exist"),
            "write the site with issuerctl publish KEY-SOURCE --to DIR --issuer URL",
        ),
        Unreached::Other(why) => Fault::new(
            format!("{cannot}: {}", shorten(why)),
            format!("make {host} reachable from the internet over https, without any client credentials"),
        ),
    };
    (fault, sts::NO_KEY)
}

fn certificate_fault(fault: &CertificateFault, cannot: &str, host: &str, extra_roots: bool) -> (Fault, &'static str) {
    let quoted = quote(host);
    match fault {
        CertificateFault::Expired { not_after } => {
            let since = not_after.map(|at| format!(" on {}", date(at))).unwrap_or_default();
            let cause = format!("{cannot}: the server's TLS certificate has expired{since}");
            (Fault::new(cause, format!("renew the certificate of {quoted} and reload the server")), sts::NO_KEY)
        }
        CertificateFault::NotYetValid { not_before } => {
            let from = not_before.map(|at| format!(" before {}", date(at))).unwrap_or_default();
            let cause =
                format!("{cannot}: the server's TLS certificate is not yet valid{from} (or the clock here is slow)");
            let fix =
                format!("replace the certificate of {quoted} by one whose validity has begun, or set the clock right");
            (Fault::new(cause, fix), sts::NO_KEY)
        }
        CertificateFault::WrongName { names } => {
            let shown: Vec<_> = names.iter().take(4).map(|name| quote(name)).collect();
            let held = if shown.is_empty() { String::new() } else { format!(" but for {}", shown.join(", ")) };
            let cause = format!("{cannot}: the server's TLS certificate is not for the name {quoted}{held}");
            (Fault::new(cause, wrong_name_fix(host)), sts::NO_KEY)
        }
        CertificateFault::Untrusted(chain) => {
            (untrusted(chain.as_ref(), cannot, &quoted, extra_roots), sts::THUMBPRINT)
        }
        CertificateFault::Other(why) => {
            let cause = format!("{cannot}: the server's TLS certificate is not valid: {}", shorten(why));
            (Fault::new(cause, format!("replace the certificate of {quoted} by one of a public CA")), sts::NO_KEY)
        }
    }
}

fn wrong_name_fix(host: &str) -> String {
    let dotted_bucket = host.split_once(".s3").is_some_and(|(bucket, rest)| {
        bucket.contains('.') && (rest.ends_with(".amazonaws.com") || rest.ends_with(".amazonaws.com.cn"))
    });
    if dotted_bucket {
        return "the wildcard certificate of S3 does not cover a bucket name with dots: use a bucket without dots, or the \
                path style URL https://s3.REGION.amazonaws.com/BUCKET as issuer"
            .to_owned();
    }
    format!("serve a certificate whose names (SAN) hold {}, or use a host name that it is for as issuer", quote(host))
}

fn untrusted(chain: Option<&Chain>, cannot: &str, host: &str, extra_roots: bool) -> Fault {
    let private = "use a certificate of a public CA; with a private CA, give its root to --ca-file here and its thumbprint \
                   to the IAM provider (aws iam update-open-id-connect-provider-thumbprint)";
    let Some(chain) = chain else {
        return Fault::new(format!("{cannot}: its TLS certificate is signed by a CA that is not trusted"), private);
    };
    let signer = quote(&chain.issuer);
    if chain.subject == chain.issuer {
        return Fault::new(
            format!("{cannot}: its TLS certificate is self-signed ({signer}) and not trusted, no CA vouches for it"),
            private,
        );
    }
    if chain.length == 1 && (extra_roots || chain.names_its_signer) {
        return Fault::new(
            format!(
                "{cannot}: its TLS certificate is not trusted, for the chain is incomplete: the server sends one certificate \
                 alone, and its issuer {signer}, an unknown intermediate CA, is missing"
            ),
            format!(
                "let the server of {host} send the full chain, its certificate and then the intermediate CA's \
                 (fullchain.pem instead of cert.pem)"
            ),
        );
    }
    let sent = match chain.length {
        1 => "; the server sends no intermediate certificate along".to_owned(),
        n => format!("; the server sends {n} certificates"),
    };
    Fault::new(
        format!(
            "{cannot}: its TLS certificate is signed by an unknown CA, {signer}, which is not trusted (a private CA?){sent}"
        ),
        private,
    )
}

fn slow(cannot: &str, what: &str) -> Fault {
    Fault::new(
        format!("{cannot}: {what} within {TIME_LIMIT_SECS} s (timeout); STS waits no longer, the host is too slow"),
        format!("serve both documents as static files from a fast host, such as a bucket or a CDN: {PUBLISH}"),
    )
}

fn body_fault(fault: BodyFault, answer: &Answer, fetched: &Fetched, document: Document) -> Fault {
    let (name, url) = (document.name(), quote(&fetched.location));
    let cannot = format!("{name} cannot be read from {url}");
    let came = answer.body.len();
    match fault {
        BodyFault::TimedOut => slow(&cannot, &format!("the answer began, but was not complete ({came} bytes came)")),
        BodyFault::TooLarge => Fault::new(
            format!("{cannot}: it is larger than 1 MiB, too large for two short documents"),
            format!("publish the right file there, with {PUBLISH}"),
        ),
        BodyFault::Truncated => {
            let announced = answer.header("content-length").map(|n| format!(" of {}", shorten(n))).unwrap_or_default();
            Fault::new(
                format!(
                    "{cannot}: the answer is truncated, the connection ended after {came}{announced} bytes (Content-Length)"
                ),
                "mend the web server or proxy that cuts answers off (a wrong Content-Length does it too), or publish again \
                 to a bucket",
            )
        }
    }
}

/// Who answered, as far as the answer tells.
struct Source<'a> {
    /// S3's `<Code>`, of any answer in S3's form.
    code: Option<&'a str>,
    message: Option<&'a str>,
    name: &'static str,
    kind: SourceKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceKind {
    S3,
    CloudFront,
    ApiServer,
    Unknown,
}

fn source<'a>(answer: &Answer, body: &'a str) -> Source<'a> {
    let server = answer.header("server").unwrap_or_default().to_ascii_lowercase();
    let code = element(body, "Code").filter(|_| body.contains("<Error>"));
    let via_cloudfront = server.contains("cloudfront")
        || answer.header("x-amz-cf-id").is_some()
        || answer.header("x-cache").is_some_and(|x| x.to_ascii_lowercase().contains("cloudfront"));
    let is_status = serde_json::from_str::<Value>(body).is_ok_and(|v| v["kind"] == "Status");
    let (kind, name) = if is_status || answer.header("audit-id").is_some() {
        (SourceKind::ApiServer, " from a Kubernetes API server")
    } else if via_cloudfront {
        (SourceKind::CloudFront, " from CloudFront")
    } else if server.contains("amazons3") || answer.header("x-amz-request-id").is_some() || code.is_some() {
        (SourceKind::S3, if server.contains("amazons3") { " from Amazon S3" } else { " from an S3 store" })
    } else {
        (SourceKind::Unknown, "")
    };
    Source { code, message: element(body, "Message"), name, kind }
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim())
}

fn status_fault(answer: &Answer, fetched: &Fetched, document: Document) -> Fault {
    let body = String::from_utf8_lossy(&answer.body);
    let source = source(answer, &body);
    let code = source.code.map(|code| format!(", {}", shorten(code))).unwrap_or_default();
    let status = answer.status;
    let answered = format!(
        "{} at {} is answered with status {status}{}{code}{}",
        document.name(),
        quote(&fetched.location),
        phrase(status),
        source.name,
    );
    let (cause, fix) = match status {
        300..=399 => redirect(answer, &source, &body, fetched),
        _ if source.message.is_some_and(|m| m.contains("KMS")) || source.code.is_some_and(|c| c.starts_with("KMS.")) => (
            "the object is encrypted with a KMS key, and nobody can read that anonymously".to_owned(),
            "store both objects with SSE-S3 (AES256) instead of KMS: aws s3 cp --sse AES256, or set the bucket's default \
             encryption to AES256 and publish again"
                .to_owned(),
        ),
        401 => unauthorized(&source),
        403 => forbidden(&source, &body),
        404 | 410 => not_found(&source, fetched, document),
        407 => (
            "a proxy in between wants credentials".to_owned(),
            "give the proxy's credentials in HTTPS_PROXY, or verify from a machine without a proxy".to_owned(),
        ),
        429 => (
            "the host throttles its readers (too many requests)".to_owned(),
            format!("serve the documents from a static host without a rate limit, such as a bucket or a CDN: {PUBLISH}"),
        ),
        _ if source.code == Some("SlowDown") => (
            "the bucket throttles its readers".to_owned(),
            "put a CDN (CloudFront) with a cache in front of the bucket".to_owned(),
        ),
        400 if source.kind == SourceKind::S3 => (
            format!(
                "the bucket cannot be read under this host{}; the global S3 host answers so for a bucket of another region",
                source.message.map(|m| format!(" ({})", quote(m))).unwrap_or_default()
            ),
            format!(
                "use the regional host of the bucket{} as issuer: https://BUCKET.s3.REGION.amazonaws.com",
                region(answer, &body).map(|r| format!(" (region {r})")).unwrap_or_default()
            ),
        ),
        500..=599 => (
            "the server or what stands behind it is broken or down (server error)".to_owned(),
            format!("mend the server, or serve both documents as static files from a bucket or CDN: {PUBLISH}"),
        ),
        201..=299 => (
            "only status 200 carries the document".to_owned(),
            "let the server answer a plain GET with status 200 and the whole document".to_owned(),
        ),
        _ => (
            "anonymous GET requests are refused".to_owned(),
            format!(
                "let the server answer an anonymous GET of any client with status 200 (no firewall rule, bot protection or \
                 method filter), or publish to a bucket: {PUBLISH}"
            ),
        ),
    };
    Fault::new(format!("{answered}: {cause}"), fix)
}

fn redirect(answer: &Answer, source: &Source<'_>, body: &str, fetched: &Fetched) -> (String, String) {
    let region = region(answer, body);
    if source.kind == SourceKind::S3 && (region.is_some() || answer.header("location").is_none()) {
        let endpoint = element(body, "Endpoint").map(|e| format!(", its host is {}", quote(e))).unwrap_or_default();
        let lies = region
            .map(|r| format!(" lies in the region {}", shorten(r)))
            .unwrap_or_else(|| " lies in another region".to_owned());
        return (
            format!("STS follows no redirect; the bucket{lies}{endpoint}"),
            format!(
                "use the bucket's regional endpoint as issuer, https://BUCKET.s3.{}.amazonaws.com, in the documents, the API \
                 server and the IAM provider alike",
                region.map_or("REGION".to_owned(), shorten)
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
    let is_login = ["login", "signin", "sign_in", "sign-in", "oauth", "sso", "/auth", "saml", "cloudflareaccess"]
        .iter()
        .any(|word| lower.contains(word));
    let fix = if is_login {
        "take this path out of the login (single sign-on) in front of the host: the document must be public, for anonymous \
         readers"
            .to_owned()
    } else if location.strip_suffix('/') == Some(&fetched.location) {
        "let the server answer at the URL without the slash at the end: the document is a file, not a directory"
            .to_owned()
    } else {
        "serve the document at this very URL with status 200; or make the URL that it redirects to the issuer, in the \
         documents, the API server and the IAM provider alike"
            .to_owned()
    };
    (cause, fix)
}

fn region<'a>(answer: &'a Answer, body: &'a str) -> Option<&'a str> {
    answer.header("x-amz-bucket-region").or_else(|| element(body, "Region")).or_else(|| {
        let (_, rest) =
            element(body, "Endpoint")?.split_once(".s3.").or_else(|| element(body, "Endpoint")?.split_once(".s3-"))?;
        rest.split('.').next().filter(|region| region.contains('-'))
    })
}

fn unauthorized(source: &Source<'_>) -> (String, String) {
    if source.kind == SourceKind::ApiServer {
        return (
            "it takes no anonymous readers (unauthorized; --anonymous-auth=false?)".to_owned(),
            format!(
                "publish the documents at a public place, {PUBLISH}; or allow anonymous requests for \
                 /.well-known/openid-configuration and /openid/v1/jwks in the API server's AuthenticationConfiguration"
            ),
        );
    }
    (
        "it wants its readers to log in (unauthorized)".to_owned(),
        "let anonymous readers GET both documents, without authentication: they hold only public keys".to_owned(),
    )
}

fn forbidden(source: &Source<'_>, body: &str) -> (String, String) {
    match (source.kind, source.code) {
        (SourceKind::ApiServer, _) => (
            "the API server forbids anonymous readers (system:anonymous)".to_owned(),
            "kubectl create clusterrolebinding issuer-discovery --clusterrole=system:service-account-issuer-discovery \
             --group=system:unauthenticated (and --anonymous-auth must be on); or publish the documents at a public place"
                .to_owned(),
        ),
        (_, Some("InvalidObjectState")) => (
            "the object lies in an archive storage class (Glacier) and cannot be read".to_owned(),
            "store it in the STANDARD class: publish again, and take it out of the lifecycle rule".to_owned(),
        ),
        (_, Some("AllAccessDisabled" | "AccountProblem")) => (
            "the bucket's owner or AWS has disabled all access".to_owned(),
            "publish to another public bucket, or settle the account's problem with AWS".to_owned(),
        ),
        (SourceKind::CloudFront, Some(_)) => (
            "CloudFront itself may not read the bucket (access denied)".to_owned(),
            "allow s3:GetObject in the bucket policy for the principal cloudfront.amazonaws.com with AWS:SourceArn = the \
             distribution (origin access control); a file that is missing looks the same"
                .to_owned(),
        ),
        (SourceKind::CloudFront, None) => (
            format!("the distribution blocks the request{}", if body.contains("country") { " from this country" } else { "" }),
            "allow public access in the distribution: no geo restriction, no WAF rule, no signed URLs, and the issuer's host \
             among its alternate domain names"
                .to_owned(),
        ),
        (SourceKind::S3, _) => (
            "anonymous readers may not read it (access denied: no public bucket policy, or a public access block, or the \
             object is missing)"
                .to_owned(),
            format!(
                "let the bucket policy allow s3:GetObject to everyone on the two documents: {PUBLISH} sets it and the public \
                 access block; where the account blocks public access, put CloudFront in front"
            ),
        ),
        (SourceKind::Unknown, _) => (
            "anonymous readers may not read it (access denied)".to_owned(),
            "allow public, anonymous GET of both documents from every address (no IP filter, firewall or bot protection)"
                .to_owned(),
        ),
    }
}

fn not_found(source: &Source<'_>, fetched: &Fetched, document: Document) -> (String, String) {
    let url = quote(&fetched.location);
    match source.code {
        Some("NoSuchBucket") => (
            "the bucket does not exist".to_owned(),
            "create the bucket and publish again: issuerctl publish KEY-SOURCE --to s3://BUCKET --create-bucket. If the \
             bucket was given up, delete the IAM provider: whoever takes its name next owns the issuer"
                .to_owned(),
        ),
        Some("NoSuchWebsiteConfiguration") => (
            "the bucket is no website".to_owned(),
            "use the bucket's REST host as issuer, https://BUCKET.s3.REGION.amazonaws.com; website hosts have no https"
                .to_owned(),
        ),
        _ if document == Document::Discovery => (
            "there is no such file (not found); the path of the issuer is part of it".to_owned(),
            format!("publish the document so that it lies at {url}: issuerctl publish with --issuer of this very URL and path"),
        ),
        _ => (
            "jwks_uri leads to no file (not found)".to_owned(),
            format!("upload the keys to {url}, or let jwks_uri name where they are: issuerctl publish does both"),
        ),
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        301 => " Moved Permanently",
        302 => " Found",
        303 => " See Other",
        307 => " Temporary Redirect",
        308 => " Permanent Redirect",
        400 => " Bad Request",
        401 => " Unauthorized",
        403 => " Forbidden",
        404 => " Not Found",
        405 => " Method Not Allowed",
        406 => " Not Acceptable",
        407 => " Proxy Authentication Required",
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

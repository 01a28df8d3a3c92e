//! What is wrong with a response, or why there is none: transport and body.

use std::path::Path;

use crate::judge::status;
use crate::judge::subject::Document;
use crate::judge::url::{host, internal};
use crate::text::{PUBLISH, quote, shorten};
use crate::verdict::{Fault, Remedy, replacing};
use crate::{
    Answer, BodyFault, CertificateFault, Chain, Fetched, FileFault, ProxyFault, TIME_LIMIT_SECS,
    Unreached, sts,
};

/// What is wrong with a response, and the error that STS returns; `None` for a complete response
/// with status 200.
pub(super) fn fault(
    fetched: &Fetched,
    document: Document,
    extra_roots: bool,
) -> Option<(Fault, &'static str)> {
    let found = match &fetched.outcome {
        Err(Unreached::Proxy(fault)) => {
            return Some((proxy_fault(fault, fetched, document), sts::NOT_ASKED));
        }
        Err(unreached) => Some(unreached_fault(unreached, fetched, document, extra_roots)),
        Ok(answer) if answer.status != 200 => {
            Some((status::fault(answer, fetched, document), sts::NO_KEY))
        }
        Ok(answer) => answer
            .body_fault
            .map(|fault| (body_fault(fault, answer, fetched, document), sts::NO_KEY)),
    };
    found.map(|(mut fault, consequence)| {
        if let Some(proxy) = &fetched.proxy {
            let through = format!(" (requested through the proxy {proxy}, which STS does not use)");
            fault.cause.push_str(&through);
        }
        (fault, consequence)
    })
}

fn proxy_fault(fault: &ProxyFault, fetched: &Fetched, document: Document) -> Fault {
    let cannot = format!("{} cannot be fetched from {}", document.name(), quote(&fetched.location));
    let proxy = fetched.proxy.as_deref().unwrap_or_default();
    let what = match fault {
        ProxyFault::Setting(what) => what.clone(),
        ProxyFault::NotReached(why) => format!("the proxy {proxy} cannot be reached: {why}"),
        ProxyFault::Refused => {
            format!("the proxy {proxy} refuses to connect to {}", quote(host(&fetched.location)))
        }
        ProxyFault::Credentials => format!("the proxy {proxy} requires credentials, or other ones"),
        ProxyFault::Closed => format!("the proxy {proxy} closed the connection"),
    };
    let name = host(&fetched.location);
    let allow = match fault {
        ProxyFault::Credentials => "add user and password to the URL of the proxy".to_owned(),
        ProxyFault::Refused => format!("allow {} in the proxy", quote(name)),
        _ => "correct the URL of the proxy".to_owned(),
    };
    Fault::new(
        format!("{cannot}: {what}; nothing is known of the issuer"),
        format!(
            "{allow}; or set NO_PROXY={name} if the host can be reached without a proxy, or verify \
             from another machine"
        ),
    )
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
            let hint = if fetched.location.contains(".amazonaws.com") {
                " (is its region correct?)"
            } else {
                ""
            };
            Fault::new(
                format!("{cannot}: the name {host} does not resolve (DNS){hint}"),
                format!(
                    "create a public DNS record for {host}; or {PUBLISH} and use its URL as the \
                     issuer"
                ),
            )
        }
        Unreached::Refused => Fault::new(
            format!("{cannot}: connection refused, nothing is listening on the port"),
            format!("start the web server of {host}, or {PUBLISH}"),
        ),
        Unreached::Unroutable => Fault::new(
            format!("{cannot}: no route to the host (unreachable)"),
            format!("serve it from a public address, or {PUBLISH}"),
        ),
        Unreached::ConnectTimedOut => {
            let why =
                internal(host_name).map(|why| format!(" ({host} is {why})")).unwrap_or_default();
            Fault::new(
                format!(
                    "{cannot}: no connection within {TIME_LIMIT_SECS} s (timeout){why}; possible \
                     causes are a firewall, a security group, or an address that is reachable only \
                     from an internal network"
                ),
                format!("open port 443 of {host} to the internet, or {PUBLISH}"),
            )
        }
        Unreached::AnswerTimedOut => slow(&cannot, "no response"),
        Unreached::Closed => Fault::new(
            format!("{cannot}: the server closed (reset) the connection without a response"),
            format!(
                "check the logs of the server or load balancer of {host}, and the firewalls in \
                 front of it: every client on the internet must get a response"
            ),
        ),
        Unreached::NotTls => Fault::new(
            format!("{cannot}: the port does not speak TLS; it probably serves plain HTTP"),
            format!(
                "serve {host} over https with a certificate from a public CA; STS does not fetch \
                 over http"
            ),
        ),
        Unreached::Handshake(why) => Fault::new(
            format!("{cannot}: the TLS handshake failed: {}", shorten(why)),
            format!(
                "configure the server of {host} to offer TLS 1.2 or 1.3 with current cipher suites"
            ),
        ),
        Unreached::Certificate(fault) => {
            return certificate_fault(fault, &cannot, host_name, extra_roots);
        }
        Unreached::NotHttp(why) => Fault::new(
            format!("{cannot}: the response is not valid HTTP ({})", shorten(why)),
            format!("serve {host} with a web server that sends complete and valid HTTP headers"),
        ),
        Unreached::Proxy(fault) => proxy_fault(fault, fetched, document),
        Unreached::File(fault) => file_fault(fault, &fetched.location, document),
        Unreached::Other(why) => Fault::new(
            format!("{cannot}: {}", shorten(why)),
            format!(
                "make {host} reachable from the internet over https, without client credentials"
            ),
        ),
    };
    (fault, sts::NO_KEY)
}

/// A file of a folder. What publishing does not replace must be removed first.
fn file_fault(fault: &FileFault, path: &str, document: Document) -> Fault {
    let (name, quoted) = (document.name(), quote(path));
    let folder = Path::new(path).parent().unwrap_or(Path::new(".")).display().to_string();
    let remove = |what: &str| {
        format!("delete or rename {what}, and publish the documents again (issuerctl publish)")
    };
    match fault {
        FileFault::Missing => Fault::new(
            format!("{name} is missing: the file {quoted} does not exist"),
            "write both documents to the folder (issuerctl publish)",
        ),
        FileFault::DanglingLink => Fault::new(
            format!("{name} is missing: {quoted} is a symbolic link to a file that does not exist"),
            remove("the link"),
        ),
        FileFault::Directory => {
            Fault::new(format!("{name} is missing: {quoted} is a directory"), remove("it"))
        }
        FileFault::NotAFile => {
            Fault::new(format!("{name} is missing: {quoted} is not a regular file"), remove("it"))
        }
        FileFault::NotAFolder => Fault::new(
            format!("{name} is missing: {} is a file, not a folder", quote(&folder)),
            remove(&quote(&folder)),
        ),
        FileFault::Denied => Fault::new(
            format!("{name} cannot be read: permission denied for {quoted}"),
            format!("let everybody read it: chmod a+rX {} {quoted}", quote(&folder)),
        ),
        FileFault::Other(why) => Fault::new(
            format!("{name} cannot be read from {quoted}: {}", shorten(why)),
            remove("it"),
        ),
    }
}

fn certificate_fault(
    fault: &CertificateFault,
    cannot: &str,
    host: &str,
    extra_roots: bool,
) -> (Fault, &'static str) {
    let quoted = quote(host);
    let fix = match fault {
        CertificateFault::Expired { .. } => {
            format!("renew the certificate of {quoted} and reload the server")
        }
        CertificateFault::NotYetValid { .. } => format!(
            "replace the certificate of {quoted} with one that is already valid, or correct the \
             clock"
        ),
        CertificateFault::WrongName { .. } => wrong_name_fix(host),
        CertificateFault::Untrusted(chain) => {
            return (
                untrusted(chain.as_ref(), fault, cannot, &quoted, extra_roots),
                sts::THUMBPRINT,
            );
        }
        _ => format!("replace the certificate of {quoted} with one from a public CA"),
    };
    (Fault::new(format!("{cannot}: {fault}"), fix), sts::NO_KEY)
}

fn wrong_name_fix(host: &str) -> String {
    let dotted_bucket = host.split_once(".s3").is_some_and(|(bucket, rest)| {
        bucket.contains('.')
            && (rest.ends_with(".amazonaws.com") || rest.ends_with(".amazonaws.com.cn"))
    });
    if dotted_bucket {
        return "the wildcard certificate of S3 does not cover a bucket name with dots: use a \
                bucket without dots, or the path-style URL https://s3.REGION.amazonaws.com/BUCKET \
                as the issuer"
            .to_owned();
    }
    format!(
        "serve a certificate whose subject alternative names (SAN) include {}, or use one of its \
         names as the issuer's host",
        quote(host)
    )
}

fn untrusted(
    chain: Option<&Chain>,
    fault: &CertificateFault,
    cannot: &str,
    host: &str,
    extra_roots: bool,
) -> Fault {
    match chain {
        Some(chain)
            if !chain.is_self_signed()
                && chain.length == 1
                && (extra_roots || chain.names_its_signer) =>
        {
            Fault::new(
                format!(
                    "{cannot}: its TLS certificate is not trusted because the chain is incomplete: \
                     the server sends only its own certificate, and the certificate of its issuer \
                     {}, an intermediate CA, is missing",
                    quote(&chain.issuer)
                ),
                format!(
                    "configure the server of {host} to send the full chain, its certificate followed \
                     by the intermediate CA's (fullchain.pem instead of cert.pem)"
                ),
            )
        }
        _ => Fault::new(
            format!("{cannot}: {fault}"),
            "use a certificate from a public CA; for a private CA, add its root to the CA file that \
             is used here and its thumbprint to the IAM provider",
        )
        .with_remedy(Remedy::AddThumbprint),
    }
}

fn slow(cannot: &str, what: &str) -> Fault {
    Fault::new(
        format!(
            "{cannot}: {what} within {TIME_LIMIT_SECS} s (timeout); STS does not wait longer, the \
             host is too slow"
        ),
        format!(
            "serve both documents as static files from a fast host, such as a CDN, or {PUBLISH}"
        ),
    )
}

fn body_fault(fault: BodyFault, answer: &Answer, fetched: &Fetched, document: Document) -> Fault {
    let (name, url) = (document.name(), quote(&fetched.location));
    let cannot = format!("{name} cannot be read from {url}");
    let came = answer.body.len();
    match fault {
        BodyFault::TimedOut => slow(
            &cannot,
            &format!("the response began, but was not complete ({came} bytes received)"),
        ),
        BodyFault::TooLarge => replacing(
            format!("{cannot}: it is larger than 1 MiB, far more than such a document needs"),
            "publish the documents again (issuerctl publish)",
        ),
        BodyFault::Truncated => {
            let (announced, wrong) = match answer.header("content-length") {
                Some(n) => (
                    format!(" of {} bytes (Content-Length)", shorten(n)),
                    " (a wrong Content-Length has the same effect)",
                ),
                None => (" bytes".to_owned(), ""),
            };
            Fault::new(
                format!(
                    "{cannot}: the response is truncated: the connection was closed after \
                     {came}{announced}"
                ),
                format!(
                    "fix the web server or proxy that truncates responses{wrong}, or {PUBLISH}"
                ),
            )
        }
    }
}

//! Reading a JWK Set that is a source of keys.

use issuer_jwks::JwksUrl;
use reqwest::redirect::{Action, Attempt, Policy};

use crate::fetch::Fetcher;
use crate::{BodyFault, Error, FetchOptions, Fetched, ProxyFault, TIME_LIMIT_SECS, Unreached};

/// The most redirects that are followed.
const REDIRECTS: usize = 5;

/// Fetches a document with the limits of [`crate::fetch`]; redirects are followed to https URLs
/// only.
///
/// # Errors
/// [`Error::JwksUrl`], [`Error::Client`].
pub async fn fetch_jwks(url: &JwksUrl, options: &FetchOptions) -> Result<Vec<u8>, Error> {
    let fetcher = Fetcher::new(options, Policy::custom(follow))?;
    let fetched = fetcher.get(url.as_str()).await;
    match fetched.document() {
        Some(document) => Ok(document.to_vec()),
        None => Err(Error::JwksUrl { url: url.to_string(), reason: reason(&fetched) }),
    }
}

fn follow(attempt: Attempt<'_>) -> Action {
    if attempt.url().scheme() == "https" && attempt.previous().len() <= REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn reason(fetched: &Fetched) -> String {
    let answer = match &fetched.outcome {
        Ok(answer) => answer,
        Err(unreached) => {
            return match &fetched.proxy {
                Some(proxy) => format!("{} (requested through the proxy {proxy})", why(unreached)),
                None => why(unreached),
            };
        }
    };
    match (answer.status, answer.body_fault) {
        (200, Some(BodyFault::TooLarge)) => "it is larger than 1 MiB".to_owned(),
        (200, _) => "the answer is not complete".to_owned(),
        (300..=399, _) => format!(
            "the server answered {}: it redirects more than {REDIRECTS} times, or to a URL that is \
             not https",
            answer.status
        ),
        (status @ (401 | 403), _) => {
            format!("the server answered {status}: it does not let anonymous readers read it")
        }
        (404, _) => "the server answered 404: it does not exist".to_owned(),
        (status, _) => format!("the server answered {status}"),
    }
}

fn why(unreached: &Unreached) -> String {
    const { assert!(TIME_LIMIT_SECS == 5) };
    let why = match unreached {
        Unreached::Certificate(fault) => return fault.to_string(),
        Unreached::NameNotFound => "its host name does not resolve (DNS)",
        Unreached::Refused => "connection refused",
        Unreached::Unroutable => "there is no route to the host",
        Unreached::ConnectTimedOut => "no connection within 5 s",
        Unreached::AnswerTimedOut => "no answer within 5 s",
        Unreached::Closed => "the server closed the connection without an answer",
        Unreached::NotTls | Unreached::Handshake(_) => "the server does not speak TLS 1.2 or 1.3",
        Unreached::Proxy(ProxyFault::Setting(_)) => {
            "the proxy that the environment names cannot be used"
        }
        Unreached::Proxy(ProxyFault::NotReached(_)) => "the proxy cannot be reached",
        Unreached::Proxy(ProxyFault::Credentials) => {
            "the proxy requires a user name and a password (407)"
        }
        Unreached::Proxy(ProxyFault::Closed) => {
            "the proxy closed the connection, as a server that is not an HTTP proxy does"
        }
        Unreached::Proxy(_) => "the proxy does not connect to the host",
        _ => "the request failed",
    };
    why.to_owned()
}

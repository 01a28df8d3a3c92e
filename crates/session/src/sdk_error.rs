//! Errors of the AWS SDK as one line of text.

use std::error::Error;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use issuer_diagnostic::causes;
use url::Url;

use crate::credentials::NoCredentials;
use crate::http::{NoAnswer, host_of};

/// The service's error code, such as `AccessDenied`.
pub fn code<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> Option<String> {
    error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned)
}

/// Whether an answer is a page for people, which no service of AWS sends: that of a proxy, or of
/// another server at the endpoint.
pub fn is_web_page<E>(error: &SdkError<E, Response>) -> bool {
    let content_type = error.raw_response().and_then(|r| r.headers().get("content-type"));
    content_type.is_some_and(|value| value.trim_start().starts_with("text/html"))
}

/// The error code and message of the service, or the reason why there was no answer of it.
pub fn message<E>(error: &SdkError<E, Response>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = || error.raw_response().map(|response| response.status().as_u16());
    match (error.as_service_error(), error) {
        (Some(service), _) if service.code().is_some() => {
            let (code, text) =
                (service.code().unwrap_or_default(), service.message().unwrap_or_default());
            if text.is_empty() { code.to_owned() } else { format!("{code}: {text}") }
        }
        (_, SdkError::TimeoutError(_)) => NO_END.to_owned(),
        _ if status().is_some_and(|status| (300..400).contains(&status)) => {
            redirect(status().unwrap_or_default(), error.raw_response())
        }
        _ if is_web_page(error) => format!("HTTP {} {WEB_PAGE}", status().unwrap_or_default()),
        _ => match status() {
            Some(status) => format!("HTTP {status} without an error code"),
            None => chain(error),
        },
    }
}

/// A redirect without an error code, which no service of AWS sends. Only the host is shown: the rest of
/// the URL can have a token in it.
fn redirect(status: u16, response: Option<&Response>) -> String {
    let to = response.and_then(|response| response.headers().get("location")).unwrap_or_default();
    let to = Url::parse(to).ok().filter(Url::has_host);
    let to = to.map_or_else(
        || "another path".to_owned(),
        |url| format!("{}://{}", url.scheme(), host_of(&url)),
    );
    format!("HTTP {status} {REDIRECT}{to}")
}

/// Before the host that a redirect leads to.
pub(crate) const REDIRECT: &str = "without an error code, with a redirect to ";

pub(crate) const WEB_PAGE: &str = "with an HTML page, which is not an answer of AWS";

/// The message about a call with all its attempts.
pub(crate) const NO_END: &str = "the service did not answer in time";

/// An error and its sources in one line, without repetitions; an error of this crate says it alone.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    if let Some(own) = causes(error).find(|e| e.is::<NoCredentials>() || e.is::<NoAnswer>()) {
        return without_request(&own.to_string()).to_owned();
    }
    let mut said: Vec<String> = Vec::new();
    for error in causes(error) {
        let text = error.to_string();
        let line = without_request(text.lines().next().unwrap_or_default());
        if !line.is_empty() && !said.iter().any(|earlier| earlier.contains(line)) {
            said.push(line.to_owned());
        }
    }
    said.join(": ").trim_end_matches(" Attempted:").to_owned()
}

/// What is before the dump of a request, whose body can hold a token.
fn without_request(text: &str) -> &str {
    let end = ["Request {", "SdkBody"].iter().filter_map(|dump| text.find(dump)).min();
    let text = &text[..end.unwrap_or(text.len())];
    if end.is_some() { text.trim_end_matches([' ', ':', '(', '{', ',']) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dump_of_a_request_is_never_a_part_of_a_message() {
        for (text, shown) in [
            ("invalid URI: Request { body: SdkBody { HIDDEN", "invalid URI"),
            ("Request { HIDDEN", ""),
            ("failed (SdkBody(HIDDEN))", "failed"),
            ("connection refused: 127.0.0.1", "connection refused: 127.0.0.1"),
        ] {
            assert_eq!(without_request(text), shown);
            let chained = chain(&std::io::Error::other(text));
            assert!(!chained.contains("HIDDEN"), "{chained}");
        }
    }
}

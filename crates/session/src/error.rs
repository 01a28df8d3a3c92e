//! Errors of the AWS SDK as one line of text.

use std::error::Error;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The service's error code, such as `AccessDenied`.
pub fn code<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> Option<String> {
    error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned)
}

/// The error code and message of the service, or the reason why there was no response.
pub fn message<E>(error: &SdkError<E, Response>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error.as_service_error() {
        Some(service) if service.code().is_some() => {
            let (code, text) =
                (service.code().unwrap_or_default(), service.message().unwrap_or_default());
            if text.is_empty() { code.to_owned() } else { format!("{code}: {text}") }
        }
        _ => chain(error),
    }
}

/// Whether the cause is the credentials or the clock, and not a missing permission.
#[must_use]
pub fn is_about_credentials(code: Option<&str>, message: &str) -> bool {
    const CODES: [&str; 11] = [
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "RequestTimeTooSkewed",
        "RequestExpired",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "NotSignedUp",
    ];
    code.map_or_else(|| message.contains("credentials"), |code| CODES.contains(&code))
}

/// An error and its sources in one line, without repetitions.
fn chain(error: &dyn Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        if !said.iter().any(|earlier| earlier.contains(line)) {
            said.push(line.to_owned());
        }
        next = error.source();
    }
    said.join(": ").trim_end_matches(" Attempted:").to_owned()
}

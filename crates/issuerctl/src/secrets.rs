//! The secrets of the command line and the environment.

use issuer_redact::{register as register_value, register_access_key};

/// Variables that are secrets.
const VARIABLES: [&str; 3] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"];

/// Variables whose values are names, and into which people put access keys by mistake.
const NAMES: [&str; 4] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"];

/// Registers the secrets of this process, so that no output repeats them.
pub(crate) fn register() {
    for name in VARIABLES {
        register_value(&std::env::var(name).unwrap_or_default());
    }
    for text in std::env::args_os() {
        let text = text.to_string_lossy();
        register_access_key(text.strip_prefix("--").and_then(value_of).unwrap_or(&text));
    }
    for name in NAMES {
        register_access_key(std::env::var(name).unwrap_or_default().trim());
    }
    let variables = std::env::vars_os().map(|(_, value)| value);
    for text in std::env::args_os().chain(variables) {
        for password in passwords(&text.to_string_lossy()) {
            register_value(password);
        }
    }
    for text in std::env::args_os() {
        query_values(&text.to_string_lossy()).for_each(register_value);
    }
}

/// Whether an argument is a key, a token or JSON, by itself or as the value of an option. No
/// command has such an argument.
pub(crate) fn is_secret(argument: &str) -> bool {
    let value = value_of(argument).unwrap_or_default();
    let is_json = |text: &str| text.trim_start().starts_with(['{', '[']);
    issuer_redact::is_secret(argument)
        || is_json(argument)
        || is_json(value)
        // An issuer URL with a line break gets its own error message.
        || (argument.trim_end().contains('\n') && !argument.contains("http"))
}

/// What is behind the equals sign.
fn value_of(argument: &str) -> Option<&str> {
    argument.split_once('=').map(|(_, value)| value)
}

/// The passwords of the URLs in a text, also of those that lack a slash or the scheme; without a
/// colon, what is before the `@` of a URL.
fn passwords(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('@').filter_map(|(at, _)| {
        let before = &text[..at];
        let start = before.rfind(['/', ',', ' ', '=']).map_or(0, |slash| slash + 1);
        match before[start..].split_once(':') {
            Some((_, password)) => Some(password),
            None => before[..start].ends_with("://").then_some(&before[start..]),
        }
    })
}

/// The values in the query of an S3 URL, which has none: people paste presigned URLs.
fn query_values(argument: &str) -> impl Iterator<Item = &str> {
    let query = argument.split_once("s3://").and_then(|(_, url)| url.split_once('?'));
    let parts = query.map_or("", |(_, query)| query).split(['&', '#']);
    parts.map(|part| part.split_once('=').map_or(part, |(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_urls_are_found() {
        let found = |text| passwords(text).collect::<Vec<_>>();
        assert_eq!(found("https://user:p@ss@host:1/x@y"), ["p", "p@ss"]);
        assert_eq!(found("s3:/user:pass@bucket user:other@host"), ["pass", "other"]);
        assert_eq!(found("--proxy=http://token@host,http://u:two@h"), ["token", "two"]);
        assert!(found("https://host/a@b mail@example.com s3://b").is_empty());
    }

    #[test]
    fn values_in_the_query_of_an_s3_url_are_found() {
        let found = |text| query_values(text).collect::<Vec<_>>();
        assert_eq!(found("--to=s3://b/p?X-Amz-Signature=one&two#x=three"), ["one", "two", "three"]);
        assert_eq!(found("https://host/?a=b"), [""]);
    }

    #[test]
    fn an_argument_that_is_a_document_is_recognized_also_behind_an_equals_sign() {
        for argument in [
            "{\"keys\": []}",
            "--jwks={\"keys\": []}",
            "--jwks= [1]",
            "--token=eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.c2ln",
            "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.c2ln",
            "two\nlines",
        ] {
            assert!(is_secret(argument), "{argument}");
        }
        for argument in
            ["--tag=team=platform", "--key=sa.pub", "https://a\nb", "--issuer=https://a\nb", "x\n"]
        {
            assert!(!is_secret(argument), "{argument}");
        }
    }
}

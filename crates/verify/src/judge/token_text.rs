//! The token as text, and what it is if it is not a JWT.

use issuer_diagnostic::deceptive;
use issuer_jwks::Token;
use serde_json::Value;

use crate::text::quote;
use crate::verdict::Fault;

/// The most characters that STS accepts.
const LONGEST: usize = 20_000;

/// The command that prints a fresh token.
const CREATE_TOKEN: &str = "kubectl create token SERVICEACCOUNT --audience sts.amazonaws.com";

/// The fix for a token that does not have the form of a service-account token.
pub(super) const FRESH: &str = "use a projected service-account token; a fresh one: kubectl create \
                                token SERVICEACCOUNT --audience sts.amazonaws.com (TokenRequest)";

/// Parses the token.
///
/// # Errors
/// What the text is instead.
pub(super) fn parse(text: &str) -> Result<Token, Fault> {
    let trimmed = text.trim();
    if trimmed.chars().count() > LONGEST {
        return Err(Fault::new(
            format!(
                "the token has {} characters, which is too many: STS accepts at most 20,000",
                trimmed.chars().count()
            ),
            "use a service-account token, which has fewer than 2,000 characters",
        ));
    }
    if let Some(fault) = other_text(trimmed) {
        return Err(fault);
    }
    Token::parse(trimmed).map_err(|fault| {
        Fault::new(
            format!("the token is not a valid JWT: {fault}; it begins with {}", begin(trimmed)),
            format!(
                "copy the token completely and unchanged, or request a fresh one: {CREATE_TOKEN}"
            ),
        )
    })
}

/// Only for text that is not a token; of a token, no part but the header is ever repeated.
fn begin(text: &str) -> String {
    quote(&text.chars().take(12).collect::<String>())
}

fn other_text(text: &str) -> Option<Fault> {
    let fresh = || format!("use the token only; a fresh one: {CREATE_TOKEN}");
    let not = |what: String, fix: String| {
        Some(Fault::new(format!("the token is not a JWT: {what}"), fix))
    };
    if text.is_empty() {
        return Some(Fault::new(
            "the token is empty, not a JWT",
            format!(
                "if the file is empty, the command that wrote it has failed; a fresh token: \
                 {CREATE_TOKEN}"
            ),
        ));
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return not("it is not UTF-8 text".to_owned(), fresh());
    }
    if let Some(c) =
        text.chars().find(|c| !c.is_ascii() || (c.is_ascii_control() && !c.is_ascii_whitespace()))
    {
        let what = match deceptive(c) {
            Some(name) => format!("U+{:04X} ({name})", u32::from(c)),
            None => format!("U+{:04X}", u32::from(c)),
        };
        return not(
            format!("it contains the character {what}, which is not allowed in a token"),
            "copy the token as plain ASCII text, or read it from the file".to_owned(),
        );
    }
    if text.starts_with(['"', '\'']) {
        return not(
            "it is in quotes".to_owned(),
            "remove the quotes around the token (jq -r, not jq)".to_owned(),
        );
    }
    let lower = text.get(..text.len().min(16)).unwrap_or_default().to_ascii_lowercase();
    if lower.starts_with("bearer ") || lower.starts_with("authorization:") {
        return not(
            "it begins with the prefix \"Bearer \" of an HTTP header".to_owned(),
            "remove \"Bearer \" and use the token only".to_owned(),
        );
    }
    if text.starts_with(['{', '[']) {
        return not(format!("it is JSON{}", json_kind(text)), json_fix(text));
    }
    if text.contains("-----BEGIN") {
        return not("it is PEM, a key or certificate".to_owned(), fresh());
    }
    if text.starts_with('<') {
        return not("it is HTML or XML".to_owned(), fresh());
    }
    if text.starts_with("k8s-aws-v1.") {
        return not(
            "it is a token of aws eks get-token, for authentication to a cluster".to_owned(),
            fresh(),
        );
    }
    if text.starts_with("ZXlK") && !text.contains('.') {
        return not(
            "it is a token in base64, as in the data of a Secret".to_owned(),
            "decode it first: base64 -d".to_owned(),
        );
    }
    if is_path(text) {
        return not(
            format!("it is a path to a file, {}", quote(text)),
            format!("use the content of the file {}", crate::text::shorten(text)),
        );
    }
    if let Some((name, rest)) = text.split_once(['=', ':'])
        && rest.trim().starts_with("eyJ")
        && !name.contains('.')
    {
        return not(
            format!("{} precedes it", quote(name)),
            "use the token only, without a name before it".to_owned(),
        );
    }
    if text.starts_with('$') {
        return not(
            "it is the name of a variable, which was not expanded".to_owned(),
            "use the token itself, or the path of its file; a shell does not expand variables in \
             single quotes"
                .to_owned(),
        );
    }
    let tokens = text
        .split_whitespace()
        .filter(|word| word.starts_with("eyJ") && word.matches('.').count() == 2)
        .count();
    if tokens > 1 {
        return not(
            format!("there are {tokens} tokens, with white space between them"),
            "use one token only, the service account's".to_owned(),
        );
    }
    if text.starts_with("eyJ") && text.contains(char::is_whitespace) {
        let lines = text.lines().count();
        return not(
            format!(
                "it contains white space ({lines} lines): it is wrapped, or followed by other text"
            ),
            "put the token on one line, without line breaks or spaces (base64 -w0, tr -d '\\n')"
                .to_owned(),
        );
    }
    if text.contains(char::is_whitespace) {
        return not(
            "it is text with white space, possibly the error message of a command".to_owned(),
            fresh(),
        );
    }
    if text.starts_with("eyJ")
        && let Some((at, c)) =
            text.char_indices().find(|(_, c)| !c.is_ascii_alphanumeric() && !"-_.".contains(*c))
    {
        return not(stray(text, at, c), "copy the complete token and nothing around it".to_owned());
    }
    match text.split('.').count() {
        3 => None,
        5 => not(
            "it has five parts separated by dots: an encrypted token (JWE)".to_owned(),
            format!("STS needs a signed token of three parts: {CREATE_TOKEN}"),
        ),
        2 if text.starts_with("eyJ") => not(
            "it has two parts separated by dots, not three: the signature is cut off".to_owned(),
            format!("copy the complete token, or request a fresh one: {CREATE_TOKEN}"),
        ),
        parts => not(
            format!(
                "it has {parts} part(s) separated by dots, not three (header, claims, signature); \
                 possibly an opaque access token"
            ),
            fresh(),
        ),
    }
}

/// Names a character that is not allowed in a token, and its position; text of the token is not
/// repeated.
fn stray(text: &str, at: usize, c: char) -> String {
    let is_percent = c == '%'
        && text.get(at + 1..at + 3).is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
    if is_percent {
        return "it is percent-encoded (URL-encoded): a token does not contain %".to_owned();
    }
    let place = if at + 2 >= text.len() {
        "ends in".to_owned()
    } else {
        format!("has, after {at} characters,")
    };
    format!("it {place} the character {}, which is not allowed in a token", quote(&c.to_string()))
}

fn is_path(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && (text.starts_with(['/', '~']) || text.starts_with("./") || text.starts_with("file:"))
}

fn json_kind(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return String::new() };
    value
        .get("kind")
        .and_then(Value::as_str)
        .map(|kind| format!(", a {}", crate::text::shorten(kind)))
        .unwrap_or_default()
}

fn json_fix(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text).unwrap_or_default();
    let path = if value.pointer("/status/token").is_some() {
        "status.token"
    } else if value.pointer("/data/token").is_some() {
        return "use the token only: the member data.token, decoded (jq -r .data.token | base64 -d)"
        .to_owned();
    } else if value.get("id_token").is_some() {
        "id_token"
    } else if value.get("token").is_some() {
        "token"
    } else {
        return format!("use the token only; a fresh one: {CREATE_TOKEN}");
    };
    format!("use the token only: the member {path} (jq -r .{path})")
}

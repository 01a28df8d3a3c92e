//! The token as text: what it is, where it is no JWT.

use issuer_jwks::Token;
use serde_json::Value;

use crate::text::quote;
use crate::verdict::Fault;

/// More characters STS does not take.
const LONGEST: usize = 20_000;

/// The command that prints a fresh token.
const CREATE_TOKEN: &str = "kubectl create token SERVICEACCOUNT --audience sts.amazonaws.com";

/// The fix for a token that no service account should have.
pub(super) const FRESH: &str = "use a projected service-account token; a fresh one: kubectl create \
                                token SERVICEACCOUNT --audience sts.amazonaws.com (TokenRequest)";

/// Takes the token apart.
///
/// # Errors
/// What the text is instead.
pub(super) fn parse(text: &str) -> Result<Token, Fault> {
    let trimmed = text.trim();
    if trimmed.chars().count() > LONGEST {
        return Err(Fault::new(
            format!(
                "the token has {} characters, too many: STS takes at most 20,000",
                trimmed.chars().count()
            ),
            "give a service-account token; its claims fit into 2,000 characters",
        ));
    }
    if let Some(fault) = other_text(trimmed) {
        return Err(fault);
    }
    Token::parse(trimmed).map_err(|fault| {
        Fault::new(
            format!("the token is not a valid JWT: {fault}; it begins with {}", begin(trimmed)),
            format!("copy the token whole and unchanged, or make a fresh one: {CREATE_TOKEN}"),
        )
    })
}

/// Only of what is no token: of one, no part is repeated but the header.
fn begin(text: &str) -> String {
    quote(&text.chars().take(12).collect::<String>())
}

fn other_text(text: &str) -> Option<Fault> {
    let fresh = || format!("give the token alone; a fresh one: {CREATE_TOKEN}");
    let not = |what: String, fix: String| {
        Some(Fault::new(format!("the token is not a JWT: {what}"), fix))
    };
    if text.is_empty() {
        return Some(Fault::new(
            "the token is empty, not a JWT",
            format!("give a token; where the file is empty, its writer failed: {CREATE_TOKEN}"),
        ));
    }
    if let Some(c) =
        text.chars().find(|c| !c.is_ascii() || (c.is_ascii_control() && !c.is_ascii_whitespace()))
    {
        return not(
            format!(
                "it holds the character U+{:04X}, which no token has (invisible, from copying?)",
                u32::from(c)
            ),
            "copy the token as plain ASCII text, or read it from the file".to_owned(),
        );
    }
    if text.starts_with(['"', '\'']) {
        return not(
            "it stands in quotes".to_owned(),
            "remove the quotes around the token (jq -r, not jq)".to_owned(),
        );
    }
    let lower = text.get(..text.len().min(16)).unwrap_or_default().to_ascii_lowercase();
    if lower.starts_with("bearer ") || lower.starts_with("authorization:") {
        return not(
            "it begins with the prefix \"Bearer \" of an HTTP header".to_owned(),
            "remove \"Bearer \" and give the token alone".to_owned(),
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
            "it is a token of aws eks get-token, for logging in to a cluster".to_owned(),
            fresh(),
        );
    }
    if text.starts_with("ZXlK") && !text.contains('.') {
        return not(
            "it is a token encoded once more in base64, as in a Secret's data".to_owned(),
            "decode it first: base64 -d".to_owned(),
        );
    }
    if is_path(text) {
        return not(
            format!("it is a path to a file, {}", quote(text)),
            format!("give the content of the file, --token {}", crate::text::shorten(text)),
        );
    }
    if let Some((name, rest)) = text.split_once(['=', ':'])
        && rest.trim().starts_with("eyJ")
        && !name.contains('.')
    {
        return not(
            format!("{} stands before it", quote(name)),
            "give the token alone, without a name before it".to_owned(),
        );
    }
    if text.starts_with('$') {
        return not(
            "it is the name of a variable, which was not expanded".to_owned(),
            "give the token itself: --token with the file's path, and the variable not in single \
             quotes"
                .to_owned(),
        );
    }
    let tokens = text
        .split_whitespace()
        .filter(|word| word.starts_with("eyJ") && word.matches('.').count() == 2)
        .count();
    if tokens > 1 {
        return not(
            format!(
                "it is more than one: there are {tokens} tokens, with white space between them"
            ),
            "give one token alone, the service account's".to_owned(),
        );
    }
    if text.starts_with("eyJ") && text.contains(char::is_whitespace) {
        let lines = text.lines().count();
        return not(
            format!(
                "it has white space within ({lines} lines): it is wrapped, or there is more after \
                 it"
            ),
            "put the token on one line, without line breaks or spaces (base64 -w0, tr -d '\\n')"
                .to_owned(),
        );
    }
    if text.contains(char::is_whitespace) {
        return not(
            "it is text with white space in it, a command's error message perhaps".to_owned(),
            fresh(),
        );
    }
    if text.starts_with("eyJ")
        && let Some((at, c)) =
            text.char_indices().find(|(_, c)| !c.is_ascii_alphanumeric() && !"-_.".contains(*c))
    {
        return not(
            stray(text, at, c),
            "copy the token whole and without anything around it".to_owned(),
        );
    }
    match text.split('.').count() {
        3 => None,
        5 => not(
            "it has five parts between dots, an encrypted token (JWE)".to_owned(),
            format!("STS needs a signed token of three parts: {CREATE_TOKEN}"),
        ),
        2 if text.starts_with("eyJ") => not(
            "it has two parts between dots, not three: the signature is cut off".to_owned(),
            format!("copy the token whole, or make a fresh one: {CREATE_TOKEN}"),
        ),
        parts => not(
            format!(
                "it has {parts} part(s) between dots, not three (header, claims, signature); an \
                 opaque access token perhaps"
            ),
            fresh(),
        ),
    }
}

/// What a character is that no token has. Whoever reads it has the token, so its place says enough.
fn stray(text: &str, at: usize, c: char) -> String {
    let is_percent = c == '%'
        && text.get(at + 1..at + 3).is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
    if is_percent {
        return "it is percent-encoded (URL-encoded): a token has no %".to_owned();
    }
    let place = if at + 2 >= text.len() {
        "ends in".to_owned()
    } else {
        format!("has, after {at} others,")
    };
    format!("it {place} the character {}, which no token has", quote(&c.to_string()))
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
        return "give the token alone: the member data.token, decoded (jq -r .data.token | base64 \
                -d)"
        .to_owned();
    } else if value.get("id_token").is_some() {
        "id_token"
    } else if value.get("token").is_some() {
        "token"
    } else {
        return format!("give the token alone; a fresh one: {CREATE_TOKEN}");
    };
    format!("give the token alone: the member {path} (jq -r .{path})")
}

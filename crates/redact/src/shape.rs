//! What has the form of a secret.

use std::ops::Range;
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::der;

/// Tokens, keys and documents that are made of them: no argument of a command is one of these.
static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    compile(&[
        // PEM (RFC 7468); a block that is cut off reaches to the end.
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)",
        // Base64 of `-----BEGIN `.
        r"LS0tLS1CRUdJTi[A-Za-z0-9+/=_\-]*",
        // Base64url of `{"`: a JWT (RFC 7519), a JWE, or a JWK in base64.
        r"\beyJ[A-Za-z0-9_\-]{12,}[A-Za-z0-9_\-.+/=]*",
    ])
});

/// The same with something before the secret (the first group) that is shown.
static LABELED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    compile(&[
        // RFC 6750, RFC 7617. A value of small letters only is a word: `bearer token`.
        r#"(\b(?i:bearer|basic)[ :]+)[A-Za-z0-9+/_\-.~=]*[A-Z0-9+/_\-.~=][A-Za-z0-9+/_\-.~=]{7,}"#,
        r#"(\b(?i:bearer|basic)[ :]+)[A-Za-z0-9+/_\-.~=]{7,}[A-Z0-9+/_\-.~=][A-Za-z0-9+/_\-.~=]*"#,
        // Private members of a JWK (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
        r#"(["'](?:d|p|q|dp|dq|qi|k)["']\s*:\s*["'])[A-Za-z0-9_\-+/=]{16,}"#,
        // Signed requests to AWS (Signature Version 4 and 2), in headers, URLs and answers.
        r#"((?i:credential|awsaccesskeyid)(?:=|%3[Dd]|>|["']\s*:\s*["']))[A-Z0-9]{16,128}"#,
        r#"((?i:signature|signatureprovided)(?:=|%3[Dd]|>))[A-Za-z0-9+/%_\-]{20,}=*"#,
        // A presigned URL, whatever is in it.
        r#"(?i)(x-amz-(?:signature|security-token)(?:=|%3d))[^\s"'&<>]+"#,
        r#"(\bAWS [A-Z0-9]{16,128}:)[A-Za-z0-9+/]{20,}=*"#,
        // An access key and its secret, as people join them.
        r#"(\b(?:AKIA|ASIA)[A-Z0-9]{12,124}[:,;|])[A-Za-z0-9+/=]{16,}"#,
        // Members of kubeconfig files, AWS files and OAuth answers.
        r#"(?i)((?:password|passwd|client-key-data|client[_-]secret|secret[_-]?access[_-]?key|session[_-]?token|security-token|(?:id|access|refresh)[_-]token|\btoken)["']?\s*[:=>]\s*["']?)[^\s"',;&{}\[\]()<>]{8,}"#,
    ])
});

/// A user and password without a scheme (the first group is shown): a password can have `/`, `:` and
/// `@` in it.
static LOGIN: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    compile(&[
        r#"((?:^|[\s"'`=(\[{,;<>|&])([A-Za-z0-9._%+\-]+):)([^\s"'`<>]+)@(?:sha(?:256|512):|[A-Za-z0-9\[])"#,
    ])
});

/// The ID of an access key (IAM user guide, "Unique identifiers": `AKIA` and `ASIA`).
static ACCESS_KEY: LazyLock<Vec<Regex>> =
    LazyLock::new(|| compile(&[r"\b(?:AKIA|ASIA)[A-Z0-9]{12,124}\b"]));

/// The length of the secret of an access key.
const SECRET_LENGTH: usize = 40;

/// Names before a colon that are no users: what is after them can be an e-mail address.
const NO_USERS: [&str; 4] = ["arn", "system", "mailto", "acct"];

/// Where the secrets are, in no order.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = der::find(text);
    for shape in SECRETS.iter() {
        found.extend(shape.find_iter(text).map(|secret| secret.range()));
    }
    for shape in LABELED.iter() {
        for captures in shape.captures_iter(text) {
            let (Some(all), Some(label)) = (captures.get(0), captures.get(1)) else { continue };
            let secret = &text[label.end()..all.end()];
            // `token: expired` is a message, and so is a command between backticks behind it.
            let is_word = secret.trim_matches('`').bytes().all(|b| b.is_ascii_lowercase());
            if !(label.as_str().starts_with("token") && is_word) {
                found.push(label.end()..all.end());
            }
        }
    }
    user_info(text, &mut found);
    for shape in LOGIN.iter() {
        for captures in shape.captures_iter(text) {
            let (Some(all), Some(user), Some(password)) =
                (captures.get(0), captures.get(2), captures.get(3))
            else {
                continue;
            };
            // The ID of a role is before the name of a session, which often is an address.
            let is_name = NO_USERS.contains(&user.as_str()) || user.as_str().starts_with("AROA");
            // `registry/image:tag@sha256:...`
            let is_digest = all.as_str().ends_with(':');
            // A URL has its own rule.
            if !is_name
                && !is_digest
                && !password.as_str().contains("://")
                && !password.as_str().starts_with("//")
            {
                found.push(password.range());
            }
        }
    }
    found
}

/// The user and password of URLs (RFC 3986, section 3.2.1). A password with a slash in it that is
/// not encoded is no valid one, but it is a password: the last `@` ends it.
fn user_info(text: &str, found: &mut Vec<Range<usize>>) {
    let mut schemes = text.match_indices("://").map(|(at, _)| at).peekable();
    while let Some(scheme) = schemes.next() {
        if !text[..scheme].ends_with(|c: char| c.is_ascii_alphanumeric() || "+.-".contains(c)) {
            continue;
        }
        let start = scheme + 3;
        // Another URL can follow without white space: `http://a@h,http://b@h`.
        let limit = schemes.peek().copied().unwrap_or(text.len()).max(start);
        let url = &text[start..limit];
        let url = &url
            [..url.find(|c: char| c.is_whitespace() || "\"'<>".contains(c)).unwrap_or(url.len())];
        let authority = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        let has_user = authority.contains('@')
            || authority.split_once(':').is_some_and(|(name, port)| !is_host(name, port));
        if let Some(end) = url.rfind('@').filter(|end| has_user && *end > 0) {
            found.push(start..start + end);
        }
    }
}

/// Whether this is a host with a port and not a user with the beginning of a password.
fn is_host(name: &str, port: &str) -> bool {
    let is_port = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    name.starts_with('[') || is_port && (name.contains('.') || name == "localhost")
}

pub(crate) fn is_secret(text: &str) -> bool {
    // A certificate or a public key is no secret, but it is no name of a file either.
    text.contains("-----BEGIN")
        || SECRETS.iter().any(|shape| shape.is_match(text))
        || !der::find(text).is_empty()
}

/// What follows the ID of an access key, or the whole text if it has the form of its secret; an empty
/// text for an ID alone, `None` for any other.
pub(crate) fn access_key(text: &str) -> Option<&str> {
    if let Some(id) = ACCESS_KEY.iter().find_map(|shape| shape.find(text)) {
        return Some(text[id.end()..].trim_matches(|c: char| !c.is_alphanumeric()));
    }
    let has = |is: fn(&u8) -> bool| text.bytes().any(|b| is(&b));
    let is_secret = text.len() == SECRET_LENGTH
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'+')
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit);
    is_secret.then_some(text)
}

fn compile(patterns: &[&str]) -> Vec<Regex> {
    patterns
        .iter()
        .map(|pattern| {
            #[expect(
                clippy::expect_used,
                reason = "the patterns are constants, which the tests compile"
            )]
            Regex::new(pattern).expect("a valid pattern")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::redact;

    const JWT: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJ4In0.c2ln_-bmF0dXJl";

    #[test]
    fn whatever_has_the_form_of_a_secret_is_replaced() {
        for (text, shown) in [
            (format!("a {JWT} b"), "a [redacted] b"),
            (format!("token={JWT}&x"), "token=[redacted]&x"),
            (format!("\"Bearer {JWT}\""), "\"Bearer [redacted]\""),
            (format!("got ({JWT})."), "got ([redacted])."),
            (
                "x -----BEGIN RSA PRIVATE KEY-----\nhidden\n-----END RSA PRIVATE KEY----- y".into(),
                "x [redacted] y",
            ),
            ("x -----BEGIN PRIVATE KEY-----\nhidden".into(), "x [redacted]"),
            ("key-data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1J==".into(), "key-data: [redacted]"),
            ("Authorization: Bearer opaque-TOKEN-1".into(), "Authorization: Bearer [redacted]"),
            (
                "'s3://b/p?X-Amz-Signature=short&x=1'".into(),
                "'s3://b/p?X-Amz-Signature=[redacted]&x=1'",
            ),
            ("authorization: basic dXNlcjpwYXNz".into(), "authorization: basic [redacted]"),
            ("https://user:pass@host:6443/x".into(), "https://[redacted]@host:6443/x"),
            ("s3://hidden@bucket".into(), "s3://[redacted]@bucket"),
            (
                r#"{"kty":"RSA","d":"aaaaaaaaaaaaaaaaaaaaaaaa","n":"AQAB"}"#.into(),
                r#"{"kty":"RSA","d":"[redacted]","n":"AQAB"}"#,
            ),
            (
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/s3/aws4_request, \
                 SignedHeaders=host, Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
                    .into(),
                "AWS4-HMAC-SHA256 Credential=[redacted]/20260101/us-east-1/s3/aws4_request, \
                 SignedHeaders=host, Signature=[redacted]",
            ),
            (
                "https://b/k?X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F20260101&X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0&x"
                    .into(),
                "https://b/k?X-Amz-Credential=[redacted]%2F20260101&X-Amz-Signature=[redacted]&x",
            ),
            (
                "<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId><SignatureProvided>frJIUN8DYpKDtOLCwo//yllqDzg=</SignatureProvided>"
                    .into(),
                "<AWSAccessKeyId>[redacted]</AWSAccessKeyId><SignatureProvided>[redacted]</SignatureProvided>",
            ),
            (
                "Authorization: AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=".into(),
                "Authorization: AWS AKIAIOSFODNN7EXAMPLE:[redacted]",
            ),
            (
                "no profile \"AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG\"".into(),
                "no profile \"AKIAIOSFODNN7EXAMPLE:[redacted]\"",
            ),
            ("https://u:p/MARKER@host".into(), "https://[redacted]@host"),
            ("https://u:1/MARKER@host/x".into(), "https://[redacted]@host/x"),
            ("\"https://u:p@x/MARKER?#@host\"".into(), "\"https://[redacted]@host\""),
            (
                "http://one@h,http://u:two@h x@y".into(),
                "http://[redacted]@h,http://[redacted]@h x@y",
            ),
            ("proxy=user:pa/ss:w@rd@host:1".into(), "proxy=user:[redacted]@host:1"),
            ("s3:/user:pass@bucket".into(), "s3:[redacted]@bucket"),
            ("password: hunter22hunter22".into(), "password: [redacted]"),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG".into(),
                "aws_secret_access_key = [redacted]",
            ),
            (
                r#"{"SecretAccessKey":"wJalrXUtnFEMI/K7MDENG"}"#.into(),
                r#"{"SecretAccessKey":"[redacted]"}"#,
            ),
            ("--token=abcdefgh12345".into(), "--token=[redacted]"),
            ("token: `abcdefgh12345`".into(), "token: [redacted]"),
            (
                "<SessionToken>FwoGZXIvYXdzEBY</SessionToken>".into(),
                "<SessionToken>[redacted]</SessionToken>",
            ),
        ] {
            assert_eq!(redact(&text), shown);
        }
    }

    #[test]
    fn the_words_of_our_messages_stay() {
        for text in [
            "the bearer token is not valid; basic authentication is off",
            "https://oidc.example.com/demo and mail@example.com",
            "the session token has expired",
            "SignatureDoesNotMatch: the signature we calculated does not match",
            "the Credential=NAME is not valid; Signature=NONE",
            "set --token FILE; a token: unexpected",
            "mounts its own token: `kubectl --kubeconfig kc set env deployment/app`",
            r#"+ member "id_token_signing_alg_values_supported"  ["RS256"]"#,
            r#"  "id_token_signing_alg_values_supported": ["RS256"]"#,
            "kid zDfnUpPbHHMbBGsDCzvTyNJpSRsbnHGqrHFUGdGzLJE",
            "s3://my-oidc/prod arn:aws:iam::111122223333:role/app",
            "-----BEGIN PUBLIC KEY-----",
            "the access key AKIAIOSFODNN7EXAMPLE: it does not exist",
            "system:serviceaccount:ns:name and system:serviceaccount:ns:name@cluster and a:b",
            "arn:aws:sts::111122223333:assumed-role/app/me@example.com",
            "AROAIOSFODNN7EXAMPLE:me@example.com mailto:me@example.com (me@example.com)",
            "https://host/a@b https://host.example.com:6443/a@b http://[::1]:80/a@b",
            "registry.example.com/app:v1@sha256:0a1b2c",
            r#"{"n":"aaaaaaaaaaaaaaaaaaaaaaaa","e":"AQAB","kid":"x"}"#,
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn an_argument_with_a_secret_in_it_is_recognized() {
        for argument in [
            JWT.to_owned(),
            format!("--token={JWT}"),
            format!("Bearer {JWT}"),
            "--key=LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t".into(),
            "-----BEGIN CERTIFICATE-----".into(),
        ] {
            assert!(is_secret(&argument), "{argument}");
        }
        for argument in ["sa.pub", "s3://b/p", "https://u:p@host", "eyJ.pub", "--issuer=https://x"]
        {
            assert!(!is_secret(argument), "{argument}");
        }
    }

    #[test]
    fn an_access_key_in_the_place_of_a_name_is_recognized() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for (text, found) in [
            ("AKIAIOSFODNN7EXAMPLE", Some("")),
            ("AKIAIOSFODNN7EXAMPLE:x", Some("x")),
            ("id=ASIAIOSFODNN7EXAMPLE, a/b+c=", Some("a/b+c")),
            (secret, Some(secret)),
            ("prod", None),
            ("AKIA", None),
            ("0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", None),
            ("zDfnUpPbHHMbBGsDCzvTyNJpSRsbnHGqrHFUGdGzLJE", None),
        ] {
            assert_eq!(access_key(text), found, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_redacting_again_changes_nothing(text in ".*") {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once);
        }
    }
}

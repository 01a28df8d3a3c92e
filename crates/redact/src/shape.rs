//! What has the form of a secret.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

use crate::REDACTED;

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
        // RFC 3986, section 3.2.1.
        r#"(\b[A-Za-z][A-Za-z0-9+.\-]*://)[^\s/?#"'<>@]+@"#,
        // Private members of a JWK (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
        r#"(["'](?:d|p|q|dp|dq|qi|k)["']\s*:\s*["'])[A-Za-z0-9_\-+/=]{16,}"#,
        // Members of kubeconfig files, AWS files and OAuth answers.
        r#"(?i)((?:password|passwd|client-key-data|client[_-]secret|secret[_-]?access[_-]?key|session[_-]?token|security-token|(?:id|access|refresh)[_-]token|\btoken)["']?\s*[:=>]\s*["']?)[^\s"',;&{}\[\]()<>]{8,}"#,
    ])
});

pub(crate) fn redact(text: &str) -> String {
    let mut text = text.to_owned();
    for shape in SECRETS.iter() {
        text = shape.replace_all(&text, REDACTED).into_owned();
    }
    for shape in LABELED.iter() {
        text = shape
            .replace_all(&text, |found: &Captures<'_>| {
                let secret = &found[0][found[1].len()..];
                // `token: expired` is a message.
                if found[1].starts_with("token") && secret.bytes().all(|b| b.is_ascii_lowercase()) {
                    return found[0].to_owned();
                }
                let at = if secret.ends_with('@') { "@" } else { "" };
                format!("{}{REDACTED}{at}", &found[1])
            })
            .into_owned();
    }
    text
}

pub(crate) fn is_secret(text: &str) -> bool {
    // A certificate or a public key is no secret, but it is no name of a file either.
    text.contains("-----BEGIN") || SECRETS.iter().any(|shape| shape.is_match(text))
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
            ("authorization: basic dXNlcjpwYXNz".into(), "authorization: basic [redacted]"),
            ("https://user:pass@host:6443/x".into(), "https://[redacted]@host:6443/x"),
            ("s3://hidden@bucket".into(), "s3://[redacted]@bucket"),
            (
                r#"{"kty":"RSA","d":"aaaaaaaaaaaaaaaaaaaaaaaa","n":"AQAB"}"#.into(),
                r#"{"kty":"RSA","d":"[redacted]","n":"AQAB"}"#,
            ),
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
            "set --token FILE; a token: unexpected",
            r#"+ member "id_token_signing_alg_values_supported"  ["RS256"]"#,
            r#"  "id_token_signing_alg_values_supported": ["RS256"]"#,
            "kid zDfnUpPbHHMbBGsDCzvTyNJpSRsbnHGqrHFUGdGzLJE",
            "s3://my-oidc/prod arn:aws:iam::111122223333:role/app",
            "-----BEGIN PUBLIC KEY-----",
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

    proptest! {
        #[test]
        fn no_text_panics_and_redacting_again_changes_nothing(text in ".*") {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once);
        }
    }
}

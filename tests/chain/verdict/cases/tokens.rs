//! Tokens that are broken in one way.

use serde_json::{Value, json};

use super::{Case, RECORDED, Sts, sign_with, sound};

const ISSUER: &str = "no provider has this `iss`, byte for byte ([AWS API: \
                      CreateOpenIDConnectProvider](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html))";

pub(super) fn cases() -> Vec<Case> {
    let refused = |what, token, check, says| Case {
        what,
        site: sound,
        token,
        verify: Some((check, says)),
        sts: Sts::Refuses,
    };
    let stricter = |what, token, check, says, why| Case {
        sts: Sts::AcceptsWhatAwsRefuses(why),
        ..refused(what, token, check, says)
    };
    vec![
        refused(
            "signed by another key under the published kid",
            |draft| draft["key"] = json!("other/sa.key"),
            "token-signature",
            "signature",
        ),
        refused(
            "another cluster's token",
            |draft| sign_with(draft, "other", 2),
            "token-kid",
            "not",
        ),
        refused(
            "a token signed with a key that was removed from the set",
            |draft| sign_with(draft, "old", 1),
            "token-kid",
            "not",
        ),
        refused("kid missing", |draft| draft["kid"] = Value::Null, "token-kid", "kid"),
        refused(
            "kid empty, and no such entry published",
            |draft| draft["kid"] = json!(""),
            "token-kid",
            "kid",
        ),
        refused(
            "kid in another letter case",
            |draft| {
                draft["kid"] = json!(draft["kid"].as_str().unwrap().to_ascii_lowercase());
            },
            "token-kid",
            "kid",
        ),
        refused(
            "claims tampered with",
            |draft| draft["mangle"] = json!("tampered"),
            "token-signature",
            "signature",
        ),
        refused(
            "signature cut off",
            |draft| draft["mangle"] = json!("cut"),
            "token-format",
            "signature",
        ),
        refused(
            "no signature part at all",
            |draft| draft["mangle"] = json!("two parts"),
            "token-format",
            "part",
        ),
        refused(
            "an opaque access token",
            |draft| draft["mangle"] = json!("opaque"),
            "token-format",
            "not",
        ),
        refused("unsigned (alg none)", |draft| draft["alg"] = json!("none"), "token-alg", "none"),
        refused(
            "alg HS256 with the public key as secret",
            |draft| {
                draft["alg"] = json!("HS256");
                draft["key"] = json!("pki/sa.pub");
            },
            "token-alg",
            "HS256",
        ),
        stricter(
            "alg PS256",
            |draft| draft["alg"] = json!("PS256"),
            "token-alg",
            "PS256",
            RECORDED,
        ),
        refused("expired", |draft| shift(draft, -7200), "token-time", "expired"),
        refused("not valid yet", |draft| shift(draft, 3600), "token-time", "not valid yet"),
        refused(
            "another audience",
            |draft| claim(draft, "aud", json!(["https://kubernetes.default.svc"])),
            "token-aud",
            "audience",
        ),
        refused("no audience", |draft| remove(draft, "aud"), "token-aud", "aud"),
        refused("no subject", |draft| remove(draft, "sub"), "token-sub", "sub"),
        refused("no exp", |draft| remove(draft, "exp"), "token-time", "exp"),
        stricter("no iat", |draft| remove(draft, "iat"), "token-time", "iat", RECORDED),
        stricter("no iss", |draft| remove(draft, "iss"), "token-iss", "iss", RECORDED),
        stricter(
            "several audiences and no azp",
            |draft| {
                claim(draft, "aud", json!(["sts.amazonaws.com", "https://kubernetes.default.svc"]));
            },
            "token-aud",
            "several audiences",
            RECORDED,
        ),
        stricter(
            "iss with a trailing slash",
            |draft| {
                let iss = format!("{}/", draft["claims"]["iss"].as_str().unwrap());
                claim(draft, "iss", json!(iss));
            },
            "token-iss",
            "trailing slash",
            ISSUER,
        ),
        stricter(
            "iss in another letter case",
            |draft| {
                let iss = draft["claims"]["iss"].as_str().unwrap().replace("my-oidc", "My-OIDC");
                claim(draft, "iss", json!(iss));
            },
            "token-iss",
            "letter case",
            ISSUER,
        ),
        stricter(
            "the cluster's default issuer",
            |draft| {
                claim(draft, "iss", json!("https://kubernetes.default.svc.cluster.local"));
            },
            "token-iss",
            "kubernetes.default.svc",
            ISSUER,
        ),
        stricter(
            "a legacy token from a Secret",
            |draft| {
                claim(draft, "iss", json!("kubernetes/serviceaccount"));
            },
            "token-iss",
            "legacy",
            ISSUER,
        ),
        stricter(
            "issued eight days ago, not expired",
            |draft| {
                let iat = draft["claims"]["iat"].as_i64().unwrap() - 8 * 86_400;
                claim(draft, "iat", json!(iat));
                claim(draft, "nbf", json!(iat));
            },
            "token-time",
            "too old",
            "`Token too old` ([mozilla-aws-cli#146](https://github.com/mozilla-iam/mozilla-aws-cli/issues/146))",
        ),
    ]
}

fn claim(draft: &mut Value, name: &str, value: Value) {
    draft["claims"][name] = value;
}

fn remove(draft: &mut Value, name: &str) {
    draft["claims"].as_object_mut().unwrap().remove(name);
}

/// Moves every time in the claims.
fn shift(draft: &mut Value, seconds: i64) {
    for name in ["iat", "nbf", "exp"] {
        let moved = draft["claims"][name].as_i64().unwrap() + seconds;
        claim(draft, name, json!(moved));
    }
}

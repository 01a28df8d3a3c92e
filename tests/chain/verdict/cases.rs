//! The ways to break an issuer or a token, one at a time.

mod sites;
mod tokens;

use issuer_test_support::ApiServer;
use serde_json::{Value, json};

use super::Bench;

/// One way.
pub(in crate::verdict) struct Case {
    /// In the table's words.
    pub(in crate::verdict) what: &'static str,
    /// Publishes under a prefix, breaks it, and says what is to be asked.
    pub(in crate::verdict) site: fn(&Bench, &str) -> Asked,
    /// Changes a good token's draft.
    pub(in crate::verdict) token: fn(&mut Value),
    /// The failed check, and what its message must say; nothing where verify passes.
    pub(in crate::verdict) verify: Option<(&'static str, &'static str)>,
    /// What the STS does.
    pub(in crate::verdict) sts: Sts,
}

/// What MinIO's STS does.
#[derive(Clone, Copy)]
pub(in crate::verdict) enum Sts {
    Accepts,
    Refuses,
    /// With the reason why AWS does not.
    AcceptsWhatAwsRefuses(&'static str),
}

/// An issuer to be asked for.
pub(in crate::verdict) struct Asked {
    pub(in crate::verdict) issuer: String,
    /// Whether its certificate authority is trusted.
    pub(in crate::verdict) trusted: bool,
    /// What serves a part of it.
    _server: Option<ApiServer>,
}

/// Seen in a public record of runs against AWS STS.
const RECORDED: &str = "recorded";

pub(in crate::verdict) fn cases() -> Vec<Case> {
    let mut cases = healthy();
    cases.extend(tokens::cases());
    cases.extend(sites::cases());
    cases
}

fn healthy() -> Vec<Case> {
    let passes = |what, site| Case { what, site, token: |_| {}, verify: None, sts: Sts::Accepts };
    vec![
        passes("a healthy issuer and token", sound),
        passes("the API server's document (`--shape kubernetes`)", |bench, prefix| {
            asked(bench.publish(prefix, "--shape kubernetes"))
        }),
        passes("the guide's second entry (`--with-empty-kid`)", |bench, prefix| {
            asked(bench.publish(prefix, "--with-empty-kid"))
        }),
        passes("old and new key during a rotation", |bench, prefix| {
            asked(bench.publish(prefix, "--key old/sa.pub"))
        }),
        Case {
            what: "a token of the older of two published keys",
            site: |bench, prefix| asked(bench.publish(prefix, "--key old/sa.pub")),
            token: |draft| sign_with(draft, "old", 1),
            verify: None,
            sts: Sts::Accepts,
        },
    ]
}

fn asked(issuer: String) -> Asked {
    Asked { issuer, trusted: true, _server: None }
}

fn sound(bench: &Bench, prefix: &str) -> Asked {
    asked(bench.publish(prefix, ""))
}

fn sign_with(draft: &mut Value, folder: &str, kid: usize) {
    draft["key"] = json!(format!("{folder}/sa.key"));
    draft["kid"] = draft["kids"][kid].clone();
}

//! Issuers and tokens, each broken in one way.

mod sites;
mod tokens;

use issuer_test_support::ApiServer;
use serde_json::{Value, json};

use super::Bench;

/// One issuer and token.
pub(in crate::verdict) struct Case {
    /// Its name in the table.
    pub(in crate::verdict) what: &'static str,
    /// Publishes under a prefix, breaks it, and returns the issuer to verify.
    pub(in crate::verdict) site: fn(&Bench, &str) -> Asked,
    /// Changes the draft of a valid token.
    pub(in crate::verdict) token: fn(&mut Value),
    /// The failed check and a part of its message; nothing if verify passes.
    pub(in crate::verdict) verify: Option<(&'static str, &'static str)>,
    /// The result of MinIO's STS.
    pub(in crate::verdict) sts: Sts,
}

/// The result of MinIO's STS.
#[derive(Clone, Copy)]
pub(in crate::verdict) enum Sts {
    Accepts,
    Refuses,
    /// With the reason why AWS refuses it.
    AcceptsWhatAwsRefuses(&'static str),
}

/// An issuer to verify.
pub(in crate::verdict) struct Asked {
    pub(in crate::verdict) issuer: String,
    /// Whether its certificate authority is trusted.
    pub(in crate::verdict) trusted: bool,
    /// A server of some of its documents.
    _server: Option<ApiServer>,
}

/// Observed in a public record of runs against AWS STS.
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

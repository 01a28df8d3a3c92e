//! The documents and a fresh token, judged as `verify` does.

use issuer_diagnostic::{Check, Status};
use issuer_verify::{CertificateFault, Expected, Unreached};

use super::bucket;
use super::case::Case;
use crate::diagnosis::Report;

/// Checks that mean that STS did not get a document.
const UNREAD: [&str; 2] = ["discovery-reachable", "keys-reachable"];

const NO_KEY: &str =
    "InvalidIdentityToken: Couldn't retrieve verification key from your identity provider";

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    let documents = &case.seen.documents;
    let Some(observation) = documents.observation.known() else {
        report.skip("discovery-reachable", documents.observation.why());
        return token_alone(case, report);
    };
    // A token of another issuer follows from that.
    let is_ours = case.signs.is_none() || case.signs == case.issuer;
    let token = documents.token.known().filter(|_| is_ours);
    let provider = case.seen.aws.provider.known().and_then(Option::as_ref);
    let mut audiences = provider.map(|provider| provider.audiences.clone()).unwrap_or_default();
    // Whether the provider knows the audience is judged with the provider.
    if !audiences.contains(&case.audience) {
        audiences.push(case.audience.clone());
    }
    let expected = Expected {
        issuer: case.url.clone(),
        token: token.cloned(),
        audiences,
        now_secs: case.seen.asked.now_secs,
        ..Expected::default()
    };
    let verdict = issuer_verify::judge(observation, &expected);
    let misled = verdict.checks.iter().find_map(|own| bucket::misled(case, observation, own));
    for check in verdict.checks.into_iter().map(|own| of_doctor(case, own)) {
        if let Some(fault) = &misled {
            match check.id {
                "jwks-uri" => {
                    report.doubt("jwks-uri", NO_KEY, fault.clone());
                    continue;
                }
                "keys-reachable" => {
                    report.follows_of("keys-reachable", "jwks-uri");
                    continue;
                }
                _ => {}
            }
        }
        // What comes next is here, and there are no other keys to compare with.
        if ["aws-side", "keys-expected"].contains(&check.id) {
            continue;
        }
        if check.status == Status::Fail
            && UNREAD.contains(&check.id)
            && let Some(why) = may_be_trusted(case)
        {
            report.warn(
                check.id,
                format!("{}; {why}", check.message),
                "give doctor the certificate of its CA (--ca-file)",
            );
            continue;
        }
        if check.status == Status::Fail
            && UNREAD.contains(&check.id)
            && let Some((id, fault)) = bucket::reason(case, &check)
        {
            report.doubt(id, check.consequence.unwrap_or_default(), fault);
            report.follows(check.id);
            continue;
        }
        report.take(check, true);
    }
    if token.is_none() {
        token_alone(case, report);
    }
}

/// What `verify` says, with what is known here: the token is fresh, and where the documents are published.
fn of_doctor(case: &Case<'_>, mut check: Check) -> Check {
    if check.id == "token-signature"
        && let Some((what, _)) = check.message.split_once(": the token was changed or truncated")
    {
        check.message = format!(
            "{what}: another key is published under this kid than the one that the API server signs with now"
        );
        check.fix =
            Some("publish the API server's key under this kid (issuerctl publish)".to_owned());
    }
    if let (Some(fix), Some(store)) = (&mut check.fix, &case.seen.asked.store) {
        *fix = published_to(store, fix);
    }
    check
}

/// The first mention of `issuerctl publish` as a command with the place of the documents.
fn published_to(store: &str, fix: &str) -> String {
    const COMMAND: &str = "issuerctl publish";
    match fix.split_once(COMMAND) {
        Some((before, after)) if !before.ends_with('`') && !after.starts_with(" --") => {
            format!("{before}`{COMMAND} --apiserver --to {store}`{after}")
        }
        _ => fix.to_owned(),
    }
}

/// Why AWS may trust the host although this machine does not: by a thumbprint of the provider.
fn may_be_trusted(case: &Case<'_>) -> Option<&'static str> {
    let documents = &case.seen.documents;
    let outcome = documents.observation.known().map(|own| &own.discovery.outcome);
    let is_untrusted =
        matches!(outcome, Some(Err(Unreached::Certificate(CertificateFault::Untrusted(_)))));
    if !is_untrusted || case.is_refused_for("thumbprint") || case.is_refused_for("verification key")
    {
        return None;
    }
    let Some(provider) = case.seen.aws.provider.known() else {
        return Some(
            "whether the provider has its thumbprint, so that AWS trusts it, is not known",
        );
    };
    let served = documents.chain.known().map_or(&[][..], |chain| chain.thumbprints.as_slice());
    provider
        .as_ref()
        .is_some_and(|own| own.thumbprints.iter().any(|one| served.contains(one)))
        .then_some("the provider has its thumbprint, so that AWS trusts it all the same")
}

/// Why the token was not judged.
fn token_alone(case: &Case<'_>, report: &mut Report) {
    let documents = &case.seen.documents;
    match documents.token.known() {
        None => report.skip("token-iss", format!("no fresh token: {}", documents.token.why())),
        Some(_) if report.root().is_some() => report.follows("token-iss"),
        Some(_) => report.skip("token-iss", "the documents are not known"),
    }
}

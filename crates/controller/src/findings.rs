//! What a run found, as conditions: plain functions from values to words.

use issuer_change::{Describe as _, Notice};
use issuer_diagnostic::{Diagnostic, one_line};
use issuer_reconcile::{Error, IssuerPlan, Target};
use issuer_redact::redact;
use issuer_verify::Verdict;

use crate::advice;
use crate::concerns::{concerns, reason};
use crate::differences::Differences;
use crate::names;
use crate::object::Key;
use crate::status::{Finding, Kind, Reason, Status, Truth};

/// A message has at most so many characters: it is shown in one line, and events have 1,024 bytes.
const LONGEST: usize = 900;

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was changed.
    Read,
    /// Everything before the part that failed was changed.
    Applied,
}

/// Everything is as the object declares; `claims` is what it was applied to, now or earlier.
#[must_use]
pub(crate) fn converged(
    target: &Target,
    plan: &IssuerPlan,
    claims: &[String],
    notices: &[Notice],
) -> Vec<Finding> {
    let mut all = Vec::new();
    match &plan.site {
        Some(site) => {
            let count = site.plan.keys().keys().len();
            let keys = if count == 1 { "1 key is".to_owned() } else { format!("{count} keys are") };
            let skipped = texts(notices, &["skipped-key", "skipped-block"]);
            let message = format!("{keys} published in {}{skipped}", site.plan.location());
            all.push(Finding::good(Kind::KeysPublished, Reason::Published, shown(&message)));
            let message = format!("AWS STS would accept tokens of {}", plan.url);
            all.push(Finding::good(Kind::Verified, Reason::Accepted, message));
        }
        None => {
            all.push(not_requested(Kind::KeysPublished, "store"));
            all.push(match plan.provider {
                Some(_) => Finding::good(
                    Kind::Verified,
                    Reason::Accepted,
                    format!("AWS STS would accept tokens of {}", plan.url),
                ),
                None => not_requested(Kind::Verified, "store"),
            });
        }
    }
    all.push(match &plan.provider {
        Some((_, provider)) => Finding::good(Kind::ProviderReady, Reason::UpToDate, &provider.arn),
        None => not_requested(Kind::ProviderReady, "provider"),
    });
    let (providers, roles) = left(target, plan, claims);
    if let (Some(found), false) = (all.last_mut(), providers.is_empty()) {
        let message = format!(
            "{}; no longer there, and kept: the provider of {}",
            found.message,
            providers.join(", ")
        );
        found.message = shown(&message);
    }
    let without_provider = notices.iter().find(|notice| notice.id == "no-provider");
    all.push(match (plan.roles.len(), roles.is_empty()) {
        (0, true) => not_requested(Kind::RolesReady, "roles"),
        (count, true) => {
            Finding::good(Kind::RolesReady, Reason::UpToDate, format!("{count} in spec.roles"))
        }
        (count, false) => Finding::good(
            Kind::RolesReady,
            Reason::RolesLeft,
            shown(&format!(
                "{count} in spec.roles; no longer there, and kept: {} (`issuerctl apply -f FILE --prune` \
                 with this object in FILE deletes them)",
                roles.join(", ")
            )),
        ),
    });
    if let (Some(found), Some(notice)) = (all.last_mut(), without_provider) {
        let message = format!("{}. Fix: set spec.provider: {{}} to create it", notice.message);
        *found = Finding::bad(Kind::RolesReady, Reason::NotFound, shown(&message));
    }
    let other = notices.iter().find(|notice| notice.id == "other-issuer");
    all.push(match (&target.workload, other) {
        (None, _) => not_requested(Kind::WorkloadReady, "workload"),
        (Some(_), Some(notice)) => {
            let message = format!(
                "{}. Fix: `issuerctl render DISTRIBUTION --issuer {}` prints the lines for it \
                 (docs/distributions.md)",
                notice.message, plan.url
            );
            Finding::bad(Kind::WorkloadReady, Reason::OtherIssuer, shown(&message))
        }
        (Some(_), None) => {
            let others = ["other-role", "two-injections", "injection-unmanaged", "not-restarted"];
            let message = format!("pods get the roles of spec.roles{}", texts(notices, &others));
            Finding::good(Kind::WorkloadReady, Reason::UpToDate, shown(&message))
        }
    });
    with_ready(all)
}

/// The texts of warnings, behind a sentence.
fn texts(notices: &[Notice], ids: &[&str]) -> String {
    let those = notices.iter().filter(|notice| ids.contains(&&*notice.id));
    those.map(|notice| format!("; {}", notice.message)).collect()
}

/// The issuers of the providers, and the roles, that an object was applied to and no longer declares. If nothing
/// in IAM is read, or the roles of the account cannot be listed, they may be gone.
fn left(target: &Target, plan: &IssuerPlan, claims: &[String]) -> (Vec<String>, Vec<String>) {
    let roles = names::of_roles(target);
    let provider = target.provider.as_ref().map(|_| names::of_provider(plan.url.as_str()));
    let declared = roles.chain(provider).collect();
    let of = |kind| {
        let claims = claims.iter().map(String::as_str);
        names::left(claims, kind, &declared).map(str::to_owned).collect()
    };
    let are_listed = target.needs_iam()
        && !plan.notices.iter().any(|notice| notice.id == "orphaned-roles-not-readable");
    let roles = match are_listed {
        true => plan.orphaned.iter().map(|role| role.name.to_string()).collect(),
        false => of("role"),
    };
    (of("provider"), roles)
}

/// What somebody else has changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drift<'a> {
    pub(crate) target: &'a Target,
    pub(crate) plan: &'a IssuerPlan,
    pub(crate) differ: &'a Differences,
    /// Whether it is changed back now.
    pub(crate) repairs: bool,
}

/// Somebody else has changed something. `accepted` says how AWS STS would judge the issuer as it is, if it stays
/// so and that could be read.
#[must_use]
pub(crate) fn drifted(
    drift: Drift<'_>,
    claims: &[String],
    accepted: Option<&Verdict>,
) -> Vec<Finding> {
    let Drift { target, plan, differ, repairs } = drift;
    let conduct = match repairs {
        true => "this is being repaired",
        false => "spec.driftPolicy is Report, so it stays; Repair changes it back",
    };
    let mut all = converged(target, plan, claims, &plan.changes().notices);
    all.retain(|finding| finding.kind != Kind::Ready);
    for finding in &mut all {
        let text = match finding.kind {
            Kind::KeysPublished => &differ.site,
            Kind::ProviderReady => &differ.provider,
            Kind::RolesReady => &differ.roles,
            Kind::WorkloadReady => &differ.workload,
            Kind::Verified if requests(target, Kind::Verified) => {
                *finding = match accepted {
                    Some(verdict) => judged(verdict),
                    None if repairs => Finding::unknown(Kind::Verified, Reason::Repairing, conduct),
                    None => unreadable(),
                };
                continue;
            }
            Kind::Verified | Kind::Ready => continue,
        };
        if let Some(text) = text {
            let message =
                format!("changed by somebody else; the object declares: {text}; {conduct}");
            *finding = Finding::bad(finding.kind, Reason::DriftFound, shown(&message));
        }
    }
    with_ready(all)
}

/// The run ended with an error. `Ready` is about it, whatever is found afterwards.
#[must_use]
pub(crate) fn failed(target: &Target, key: &Key, error: &Error, stage: Stage) -> Vec<Finding> {
    let (first, also) = concerns(error, target);
    let reason = reason(error);
    let message = message(key, error);
    let status = if error.is_in_progress() { Truth::Unknown } else { Truth::False };
    let about = |kind| Finding { kind, status, reason, message: message.clone() };
    let all = Kind::PARTS.map(|kind| {
        if kind == first || also.contains(&kind) {
            return about(kind);
        }
        if !requests(target, kind) {
            return not_requested(kind, field(kind));
        }
        match stage {
            Stage::Applied if kind < first => {
                Finding::good(kind, Reason::Applied, "done before the step that failed")
            }
            _ => Finding::unknown(
                kind,
                Reason::NotReached,
                format!("not checked, because of {first:?}"),
            ),
        }
    });
    std::iter::once(ready_for(&about(first))).chain(all).collect()
}

/// Whether new keys are published although something failed.
pub(crate) fn are_keys_published(findings: &[Finding]) -> bool {
    use Reason::{Applied, DriftFound, Published};
    let of_keys = findings.iter().find(|finding| finding.kind == Kind::KeysPublished);
    of_keys.is_some_and(|found| matches!(found.reason, Published | Applied | DriftFound))
}

/// Whether drift was found that was not reported before, word for word.
pub(crate) fn is_drift_new(before: &Status, findings: &[Finding]) -> bool {
    let of_parts = findings.iter().filter(|found| found.kind != Kind::Ready);
    let mut drift = of_parts.filter(|found| found.reason == Reason::DriftFound);
    drift.any(|found| {
        before
            .condition(found.kind)
            .is_none_or(|before| (before.reason, &before.message) != (found.reason, &found.message))
    })
}

/// All keys are published in spite of the failure; `differs` is what else is not as declared, and stays.
pub(crate) fn published(findings: &mut [Finding], differs: Option<String>) {
    let kind = Kind::KeysPublished;
    for finding in findings.iter_mut().filter(|finding| finding.kind == kind) {
        *finding = match &differs {
            None => Finding::good(kind, Reason::Published, "done in spite of what failed"),
            Some(text) => {
                let message = format!(
                    "changed by somebody else; the object declares: {text}; spec.driftPolicy is Report, so \
                     it stays; Repair changes it back"
                );
                Finding::bad(kind, Reason::DriftFound, shown(&message))
            }
        };
    }
}

/// Why the keys are not published, unless the failure itself is about them.
pub(crate) fn not_published(findings: &mut [Finding], key: &Key, error: &Error) {
    let kind = Kind::KeysPublished;
    let unknown = |finding: &&mut Finding| finding.kind == kind && finding.status == Truth::Unknown;
    for finding in findings.iter_mut().filter(unknown) {
        *finding = Finding::bad(kind, reason(error), message(key, error));
    }
}

/// Where the name of an issuer behind CloudFront must lead, if its documents cannot be read.
pub(crate) fn served_by(findings: &mut [Finding], text: &str) {
    for finding in findings.iter_mut().filter(|finding| finding.reason == Reason::NotAccepted) {
        finding.message = shown(&format!("{text}; {}", finding.message));
    }
}

/// The documents were read the way AWS STS reads them, in spite of the failure.
pub(crate) fn verified(findings: &mut [Finding], verdict: &Verdict) {
    for finding in findings.iter_mut().filter(|finding| finding.kind == Kind::Verified) {
        // Before a distribution is deployed, nobody can read the documents.
        if verdict.passed() || finding.reason != Reason::Deploying {
            *finding = judged(verdict);
        }
    }
}

fn judged(verdict: &Verdict) -> Finding {
    match verdict.passed() {
        true => {
            let message = "AWS STS would accept tokens of the issuer";
            Finding::good(Kind::Verified, Reason::Accepted, message)
        }
        false => Finding::bad(Kind::Verified, Reason::NotAccepted, shown(&root_cause(verdict))),
    }
}

fn unreadable() -> Finding {
    let message = "the documents cannot be read from here";
    Finding::unknown(Kind::Verified, Reason::Unavailable, message)
}

/// The object itself cannot be applied, so nothing was read or changed.
#[must_use]
pub(crate) fn refused(reason: Reason, message: &str) -> Vec<Finding> {
    let unknown =
        |kind| Finding::unknown(kind, Reason::NotReached, "nothing is checked: see Ready");
    let mut all = vec![Finding::bad(Kind::Ready, reason, shown(message))];
    all.extend(Kind::PARTS.map(unknown));
    all
}

/// `Ready` in front of its parts: the first of them that does not hold says why.
fn with_ready(parts: Vec<Finding>) -> Vec<Finding> {
    let worst = |status| parts.iter().find(move |part| part.status == status);
    let ready = match worst(Truth::False).or_else(|| worst(Truth::Unknown)) {
        None => Finding::good(Kind::Ready, Reason::Ready, "everything is as this object declares"),
        Some(part) => ready_for(part),
    };
    std::iter::once(ready).chain(parts).collect()
}

/// `Ready` because of a part that does not hold.
fn ready_for(part: &Finding) -> Finding {
    let message = format!("{:?}: {}", part.kind, part.message);
    Finding { kind: Kind::Ready, message, ..part.clone() }
}

fn not_requested(kind: Kind, field: &str) -> Finding {
    Finding::good(kind, Reason::NotRequested, format!("the object has no spec.{field}"))
}

fn field(kind: Kind) -> &'static str {
    match kind {
        Kind::Ready | Kind::KeysPublished | Kind::Verified => "store",
        Kind::ProviderReady => "provider",
        Kind::RolesReady => "roles",
        Kind::WorkloadReady => "workload",
    }
}

/// Whether an object asks for something. What a provider trusts is verified, whoever publishes it.
pub(crate) fn requests(target: &Target, kind: Kind) -> bool {
    match kind {
        Kind::Ready => true,
        Kind::KeysPublished => target.site.is_some(),
        Kind::Verified => target.site.is_some() || target.provider.is_some(),
        Kind::ProviderReady => target.provider.is_some(),
        Kind::RolesReady => !target.roles.is_empty(),
        Kind::WorkloadReady => target.workload.is_some(),
    }
}

/// An error with its causes, and how to fix it: its own hint, and the field of the object to set.
#[must_use]
pub(crate) fn message(key: &Key, error: &Error) -> String {
    let mut text = one_line(error);
    if let Some((_, verdict)) = error.refused() {
        text = format!("{text}: {}", root_cause(verdict));
    }
    // The hints of the libraries do not know where a setting is written.
    if let Some(fix) = advice::of(key, error).or_else(|| error.hint()) {
        text = format!("{text}. Fix: {fix}");
    }
    shown(&text)
}

/// The first check that failed, with its fix.
fn root_cause(verdict: &Verdict) -> String {
    let Some(check) = verdict.checks.iter().find(|check| check.failed()) else {
        return "no check failed".to_owned();
    };
    let fix = check.fix.as_ref().map(|fix| format!(". Fix: {fix}")).unwrap_or_default();
    format!("{}{fix}", check.message)
}

/// What leaves the process: without secrets, in one line, and not longer than a message may be.
#[must_use]
pub(crate) fn shown(text: &str) -> String {
    let text = redact(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn target(spec: Value) -> Target {
        let issuer = issuer_manifest::from_object("prod", &spec).unwrap();
        Target::from_issuer(&issuer, Path::new(""), &issuer_reconcile::Defaults::default())
    }

    fn key() -> Key {
        Key { namespace: "eksa-system".to_owned(), name: "prod".to_owned() }
    }

    fn whole() -> Target {
        target(json!({
            "keys": [{"apiserver": {}}],
            "store": {"s3": {"bucket": "my-oidc", "region": "us-west-2"}},
            "provider": {},
            "roles": [{"name": "app", "serviceAccounts": ["default/app"]}],
        }))
    }

    fn of(findings: &[Finding], kind: Kind) -> (Truth, Reason) {
        let found = findings.iter().find(|finding| finding.kind == kind).unwrap();
        (found.status, found.reason)
    }

    #[test]
    fn a_missing_bucket_is_said_of_the_keys_with_the_field_that_creates_it() {
        let error = Error::Publish(issuer_publish::Error::NoBucket { bucket: "my-oidc".into() });
        let findings = failed(&whole(), &key(), &error, Stage::Read);
        assert_eq!(findings.len(), 6);
        assert_eq!(of(&findings, Kind::KeysPublished), (Truth::False, Reason::NotFound));
        assert_eq!(of(&findings, Kind::Verified), (Truth::Unknown, Reason::NotReached));
        assert_eq!(of(&findings, Kind::WorkloadReady), (Truth::True, Reason::NotRequested));
        let ready = &findings[0];
        assert_eq!((ready.kind, ready.status), (Kind::Ready, Truth::False));
        assert!(ready.message.contains("spec.store.s3.createBucket: true"), "{}", ready.message);
    }

    #[test]
    fn an_error_is_said_of_the_part_that_it_is_about() {
        let (arn, message) = ("arn:aws:iam::aws:policy/None".to_owned(), "no".to_owned());
        let error = Error::Iam(issuer_iam::Error::NoPolicy { arn, code: None, message });
        let findings = failed(&whole(), &key(), &error, Stage::Applied);
        assert_eq!(of(&findings, Kind::ProviderReady), (Truth::True, Reason::Applied));
        assert_eq!(of(&findings, Kind::RolesReady).0, Truth::False);
        let source = Error::ReadFile { path: "a".into(), source: std::io::Error::other("gone") };
        let findings = failed(&whole(), &key(), &source, Stage::Read);
        assert_eq!(of(&findings, Kind::KeysPublished).0, Truth::False);
        assert_eq!(of(&findings, Kind::Verified).0, Truth::Unknown);
    }

    #[test]
    fn what_was_done_before_a_failure_is_not_called_unknown() {
        let error = Error::Iam(issuer_iam::Error::Denied {
            action: "iam:CreateRole".into(),
            resource: "app".into(),
            code: None,
            explicit: false,
            message: "no".into(),
        });
        let applied = failed(&whole(), &key(), &error, Stage::Applied);
        assert_eq!(of(&applied, Kind::KeysPublished), (Truth::True, Reason::Applied));
        assert_eq!(of(&applied, Kind::ProviderReady), (Truth::False, Reason::AccessDenied));
        assert_eq!(of(&applied, Kind::RolesReady), (Truth::False, Reason::AccessDenied));
        let read = failed(&whole(), &key(), &error, Stage::Read);
        assert_eq!(of(&read, Kind::KeysPublished), (Truth::Unknown, Reason::NotReached));
    }

    #[test]
    fn a_distribution_that_is_being_deployed_is_no_failure_and_new_keys_are_published() {
        let (id, change) = ("E1".to_owned(), "deployed");
        let error: Error = issuer_cloudfront::Error::InProgress { id, change }.into();
        let mut findings = failed(&whole(), &key(), &error, Stage::Applied);
        for kind in [Kind::Ready, Kind::Verified] {
            assert_eq!(of(&findings, kind), (Truth::Unknown, Reason::Deploying));
        }
        assert!(findings[0].message.contains("the distribution E1 is being deployed"));
        assert!(are_keys_published(&findings) && crate::concerns::is_after_documents(&error));
        assert_eq!(of(&findings, Kind::ProviderReady), (Truth::Unknown, Reason::NotReached));
        // Before it is deployed nobody can read the documents, and that is no news.
        let observation = issuer_verify::read_folder(Path::new(".")).unwrap();
        let verdict = issuer_verify::judge(&observation, &issuer_verify::Expected::default());
        assert!(!verdict.passed());
        verified(&mut findings, &verdict);
        assert_eq!(of(&findings, Kind::Verified), (Truth::Unknown, Reason::Deploying));
    }

    #[test]
    fn a_failure_that_does_not_concern_the_keys_does_not_delay_new_ones() {
        let source = || Error::ReadFile { path: "a".into(), source: std::io::Error::other("gone") };
        let nothing = Error::Iam(issuer_iam::Error::Nothing { what: "issuer" });
        assert!(!are_keys_published(&failed(&whole(), &key(), &source(), Stage::Read)));
        assert!(!are_keys_published(&failed(&whole(), &key(), &nothing, Stage::Read)));
        assert!(are_keys_published(&failed(&whole(), &key(), &nothing, Stage::Applied)));
        let mut alone = failed(&whole(), &key(), &nothing, Stage::Read);
        published(&mut alone, None);
        assert!(are_keys_published(&alone));
    }

    #[test]
    fn an_object_without_a_store_is_verified_if_it_has_a_provider() {
        let of_iam = |spec: Value| {
            let error = Error::Iam(issuer_iam::Error::Nothing { what: "issuer" });
            of(&failed(&target(spec), &key(), &error, Stage::Read), Kind::Verified)
        };
        let issuer = "https://oidc.example.com";
        let with = of_iam(json!({"issuer": issuer, "provider": {}}));
        assert_eq!(with, (Truth::Unknown, Reason::NotReached));
        let role = json!({"name": "app", "serviceAccounts": ["default/app"]});
        let without = of_iam(json!({"issuer": issuer, "roles": [role]}));
        assert_eq!(without, (Truth::True, Reason::NotRequested));
    }

    #[test]
    fn drift_that_stays_is_new_once_whatever_else_is_wrong() {
        let found = |role: &str| {
            vec![
                Finding::bad(Kind::Ready, Reason::NotAccepted, "Verified: no"),
                Finding::bad(Kind::Verified, Reason::NotAccepted, "no"),
                Finding::bad(Kind::RolesReady, Reason::DriftFound, format!("update role {role}")),
            ]
        };
        let mut status = Status::default();
        assert!(is_drift_new(&status, &found("a")));
        status.set(found("a"), Some(1), "t");
        assert!(!is_drift_new(&status, &found("a")) && is_drift_new(&status, &found("b")));
        let fine = Finding::good(Kind::RolesReady, Reason::UpToDate, "");
        assert!(!is_drift_new(&status, &[fine]));
    }

    #[test]
    fn a_refused_object_has_every_condition_and_no_claim_about_anything() {
        let findings = refused(Reason::InvalidSpec, "spec.store.s3.bucket: …");
        assert_eq!(of(&findings, Kind::Ready), (Truth::False, Reason::InvalidSpec));
        for kind in Kind::PARTS {
            assert_eq!(of(&findings, kind), (Truth::Unknown, Reason::NotReached));
        }
    }

    #[test]
    fn what_is_no_longer_in_the_spec_is_named_although_nothing_else_is_in_it() {
        let target = target(json!({"issuer": "https://oidc.example.com", "provider": {}}));
        let target = Target { provider: None, ..target };
        let plan = IssuerPlan {
            url: target.issuer.clone().unwrap(),
            site: None,
            provider: None,
            roles: Vec::new(),
            orphaned: Vec::new(),
            workload: None,
            notices: Vec::new(),
        };
        let claims = ["provider https://oidc.example.com", "role app"].map(str::to_owned);
        let findings = converged(&target, &plan, &claims, &[]);
        let message = |kind| {
            let found = findings.iter().find(|finding| finding.kind == kind).unwrap();
            (found.reason, found.message.as_str())
        };
        let (reason, text) = message(Kind::ProviderReady);
        assert_eq!(reason, Reason::NotRequested);
        assert!(text.ends_with("kept: the provider of https://oidc.example.com"), "{text}");
        let (reason, text) = message(Kind::RolesReady);
        assert_eq!(reason, Reason::RolesLeft);
        assert!(text.contains("kept: app ("), "{text}");
        assert_eq!(
            of(&converged(&target, &plan, &[], &[]), Kind::RolesReady).1,
            Reason::NotRequested
        );
    }

    #[test]
    fn pods_of_a_cluster_with_another_issuer_get_no_role_whatever_else_is_found() {
        let roles = json!([{"name": "app", "serviceAccounts": ["default/app"]}]);
        let url = "https://oidc.example.com";
        let target = target(json!({"issuer": url, "roles": roles, "workload": {}}));
        let other = Notice { id: "other-issuer".into(), message: "other".into() };
        let plan = |notices| IssuerPlan {
            url: target.issuer.clone().unwrap(),
            site: None,
            provider: None,
            roles: Vec::new(),
            orphaned: Vec::new(),
            workload: None,
            notices,
        };
        let ready = |plan: &IssuerPlan| {
            of(&converged(&target, plan, &[], &plan.notices), Kind::WorkloadReady)
        };
        assert_eq!(ready(&plan(Vec::new())), (Truth::True, Reason::UpToDate));
        let plan = plan(vec![other]);
        assert_eq!(ready(&plan), (Truth::False, Reason::OtherIssuer));
        let differ =
            Differences { roles: Some("update role app".into()), ..Differences::default() };
        let drift = Drift { target: &target, plan: &plan, differ: &differ, repairs: false };
        let found = drifted(drift, &[], None);
        assert_eq!(of(&found, Kind::WorkloadReady), (Truth::False, Reason::OtherIssuer));
        assert_eq!(of(&found, Kind::RolesReady), (Truth::False, Reason::DriftFound));
        let found = found.iter().find(|one| one.kind == Kind::WorkloadReady).unwrap();
        let fix = format!("Fix: `issuerctl render DISTRIBUTION --issuer {url}`");
        assert!(found.message.contains(&fix), "{}", found.message);
    }

    #[test]
    fn a_message_is_one_line_of_limited_length_without_a_secret() {
        let text = shown(&format!("a\n  b AKIAIOSFODNN7EXAMPLE {}", "x".repeat(2000)));
        assert!(text.starts_with("a b ") && text.ends_with('…'), "{text}");
        assert_eq!(text.chars().count(), LONGEST + 1);
        assert!(!text.contains('\n'));
    }
}

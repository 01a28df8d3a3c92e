//! After a failure: what does not depend on what failed goes on, and what is published is verified.

use issuer_jwks::JwkSet;
use issuer_reconcile::{Error, Reconciler, SyncOptions, Target};
use issuer_verify::Verdict;

use crate::cluster::Severity;
use crate::concerns::is_after_documents;
use crate::desired::{Desired, DriftPolicy};
use crate::differences::in_words;
use crate::findings::{self, Stage};
use crate::names;
use crate::reconcile::Run;
use crate::schedule::Next;
use crate::status::{Finding, Kind, Reason, Truth};
use crate::written::may_have_published;

impl Run<'_> {
    /// Reports an error, after everything that can be done in spite of it.
    pub(crate) async fn failed(
        &mut self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        error: &Error,
        stage: Stage,
    ) -> Result<Next, kube::Error> {
        let target = self.guarded(desired);
        let mut found = findings::failed(&target, &self.object.key(), error, stage);
        let is_open = found
            .iter()
            .any(|finding| finding.kind == Kind::Verified && finding.status == Truth::Unknown);
        let mut verdict = None;
        let place = names::place(&desired.issuer);
        let is_new = place.is_none_or(|place| !self.status.claims.contains(&place));
        if stage == Stage::Read && goes_on(error, is_new) {
            verdict = self.publish_alone(engine, desired, &target, &mut found).await?;
        }
        if is_open && verdict.is_none() {
            verdict = self.verdict(engine, &target).await;
        }
        if let Some(verdict) = &verdict {
            findings::verified(&mut found, verdict);
        }
        if let Some(text) = engine.dns_name(&target).await {
            findings::served_by(&mut found, &text);
        }
        self.context.shared.renew_session_after(error);
        let are_published = findings::are_keys_published(&found);
        self.report(found).await?;
        Ok(if are_published { Next::RetryInPeriod } else { Next::Retry })
    }

    /// Another object has something that this one asks for. If that is a role, the documents are this one's all
    /// the same, and new keys wait for nobody's decision.
    pub(crate) async fn refused(
        &mut self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        reason: &str,
    ) -> Result<Next, kube::Error> {
        let mut found = findings::refused(Reason::Conflict, reason);
        let conflicts = self.context.claims().conflicts(&self.object.key());
        let is_of_site = conflicts.iter().any(|(name, _)| names::is_of_site(name));
        let place = names::place(&desired.issuer);
        let is_published = place.is_some_and(|place| self.status.claims.contains(&place));
        if is_published && !is_of_site {
            let target = self.guarded(desired);
            let verdict = self.publish_alone(engine, desired, &target, &mut found).await?;
            if let Some(verdict) = &verdict {
                findings::verified(&mut found, verdict);
            }
        }
        self.report(found).await?;
        // The end of the other object is no event of this one.
        Ok(if is_published { Next::RetryInPeriod } else { Next::Retry })
    }

    /// A new key waits for nothing else, and neither does what its readers need: the documents and the
    /// bucket. Returns how AWS STS would judge the issuer.
    async fn publish_alone(
        &mut self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        target: &Target,
        found: &mut [Finding],
    ) -> Result<Option<Verdict>, kube::Error> {
        let site = target.clone().documents_only();
        let Ok(url) = engine.issuer(&site).await else { return Ok(None) };
        if site.site.is_none() || self.other_issuer(url.as_str()).is_some() {
            return Ok(None);
        }
        let before = self.status.claims.iter().cloned().collect();
        let names = names::of_site(&desired.issuer, Some(url.as_str()));
        if self.claim(names).await?.is_err() {
            return Ok(None);
        }
        let repairs = desired.conduct.drift_policy == DriftPolicy::Repair;
        // What was never applied differs by nobody's doing.
        let only_new_keys = !repairs && self.status.applied_generation.is_some();
        let options = SyncOptions { only_new_keys, ..SyncOptions::default() };
        let report = engine.sync(&site, options).await;
        self.seen.wrote |= report.wrote;
        self.seen.before = report.before.as_ref().map(Verdict::passed);
        self.seen.keys = report.published.as_ref().map(|keys| keys.keys().len());
        self.seen.live_key = report.live_published();
        let none = JwkSet::default();
        let live = report.live.as_ref().unwrap_or(&none);
        self.key_drift(target, &url, report.published.as_ref(), live).await;
        let differs = in_words(&report.changes);
        if report.wrote {
            let note = differs.clone().unwrap_or_default();
            self.context.own.tell(self.object, Severity::Normal, "Applied", &note).await;
        }
        let is_open = differs.is_some() && report.outcome.as_ref().is_err_and(may_have_published);
        if !report.wrote && !is_open {
            self.keep_claims(before);
        }
        let failed = report.outcome.as_ref().err().filter(|error| !is_after_documents(error));
        if let Some(error) = failed {
            findings::not_published(found, &self.object.key(), error);
        }
        let is_done = failed.is_none();
        if let Some(keys) = report.published.filter(|_| is_done) {
            self.record(desired, url.as_str(), &keys);
            findings::published(found, differs.filter(|_| !report.wrote));
        }
        Ok(report.verdict)
    }

    /// How AWS STS would judge the issuer of the last report, if the object does not say which one it is and
    /// nothing else can.
    async fn verdict(&self, engine: &Reconciler<'_>, target: &Target) -> Option<Verdict> {
        let issuer = target.issuer.clone().or_else(|| self.issuer_before());
        engine.verdict(&Target { issuer, ..target.clone() }).await
    }
}

/// Whether documents and bucket can be as declared in spite of an error. What an object has not published is
/// not its own to repair, and a workload is refused before anything is changed, as a policy that does not exist is.
fn goes_on(error: &Error, is_new: bool) -> bool {
    match error {
        Error::Iam(_) | Error::Verify(_) => true,
        Error::Workload(_) | Error::MissingPolicies(_) => !is_new,
        error => error.is_of_key_source() && !is_new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_published_by_the_object_is_not_repaired() {
        let workload = || Error::Workload(issuer_workload::Error::NoPolicies);
        let source = || Error::ReadFile { path: "a".into(), source: std::io::Error::other("gone") };
        let nothing = || Error::Iam(issuer_iam::Error::Nothing { what: "issuer" });
        let policy = || Error::MissingPolicies(Vec::new());
        let refused = || Error::NoIssuer { name: "prod".to_owned() };
        let of = |is_new| {
            let all = [workload(), source(), policy(), nothing(), refused()];
            all.map(|error| goes_on(&error, is_new))
        };
        assert_eq!(of(true), [false, false, false, true, false]);
        assert_eq!(of(false), [true, true, true, true, false]);
    }
}

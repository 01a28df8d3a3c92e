//! The end of an object.

use std::collections::BTreeSet;

use issuer_reconcile::{DeletionPlan, Error, Reconciler, Scope, Target};

use crate::claims;
use crate::cluster::Severity;
use crate::desired::{DeletionPolicy, Desired, Refusal, conduct_of};
use crate::differences::Differences;
use crate::findings::{self, Stage};
use crate::reconcile::{Run, Told};
use crate::schedule::Next;
use crate::status::{Finding, Kind, Reason};

impl Run<'_> {
    /// Deletes what the object declares if it says so, and lets it go.
    pub(crate) async fn delete(
        &mut self,
        desired: Result<Desired, Refusal>,
    ) -> Result<Next, kube::Error> {
        if !self.object.has_finalizer() {
            return Ok(Next::Change);
        }
        let conduct = conduct_of(&self.object.spec);
        if conduct.is_ok_and(|conduct| conduct.deletion_policy == DeletionPolicy::Retain) {
            return self
                .let_go("Retained", "spec.deletionPolicy is Retain: everything stays")
                .await;
        }
        if self.status.claims.is_empty() {
            let note = "nothing was applied by this object, so nothing was deleted";
            return self.let_go("Retained", note).await;
        }
        let conflict = self.context.claims().conflict(&self.object.key());
        if let Some(reason) = conflict {
            let note = format!("nothing was deleted: {reason}");
            return self.let_go("Retained", &note).await;
        }
        let desired = match desired {
            Ok(desired) => desired,
            Err(Refusal(reason)) => {
                let message = format!(
                    "what this object declares cannot be deleted: {reason}; correct it, or set \
                     spec.deletionPolicy: Retain to keep everything"
                );
                self.report(findings::refused(Reason::InvalidSpec, &message)).await?;
                return Ok(Next::Change);
            }
        };
        if desired.conduct.suspend {
            let message = "spec.suspend is true: the deletion waits for it";
            self.report_ready(Finding::unknown(Kind::Ready, Reason::Suspended, message)).await?;
            return Ok(Next::Change);
        }
        let told = Told::default();
        let engine = Reconciler::of(&self.context.shared, &told);
        match self.deleted(&engine, &desired).await {
            Ok(Ok(note)) => self.let_go("Deleted", &note).await,
            Ok(Err(refused)) => {
                self.report(findings::refused(Reason::IssuerChanged, &refused)).await?;
                Ok(Next::Change)
            }
            Err(error) => {
                self.context.shared.renew_session_after(&error);
                let mut found = findings::failed(&desired.target, &error, Stage::Read);
                for finding in &mut found {
                    finding.message = format!("while it is deleted: {}", finding.message);
                }
                self.report(found).await?;
                Ok(Next::Retry)
            }
        }
    }

    async fn deleted(
        &self,
        engine: &Reconciler<'_>,
        desired: &Desired,
    ) -> Result<Result<String, String>, Error> {
        let held = self.status.claims.iter().map(String::as_str).collect();
        let target = &only_held(desired, &held);
        let scope = Scope::delete(false, target.is_in_aws());
        let seen = engine.observe(target, scope).await?;
        if let Some(refused) = self.other_issuer(seen.url.as_str()) {
            return Ok(Err(refused));
        }
        if !held.contains(claims::name_of_issuer(seen.url.as_str()).as_str()) {
            return Ok(Err(format!(
                "this object was not applied to {}, so nothing is deleted; correct spec.issuer or \
                 spec.store, or set spec.deletionPolicy: Retain to keep everything",
                seen.url
            )));
        }
        let mut plan = DeletionPlan::new(target, &seen, false, false)?;
        engine.delete(target, &seen, &mut plan, false).await?;
        let text = Differences::of_deletion(&plan);
        Ok(Ok(text.unwrap_or_else(|| "there was nothing to delete".to_owned())))
    }

    async fn let_go(&self, reason: &str, note: &str) -> Result<Next, kube::Error> {
        self.context.own.tell(self.object, Severity::Normal, reason, note).await;
        self.context.own.set_finalizer(self.object, false).await?;
        Ok(Next::Change)
    }
}

/// The target without what the object was not applied to: it may be somebody else's.
fn only_held(desired: &Desired, held: &BTreeSet<&str>) -> Target {
    let mut target = desired.target.clone();
    let has_place =
        claims::place(&desired.issuer).is_some_and(|place| held.contains(place.as_str()));
    target.site = target.site.filter(|_| has_place);
    target.roles.retain(|role| held.contains(claims::name_of_role(role.name.as_str()).as_str()));
    target
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::desired::Permitted;

    #[test]
    fn nothing_is_deleted_that_the_object_was_not_applied_to() {
        let role = |name: &str| json!({"name": name, "serviceAccounts": ["a/b"]});
        let object = json!({
            "metadata": {"name": "prod", "namespace": "clusters"},
            "spec": {
                "keys": [{"apiserver": {}}],
                "issuer": "https://oidc.example.com",
                "store": {"s3": {"bucket": "my-oidc", "region": "us-west-2"}},
                "provider": {},
                "roles": [role("App"), role("other")],
            },
        });
        let object = serde_json::from_value(object).unwrap();
        let desired = Desired::of(&object, &Permitted::default()).unwrap();
        let roles = |held: &[&str]| {
            let target = only_held(&desired, &held.iter().copied().collect());
            let names: Vec<String> =
                target.roles.iter().map(|role| role.name.to_string()).collect();
            (target.site.is_some(), names)
        };
        let all = claims::names(&desired.issuer);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(roles(&all), (true, vec!["App".to_owned(), "other".to_owned()]));
        assert_eq!(roles(&["place s3://my-oidc", "role app"]), (true, vec!["App".to_owned()]));
        assert_eq!(roles(&["issuer https://oidc.example.com"]), (false, vec![]));
    }
}

//! The end of an object.

use std::collections::BTreeSet;

use issuer_discovery::IssuerUrl;
use issuer_iam::{Audience, Tags};
use issuer_reconcile::{
    DeletionPlan, Error, OrphanedRole, ProviderTarget, Reconciler, Scope, Target,
};

use crate::cluster::Severity;
use crate::desired::{DeletionPolicy, Desired, Refusal, conduct_of};
use crate::differences::Differences;
use crate::findings::{self, Stage, shown};
use crate::names;
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
            let note = "spec.deletionPolicy is Retain: everything stays";
            return self.let_go(Severity::Normal, "Retained", note).await;
        }
        // The watch may be behind what was applied last.
        self.status.claims = self.context.claims().held(&self.object.key());
        if self.status.claims.is_empty() {
            let note = "nothing was applied by this object, so nothing was deleted";
            return self.let_go(Severity::Normal, "Retained", note).await;
        }
        let conflicts = self.context.claims().conflicts(&self.object.key());
        if let Some((_, reason)) = conflicts.iter().find(|(name, _)| names::is_of_site(name)) {
            let note = format!("nothing was deleted: {reason}");
            return self.let_go(Severity::Warning, "Retained", &note).await;
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
        let engine = Reconciler::of(&self.context.shared, &told).without_waiting();
        match self.deleted(&engine, &desired, &conflicts).await {
            Ok(Ok((note, left))) => {
                let told = told.0.take().into_iter().map(|notice| notice.message);
                let kept = conflicts.into_iter().map(|(_, why)| why).chain(left).chain(told);
                let kept: Vec<String> = kept.collect();
                if kept.is_empty() {
                    return self.let_go(Severity::Normal, "Deleted", &note).await;
                }
                let note = shown(&format!("{note}; not deleted: {}", kept.join("; ")));
                self.let_go(Severity::Warning, "Deleted", &note).await
            }
            Ok(Err(refused)) => {
                self.report(findings::refused(Reason::IssuerChanged, &refused)).await?;
                Ok(Next::Change)
            }
            Err(error) => {
                self.context.shared.renew_session_after(&error);
                let mut found =
                    findings::failed(&desired.target, &self.object.key(), &error, Stage::Read);
                for finding in &mut found {
                    finding.message = format!("while it is deleted: {}", finding.message);
                }
                self.report(found).await?;
                Ok(if error.is_in_progress() { Next::RetryInPeriod } else { Next::Retry })
            }
        }
    }

    /// What was deleted, in words, and what was not although the object was applied to it once; or why nothing
    /// is deleted.
    async fn deleted(
        &self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        conflicts: &[(String, String)],
    ) -> Result<Result<(String, Vec<String>), String>, Error> {
        let is_another = |name: &String| conflicts.iter().any(|(theirs, _)| theirs == name);
        let own = self.status.claims.iter().filter(|name| !is_another(name));
        let held: BTreeSet<&str> = own.map(String::as_str).collect();
        let target = &only_held(desired, &held, self.issuer_before());
        // Whoever can change the documents of a provider has its roles, also if it is not this object's.
        let trust = target.is_in_aws() || target.needs_iam() || desired.target.needs_iam();
        // Roles that were taken out of the spec are found by their tags.
        let prune = names::has_left_a_role(held.iter().copied(), target);
        let seen = engine.observe(target, Scope::delete(prune, trust)).await?;
        if let Some(refused) = self.other_issuer(seen.url.as_str()) {
            return Ok(Err(refused));
        }
        if let Some(refused) = not_applied_to(desired, &seen.url, &held) {
            return Ok(Err(refused));
        }
        let mut plan = DeletionPlan::new(target, &seen, prune, false)?;
        plan.orphaned.retain(|role| held.contains(&*names::of_role(role.name.as_str())));
        engine.delete(target, &seen, &mut plan, false).await?;
        let text = Differences::of_deletion(&plan);
        let text = text.unwrap_or_else(|| "there was nothing to delete".to_owned());
        let kept = Differences::kept_by_deletion(&plan);
        let left = left(&held, target, &seen.url, &plan.orphaned);
        Ok(Ok((text, kept.into_iter().chain(left).collect())))
    }

    async fn let_go(
        &self,
        severity: Severity,
        reason: &str,
        note: &str,
    ) -> Result<Next, kube::Error> {
        self.context.own.tell(self.object, severity, reason, note).await;
        self.context.own.set_finalizer(self.object, false).await?;
        Ok(Next::Change)
    }
}

/// Why nothing is deleted: the object was applied to another issuer or place than it declares now.
fn not_applied_to(desired: &Desired, url: &IssuerUrl, held: &BTreeSet<&str>) -> Option<String> {
    let declared = names::of_site(&desired.issuer, Some(url.as_str()));
    let is_another = |name: &&String| {
        let kind = name.split(' ').next();
        !held.contains(name.as_str()) && held.iter().any(|held| held.split(' ').next() == kind)
    };
    let name = declared.iter().find(is_another)?;
    Some(format!(
        "this object was not applied to the {name}, so nothing is deleted; correct spec.issuer or \
         spec.store, or set spec.deletionPolicy: Retain to keep everything"
    ))
}

/// What an object was applied to, and is neither in the target nor among the roles that were found by their tags.
fn left(
    held: &BTreeSet<&str>,
    target: &Target,
    url: &IssuerUrl,
    orphaned: &[OrphanedRole],
) -> Vec<String> {
    let roles =
        target.roles.iter().map(|role| &role.name).chain(orphaned.iter().map(|role| &role.name));
    let roles = roles.map(|name| names::of_role(name.as_str()));
    let found: BTreeSet<String> = roles.chain([names::of_provider(url.as_str())]).collect();
    let of_kind = |kind| {
        let left = names::left(held.iter().copied(), kind, &found);
        left.map(move |name| {
            format!(
                "the {kind} {name}, which the spec no longer has and {url} does not lead to, if it still \
                 exists"
            )
        })
    };
    ["provider", "role"].into_iter().flat_map(of_kind).collect()
}

/// The target without what the object was not applied to: it may be somebody else's. An issuer that follows
/// from a bucket or a distribution is known without them: they may be gone.
fn only_held(desired: &Desired, held: &BTreeSet<&str>, before: Option<IssuerUrl>) -> Target {
    let holds = |name: String| held.contains(name.as_str());
    let mut target = desired.target.clone();
    target.issuer = target.issuer.or(before);
    target.site = target.site.filter(|_| names::place(&desired.issuer).is_some_and(holds));
    let url = target.issuer.as_ref();
    let has_provider = url.is_some_and(|url| holds(names::of_provider(url.as_str())));
    // One that was taken out of the spec is deleted as well.
    let provider = || ProviderTarget {
        audiences: vec![Audience::default()],
        tags: Tags::new(),
        thumbprints: Vec::new(),
        prune: false,
    };
    target.provider = has_provider.then(|| target.provider.unwrap_or_else(provider));
    target.roles.retain(|role| holds(names::of_role(role.name.as_str())));
    for policies in target.roles.iter_mut().filter_map(|role| role.managed.as_mut()) {
        policies.retain(|name, _| holds(names::of_policy(name)));
    }
    target
}

#[cfg(test)]
mod tests {
    use issuer_discovery::Ports;
    use issuer_reconcile::RoleTarget;
    use serde_json::json;

    use super::*;
    use crate::desired::Permitted;

    #[test]
    fn nothing_is_deleted_that_the_object_was_not_applied_to() {
        let role = |name: &str| {
            let statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"});
            let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
            json!({"name": name, "serviceAccounts": ["a/b"],
                   "managedPolicies": {format!("{name}-p"): policy}})
        };
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
        let left = |held: &[&str]| {
            let target = only_held(&desired, &held.iter().copied().collect(), None);
            let policies = |role: &RoleTarget| role.managed.iter().flatten().count();
            let roles = target.roles.iter().map(|role| (role.name.to_string(), policies(role)));
            (target.site.is_some(), target.provider.is_some(), roles.collect::<Vec<_>>())
        };
        let all = names::of(&desired.issuer);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let role = |name: &str, policies: usize| (name.to_owned(), policies);
        assert_eq!(left(&all), (true, true, vec![role("App", 1), role("other", 1)]));
        let held = ["place s3://my-oidc", "role app", "policy other-p"];
        assert_eq!(left(&held), (true, false, vec![role("App", 0)]));
        let held = ["issuer https://oidc.example.com", "provider https://oidc.example.com"];
        assert_eq!(left(&held), (false, true, vec![]));
    }

    #[test]
    fn what_was_taken_out_of_the_spec_is_deleted_or_named() {
        let object = json!({
            "metadata": {"name": "prod", "namespace": "clusters"},
            "spec": {"issuer": "https://oidc.example.com", "provider": {}},
        });
        let object = serde_json::from_value(object).unwrap();
        let mut desired = Desired::of(&object, &Permitted::default()).unwrap();
        desired.target.provider = None;
        let url = desired.target.issuer.clone().unwrap();
        let own = format!("provider {url}");
        let held = [own.as_str(), "provider https://old.example.com", "role app", "role found"];
        let target = only_held(&desired, &held.into(), None);
        assert!(target.provider.is_some());
        let (name, arn) = ("Found".parse().unwrap(), String::new());
        let found = [OrphanedRole { name, arn, deletion: None }];
        let text = left(&held.into(), &target, &url, &found).join("\n");
        assert!(text.contains("https://old.example.com") && text.contains("role app"), "{text}");
        assert!(!text.contains(&own) && !text.contains("role found"), "{text}");
    }

    #[test]
    fn an_issuer_that_follows_from_a_bucket_is_known_when_the_bucket_is_gone() {
        let object = json!({
            "metadata": {"name": "prod", "namespace": "clusters"},
            "spec": {"keys": [{"apiserver": {}}], "store": {"s3": {"bucket": "my-oidc"}}, "provider": {}},
        });
        let object = serde_json::from_value(object).unwrap();
        let desired = Desired::of(&object, &Permitted::default()).unwrap();
        let before = IssuerUrl::parse("https://d1.cloudfront.net", Ports::Refuse).unwrap();
        let held = ["place s3://my-oidc", "provider https://d1.cloudfront.net"];
        let target = only_held(&desired, &held.into(), Some(before.clone()));
        assert_eq!(target.issuer, Some(before));
        assert!(target.site.is_some() && target.provider.is_some());
    }

    #[test]
    fn what_an_object_was_applied_to_before_it_was_edited_is_not_deleted_in_part() {
        let object = json!({
            "metadata": {"name": "prod", "namespace": "clusters"},
            "spec": {
                "keys": [{"apiserver": {}}], "issuer": "https://oidc.example.com",
                "store": {"s3": {"bucket": "new"}}, "provider": {},
            },
        });
        let object = serde_json::from_value(object).unwrap();
        let desired = Desired::of(&object, &Permitted::default()).unwrap();
        let url = IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap();
        let refused = |held: &[&str]| {
            not_applied_to(&desired, &url, &held.iter().copied().collect()).unwrap_or_default()
        };
        let issuer = "issuer https://oidc.example.com";
        assert!(refused(&[issuer, "place s3://old"]).contains("the place s3://new"));
        let other = ["issuer https://other.example.com", "place s3://new"];
        assert!(refused(&other).contains("the issuer https://oidc.example.com"));
        assert_eq!(refused(&[issuer, "place s3://new"]), "");
        // A distribution was made, and its issuer was not published yet; a role was, and no document.
        assert_eq!(refused(&["place s3://new"]), "");
        assert_eq!(refused(&[issuer, "role app"]), "");
    }
}

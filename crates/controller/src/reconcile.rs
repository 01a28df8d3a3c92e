//! One object: what it asks for is handed to the engine, and what came of it is reported.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use issuer_change::{Describe as _, Notice};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_jwks::JwkSet;
use issuer_reconcile::{
    Error, Event, Events, IssuerPlan, Observed, OtherCluster, Reconciler, RoleTarget, Scope,
    Shared, Target, place_options,
};
use issuer_workload::Chosen;

use crate::claims::Claims;
use crate::cluster::{OwnCluster, Severity, words};
use crate::concerns::is_after_documents;
use crate::desired::{DeletionPolicy, Desired, DriftPolicy, Refusal};
use crate::differences::Differences;
use crate::drift::leave_drift;
use crate::findings::{self, Drift, Stage, shown};
use crate::keys::{KeyDrift, published};
use crate::names;
use crate::object::{ALLOW_ISSUER_CHANGE, Key, ServiceAccountIssuer};
use crate::schedule::Next;
use crate::status::{Finding, Kind, Reason, Status};
use crate::written::written;

/// What all reconciliations share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) own: OwnCluster,
    pub(crate) shared: Arc<Shared>,
    claims: Arc<Mutex<Claims>>,
    /// The warnings that were told of each object last.
    warnings: Arc<Mutex<HashMap<Key, BTreeSet<String>>>>,
}

/// What a reconciliation came to.
pub(crate) struct Ended {
    pub(crate) next: Next,
    /// What was found.
    pub(crate) status: Status,
    /// What the next reconciliation goes on from: the same, if it could be written.
    pub(crate) remembered: Status,
    pub(crate) seen: Seen,
}

/// What a reconciliation saw and did, for the metrics. What is `None` was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// Whether the object was looked at at all: one that is suspended is not.
    pub(crate) is_step: bool,
    /// How many keys are published.
    pub(crate) keys: Option<usize>,
    /// Whether all keys of the sources are.
    pub(crate) live_key: Option<bool>,
    /// Whether AWS STS would have accepted the issuer before it was repaired.
    pub(crate) before: Option<bool>,
    /// Whether documents or their access were changed.
    pub(crate) wrote: bool,
}

/// When the object is looked at again, or what failed.
pub(crate) type Converged = Result<Next, (Error, Stage)>;

/// One reconciliation of an object.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a Context,
    pub(crate) object: &'a ServiceAccountIssuer,
    pub(crate) status: Status,
    /// The status that the API server has.
    pub(crate) written: Status,
    pub(crate) seen: Seen,
    /// The warnings of the plan, once there is one.
    pub(crate) warnings: Option<Vec<Notice>>,
}

/// What the engine told on its way.
#[derive(Default)]
pub(crate) struct Told(pub(crate) RefCell<Vec<Notice>>);

impl Events for Told {
    fn event(&self, _: &str, event: Event<'_>) {
        if let Event::Notice(notice) = event {
            self.0.borrow_mut().push(notice.clone());
        }
    }
}

/// Reconciles an object.
pub(crate) async fn reconcile(
    context: &Context,
    object: &ServiceAccountIssuer,
    desired: Result<Desired, Refusal>,
) -> Ended {
    let seen = Seen { is_step: !object.is_deleted(), ..Seen::default() };
    let (status, written) = (object.status(), object.status());
    let mut run = Run { context, object, status, written, seen, warnings: None };
    let ended = match object.is_deleted() {
        true => run.delete(desired).await,
        false => run.apply(desired).await,
    };
    let next = ended.unwrap_or_else(|error| {
        let key = object.key();
        tracing::warn!(issuer = %key, "the object could not be written: {}", shown(&words(&error)));
        Next::Retry
    });
    let status = run.status;
    let remembered = match status == run.written {
        true => status.clone(),
        false => status.clone().unwritten(run.written),
    };
    Ended { next, status, remembered, seen: run.seen }
}

impl Run<'_> {
    async fn apply(&mut self, desired: Result<Desired, Refusal>) -> Result<Next, kube::Error> {
        let desired = match desired {
            Ok(desired) => desired,
            Err(Refusal(reason)) => {
                self.report(findings::refused(Reason::InvalidSpec, &reason)).await?;
                return Ok(Next::Change);
            }
        };
        let deletes = desired.conduct.deletion_policy == DeletionPolicy::Delete;
        if deletes != self.object.has_finalizer() {
            self.context.own.set_finalizer(self.object, deletes).await?;
        }
        if desired.conduct.suspend {
            self.seen.is_step = false;
            let message = "spec.suspend is true: nothing is checked, and nothing is changed";
            self.report_ready(Finding::unknown(Kind::Ready, Reason::Suspended, message)).await?;
            return Ok(Next::Change);
        }
        let told = Told::default();
        let engine = Reconciler::of(&self.context.shared, &told).without_waiting();
        let conflict = self.context.claims().conflict(&self.object.key());
        if let Some(reason) = conflict {
            return self.refused(&engine, &desired, &reason).await;
        }
        let converged = self.converge(&engine, &desired, &told).await?;
        self.warn(told.0.take()).await;
        match converged {
            Ok(next) => Ok(next),
            Err((error, stage)) => self.failed(&engine, &desired, &error, stage).await,
        }
    }

    /// Tells of the warnings of the plan and of what was done, once each: the step before had others.
    async fn warn(&mut self, told: Vec<Notice>) {
        let Some(planned) = self.warnings.take() else { return };
        let all: Vec<Notice> = planned.into_iter().chain(told).collect();
        let now = all.iter().map(|notice| notice.message.clone()).collect();
        let before = self.context.set_warnings(self.object.key(), now);
        for notice in all.iter().filter(|notice| !before.contains(&notice.message)) {
            let reason = event_reason(&notice.id);
            self.context.own.tell(self.object, Severity::Warning, &reason, &notice.message).await;
        }
    }

    /// Observe, plan, apply. The outer error is one of the controller's own cluster.
    async fn converge(
        &mut self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        told: &Told,
    ) -> Result<Converged, kube::Error> {
        let target = self.guarded(desired);
        let repairs = desired.conduct.drift_policy == DriftPolicy::Repair;
        let is_applied = self.status.applied_generation == self.object.metadata.generation;
        let front = match self.front(engine, desired, &target, repairs || !is_applied).await? {
            ControlFlow::Continue(front) => front,
            ControlFlow::Break(ended) => return Ok(ended),
        };
        let (seen, mut plan) = match examined(engine, &target, &self.status.claims).await {
            Ok(read) => read,
            Err(error) => return Ok(Err((error, Stage::Read))),
        };
        if let Some(refused) = self.other_issuer(plan.url.as_str()) {
            return self.refuse(Reason::IssuerChanged, &refused).await.map(Ok);
        }
        self.warnings = Some(plan.changes().notices);
        let added = added(&plan);
        let there = published(&seen);
        let keys = self.key_drift(&target, &plan.url, there.as_ref(), &seen.keys.keys).await;
        if let Some(there) = &there {
            self.seen.keys = Some(there.keys().len());
            self.seen.live_key = Some(added.is_empty());
        }
        let differ = Differences::of(&plan, front.as_ref()).with_keys(&keys);
        // A new key is no drift, unless others are gone.
        let is_drift = is_applied && (added.is_empty() || !keys.missing.is_empty());
        let drift = differ.text().filter(|_| is_drift);
        if let Some(text) = &drift {
            let found = Drift { target: &target, plan: &plan, differ: &differ, repairs };
            self.drifted(engine, found, text).await?;
            if !repairs && added.is_empty() {
                return Ok(Ok(Next::Period));
            }
        }
        let stays = (is_applied && !repairs).then(|| leave_drift(&mut plan));
        let (done, left) = match &stays {
            Some(stays) => {
                let done = Differences::of(&plan, None).with_keys(&keys);
                (done, Differences::of(stays, front.as_ref()))
            }
            None => (differ, Differences::default()),
        };
        let names = names::with(&desired.issuer, Some(plan.url.as_str()));
        let before = self.status.claims.clone();
        if let Err(reason) = self.claim(names.clone()).await? {
            return self.refuse(Reason::Conflict, &reason).await.map(Ok);
        }
        let applied = engine.apply(&target, &seen, &mut plan, true).await;
        if let Some(stays) = stays {
            plan = IssuerPlan { site: plan.site, ..stays };
        }
        self.seen.wrote |= plan.site.as_ref().is_some_and(|site| site.plan.wrote());
        let wrote_keys = plan.site.as_ref().is_some_and(|site| site.plan.wrote_keys());
        let are_published = applied.as_ref().err().is_none_or(is_after_documents);
        if wrote_keys && are_published && !added.is_empty() {
            let note = format!("published {} in {}", added.join(", "), place(&plan));
            self.context.own.tell(self.object, Severity::Normal, "KeysPublished", &note).await;
        }
        let verdict = match applied {
            Ok(verdict) => verdict,
            Err(error) => {
                let is_published = is_after_documents(&error);
                if let Some(site) = plan.site.as_ref().filter(|_| is_published) {
                    self.record(desired, plan.url.as_str(), site.plan.keys());
                }
                let written = written(&desired.issuer, &plan, &error);
                self.keep_claims(before.into_iter().chain(written).collect());
                return Ok(Err((error, Stage::Applied)));
            }
        };
        if let Some(text) = done.text().filter(|_| drift.is_some() || plan.wrote()) {
            let (reason, note) = match drift {
                Some(_) => ("DriftRepaired", format!("done: {text}")),
                None => ("Applied", text),
            };
            self.context.own.tell(self.object, Severity::Normal, reason, &note).await;
        }
        if repairs || !is_applied {
            // What is taken out of the spec stays in IAM, and so its object's.
            let in_iam = before.into_iter().filter(|name| !names::is_of_site(name));
            self.keep_claims(in_iam.chain(names).collect());
        }
        match (left.text(), &plan.site) {
            (Some(text), Some(site)) => {
                self.record(desired, plan.url.as_str(), site.plan.keys());
                let drift = Drift { target: &target, plan: &plan, differ: &left, repairs: false };
                let found = findings::drifted(drift, &self.status.claims, verdict.as_ref());
                self.report_drift(found, &text).await?;
            }
            _ => {
                let told = told.0.borrow().clone();
                self.converged(desired, &target, &plan, &told).await?;
            }
        }
        Ok(Ok(Next::Period))
    }

    async fn converged(
        &mut self,
        desired: &Desired,
        target: &Target,
        plan: &IssuerPlan,
        told: &[Notice],
    ) -> Result<(), kube::Error> {
        let notices: Vec<Notice> = plan.changes().notices.iter().chain(told).cloned().collect();
        self.status.applied_generation = self.object.metadata.generation;
        match &plan.site {
            Some(site) => self.record(desired, plan.url.as_str(), site.plan.keys()),
            None => self.status.issuer = Some(plan.url.to_string()),
        }
        self.report(findings::converged(target, plan, &self.status.claims, &notices)).await
    }

    /// What was published, and where its keys came from: the next run depends on it, whatever else fails.
    pub(crate) fn record(&mut self, desired: &Desired, url: &str, keys: &JwkSet) {
        self.status.issuer = Some(url.to_owned());
        self.status.set_keys(keys);
        self.status.key_sources = desired.key_sources();
        (self.seen.keys, self.seen.live_key) = (self.status.key_count, Some(true));
    }

    /// Records that these are about to be changed, before the first request: whatever happens then, they are
    /// this object's. The inner error says which other object has one of them.
    pub(crate) async fn claim(
        &mut self,
        names: BTreeSet<String>,
    ) -> Result<Result<(), String>, kube::Error> {
        let held: BTreeSet<String> = self.status.claims.iter().cloned().chain(names).collect();
        let held: Vec<String> = held.into_iter().collect();
        if let Err(reason) = self.context.claims().hold(&self.object.key(), &held) {
            return Ok(Err(reason));
        }
        if held != self.status.claims {
            self.status.claims = held;
            self.write().await?;
        }
        Ok(Ok(()))
    }

    /// Sets what this object has; the status is written with what is reported next.
    pub(crate) fn keep_claims(&mut self, held: BTreeSet<String>) {
        let held: Vec<String> = held.into_iter().collect();
        self.context.claims().set_held(&self.object.key(), &held);
        self.status.claims = held;
    }

    /// Tells of keys that somebody else has removed or added since they were reported, once.
    pub(crate) async fn key_drift(
        &mut self,
        target: &Target,
        url: &IssuerUrl,
        there: Option<&JwkSet>,
        live: &JwkSet,
    ) -> KeyDrift {
        let (Some(there), true) = (there, self.status.issuer.as_deref() == Some(url.as_str()))
        else {
            return KeyDrift::default();
        };
        let keys = KeyDrift::between(&self.status.keys, there, live);
        let own = &self.context.own;
        if let Some(text) = keys.missing_text() {
            own.tell(self.object, Severity::Warning, "KeysMissing", &text).await;
        }
        if let Some(text) = keys.foreign_text(&place_options(target, url)) {
            own.tell(self.object, Severity::Warning, "KeysAdded", &text).await;
        }
        self.status.set_keys(there);
        keys
    }

    /// The target as this object may have it. Its keys may be new ones altogether if they come from where
    /// they came from before: the Secret of a cluster has one key, and a rotation replaces it. A role that it
    /// was not applied to may not be that of an issuer of somebody else, whose object is gone or never was.
    pub(crate) fn guarded(&self, desired: &Desired) -> Target {
        let mut target = desired.target.clone();
        let claims = &self.status.claims;
        let is_new = |role: &&mut RoleTarget| !claims.contains(&names::of_role(role.name.as_str()));
        let new: Vec<&mut RoleTarget> = target.roles.iter_mut().filter(is_new).collect();
        if !new.is_empty() {
            let known = self.context.claims().issuers(&self.object.key().namespace);
            new.into_iter().for_each(|role| role.shared_with = Some(known.clone()));
        }
        let known = &self.status.key_sources;
        if let Some(site) = &mut target.site {
            let is_known = desired.key_sources().iter().all(|one| known.contains(one));
            site.other_cluster = match is_known {
                true => OtherCluster::KnownSecret,
                // With a command, a person answers for a JWK Set.
                false => OtherCluster::RefuseSets,
            };
        }
        target
    }

    /// The issuer that was reported last.
    pub(crate) fn issuer_before(&self) -> Option<IssuerUrl> {
        IssuerUrl::parse(self.status.issuer.as_deref()?, Ports::Allow).ok()
    }

    /// Why the issuer may not be another one than before.
    pub(crate) fn other_issuer(&self, url: &str) -> Option<String> {
        let before = self.status.issuer.as_deref()?;
        let permitted = self.object.annotation(ALLOW_ISSUER_CHANGE) == Some(url);
        (before != url && !permitted).then(|| {
            format!(
                "the issuer would change from {before} to {url}, and every token of {before} would stop \
                 working; correct spec.issuer or spec.store, or permit it with the annotation \
                 {ALLOW_ISSUER_CHANGE}: {url}"
            )
        })
    }
}

impl Context {
    pub(crate) fn new(own: OwnCluster, shared: Arc<Shared>) -> Self {
        Self { own, shared, claims: Arc::default(), warnings: Arc::default() }
    }

    /// Records the warnings of an object, and returns those before.
    fn set_warnings(&self, key: Key, now: BTreeSet<String>) -> BTreeSet<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        match now.is_empty() {
            true => warnings.remove(&key),
            false => warnings.insert(key, now),
        }
        .unwrap_or_default()
    }

    /// Forgets an object.
    pub(crate) fn forget(&self, key: &Key) {
        self.claims().forget(key);
        self.set_warnings(key.clone(), BTreeSet::new());
    }

    /// What all objects claim; never held while anything is awaited.
    pub(crate) fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Objects that name files are refused; this is why none can be read all the same.
pub(crate) fn no_file(_: &std::path::Path) -> std::io::Result<Vec<u8>> {
    Err(std::io::Error::other("the controller reads no files"))
}

/// Reads everything and plans it. What cannot be done as a whole is refused here, before anything is changed.
async fn examined(
    engine: &Reconciler<'_>,
    target: &Target,
    claims: &[String],
) -> Result<(Observed, IssuerPlan), Error> {
    // Listing the roles of an account for each object would be most of all requests.
    let orphans = names::has_left_a_role(claims.iter().map(String::as_str), target);
    let seen = engine.observe(target, Scope::apply(false).with_orphans(orphans)).await?;
    let plan = IssuerPlan::new(target, &seen, false)?;
    approve(engine, &seen, &plan).await?;
    Ok((seen, plan))
}

/// What the controller may not do, and its cluster would not permit, is refused.
pub(crate) async fn approve(
    engine: &Reconciler<'_>,
    seen: &Observed,
    plan: &IssuerPlan,
) -> Result<(), Error> {
    refuse_webhook(plan)?;
    if !plan.is_empty() {
        engine.dry_run(seen, plan).await?;
    }
    Ok(())
}

/// The webhook is a Deployment with a certificate in a namespace of its own, and the chart grants nothing of
/// that: whoever needs it is told before anything is changed.
fn refuse_webhook(plan: &IssuerPlan) -> Result<(), Error> {
    match &plan.workload {
        Some((_, workload)) if workload.chosen == Chosen::Webhook => {
            Err(issuer_workload::Error::NoPolicies.into())
        }
        _ => Ok(()),
    }
}

fn place(plan: &IssuerPlan) -> String {
    plan.site.as_ref().map(|site| site.plan.location().to_owned()).unwrap_or_default()
}

/// The name of a warning as the reason of an Event: `skipped-key` is `SkippedKey`.
fn event_reason(id: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(letters)
            .collect::<String>()
    };
    id.split('-').map(word).collect()
}

/// The keys that a plan adds.
fn added(plan: &IssuerPlan) -> Vec<String> {
    plan.added_keys().map(|jwk| jwk.kid.to_string()).collect()
}

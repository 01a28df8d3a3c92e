//! One object: what it asks for is handed to the engine, and what came of it is reported.

use std::cell::RefCell;
use std::sync::Arc;

use issuer_change::Notice;
use issuer_diagnostic::{Diagnostic as _, ErrorKind, date, now_secs};
use issuer_jwks::JwkSet;
use issuer_publish::KeyChange;
use issuer_reconcile::{
    DeletionPlan, Error, Event, Events, IssuerPlan, OtherCluster, Reconciler, Scope, Shared,
    SyncOptions, Target,
};

use crate::cluster::{OwnCluster, Severity, words};
use crate::desired::{DeletionPolicy, Desired, DriftPolicy, Refusal, conduct_of};
use crate::findings::{self, Differences, Stage, shown};
use crate::object::{ALLOW_ISSUER_CHANGE, ServiceAccountIssuer};
use crate::schedule::Next;
use crate::status::{Finding, Kind, Reason, Status, Truth};

/// What all reconciliations share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) own: OwnCluster,
    pub(crate) shared: Arc<Shared>,
}

/// What was read of an object, and whether it may be applied.
pub(crate) struct Input {
    pub(crate) desired: Result<Desired, Refusal>,
    /// An older object that wants the same.
    pub(crate) conflict: Option<String>,
}

/// One reconciliation of an object.
struct Run<'a> {
    context: &'a Context,
    object: &'a ServiceAccountIssuer,
    status: Status,
}

/// What the engine told on its way.
#[derive(Default)]
struct Told(RefCell<Vec<Notice>>);

impl Events for Told {
    fn event(&self, _: &str, event: Event<'_>) {
        if let Event::Notice(notice) = event {
            self.0.borrow_mut().push(notice.clone());
        }
    }
}

/// Reconciles an object; returns what follows, and its status.
pub(crate) async fn reconcile(
    context: &Context,
    object: &ServiceAccountIssuer,
    input: Input,
) -> (Next, Status) {
    let mut run = Run { context, object, status: object.status() };
    let ended = match object.is_deleted() {
        true => run.delete(input).await,
        false => run.apply(input).await,
    };
    let next = ended.unwrap_or_else(|error| {
        let key = object.key();
        tracing::warn!(issuer = %key, "the object could not be written: {}", shown(&words(&error)));
        Next::Retry
    });
    (next, run.status)
}

impl Run<'_> {
    async fn apply(&mut self, input: Input) -> Result<Next, kube::Error> {
        let desired = match input.desired {
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
            let message = "spec.suspend is true: nothing is checked, and nothing is changed";
            self.report_ready(Finding::unknown(Kind::Ready, Reason::Suspended, message)).await?;
            return Ok(Next::Change);
        }
        if let Some(reason) = input.conflict {
            self.report(findings::refused(Reason::Conflict, &reason)).await?;
            return Ok(Next::Retry);
        }
        let told = Told::default();
        let engine = Reconciler::of(&self.context.shared, &told);
        match self.converge(&engine, &desired, &told).await? {
            Ok(next) => Ok(next),
            Err((error, stage)) => {
                let target = self.trusting_known_sources(&desired);
                let mut found = findings::failed(&target, &error, stage);
                let repairs = desired.conduct.drift_policy == DriftPolicy::Repair;
                if repairs && stage == Stage::Read && matches!(error, Error::Iam(_)) {
                    self.publish_alone(&engine, &desired, target, &mut found).await;
                }
                self.context.renew_session(&error);
                self.report(found).await?;
                Ok(Next::Retry)
            }
        }
    }

    /// A new key must not wait for IAM.
    async fn publish_alone(
        &mut self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        target: Target,
        found: &mut [Finding],
    ) {
        let site = target.documents_only();
        let Ok(url) = engine.issuer(&site).await else { return };
        if site.site.is_none() || self.other_issuer(url.as_str()).is_some() {
            return;
        }
        let report = engine.sync(&site, SyncOptions::default()).await;
        if let (Ok(()), Some(keys)) = (report.outcome, report.published) {
            self.record(desired, url.as_str(), &keys);
            findings::published(found);
        }
    }

    /// What was published, and where its keys came from: the next run depends on it, whatever else fails.
    fn record(&mut self, desired: &Desired, url: &str, keys: &JwkSet) {
        self.status.issuer = Some(url.to_owned());
        self.status.keys = keys.keys().iter().map(|key| key.kid.to_string()).collect();
        self.status.key_count = Some(keys.keys().len());
        self.status.key_sources = desired.key_sources();
    }

    /// Observe, plan, apply. The outer error is one of the controller's own cluster.
    async fn converge(
        &mut self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        told: &Told,
    ) -> Result<Result<Next, (Error, Stage)>, kube::Error> {
        let target = self.trusting_known_sources(desired);
        let read = async {
            if let Some(front) = engine.front(&target).await? {
                engine.apply_front(&target, &front).await?;
            }
            let seen = engine.observe(&target, Scope::apply(false)).await?;
            let plan = IssuerPlan::new(&target, &seen, false)?;
            Ok((seen, plan))
        };
        let (seen, mut plan) = match read.await {
            Ok(read) => read,
            Err(error) => return Ok(Err((error, Stage::Read))),
        };
        if let Some(refused) = self.other_issuer(seen.url.as_str()) {
            self.report(findings::refused(Reason::IssuerChanged, &refused)).await?;
            return Ok(Ok(Next::Change));
        }
        let (differ, added) = (Differences::of(&plan), added(&plan));
        let is_applied = self.status.applied_generation == self.object.metadata.generation;
        let drift = differ.text().filter(|_| is_applied && added.is_empty());
        if let Some(text) = &drift {
            let repairs = desired.conduct.drift_policy == DriftPolicy::Repair;
            self.drifted(engine, &target, &plan, &differ, repairs, text).await?;
            if !repairs {
                return Ok(Ok(Next::Period));
            }
        } else if is_applied && desired.conduct.drift_policy == DriftPolicy::Report {
            // The new key alone.
            (plan.provider, plan.workload) = (None, None);
            plan.roles.clear();
        }
        let applied = engine.apply(&target, &seen, &mut plan, true).await;
        if plan.wrote() && !added.is_empty() {
            let note = format!("published {} in {}", added.join(", "), self.place(&plan));
            self.context.own.tell(self.object, Severity::Normal, "KeysPublished", &note).await;
        }
        if let Err(error) = applied {
            if let Some(site) = plan.site.as_ref().filter(|_| findings::is_after_documents(&error))
            {
                self.record(desired, plan.url.as_str(), site.plan.keys());
            }
            return Ok(Err((error, Stage::Applied)));
        }
        if let Some(text) = drift {
            let own = &self.context.own;
            own.tell(self.object, Severity::Normal, "DriftRepaired", &format!("done: {text}"))
                .await;
        } else if let Some(text) = differ.text().filter(|_| plan.wrote()) {
            self.context.own.tell(self.object, Severity::Normal, "Applied", &text).await;
        }
        self.converged(desired, &target, &plan, &told.0.take()).await?;
        Ok(Ok(Next::Period))
    }

    async fn converged(
        &mut self,
        desired: &Desired,
        target: &Target,
        plan: &IssuerPlan,
        told: &[Notice],
    ) -> Result<(), kube::Error> {
        let notices: Vec<Notice> = plan.notices.iter().chain(told).cloned().collect();
        self.status.applied_generation = self.object.metadata.generation;
        match &plan.site {
            Some(site) => self.record(desired, plan.url.as_str(), site.plan.keys()),
            None => self.status.issuer = Some(plan.url.to_string()),
        }
        self.report(findings::converged(target, plan, &notices)).await
    }

    /// The target, whose keys may be new ones altogether if they come from where they came from before:
    /// the Secret of a cluster has one key, and a rotation replaces it.
    fn trusting_known_sources(&self, desired: &Desired) -> Target {
        let mut target = desired.target.clone();
        let known = &self.status.key_sources;
        if let Some(site) = &mut target.site
            && desired.key_sources().iter().all(|one| known.contains(one))
        {
            site.other_cluster = OtherCluster::KnownSecret;
        }
        target
    }

    /// Why the issuer may not be another one than before.
    fn other_issuer(&self, url: &str) -> Option<String> {
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

    async fn drifted(
        &mut self,
        engine: &Reconciler<'_>,
        target: &Target,
        plan: &IssuerPlan,
        differ: &Differences,
        repairs: bool,
        text: &str,
    ) -> Result<(), kube::Error> {
        let accepted = match repairs || target.site.is_none() {
            true => None,
            false => Some(engine.verify(target).await.map_err(|error| {
                Finding::bad(Kind::Verified, Reason::NotAccepted, findings::message(&error))
            })),
        };
        let found = findings::drifted(target, plan, differ, repairs, accepted);
        let is_new = self
            .status
            .condition(Kind::Ready)
            .is_none_or(|ready| ready.status == Truth::True || ready.reason != Reason::DriftFound);
        self.report(found).await?;
        if is_new {
            let note = format!("changed by somebody else; the object declares: {text}");
            self.context.own.tell(self.object, Severity::Warning, "DriftFound", &note).await;
        }
        Ok(())
    }

    fn place(&self, plan: &IssuerPlan) -> String {
        plan.site.as_ref().map(|site| site.plan.location().to_owned()).unwrap_or_default()
    }

    /// Deletes what the object declares if it says so, and lets it go.
    async fn delete(&mut self, input: Input) -> Result<Next, kube::Error> {
        if !self.object.has_finalizer() {
            return Ok(Next::Change);
        }
        let conduct = conduct_of(&self.object.spec);
        if conduct.is_ok_and(|conduct| conduct.deletion_policy == DeletionPolicy::Retain) {
            return self
                .let_go("Retained", "spec.deletionPolicy is Retain: everything stays")
                .await;
        }
        if let Some(reason) = input.conflict {
            let note = format!("nothing was deleted: {reason}");
            return self.let_go("Retained", &note).await;
        }
        let desired = match input.desired {
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
        match self.deleted(&engine, &desired.target).await {
            Ok(Ok(note)) => self.let_go("Deleted", &note).await,
            Ok(Err(refused)) => {
                self.report(findings::refused(Reason::IssuerChanged, &refused)).await?;
                Ok(Next::Change)
            }
            Err(error) => {
                self.context.renew_session(&error);
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
        target: &Target,
    ) -> Result<Result<String, String>, Error> {
        let scope = Scope::delete(false, target.is_in_aws());
        let seen = engine.observe(target, scope).await?;
        if let Some(refused) = self.other_issuer(seen.url.as_str()) {
            return Ok(Err(refused));
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

    /// `Ready` alone; the others stay as they were found last.
    async fn report_ready(&mut self, ready: Finding) -> Result<(), kube::Error> {
        let before = self.status.conditions.clone();
        let generation = self.object.metadata.generation;
        self.status.set(vec![ready], generation, &date(now_secs()));
        self.status.conditions.extend(before.into_iter().filter(|one| one.kind != Kind::Ready));
        self.write().await
    }

    async fn report(&mut self, findings: Vec<Finding>) -> Result<(), kube::Error> {
        let of_ready = |status: &Status| {
            status.condition(Kind::Ready).map(|ready| (ready.status, ready.reason))
        };
        let before = of_ready(&self.status);
        let generation = self.object.metadata.generation;
        self.status.set(findings, generation, &date(now_secs()));
        let ready = self.status.condition(Kind::Ready).cloned();
        if let Some(ready) = ready.filter(|_| of_ready(&self.status) != before) {
            let own = &self.context.own;
            match ready.status {
                Truth::True => {
                    own.tell(self.object, Severity::Normal, "Ready", &ready.message).await
                }
                _ if ready.reason == Reason::DriftFound => {}
                _ => {
                    let reason = ready.reason.to_string();
                    own.tell(self.object, Severity::Warning, &reason, &ready.message).await;
                }
            }
        }
        self.write().await
    }

    /// Writes the status, if it is another one than the API server has.
    async fn write(&self) -> Result<(), kube::Error> {
        if self.status == self.object.status() && !self.object.status.is_null() {
            return Ok(());
        }
        self.context.own.report(self.object, &self.status).await
    }
}

impl Context {
    /// Credentials that are refused may have been replaced in their file.
    fn renew_session(&self, error: &Error) {
        if matches!(error, Error::Session(_)) || error.kind() == ErrorKind::NotPermitted {
            self.shared.renew_session();
        }
    }
}

/// Objects that name files are refused; this is why none can be read all the same.
pub(crate) fn no_file(_: &std::path::Path) -> std::io::Result<Vec<u8>> {
    Err(std::io::Error::other("the controller reads no files"))
}

/// The keys that a plan adds.
fn added(plan: &IssuerPlan) -> Vec<String> {
    let changes = plan.site.iter().flat_map(|site| site.plan.key_changes());
    let added = changes.filter(|(_, change)| *change == KeyChange::Added);
    added.map(|(key, _)| key.kid.to_string()).collect()
}

//! Several issuers in one run: each is read, planned and executed on its own, and let go when it
//! ends, so memory does not grow with their number. A failure does not stop the others.

use std::cell::RefCell;
use std::collections::BTreeMap;

use issuer_change::Describe;
use issuer_cloudfront::FrontPlan;
use issuer_discovery::IssuerUrl;
use issuer_publish::Purpose;
use issuer_reconcile::{
    DeletionPlan, Error, IssuerPlan, Observed, OrphanedRole, Reconciler, RoleProof, Scope, Target,
    each, offline_url,
};
use issuer_verify::Verdict;
use issuer_workload::AccountsMode;

use crate::Outcome;
use crate::advice::{self, Surface};
use crate::engine::{annotations, failed};
use crate::failure::Failure;
use crate::front;
use crate::output::{self, Ended, Verify};
use crate::report::Report;
use crate::ui::Ui;

/// The issuers of a run, and how they are processed.
pub(crate) struct Batch<'a> {
    pub(crate) engine: &'a Reconciler<'a>,
    pub(crate) ui: &'a Ui,
    /// How many issuers are processed at the same time.
    pub(crate) parallel: usize,
    /// The issuer URLs so far, and who has them.
    urls: RefCell<BTreeMap<String, String>>,
}

/// What an execution found out.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// The result of reading the documents back.
    pub(crate) verdict: Option<Verdict>,
    /// What was proved of the roles.
    pub(crate) proofs: Vec<RoleProof>,
}

/// A plan of `apply` or `delete`.
pub(crate) trait RunPlan: Describe {
    /// Sets the members of its JSON object that come from the plan, except for its changes.
    fn details(&self, target: &Target, issuer: &mut output::Issuer);

    /// Whether the execution has changed anything.
    fn wrote(&self) -> bool;
}

impl<'a> Batch<'a> {
    pub(crate) fn new(engine: &'a Reconciler<'a>, parallel: u16, ui: &'a Ui) -> Self {
        Self { engine, ui, parallel: parallel.into(), urls: RefCell::default() }
    }

    /// Plans every issuer.
    ///
    /// # Errors
    /// The most severe failure.
    pub(crate) async fn plan<P: RunPlan>(
        &self,
        targets: Vec<Target>,
        report: Report<'_>,
        scope: impl Fn(&Target) -> Scope,
        plan: impl Fn(&Target, &Observed) -> Result<P, Error>,
    ) -> Outcome {
        let work = async |target: &Target| {
            let front = self.front(target, scope(target)).await?;
            if let Some(front) = front.as_ref().filter(|front| front.creates()) {
                self.before_front(target, front).await?;
                let issuer = front::first(target, front);
                self.warn(&issuer);
                return Ok((issuer, None));
            }
            let (seen, plan) = self.planned(target, &scope, &plan).await?;
            let issuer = front::with(object(target, &seen, &plan), front.as_ref());
            self.warn(&issuer);
            Ok((issuer, None))
        };
        self.each(targets, report, work).await
    }

    /// Plans every issuer, shows its plan, and executes it.
    ///
    /// # Errors
    /// The most severe failure.
    pub(crate) async fn execute<P: RunPlan>(
        &self,
        targets: Vec<Target>,
        report: Report<'_>,
        scope: impl Fn(&Target) -> Scope,
        plan: impl Fn(&Target, &Observed) -> Result<P, Error>,
        execute: impl AsyncFn(&Target, &Observed, &mut P) -> Result<Executed, Error>,
    ) -> Outcome {
        let count = targets.len();
        let work = async |target: &Target| {
            let front = self.front(target, scope(target)).await?;
            if let Some(front) = front.as_ref().filter(|front| !front.is_empty()) {
                self.before_front(target, front).await?;
                self.ui.plan_of_issuer(&front::first(target, front), count);
                let applied = self.engine.apply_front(target, front).await;
                applied.map_err(|error| failed(error).on(Surface::File))?;
            }
            let (seen, mut plan) = self.planned(target, &scope, &plan).await?;
            let planned = object(target, &seen, &plan);
            self.warn(&planned);
            self.ui.plan_of_issuer(&planned, count);
            let ended = execute(target, &seen, &mut plan).await;
            let (issuer, failure) = executed(target, &seen, &plan, ended);
            Ok((front::with(issuer, front.as_ref()), failure))
        };
        self.each(targets, report, work).await
    }

    /// The steps to the distribution of an issuer, unless it is deleted.
    async fn front(&self, target: &Target, scope: Scope) -> Result<Option<FrontPlan>, Failure> {
        if scope.purpose == Purpose::Remove {
            return Ok(None);
        }
        let front = self.engine.front(target).await;
        front.map_err(|error| failed(error).on(Surface::File))
    }

    /// Refuses what would be refused once its distribution exists.
    async fn before_front(&self, target: &Target, front: &FrontPlan) -> Result<(), Failure> {
        let planned = self.engine.before_front(target, front).await;
        planned.map(drop).map_err(|error| failed(error).on(Surface::File))
    }

    /// Reads and plans one issuer.
    async fn planned<P>(
        &self,
        target: &Target,
        scope: impl Fn(&Target) -> Scope,
        plan: impl Fn(&Target, &Observed) -> Result<P, Error>,
    ) -> Result<(Observed, P), Failure> {
        let planned = async {
            let seen = self.engine.observe(target, scope(target)).await?;
            self.own(target, &seen.url)?;
            let plan = plan(target, &seen)?;
            Ok::<_, Error>((seen, plan))
        };
        planned.await.map_err(|error| failed(error).on(Surface::File))
    }

    /// Refuses an issuer URL that another issuer of the run has.
    fn own(&self, target: &Target, url: &IssuerUrl) -> Result<(), Error> {
        let mut urls = self.urls.borrow_mut();
        let owner = urls.entry(url.to_string()).or_insert_with(|| target.label());
        if *owner == target.label() {
            return Ok(());
        }
        Err(Error::SameIssuer { one: owner.clone(), other: target.label(), issuer: url.clone() })
    }

    /// The failures of issuers, by their position, whose URL another one has: of both.
    fn same_urls(&self, targets: &[Target]) -> BTreeMap<usize, Failure> {
        let (mut first, mut same) = (BTreeMap::new(), BTreeMap::new());
        for (index, target) in targets.iter().enumerate() {
            let Ok(url) = offline_url(target) else { continue };
            let earlier = *first.entry(url.to_string()).or_insert(index);
            if let Err(error) =
                self.own(&targets[earlier], &url).and_then(|()| self.own(target, &url))
            {
                same.insert(index, failed(error).on(Surface::File));
                let (one, other) = (targets[earlier].label(), target.label());
                let error = Error::SameIssuer { one, other, issuer: url };
                same.entry(earlier).or_insert_with(|| failed(error).on(Surface::File));
            }
        }
        same
    }

    fn warn(&self, issuer: &output::Issuer) {
        self.ui.notices(&issuer.notices);
        let hints = advice::to_keep(&issuer.notices, Surface::File);
        hints.iter().for_each(|hint| self.ui.hint_once(hint));
    }

    /// Processes the issuers, at most `parallel` at a time, and reports each as it ends.
    async fn each(
        &self,
        targets: Vec<Target>,
        mut report: Report<'_>,
        work: impl AsyncFn(&Target) -> Result<(output::Issuer, Option<Failure>), Failure>,
    ) -> Outcome {
        // What can be known before anything is changed; `own` finds the rest.
        let mut same = self.same_urls(&targets);
        self.ui.begin(targets.len());
        let work = &work;
        let targets = targets.into_iter().enumerate();
        let targets = targets.map(|(index, target)| (index, target, same.remove(&index)));
        let work = |(index, target, same): (_, _, Option<Failure>)| async move {
            let worked = match same {
                Some(failure) => Err(failure),
                None => work(&target).await,
            };
            let (issuer, failure) = worked.unwrap_or_else(|failure| {
                (output::Issuer::failed(&target, &failure), Some(failure))
            });
            Ended { index, name: target.label(), issuer, failure }
        };
        each(targets, self.parallel, work, |ended| {
            self.ui.issuer_ended();
            report.ended(ended);
        })
        .await;
        self.ui.end();
        report.finish()
    }
}

impl RunPlan for IssuerPlan {
    fn details(&self, target: &Target, issuer: &mut output::Issuer) {
        issuer.orphaned_roles = names(&self.orphaned);
        let connection = match &target.workload {
            None => target.cluster_of_pods().unwrap_or_default(),
            Some(workload) if workload.accounts == AccountsMode::Leave => {
                workload.connection.clone()
            }
            // The run itself annotates them.
            Some(_) => return,
        };
        let annotate = self
            .roles
            .iter()
            .map(|(spec, plan)| annotations(&spec.trust.service_accounts, &plan.arn, &connection));
        issuer.annotate = annotate.flatten().collect();
    }

    fn wrote(&self) -> bool {
        self.wrote()
    }
}

impl RunPlan for DeletionPlan {
    fn details(&self, _: &Target, issuer: &mut output::Issuer) {
        issuer.orphaned_roles = names(&self.orphaned);
    }

    fn wrote(&self) -> bool {
        self.wrote()
    }
}

fn names(orphaned: &[OrphanedRole]) -> Vec<String> {
    orphaned.iter().map(|role| role.name.to_string()).collect()
}

fn object(target: &Target, seen: &Observed, plan: &impl RunPlan) -> output::Issuer {
    let mut issuer = output::Issuer::new(target.label(), seen.url.as_str(), plan);
    plan.details(target, &mut issuer);
    issuer
}

/// The object of an issuer whose plan was executed, and the failure if it was not executed whole.
fn executed(
    target: &Target,
    seen: &Observed,
    plan: &impl RunPlan,
    ended: Result<Executed, Error>,
) -> (output::Issuer, Option<Failure>) {
    let mut issuer = object(target, seen, plan);
    issuer.changed = plan.wrote();
    let verdict = match &ended {
        Ok(executed) => executed.verdict.as_ref(),
        Err(error) => error.refused().map(|(_, verdict)| verdict),
    };
    issuer.verification = verdict.map(Verify::from);
    let proofs = ended.iter().flat_map(|executed| &executed.proofs);
    issuer.proofs = proofs.map(output::Proof::from).collect();
    let failure = ended.err().map(|error| failed(error).on(Surface::File));
    issuer.error = failure.as_ref().map(Into::into);
    (issuer, failure)
}

//! Several issuers in one run: each is planned and executed on its own, and a failure does not stop
//! the others.

use issuer_change::{Describe, Notice};
use issuer_reconcile::{
    DeletionPlan, Error, IssuerPlan, Observed, OrphanedRole, Reconciler, RoleProof, Scope, Target,
    each,
};
use issuer_verify::Verdict;
use issuer_workload::AccountsMode;

use crate::Outcome;
use crate::advice::{self, Surface};
use crate::engine::{annotations, failed};
use crate::failure::{Exit, Failure};
use crate::output::{self, Verify};
use crate::ui::Ui;

/// One issuer with its plan, or the reason why it has none.
pub(crate) struct Planned<'t, P> {
    pub(crate) target: &'t Target,
    pub(crate) result: Result<(Observed, P), Failure>,
}

/// Reads and plans every issuer, at most `parallel` at a time. A failure does not stop the other
/// issuers.
///
/// # Errors
/// Two issuers with the same URL.
pub(crate) async fn plan_each<'t, P>(
    engine: &Reconciler<'_>,
    targets: &'t [Target],
    parallel: usize,
    scope: impl Fn(&Target) -> Scope,
    plan: impl Fn(&Target, &Observed) -> Result<P, Error>,
) -> Result<Vec<Planned<'t, P>>, Failure> {
    let (scope, plan) = (&scope, &plan);
    let work = |target: &'t Target| async move {
        let planned = async {
            let seen = engine.observe(target, scope(target)).await?;
            let plan = plan(target, &seen)?;
            Ok::<_, Error>((seen, plan))
        };
        let result = planned.await.map_err(|error| failed(error).on(Surface::File));
        Planned { target, result }
    };
    let planned = each(targets, parallel, work).await;
    let mut urls = std::collections::BTreeMap::new();
    for Planned { target, result } in &planned {
        let Ok((seen, _)) = result else { continue };
        if let Some(other) = urls.insert(seen.url.to_string(), target.label()) {
            let issuer = seen.url.clone();
            return Err(failed(Error::SameIssuer { one: other, other: target.label(), issuer }));
        }
    }
    Ok(planned)
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

/// The plans as one JSON object, without the members that only an execution sets. Their warnings
/// are printed.
pub(crate) fn show<P: RunPlan>(dry_run: bool, planned: &[Planned<'_, P>], ui: &Ui) -> output::Plan {
    let issuers = planned.iter().map(|planned| match &planned.result {
        Ok((seen, plan)) => object(planned.target, seen, plan),
        Err(failure) => output::Issuer::failed(planned.target, failure),
    });
    let plan = output::Plan::new(dry_run, issuers.collect());
    for issuer in &plan.issuers {
        ui.notices(&issuer.notices);
    }
    let notices: Vec<Notice> =
        plan.issuers.iter().flat_map(|issuer| issuer.notices.iter().cloned()).collect();
    advice::to_keep(&notices, Surface::File).iter().for_each(|hint| ui.hint(hint));
    plan
}

/// The failures of a run that only plans, each with the name of its issuer.
pub(crate) fn failures<P>(planned: Vec<Planned<'_, P>>) -> Vec<(String, Failure)> {
    let failed = planned.into_iter();
    let failed = failed.filter_map(|planned| Some((planned.target.label(), planned.result.err()?)));
    failed.collect()
}

/// Executes every plan, at most `parallel` at a time; returns the objects of the issuers, and the
/// failures with the names of theirs.
pub(crate) async fn execute_each<'t, P: RunPlan>(
    planned: Vec<Planned<'t, P>>,
    parallel: usize,
    execute: impl AsyncFn(&Target, &Observed, &mut P) -> Result<Executed, Error>,
) -> (Vec<output::Issuer>, Vec<(String, Failure)>) {
    let execute = &execute;
    let work = |planned: Planned<'t, P>| async move {
        let Planned { target, result } = planned;
        let name = target.label();
        let (seen, mut plan) = match result {
            Ok(planned) => planned,
            Err(failure) => {
                return (output::Issuer::failed(target, &failure), Some((name, failure)));
            }
        };
        let ended = execute(target, &seen, &mut plan).await;
        let mut issuer = object(target, &seen, &plan);
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
        (issuer, failure.map(|failure| (name, failure)))
    };
    let (issuers, failures): (Vec<_>, Vec<_>) =
        each(planned, parallel, work).await.into_iter().unzip();
    (issuers, failures.into_iter().flatten().collect())
}

/// Ends a run: prints every failure and how many issuers failed. The exit code is that of the most
/// severe failure.
pub(crate) fn finish(
    failures: Vec<(String, Failure)>,
    issuers: usize,
    ui: &Ui,
    done: Exit,
) -> Outcome {
    ui.end();
    if issuers == 1 {
        return match failures.into_iter().next() {
            Some((_, failure)) => Err(failure),
            None => Ok(done),
        };
    }
    let Some(most_severe) = failures.iter().map(|(_, failure)| failure.exit).max_by_key(severity)
    else {
        return Ok(done);
    };
    let count = failures.len();
    for (name, mut failure) in failures {
        failure.message = format!("{name}: {}", failure.message);
        ui.failure(&failure);
    }
    Err(Failure::new(most_severe, format!("{count} of {issuers} issuers failed")))
}

/// The severity that decides which of several exit codes a run ends with.
fn severity(exit: &Exit) -> u8 {
    match exit {
        // They end the whole run.
        Exit::Interrupted | Exit::Terminated => 6,
        Exit::Verification => 5,
        Exit::Conflict => 4,
        Exit::NotPermitted => 3,
        Exit::BadInput => 2,
        Exit::Failure | Exit::Usage => 1,
        Exit::Done | Exit::Changes => 0,
    }
}

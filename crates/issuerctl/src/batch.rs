//! Several issuers in one run: each is planned and executed on its own, and a failure does not stop
//! the others.

use issuer_change::Describe;
use issuer_reconcile::{
    DeletionPlan, Error, IssuerPlan, Observed, Outcome as Applied, Reconciler, Scope, Target, each,
};

use crate::Outcome;
use crate::advice::Surface;
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

impl<P: Describe> Planned<'_, P> {
    /// Its JSON object, without the members that only an execution sets.
    pub(crate) fn object(&self, details: impl Fn(&P, &mut output::Issuer)) -> output::Issuer {
        match &self.result {
            Ok((seen, plan)) => {
                let mut issuer = output::Issuer::new(self.target.label(), seen.url.as_str(), plan);
                details(plan, &mut issuer);
                issuer
            }
            Err(failure) => output::Issuer::failed(self.target.label(), failure),
        }
    }
}

/// The members of an issuer object that come from the plan, except for its changes.
pub(crate) fn plan_details(plan: &IssuerPlan, issuer: &mut output::Issuer) {
    let orphaned = plan.orphaned.iter().map(|role| role.name.to_string());
    issuer.orphaned_roles = orphaned.collect();
    let roles = plan.roles.iter();
    let annotate = roles.map(|(spec, plan)| annotations(&spec.trust.service_accounts, &plan.arn));
    issuer.annotate = annotate.flatten().collect();
}

/// The members of an issuer object that come from the deletion plan, except for its changes.
pub(crate) fn deletion_details(plan: &DeletionPlan, issuer: &mut output::Issuer) {
    let orphaned = plan.orphaned.iter().map(|role| role.name.to_string());
    issuer.orphaned_roles = orphaned.collect();
}

/// The object of one issuer, and its failure, if any.
pub(crate) async fn apply_one(
    engine: &Reconciler<'_>,
    planned: Planned<'_, IssuerPlan>,
    verify: bool,
) -> (output::Issuer, Option<(String, Failure)>) {
    let mut issuer = planned.object(plan_details);
    issuer.changed = false;
    let name = planned.target.label();
    let (seen, plan) = match planned.result {
        Ok(planned) => planned,
        Err(failure) => return (issuer, Some((name, failure))),
    };
    match engine.apply(planned.target, &seen, plan, verify).await {
        Ok(Applied { plan, changed, verdict, .. }) => {
            issuer = output::Issuer::new(name, seen.url.as_str(), &plan);
            plan_details(&plan, &mut issuer);
            issuer.changed = changed;
            issuer.verification = verdict.as_ref().map(Verify::from);
            (issuer, None)
        }
        Err(error) => {
            if let Error::NotAccepted { verdict, .. } | Error::NotVerified { verdict, .. } = &error
            {
                issuer.verification = Some(Verify::from(&**verdict));
            }
            let again = format!("`issuerctl verify --issuer {}` checks it again", seen.url);
            let refused = issuer.verification.is_some();
            let failure = failed(error).on(Surface::File).hint(refused.then_some(again));
            // The documents were published, and then not accepted.
            issuer.changed |= refused;
            issuer.error = Some((&failure).into());
            (issuer, Some((name, failure)))
        }
    }
}

/// The object of one issuer, and its failure, if any.
pub(crate) async fn delete_one(
    engine: &Reconciler<'_>,
    planned: Planned<'_, DeletionPlan>,
    dry_run: bool,
    force: bool,
) -> (output::Issuer, Option<(String, Failure)>) {
    let mut issuer = planned.object(deletion_details);
    let name = planned.target.label();
    let (seen, mut plan) = match planned.result {
        Ok(_) if dry_run => return (issuer, None),
        Ok(planned) => planned,
        Err(failure) => return (issuer, Some((name, failure))),
    };
    match engine.delete(planned.target, &seen, &mut plan, force).await {
        Ok(changed) => {
            issuer = output::Issuer::new(name, seen.url.as_str(), &plan);
            deletion_details(&plan, &mut issuer);
            issuer.changed = changed;
            (issuer, None)
        }
        Err(error) => {
            let failure = failed(error).on(Surface::File);
            issuer.error = Some((&failure).into());
            (issuer, Some((name, failure)))
        }
    }
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
        Exit::Verification => 5,
        Exit::Conflict => 4,
        Exit::NotPermitted => 3,
        Exit::BadInput => 2,
        Exit::Failure | Exit::Usage => 1,
        Exit::Done | Exit::Changes => 0,
    }
}

//! `issuerctl apply`

use issuer_publish::Purpose;
use issuer_reconcile::{
    Error, IssuerPlan, Outcome as Applied, Reconciler, Scope, each, permissions,
};

use crate::Outcome;
use crate::advice::Surface;
use crate::cli::{ApplyArgs, OutputFormat};
use crate::engine::{self, Planned};
use crate::failure::{Exit, Failure};
use crate::output::{self, Verify};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &ApplyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let declared = &args.declared;
    let (aws, prune, parallel) = (&declared.aws, declared.prune, declared.parallel.into());
    let targets =
        targets::of_files(&declared.file, Some(&declared.kube), aws, declared.change_issuer)?;
    Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(aws)?, &targets, ui).await?;
        if aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Publish, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?);
        }
        ui.begin(targets.len());
        let scope = |_: &_| Scope::apply(prune);
        let plan = |target: &_, seen: &_| IssuerPlan::new(target, seen, prune);
        let planned = engine::plan_each(&engine, &targets, parallel, scope, plan).await?;
        let issuers = planned.iter().map(|planned| planned.object(engine::plan_details));
        let plan = output::Plan::new(false, issuers.collect());
        for issuer in &plan.issuers {
            ui.notices(&issuer.notices);
        }
        ui.note(plan.text().trim_end());
        let work = |planned| apply(&engine, planned, !args.no_verify);
        let (issuers, failures): (Vec<_>, Vec<_>) =
            each(planned, parallel, work).await.into_iter().unzip();
        finish(issuers, failures, format, ui)
    })
}

/// The object of one issuer, and its failure, if any.
async fn apply(
    engine: &Reconciler<'_>,
    planned: Planned<'_, IssuerPlan>,
    verify: bool,
) -> (output::Issuer, Option<(String, Failure)>) {
    let mut issuer = planned.object(engine::plan_details);
    issuer.changed = false;
    let name = planned.target.label();
    let (seen, plan) = match planned.result {
        Ok(planned) => planned,
        Err(failure) => return (issuer, Some((name, failure))),
    };
    match engine.apply(planned.target, &seen, plan, verify).await {
        Ok(Applied { plan, changed, verdict, .. }) => {
            issuer = output::Issuer::new(name, seen.url.as_str(), &plan);
            engine::plan_details(&plan, &mut issuer);
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
            let failure = engine::failed(error).on(Surface::File).hint(refused.then_some(again));
            // The documents were published, and then not accepted.
            issuer.changed |= refused;
            issuer.error = Some((&failure).into());
            (issuer, Some((name, failure)))
        }
    }
}

fn finish(
    issuers: Vec<output::Issuer>,
    failures: Vec<Option<(String, Failure)>>,
    format: OutputFormat,
    ui: &Ui,
) -> Outcome {
    let count = issuers.len();
    let in_iam = |change: &issuer_change::Change| {
        change.resource.kind == issuer_change::Kind::OidcProvider
            || change.resource.kind == issuer_change::Kind::Role
    };
    if issuers.iter().any(|issuer| issuer.changed && issuer.changes.iter().any(in_iam)) {
        ui.note(engine::SPREADS);
    }
    let applied = output::Plan::new(false, issuers);
    match format {
        OutputFormat::Text => {
            let annotate = applied.issuers.iter().filter(|issuer| issuer.error.is_none());
            let mut annotate = annotate.flat_map(|issuer| &issuer.annotate);
            annotate.try_for_each(|line| output::line(line))?;
        }
        OutputFormat::Json => output::json(&applied)?,
    }
    engine::finish(failures.into_iter().flatten().collect(), count, ui, Exit::Done)
}

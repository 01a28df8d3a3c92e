//! `issuerctl apply`

use issuer_publish::Purpose;
use issuer_reconcile::{IssuerPlan, Observed, ProofOptions, Scope, Target, permissions};

use crate::Outcome;
use crate::batch::{self, Executed};
use crate::cli::{ApplyArgs, OutputFormat};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::rbac;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &ApplyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let declared = &args.declared;
    let (aws, prune, parallel) = (&declared.aws, declared.prune, declared.parallel.into());
    let targets = targets::of_files(&declared.file, Some(&declared.kube), aws, declared.overrides)?;
    let targets = targets::with_token(targets, declared)?;
    if args.prove && targets.iter().all(|target| target.workload.is_none()) {
        let message = "--prove needs a cluster, and the file has no spec.workload";
        return Err(Failure::new(Exit::BadInput, message));
    }
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(aws)?, &targets, ui);
        if declared.print_rbac {
            return rbac::print(&engine, &targets, Purpose::Publish, format, ui).await;
        }
        if aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Publish, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?, ui);
        }
        ui.begin(targets.len());
        let scope = |_: &_| Scope::apply(prune);
        let plan = |target: &_, seen: &_| IssuerPlan::new(target, seen, prune);
        let planned = batch::plan_each(&engine, &targets, parallel, scope, plan).await?;
        let plan = batch::show(false, &planned, ui);
        ui.plan_text(&plan.text());
        let proof = ProofOptions { verify: !args.no_verify, exchange: args.prove };
        let execute = async |target: &Target, seen: &Observed, plan: &mut IssuerPlan| {
            let verdict = engine.apply(target, seen, plan, !args.no_verify).await?;
            let proofs = engine.prove(target, seen, plan, proof).await?;
            Ok(Executed { verdict, proofs })
        };
        let (issuers, failures) = batch::execute_each(planned, parallel, execute).await;
        if issuers.iter().any(|issuer| issuer.error.is_none() && !issuer.annotate.is_empty()) {
            engine::warn_of_management_cluster(&targets, ui);
        }
        finish(issuers, failures, format, ui)
    })
}

fn finish(
    issuers: Vec<output::Issuer>,
    failures: Vec<(String, Failure)>,
    format: OutputFormat,
    ui: &Ui,
) -> Outcome {
    let count = issuers.len();
    if issuers.iter().any(|issuer| issuer.changed && output::changes_iam(&issuer.changes)) {
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
    batch::finish(failures, count, ui, Exit::Done)
}

//! `issuerctl apply`

use issuer_publish::Purpose;
use issuer_reconcile::{IssuerPlan, Observed, ProofOptions, Scope, Target, permissions};

use crate::Outcome;
use crate::batch::{Batch, Executed};
use crate::cli::{ApplyArgs, Output};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::rbac;
use crate::report::{Report, refuse_all_if};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &ApplyArgs, output: Output, ui: &Ui) -> Outcome {
    let declared = &args.declared;
    let (aws, prune) = (&declared.aws, declared.prune);
    let format = output.format();
    let (targets, refused) =
        targets::of_valid_files(&declared.file, Some(&declared.kube), aws, declared.overrides)?;
    let targets = targets::with_token(targets, &refused, declared)?;
    if args.prove && refused.is_empty() && targets.iter().all(|target| target.workload.is_none()) {
        let message = "--prove needs a cluster, and the file has no spec.workload";
        return Err(Failure::new(Exit::BadInput, message));
    }
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(aws)?, &targets, ui).for_fleet(&targets);
        let printed = declared.print_rbac || aws.print_iam_policy;
        let refused = refuse_all_if(printed, refused)?;
        if declared.print_rbac {
            return rbac::print(&engine, &targets, Purpose::Publish, format, ui).await;
        }
        if aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Publish, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?, ui);
        }
        let scope = |_: &_| Scope::apply(prune);
        let plan = |target: &_, seen: &_| IssuerPlan::new(target, seen, prune);
        let proof = ProofOptions { verify: !args.no_verify, exchange: args.prove };
        let execute = async |target: &Target, seen: &Observed, plan: &mut IssuerPlan| {
            let verdict = engine.apply(target, seen, plan, !args.no_verify).await?;
            let proofs = engine.prove(target, seen, plan, proof).await?;
            engine::warn_of_management_cluster(target, ui);
            Ok(Executed { verdict, proofs })
        };
        let report = Report::of_execution(output, targets.len(), ui).refuse(refused);
        let batch = Batch::new(&engine, declared.parallel, ui);
        batch.execute(targets, report, scope, plan, execute).await
    })
}

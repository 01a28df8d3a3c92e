//! `issuerctl plan`, and `apply --dry-run`

use issuer_publish::Purpose;
use issuer_reconcile::{IssuerPlan, Scope, permissions};

use crate::Outcome;
use crate::batch::Batch;
use crate::cli::{DeclaredArgs, Output};
use crate::engine;
use crate::failure::Exit;
use crate::output;
use crate::rbac;
use crate::report::{Report, refuse_all_if};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

/// Ends with `changes` if anything would change.
pub(crate) fn run(declared: &DeclaredArgs, output: Output, ui: &Ui, changes: Exit) -> Outcome {
    let (aws, prune) = (&declared.aws, declared.prune);
    let format = output.format();
    let (targets, refused) =
        targets::of_valid_files(&declared.file, Some(&declared.kube), aws, declared.overrides)?;
    let targets = targets::with_token(targets, &refused, declared)?;
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(aws)?, &targets, ui).for_fleet(&targets);
        let printed = declared.print_rbac || aws.print_iam_policy;
        let refused = refuse_all_if(printed, refused)?;
        if declared.print_rbac {
            return rbac::print(&engine, &targets, Purpose::Plan, format, ui).await;
        }
        if aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Plan, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?, ui);
        }
        let report = Report::of_plan(output, targets.len(), changes, ui).refuse(refused);
        let scope = |_: &_| Scope::apply(prune);
        let plan = |target: &_, seen: &_| IssuerPlan::new(target, seen, prune);
        Batch::new(&engine, declared.parallel, ui).plan(targets, report, scope, plan).await
    })
}

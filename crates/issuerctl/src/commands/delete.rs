//! `issuerctl delete`

use issuer_publish::Purpose;
use issuer_reconcile::{DeletionPlan, Observed, Scope, Target, permissions};

use crate::Outcome;
use crate::batch::{Batch, Executed};
use crate::cli::{DeleteArgs, Output, Overrides};
use crate::engine;
use crate::failure::Exit;
use crate::output;
use crate::rbac;
use crate::report::{Report, refuse_all_if};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &DeleteArgs, output: Output, ui: &Ui) -> Outcome {
    let (prune, force) = (args.prune, args.force);
    let format = output.format();
    let (targets, refused) =
        targets::of_valid_files(&args.file, Some(&args.kube), &args.aws, Overrides::default())?;
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &targets, ui);
        let refused = refuse_all_if(args.print_rbac || args.aws.print_iam_policy, refused)?;
        if args.print_rbac {
            return rbac::print(&engine, &targets, Purpose::Remove, format, ui).await;
        }
        if args.aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Remove, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?, ui);
        }
        // Documents are deleted only if no provider in IAM trusts them.
        let scope = |target: &Target| Scope::delete(prune, !force && target.is_in_aws());
        let plan = |target: &_, seen: &_| DeletionPlan::new(target, seen, prune, force);
        let batch = Batch::new(&engine, args.parallel, ui);
        if args.dry_run {
            let report = Report::of_plan(output, targets.len(), Exit::Done, ui).refuse(refused);
            return batch.plan(targets, report, scope, plan).await;
        }
        let report = Report::of_execution(output, targets.len(), ui).refuse(refused);
        let execute = async |target: &Target, seen: &Observed, plan: &mut DeletionPlan| {
            engine.delete(target, seen, plan, force).await.map(|()| Executed::default())
        };
        batch.execute(targets, report, scope, plan, execute).await
    })
}

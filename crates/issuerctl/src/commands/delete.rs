//! `issuerctl delete`

use issuer_publish::Purpose;
use issuer_reconcile::{DeletionPlan, Observed, Scope, Target, permissions};

use crate::Outcome;
use crate::batch::{self, Executed};
use crate::cli::{DeleteArgs, OutputFormat, Overrides};
use crate::engine;
use crate::failure::Exit;
use crate::output;
use crate::rbac;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &DeleteArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let (prune, force, parallel) = (args.prune, args.force, args.parallel.into());
    let targets = targets::of_files(&args.file, Some(&args.kube), &args.aws, Overrides::default())?;
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &targets, ui);
        if args.print_rbac {
            return rbac::print(&engine, &targets, Purpose::Remove, format, ui).await;
        }
        if args.aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Remove, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?, ui);
        }
        ui.begin(targets.len());
        // Documents are deleted only if no provider in IAM trusts them.
        let scope = |target: &Target| Scope::delete(prune, !force && target.is_in_aws());
        let plan = |target: &_, seen: &_| DeletionPlan::new(target, seen, prune, force);
        let planned = batch::plan_each(&engine, &targets, parallel, scope, plan).await?;
        let plan = batch::show(args.dry_run, &planned, ui);
        if args.dry_run {
            ui.end();
            match format {
                OutputFormat::Text => output::coloured(&plan.text())?,
                OutputFormat::Json => output::json(&plan)?,
            }
            return batch::finish(batch::failures(planned), targets.len(), ui, Exit::Done);
        }
        ui.plan_text(&plan.text());
        let execute = async |target: &Target, seen: &Observed, plan: &mut DeletionPlan| {
            engine.delete(target, seen, plan, force).await.map(|()| Executed::default())
        };
        let (issuers, failures) = batch::execute_each(planned, parallel, execute).await;
        let deleted = output::Plan::new(false, issuers);
        let mut issuers = deleted.issuers.iter();
        if issuers.any(|issuer| issuer.changed && output::changes_iam(&issuer.changes)) {
            ui.note(engine::SPREADS);
        }
        if format == OutputFormat::Json {
            output::json(&deleted)?;
        }
        batch::finish(failures, targets.len(), ui, Exit::Done)
    })
}

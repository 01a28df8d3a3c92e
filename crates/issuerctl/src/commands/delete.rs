//! `issuerctl delete`

use issuer_publish::Purpose;
use issuer_reconcile::{DeletionPlan, Scope, Target, each, permissions};

use crate::Outcome;
use crate::batch;
use crate::cli::{DeleteArgs, OutputFormat};
use crate::engine;
use crate::failure::Exit;
use crate::output;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &DeleteArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let (prune, force, parallel) = (args.prune, args.force, args.parallel.into());
    let targets = targets::of_files(&args.file, None, &args.aws, false)?;
    Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(&args.aws)?, &targets, ui).await?;
        if args.aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Remove, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?);
        }
        ui.begin(targets.len());
        // Documents are deleted only if no provider in IAM trusts them.
        let scope = |target: &Target| Scope::delete(prune, !force && target.is_in_aws());
        let plan = |target: &_, seen: &_| DeletionPlan::new(target, seen, prune, force);
        let planned = batch::plan_each(&engine, &targets, parallel, scope, plan).await?;
        let issuers = planned.iter().map(|planned| planned.object(batch::deletion_details));
        let plan = output::Plan::new(args.dry_run, issuers.collect());
        for issuer in &plan.issuers {
            ui.notices(&issuer.notices);
        }
        match (args.dry_run, format) {
            (true, OutputFormat::Text) => output::coloured(&plan.text())?,
            (true, OutputFormat::Json) => {}
            (false, _) => ui.note(plan.text().trim_end()),
        }
        let work = |planned| batch::delete_one(&engine, planned, args.dry_run, force);
        let (issuers, failures): (Vec<_>, Vec<_>) =
            each(planned, parallel, work).await.into_iter().unzip();
        let deleted = output::Plan::new(args.dry_run, issuers);
        let in_iam = targets.iter().any(Target::needs_iam);
        if deleted.changed && in_iam && !args.dry_run {
            ui.note(engine::SPREADS);
        }
        if format == OutputFormat::Json {
            output::json(&deleted)?;
        }
        let failures: Vec<_> = failures.into_iter().flatten().collect();
        batch::finish(failures, targets.len(), ui, Exit::Done)
    })
}

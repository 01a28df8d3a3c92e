//! `issuerctl plan`

use issuer_publish::Purpose;
use issuer_reconcile::{IssuerPlan, Scope, permissions};

use crate::Outcome;
use crate::batch::{self, Planned};
use crate::cli::{OutputFormat, PlanArgs};
use crate::engine;
use crate::failure::Exit;
use crate::output;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &PlanArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let declared = &args.declared;
    let (aws, prune) = (&declared.aws, declared.prune);
    let targets =
        targets::of_files(&declared.file, Some(&declared.kube), aws, declared.change_issuer)?;
    Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(aws)?, &targets, ui).await?;
        if aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Plan, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?);
        }
        ui.begin(targets.len());
        let planned = batch::plan_each(
            &engine,
            &targets,
            declared.parallel.into(),
            |_| Scope::apply(prune),
            |target, seen| IssuerPlan::new(target, seen, prune),
        )
        .await?;
        let issuers = planned.iter().map(|planned| planned.object(batch::plan_details));
        let plan = output::Plan::new(true, issuers.collect());
        for issuer in &plan.issuers {
            ui.notices(&issuer.notices);
        }
        ui.end();
        match format {
            OutputFormat::Text => output::coloured(&plan.text())?,
            OutputFormat::Json => output::json(&plan)?,
        }
        let failed =
            |planned: Planned<'_, _>| Some((planned.target.label(), planned.result.err()?));
        let failures = planned.into_iter().filter_map(failed).collect();
        let done = if plan.changed { Exit::Changes } else { Exit::Done };
        batch::finish(failures, targets.len(), ui, done)
    })
}

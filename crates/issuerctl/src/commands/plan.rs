//! `issuerctl plan`, and `apply --dry-run`

use issuer_publish::Purpose;
use issuer_reconcile::{IssuerPlan, Scope, permissions};

use crate::Outcome;
use crate::batch;
use crate::cli::{DeclaredArgs, OutputFormat};
use crate::engine;
use crate::failure::Exit;
use crate::output;
use crate::rbac;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

/// Ends with `changes` if anything would change.
pub(crate) fn run(
    declared: &DeclaredArgs,
    format: OutputFormat,
    ui: &Ui,
    changes: Exit,
) -> Outcome {
    let (aws, prune) = (&declared.aws, declared.prune);
    let targets = targets::of_files(&declared.file, Some(&declared.kube), aws, declared.overrides)?;
    let targets = targets::with_token(targets, declared)?;
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(aws)?, &targets, ui);
        if declared.print_rbac {
            return rbac::print(&engine, &targets, Purpose::Plan, format, ui).await;
        }
        if aws.print_iam_policy {
            let policy = permissions(&engine, &targets, Purpose::Plan, prune).await;
            return output::policy(format, &policy.map_err(engine::failed)?, ui);
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
        let plan = batch::show(true, &planned, ui);
        ui.end();
        match format {
            OutputFormat::Text => output::coloured(&plan.text())?,
            OutputFormat::Json => output::json(&plan)?,
        }
        let done = if plan.changed { changes } else { Exit::Done };
        batch::finish(batch::failures(planned), targets.len(), ui, done)
    })
}

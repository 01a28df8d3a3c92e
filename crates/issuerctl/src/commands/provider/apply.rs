//! `issuerctl provider apply`

use issuer_change::Describe;
use issuer_iam::{Iam, policies};

use crate::Outcome;
use crate::cli::{OutputFormat, ProviderApplyArgs};
use crate::engine;
use crate::failure::Exit;
use crate::output::{self, ProviderChange};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &ProviderApplyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let targets = [targets::of_provider(args)?];
    let target = &targets[0];
    if let (true, Some(issuer), Some(provider)) =
        (args.aws.print_iam_policy, &target.issuer, &target.provider)
    {
        let make =
            async |iam: Option<&Iam>| policies::apply_provider(iam, issuer, &provider.needs());
        return engine::policy(&args.aws, format, ui, make);
    }
    let (plan, changed) = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &targets, ui);
        if !args.no_verify {
            engine.verify(target).await.map_err(engine::failed)?;
        }
        engine::run(&engine, target, args.dry_run, ui).await
    })?;
    let (set, dry_run) = (plan.changes(), args.dry_run);
    let arn = plan.provider.as_ref().map(|(_, plan)| plan.arn.clone()).unwrap_or_default();
    match format {
        OutputFormat::Text if dry_run => {
            output::coloured(&output::dry_run_text("", &set.changes))?;
        }
        OutputFormat::Text => output::line(&arn)?,
        OutputFormat::Json => output::json(&ProviderChange {
            schema_version: output::SCHEMA_VERSION,
            issuer: plan.url.to_string(),
            arn,
            dry_run,
            changed,
            changes: set.changes,
            notices: set.notices,
        })?,
    }
    if changed && !dry_run {
        ui.next(&format!(
            "`issuerctl role apply NAME --issuer {} --service-account NAMESPACE/NAME --policy-arn ARN`",
            plan.url
        ));
    }
    Ok(Exit::Done)
}

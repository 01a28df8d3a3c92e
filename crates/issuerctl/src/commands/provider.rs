//! `issuerctl provider`

use issuer_change::{Action, Change, Describe};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Iam, policies};
use issuer_reconcile::{IssuerPlan, Scope};

use crate::Outcome;
use crate::cli::{
    OutputFormat, ProviderApplyArgs, ProviderCommand, ProviderDeleteArgs, ProviderShowArgs,
};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, ProviderChange, ProviderState};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(command: &ProviderCommand, format: OutputFormat, ui: &Ui) -> Outcome {
    match command {
        ProviderCommand::Apply(args) => apply(args, format, ui),
        ProviderCommand::Show(args) => show(args, format, ui),
        ProviderCommand::Delete(args) => delete(args, format, ui),
    }
}

fn apply(args: &ProviderApplyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let targets = [targets::of_provider(args)?];
    let target = &targets[0];
    if let (true, Some(issuer), Some(provider)) =
        (args.aws.print_iam_policy, &target.issuer, &target.provider)
    {
        let needs = provider.needs();
        return engine::policy(&args.aws, format, ui, |iam| {
            policies::apply_provider(iam, issuer, &needs)
        });
    }
    Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(&args.aws)?, &targets, ui).await?;
        let applied = async {
            if !args.no_verify {
                engine.verify(target).await?;
            }
            let seen = engine.observe(target, Scope::apply(false)).await?;
            let plan = IssuerPlan::new(target, &seen, false)?;
            ui.notices(&plan.changes().notices);
            if args.dry_run {
                let changed = !plan.is_empty();
                return Ok((plan, changed));
            }
            ui.plan("", &plan.changes());
            let applied = engine.apply(target, &seen, plan, false).await?;
            Ok::<_, issuer_reconcile::Error>((applied.plan, applied.changed))
        };
        let (plan, changed) = applied.await.map_err(engine::failed)?;
        if changed && !args.dry_run {
            ui.note(engine::SPREADS);
        }
        finish(&plan, changed, args.dry_run, format)
    })
}

fn finish(plan: &IssuerPlan, changed: bool, dry_run: bool, format: OutputFormat) -> Outcome {
    let set = plan.changes();
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
    Ok(Exit::Done)
}

fn show(args: &ProviderShowArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.aws.print_iam_policy {
        let make = |iam: Option<&Iam>| policies::show_provider(iam, &issuer);
        return engine::policy(&args.aws, format, ui, make);
    }
    let state = Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(&args.aws)?, &[], ui).await?;
        let iam = engine.iam().await.map_err(engine::failed)?;
        Ok::<_, Failure>(iam.find_provider_alone(&issuer).await?)
    })?;
    match format {
        OutputFormat::Json => {
            let provider = state.provider.as_ref();
            output::json(&ProviderState::new(issuer.as_str(), &state.arn, provider))?;
        }
        OutputFormat::Text => state.provider.iter().try_for_each(output::provider)?,
    }
    if state.provider.is_some() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::Failure, format!("the provider {} does not exist", state.arn))
        .hint(Some(format!("`issuerctl provider apply --issuer {issuer}` creates it"))))
}

fn delete(args: &ProviderDeleteArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.aws.print_iam_policy {
        let make = |iam: Option<&Iam>| policies::delete_provider(iam, &issuer);
        return engine::policy(&args.aws, format, ui, make);
    }
    let deleted = Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(&args.aws)?, &[], ui).await?;
        let iam = engine.iam().await.map_err(engine::failed)?;
        let Some(provider) = iam.provider(&issuer).await? else { return Ok(None) };
        match args.dry_run {
            true => provider.may_be_deleted(args.force)?,
            false => iam.delete_provider(&provider, args.force).await?,
        }
        Ok::<_, Failure>(Some(provider))
    })?;
    let change = deleted.as_ref().map(|provider| Change::new(provider.resource(), Action::Delete));
    let changes: Vec<Change> = change.into_iter().collect();
    match (&deleted, format) {
        (_, OutputFormat::Text) if args.dry_run => {
            output::coloured(&output::dry_run_text("", &changes))?;
        }
        (Some(provider), _) if !args.dry_run => {
            ui.note(&format!("deleted {}; {}", provider.arn, engine::SPREADS));
        }
        (None, _) => ui.note("the provider does not exist: nothing to do"),
        _ => {}
    }
    if format == OutputFormat::Json {
        output::json(&ProviderChange {
            schema_version: output::SCHEMA_VERSION,
            issuer: issuer.to_string(),
            arn: deleted.map(|provider| provider.arn).unwrap_or_default(),
            dry_run: args.dry_run,
            changed: !changes.is_empty(),
            changes,
            notices: Vec::new(),
        })?;
    }
    Ok(Exit::Done)
}

//! `issuerctl provider delete`

use issuer_change::{Action, Change};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Iam, policies};

use crate::Outcome;
use crate::cli::{OutputFormat, ProviderDeleteArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, ProviderChange};
use crate::runtime::Runtime;
use crate::ui::Ui;

pub(crate) fn run(args: &ProviderDeleteArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.aws.print_iam_policy {
        let make = async |iam: Option<&Iam>| policies::delete_provider(iam, &issuer);
        return engine::policy(&args.aws, format, ui, make);
    }
    let deleted = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &[], ui);
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

//! `issuerctl role delete`

use issuer_change::Describe;
use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Documents, Iam, RoleDeletion, policies};
use issuer_reconcile::made;

use crate::Outcome;
use crate::cli::{OutputFormat, RoleDeleteArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, RoleChange};
use crate::runtime::Runtime;
use crate::ui::Ui;

pub(crate) fn run(args: &RoleDeleteArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = args.issuer.as_deref();
    let issuer = issuer.map(|text| IssuerUrl::parse(text, Ports::Refuse)).transpose()?;
    if args.aws.print_iam_policy {
        let make = async |iam: Option<&Iam>| {
            let made = made(iam, &args.name).await;
            let made = made.as_ref().map(|made| made.iter().map(String::as_str).collect());
            policies::delete_role(iam, &args.name, made)
        };
        return engine::policy(&args.aws, format, ui, make);
    }
    let deletion = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &[], ui);
        let (iam, none) = (engine.iam().await.map_err(engine::failed)?, Documents::new());
        let mut deletion = iam.plan_role_deletion(&args.name, issuer.as_ref(), &none).await?;
        if !args.dry_run {
            if deletion.changes().changes.is_empty() {
                return Ok(deletion);
            }
            ui.plan("", &deletion.changes());
            let again = |deletion: &RoleDeletion| ui.plan("", &deletion.changes());
            iam.delete_role(&args.name, issuer.as_ref(), &none, &mut deletion, again).await?;
        }
        Ok::<_, Failure>(deletion)
    })?;
    for arn in &deletion.stayed {
        ui.warning(&format!("{arn} was not deleted: something else uses it"));
    }
    let (set, changed) = (deletion.changes(), deletion.changes_anything());
    if set.changes.is_empty() {
        ui.note(&format!("the role {} does not exist: nothing to do", args.name));
    }
    match format {
        OutputFormat::Text if args.dry_run => {
            output::coloured(&output::dry_run_text("", &set.changes))?;
        }
        OutputFormat::Text if changed => ui.note(engine::SPREADS),
        OutputFormat::Text => {}
        OutputFormat::Json => output::json(&RoleChange {
            schema_version: output::SCHEMA_VERSION,
            role: args.name.to_string(),
            arn: deletion.arn.clone().unwrap_or_default(),
            dry_run: args.dry_run,
            changed,
            changes: set.changes,
            notices: set.notices,
            annotate: Vec::new(),
        })?,
    }
    Ok(Exit::Done)
}

//! `issuerctl role apply`, `show` and `delete`

use issuer_change::Describe;
use issuer_cluster::{Cluster, ServiceAccountRef};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Documents, Iam, RoleDeletion, policies};
use issuer_reconcile::{IssuerPlan, Scope};

use crate::Outcome;
use crate::cli::{OutputFormat, RoleApplyArgs, RoleCommand, RoleDeleteArgs, RoleShowArgs};
use crate::commands::trust_policy;
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, RoleChange, RoleState};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(command: &RoleCommand, format: OutputFormat, ui: &Ui) -> Outcome {
    match command {
        RoleCommand::Apply(args) => apply(args, format, ui),
        RoleCommand::Show(args) => show(args, format, ui),
        RoleCommand::Delete(args) => delete(args, format, ui),
        RoleCommand::TrustPolicy(args) => trust_policy::create(args, format, ui),
        RoleCommand::Lint(args) => trust_policy::lint(args, format),
    }
}

fn apply(args: &RoleApplyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let targets = [targets::of_role(args)?];
    let target = &targets[0];
    if let (true, [role]) = (args.aws.print_iam_policy, &target.roles[..]) {
        let make = |iam: Option<&Iam>| policies::apply_role(iam, &role.needs());
        return engine::policy(&args.aws, format, ui, make);
    }
    Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(&args.aws)?, &targets, ui).await?;
        // Connected first: without a cluster connection nothing is created.
        let cluster = match args.annotate && !args.dry_run {
            true => Some(Cluster::connect(&targets::connection(&args.kube)).await?),
            false => None,
        };
        let applied = async {
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
        let arn = plan.roles.first().map(|(_, plan)| plan.arn.clone()).unwrap_or_default();
        // Printed first, so that it can be done manually if the cluster rejects it.
        finish(args, &plan, changed, &arn, format)?;
        if let Some(cluster) = cluster {
            annotate(&cluster, args, &arn, ui).await?;
        }
        Ok(Exit::Done)
    })
}

fn finish(
    args: &RoleApplyArgs,
    plan: &IssuerPlan,
    changed: bool,
    arn: &str,
    format: OutputFormat,
) -> Result<(), Failure> {
    let (set, annotate) = (plan.changes(), engine::annotations(&args.service_account, arn));
    match format {
        OutputFormat::Text if args.dry_run => {
            output::coloured(&output::dry_run_text("", &set.changes))
        }
        OutputFormat::Text => annotate.iter().try_for_each(|line| output::line(line)),
        OutputFormat::Json => output::json(&RoleChange {
            schema_version: output::SCHEMA_VERSION,
            role: args.name.to_string(),
            arn: arn.to_owned(),
            dry_run: args.dry_run,
            changed,
            changes: set.changes,
            notices: set.notices,
            annotate,
        }),
    }
}

/// Annotates each service account without wildcards through the Kubernetes API.
async fn annotate(
    cluster: &Cluster,
    args: &RoleApplyArgs,
    arn: &str,
    ui: &Ui,
) -> Result<(), Failure> {
    for account in args.service_account.iter().filter(|account| account.is_literal()) {
        let refuse = |reason: String| Failure::new(Exit::BadInput, format!("{account}: {reason}"));
        let reference: ServiceAccountRef = account.to_string().parse().map_err(refuse)?;
        cluster.annotate(&reference, engine::ANNOTATION, arn).await?;
        ui.note(&format!("annotated {account}"));
    }
    Ok(())
}

fn show(args: &RoleShowArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    if args.aws.print_iam_policy {
        let make = |iam: Option<&Iam>| policies::show_role(iam, &args.name);
        return engine::policy(&args.aws, format, ui, make);
    }
    let state = Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(&args.aws)?, &[], ui).await?;
        let (iam, none) = (engine.iam().await.map_err(engine::failed)?, Documents::new());
        Ok::<_, Failure>(iam.find_role(&args.name, &none, &none).await?)
    })?;
    let state = RoleState::new(args.name.as_str(), state.role.as_ref());
    match format {
        OutputFormat::Json => output::json(&state)?,
        OutputFormat::Text if state.exists => output::role(&state)?,
        OutputFormat::Text => {}
    }
    if state.exists {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::Failure, format!("the role {} does not exist", args.name)))
}

fn delete(args: &RoleDeleteArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = args.issuer.as_deref();
    let issuer = issuer.map(|text| IssuerUrl::parse(text, Ports::Refuse)).transpose()?;
    if args.aws.print_iam_policy {
        let make = |iam: Option<&Iam>| policies::delete_role(iam, &args.name);
        return engine::policy(&args.aws, format, ui, make);
    }
    let deletion = Runtime::start()?.block_on(async {
        let engine = engine::connect(engine::session(&args.aws)?, &[], ui).await?;
        let (iam, none) = (engine.iam().await.map_err(engine::failed)?, Documents::new());
        let deletion = iam.plan_role_deletion(&args.name, issuer.as_ref(), &none).await?;
        if args.dry_run {
            return Ok(deletion);
        }
        ui.plan("", &deletion.changes());
        let again = |deletion: &RoleDeletion| ui.plan("", &deletion.changes());
        Ok::<_, Failure>(
            iam.delete_role(&args.name, issuer.as_ref(), &none, deletion, again).await?,
        )
    })?;
    for arn in &deletion.stayed {
        ui.warning(&format!("{arn} was not deleted: something else uses it"));
    }
    let (set, changed) = (deletion.changes(), deletion.changes_anything());
    match format {
        OutputFormat::Text if args.dry_run => {
            output::coloured(&output::dry_run_text("", &set.changes))?;
        }
        OutputFormat::Text if changed => ui.note(engine::SPREADS),
        OutputFormat::Text => ui.note("nothing to do"),
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

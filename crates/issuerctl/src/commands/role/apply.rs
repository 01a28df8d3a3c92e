//! `issuerctl role apply`

use issuer_change::Describe;
use issuer_cluster::{Cluster, ServiceAccountRef};
use issuer_iam::{Iam, policies};
use issuer_reconcile::{IssuerPlan, made};

use crate::Outcome;
use crate::cli::{OutputFormat, RoleApplyArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, RoleChange};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &RoleApplyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let targets = [targets::of_role(args)?];
    let target = &targets[0];
    if let (true, [role]) = (args.aws.print_iam_policy, &target.roles[..]) {
        let make = async |iam: Option<&Iam>| {
            let made = made(iam, &role.name).await.unwrap_or_default();
            let needs = role.needs(&made);
            policies::join([policies::apply_role(iam, &needs), policies::list_providers()])
        };
        return engine::policy(&args.aws, format, ui, make);
    }
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &targets, ui);
        // Connected first: without a cluster connection nothing is created.
        let cluster = match args.annotate && !args.dry_run {
            true => Some(Cluster::connect(&targets::connection(&args.kube)).await?),
            false => None,
        };
        let (plan, changed) = engine::run(&engine, target, args.dry_run, ui).await?;
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
    let (set, annotate) = (
        plan.changes(),
        engine::annotations(&args.service_account, arn, &targets::connection(&args.kube)),
    );
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

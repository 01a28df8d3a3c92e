//! `issuerctl publish`

use issuer_change::Describe;
use issuer_publish::Purpose;
use issuer_reconcile::{IssuerPlan, PlannedSite, Scope};

use crate::Outcome;
use crate::cli::{OutputFormat, PublishArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &PublishArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let target = targets::of_publish(args, ui)?;
    if let (Some((location, options)), true) = (target.s3(), args.s3.print_iam_policy) {
        let policy = issuer_publish::permissions(location, options, Purpose::Publish);
        return output::policy(format, &policy);
    }
    let session = engine::s3_session(&args.s3, &args.tls)?;
    let targets = [target];
    let target = &targets[0];
    Runtime::start()?.block_on(async {
        let engine = engine::connect(session, &targets, ui).await?;
        let planned = async {
            let seen = engine.observe(target, Scope::apply(false)).await?;
            let plan = IssuerPlan::new(target, &seen, false)?;
            Ok((seen, plan))
        };
        let (seen, plan) = planned.await.map_err(engine::failed)?;
        let (mut set, mut verdict) = (plan.changes(), None);
        ui.notices(&set.notices);
        let heading = format!("{} for {}", location(&plan)?, plan.url);
        let plan = if args.dry_run {
            plan
        } else {
            ui.plan(&heading, &set);
            let applied = engine.apply(target, &seen, plan, !args.no_verify).await;
            let applied = applied.map_err(|error| {
                let again = format!("`issuerctl verify --issuer {}` checks it again", seen.url);
                let failure = engine::failed(error);
                let refused = failure.report.is_some();
                failure.hint(refused.then_some(again))
            })?;
            set = applied.plan.changes();
            verdict = applied.verdict;
            applied.plan
        };
        let site = site(&plan)?;
        match format {
            OutputFormat::Json => {
                let verdict = verdict.as_ref();
                output::json(&output::Publish::new(&site.plan, set, verdict, args.dry_run))?;
            }
            OutputFormat::Text if args.dry_run => {
                output::coloured(&output::dry_run_text(&heading, &set.changes))?;
            }
            OutputFormat::Text => output::line(plan.url.as_str())?,
        }
        Ok(Exit::Done)
    })
}

fn site(plan: &IssuerPlan) -> Result<&PlannedSite, Failure> {
    plan.site.as_ref().ok_or_else(|| Failure::new(Exit::Failure, "there is no site to publish"))
}

fn location(plan: &IssuerPlan) -> Result<&str, Failure> {
    Ok(site(plan)?.plan.location())
}

//! `issuerctl publish`

use issuer_change::Describe;
use issuer_discovery::IssuerUrl;
use issuer_publish::Purpose;
use issuer_reconcile::{Error, IssuerPlan, Observed, PlannedSite, Reconciler, Scope, Target};

use crate::Outcome;
use crate::cli::{OutputFormat, PublishArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::front;
use crate::output;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &PublishArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let target = targets::of_publish(args)?;
    if args.s3.print_iam_policy {
        let of_bucket = issuer_reconcile::site_permissions(&target, Purpose::Publish);
        // A folder needs no permissions: the policy has no statements.
        return output::policy(format, &issuer_iam::policies::join(of_bucket), ui);
    }
    let session = engine::s3_session(&args.s3, &args.tls)?;
    let targets = [target];
    let target = &targets[0];
    Runtime::start(ui)?.block_on(async {
        let engine = engine::start(session, &targets, ui);
        let front = engine.front(target).await.map_err(engine::failed)?;
        let front = front.filter(|front| !front.is_empty());
        if let Some(front) = &front {
            engine.before_front(target, front).await.map_err(engine::failed)?;
            let location = target.s3().map(|(location, _)| location.to_string());
            let (heading, set) =
                (format!("distribution of {}", location.unwrap_or_default()), front.changes());
            if args.dry_run && front.creates() {
                ui.note(front::FIRST);
                let object = output::Publish::of_front(target, set.clone());
                return match format {
                    OutputFormat::Json => output::json(&object),
                    OutputFormat::Text => {
                        output::coloured(&output::dry_run_text(&heading, &set.changes))
                    }
                }
                .map(|()| Exit::Done);
            }
            ui.plan(&heading, &set);
            if !args.dry_run {
                engine.apply_front(target, front).await.map_err(engine::failed)?;
            }
        }
        let planned = async {
            let seen = engine.observe(target, Scope::apply(false)).await?;
            let plan = IssuerPlan::new(target, &seen, false)?;
            Ok((seen, plan))
        };
        let (seen, plan) = planned.await.map_err(engine::failed)?;
        let url = plan.url.clone();
        let how = How { dry_run: args.dry_run, verify: !args.no_verify };
        let (changed, exit) = carry_out(&engine, target, &seen, plan, how, (format, ui)).await?;
        if changed {
            ui.next(&next(&url));
        }
        Ok(exit)
    })
}

/// How a plan is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// It is only shown.
    pub(super) dry_run: bool,
    /// The published documents are read back.
    pub(super) verify: bool,
}

/// Shows a plan for documents, carries it out unless it is a dry run, and prints the result; returns
/// whether anything was written.
///
/// # Errors
/// Those of the engine.
pub(super) async fn carry_out(
    engine: &Reconciler<'_>,
    target: &Target,
    seen: &Observed,
    mut plan: IssuerPlan,
    how: How,
    (format, ui): (OutputFormat, &Ui),
) -> Result<(bool, Exit), Failure> {
    let set = plan.changes();
    ui.notices(&set.notices);
    let heading = format!("{} for {}", site(&plan)?.plan.location(), plan.url);
    if how.dry_run {
        let object = output::Publish::new(&site(&plan)?.plan, set.clone(), None, true);
        return match format {
            OutputFormat::Json => output::json(&object),
            OutputFormat::Text => output::coloured(&output::dry_run_text(&heading, &set.changes)),
        }
        .map(|()| (false, Exit::Done));
    }
    ui.plan(&heading, &set);
    let (verdict, failure) = match engine.apply(target, seen, &mut plan, how.verify).await {
        Ok(verdict) => (verdict, None),
        // The documents are published nevertheless, so the issuer URL is printed.
        Err(error @ Error::NotAccepted { .. }) => {
            let verdict = error.refused().map(|(_, verdict)| verdict.clone());
            (verdict, Some(engine::failed(error)))
        }
        Err(error) => return Err(engine::failed(error)),
    };
    match format {
        OutputFormat::Text => output::line(plan.url.as_str())?,
        OutputFormat::Json => {
            let (published, set) = (&site(&plan)?.plan, plan.changes());
            output::json(&output::Publish::new(published, set, verdict.as_ref(), false))?;
        }
    }
    match failure {
        None => Ok((plan.wrote(), Exit::Done)),
        Some(failure) => Err(failure),
    }
}

/// What an issuer needs besides its documents.
fn next(issuer: &IssuerUrl) -> String {
    format!(
        "`issuerctl provider apply --issuer {issuer}`; if the API server does not name this issuer \
         yet, `issuerctl render kubeadm --issuer {issuer}` prints its lines (or eks-anywhere, \
         cluster-api, talos, k3s, rke2, kops, k0s, microk8s)"
    )
}

fn site(plan: &IssuerPlan) -> Result<&PlannedSite, Failure> {
    plan.site.as_ref().ok_or_else(|| Failure::new(Exit::Failure, "there is no site to publish"))
}

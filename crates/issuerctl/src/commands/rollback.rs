//! `issuerctl rollback`

use issuer_cluster::LiveFault;
use issuer_publish::{Error as Fault, Purpose};
use issuer_reconcile::{Error, IssuerPlan, LiveCheck};

use super::publish::{How, carry_out};
use crate::Outcome;
use crate::cli::{OutputFormat, RollbackArgs};
use crate::engine;
use crate::failure::Failure;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &RollbackArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let place = &args.site.place;
    let mut target = targets::of_site(place, args.keep)?;
    if place.s3.print_iam_policy {
        return super::rotate::policy(&target, Purpose::Rollback, format, ui);
    }
    if let Some(site) = &mut target.site {
        site.live = args.check_live.as_ref().map(|account| LiveCheck {
            account: account.clone(),
            connection: targets::connection(&args.kube),
        });
        site.token = args.token.as_deref().map(targets::read_token).transpose()?;
        site.options.live_check = site.live.is_some();
        site.options.drop_live_key = args.drop_live_key;
        site.options.replace_unreadable = args.replace_unreadable;
        site.options.retire_secs = args.retire.secs().unwrap_or(site.options.retire_secs);
    }
    let engine = super::rotate::engine(place, &target, ui)?;
    Runtime::start(ui)?.block_on(async {
        let version = args.version.as_deref();
        let (seen, version) = engine.observe_past(&mut target, version).await.map_err(failed)?;
        ui.note(&format!("back to the version {version}"));
        let plan = IssuerPlan::new(&target, &seen, false).map_err(failed)?;
        let how = How { dry_run: args.dry_run, verify: !args.no_verify };
        let (_, exit) = carry_out(&engine, &target, &seen, plan, how, (format, ui)).await?;
        Ok(exit)
    })
}

/// A refused rollback. Other commands have options to give keys, so their advice is another one.
fn failed(error: Error) -> Failure {
    let advice = match &error {
        Error::NotLive { fault: LiveFault::WrongKey { .. } } => Some(
            "--kubeconfig and --context select the cluster of the token, and --drop-live-key \
             publishes without its key",
        ),
        Error::Publish(Fault::PruneWithNewKey { .. }) => Some(
            "go back one version at a time; or add --check-live NS/NAME, which proves that the API \
             server signs with one of the keys of this version",
        ),
        Error::Publish(Fault::Unreadable { .. }) => Some("--replace-unreadable replaces it"),
        Error::Publish(Fault::OtherIssuer { .. }) => Some(
            "`issuerctl history`, with the same place, lists what was kept; `issuerctl publish \
             --change-issuer` changes the issuer",
        ),
        _ => None,
    };
    let failure = engine::failed(error);
    match advice {
        Some(advice) => failure.with_advice(advice),
        None => failure,
    }
}

//! `issuerctl rotate abort`

use issuer_publish::Purpose;
use issuer_rotation::may_abort;

use super::Change;
use crate::Outcome;
use crate::cli::{OutputFormat, RotateAbortArgs};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::rotation::{self, Ask, Seen};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &RotateAbortArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let (place, servers) = (&args.change.site.place, &args.change.servers);
    let mut target = targets::of_site(place, args.change.keep)?;
    if place.s3.print_iam_policy {
        return super::policy(&target, Purpose::Publish, format, ui);
    }
    if servers.check_live.is_none() {
        let message = "--check-live NS/NAME is required: fresh tokens say which key signs";
        return Err(Failure::new(Exit::Usage, message));
    }
    let new = match (&args.new_key, &args.new_kid) {
        (Some(path), _) => super::key_of(path, ui)?.kid.to_string(),
        (None, kid) => kid.clone().unwrap_or_default(),
    };
    if let Some(site) = &mut target.site {
        // No cluster has given the keys that stay.
        site.options.announces = true;
        site.options.drop_live_key = args.drop_live_key;
        site.options.retire_secs = args.retire.secs().unwrap_or(site.options.retire_secs);
    }
    let engine = super::engine(place, &target, ui)?;
    Runtime::start(ui)?.block_on(async {
        let seen = rotation::look(&engine, &target, servers, Ask::Always, ui).await?;
        let removal = may_abort(&new, &seen.facts)?;
        if removal.kids.is_empty() {
            ui.note(&format!("the key {new:?} is not published: nothing is changed"));
            return unchanged(&seen, args.change.dry_run, format);
        }
        let change = Change::without(&removal, &seen);
        let (_, exit) =
            super::publish(&engine, &mut target, seen, change, (&args.change, format, ui)).await?;
        Ok(exit)
    })
}

/// Prints what is published, as after a run that has changed nothing.
fn unchanged(seen: &Seen, dry_run: bool, format: OutputFormat) -> Outcome {
    let issuer = &seen.observed.url;
    match format {
        OutputFormat::Json => {
            let site = seen.observed.site.as_ref();
            let store = site.map(|(store, _)| store.location()).unwrap_or_default();
            output::json(&output::Publish::unchanged(issuer, &store, &seen.published, dry_run))?;
        }
        OutputFormat::Text if dry_run => {}
        OutputFormat::Text => output::line(issuer.as_str())?,
    }
    Ok(Exit::Done)
}

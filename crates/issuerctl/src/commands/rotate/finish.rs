//! `issuerctl rotate finish`

use issuer_publish::Purpose;
use issuer_rotation::{Urgency, may_finish};

use super::Change;
use crate::Outcome;
use crate::cli::{OutputFormat, RotateFinishArgs};
use crate::failure::{Exit, Failure};
use crate::rotation::{self, Ask};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &RotateFinishArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let (place, servers) = (&args.change.site.place, &args.change.servers);
    let mut target = targets::of_site(place, args.change.keep)?;
    if place.s3.print_iam_policy {
        return super::policy(&target, Purpose::Publish, format, ui);
    }
    if servers.check_live.is_none() && !args.now {
        let message = "--check-live NS/NAME is required: fresh tokens say which key signs";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut rotation =
        rotation::rotation(place, args.change.keep, servers, Some(&args.waits), &target);
    rotation.new_kid.clone_from(&args.new_kid);
    let engine = super::engine(place, &target, ui)?;
    Runtime::start(ui)?.block_on(async {
        let ask = if args.now { Ask::IfGiven } else { Ask::Always };
        let seen = rotation::look(&engine, &target, servers, ask, ui).await?;
        let urgency = if args.now { Urgency::Now } else { Urgency::Safe };
        let removal = may_finish(&rotation, &seen.facts, urgency)?;
        // It knows when the API servers were started, which says more than when a run saw them sign.
        if let Some(site) = &mut target.site {
            site.options.retire_secs = 0;
            // At once means that no API server may have the new key yet.
            site.options.announces = args.now;
        }
        let change = Change::without(&removal, &seen);
        let (changed, exit) =
            super::publish(&engine, &mut target, seen, change, (&args.change, format, ui)).await?;
        if changed {
            ui.next("the old key may leave the API servers, see `issuerctl rotate status`");
        }
        Ok(exit)
    })
}

//! `issuerctl rotate status`

use issuer_publish::Purpose;
use issuer_rotation::{phase, steps};

use crate::Outcome;
use crate::cli::{OutputFormat, RotateStatusArgs};
use crate::failure::Exit;
use crate::output;
use crate::rotation::{self, Ask};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &RotateStatusArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let place = &args.site.place;
    let target = targets::of_site(place, args.keep)?;
    if place.s3.print_iam_policy {
        return super::policy(&target, Purpose::Plan, format, ui);
    }
    let mut rotation =
        rotation::rotation(place, args.keep, &args.servers, Some(&args.waits), &target);
    rotation.new_kid.clone_from(&args.new_kid);
    rotation.distribution = args.distribution.map(|named| named.0);
    let engine = super::engine(place, &target, ui)?;
    let seen = Runtime::start(ui)?.block_on(rotation::look(
        &engine,
        &target,
        &args.servers,
        Ask::Always,
        ui,
    ))?;
    let (phase, steps) = (phase(&rotation, &seen.facts)?, steps(&rotation, &seen.facts)?);
    let issuer = seen.observed.url.as_str();
    match format {
        OutputFormat::Text => {
            output::coloured_lines(&output::RotateStatus::text(issuer, &seen.facts, &steps))?;
        }
        OutputFormat::Json => {
            output::json(&output::RotateStatus::new(issuer, &phase, &seen.facts, &steps))?;
        }
    }
    let is_over = steps.iter().all(|timed| timed.step.status.is_settled());
    Ok(if is_over { Exit::Done } else { Exit::Changes })
}

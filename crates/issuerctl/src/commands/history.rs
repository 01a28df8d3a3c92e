//! `issuerctl history`

use issuer_publish::Purpose;

use crate::Outcome;
use crate::cli::{HistoryArgs, KeepArgs, OutputFormat};
use crate::engine;
use crate::failure::Exit;
use crate::output;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &HistoryArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let place = &args.site.place;
    let target = targets::of_site(place, KeepArgs::default())?;
    if place.s3.print_iam_policy {
        return super::rotate::policy(&target, Purpose::History, format, ui);
    }
    let engine = super::rotate::engine(place, &target, ui)?;
    let (issuer, entries) = Runtime::start(ui)?.block_on(async {
        engine.history(&target, args.limit.into()).await.map_err(engine::failed)
    })?;
    let history = output::History::new(issuer.as_str(), &entries);
    match format {
        OutputFormat::Text => output::coloured_lines(&history.text())?,
        OutputFormat::Json => output::json(&history)?,
    }
    Ok(Exit::Done)
}

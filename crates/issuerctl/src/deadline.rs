//! The time limit of a run as a whole, also where it waits in a read that no event loop can end: of
//! standard input, a named pipe, a file on a network.

use std::process;
use std::thread;
use std::time::Duration;

use crate::cli::GeneralArgs;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::ui::Ui;

/// The event loop ends a run by itself, and knows more about it, so it is given this much longer.
const LATER: Duration = Duration::from_millis(500);

/// Ends the process when its time is over.
pub(crate) fn watch(general: &GeneralArgs) {
    let (format, limit) = (general.output, Duration::from_secs(general.timeout.into()));
    let watch = move || {
        thread::sleep(limit + LATER);
        let failure = over(limit, None);
        output::failed(format, &failure);
        Ui::default().failure(&failure);
        process::exit(failure.exit as i32);
    };
    // Without a thread, the event loop has the limit alone.
    let _ = thread::Builder::new().name("time limit".to_owned()).spawn(watch);
}

/// The failure of a run whose time is over; `step` is what it does, if it is known.
pub(crate) fn over(limit: Duration, step: Option<String>) -> Failure {
    let waits = issuer_diagnostic::waiting_for(Duration::ZERO)
        .map(|whom| format!(": {whom} has not answered yet"))
        .or_else(|| step.map(|step| format!(" while {step}")))
        .unwrap_or_default();
    let message = format!("the run did not end within {} s{waits}", limit.as_secs());
    Failure::new(Exit::Failure, message).hint(Some(
        "--timeout SECONDS sets the limit; whatever was done is kept, and the next run continues \
         from there",
    ))
}

//! What is said of a bug.

use std::panic::Location;

use crate::cli::Output;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::ui::Ui;

/// Reports a panic by its place, with `--output json` also as an object on standard output. Its text,
/// which can quote a value, is not shown.
pub(crate) fn report(format: Output) {
    std::panic::set_hook(Box::new(move |info| {
        let failure = failure(info.location());
        output::failed(format, &failure);
        Ui::default().failure(&failure);
    }));
}

fn failure(location: Option<&Location<'_>>) -> Failure {
    let place = location.map_or_else(String::new, |place| {
        // The folders above the crate are those of the machine that built it.
        let parts: Vec<&str> = place.file().split(['/', '\\']).collect();
        let file = parts[parts.len().saturating_sub(4)..].join("/");
        format!(" at {file}:{}", place.line())
    });
    Failure::new(Exit::Failure, format!("issuerctl has a bug: it stopped{place}")).hint(Some(
        concat!(
            "please report it, with the command and without any secret: ",
            env!("CARGO_PKG_REPOSITORY"),
            "/issues"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_by_its_place() {
        let failure = failure(Some(Location::caller()));
        assert!(failure.message.contains("issuerctl/src/panics.rs:"), "{}", failure.message);
        assert!(failure.hints[0].ends_with("/issues"));
    }
}

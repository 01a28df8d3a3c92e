//! What is said of a bug.

use std::panic::Location;
use std::process;

use issuer_diagnostic::source_place;

use crate::cli::Output;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::ui::Ui;

/// Reports a panic by its place, with `--output json` also as an object on standard output, and ends the
/// process. Its text, which can quote a value, is not shown.
///
/// Nothing is unwound: a run may be killed at any point without losing a key, so a bug ends it there, with the
/// same exit code whether the program was built with `panic = "abort"` or not.
pub(crate) fn report(format: Output) {
    std::panic::set_hook(Box::new(move |info| {
        let failure = failure(info.location());
        output::failed(format, &failure);
        Ui::default().failure(&failure);
        process::exit(failure.exit as i32);
    }));
}

fn failure(location: Option<&Location<'_>>) -> Failure {
    let place = location.map(|place| format!(" at {}", source_place(place))).unwrap_or_default();
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

    /// Set in the process that panics.
    const CHILD: &str = "ISSUERCTL_TEST_PANIC";

    #[test]
    fn a_panic_ends_the_process_with_its_exit_code_and_without_its_text() {
        if std::env::var_os(CHILD).is_some() {
            report(Output::Text);
            let panicking = std::thread::spawn(|| panic!("quotes a value"));
            let _ = panicking.join();
            // The harness would report this as a test that passed.
            return;
        }
        let this =
            "panics::tests::a_panic_ends_the_process_with_its_exit_code_and_without_its_text";
        let child = process::Command::new(std::env::current_exe().expect("a test is a program"))
            .args(["--exact", this, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("it was started once");
        let said = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.code(), Some(1), "{said}");
        assert!(said.contains("issuerctl has a bug: it stopped at "), "{said}");
        assert!(!said.contains("quotes a value"), "{said}");
    }
}

//! What is logged of a bug.

use std::process::Command;

use issuer_serving::logs::{self, Level, LogFormat};

/// Set in the process that panics.
const CHILD: &str = "ISSUER_SERVING_TEST_PANIC";

#[test]
fn a_panic_ends_the_process_and_is_logged_without_its_text() {
    if std::env::var_os(CHILD).is_some() {
        logs::start(LogFormat::Json, Level::INFO).unwrap();
        logs::report_panics();
        let _ = std::thread::spawn(|| panic!("quotes a value")).join();
        // The harness would report this as a test that passed.
        return;
    }
    let this = "a_panic_ends_the_process_and_is_logged_without_its_text";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.code(), Some(1), "{said}");
    assert!(said.contains("tests/panics.rs:"), "{said}");
    assert!(!said.contains("quotes a value"), "{said}");
}

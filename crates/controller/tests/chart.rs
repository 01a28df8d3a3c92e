//! The chart has a copy of the CustomResourceDefinition, since Helm cannot run a program.

use std::path::Path;

#[test]
fn the_definition_in_the_chart_is_the_one_that_the_program_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/issuerctl/files/crd.yaml");
    let printed = issuer_controller::crd::yaml().unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &printed).unwrap();
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(there == printed, "run this test with UPDATE=1, and commit {}", file.display());
}

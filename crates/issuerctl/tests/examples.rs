//! `docs/examples`, as their README has them.

use std::path::Path;
use std::process::Command;

#[test]
fn the_pod_of_the_first_example_is_a_manifest_that_gets_its_role() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/s3-list");
    let injected = Command::new(env!("CARGO_BIN_EXE_issuerctl"))
        .args(["inject", "-f", "pod.yaml", "--service-accounts", "serviceaccount.yaml"])
        .current_dir(&folder)
        .env_clear()
        .output()
        .unwrap();
    assert!(injected.status.success(), "{}", String::from_utf8_lossy(&injected.stderr));
    assert_eq!(String::from_utf8_lossy(&injected.stderr), "");
    let text = String::from_utf8(injected.stdout).unwrap();
    for part in [
        "value: arn:aws:iam::111122223333:role/s3-lister",
        "mountPath: /var/run/secrets/eks.amazonaws.com/serviceaccount",
        "audience: sts.amazonaws.com",
        "args: [s3, ls, s3://data]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_service_account_of_each_example_is_what_its_file_renders() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(&examples).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let rendered = Command::new(env!("CARGO_BIN_EXE_issuerctl"))
            .args(["render", "kubernetes", "-f", "issuer.yaml", "--account", "111122223333"])
            .current_dir(&folder)
            .env_clear()
            .output()
            .unwrap();
        let committed = std::fs::read_to_string(folder.join("serviceaccount.yaml")).unwrap();
        assert_eq!(String::from_utf8(rendered.stdout).unwrap(), committed, "{}", folder.display());
        seen += 1;
    }
    assert!(seen >= 2, "only {seen} examples were found");
}

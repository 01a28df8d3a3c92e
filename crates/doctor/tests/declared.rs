//! What an issuer file declares, beside what the cluster has.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use issuer_doctor::{Declared, Fact, Seen, Subject, judge};
use serde_json::json;

/// The fix for an annotation that is not the role of the file.
fn fix(annotates: bool) -> String {
    let mut seen = Seen::default();
    seen.asked.subject = Some(Subject { namespace: "demo".into(), name: "app".into() });
    seen.asked.declared = Some(Declared {
        file: "clusters/issuer.yaml".into(),
        name: "prod".into(),
        annotates,
        roles: vec!["other".into()],
    });
    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app"});
    let account = json!({"metadata": {"name": "app", "namespace": "demo", "annotations": role}});
    seen.workload.account = Fact::Known(Some(account));
    let diagnosis = judge(&seen);
    let (_, check) = diagnosis.checks.iter().find(|(_, own)| own.id == "annotation").unwrap();
    assert!(check.message.contains("role/app") && check.message.contains("other"), "{check:?}");
    check.fix.clone().unwrap()
}

#[test]
fn a_file_is_applied_if_it_annotates_and_called_by_its_path() {
    assert!(fix(true).contains("`issuerctl apply -f clusters/issuer.yaml`"), "{}", fix(true));
    let by_hand = fix(false);
    assert!(!by_hand.contains("apply -f") && by_hand.contains("kubectl annotate"), "{by_hand}");
    assert!(by_hand.contains("role/other"), "{by_hand}");
}

//! `inject` against what the real pod identity webhook did (fixtures/webhook).

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use issuer_pods::{Accounts, Composed, Injected, Settings, inject};
use serde_json::Value;

/// Cases of the mode that only EKS has.
const EKS_ONLY: &str = "container-credentials.json";

#[test]
fn inject_does_what_the_webhook_did() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 70, "the golden cases are missing");
    for case in &cases {
        let wanted = value(&read(case, "injected-pod.yaml").unwrap());
        let done = run(case, &read(case, "input-pod.yaml").unwrap());
        if value(&done.text) != wanted {
            wrong.push((name(case), done.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.len());
}

#[test]
fn the_second_run_changes_nothing() {
    for case in cases() {
        let once = run(&case, &read(&case, "input-pod.yaml").unwrap()).text;
        assert_eq!(run(&case, &once).text, once, "{}", name(&case));
        // What the API server stored is complete as well.
        if let Some(stored) = read(&case, "mutated-pod.yaml") {
            assert_eq!(run(&case, &stored).text, stored, "{}", name(&case));
        }
    }
}

#[test]
fn the_same_pod_as_json_gets_the_same() {
    for case in cases() {
        let pod = plain(&read(&case, "input-pod.yaml").unwrap());
        let wanted = value(&read(&case, "injected-pod.yaml").unwrap());
        let lines = serde_json::to_string_pretty(&pod).unwrap();
        for text in [pod.to_string(), lines.replace("  ", "\t"), lines] {
            let done = run(&case, &text).text;
            let read: Value = serde_json::from_str(&done).unwrap_or_else(|error| {
                panic!("{}: {error}: {done}", name(&case));
            });
            assert_eq!(bare(read), wanted, "{}", name(&case));
            // Pretty stays pretty: line by line, what was there is still there.
            assert_eq!(text.contains('\n'), done.contains('\n'));
        }
    }
}

#[test]
fn everything_else_stays_as_it_is() {
    for case in cases() {
        let pod = read(&case, "input-pod.yaml").unwrap();
        let done = run(&case, &pod).text;
        let mut lines = done.lines();
        for line in pod.lines() {
            // `env: []` is the one kind of line that has to change.
            let kept = lines.any(|done| done == line || Some(done) == line.strip_suffix(" []"));
            assert!(kept, "{}: {line:?} is gone:\n{done}", name(&case));
        }
    }
}

fn run(case: &Path, pods: &str) -> Injected {
    let (settings, config) = settings(case);
    let mut accounts = Accounts::default();
    for file in ["service-account.yaml", "other-service-account.yaml", "configmap.yaml"] {
        if let Some(text) = read(case, file) {
            accounts.read(&text, "default", config).unwrap();
        }
    }
    inject(pods, &accounts, "default", &settings, config)
        .unwrap_or_else(|error| panic!("{}: {error}: {pods}", name(case)))
}

fn settings(case: &Path) -> (Settings, bool) {
    let (mut settings, mut config) = (Settings::default(), false);
    for flag in read(case, "flags.txt").unwrap_or_default().lines() {
        let (flag, value) = flag.split_once('=').unwrap();
        let text = value.to_owned();
        match flag {
            "--aws-default-region" => settings.region = Some(text),
            "--sts-regional-endpoint" => settings.regional_sts = value == "true",
            "--token-audience" => settings.audience = text,
            "--token-expiration" => settings.expiration = value.parse().unwrap(),
            "--token-mount-path" => settings.mount_path = text,
            "--annotation-prefix" => settings.prefix = text,
            "--watch-config-map" => config = value == "true",
            "--compose-role-arn" => {
                let identity: Value =
                    serde_json::from_str(&read(case, "instance-identity.json").unwrap()).unwrap();
                let region = identity["region"].as_str().unwrap();
                let partition = if region.starts_with("us-gov-") { "aws-us-gov" } else { "aws" };
                let account = identity["accountId"].as_str().unwrap().to_owned();
                settings.composed = Some(Composed { partition: partition.to_owned(), account });
            }
            _ => panic!("{}: {flag}", name(case)),
        }
    }
    (settings, config)
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/webhook/cases");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| !case.join(EKS_ONLY).exists());
    cases.sort();
    cases
}

fn name(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

fn read(case: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(case.join(file)).ok()
}

/// The pod, read by another path than the one that edits it.
fn plain(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn value(text: &str) -> Value {
    bare(plain(text))
}

/// Without the nulls that Go adds where a field is required (`service` of a gRPC probe).
fn bare(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, bare(value)))
            .collect(),
        Value::Array(list) => list.into_iter().map(bare).collect(),
        other => other,
    }
}

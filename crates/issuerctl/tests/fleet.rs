//! Many issuers in one run, of which some documents are not valid.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with other tests")]
mod desk;
#[expect(dead_code, reason = "shared with other tests")]
mod signer;

use issuer_test_support::S3Server;
use serde_json::Value;

use desk::{Desk, ended};
use signer::Signer;

fn document(name: &str, folder: &str, more: &str) -> String {
    format!(
        "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: {name}}}\n\
         spec:\n  issuer: https://oidc.example.com/{name}\n  keys: [{{file: ../sa.pub}}]\n  store: \
         {{folder: ../site/{folder}}}\n{more}"
    )
}

/// A folder of documents, of which two are valid.
fn fleet() -> Desk {
    let desk = Desk::new();
    desk.file("sa.pub", &Signer::new().public_pem);
    std::fs::create_dir(desk.path().join("fleet")).unwrap();
    std::fs::create_dir(desk.path().join("site")).unwrap();
    let unknown = document("unknown", "unknown", "  stor: {}\n");
    let many = [document("good", "good", ""), unknown, document("three", "same", "")].join("---\n");
    for (file, text) in [
        ("a-empty.yaml", ""),
        ("b-many.yaml", many.as_str()),
        ("c-port.yaml", &document("port", "port", "  shap: irsa\n")),
        ("d-same.yaml", &document("four", "same", "")),
        ("e-last.yaml", &document("last", "last", "")),
    ] {
        desk.file(&format!("fleet/{file}"), text);
    }
    desk
}

fn exists(desk: &Desk, name: &str) -> bool {
    desk.path().join("site").join(name).join("keys.json").exists()
}

#[test]
fn documents_that_are_not_valid_are_all_named_and_do_not_stop_the_others() {
    let desk = fleet();
    for line in ["plan -f fleet", "apply -f fleet --no-verify", "delete -f fleet"] {
        let (out, err) = ended(&desk.run(&format!("{line} --output jsonl")), 3);
        for named in [
            "error: fleet/a-empty.yaml: ",
            "error: fleet/b-many.yaml, document 2: not a valid issuer file",
            "caused by: line 16 column ",
            "error: fleet/c-port.yaml: ",
            "error: fleet/b-many.yaml, document 3: the issuers three and four publish to the same location",
            "error: fleet/d-same.yaml: the issuers three and four publish to the same location",
            "error: 5 of 7 issuers failed",
        ] {
            assert!(err.contains(named), "{line}: {named}\n{err}");
        }
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 8, "{out}");
        let failed = lines.iter().filter(|line| line["error"]["exit_code"] == 3).count();
        assert_eq!(failed, 5, "{out}");
        for good in ["good", "last"] {
            assert_eq!(exists(&desk, good), line.starts_with("apply"), "{line}: {good}");
        }
        assert!(!exists(&desk, "same"), "{line}");
    }
}

#[test]
fn a_policy_for_all_is_refused_if_one_is_not_valid() {
    let (out, err) = ended(&fleet().run("apply -f fleet --print-iam-policy"), 3);
    assert!(out.is_empty() && err.contains("a-empty.yaml is not a valid issuer file"), "{err}");
}

#[test]
fn two_buckets_at_an_endpoint_are_named_apart_from_it() {
    let desk = fleet();
    let store = "{s3: {bucket: my-oidc, prefix: i10, endpointUrl: 'https://localhost:39000'}}";
    let text = |name| document(name, "x", "").replace("{folder: ../site/x}", store);
    desk.file("both.yaml", &[text("one"), text("two")].join("---\n"));
    let (_, err) = ended(&desk.run("plan -f both.yaml"), 3);
    assert!(err.contains("s3://my-oidc/i10 at https://localhost:39000"), "{err}");
}

#[test]
fn an_issuer_with_a_port_is_refused_only_if_it_is_in_iam() {
    let desk = fleet();
    let port = |more| document("port", "port", more).replace("example.com/", "example.com:8443/");
    desk.file("fleet/port.yaml", &port(""));
    ended(&desk.run("apply -f fleet/port.yaml --no-verify"), 0);
    assert!(exists(&desk, "port"));
    desk.file("fleet/port.yaml", &port("  provider: {}\n"));
    let (_, err) = ended(&desk.run("apply -f fleet/port.yaml --no-verify"), 3);
    assert!(err.contains("has a port; IAM refuses") && err.contains("neither provider"), "{err}");
}

/// Many new issuers in one bucket.
fn fleet_in(server: &S3Server) -> Desk {
    let desk = Desk::new();
    desk.file("sa.pub", &Signer::new().public_pem);
    server.make_bucket("my-oidc");
    let text = |number| {
        let store = format!(
            "{{s3: {{bucket: my-oidc, prefix: c{number}, region: us-east-1, access: none, endpointUrl: \
             '{}', pathStyle: true}}}}",
            server.endpoint()
        );
        let file = document(&format!("c{number}"), "x", "").replace("{folder: ../site/x}", &store);
        file.replace("../sa.pub", "sa.pub")
    };
    let texts: Vec<String> = (0..40).map(text).collect();
    desk.file("fleet.yaml", &texts.join("---\n"));
    desk
}

fn count(log: &[String], call: &str) -> usize {
    log.iter().filter(|line| line.split(' ').next() == Some(call)).count()
}

#[test]
fn a_new_fleet_in_a_bucket_takes_one_list_and_four_requests_an_issuer() {
    let server = S3Server::start();
    let desk = fleet_in(&server);
    ended(&desk.run("apply -f fleet.yaml --no-verify"), 0);
    let log = server.take_log();
    assert_eq!(count(&log, "ListObjectsV2"), 1, "{log:#?}");
    assert_eq!(count(&log, "GetObject"), 2 * 40, "{log:#?}");
    // The first write is preceded by the question whether the store keeps conditions.
    assert_eq!(log.len(), 1 + 1 + 4 * 40, "{log:#?}");
    let site = server.dump();
    ended(&desk.run("plan -f fleet.yaml"), 0);
    ended(&desk.run("apply -f fleet.yaml --no-verify"), 0);
    let log = server.take_log();
    assert_eq!((count(&log, "ListObjectsV2"), count(&log, "GetObject")), (2, 2 * 2 * 40));
    assert_eq!(log.len(), 2 + 2 * 2 * 40, "{log:#?}");
    assert_eq!(server.dump(), site);
}

#[test]
fn runs_of_one_new_fleet_at_the_same_time_lose_no_key() {
    let server = S3Server::start();
    let (one, other) = (fleet_in(&server), fleet_in(&server));
    server.delay(std::time::Duration::from_millis(5));
    let run = |desk: &Desk| ended(&desk.run("apply -f fleet.yaml --no-verify"), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| run(&one));
        scope.spawn(|| run(&other));
    });
    for number in 0..40 {
        let keys = server.get("my-oidc", &format!("c{number}/keys.json")).unwrap();
        let keys: Value = serde_json::from_slice(&keys).unwrap();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "c{number}");
    }
}

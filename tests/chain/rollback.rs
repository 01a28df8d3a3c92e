//! A mistaken publish, and the way back, in a bucket with and without versioning.

use issuerctl_e2e::Publisher;
use serde_json::Value;

/// What `history`, `rollback` and `keys` need to find the documents of a prefix.
fn place(publisher: &Publisher, prefix: &str) -> String {
    format!(
        "--to s3://my-oidc/{prefix} --endpoint-url {} --path-style --allow-port --ca-file ca.pem",
        publisher.host.url()
    )
}

fn object(publisher: &Publisher, line: &str) -> Value {
    let out = publisher.sandbox.issuerctl(&format!("{line} --output json")).succeeded();
    serde_json::from_str(&out).unwrap()
}

pub(crate) fn run() {
    let publisher = Publisher::new();
    let (old, new) = (publisher.keygen("rsa-2048", "old"), publisher.keygen("rsa-2048", "new"));
    publisher.publish("--key old/sa.pub", "copies").succeeded();
    there_and_back(&publisher, "copies", &old, &new);
    // A copy is there, and nobody else can read it.
    let listed = "s3api list-objects-v2 --bucket my-oidc --prefix copies/.issuerctl/";
    let listed: Value = serde_json::from_str(&publisher.aws(listed).succeeded()).unwrap();
    let key = listed["Contents"][0]["Key"].as_str().unwrap();
    let copy = format!("{}/my-oidc/{key}", publisher.host.url());
    assert!(issuerctl_e2e::get(&copy, &publisher.authority).is_none(), "{copy} is public");

    let enable = "s3api put-bucket-versioning --bucket my-oidc --versioning-configuration \
                  Status=Enabled";
    publisher.aws(enable).succeeded();
    publisher.publish("--key old/sa.pub", "versions").succeeded();
    there_and_back(&publisher, "versions", &old, &new);
    let listed = "s3api list-objects-v2 --bucket my-oidc --prefix versions/.issuerctl/";
    assert!(!publisher.aws(listed).succeeded().contains("Key"), "a copy beside the versions");
}

/// The old key is published. It is removed by mistake, and comes back.
fn there_and_back(publisher: &Publisher, prefix: &str, old: &str, new: &str) {
    let (place, issuer) = (place(publisher, prefix), publisher.issuer(prefix));
    publisher.publish("--key new/sa.pub", prefix).succeeded();
    publisher.publish("--key new/sa.pub --prune", prefix).succeeded();
    publisher.verify(&issuer, "--key old/sa.pub").ended(5);
    let history = object(publisher, &format!("history {place}"));
    let versions = history["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 3, "{history:#}");
    assert_eq!(versions[0]["removed"][0]["kid"], old, "{history:#}");
    assert_eq!(versions[1]["added"][0]["kid"], new, "{history:#}");
    assert!(versions.iter().all(|one| one["published"].is_string()), "{history:#}");

    let restored = publisher.sandbox.issuerctl(&format!("rollback {place}")).ended(0);
    assert!(restored.err.contains("verified"), "{}", restored.err);
    publisher.verify(&issuer, "--key old/sa.pub").ended(0);
    publisher.verify(&issuer, "--key new/sa.pub").ended(0);
    let keys = object(publisher, &format!("keys {place}"));
    assert!(
        keys["keys"].as_array().unwrap().iter().all(|key| key["since"].is_string()),
        "{keys:#}"
    );
    // The first site of all: the new key goes.
    let first = versions[2]["version"].as_str().unwrap();
    publisher.sandbox.issuerctl(&format!("rollback {first} {place}")).ended(0);
    let published = publisher.published_keys(prefix).unwrap();
    assert_eq!(Publisher::kids(&published).trim(), old);
    publisher.verify(&issuer, "--key old/sa.pub").ended(0);
    let unknown = publisher.sandbox.issuerctl(&format!("rollback no-such-version {place}"));
    assert!(unknown.ended(3).err.contains("has no version"));
}

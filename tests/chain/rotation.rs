//! Manual rotation of the signing key, step by step as in `docs/publishing.md`: at every step both
//! a new token and the oldest valid one are accepted.

use issuer_change::{Action, Kind};
use issuerctl_e2e::{ApiServer, AwsAccount, BUCKET, Etcd, Publisher, exchange};

pub(crate) fn run(version: &str) {
    let publisher = Publisher::new();
    let etcd = Etcd::start(version);
    let old = publisher.keygen("rsa-2048", "old");
    publisher.publish("--key old/sa.pub", "prod").ended(0);
    let account = publisher.account("prod");
    let mut server = publisher.api_server(version, &etcd, "old", &["old"]);
    let oldest = server.token("default/app");
    let step = |server: &ApiServer, signing: &str, what: &str| {
        let fresh = server.token("default/app");
        assert_eq!(kid(&fresh), signing, "{what}: the wrong key signs");
        for token in [&fresh, &oldest] {
            exchange(&account, token).unwrap_or_else(|why| panic!("{what}: {why}"));
            // A reader without a cache.
            exchange(&reader(&publisher), token)
                .unwrap_or_else(|why| panic!("{what}, a new reader: {why}"));
        }
    };
    step(&server, &old, "before");

    // 1. The new key.
    let new = publisher.keygen("p256", "new");

    // A common mistake: the new document replaces the old one.
    let keys = publisher.sandbox.issuerctl("jwks --key new/sa.pub").succeeded();
    publisher.sandbox.file("careless.json", &keys);
    publisher.aws(&format!("s3 cp careless.json s3://{BUCKET}/prod/keys.json")).succeeded();
    let why = exchange(&reader(&publisher), &oldest).expect_err("the set lacks the signing key");
    assert!(why.contains("InvalidParameterValue") || why.contains("kid"), "{why}");
    publisher.sandbox.file("token", &oldest);
    let verdict = publisher.verify(&publisher.issuer("prod"), "--token token").ended(5);
    assert!(verdict.out.contains(&old), "{}", verdict.out);
    // Publishing both keys fixes it.
    publisher.publish("--key new/sa.pub --key old/sa.pub", "prod").ended(0);
    step(&server, &old, "fixed");

    // 2. Published next to the old key, which does not have to be given.
    let published = publisher.publish("--key new/sa.pub", "prod").ended(0);
    assert!(published.err.contains("--prune"), "{}", published.err);
    let kids = Publisher::kids(&publisher.published_keys("prod").unwrap());
    assert!(kids.contains(&new) && kids.contains(&old), "{kids}");
    step(&server, &old, "both published");

    // 3. Every API server has the new public key.
    drop(server);
    server = publisher.api_server(version, &etcd, "old", &["old", "new"]);
    step(&server, &old, "both configured");

    // 4. The new key signs.
    drop(server);
    server = publisher.api_server(version, &etcd, "new", &["new", "old"]);
    step(&server, &new, "the new key signs");
    let kubeconfig = server.kubeconfig("admin-token");
    publisher
        .publish(
            &format!("--apiserver --check-live default/app --kubeconfig {}", kubeconfig.display()),
            "prod",
        )
        .ended(0);
    step(&server, &new, "published from the API server");

    // 5. The last token of the old key has expired; the key is removed explicitly.
    let pruned =
        publisher.publish("--key new/sa.pub --prune --output json", "prod").ended(0).report();
    let key = |kid: &str| {
        let fields = &pruned.change(Kind::Document, "keys.json").fields;
        let field = fields.iter().find(|field| field.item.as_deref() == Some(kid));
        field.map(|field| field.action())
    };
    assert_eq!((key(&old), key(&new)), (Some(Action::Delete), Some(Action::Keep)), "{pruned:#?}");
    assert_eq!(Publisher::kids(&publisher.published_keys("prod").unwrap()), format!("{new}\n"));
    let after = reader(&publisher);
    exchange(&after, &server.token("default/app")).unwrap();
    exchange(&after, &oldest).expect_err("a token of the removed key");

    // 6. The API servers drop the old key last.
    drop(server);
    server = publisher.api_server(version, &etcd, "new", &["new"]);
    exchange(&after, &server.token("default/app")).unwrap();
    assert_eq!(
        publisher.published_keys("prod").unwrap(),
        server.kubectl("get --raw /openid/v1/jwks")
    );
}

/// MinIO keeps every key that it has read, so only a new one sees just what is published now.
fn reader(publisher: &Publisher) -> AwsAccount {
    AwsAccount::trusting(Some(&publisher.authority), &publisher.issuer("prod")).unwrap()
}

/// The `kid` in a token's header.
pub(crate) fn kid(token: &str) -> String {
    use base64ct::Encoding;
    let header = base64ct::Base64UrlUnpadded::decode_vec(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&header).unwrap()["kid"]
        .as_str()
        .unwrap()
        .to_owned()
}

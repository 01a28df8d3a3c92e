//! A bucket that nobody may read but the server in front of it, as with CloudFront: `--access none`.

use issuer_test_support::{Authority, Front};
use issuerctl_e2e::{
    ApiServer, AwsAccount, BUCKET, BucketHost, Etcd, Flags, PASSWORD, Pod, Publisher, Sandbox,
    USER, get,
};

pub(crate) fn run(version: &str) {
    let (authority, host) = (Authority::new(), BucketHost::without_tls());
    let sandbox = Sandbox::new(&authority)
        .with("AWS_ACCESS_KEY_ID", USER)
        .with("AWS_SECRET_ACCESS_KEY", PASSWORD);
    let client = host.client();
    let front = Front::start(&authority, move |path| {
        let object = client.get_object().bucket(BUCKET).key(path.trim_start_matches('/'));
        async move { Some(object.send().await.ok()?.body.collect().await.ok()?.to_vec()) }
    });
    let issuer = format!("{}/prod", front.url());
    let publish = |folder: &str| {
        sandbox.issuerctl(&format!(
            "publish --key {folder}/sa.pub --to s3://{BUCKET}/prod --create-bucket --access none \
             --issuer {issuer} --endpoint-url {} --path-style --allow-port --ca-file ca.pem",
            host.url()
        ))
    };
    for folder in ["pki", "next"] {
        sandbox.issuerctl(&format!("keygen --out-dir {folder}")).succeeded();
    }

    // Each run ends by verifying the issuer through the front, as STS reads it.
    publish("pki").ended(0);
    assert!(publish("pki").ended(0).err.contains("no changes"));
    let bucket = format!("{}/{BUCKET}/prod", host.url());
    assert_eq!(get(&format!("{bucket}/keys.json"), &authority), None, "the bucket is public");

    let etcd = Etcd::start(version);
    let path = |name: &str| sandbox.path().join(name);
    let flags = Flags {
        issuers: &[&issuer],
        signing_key: &path("pki/sa.key"),
        public_keys: &[&path("pki/sa.pub")],
        others: &[],
    };
    let server = ApiServer::start(version, "private", &etcd, &authority, &flags);
    let account = AwsAccount::start(&authority, &issuer).unwrap();
    Pod::new(&account, &server.token("default/app")).reads_the_object();

    // A second key goes the same way, and the first one stays.
    publish("next").ended(0);
    let keys = get(&format!("{issuer}/keys.json"), &authority).unwrap();
    assert_eq!(Publisher::kids(&keys).lines().count(), 2, "{keys}");

    // Without the front there are documents, and no issuer: that is no success.
    drop(front);
    let failed = publish("pki");
    assert_ne!(failed.code, Some(0), "{}", failed.err);
    assert!(failed.err.contains("fail  discovery-reachable"), "{}", failed.err);
}

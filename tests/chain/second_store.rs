//! VersityGW in place of MinIO: another implementation of the API of S3, which is maintained.

use std::thread;

use issuer_test_support::{Authority, FaultProxy};
use issuerctl_e2e::{BUCKET, BucketHost, PASSWORD, Publisher, Sandbox, USER, VersityIam, get};

/// How many runs the network fails.
const FAULTS: u64 = 32;

pub(crate) fn publishes() {
    let publisher = Publisher::on_versitygw();
    publisher.keygen("rsa-2048", "pki");
    // Each run ends by verifying the site over https, as STS reads it.
    publisher.publish("--key pki/sa.pub", "prod").ended(0);
    let again = publisher.publish("--key pki/sa.pub", "prod").ended(0);
    assert!(again.err.contains("no changes"), "{}", again.err);
    publisher.verify(&publisher.issuer("prod"), "--key pki/sa.pub").ended(0);
    // Nothing else of the bucket is public.
    publisher.sandbox.file("other", "hidden");
    publisher.aws(&format!("s3 cp other s3://{BUCKET}/prod/other")).succeeded();
    let other = format!("{}/other", publisher.issuer("prod"));
    assert_eq!(get(&other, &publisher.authority), None);
    // It has no ACLs of objects: nothing is written that nobody could read.
    let refused = publisher.publish("--key pki/sa.pub --access acl", "acl");
    assert_ne!(refused.code, Some(0), "{}", refused.err);
    assert_eq!(publisher.published_keys("acl"), None);
}

/// Writes are conditional: of eight runs at the same time, each with a key of its own, none loses
/// another's.
pub(crate) fn races() {
    let publisher = Publisher::on_versitygw();
    publisher.keygen("p256", "k0");
    publisher.publish("--key k0/sa.pub", "race").ended(0);
    let folders: Vec<String> = (1..9).map(|number| format!("k{number}")).collect();
    for folder in &folders {
        publisher.keygen("p256", folder);
    }
    thread::scope(|scope| {
        for folder in &folders {
            let publisher = &publisher;
            scope.spawn(move || {
                publisher.publish(&format!("--key {folder}/sa.pub"), "race").ended(0);
            });
        }
    });
    let kids = Publisher::kids(&publisher.published_keys("race").unwrap());
    assert_eq!(kids.lines().count(), 9, "{kids}");
}

pub(crate) fn deletes() {
    let publisher = Publisher::on_versitygw();
    publisher.keygen("p256", "pki");
    let file = format!(
        "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
         prod}}\nspec:\n  issuer: https://oidc.example.com/prod\n  keys: [{{file: \
         pki/sa.pub}}]\n  store:\n    s3: {{bucket: {BUCKET}, prefix: prod, createBucket: true, \
         pathStyle: true, endpointUrl: {:?}}}\n",
        publisher.host.url()
    );
    publisher.sandbox.file("issuer.yaml", &file);
    let run = |line: &str, code: i32| {
        publisher.sandbox.issuerctl(&format!("{line} -f issuer.yaml --ca-file ca.pem")).ended(code)
    };
    run("apply --no-verify", 0);
    assert!(publisher.published_keys("prod").is_some());
    run("plan", 0);
    run("delete", 0);
    let buckets = publisher.aws("s3api list-buckets --query Buckets[].Name --output text");
    assert!(!buckets.succeeded().contains(BUCKET), "the bucket is still there");
    run("delete", 0);
}

/// A network between issuerctl and the store that fails, by a plan that follows from a seed: whatever a
/// run is told, no published key is lost, and the next run completes.
pub(crate) fn faults() {
    let host = BucketHost::versitygw(None);
    let authority = Authority::new();
    let sandbox = Sandbox::new(&authority)
        .with("AWS_ACCESS_KEY_ID", USER)
        .with("AWS_SECRET_ACCESS_KEY", PASSWORD);
    for folder in ["old", "new"] {
        sandbox.issuerctl(&format!("keygen --algorithm p256 --out-dir {folder}")).succeeded();
    }
    let publish = |folder: &str, prefix: &str, endpoint: &str| {
        sandbox.issuerctl(&format!(
            "publish --key {folder}/sa.pub --to s3://{BUCKET}/{prefix} --create-bucket --path-style \
             --issuer https://oidc.example.com/{prefix} --no-verify --endpoint-url {endpoint}"
        ))
    };
    let one = |seed: u64| {
        let prefix = format!("seed-{seed}");
        publish("old", &prefix, host.url()).ended(0);
        let proxy = FaultProxy::start(host.url(), seed, 5 + seed % 40);
        let published = || {
            let keys = get(&format!("{}/{BUCKET}/{prefix}/keys.json", host.url()), &authority);
            Publisher::kids(&keys.unwrap()).lines().count()
        };
        let ran = publish("new", &prefix, &proxy.endpoint());
        let log = || format!("seed {seed}\n{}\n  {}", ran.err, proxy.log().join("\n  "));
        let count = published();
        assert!(count == 2 || (count == 1 && ran.code != Some(0)), "{count} keys; {}", log());
        proxy.heal();
        let next = publish("new", &prefix, &proxy.endpoint());
        assert_eq!(next.code, Some(0), "{}\n{}", next.err, log());
        assert_eq!(published(), 2, "{}", log());
        u64::from(ran.code == Some(0))
    };
    publish("old", "seed", host.url()).ended(0);
    let succeeded: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| scope.spawn(move || (worker..FAULTS).step_by(4).map(one).sum::<u64>()))
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(succeeded > 0 && succeeded < FAULTS, "{succeeded} of {FAULTS} runs were not disturbed");
}

/// Its IAM has OIDC providers and roles with inline policies, and no managed policies.
pub(crate) fn account() {
    let account = VersityIam::start();
    let sandbox = Sandbox::new(&Authority::new())
        .with("AWS_ACCESS_KEY_ID", USER)
        .with("AWS_SECRET_ACCESS_KEY", PASSWORD);
    let issuer = "https://oidc.example.com/prod";
    let run = |line: &str, code: i32| {
        sandbox.issuerctl(&format!("{line} --endpoint-url {}", account.url())).ended(code)
    };
    // It fetches the certificate of a public issuer itself; one that it cannot reach is given.
    let thumbprint = "0123456789012345678901234567890123456789";
    let provider = format!("provider apply --issuer {issuer} --no-verify");
    run(&format!("{provider} --thumbprint {thumbprint}"), 0);
    assert!(run(&provider, 0).err.contains("no changes"));
    assert!(run("provider list", 0).out.contains(issuer));
    sandbox.file(
        "read.json",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#,
    );
    let role = format!(
        "role apply app --issuer {issuer} --service-account default/app --inline-policy \
         read=read.json"
    );
    run(&role, 0);
    assert!(run(&role, 0).err.contains("no changes"));
    run(&format!("{role} --service-account default/other"), 0);
    assert!(run(&format!("role list --issuer {issuer}"), 0).out.contains("default/other"));
    assert!(run("role show app", 0).out.contains("read"));
    run("role delete app", 0);
    run(&format!("provider delete --issuer {issuer}"), 0);
    run("role show app", 3);
}

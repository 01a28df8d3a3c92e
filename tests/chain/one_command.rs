//! From nothing to a pod that reads an object: `issuerctl apply -f issuer.yaml` with the management
//! cluster's kubeconfig.

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{AwsAccount, BUCKET, Pod, Publisher, exchange};
use serde_json::Value;

use crate::figures::Flow;
use crate::operator::{clusters, hides_the_key};

pub(crate) fn run(version: &str) {
    let (publisher, moto, proxy) = Publisher::with_iam();
    let issuer = format!("https://{ISSUER_HOST}/{BUCKET}/prod");
    let clusters = clusters(&publisher, version, &issuer);
    publisher.sandbox.file(
        "issuer.yaml",
        &format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  keys:\n  - cluster: {{name: prod, kubeconfig: {}}}\n  store: {{s3: {{bucket: \
             {BUCKET}, prefix: prod, createBucket: true, endpointUrl: \"{}\", pathStyle: \
             true}}}}\n  issuer: {issuer}\n  provider: {{}}\n  roles:\n  - name: app\n    \
             serviceAccounts: [default/app]\n    policyArns: \
             [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]\n",
            clusters.kubeconfig.display(),
            publisher.host.url(),
        ),
    );

    let flow = Flow::new(format!("one file (Kubernetes {version})"));
    let command = "apply -f issuer.yaml --ca-file ca.pem";
    let applied = flow.step("issuerctl apply -f issuer.yaml", 1, || {
        publisher.sandbox.issuerctl(command).ended(0)
    });
    hides_the_key(&publisher, &applied.err);
    assert!(
        applied.out.starts_with("kubectl annotate serviceaccount app --namespace default "),
        "{}",
        applied.out
    );
    let account = flow.step("AWS reads IAM (MinIO's configuration here)", 0, || {
        AwsAccount::behind(&proxy, &publisher.authority, &issuer)
            .unwrap_or_else(|why| panic!("the account: {why}"))
    });
    let token = clusters.workload.token("default/app");
    flow.step("a pod reads an object (aws CLI, Rust SDK)", 0, || {
        Pod::new(&account, &token).reads_the_object()
    });
    exchange(&account, &clusters.management.token("default/app")).unwrap_err();

    // The trust policy of the role matches this token, but no token of another service account or
    // for another audience.
    let aws = |line: &str| {
        publisher.sandbox.aws(&format!("--endpoint-url {} iam {line}", moto.url())).succeeded()
    };
    let role: Value = serde_json::from_str(&aws("get-role --role-name app")).unwrap();
    let statement = &role["Role"]["AssumeRolePolicyDocument"]["Statement"][0];
    assert!(matches(statement, &token));
    assert!(!matches(statement, &clusters.workload.token_with("default/app", "--audience other")));
    clusters.workload.create_account("default/other");
    assert!(!matches(
        statement,
        &clusters.workload.token_with("default/other", "--audience sts.amazonaws.com")
    ));

    // The second run changes nothing.
    let again = publisher.sandbox.issuerctl(&format!("{command} --output json")).succeeded();
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["changed"], false);
    publisher.sandbox.issuerctl("plan -f issuer.yaml --ca-file ca.pem").ended(0);
    // `delete` removes everything.
    publisher.sandbox.issuerctl("delete -f issuer.yaml --ca-file ca.pem").ended(0);
    assert_eq!(publisher.published_keys("prod"), None);
    publisher.sandbox.issuerctl("plan -f issuer.yaml --ca-file ca.pem").ended(7);
}

/// Whether a statement with one audience and one subject matches the claims of a token.
fn matches(statement: &Value, token: &str) -> bool {
    let claims: Value = serde_json::from_slice(
        &Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap(),
    )
    .unwrap();
    let issuer = claims["iss"].as_str().unwrap().trim_start_matches("https://");
    let wanted = &statement["Condition"]["StringEquals"];
    let federated = statement["Principal"]["Federated"].as_str().unwrap();
    federated.ends_with(&format!(":oidc-provider/{issuer}"))
        && wanted[format!("{issuer}:aud")] == claims["aud"][0]
        && wanted[format!("{issuer}:sub")] == claims["sub"]
}

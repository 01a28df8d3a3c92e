//! The file, on moto: planned, applied, reconciled, its roles taken out of it, taken away; and with
//! the printed policy alone.

use issuer_test_support::Authority;
use issuerctl_e2e::{Desk, Moto, Ran};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role";

const FILE: &str = r#"apiVersion: issuerctl.dev/v1alpha1
kind: ServiceAccountIssuer
metadata: {name: prod}
spec:
  keys:
  - file: pki/sa.pub
  store: {s3: {bucket: my-oidc, prefix: prod, region: us-west-2, createBucket: true}}
  issuer: https://my-oidc.s3.us-west-2.amazonaws.com/prod
  provider: {tags: {team: platform}}
  roles:
  - name: app
    serviceAccounts: [default/app, jobs/*]
    policyArns: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
    inlinePolicies: {extra: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/*"}]}}
    managedPolicies: {app-s3: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/*"}]}}
    maxSessionDuration: 7200
    tags: {team: platform}
  - name: second
    path: /apps/
    serviceAccounts: [default/second]
"#;

const POLICY_ARNS: &str = "    policyArns: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]\n";

struct Bench {
    moto: Moto,
    desk: Desk,
}

impl Bench {
    fn new() -> Self {
        let moto = Moto::start();
        let desk = Desk::in_moto().with("AWS_ENDPOINT_URL", moto.url());
        desk.issuerctl("keygen --algorithm p256 --out-dir pki").succeeded();
        desk.file("issuer.yaml", FILE);
        Self { moto, desk }
    }

    /// Nobody reads this issuer, so it is not verified.
    fn apply(&self, flags: &str) -> Ran {
        self.desk.issuerctl(&format!("apply -f issuer.yaml --no-verify {flags}"))
    }

    fn changed(&self, flags: &str) -> bool {
        let object: Value =
            serde_json::from_str(&self.apply(&format!("{flags} --output json")).succeeded())
                .unwrap();
        object["changed"].as_bool().unwrap()
    }

    fn plan(&self, flags: &str) -> Ran {
        self.desk.issuerctl(&format!("plan -f issuer.yaml {flags}"))
    }

    fn delete(&self, flags: &str) -> Ran {
        self.desk.issuerctl(&format!("delete -f issuer.yaml {flags}"))
    }

    /// Writes the file anew with other texts in it.
    fn edit(&self, edits: &[(&str, &str)]) {
        let text = edits.iter().fold(FILE.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        self.desk.file("issuer.yaml", &text);
    }

    fn aws(&self, line: &str) -> Value {
        let answer = self.desk.aws(line).succeeded();
        if answer.trim().is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    fn has(&self, line: &str) -> bool {
        self.desk.aws(line).code == Some(0)
    }
}

pub(crate) fn run() {
    let bench = Bench::new();
    // From nothing: planned, and nothing done yet; then applied, and nothing left to do.
    let plan = bench.plan("").ended(7);
    for line in [
        "+ access        create the bucket",
        "+ provider",
        "+ role",
        "StringLike",
        "13 to create, 0 to change",
    ] {
        assert!(plan.out.contains(line), "{line}: {}", plan.out);
    }
    assert!(
        !bench.has("s3api list-objects-v2 --bucket my-oidc")
            && !bench.has("iam get-role --role-name app")
    );
    let applied = bench.apply("").ended(0);
    let annotate = |namespace_and_name: &str, role: &str| {
        let (namespace, name) = namespace_and_name.split_once('/').unwrap();
        format!(
            "kubectl annotate serviceaccount {name} --namespace {namespace} \
             eks.amazonaws.com/role-arn={ROLE}/{role} --overwrite\n"
        )
    };
    assert_eq!(
        applied.out,
        annotate("default/app", "app") + &annotate("default/second", "apps/second")
    );
    let nothing = bench.plan("").ended(0);
    assert!(
        nothing.out.contains("no changes") && nothing.out.contains("= provider"),
        "{}",
        nothing.out
    );
    assert!(!bench.changed(""), "the second run found something to do");

    // Somebody else adds and changes: what is theirs stays and is named, what is ours comes back.
    bench.aws(
        "iam attach-role-policy --role-name app --policy-arn \
               arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
    );
    bench.desk.file("theirs.json", r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#);
    bench.aws("iam update-assume-role-policy --role-name app --policy-document file://theirs.json");
    bench.aws("iam delete-role-policy --role-name app --policy-name extra");
    let drift = bench.plan("").ended(7);
    for line in [
        "= statement   Theirs (of others",
        "AmazonEC2ReadOnlyAccess (of others",
        "~ trust",
        "+ inline      extra",
    ] {
        assert!(drift.out.contains(line), "{line}: {}", drift.out);
    }
    bench.apply("").ended(0);
    let role = bench.aws("iam get-role --role-name app");
    let sids: Vec<_> = role["Role"]["AssumeRolePolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["Sid"].clone())
        .collect();
    assert!(sids.len() == 2 && sids[0] == "Theirs", "{sids:?}");

    // The file changes: from and to are said, and lists that leave the file go.
    bench.edit(&[
        ("jobs/*", "jobs/nightly"),
        ("data/*\"}]}}\n    managed", "data2/*\"}]}}\n    managed"),
        ("maxSessionDuration: 7200", "maxSessionDuration: 3600"),
        (POLICY_ARNS, ""),
        ("tags: {team: platform}}\n", "tags: {team: sre}, audiences: [sts.amazonaws.com]}\n"),
    ]);
    let change = bench.plan("").ended(7);
    for line in [
        "~ session     at most 7200 s -> 3600 s",
        "~ tags        team=platform -> sre",
        "- attachment  arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        "-       \"Resource\": \"arn:aws:s3:::data/*\"",
        "+       \"Resource\": \"arn:aws:s3:::data2/*\"",
        "-             \"system:serviceaccount:jobs:*\"",
    ] {
        assert!(change.out.contains(line), "{line}: {}", change.out);
    }
    bench.apply("").ended(0);
    bench.plan("").ended(0);

    // A role that leaves the file is left and named, one that `role apply` made is nobody's
    // business here.
    bench
        .desk
        .issuerctl(
            "role apply by-hand --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod \
                    --service-account a/b",
        )
        .ended(0);
    let second = "  - name: second\n    path: /apps/\n    serviceAccounts: [default/second]\n";
    bench.edit(&[(second, "")]);
    bench.apply("").ended(0);
    let left = bench.plan("").ended(0);
    assert!(
        left.out.contains("role second (taken out of the file)") && !left.out.contains("by-hand"),
        "{}",
        left.out
    );
    assert!(bench.has("iam get-role --role-name second"));
    bench.plan("--prune").ended(7);
    assert!(bench.changed("--prune"));
    assert!(
        !bench.has("iam get-role --role-name second")
            && bench.has("iam get-role --role-name by-hand")
    );

    // A second issuer of the same bucket and role: both live side by side.
    let test = FILE
        .replace("{name: prod}", "{name: test}")
        .replace("prefix: prod", "prefix: test")
        .replace("amazonaws.com/prod", "amazonaws.com/test");
    bench.desk.file("test.yaml", &test.replace(second, "").replace("    managedPolicies", "    #"));
    bench.desk.issuerctl("apply -f test.yaml --no-verify").ended(0);
    let trust = |count: usize| {
        let role = bench.aws("iam get-role --role-name app");
        assert_eq!(
            role["Role"]["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap().len(),
            count
        );
    };
    trust(3);
    bench.desk.issuerctl("delete -f test.yaml").ended(0);
    trust(2);
    assert!(
        bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"),
        "the other issuer's keys are gone"
    );
    assert!(bench.has("s3api list-objects-v2 --bucket my-oidc"));

    // Taken away: what others added stays, and so does what they made.
    bench.aws("s3api put-object --bucket my-oidc --key theirs");
    let dry = bench.delete("--dry-run").ended(0);
    assert!(dry.err.contains("it holds theirs too: kept"), "{}", dry.err);
    assert!(bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"));
    let gone = bench.delete("").ended(0);
    assert!(gone.err.contains("others attached"), "{}", gone.err);
    assert!(!bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"));
    assert!(!bench.has("s3api get-bucket-policy --bucket my-oidc"), "our statement is still there");
    assert!(bench.has("s3api head-object --bucket my-oidc --key theirs"));
    trust(1);
    // Nothing of ours is left; with the foreign object gone, so is the bucket.
    bench.aws("s3api delete-object --bucket my-oidc --key theirs");
    bench.delete("").ended(0);
    assert!(!bench.has("s3api list-objects-v2 --bucket my-oidc"));
    bench.delete("").ended(0);

    // A bucket and a provider that others made stay. moto remembers the tags of a bucket that is
    // gone.
    let bench = Bench::new();
    bench.aws(
        "s3api create-bucket --bucket my-oidc --create-bucket-configuration \
               LocationConstraint=us-west-2",
    );
    bench.aws(
        "iam create-open-id-connect-provider --url \
               https://my-oidc.s3.us-west-2.amazonaws.com/prod --client-id-list sts.amazonaws.com",
    );
    bench.apply("").ended(0);
    let kept = bench.delete("").ended(0);
    assert!(kept.err.contains("of others: kept; --force"), "{}", kept.err);
    // A provider that still trusts them needs the documents.
    assert!(bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"));
    assert!(bench.has("s3api list-objects-v2 --bucket my-oidc"));
    let providers = bench.aws("iam list-open-id-connect-providers");
    assert_eq!(providers["OpenIDConnectProviderList"].as_array().unwrap().len(), 1);
    bench.delete("--force").ended(0);
    assert_eq!(
        bench.aws("iam list-open-id-connect-providers")["OpenIDConnectProviderList"],
        json!([])
    );
    assert!(!bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"));
}

/// A user who has the printed policies and nothing else. moto's IAM knows no resources, so those of
/// IAM's own statements are opened; that of S3 is held to the bucket. Nor does it sign a form with
/// a star or a space in it as the SDK does, so the role has no pattern and one attachment.
pub(crate) fn least_privilege() {
    let bench = Bench::new();
    let file = FILE
        .replace("jobs/*", "jobs/nightly")
        .replace("data/*", "data/one")
        .replace(POLICY_ARNS, "");
    bench.desk.file("issuer.yaml", &file);
    let printed = |command: &str| -> Value {
        serde_json::from_str(
            &bench.desk.issuerctl(&format!("{command} --print-iam-policy")).succeeded(),
        )
        .unwrap()
    };
    let policies = [
        ("plan", printed("plan -f issuer.yaml")),
        ("apply", printed("apply -f issuer.yaml")),
        ("delete", printed("delete -f issuer.yaml")),
    ];
    for verb in ["Put", "Create", "Delete", "Attach", "Update", "Tag"] {
        let plan = policies[0].1.to_string();
        assert!(!plan.contains(&format!(":{verb}")), "{verb}: {plan}");
    }
    assert!(!bench.has("iam get-role --role-name app"), "printing a policy made something");
    let users = policies.map(|(name, mut policy)| {
        for statement in policy["Statement"].as_array_mut().unwrap() {
            let action = statement["Action"]
                .as_str()
                .or_else(|| statement["Action"][0].as_str())
                .unwrap()
                .to_owned();
            if action.starts_with("iam:") {
                statement["Resource"] = json!("*");
            }
        }
        bench.desk.file("policy.json", &policy.to_string());
        bench.aws(&format!("iam create-user --user-name {name}"));
        bench.aws(&format!(
            "iam put-user-policy --user-name {name} --policy-name p --policy-document \
             file://policy.json"
        ));
        let keys = bench.aws(&format!("iam create-access-key --user-name {name}"));
        let text = |member: &str| keys["AccessKey"][member].as_str().unwrap().to_owned();
        (text("AccessKeyId"), text("SecretAccessKey"))
    });
    // Another role of the same issuer, which these users know nothing of.
    let by_hand = "role apply by-hand --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod \
                   --service-account a/b";
    bench.desk.issuerctl(by_hand).ended(0);
    bench.moto.enforce_policies();
    let [plan, apply, delete] = users.map(|(id, secret)| {
        let desk = Desk::new(&Authority::new())
            .with("AWS_ACCESS_KEY_ID", &id)
            .with("AWS_SECRET_ACCESS_KEY", &secret)
            .with("AWS_ENDPOINT_URL", bench.moto.url());
        desk.file("issuer.yaml", &file);
        std::fs::create_dir(desk.path().join("pki")).unwrap();
        std::fs::copy(bench.desk.path().join("pki/sa.pub"), desk.path().join("pki/sa.pub"))
            .unwrap();
        desk
    });
    plan.issuerctl("plan -f issuer.yaml").ended(7);
    let refused = plan.issuerctl("apply -f issuer.yaml --no-verify").ended(6);
    let line =
        r#"{"Effect": "Allow", "Action": ["s3:CreateBucket"], "Resource": "arn:aws:s3:::my-oidc"}"#;
    assert!(refused.err.contains(line), "{}", refused.err);
    apply.issuerctl("apply -f issuer.yaml --no-verify").ended(0);
    plan.issuerctl("plan -f issuer.yaml").ended(0);
    // What the file asks for less goes with the same policy.
    let less: String = file
        .lines()
        .filter(|line| !line.contains("managedPolicies"))
        .map(|line| format!("{line}\n"))
        .collect();
    apply.file("issuer.yaml", &less);
    apply.issuerctl("apply -f issuer.yaml --no-verify").ended(0);
    delete.issuerctl("delete -f issuer.yaml").ended(0);
    plan.issuerctl("plan -f issuer.yaml").ended(7);
}

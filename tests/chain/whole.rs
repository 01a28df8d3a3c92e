//! `plan`, `apply` and `delete` on moto: from nothing, after drift, after edits of the file, with
//! roles removed from the file; and with only the permissions of the printed policy.

use issuer_change::{Action, Field, Kind, Reason};
use issuer_test_support::Authority;
use issuerctl_e2e::{Moto, Ran, Report, Sandbox};
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

const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
const FOREIGN: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";

/// The name of the provider.
const PROVIDER: &str = "my-oidc.s3.us-west-2.amazonaws.com/prod";

/// The two documents of the issuer.
const DOCUMENTS: [(Kind, &str); 2] =
    [(Kind::Document, "keys.json"), (Kind::Document, ".well-known/openid-configuration")];

const POLICY_ARNS: &str = "    policyArns: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]\n";

struct Bench {
    moto: Moto,
    sandbox: Sandbox,
}

impl Bench {
    fn new() -> Self {
        let moto = Moto::start();
        let sandbox = Sandbox::in_moto().with("AWS_ENDPOINT_URL", moto.url());
        sandbox.issuerctl("keygen --algorithm p256 --out-dir pki").succeeded();
        sandbox.file("issuer.yaml", FILE);
        Self { moto, sandbox }
    }

    /// The issuer is not reachable, so it is not verified.
    fn apply(&self, flags: &str) -> Ran {
        self.sandbox.issuerctl(&format!("apply -f issuer.yaml --no-verify {flags}"))
    }

    fn changed(&self, flags: &str) -> bool {
        self.apply(&format!("{flags} --output json")).ended(0).report().changed()
    }

    fn plan(&self, flags: &str) -> Ran {
        self.sandbox.issuerctl(&format!("plan -f issuer.yaml {flags}"))
    }

    /// The plan as data, if it ends with this code.
    #[track_caller]
    fn planned(&self, flags: &str, code: i32) -> Report {
        self.plan(&format!("{flags} --output json")).ended(code).report()
    }

    fn delete(&self, flags: &str) -> Ran {
        self.sandbox.issuerctl(&format!("delete -f issuer.yaml {flags}"))
    }

    /// Writes the file again with these texts replaced.
    fn edit(&self, edits: &[(&str, &str)]) {
        let text = edits.iter().fold(FILE.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        self.sandbox.file("issuer.yaml", &text);
    }

    fn aws(&self, line: &str) -> Value {
        let answer = self.sandbox.aws(line).succeeded();
        if answer.trim().is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    fn has(&self, line: &str) -> bool {
        self.sandbox.aws(line).code == Some(0)
    }
}

/// Text whose lines are not continued: a plan fits 80 columns.
fn unfolded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn run() {
    let bench = Bench::new();
    // From nothing: `plan` changes nothing, and after `apply` there is nothing left to do.
    let plan = bench.planned("", 7);
    plan.assert_actions(Action::Create, &DOCUMENTS);
    let others = [
        (Kind::Bucket, "my-oidc"),
        (Kind::OidcProvider, PROVIDER),
        (Kind::ManagedPolicy, "app-s3"),
        (Kind::Role, "app"),
        (Kind::Role, "second"),
    ];
    plan.assert_actions(Action::Create, &others);
    let summary = json!({"create": 7, "update": 0, "delete": 0, "keep": 0});
    assert_eq!(plan.object["summary"], summary);
    let text = bench.plan("").ended(7).out;
    assert!(text.contains(&format!("+ role app ({ROLE}/app)\n")), "{text}");
    assert!(text.contains("\"StringLike\""), "{text}");
    assert!(text.ends_with("\n7 to create, 0 to update, 0 to delete, 0 to keep\n"), "{text}");
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
    let nothing = bench.planned("", 0);
    nothing.assert_actions(Action::Keep, &DOCUMENTS);
    assert!(nothing.changes.iter().all(|change| change.action == Action::Keep), "{nothing:#?}");
    assert!(bench.plan("").ended(0).out.ends_with("\nno changes\n"));
    assert!(!bench.changed(""), "the second run changed something");

    // Drift: what issuerctl does not manage is kept and listed, what it manages is restored.
    bench.aws(
        "iam attach-role-policy --role-name app --policy-arn \
               arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
    );
    let theirs = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "Theirs",
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }]});
    bench.sandbox.file("theirs.json", &theirs.to_string());
    bench.aws("iam update-assume-role-policy --role-name app --policy-document file://theirs.json");
    bench.aws("iam delete-role-policy --role-name app --policy-name extra");
    let drift = bench.planned("", 7);
    let unmanaged = |name, value| Field::kept(name, value, Reason::Unmanaged);
    let kept = [unmanaged("statement", "Theirs"), unmanaged("attached_policy", FOREIGN)];
    drift.assert_fields(Kind::Role, "app", &kept);
    assert_eq!(drift.field(Kind::Role, "app", "trust_policy").action(), Action::Update);
    let inline = drift.field(Kind::Role, "app", "inline_policy");
    assert_eq!((inline.action(), inline.item.as_deref()), (Action::Create, Some("extra")));
    bench.apply("").ended(0);
    let role = bench.aws("iam get-role --role-name app");
    let sids: Vec<_> = role["Role"]["AssumeRolePolicyDocument"]["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["Sid"].clone())
        .collect();
    assert!(sids.len() == 2 && sids[0] == "Theirs", "{sids:?}");

    // The file changes: the plan shows before and after, and lists that are removed from the file
    // are deleted.
    bench.edit(&[
        ("jobs/*", "jobs/nightly"),
        ("data/*\"}]}}\n    managed", "data2/*\"}]}}\n    managed"),
        ("maxSessionDuration: 7200", "maxSessionDuration: 3600"),
        (POLICY_ARNS, ""),
        ("tags: {team: platform}}\n", "tags: {team: sre}, audiences: [sts.amazonaws.com]}\n"),
    ]);
    let change = bench.planned("", 7);
    let policy = |resource: &str| {
        json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}]})
    };
    let inline = Field::changed(
        "inline_policy",
        policy("arn:aws:s3:::data/*"),
        policy("arn:aws:s3:::data2/*"),
    );
    let fields = [
        Field::changed("max_session_duration_secs", 7200, 3600),
        Field::removed("attached_policy", READ_ONLY),
        inline.of("extra"),
    ];
    change.assert_fields(Kind::Role, "app", &fields);
    let team = Field::changed("tag", "platform", "sre").of("team");
    change.assert_fields(Kind::OidcProvider, PROVIDER, &[team]);
    // The text shows the changed lines of a policy.
    let text = bench.plan("").ended(7).out;
    for (sign, line) in [
        ("-", "\"Resource\": \"arn:aws:s3:::data/*\""),
        ("+", "\"Resource\": \"arn:aws:s3:::data2/*\""),
        ("-", "\"system:serviceaccount:jobs:*\""),
    ] {
        let shown = text.lines().filter_map(|shown| shown.trim_start().strip_prefix(sign));
        assert!(shown.into_iter().any(|shown| shown.trim_start() == line), "{line}: {text}");
    }
    bench.apply("").ended(0);
    bench.plan("").ended(0);

    // A role that is removed from the file is kept and listed; one that `role apply` created is
    // not this file's.
    bench
        .sandbox
        .issuerctl(
            "role apply by-hand --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod \
                    --service-account a/b",
        )
        .ended(0);
    let second = "  - name: second\n    path: /apps/\n    serviceAccounts: [default/second]\n";
    bench.edit(&[(second, "")]);
    bench.apply("").ended(0);
    let left = bench.planned("", 0);
    assert_eq!(left.change(Kind::Role, "second").reason, Some(Reason::NotInFile));
    assert_eq!(left.object["issuers"][0]["orphaned_roles"], json!(["second"]));
    assert!(!left.names(Kind::Role, "by-hand"));
    let text = bench.plan("").ended(0).out;
    assert!(unfolded(&text).contains("not in the file, kept; --prune deletes it"), "{text}");
    assert!(bench.has("iam get-role --role-name second"));
    bench.planned("--prune", 7).assert_actions(Action::Delete, &[(Kind::Role, "second")]);
    assert!(bench.changed("--prune"));
    assert!(
        !bench.has("iam get-role --role-name second")
            && bench.has("iam get-role --role-name by-hand")
    );

    // A second issuer with the same bucket and role: neither affects the other.
    let test = FILE
        .replace("{name: prod}", "{name: test}")
        .replace("prefix: prod", "prefix: test")
        .replace("amazonaws.com/prod", "amazonaws.com/test");
    bench
        .sandbox
        .file("test.yaml", &test.replace(second, "").replace("    managedPolicies", "    #"));
    bench.sandbox.issuerctl("apply -f test.yaml --no-verify").ended(0);
    let trust = |count: usize| {
        let role = bench.aws("iam get-role --role-name app");
        assert_eq!(
            role["Role"]["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap().len(),
            count
        );
    };
    trust(3);
    bench.sandbox.issuerctl("delete -f test.yaml").ended(0);
    trust(2);
    assert!(
        bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"),
        "the other issuer's keys are gone"
    );
    assert!(bench.has("s3api list-objects-v2 --bucket my-oidc"));

    // Deletion keeps what others added and created.
    bench.aws("s3api put-object --bucket my-oidc --key theirs");
    let dry = bench.delete("--dry-run --output json").ended(0).report();
    assert_eq!(dry.change(Kind::Bucket, "my-oidc").reason, Some(Reason::NotEmpty));
    dry.assert_fields(Kind::Bucket, "my-oidc", &[unmanaged("object", "theirs")]);
    assert!(bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"));
    let gone = bench.delete("--output json").ended(0).report();
    gone.assert_actions(Action::Delete, &DOCUMENTS);
    gone.assert_actions(Action::Update, &[(Kind::Role, "app")]);
    gone.assert_fields(Kind::Role, "app", &kept);
    assert!(!bench.has("s3api head-object --bucket my-oidc --key prod/keys.json"));
    assert!(
        !bench.has("s3api get-bucket-policy --bucket my-oidc"),
        "the statement of issuerctl is still there"
    );
    assert!(bench.has("s3api head-object --bucket my-oidc --key theirs"));
    trust(1);
    // Once the unmanaged object is gone, the empty bucket is deleted.
    bench.aws("s3api delete-object --bucket my-oidc --key theirs");
    bench.delete("").ended(0);
    assert!(!bench.has("s3api list-objects-v2 --bucket my-oidc"));
    bench.delete("").ended(0);

    // A bucket and a provider that others created are kept. A new moto, since moto remembers the
    // tags of a deleted bucket.
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
    let text = bench.delete("--dry-run").ended(0).out;
    assert!(
        unfolded(&text).contains("(not managed by issuerctl, kept; --force deletes it)"),
        "{text}"
    );
    let kept = bench.delete("--output json").ended(0).report();
    assert_eq!(kept.change(Kind::OidcProvider, PROVIDER).reason, Some(Reason::Unmanaged));
    for (kind, name) in DOCUMENTS {
        assert_eq!(kept.change(kind, name).reason, Some(Reason::StillTrusted));
    }
    // The documents are kept with the provider that still trusts them.
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

/// Users with the printed policies and no other permissions. moto ignores the resources of IAM
/// actions, so those statements get `*`; those of S3 are limited to the bucket. moto also signs a
/// form with a star or a space differently from the SDK, so the role has no pattern and only one
/// attachment.
pub(crate) fn least_privilege() {
    let bench = Bench::new();
    let file = FILE
        .replace("jobs/*", "jobs/nightly")
        .replace("data/*", "data/one")
        .replace(POLICY_ARNS, "");
    bench.sandbox.file("issuer.yaml", &file);
    let printed = |command: &str| -> Value {
        serde_json::from_str(
            &bench.sandbox.issuerctl(&format!("{command} --print-iam-policy")).succeeded(),
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
    assert!(!bench.has("iam get-role --role-name app"), "printing a policy created something");
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
        bench.sandbox.file("policy.json", &policy.to_string());
        bench.aws(&format!("iam create-user --user-name {name}"));
        bench.aws(&format!(
            "iam put-user-policy --user-name {name} --policy-name p --policy-document \
             file://policy.json"
        ));
        let keys = bench.aws(&format!("iam create-access-key --user-name {name}"));
        let text = |member: &str| keys["AccessKey"][member].as_str().unwrap().to_owned();
        (text("AccessKeyId"), text("SecretAccessKey"))
    });
    // Another role of the same issuer, which the policies of these users do not include.
    let by_hand = "role apply by-hand --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod \
                   --service-account a/b";
    bench.sandbox.issuerctl(by_hand).ended(0);
    bench.moto.enforce_policies();
    let [plan, apply, delete] = users.map(|(id, secret)| {
        let sandbox = Sandbox::new(&Authority::new())
            .with("AWS_ACCESS_KEY_ID", &id)
            .with("AWS_SECRET_ACCESS_KEY", &secret)
            .with("AWS_ENDPOINT_URL", bench.moto.url());
        sandbox.file("issuer.yaml", &file);
        std::fs::create_dir(sandbox.path().join("pki")).unwrap();
        std::fs::copy(bench.sandbox.path().join("pki/sa.pub"), sandbox.path().join("pki/sa.pub"))
            .unwrap();
        sandbox
    });
    plan.issuerctl("plan -f issuer.yaml").ended(7);
    let refused = plan.issuerctl("apply -f issuer.yaml --no-verify").ended(6);
    let line =
        r#"{"Effect": "Allow", "Action": ["s3:CreateBucket"], "Resource": "arn:aws:s3:::my-oidc"}"#;
    assert!(refused.err.contains(line), "{}", refused.err);
    apply.issuerctl("apply -f issuer.yaml --no-verify").ended(0);
    plan.issuerctl("plan -f issuer.yaml").ended(0);
    // Removing something from the file needs no further permissions.
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

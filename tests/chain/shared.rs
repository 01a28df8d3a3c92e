//! Issuers that share a bucket, a role or a provider, on moto: none deletes what another one needs.

use issuer_change::{Kind, Reason};
use issuerctl_e2e::{Moto, Ran, Sandbox};
use serde_json::Value;

struct Bench {
    sandbox: Sandbox,
    _moto: Moto,
}

/// A document of the file; `more` is appended to its spec.
fn document(name: &str, more: &str) -> String {
    format!(
        "---\napiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
         {name}}}\nspec:\n  keys: [{{file: pki/sa.pub}}]\n  store: {{s3: {{bucket: my-oidc, \
         prefix: {name}, region: us-west-2, createBucket: true}}}}\n  issuer: \
         https://my-oidc.s3.us-west-2.amazonaws.com/{name}\n{more}"
    )
}

fn role(policy: &str) -> String {
    format!(
        "  provider: {{}}\n  roles:\n  - {{name: app, serviceAccounts: [default/app], policyArns: \
         ['arn:aws:iam::aws:policy/{policy}']}}\n"
    )
}

impl Bench {
    fn new() -> Self {
        let moto = Moto::start();
        let sandbox = Sandbox::in_moto().with("AWS_ENDPOINT_URL", moto.url());
        sandbox.issuerctl("keygen --algorithm p256 --out-dir pki").succeeded();
        Self { sandbox, _moto: moto }
    }

    fn run(&self, verb: &str, documents: &str, flags: &str) -> Ran {
        self.sandbox.file("issuer.yaml", documents);
        let no_verify = if verb == "apply" { "--no-verify" } else { "" };
        self.sandbox.issuerctl(&format!("{verb} -f issuer.yaml {no_verify} {flags}"))
    }

    fn has(&self, line: &str) -> bool {
        self.sandbox.aws(line).code == Some(0)
    }

    /// Numbers of statements and of attached policies of the role.
    fn counts(&self) -> (usize, usize) {
        let role: Value =
            serde_json::from_str(&self.sandbox.aws("iam get-role --role-name app").succeeded())
                .unwrap();
        let attached =
            self.sandbox.aws("iam list-attached-role-policies --role-name app").succeeded();
        let attached: Value = serde_json::from_str(&attached).unwrap();
        let count = |value: &Value| value.as_array().unwrap().len();
        (
            count(&role["Role"]["AssumeRolePolicyDocument"]["Statement"]),
            count(&attached["AttachedPolicies"]),
        )
    }
}

pub(crate) fn run() {
    let bench = Bench::new();
    // Two documents attach different policies to one role: both are attached, and neither document
    // detaches the other's.
    let (one, two) = (
        document("one", &role("AmazonS3ReadOnlyAccess")),
        document("two", &role("IAMReadOnlyAccess")),
    );
    let both = format!("{one}{two}");
    bench.run("apply", &both, "").ended(0);
    assert_eq!(bench.counts(), (2, 2));
    for documents in [&both, &one, &two, &both] {
        bench.run("plan", documents, "").ended(0);
        bench.run("apply", documents, "").ended(0);
    }
    assert_eq!(bench.counts(), (2, 2));

    // The role moves from one document to the other, which comes first: only a statement is
    // removed.
    let (bare, moved) =
        (document("one", "  provider: {}\n"), document("two", &role("IAMReadOnlyAccess")));
    bench.run("apply", &format!("{moved}{bare}"), "--prune").ended(0);
    assert_eq!(bench.counts(), (1, 1));
    bench.run("plan", &format!("{moved}{bare}"), "--prune").ended(0);
    // The same if the other document has not been applied yet.
    bench.run("delete", &moved, "").ended(0);
    assert!(!bench.has("iam get-role --role-name app"));
    bench.run("apply", &document("one", &role("AmazonS3ReadOnlyAccess")), "").ended(0);
    bench.run("apply", &format!("{moved}{bare}"), "--prune").ended(0);
    assert_eq!(bench.counts(), (1, 1));

    // One run deletes everything.
    bench.run("apply", &both, "").ended(0);
    bench.run("delete", &both, "").ended(0);
    assert!(
        !bench.has("iam get-role --role-name app")
            && !bench.has("s3api list-objects-v2 --bucket my-oidc")
    );

    // Only documents in the file, and a provider from elsewhere that trusts them.
    let bench = Bench::new();
    let documents = document("one", "");
    bench.run("apply", &documents, "").ended(0);
    let issuer = "--issuer https://my-oidc.s3.us-west-2.amazonaws.com/one";
    bench.sandbox.issuerctl(&format!("provider apply {issuer} --no-verify")).ended(0);
    let kept = bench.run("delete", &documents, "--output json").ended(0).report();
    assert_eq!(kept.change(Kind::Document, "keys.json").reason, Some(Reason::StillTrusted));
    assert!(bench.has("s3api head-object --bucket my-oidc --key one/keys.json"));
    bench.sandbox.issuerctl(&format!("provider delete {issuer}")).ended(0);
    bench.run("delete", &documents, "").ended(0);
    assert!(!bench.has("s3api list-objects-v2 --bucket my-oidc"));

    // The last role is removed from a file without a provider: --prune still finds it.
    let alone = "  roles: [{name: app, serviceAccounts: [default/app]}]\n";
    let bench = Bench::new();
    bench.run("apply", &document("one", alone), "").ended(0);
    let printed =
        bench.run("apply", &document("one", ""), "--prune --print-iam-policy").succeeded();
    assert!(
        printed.contains("iam:DeleteRole") && printed.contains("123456789012:role/app"),
        "{printed}"
    );
    bench.run("plan", &document("one", ""), "--prune").ended(7);
    bench.run("apply", &document("one", ""), "--prune").ended(0);
    assert!(!bench.has("iam get-role --role-name app"));
}

//! `render`: CloudFormation creates from its template on one moto what `apply` creates on another,
//! and the Terraform configuration imports everything that exists.

use std::process::Command;

use issuer_change::Kind;
use issuerctl_e2e::{Moto, Ran, Sandbox, installed, repository};
use serde_json::{Value, json};

const ACCOUNT: &str = "arn:aws:iam::123456789012";

const FILE: &str = r#"
apiVersion: issuerctl.dev/v1alpha1
kind: ServiceAccountIssuer
metadata: {name: prod}
spec:
  keys: [{jwks: given.json}]
  store: {s3: {bucket: my-oidc, prefix: prod, region: us-west-2, createBucket: true}}
  issuer: https://my-oidc.s3.us-west-2.amazonaws.com/prod
  provider: {audiences: [sts.amazonaws.com, vault], tags: {team: platform}}
  roles:
  - name: app
    serviceAccounts: [default/app, jobs/*]
    policyArns: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
    inlinePolicies: {own-home: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/${aws:username}/*"}]}}
    managedPolicies: {app-s3: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/*"}]}}
    path: /apps/
    permissionsBoundary: arn:aws:iam::aws:policy/PowerUserAccess
    maxSessionDuration: 7200
    tags: {team: apps}
  - {name: vault, serviceAccounts: [vault/vault], audiences: [vault]}
"#;

/// An account that one of the tools changes.
struct Account<'a> {
    moto: Moto,
    sandbox: &'a Sandbox,
}

impl Account<'_> {
    fn issuerctl(&self, line: &str) -> Ran {
        self.sandbox.issuerctl(&format!("{line} --endpoint-url {}", self.moto.url()))
    }

    fn aws(&self, line: &str) -> Value {
        let answer =
            self.sandbox.aws(&format!("--endpoint-url {} {line}", self.moto.url())).succeeded();
        if answer.trim().is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    /// A role without its ID, creation date and the tags of issuerctl.
    fn role(&self, name: &str) -> Value {
        let role = self.aws(&format!("iam get-role --role-name {name}"))["Role"].clone();
        let tags = role["Tags"].as_array().cloned().unwrap_or_default();
        let mut wanted = json!({"Tags": unmanaged(tags)});
        for member in [
            "RoleName",
            "Path",
            "Arn",
            "AssumeRolePolicyDocument",
            "MaxSessionDuration",
            "PermissionsBoundary",
        ] {
            wanted[member] = role[member].clone();
        }
        wanted
    }

    /// An inline policy; moto's CloudFormation stores it as a Python literal.
    fn inline(&self, role: &str, policy: &str) -> Value {
        let found =
            self.aws(&format!("iam get-role-policy --role-name {role} --policy-name {policy}"));
        match &found["PolicyDocument"] {
            Value::String(text) => serde_json::from_str(&text.replace('\'', "\"")).unwrap(),
            document => document.clone(),
        }
    }

    fn managed(&self, policy: &str) -> Value {
        let arn = format!("{ACCOUNT}:policy/{policy}");
        let found = self.aws(&format!("iam get-policy-version --policy-arn {arn} --version-id v1"));
        found["PolicyVersion"]["Document"].clone()
    }
}

/// Tags other than those that issuerctl manages resources by.
fn unmanaged(tags: Vec<Value>) -> Vec<Value> {
    tags.into_iter()
        .filter(|tag| !tag["Key"].as_str().unwrap().starts_with("issuerctl.dev/"))
        .collect()
}

fn keys(case: &str) -> String {
    std::fs::read_to_string(repository().join(format!("fixtures/golden/cases/{case}/jwks.json")))
        .unwrap()
}

pub(crate) fn run() {
    let sandbox = Sandbox::in_moto();
    let sandbox = sandbox.with("AWS_DEFAULT_REGION", "us-west-2").with("AWS_REGION", "us-west-2");
    sandbox.file("issuer.yaml", FILE);
    sandbox.file("given.json", &keys("rsa2048"));

    let text = sandbox
        .issuerctl("render cloudformation -f issuer.yaml --account 123456789012")
        .succeeded();
    let template: Value = serde_json::from_str(&text).unwrap();
    sandbox.file("template.json", &text);
    sandbox
        .run(Command::new(installed("python/bin/cfn-lint")).args([
            "--region",
            "us-west-2",
            "--",
            "template.json",
        ]))
        .ended(0);

    let deployed = Account { moto: Moto::start(), sandbox: &sandbox };
    let deploy = "cloudformation deploy --stack-name issuer --template-file template.json \
                  --capabilities CAPABILITY_NAMED_IAM";
    sandbox.aws(&format!("--endpoint-url {} {deploy}", deployed.moto.url())).ended(0);
    let applied = Account { moto: Moto::start(), sandbox: &sandbox };
    applied.issuerctl("apply -f issuer.yaml --no-verify").ended(0);

    same_in_both(&deployed, &applied);
    same_in_the_template(&template, &applied);
    nothing_left_to_change(&deployed);
    terraform_imports_what_exists(&deployed, &applied);
}

/// Compares what moto's CloudFormation supports.
fn same_in_both(deployed: &Account<'_>, applied: &Account<'_>) {
    for role in ["app", "vault"] {
        assert_eq!(deployed.role(role), applied.role(role));
    }
    assert_eq!(deployed.inline("app", "own-home"), applied.inline("app", "own-home"));
    assert_eq!(deployed.managed("app-s3"), applied.managed("app-s3"));
    let location = "s3api get-bucket-location --bucket my-oidc";
    assert_eq!(deployed.aws(location), applied.aws(location));
}

/// Compares the template itself where moto's CloudFormation lacks a resource type.
fn same_in_the_template(template: &Value, applied: &Account<'_>) {
    let properties = |id: &str| &template["Resources"][id]["Properties"];
    let bucket = properties("BucketMyOidc");
    let block = applied.aws("s3api get-public-access-block --bucket my-oidc");
    assert_eq!(bucket["PublicAccessBlockConfiguration"], block["PublicAccessBlockConfiguration"]);
    let ownership = applied.aws("s3api get-bucket-ownership-controls --bucket my-oidc");
    assert_eq!(bucket["OwnershipControls"], ownership["OwnershipControls"]);
    let policy = applied.aws("s3api get-bucket-policy --bucket my-oidc")["Policy"]
        .as_str()
        .unwrap()
        .to_owned();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(properties("BucketPolicyMyOidc")["PolicyDocument"], policy);
    assert_eq!(properties("BucketPolicyMyOidc")["Bucket"], json!({"Ref": "BucketMyOidc"}));

    let arn = format!("{ACCOUNT}:oidc-provider/my-oidc.s3.us-west-2.amazonaws.com/prod");
    let provider = applied
        .aws(&format!("iam get-open-id-connect-provider --open-id-connect-provider-arn {arn}"));
    let rendered = properties("ProviderProd");
    assert_eq!(rendered["Url"], format!("https://{}", provider["Url"].as_str().unwrap()));
    assert_eq!(rendered["ClientIdList"], provider["ClientIDList"]);
    assert_eq!(rendered["Tags"], json!(unmanaged(provider["Tags"].as_array().unwrap().clone())));

    let attached =
        applied.aws("iam list-attached-role-policies --role-name app")["AttachedPolicies"].clone();
    let mut attached: Vec<Value> =
        attached.as_array().unwrap().iter().map(|one| one["PolicyArn"].clone()).collect();
    let made = |arn: &Value| {
        if arn["Ref"] == "PolicyAppS3" {
            json!(format!("{ACCOUNT}:policy/app-s3"))
        } else {
            arn.clone()
        }
    };
    let arns = properties("RoleApp")["ManagedPolicyArns"].as_array().unwrap();
    let mut rendered: Vec<Value> = arns.iter().map(made).collect();
    attached.sort_by_key(Value::to_string);
    rendered.sort_by_key(Value::to_string);
    assert_eq!(rendered, attached);
}

/// The trust policy of a role that CloudFormation created is the one that `role apply` would set.
fn nothing_left_to_change(deployed: &Account<'_>) {
    let changes_trust = |account: &str| {
        let ran = deployed.issuerctl(&format!(
            "role apply vault --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod --audience \
             vault --service-account {account} --dry-run --output json"
        ));
        let report = ran.ended(0).report();
        let role = report.change(Kind::Role, "vault");
        role.fields.iter().any(|field| field.name == "trust_policy")
    };
    assert!(!changes_trust("vault/vault") && changes_trust("vault/other"));
}

/// Imports for everything that exists and for nothing else; published keys are kept.
fn terraform_imports_what_exists(deployed: &Account<'_>, applied: &Account<'_>) {
    let sandbox = applied.sandbox;
    let ids = |hcl: &str| {
        hcl.lines()
            .filter_map(|line| line.strip_prefix("  id = "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let hcl = applied.issuerctl("render terraform -f issuer.yaml --import").succeeded();
    assert_eq!(ids(&hcl).len(), hcl.matches("\nresource ").count(), "{hcl}");
    assert!(
        !hcl.contains("issuerctl.dev/"),
        "the tags that issuerctl manages resources by would be deleted"
    );

    // The file now names another key: Terraform keeps the published one.
    sandbox.file("given.json", &keys("p256"));
    let hcl = applied.issuerctl("render terraform -f issuer.yaml --import").succeeded();
    for case in ["rsa2048", "p256"] {
        let set: Value = serde_json::from_str(&keys(case)).unwrap();
        assert!(hcl.contains(set["keys"][0]["kid"].as_str().unwrap()), "{case}: {hcl}");
    }
    let alone =
        sandbox.issuerctl("render terraform -f issuer.yaml --account 123456789012").succeeded();
    assert!(ids(&alone).is_empty() && !alone.contains("import"));

    // An account in which only the role exists.
    let vault = FILE
        .replace("my-oidc", "other-oidc")
        .replace("  - name: app\n", "  - name: fresh\n")
        .replace("app-s3", "fresh-s3");
    sandbox.file("other.yaml", &vault);
    let hcl = deployed.issuerctl("render terraform -f other.yaml --import").succeeded();
    assert_eq!(ids(&hcl), ["\"vault\""]);
    let needs = applied
        .issuerctl("render terraform -f issuer.yaml --import --print-iam-policy")
        .succeeded();
    assert!(needs.contains("s3:GetBucketTagging") && !needs.contains("Put"), "{needs}");
}

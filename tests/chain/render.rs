//! The file for other tools: what CloudFormation makes from it on moto is what `apply` makes on
//! another one, and Terraform is told of all that exists.

use std::process::Command;

use issuerctl_e2e::{Desk, Moto, Ran, installed, repository};
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

/// An account that some tool changes.
struct Account<'a> {
    moto: Moto,
    desk: &'a Desk,
}

impl Account<'_> {
    fn issuerctl(&self, line: &str) -> Ran {
        self.desk.issuerctl(&format!("{line} --endpoint-url {}", self.moto.url()))
    }

    fn aws(&self, line: &str) -> Value {
        let answer =
            self.desk.aws(&format!("--endpoint-url {} {line}", self.moto.url())).succeeded();
        if answer.trim().is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    /// Everything of a role but when it was made, and by whom.
    fn role(&self, name: &str) -> Value {
        let role = self.aws(&format!("iam get-role --role-name {name}"))["Role"].clone();
        let tags = role["Tags"].as_array().cloned().unwrap_or_default();
        let mut wanted = json!({"Tags": of_others(tags)});
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

    /// The inline policy; moto's CloudFormation keeps it as Python writes it.
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

/// Tags that issuerctl does not know its own by.
fn of_others(tags: Vec<Value>) -> Vec<Value> {
    tags.into_iter()
        .filter(|tag| !tag["Key"].as_str().unwrap().starts_with("issuerctl.dev/"))
        .collect()
}

fn keys(case: &str) -> String {
    std::fs::read_to_string(repository().join(format!("fixtures/golden/cases/{case}/jwks.json")))
        .unwrap()
}

pub(crate) fn run() {
    let desk = Desk::in_moto();
    let desk = desk.with("AWS_DEFAULT_REGION", "us-west-2").with("AWS_REGION", "us-west-2");
    desk.file("issuer.yaml", FILE);
    desk.file("given.json", &keys("rsa2048"));

    let text =
        desk.issuerctl("render cloudformation -f issuer.yaml --account 123456789012").succeeded();
    let template: Value = serde_json::from_str(&text).unwrap();
    desk.file("template.json", &text);
    desk.run(Command::new(installed("python/bin/cfn-lint")).args([
        "--region",
        "us-west-2",
        "--",
        "template.json",
    ]))
    .ended(0);

    let deployed = Account { moto: Moto::start(), desk: &desk };
    let deploy = "cloudformation deploy --stack-name issuer --template-file template.json \
                  --capabilities CAPABILITY_NAMED_IAM";
    desk.aws(&format!("--endpoint-url {} {deploy}", deployed.moto.url())).ended(0);
    let applied = Account { moto: Moto::start(), desk: &desk };
    applied.issuerctl("apply -f issuer.yaml --no-verify").ended(0);

    same_in_both(&deployed, &applied);
    same_in_the_template(&template, &applied);
    nothing_left_for_issuerctl(&deployed);
    terraform_is_told_what_exists(&deployed, &applied);
}

/// What moto's CloudFormation makes.
fn same_in_both(deployed: &Account<'_>, applied: &Account<'_>) {
    for role in ["app", "vault"] {
        assert_eq!(deployed.role(role), applied.role(role));
    }
    assert_eq!(deployed.inline("app", "own-home"), applied.inline("app", "own-home"));
    assert_eq!(deployed.managed("app-s3"), applied.managed("app-s3"));
    let location = "s3api get-bucket-location --bucket my-oidc";
    assert_eq!(deployed.aws(location), applied.aws(location));
}

/// What it lacks.
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
    assert_eq!(rendered["Tags"], json!(of_others(provider["Tags"].as_array().unwrap().clone())));

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

/// The trust policy of a role that CloudFormation made is the one that `apply` wants.
fn nothing_left_for_issuerctl(deployed: &Account<'_>) {
    let changes_trust = |account: &str| {
        let ran = deployed.issuerctl(&format!(
            "role apply vault --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod --audience \
             vault --service-account {account} --dry-run --output json"
        ));
        let plan: Value = serde_json::from_str(&ran.succeeded()).unwrap();
        plan["steps"]
            .as_array()
            .unwrap()
            .iter()
            .any(|step| step.as_str().unwrap().contains("trust"))
    };
    assert!(!changes_trust("vault/vault") && changes_trust("vault/other"));
}

/// Imports for all of it where all is there, and for nothing else; published keys stay.
fn terraform_is_told_what_exists(deployed: &Account<'_>, applied: &Account<'_>) {
    let desk = applied.desk;
    let ids = |hcl: &str| {
        hcl.lines()
            .filter_map(|line| line.strip_prefix("  id = "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let hcl = applied.issuerctl("render terraform -f issuer.yaml --import").succeeded();
    assert_eq!(ids(&hcl).len(), hcl.matches("\nresource ").count(), "{hcl}");
    assert!(!hcl.contains("issuerctl.dev/"), "what issuerctl knows its own by is given up");

    // The file names another key by now: the published one is not lost to Terraform.
    desk.file("given.json", &keys("p256"));
    let hcl = applied.issuerctl("render terraform -f issuer.yaml --import").succeeded();
    for case in ["rsa2048", "p256"] {
        let set: Value = serde_json::from_str(&keys(case)).unwrap();
        assert!(hcl.contains(set["keys"][0]["kid"].as_str().unwrap()), "{case}: {hcl}");
    }
    let alone =
        desk.issuerctl("render terraform -f issuer.yaml --account 123456789012").succeeded();
    assert!(ids(&alone).is_empty() && !alone.contains("import"));

    // A role alone, in an account that has no more than that.
    let vault = FILE
        .replace("my-oidc", "other-oidc")
        .replace("  - name: app\n", "  - name: fresh\n")
        .replace("app-s3", "fresh-s3");
    desk.file("other.yaml", &vault);
    let hcl = deployed.issuerctl("render terraform -f other.yaml --import").succeeded();
    assert_eq!(ids(&hcl), ["\"vault\""]);
    let needs = applied
        .issuerctl("render terraform -f issuer.yaml --import --print-iam-policy")
        .succeeded();
    assert!(needs.contains("s3:GetBucketTagging") && !needs.contains("Put"), "{needs}");
}

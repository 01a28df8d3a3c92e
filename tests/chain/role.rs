//! Roles in IAM, on moto: created, merged, reconciled, deleted.

use issuer_change::{Action, Field, Kind, Reason};
use issuerctl_e2e::{Moto, Ran, Sandbox};
use serde_json::{Value, json};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
const FOREIGN: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
const ACCOUNT: &str = "arn:aws:iam::123456789012";

struct Bench {
    moto: Moto,
    sandbox: Sandbox,
}

impl Bench {
    fn role(&self, verb: &str, name: &str, flags: &str) -> Ran {
        self.sandbox
            .issuerctl(&format!("role {verb} {name} --endpoint-url {} {flags}", self.moto.url()))
    }

    fn apply(&self, name: &str, prefix: &str, flags: &str) -> Ran {
        self.role("apply", name, &format!("--issuer https://h.example/{prefix} {flags}"))
    }

    fn aws(&self, line: &str) -> Value {
        let answer =
            self.sandbox.aws(&format!("--endpoint-url {} iam {line}", self.moto.url())).succeeded();
        if answer.trim().is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    fn trust(&self, name: &str) -> Vec<Value> {
        let role = self.aws(&format!("get-role --role-name {name}"));
        role["Role"]["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap().clone()
    }

    fn attached(&self, name: &str) -> Vec<String> {
        let list = self.aws(&format!("list-attached-role-policies --role-name {name}"));
        list["AttachedPolicies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["PolicyArn"].as_str().unwrap().to_owned())
            .collect()
    }

    fn changed(&self, name: &str, prefix: &str, flags: &str) -> bool {
        self.apply(name, prefix, &format!("{flags} --output json")).ended(0).report().changed()
    }
}

pub(crate) fn run() {
    let sandbox = Sandbox::in_moto();
    let bench = Bench { moto: Moto::start(), sandbox };
    let policy = |resource: &str| {
        json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}]})
    };
    bench.sandbox.file("extra.json", &policy("arn:aws:s3:::data/*").to_string());
    bench.sandbox.file("other.json", &policy("arn:aws:s3:::other/*").to_string());

    // Nothing exists yet.
    bench.role("show", "app", "").ended(3);
    bench.role("delete", "app", "").ended(0);

    // Created with every option; the second run changes nothing.
    let all = format!(
        "--service-account default/app --policy-arn {READ_ONLY} --inline-policy extra=extra.json \
         --managed-policy app-s3=extra.json --max-session-duration 7200 --tag team=platform"
    );
    bench.apply("app", "prod", &format!("{all} --dry-run")).ended(0);
    bench.role("show", "app", "").ended(3);
    let made = bench.apply("app", "prod", &all).ended(0);
    let line = format!(
        "kubectl annotate serviceaccount app --namespace default \
         eks.amazonaws.com/role-arn={ACCOUNT}:role/app --overwrite\n"
    );
    assert_eq!(made.out, line);
    assert_eq!(bench.trust("app").len(), 1);
    assert_eq!(bench.attached("app").len(), 2);
    assert!(!bench.changed("app", "prod", &all), "the second run changed something");
    let lint =
        "--issuer https://h.example/prod --service-account default/app --account 123456789012";
    bench.sandbox.file(
        "trust.json",
        &json!({"Version": "2012-10-17", "Statement": bench.trust("app")}).to_string(),
    );
    bench.sandbox.issuerctl(&format!("role lint trust.json {lint}")).ended(0);

    // A second issuer gets its own statement; what is not requested is kept.
    bench.apply("app", "test", "--service-account jobs/*").ended(0);
    assert_eq!((bench.trust("app").len(), bench.attached("app").len()), (2, 2));
    // Unmanaged additions.
    let mut theirs = bench.trust("app");
    theirs.push(json!({
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }));
    bench
        .sandbox
        .file("theirs.json", &json!({"Version": "2012-10-17", "Statement": theirs}).to_string());
    bench.aws("update-assume-role-policy --role-name app --policy-document file://theirs.json");
    bench.aws(&format!("attach-role-policy --role-name app --policy-arn {FOREIGN}"));

    // A new policy version, another inline policy, and one attachment less; what others added is
    // kept.
    let less = "--service-account default/app --inline-policy more=extra.json --managed-policy \
                app-s3=other.json --policy-arn arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    bench.apply("app", "prod", less).ended(0);
    let mut attached = bench.attached("app");
    attached.sort();
    let wanted = [
        format!("{ACCOUNT}:policy/app-s3"),
        FOREIGN.to_owned(),
        "arn:aws:iam::aws:policy/IAMReadOnlyAccess".to_owned(),
    ];
    assert_eq!(attached, wanted);
    assert_eq!(bench.trust("app").len(), 3);
    assert_eq!(bench.aws("list-role-policies --role-name app")["PolicyNames"], json!(["more"]));
    let version = bench.aws(&format!("get-policy --policy-arn {ACCOUNT}:policy/app-s3"));
    assert_eq!(version["Policy"]["DefaultVersionId"], "v2");
    assert!(!bench.changed("app", "prod", less));
    // IAM keeps five versions of a policy; the oldest is deleted to make room.
    for n in 0..6 {
        bench.sandbox.file("next.json", &policy(&format!("arn:aws:s3:::data-{n}/*")).to_string());
        bench
            .apply("app", "prod", "--service-account default/app --managed-policy app-s3=next.json")
            .ended(0);
    }

    // An unmanaged policy is not overwritten.
    bench.aws("create-policy --policy-name foreign --policy-document file://extra.json");
    bench
        .apply("app", "prod", "--service-account default/app --managed-policy foreign=other.json")
        .ended(4);

    // One issuer is removed, then everything of issuerctl; the role is kept because of what others
    // added.
    bench.role("delete", "app", "--issuer https://h.example/test").ended(0);
    assert_eq!(bench.trust("app").len(), 2);
    let kept = bench.role("delete", "app", "--output json").ended(0).report();
    let role = kept.change(Kind::Role, "app");
    assert_eq!((role.action, role.reason), (Action::Update, Some(Reason::InUse)));
    let unmanaged = Field::kept("attached_policy", FOREIGN, Reason::Unmanaged);
    kept.assert_fields(Kind::Role, "app", &[unmanaged]);
    assert_eq!(bench.trust("app").len(), 1);
    assert_eq!(bench.attached("app"), [FOREIGN]);

    // A role that only issuerctl manages is deleted with its policy.
    bench.apply("own", "prod", &all.replace("app-s3", "own-s3")).ended(0);
    bench.role("delete", "own", "--dry-run").ended(0);
    bench.role("show", "own", "").ended(0);
    bench.role("delete", "own", "").ended(0);
    bench.role("show", "own", "").ended(3);
    let gone = bench.sandbox.aws(&format!(
        "--endpoint-url {} iam get-policy --policy-arn {ACCOUNT}:policy/own-s3",
        bench.moto.url()
    ));
    assert_ne!(gone.code, Some(0));

    // Several clusters at once: no statement is lost.
    std::thread::scope(|scope| {
        for n in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                bench
                    .apply("many", &format!("cluster-{n}"), "--service-account default/app")
                    .ended(0)
            });
        }
    });
    assert_eq!(bench.trust("many").len(), 4);
    bench.role("delete", "many", "").ended(0);
    bench.role("show", "many", "").ended(3);

    // A role that was created with the printed trust policy is unmanaged, and its inline policy is
    // not overwritten.
    let printed = "role trust-policy --issuer https://h.example/prod --account 123456789012 \
                   --service-account default/app";
    bench.sandbox.file("printed.json", &bench.sandbox.issuerctl(printed).succeeded());
    bench.aws("create-role --role-name printed --assume-role-policy-document file://printed.json");
    bench.aws(
        "put-role-policy --role-name printed --policy-name extra --policy-document \
               file://extra.json",
    );
    bench.role("delete", "printed", "").ended(0);
    assert!(
        bench.trust("printed")[0]["Effect"] == "Allow",
        "a statement that issuerctl did not add was removed"
    );
    bench
        .apply("printed", "prod", "--service-account default/app --inline-policy extra=other.json")
        .ended(4);

    // A policy that does not exist is reported as such and not retried as a race.
    let nowhere = format!("--service-account default/app --policy-arn {READ_ONLY}Nope");
    let nope = bench.apply("nope", "prod", &nowhere).ended(3);
    assert!(nope.err.contains("Nope"), "{}", nope.err);

    // A role created by hand, without a statement of issuerctl, keeps everything it has.
    bench
        .sandbox
        .file("ec2.json", &json!({"Version": "2012-10-17", "Statement": theirs[2]}).to_string());
    bench.aws("create-role --role-name hand --assume-role-policy-document file://ec2.json");
    let adopted =
        bench.apply("hand", "prod", "--service-account default/app --output json").ended(0);
    assert!(adopted.report().has_notice("unmanaged-role"), "{adopted:?}");
    bench.role("delete", "hand", "").ended(0);
    assert_eq!(bench.trust("hand"), [theirs[2].clone()]);
}

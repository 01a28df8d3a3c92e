//! A private bucket behind CloudFront: the distribution comes first, since its ARN is in the bucket policy
//! and its domain is the issuer, and it goes last.

use std::process::Command;

use issuer_test_support::{AccountPolicy, CloudFrontServer};
use serde_json::Value;

use crate::desk::ended;
use crate::lab::{BUCKET, Lab};

/// The first ID that the server gives is that of the origin access control, the second one that of the
/// cache policy.
const ID: &str = "E0000000000003";
const ARN: &str = "arn:aws:cloudfront::111122223333:distribution/E0000000000003";
const ISSUER: &str = "https://e0000000000003.cloudfront.net";
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:111122223333:certificate/0a1b";

struct Site {
    lab: Lab,
    cloudfront: CloudFrontServer,
}

impl Site {
    /// Writes `issuer.yaml`, with these lines in `spec` and these members of the store.
    fn new(spec: &str, store: &str) -> Self {
        let (lab, cloudfront) = (Lab::new(), CloudFrontServer::start());
        lab.file(
            "issuer.yaml",
            &format!(
                "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
                 prod}}\nspec:\n  keys: [{{file: sa.pub}}]\n  store: {{s3: {{bucket: {BUCKET}, prefix: \
                 prod, region: us-west-2, createBucket: true, pathStyle: true, access: \
                 cloudfront{store}}}}}\n{spec}\n"
            ),
        );
        Self { lab, cloudfront }
    }

    #[track_caller]
    fn run(&self, line: &str, code: i32) -> (String, String) {
        ended(&self.command(line).output().unwrap(), code)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.lab.command(line);
        command
            .env("AWS_ENDPOINT_URL_S3", self.lab.s3.endpoint())
            .env("AWS_ENDPOINT_URL_CLOUDFRONT", self.cloudfront.url());
        command
    }

    fn json(&self, line: &str, code: i32) -> Value {
        serde_json::from_str(&self.run(&format!("{line} --output json"), code).0).unwrap()
    }
}

#[test]
fn a_private_bucket_has_its_distribution_first_and_then_an_issuer_that_follows_from_it() {
    let site =
        Site::new("  provider: {}\n  roles: [{name: app, serviceAccounts: [default/app]}]", "");
    // Nothing but the distribution can be planned, and a URL is not known.
    let (_, err) = site.run("url -f issuer.yaml", 3);
    assert!(err.contains("does not exist yet"), "{err}");
    let (out, err) = site.run("plan -f issuer.yaml", 7);
    assert!(out.contains("+ distribution") && !out.contains("keys.json"), "{out}");
    assert!(err.contains("planned once the distribution exists"), "{err}");
    let planned = site.json("plan -f issuer.yaml", 7);
    assert_eq!(planned["issuers"][0]["issuer"], "");
    assert!(site.cloudfront.distributions().is_empty() && site.lab.s3.dump().is_empty());

    let applied = site.json("apply -f issuer.yaml --no-verify", 0);
    assert_eq!(applied["issuers"][0]["issuer"], ISSUER);
    assert_eq!(applied["issuers"][0]["changes"][0]["resource"]["kind"], "distribution");
    let there = site.cloudfront.distributions()[ID].clone();
    for (name, value) in [
        ("DomainName", "my-oidc.s3.us-west-2.amazonaws.com"),
        ("OriginPath", "/prod"),
        ("ViewerProtocolPolicy", "https-only"),
        ("Comment", "issuerctl s3://my-oidc/prod"),
        ("Enabled", "true"),
    ] {
        assert_eq!(there.element(name), value, "{}", there.config);
    }
    // CloudFront alone can read the two documents, and the block stays on.
    for key in ["prod/keys.json", "prod/.well-known/openid-configuration"] {
        assert!(
            site.lab.s3.is_readable_by(BUCKET, key, ARN) && !site.lab.s3.is_readable(BUCKET, key)
        );
    }
    assert!(!site.lab.s3.is_readable_by(BUCKET, "prod/.issuerctl/history/1", ARN));
    assert_eq!(site.lab.s3.block(BUCKET), Some([true; 4]));
    let document = site.lab.s3.get(BUCKET, "prod/.well-known/openid-configuration").unwrap();
    assert!(String::from_utf8(document).unwrap().contains(&format!("\"{ISSUER}\"")));

    // Found again.
    assert_eq!(site.run("url -f issuer.yaml", 0).0, format!("{ISSUER}\n"));
    site.run("plan -f issuer.yaml", 0);
    site.cloudfront.take_log();
    site.run("apply -f issuer.yaml --no-verify", 0);
    let log = site.cloudfront.take_log();
    assert!(log.iter().all(|line| line.starts_with("GET ")), "{log:?}");
    assert_eq!(site.cloudfront.others(), (1, 1));
}

#[test]
fn a_distribution_that_somebody_changed_is_mended_and_other_settings_are_kept() {
    let site = Site::new("", "");
    site.run("apply -f issuer.yaml --no-verify", 0);
    site.cloudfront.change(ID, "https-only", "allow-all");
    site.cloudfront.change(ID, "<IsIPV6Enabled>true", "<IsIPV6Enabled>false");
    let (out, _) = site.run("plan -f issuer.yaml", 7);
    assert!(out.contains("viewer protocol policy  allow-all -> https-only"), "{out}");
    site.run("apply -f issuer.yaml --no-verify", 0);
    let there = site.cloudfront.distributions()[ID].clone();
    assert_eq!(there.element("ViewerProtocolPolicy"), "https-only");
    assert_eq!(there.element("IsIPV6Enabled"), "false");
    site.run("plan -f issuer.yaml", 0);
}

#[test]
fn an_issuer_with_a_domain_of_its_own_has_its_certificate_and_a_hint_about_its_name() {
    let site = Site::new(
        "  issuer: https://oidc.example.com/prod",
        &format!(", certificateArn: \"{CERTIFICATE}\""),
    );
    let (_, err) = site.run("apply -f issuer.yaml --no-verify", 0);
    assert!(err.contains("oidc.example.com must lead to e0000000000003.cloudfront.net"), "{err}");
    let there = site.cloudfront.distributions()[ID].clone();
    assert_eq!(there.element("CNAME"), "oidc.example.com");
    assert_eq!(there.element("ACMCertificateArn"), CERTIFICATE);
    // The path of the issuer is a part of the key already.
    assert_eq!(there.element("OriginPath"), "");
    site.run("plan -f issuer.yaml", 0);
    let line = "publish --key sa.pub --to s3://my-oidc/test --region us-west-2 --access cloudfront \
                --issuer https://oidc.example.com/test --no-verify --certificate-arn";
    let (_, err) = site.run(&format!("{line} {CERTIFICATE}"), 4);
    assert!(err.contains("another distribution has the domain oidc.example.com"), "{err}");
    let (_, err) = site.run(&line.replace(" --certificate-arn", ""), 3);
    assert!(err.contains("aws acm request-certificate --region us-east-1"), "{err}");
}

#[test]
fn publish_creates_the_distribution_and_prints_the_issuer() {
    let site = Site::new("", "");
    let line = "publish --key sa.pub --to s3://my-oidc --region us-west-2 --create-bucket --path-style \
                --access cloudfront --no-verify";
    let (out, err) = site.run(&format!("{line} --dry-run"), 0);
    assert!(out.contains("+ distribution") && err.contains("planned once"), "{out}{err}");
    assert_eq!(site.json(&format!("{line} --dry-run"), 0)["issuer"], "");
    assert!(site.cloudfront.distributions().is_empty());
    assert_eq!(site.run(line, 0).0, format!("{ISSUER}\n"));
    let url = "url --to s3://my-oidc --region us-west-2 --access cloudfront";
    assert_eq!(site.run(url, 0).0, format!("{ISSUER}\n"));
    // What a run left that was not permitted to go on is continued.
    site.run(line, 0);
    assert_eq!(site.cloudfront.distributions().len(), 1);
}

#[test]
fn a_run_that_could_not_go_on_is_continued_by_the_next_one() {
    let site = Site::new("", "");
    site.cloudfront.deny("POST distribution");
    let (_, err) = site.run("apply -f issuer.yaml --no-verify", 6);
    assert!(err.contains("cloudfront:CreateDistribution"), "{err}");
    assert!(site.lab.s3.dump().is_empty(), "something was published that nobody can read");
    site.cloudfront.allow_everything();
    site.run("apply -f issuer.yaml --no-verify", 0);
    assert_eq!(site.cloudfront.others(), (1, 1));
}

#[test]
fn no_distribution_is_created_for_what_would_be_refused_afterwards() {
    let missing = "arn:aws:iam::111122223333:policy/later";
    let roles = format!(
        "  roles: [{{name: app, serviceAccounts: [default/app], policyArns: [\"{missing}\"]}}]"
    );
    let site = Site::new(&roles, "");
    for line in ["plan -f issuer.yaml", "apply -f issuer.yaml --no-verify"] {
        let (_, err) = site.run(line, 3);
        assert!(err.contains("spec.roles[0].policyArns[0]"), "{err}");
    }
    let publish = "publish --key none.pub --to s3://my-oidc --region us-west-2 --create-bucket \
                   --path-style --access cloudfront --no-verify";
    site.run(publish, 3);
    let log = site.cloudfront.take_log();
    assert!(!log.is_empty() && log.iter().all(|line| line.starts_with("GET ")), "{log:?}");
    assert!(site.lab.s3.dump().is_empty());
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": []});
    let policy = AccountPolicy::new("later", &document);
    site.lab.iam.change(|account| account.add_policy(policy));
    site.run("apply -f issuer.yaml --no-verify", 0);
}

#[test]
fn keys_from_a_pipe_are_read_once_although_the_distribution_comes_between_plan_and_write() {
    let site = Site::new("", "");
    let line = "publish --key - --to s3://my-oidc --region us-west-2 --create-bucket --path-style \
                --access cloudfront --no-verify";
    let key = std::fs::File::open(site.lab.path("sa.pub")).unwrap();
    let mut command = site.command(line);
    let (out, _) = ended(&command.stdin(key).output().unwrap(), 0);
    assert_eq!(out, format!("{ISSUER}\n"));
}

#[test]
fn a_deletion_disables_the_distribution_waits_and_deletes_it_last() {
    let site = Site::new("", "");
    site.run("apply -f issuer.yaml --no-verify", 0);
    let (out, err) = site.run("delete -f issuer.yaml --dry-run", 0);
    assert!(out.contains("- distribution E0000000000003"), "{out}");
    assert!(err.contains("is disabled first"), "{err}");
    // A run that was ended while it waited is continued.
    site.cloudfront.deny("DELETE distribution/E0000000000003");
    site.run("delete -f issuer.yaml", 6);
    assert_eq!(site.cloudfront.distributions()[ID].element("Enabled"), "false");
    assert!(site.lab.s3.get(BUCKET, "prod/keys.json").is_none());
    site.cloudfront.allow_everything();
    site.run("delete -f issuer.yaml", 0);
    assert!(site.cloudfront.distributions().is_empty());
    assert_eq!(site.cloudfront.others(), (0, 0));
    assert!(site.lab.s3.dump().is_empty());
}

#[test]
fn a_deletion_that_ended_after_the_distribution_takes_what_it_referred_to() {
    let own = format!(", certificateArn: \"{CERTIFICATE}\"");
    for (spec, store) in [("", ""), ("  issuer: https://oidc.example.com/prod", own.as_str())] {
        let site = Site::new(spec, store);
        site.run("apply -f issuer.yaml --no-verify", 0);
        for (denied, left) in [
            ("DELETE origin-access-control/E0000000000001", (1, 1)),
            ("DELETE cache-policy/E0000000000002", (0, 1)),
        ] {
            site.cloudfront.deny(denied);
            site.run("delete -f issuer.yaml", 6);
            assert!(site.cloudfront.distributions().is_empty());
            assert_eq!(site.cloudfront.others(), left);
            site.cloudfront.allow_everything();
        }
        let (out, err) = site.run("delete -f issuer.yaml --dry-run", 0);
        assert!(out.contains("- distribution") && out.contains("E0000000000002"), "{out}");
        // Without an issuer of its own, it was the domain.
        assert_eq!(err.contains("stands in for it"), spec.is_empty(), "{err}");
        site.run("delete -f issuer.yaml", 0);
        assert_eq!(site.cloudfront.others(), (0, 0));
        let (out, _) = site.run("delete -f issuer.yaml --dry-run", 0);
        assert!(!out.contains("distribution"), "{out}");
    }
}

#[test]
fn a_deletion_leaves_a_cache_policy_that_another_distribution_uses() {
    let site = Site::new("", "");
    site.run("apply -f issuer.yaml --no-verify", 0);
    let line = "publish --key sa.pub --to s3://my-oidc/test --region us-west-2 --path-style --access \
                cloudfront --no-verify";
    site.run(line, 0);
    site.cloudfront.deploy_everything();
    site.cloudfront.deny("DELETE origin-access-control/E0000000000001");
    site.run("delete -f issuer.yaml", 6);
    site.cloudfront.allow_everything();
    let (out, _) = site.run("delete -f issuer.yaml --dry-run", 0);
    assert!(out.contains("E0000000000001") && !out.contains("E0000000000002"), "{out}");
    site.run("delete -f issuer.yaml", 0);
    assert_eq!((site.cloudfront.distributions().len(), site.cloudfront.others()), (1, (1, 1)));
}

//! From a file to what is wanted, without any I/O.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::RoleSpec;
use issuer_reconcile::{Defaults, KeySource, Target};

const FILE: &str = "
apiVersion: issuerctl.dev/v1alpha1
kind: ServiceAccountIssuer
metadata: {name: prod}
spec:
  keys: [{cluster: {name: prod}}, {file: old-sa.pub}]
  store: {s3: {bucket: my-oidc, prefix: prod}}
  provider: {audiences: [a, b], tags: {cost: 17}, thumbprints: [auto]}
  roles:
  - name: app
    serviceAccounts: [default/app]
";

fn target(text: &str, defaults: &Defaults) -> Target {
    let issuers = issuer_manifest::parse(text).unwrap();
    Target::from_issuer(&issuers[0], "/deploy".as_ref(), defaults)
}

fn url() -> IssuerUrl {
    IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).unwrap()
}

fn roles(target: &Target) -> Vec<RoleSpec> {
    let account = "111122223333".parse().unwrap();
    target.role_specs(&url(), &account, Partition::of_region("us-west-2"))
}

#[test]
fn a_target_is_planned_before_its_distribution_exists_without_anything_that_only_that_has() {
    let first = target(FILE, &Defaults::default());
    assert!(first.needs_top_of_chain() && first.issuer.is_none());
    let early = first.clone().before_front();
    assert!(!early.needs_top_of_chain() && early.issuer.is_some());
    // An issuer with a domain of its own is known.
    let own = Target { issuer: Some(url()), ..first }.before_front();
    assert_eq!(own.issuer, Some(url()));
}

#[test]
fn a_role_has_the_audiences_of_the_provider_unless_it_says_otherwise() {
    let audiences = |text: &str| {
        let role = &roles(&target(text, &Defaults::default()))[0];
        role.trust.audiences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(audiences(FILE), ["a", "b"]);
    let own = FILE.replace("  - name: app\n", "  - name: app\n    audiences: [b]\n");
    assert_eq!(audiences(&own), ["b"]);
    let without = FILE.replace("  provider:", "  # provider:");
    assert_eq!(audiences(&without), ["sts.amazonaws.com"]);
}

#[test]
fn a_role_remembers_its_file_and_lists_that_are_left_out_are_empty() {
    let role = &roles(&target(FILE, &Defaults::default()))[0];
    assert_eq!(role.file.as_deref(), Some("prod"));
    assert_eq!(role.policy_arns.as_deref(), Some(&[][..]));
    assert_eq!((role.path.as_ref(), role.max_session_secs), (None, None));
}

#[test]
fn a_thumbprint_that_is_auto_is_left_out_until_it_is_known() {
    let target = target(FILE, &Defaults::default());
    assert!(target.needs_top_of_chain());
    assert_eq!(target.provider_spec(&url(), None).unwrap().thumbprints, []);
    let top = "a".repeat(40).parse().unwrap();
    assert_eq!(target.provider_spec(&url(), Some(&top)).unwrap().thumbprints, [top]);
}

#[test]
fn paths_are_relative_to_the_file_and_the_run_fills_in_what_the_file_leaves_out() {
    let mut defaults = Defaults { region: Some("eu-west-1".to_owned()), ..Defaults::default() };
    defaults.connection.context = Some("mgmt".to_owned());
    let target = target(FILE, &defaults);
    let [KeySource::Secret { connection, .. }, KeySource::File(file)] =
        &target.site.as_ref().unwrap().keys[..]
    else {
        unreachable!()
    };
    assert_eq!(connection.context.as_deref(), Some("mgmt"));
    assert_eq!(file.to_str(), Some("/deploy/old-sa.pub"));
    assert_eq!(target.s3().unwrap().1.region.as_deref(), Some("eu-west-1"));
}

//! Files as people write them, worked out as the command does.

use issuer_cloudfront::FrontSpec;
use issuer_discovery::{Discovery, IssuerUrl, Partition, Ports, Shape};
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_manifest::{Issuer, StoreSpec, parse};
use issuer_publish::{AccessMode, S3Options};
use issuer_reconcile::{Defaults, Target};
use issuer_render::{RenderedDocuments, RenderedSite, Rendering};

pub(crate) const ACCOUNT: &str = "111122223333";

/// Everything that a document can say.
pub(crate) const WHOLE: &str = r#"
apiVersion: issuerctl.dev/v1alpha1
kind: ServiceAccountIssuer
metadata: {name: prod}
spec:
  keys: [{file: sa.pub}]
  store: {s3: {bucket: my-oidc, prefix: prod, region: us-west-2, createBucket: true}}
  provider: {audiences: [sts.amazonaws.com, vault], tags: {team: platform, cost centre: "17"}}
  roles:
  - name: app
    serviceAccounts: [default/app, jobs/*]
    policyArns: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
    inlinePolicies: {own-home: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/${aws:username}/*"}]}}
    managedPolicies: {app-s3: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/*"}}}
    path: /apps/
    permissionsBoundary: arn:aws:iam::111122223333:policy/boundary
    maxSessionDuration: 7200
    tags: {team: apps}
  - name: vault
    serviceAccounts: [vault/vault]
    audiences: [vault]
"#;

/// One with nothing but a name, a place and a role.
pub(crate) const SMALL: &str = r#"
apiVersion: issuerctl.dev/v1alpha1
kind: ServiceAccountIssuer
metadata: {name: test}
spec:
  keys: [{file: sa.pub}]
  store: {s3: {bucket: my-oidc, prefix: test, region: us-west-2}}
  provider: {}
  roles:
  - {name: app, serviceAccounts: [default/app]}
"#;

pub(crate) fn keys_json() -> Vec<u8> {
    std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/golden/cases/rsa2048/jwks.json"
    ))
    .unwrap()
}

/// The documents of a file.
pub(crate) fn renderings(text: &str) -> Vec<Rendering> {
    parse(text).unwrap().iter().map(rendering).collect()
}

fn rendering(issuer: &Issuer) -> Rendering {
    let s3 = match &issuer.spec.store {
        Some(StoreSpec::S3(s3)) => Some(s3),
        _ => None,
    };
    let region = s3.and_then(|s3| s3.region.clone()).unwrap_or_default();
    let url = issuer.spec.issuer.clone().unwrap_or_else(|| {
        let url = s3.unwrap().location().issuer_url(&region, None, false).unwrap();
        IssuerUrl::parse(&url, Ports::Refuse).unwrap()
    });
    let partition = Partition::of_region(&region);
    let account = ACCOUNT.parse().unwrap();
    let target = Target::from_issuer(issuer, "".as_ref(), &Defaults::default());
    let provider = target.provider_spec(&url, None);
    let roles = target.role_specs(&url, &account, partition);
    let site = s3.map(|s3| RenderedSite {
        location: s3.location(),
        region: region.clone(),
        create_bucket: s3.create_bucket,
        access: s3.access,
        shared_bucket: s3.shared_bucket,
        front: (s3.access == AccessMode::CloudFront).then(|| {
            let (at, certificate) = (s3.location(), s3.certificate_arn.as_deref());
            FrontSpec::new(&at, &region, Some(&url), certificate, s3.max_age).unwrap()
        }),
        cache_control: S3Options { max_age_secs: s3.max_age, ..S3Options::default() }
            .cache_control(),
        documents: Some(RenderedDocuments {
            keys_json: keys_json(),
            discovery_json: discovery_json(&url),
        }),
        publish_line: format!(
            "issuerctl publish --key sa.pub --to {} --region us-west-2",
            s3.location()
        ),
    });
    let name = issuer.name().to_owned();
    Rendering { name, issuer: url, account, partition, site, provider, roles }
}

fn discovery_json(url: &IssuerUrl) -> Vec<u8> {
    let keys = JwkSet::parse(&keys_json(), WeakKeys::Refuse).unwrap();
    Discovery::new(url.clone(), None, keys.algorithms(), Shape::Irsa)
        .unwrap()
        .to_json()
        .into_bytes()
}

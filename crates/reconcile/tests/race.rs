//! Two writers whose clusters are different publish to the same empty place at once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use issuer_discovery::{IssuerUrl, Ports};
use issuer_jwks::{JwkSet, KeyKind, generate};
use issuer_reconcile::{
    ClusterKeys, Error, IssuerPlan, KeySource, Reconciler, Scope, Shared, Silent, SiteTarget,
    StoreTarget, Target,
};
use issuer_session::SessionOptions;
use issuer_verify::{Authorities, FetchOptions};

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

fn target(folder: &Path, key: &str) -> Target {
    let mut site = SiteTarget::of(StoreTarget::Folder(folder.join("site")));
    site.keys = vec![KeySource::File(folder.join(key))];
    let issuer = IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).unwrap();
    Target { site: Some(site), ..Target::of(issuer) }
}

#[tokio::test]
async fn the_loser_of_a_race_adds_no_keys_of_another_cluster_to_the_site_of_the_winner() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| {
        let key = generate(KeyKind::P256).unwrap().public;
        std::fs::write(folder.path().join(name), key.to_spki_pem()).unwrap();
        key
    });
    let fetch = FetchOptions::new(Authorities::default());
    let shared = Arc::new(Shared::new(SessionOptions::default(), fetch, read));
    let engine = Reconciler::of(&shared, &Silent);

    // Nothing is published when the second one plans.
    let late = target(folder.path(), "second");
    let mut seen = engine.observe(&late, Scope::apply(false)).await.unwrap();
    seen.keys.clusters.push(ClusterKeys {
        place: "Secret clusters/second-sa".to_owned(),
        source: late.site.as_ref().unwrap().keys[0].clone(),
        issuer: None,
        keys: JwkSet::from_keys([second]).unwrap(),
    });
    let mut planned = IssuerPlan::new(&late, &seen, false).unwrap();

    let early = target(folder.path(), "first");
    let there = engine.observe(&early, Scope::apply(false)).await.unwrap();
    let mut plan = IssuerPlan::new(&early, &there, false).unwrap();
    engine.apply(&early, &there, &mut plan, false).await.unwrap();

    let lost = engine.apply(&late, &seen, &mut planned, false).await;
    assert!(matches!(lost, Err(Error::OtherCluster { .. })), "{lost:?}");
    let published = std::fs::read_to_string(folder.path().join("site/keys.json")).unwrap();
    assert!(published.contains(first.kid().as_str()), "{published}");
    assert_eq!(published.matches("\"kid\"").count(), 1, "{published}");
}

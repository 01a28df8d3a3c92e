//! Whose keys are not added to the published ones: those of the loser of a race, and of a JWK Set for which nobody
//! answers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use issuer_discovery::{IssuerUrl, Ports};
use issuer_jwks::{JwkSet, KeyKind, generate};
use issuer_reconcile::{
    ClusterKeys, Error, IssuerPlan, KeySource, OtherCluster, Reconciler, Scope, Shared, Silent,
    SiteTarget, StoreTarget, Target,
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

#[tokio::test]
async fn a_jwk_set_at_a_url_adds_keys_to_those_of_others_only_if_a_person_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["own", "theirs"] {
        let key = generate(KeyKind::P256).unwrap().public;
        std::fs::write(folder.path().join(name), key.to_spki_pem()).unwrap();
    }
    let fetch = FetchOptions::new(Authorities::default());
    let shared = Arc::new(Shared::new(SessionOptions::default(), fetch, read));
    let engine = Reconciler::of(&shared, &Silent);
    let early = target(folder.path(), "theirs");
    let there = engine.observe(&early, Scope::apply(false)).await.unwrap();
    let mut plan = IssuerPlan::new(&early, &there, false).unwrap();
    engine.apply(&early, &there, &mut plan, false).await.unwrap();

    let source = |name: &str| KeySource::File(folder.path().join(name));
    for (names, other_cluster, is_refused) in [
        (&["own"][..], OtherCluster::RefuseSets, true),
        // What else is given proves nothing about the set.
        (&["own", "theirs"], OtherCluster::RefuseSets, true),
        (&["theirs"], OtherCluster::RefuseSets, false),
        (&["own"], OtherCluster::Refuse, false),
        (&["own"], OtherCluster::KnownSecret, false),
    ] {
        let mut wanted = target(folder.path(), "own");
        let site = wanted.site.as_mut().unwrap();
        site.keys = names.iter().map(|name| source(name)).collect();
        site.other_cluster = other_cluster;
        let mut seen = engine.observe(&wanted, Scope::apply(false)).await.unwrap();
        // As it was read from a URL.
        let set = issuer_reconcile::read_files(&[source(names[0])], Default::default(), read);
        seen.keys.sets.push(ClusterKeys {
            place: "the JWK Set https://keys.example.com".to_owned(),
            source: source(names[0]),
            issuer: None,
            keys: set.unwrap().keys,
        });
        let planned = IssuerPlan::new(&wanted, &seen, false);
        let refused = matches!(planned, Err(Error::OtherCluster { .. }));
        assert_eq!(refused, is_refused, "{names:?} {other_cluster:?}: {planned:?}");
    }
}

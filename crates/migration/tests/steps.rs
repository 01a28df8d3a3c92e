//! A migration from its first step to its last, and what must not be missed on the way.

use issuer_diagnostic::{Check, Fault};
use issuer_distribution::Distribution;
use issuer_migration::{
    ApiServer, Cluster, Facts, Known, Migration, Options, Providers, Status, Step, TokenPod,
    TrustedRole, steps,
};
use proptest::prelude::*;

const OLD: &str = "https://old.s3.us-west-2.amazonaws.com/prod";
const NEW: &str = "https://new.s3.us-west-2.amazonaws.com/prod";
const SIGNED_SECS: u64 = 1_795_687_200;
const DAY_SECS: u64 = 24 * 60 * 60;

/// A cluster that has only the old issuer, with one role.
fn before() -> Facts {
    let mut facts = Facts::unknown("not read");
    let fault = Fault::new("the discovery document does not exist", "publish it");
    facts.documents = Known::Seen(Some(Check::fail("discovery-reachable", "no key", fault)));
    facts.old_documents = Known::Seen(true);
    facts.providers =
        Known::Seen(Providers { old: Some(strings(&["sts.amazonaws.com"])), new: None });
    facts.roles = Known::Seen(vec![TrustedRole {
        name: "app".to_owned(),
        old: strings(&["default/app"]),
        is_ours: true,
        ..TrustedRole::default()
    }]);
    facts.cluster = Known::Seen(Cluster {
        signing: OLD.to_owned(),
        servers: vec![server("a", &[OLD]), server("b", &[OLD])],
        pods: vec![TokenPod {
            namespace: "default".to_owned(),
            name: "app-1".to_owned(),
            created_secs: SIGNED_SECS - 5,
        }],
    });
    facts.now_secs = SIGNED_SECS + 60;
    facts
}

fn server(name: &str, issuers: &[&str]) -> ApiServer {
    let started_secs = Some(SIGNED_SECS);
    ApiServer { name: format!("kube-apiserver-{name}"), issuers: strings(issuers), started_secs }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn cluster(facts: &mut Facts) -> &mut Cluster {
    match &mut facts.cluster {
        Known::Seen(cluster) => cluster,
        Known::Unknown(reason) => unreachable!("{reason}"),
    }
}

fn flags(facts: &mut Facts, a: &[&str], b: &[&str]) {
    let cluster = cluster(facts);
    cluster.signing = a[0].to_owned();
    cluster.servers = vec![server("a", a), server("b", b)];
}

fn next(facts: &Facts) -> Step {
    let mut all = steps(&Migration::new(OLD, NEW), facts).into_iter();
    all.find(|step| !step.status.is_settled()).unwrap_or_else(|| unreachable!("all is done"))
}

#[test]
fn each_step_is_next_when_the_one_before_it_is_done_and_names_its_command() {
    let mut facts = before();
    let is_next = |facts: &Facts, id: &str, command: &str| {
        let step = next(facts);
        assert_eq!((step.id, step.status), (id, Status::Next), "{step:?}");
        assert!(step.commands.iter().any(|line| line.starts_with(command)), "{step:?}");
    };
    is_next(
        &facts,
        "documents",
        &format!("issuerctl publish --apiserver --issuer {NEW} --to s3://new/prod"),
    );
    facts.documents = Known::Seen(None);
    is_next(&facts, "provider", &format!("issuerctl provider apply --issuer {NEW}"));
    let old = Some(strings(&["sts.amazonaws.com"]));
    facts.providers = Known::Seen(Providers { old: old.clone(), new: old.clone() });
    is_next(
        &facts,
        "trust",
        &format!("issuerctl role apply app --issuer {NEW} --service-account default/app --add"),
    );
    let Known::Seen(roles) = &mut facts.roles else { unreachable!() };
    roles[0].new = strings(&["default/app"]);
    let render = "issuerctl render DISTRIBUTION --issuer";
    is_next(&facts, "accept", &format!("{render} {OLD} --keep-issuer {NEW} --into"));
    flags(&mut facts, &[OLD, NEW], &[OLD]);
    assert!(next(&facts).finding.contains("1 of 2 API servers accept; not yet: kube-apiserver-b"));
    flags(&mut facts, &[OLD, NEW], &[OLD, NEW]);
    is_next(&facts, "sign", &format!("{render} {NEW} --keep-issuer {OLD} --into"));
    flags(&mut facts, &[NEW, OLD], &[OLD, NEW]);
    is_next(&facts, "sign", &format!("{render} {NEW} --keep-issuer {OLD} --into"));
    flags(&mut facts, &[NEW, OLD], &[NEW, OLD]);
    is_next(
        &facts,
        "tokens",
        "kubectl rollout restart deployment,statefulset,daemonset -n default",
    );
    facts.now_secs = SIGNED_SECS + DAY_SECS;
    is_next(&facts, "drop", &format!("{render} {NEW} --drop-issuer {OLD} --into"));
    flags(&mut facts, &[NEW], &[NEW]);
    is_next(&facts, "old-trust", &format!("issuerctl role delete app --issuer {OLD}"));
    let Known::Seen(roles) = &mut facts.roles else { unreachable!() };
    roles[0].old.clear();
    is_next(&facts, "old-provider", &format!("issuerctl provider delete --issuer {OLD}"));
    facts.providers = Known::Seen(Providers { old: None, new: old });
    is_next(&facts, "old-documents", "# delete keys.json");
    facts.old_documents = Known::Seen(false);
    // Also long afterwards, when an API server was restarted.
    facts.now_secs = SIGNED_SECS + 1;
    let all = steps(&Migration::new(OLD, NEW), &facts);
    assert!(all.iter().all(|step| step.status.is_settled()), "{all:?}");
}

#[test]
fn pods_that_are_newer_than_every_api_server_have_new_tokens() {
    let mut facts = before();
    flags(&mut facts, &[NEW, OLD], &[NEW, OLD]);
    cluster(&mut facts).pods[0].created_secs = SIGNED_SECS + 1;
    let all = steps(&Migration::new(OLD, NEW), &facts);
    let tokens = all.iter().find(|step| step.id == "tokens");
    assert!(tokens.is_some_and(|step| step.status == Status::Done), "{all:?}");
}

#[test]
fn an_issuer_that_signs_before_aws_can_verify_it_is_a_warning() {
    let mut facts = before();
    flags(&mut facts, &[NEW, OLD], &[OLD, NEW]);
    let step = next(&facts);
    assert_eq!(step.id, "documents");
    assert!(step.warning.is_some_and(|text| text.contains("AWS refuses its tokens")));
}

#[test]
fn audiences_of_the_old_provider_must_not_be_missed() {
    let mut facts = before();
    facts.documents = Known::Seen(None);
    let old = Some(strings(&["sts.amazonaws.com", "vault"]));
    facts.providers = Known::Seen(Providers { old, new: Some(strings(&["sts.amazonaws.com"])) });
    let step = next(&facts);
    assert_eq!(step.id, "provider");
    assert!(step.finding.contains("vault") && step.commands[0].contains("--audience vault"));
}

#[test]
fn eks_anywhere_has_no_step_in_which_both_are_accepted() {
    let mut migration = Migration::new(OLD, NEW);
    migration.distribution = Some(Distribution::EksAnywhere);
    let all = steps(&migration, &before());
    let status = |id: &str| all.iter().find(|step| step.id == id).map(|step| step.status);
    assert_eq!(status("accept"), Some(Status::NotNeeded));
    assert_eq!(status("drop"), Some(Status::NotNeeded));
    let sign = all.iter().find(|step| step.id == "sign");
    assert!(sign.is_some_and(|step| step.warning.is_some() && !step.commands[0].contains("keep")));
}

#[test]
fn a_cluster_without_static_pods_is_checked_by_hand() {
    let mut facts = before();
    cluster(&mut facts).servers.clear();
    let mut migration = Migration::new(OLD, NEW);
    migration.distribution = Some(Distribution::K3s);
    migration.options = Options { cluster: "--context edge".to_owned(), ..Options::default() };
    let all = steps(&migration, &facts);
    let accept = all.iter().find(|step| step.id == "accept");
    let accept = accept.unwrap_or_else(|| unreachable!());
    assert_eq!(accept.status, Status::Unknown);
    assert!(accept.commands[0].ends_with("--into /etc/rancher/k3s/config.yaml --write"));
    assert!(accept.commands.iter().any(|line| line.contains("systemctl restart k3s")));
    assert!(accept.check.starts_with("kubectl --context edge "), "{}", accept.check);
    cluster(&mut facts).signing = NEW.to_owned();
    let all = steps(&migration, &facts);
    let status = |id: &str| all.iter().find(|step| step.id == id).map(|step| step.status);
    assert_eq!(status("sign"), Some(Status::Done));
    assert_eq!(status("drop"), Some(Status::Unknown));

    // A cluster that has neither issuer.
    cluster(&mut facts).signing = "https://third.example.com".to_owned();
    let all = steps(&migration, &facts);
    let sign = all.iter().find(|step| step.id == "sign").and_then(|step| step.warning.clone());
    assert!(sign.unwrap_or_default().contains("--from https://third.example.com"));
}

fn facts() -> impl Strategy<Value = Facts> {
    let issuers =
        prop::collection::vec(prop_oneof![Just(OLD), Just(NEW), Just("https://x.example")], 0..3);
    let server = (issuers, prop::option::of(any::<u64>())).prop_map(|(issuers, started_secs)| {
        ApiServer { name: "s".to_owned(), issuers: strings(&issuers), started_secs }
    });
    let pod = any::<u64>().prop_map(|created_secs| TokenPod {
        namespace: "n".to_owned(),
        name: "p".to_owned(),
        created_secs,
    });
    let servers = prop::collection::vec(server, 0..3);
    let pods = prop::collection::vec(pod, 0..3);
    let seen = (servers, pods, any::<bool>(), any::<u64>(), any::<[bool; 4]>());
    seen.prop_map(|(servers, pods, signing, now_secs, known)| {
        let mut facts = before();
        let signing = if signing { NEW } else { OLD }.to_owned();
        facts.cluster = Known::Seen(Cluster { signing, servers, pods });
        facts.now_secs = now_secs;
        let why = || "denied".to_owned();
        if known[0] {
            facts.cluster = Known::Unknown(why());
        }
        if known[1] {
            facts.providers = Known::Unknown(why());
        }
        if known[2] {
            facts.roles = Known::Unknown(why());
        }
        if known[3] {
            facts.documents = Known::Unknown(why());
        }
        facts
    })
}

proptest! {
    #[test]
    fn one_step_at_most_is_next_and_nothing_of_the_old_issuer_goes_before_it(facts in facts()) {
        let all = steps(&Migration::new(OLD, NEW), &facts);
        prop_assert!(all.iter().filter(|step| step.status == Status::Next).count() <= 1);
        let first = all.iter().position(|step| !step.status.is_settled());
        let next = all.iter().position(|step| step.status == Status::Next);
        prop_assert!(next.is_none() || next == first);
        for step in &all {
            prop_assert!(!step.status.is_settled() || step.commands.is_empty());
            prop_assert!(!step.finding.is_empty() && !step.check.is_empty());
        }
        prop_assert_eq!(&all, &steps(&Migration::new(OLD, NEW), &facts));
    }
}

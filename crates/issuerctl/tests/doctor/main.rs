//! `issuerctl doctor` in worlds: what is wrong in each is found, and nothing else is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "worlds run the command themselves")]
#[path = "../desk/mod.rs"]
mod desk;
mod neighbors;
mod permissions;
#[expect(dead_code, reason = "worlds make tokens of recorded claims")]
#[path = "../signer/mod.rs"]
mod signer;
mod world;

use std::sync::Mutex;

use regex::RegexBuilder;
use serde_json::{Value, json};

use world::{Ran, World};

/// What is the matter with a run; `None` if it is as expected.
fn judged(world: &World, ran: &Ran) -> Vec<String> {
    let mut faults = Vec::new();
    let mut wrong = |what: String| faults.push(what);
    let matches = |pattern: &str, text: &str| {
        RegexBuilder::new(pattern).case_insensitive(true).build().unwrap().is_match(text)
    };
    let expect = &world.expect;
    let empty = Vec::new();
    let checks = ran.object["checks"].as_array().unwrap_or(&empty);
    let of = |status: &str| -> Vec<&Value> {
        checks.iter().filter(|own| own["status"] == status).collect()
    };
    let text = |check: &Value, member: &str| check[member].as_str().unwrap_or_default().to_owned();
    let exit = expect["exit"].as_i64().unwrap();
    let may_warn = expect["warn"] == true;
    if i64::from(ran.exit) != exit && !(may_warn && ran.exit == 0) {
        wrong(format!("exit {} instead of {exit}", ran.exit));
    }
    let failed = of("fail");
    for check in failed.iter().chain(&of("warn")) {
        let length = (text(check, "message") + &text(check, "fix")).chars().count();
        if length >= 1500 || text(check, "fix").is_empty() {
            wrong(format!("{} has {length} characters, or no fix", check["id"]));
        }
    }
    for check in checks {
        if text(check, "id").len() > 32 {
            wrong(format!("{} is too long", check["id"]));
        }
    }
    if expect["failure"] == true {
        for says in expect["says"].as_array().into_iter().flatten() {
            if !matches(says.as_str().unwrap(), &ran.err) {
                wrong(format!("no error says {says}: {}", ran.err));
            }
        }
        return faults;
    }
    if world.healthy || exit == 6 || exit == 0 {
        wrong_if_failed(&failed, &mut wrong);
        for skip in expect["skips"].as_array().into_iter().flatten() {
            let all: String = of("skip").iter().map(|own| text(own, "message") + "\n").collect();
            if !matches(skip.as_str().unwrap(), &all) {
                wrong(format!("no skipped check says {skip}"));
            }
        }
        let proved = of("pass").iter().any(|own| own["id"] == "exchange");
        if expect["proof"].as_bool().is_some_and(|proof| proof != proved) {
            wrong(format!("proof is {proved}"));
        }
        if exit == 6 {
            let all = format!("{}{}", ran.out, ran.err);
            for says in expect["says"].as_array().into_iter().flatten() {
                if !matches(says.as_str().unwrap(), &all) {
                    wrong(format!("nothing says {says}"));
                }
            }
        }
        return faults;
    }
    let beside = failed.iter().filter(|own| own["id"] != "exchange").count();
    if beside > 1 {
        let ids: Vec<&Value> = failed.iter().map(|own| &own["id"]).collect();
        wrong(format!("several root causes: {ids:?}"));
    }
    let warned = of("warn");
    let root = failed.first().copied().or_else(|| {
        let fits = |own: &&&Value| {
            expect["says"].as_array().into_iter().flatten().all(|says| {
                matches(says.as_str().unwrap(), &(text(own, "message") + "\n" + &text(own, "fix")))
            })
        };
        warned.iter().find(fits).copied().filter(|_| may_warn)
    });
    let Some(root) = root else {
        wrong("nothing failed".to_owned());
        return faults;
    };
    let both = text(root, "message") + "\n" + &text(root, "fix");
    if !matches(expect["id"].as_str().unwrap(), &text(root, "id")) {
        wrong(format!("the root is {}", root["id"]));
    }
    for says in expect["says"].as_array().unwrap() {
        if !matches(says.as_str().unwrap(), &both) {
            wrong(format!("the root does not say {says}"));
        }
    }
    if !matches(expect["fix"].as_str().unwrap(), &text(root, "fix")) {
        wrong(format!("the fix is not like {}", expect["fix"]));
    }
    faults
}

fn wrong_if_failed(failed: &[&Value], wrong: &mut impl FnMut(String)) {
    for check in failed {
        wrong(format!("{} failed: {}", check["id"], check["message"]));
    }
}

/// `docs/doctor.md`, which explains each check.
const DOCS: &str = include_str!("../../../../docs/doctor.md");

/// What no run may do or print.
fn misdeeds(ran: &Ran) -> Vec<String> {
    let mut faults = Vec::new();
    let reads = ["GET ", "POST /apis/authorization.k8s.io/"];
    for request in &ran.requests {
        let is_token = request.starts_with("POST ") && request.contains("/token ");
        let is_dry_run =
            request.starts_with("POST /api/v1/namespaces/") && request.contains("/pods ");
        if !reads.iter().any(|start| request.starts_with(start)) && !is_token && !is_dry_run {
            faults.push(format!("a write: {request}"));
        }
    }
    for call in &ran.calls {
        if !["Get", "List", "AssumeRoleWithWebIdentity"].iter().any(|start| call.starts_with(start))
        {
            faults.push(format!("a write: {call}"));
        }
    }
    for check in ran.object["checks"].as_array().into_iter().flatten() {
        let id = check["id"].as_str().unwrap();
        if !DOCS.contains(&format!("<a id=\"{id}\"></a>")) {
            faults.push(format!("docs/doctor.md does not explain {id}"));
        }
    }
    for secret in ["eyJ", "kubeconfig-token", "wJalrMadeUp", "AKIAMADEUP", "MARKER"] {
        if ran.out.contains(secret) || ran.err.contains(secret) {
            faults.push(format!("it shows {secret}"));
        }
    }
    if ran.seconds > 25.0 {
        faults.push(format!("it took {} s", ran.seconds));
    }
    faults
}

/// Runs worlds, a few at a time, and reports all that are not as expected.
fn all_as_expected(worlds: Vec<World>) {
    let only = std::env::var("WORLD").unwrap_or_default();
    let queue = Mutex::new(
        worlds.into_iter().filter(|world| world.name.contains(&only)).collect::<Vec<_>>(),
    );
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(world) = queue.lock().unwrap().pop() else { return };
                    let ran = world.run();
                    let mut found = judged(&world, &ran);
                    found.extend(misdeeds(&ran));
                    if !found.is_empty() || !only.is_empty() {
                        let root = ran.object["checks"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .find(|own| own["status"] == "fail");
                        let shown = if only.is_empty() {
                            root.map(|root| format!("{root:#}")).unwrap_or_else(|| ran.err.clone())
                        } else {
                            format!("{}{}", ran.out, ran.err)
                        };
                        faults.lock().unwrap().push(format!(
                            "== {} ({:.1} s): {}\n{shown}",
                            world.name,
                            ran.seconds,
                            found.join("; ")
                        ));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} worlds\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_recorded_world_has_its_one_root_cause_or_none() {
    let worlds: Vec<World> = world::names().iter().map(|name| World::named(name)).collect();
    assert!(worlds.len() >= 43);
    all_as_expected(worlds);
}

#[test]
fn what_is_wrong_with_the_cluster_is_told_apart() {
    all_as_expected(neighbors::cluster::worlds());
}

#[test]
fn what_is_wrong_with_the_documents_is_told_apart() {
    all_as_expected(neighbors::documents::worlds());
}

#[test]
fn what_is_wrong_with_the_account_is_told_apart() {
    all_as_expected(neighbors::account::worlds());
}

#[test]
fn what_keeps_pods_from_being_given_their_role_is_told_apart() {
    all_as_expected(neighbors::injection::worlds());
}

#[test]
fn the_token_that_is_exchanged_has_the_audience_of_the_pods() {
    all_as_expected(neighbors::audiences::worlds());
}

#[test]
fn pods_that_need_nothing_to_give_them_their_role_are_well() {
    all_as_expected(neighbors::own::worlds());
}

#[test]
fn what_is_wrong_with_the_pods_is_told_apart() {
    all_as_expected(neighbors::pods::worlds());
}

#[test]
fn what_workloads_do_on_purpose_is_no_fault() {
    all_as_expected(neighbors::purposes::worlds());
}

#[test]
fn long_values_are_cut_and_commands_have_the_options_of_the_run() {
    all_as_expected(neighbors::values::worlds());
}

#[test]
fn what_is_wrong_in_aws_is_told_apart() {
    all_as_expected(neighbors::aws::worlds());
}

#[test]
fn less_access_leaves_the_root_cause_or_names_what_is_missing() {
    all_as_expected(neighbors::access::worlds());
}

#[test]
fn of_two_faults_the_first_on_the_way_is_the_root_cause() {
    all_as_expected(neighbors::mixed::worlds());
}

#[test]
fn pods_of_every_controller_are_judged_by_its_template() {
    all_as_expected(neighbors::controllers::worlds());
}

#[test]
fn webhooks_and_their_conditions_are_told_apart() {
    all_as_expected(neighbors::webhooks::worlds());
}

#[test]
fn trust_policies_are_judged_for_this_account() {
    all_as_expected(neighbors::trust::worlds());
}

#[test]
fn what_only_looks_like_a_fault_is_told_from_one() {
    all_as_expected(neighbors::changes::worlds());
}

/// The lines of a run for people, each of which fits unless it is one command or URL.
fn for_people(world: &mut World) -> (i32, Vec<String>) {
    world.run.retain(|word| !["--output", "json"].contains(&word.as_str()));
    let ran = world.run();
    let lines: Vec<String> = ran.out.lines().map(ToOwned::to_owned).collect();
    for line in &lines {
        let is_whole = line.contains('`') || line.contains("https://") || line.contains("arn:");
        assert!(line.chars().count() <= 80 || is_whole, "{line}");
    }
    assert!(!ran.out.contains('\u{1b}'), "colours without a terminal");
    (ran.exit, lines)
}

#[test]
fn text_has_a_line_a_group_the_root_in_full_and_what_to_do_next() {
    let groups = ["cluster", "documents", "account", "injection", "pod", "aws", "proof"]
        .map(|name| format!(" {name} "));
    let of_groups = |lines: &[String], signs: &[char]| -> Vec<String> {
        let own = lines
            .iter()
            .filter(|line| line.strip_prefix("  ").is_some_and(|rest| rest.starts_with(signs)));
        own.cloned().collect()
    };

    let (exit, lines) = for_people(&mut World::plain("well"));
    assert_eq!(exit, 0, "{lines:#?}");
    let well = of_groups(&lines, &['\u{2713}', '!']);
    assert_eq!(well.len(), groups.len(), "{lines:#?}");
    assert!(well.iter().zip(&groups).all(|(line, group)| line.contains(group)), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("passed: ")), "{lines:#?}");

    let mut world = World::named("annotation-missing");
    let (exit, lines) = for_people(&mut world);
    assert_eq!(exit, 5, "{lines:#?}");
    assert_eq!(of_groups(&lines, &['\u{2717}']).len(), 1, "{lines:#?}");
    let of_root = |begin: &str| lines.iter().position(|line| line.starts_with(begin));
    let root = of_root("\u{2717} annotation").unwrap();
    let fix = of_root("  fix:").unwrap();
    let end = of_root("FAILED at annotation; once it is fixed:").unwrap();
    let again = &lines[end + 1];
    let given =
        ["`issuerctl doctor ", "--allow-port", "--kubeconfig kubeconfig", "--ca-file ca.pem`"];
    assert!(given.iter().all(|word| again.contains(word)), "{again}");
    assert!(root < fix && fix < end, "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("docs/doctor.md#annotation")), "{lines:#?}");

    world.run.push("--verbose".to_owned());
    let (_, lines) = for_people(&mut world);
    for check in ["pass  cluster-issuer ", "fail  annotation ", "skip  pod-injected "] {
        assert!(
            lines.iter().any(|line| line.trim_start().starts_with(check)),
            "{check}: {lines:#?}"
        );
    }
}

#[test]
fn credentials_that_are_not_accepted_are_named_at_the_end() {
    let mut world = World::plain("expired");
    let paths: Vec<String> = world.kubernetes.keys().cloned().collect();
    for path in paths {
        world.refuse(&path, 401, "Unauthorized");
    }
    world.run.retain(|word| !["--output", "json"].contains(&word.as_str()));
    let ran = world.run();
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let end = ran.out.split("passed, as far as").nth(1).unwrap_or_default();
    let end = end.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(end.contains("the credentials of the cluster are not valid"), "{}", ran.out);
    assert!(end.contains("(401)"), "{end}");
}

#[test]
fn exec_plugins_of_both_clusters_run_side_by_side() {
    let mut world = World::named("issuer-eksa-not-passed");
    let credential = "{\\\"kind\\\": \\\"ExecCredential\\\", \\\"apiVersion\\\": \\\"client.authentication.k8s.io/v1\\\", \\\"status\\\": {\\\"token\\\": \\\"kubeconfig-token\\\"}}";
    world.user = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [-c, \"sleep 4; echo '{credential}'\"]}}}}"
    );
    let ran = world.run();
    assert_eq!(ran.exit, 5, "{}", ran.err);
    assert!(ran.seconds < 7.5, "{} s", ran.seconds);
}

#[test]
fn a_list_without_an_end_is_not_known() {
    let mut world = World::plain("without-an-end");
    world.set("--service-account", None);
    let account = world.body(world::ACCOUNT).clone();
    world.answer("GET /api/v1/serviceaccounts", 200, json!({"items": [account]}));
    let page = json!({"metadata": {"continue": "x"}, "items": [{"metadata": {"name": "a"}}]});
    let padding = "x".repeat(5 << 20);
    world.answer("GET /api/v1/pods", 200, json!({"items": [], "padding": padding}));
    for page_of in ["limit=200", "limit=200&continue=x"] {
        let path = format!("GET /api/v1/pods?{page_of}");
        world.kubernetes.insert(path, json!({"status": 200, "body": page, "delay": 1000}));
    }
    let ran = world.run();
    assert_eq!(ran.exit, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("not all pods could be read"), "{}", ran.out);
    assert!(ran.seconds < 25.0, "{} s", ran.seconds);
}

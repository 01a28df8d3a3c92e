//! Publishing to a folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use issuer_change::Describe;
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::{IssuerUrl, Ports, Shape};
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_publish::{Error, Folder, Plan, PlanOptions, Site, Store, apply, plan, publish};

fn keys(case: &str) -> JwkSet {
    let path =
        format!("{}/../../fixtures/golden/cases/{case}/jwks.json", env!("CARGO_MANIFEST_DIR"));
    JwkSet::parse(&fs::read(path).unwrap(), WeakKeys::Refuse).unwrap()
}

fn site(case: &str) -> Site {
    let issuer = IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).unwrap();
    Site::new(keys(case), issuer, Shape::Irsa)
}

fn store(path: &Path) -> Store {
    Store::Folder(Folder::new(path))
}

async fn run(path: &Path, site: &Site) -> Result<Plan, Error> {
    let (store, options) = (store(path), PlanOptions::default());
    let mut plan = plan(&store, site, &options).await?;
    publish(&store, site, &options, &mut plan, |_| Ok::<(), Error>(()), |_| {}).await?;
    Ok(plan)
}

/// What is in a folder beside the hidden one, which only its owner can read.
fn shown(root: &Path) -> usize {
    let entries = fs::read_dir(root).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.file_name() != ".issuerctl").count()
}

#[tokio::test]
async fn a_new_folder_holds_two_world_readable_documents_and_nothing_else() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("deep/site");
    run(&root, &site("rsa2048")).await.unwrap();
    let keys_file = root.join("keys.json");
    let discovery_file = root.join(".well-known/openid-configuration");
    assert_eq!(fs::read_to_string(&keys_file).unwrap(), keys("rsa2048").to_json());
    assert_eq!(shown(&root), 2);
    assert_eq!(fs::read_dir(root.join(".well-known")).unwrap().count(), 1);
    #[cfg(unix)]
    for file in [&keys_file, &discovery_file] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o644, "{file:?}");
        let hidden = fs::metadata(root.join(".issuerctl")).unwrap();
        assert_eq!(hidden.permissions().mode() & 0o777, 0o700);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_only_its_owner_can_enter_is_named_with_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    // What is in the folder for temporary files is not checked, so this one is elsewhere.
    let home = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let set_mode =
        |mode| fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
    let publish = async |name: &str| {
        let plan = run(&home.path().join(name), &site("rsa2048")).await.unwrap();
        plan.changes().notices.into_iter().map(|notice| notice.message).collect::<Vec<_>>()
    };
    let shown = fs::canonicalize(home.path()).unwrap().display().to_string();
    let warning = format!(
        "no web server can read through the folder {shown}, which has mode 0700: chmod o+x {shown}"
    );
    set_mode(0o700);
    // Once, also for folders that do not exist yet.
    assert_eq!(publish("deep/site").await, [warning]);
    assert_eq!(publish("deep/site").await, [""; 0]);
    // A web server may be in its group.
    for mode in [0o750, 0o711, 0o755] {
        set_mode(mode);
        assert_eq!(publish(&format!("site-{mode:o}")).await, [""; 0], "{mode:o}");
    }
}

#[tokio::test]
async fn a_second_publish_touches_no_file() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), &site("rsa2048")).await.unwrap();
    let stamp = |name: &str| fs::metadata(root.path().join(name)).unwrap().modified().unwrap();
    let before = (stamp("keys.json"), stamp(".well-known/openid-configuration"));
    assert!(run(root.path(), &site("rsa2048")).await.unwrap().is_empty());
    assert_eq!(before, (stamp("keys.json"), stamp(".well-known/openid-configuration")));
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_a_web_server_cannot_read_and_those_of_a_killed_run_are_mended() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    run(root.path(), &site("rsa2048")).await.unwrap();
    let keys_file = root.path().join("keys.json");
    fs::set_permissions(&keys_file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(root.path().join(".issuerctl-abc"), "half").unwrap();
    assert!(!run(root.path(), &site("rsa2048")).await.unwrap().is_empty());
    assert_eq!(fs::metadata(&keys_file).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(!root.path().join(".issuerctl-abc").exists());
    assert!(run(root.path(), &site("rsa2048")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_plan_that_somebody_overtook_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let mut stale = plan(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    run(root.path(), &site("p256")).await.unwrap();
    let error = apply(&store, &mut stale, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(fs::read_to_string(root.path().join("keys.json")).unwrap(), keys("p256").to_json());
}

#[test]
fn many_writers_at_once_lose_no_key() {
    let root = tempfile::tempdir().unwrap();
    let cases = ["rsa2048", "rsa4096", "p256", "p384"];
    std::thread::scope(|scope| {
        for case in cases {
            let root = root.path();
            scope.spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run(root, &site(case))).unwrap();
            });
        }
    });
    let published =
        JwkSet::parse(&fs::read(root.path().join("keys.json")).unwrap(), WeakKeys::Refuse).unwrap();
    for case in cases {
        assert!(keys(case).difference(&published).is_empty(), "{case} was lost");
    }
}

#[tokio::test]
async fn what_is_no_document_is_a_conflict_and_stays() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("keys.json")).unwrap();
    assert_eq!(run(root.path(), &site("rsa2048")).await.unwrap_err().kind(), ErrorKind::Conflict);
    fs::remove_dir(root.path().join("keys.json")).unwrap();
    fs::write(root.path().join("keys.json"), vec![b' '; (1 << 20) + 1]).unwrap();
    assert_eq!(run(root.path(), &site("rsa2048")).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(fs::metadata(root.path().join("keys.json")).unwrap().len(), (1 << 20) + 1);
}

#[tokio::test]
async fn the_empty_kid_stays_with_its_key_until_that_key_is_pruned() {
    let root = tempfile::tempdir().unwrap();
    let options = |prune| PlanOptions { with_empty_kid: true, prune, ..PlanOptions::default() };
    let published = |case: &'static str, prune| {
        let (root, options) = (root.path(), options(prune));
        async move {
            let (store, site) = (store(root), site(case));
            let mut plan = plan(&store, &site, &options).await.unwrap();
            publish(&store, &site, &options, &mut plan, |_| Ok::<(), Error>(()), |_| {})
                .await
                .unwrap();
            JwkSet::parse(&fs::read(root.join("keys.json")).unwrap(), WeakKeys::Refuse).unwrap()
        }
    };
    let (old, new) = (keys("rsa2048"), keys("rsa4096"));
    let (old, new) = (&old.keys()[0].key, &new.keys()[0].key);
    assert_eq!(&published("rsa2048", false).await.get("").unwrap().key, old);
    assert_eq!(&published("rsa4096", false).await.get("").unwrap().key, old);
    let pruned = published("rsa4096", true).await;
    assert_eq!(&pruned.get("").unwrap().key, new);
    assert_eq!(pruned.keys().len(), 2);
}

#[tokio::test]
async fn a_key_is_not_added_and_another_removed_in_one_run_unless_a_live_check_holds() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let prune = PlanOptions { prune: true, ..PlanOptions::default() };
    let live = PlanOptions { live_check: true, ..prune };
    let run = async |case: &str, options: &PlanOptions| -> Result<Plan, Error> {
        let site = site(case);
        let mut plan = plan(&store, &site, options).await?;
        publish(&store, &site, options, &mut plan, |_| Ok::<(), Error>(()), |_| {}).await?;
        Ok(plan)
    };
    run("rsa2048", &prune).await.unwrap();
    let before = fs::read(root.path().join("keys.json")).unwrap();
    let error = run("p256", &prune).await.unwrap_err();
    assert!(matches!(error, Error::PruneWithNewKey { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    // Some of the given keys are published already, and another one is not.
    let error = run("multi-all-six", &prune).await.map(|_| ());
    assert!(error.is_ok(), "nothing is removed: {error:?}");
    fs::write(root.path().join("keys.json"), &before).unwrap();
    // What the hint says: first without removing, then removing.
    run("p256", &PlanOptions::default()).await.unwrap();
    let plan = run("p256", &prune).await.unwrap();
    let notices = plan.changes().notices;
    let kid = keys("rsa2048").keys()[0].kid.to_string();
    assert!(notices.iter().any(|notice| notice.message.contains(&kid)), "{notices:?}");
    run("rsa4096", &live).await.unwrap();
    let now = JwkSet::parse(&fs::read(root.path().join("keys.json")).unwrap(), WeakKeys::Refuse);
    assert_eq!(now.unwrap(), keys("rsa4096"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_linked_document_stays_a_link() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("real.json");
    fs::write(&target, keys("p256").to_json()).unwrap();
    std::os::unix::fs::symlink(&target, root.path().join("keys.json")).unwrap();
    run(root.path(), &site("rsa2048")).await.unwrap();
    assert!(root.path().join("keys.json").is_symlink());
    let published = JwkSet::parse(&fs::read(&target).unwrap(), WeakKeys::Refuse).unwrap();
    assert_eq!(published, keys("rsa2048").union(&keys("p256")).unwrap());

    fs::remove_file(&target).unwrap();
    let error = run(root.path(), &site("rsa2048")).await.unwrap_err();
    assert!(error.to_string().contains("dangling symbolic link"), "{error}");
}

/// The same keys for another issuer.
fn other_site(case: &str) -> Site {
    let issuer = IssuerUrl::parse("https://oidc.example.com/other", Ports::Refuse).unwrap();
    Site { issuer, ..site(case) }
}

#[test]
fn many_writers_of_two_issuers_at_once_mix_no_keys() {
    for _ in 0..20 {
        let root = tempfile::tempdir().unwrap();
        let ended = std::thread::scope(|scope| {
            let sites = [site("rsa2048"), other_site("p256"), site("rsa4096"), other_site("p384")];
            let running = sites.map(|site| {
                let root = root.path();
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    (site.clone(), runtime.block_on(run(root, &site)).map(drop))
                })
            });
            running.map(|running| running.join().unwrap())
        });
        let published =
            JwkSet::parse(&fs::read(root.path().join("keys.json")).unwrap(), WeakKeys::Refuse)
                .unwrap();
        let mut winners = ended.iter().filter(|(_, ended)| ended.is_ok()).map(|(site, _)| site);
        let owner = winners.next().unwrap().issuer.clone();
        for (site, ended) in &ended {
            match ended {
                Ok(()) => assert!(site.keys.difference(&published).is_empty()),
                Err(error) => assert!(matches!(error, Error::OtherIssuer { .. }), "{error}"),
            }
            assert_eq!(ended.is_ok(), site.issuer == owner);
            let mixed = site.issuer != owner && site.keys.difference(&published).is_empty();
            assert!(!mixed, "{published:?}");
        }
        assert_eq!(shown(root.path()), 2, "nothing else is served");
    }
}

#[tokio::test]
async fn half_a_site_belongs_to_the_issuer_whose_run_was_killed() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), &site("rsa2048")).await.unwrap();
    // What a killed run leaves: the first document, and the lock.
    fs::remove_file(root.path().join(".well-known/openid-configuration")).unwrap();
    let lock = root.path().join(".issuerctl.lock");
    fs::write(&lock, r#"{"issuer":"https://oidc.example.com/prod","pid":1}"#).unwrap();
    let error = run(root.path(), &other_site("p256")).await.unwrap_err();
    assert!(matches!(error, Error::OtherIssuer { .. }), "{error}");
    let error = run(root.path(), &other_site("p256")).await.unwrap_err();
    assert!(matches!(error, Error::OtherIssuer { .. }), "the lock was lost: {error}");
    run(root.path(), &site("rsa2048")).await.unwrap();
    assert!(!lock.exists());
}

#[cfg(unix)]
#[test]
fn folders_that_link_to_one_file_have_one_lock() {
    for _ in 0..10 {
        let real = tempfile::tempdir().unwrap();
        fs::write(real.path().join("shared.json"), keys("p256").to_json()).unwrap();
        let cases = ["rsa2048", "rsa4096", "p384"];
        let folders = cases.map(|_| tempfile::tempdir().unwrap());
        std::thread::scope(|scope| {
            for (case, folder) in cases.iter().zip(&folders) {
                let link = folder.path().join("keys.json");
                std::os::unix::fs::symlink(real.path().join("shared.json"), link).unwrap();
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(run(folder.path(), &site(case))).unwrap();
                });
            }
        });
        let published = fs::read(real.path().join("shared.json")).unwrap();
        let published = JwkSet::parse(&published, WeakKeys::Refuse).unwrap();
        for case in cases.iter().chain(&["p256"]) {
            assert!(keys(case).difference(&published).is_empty(), "{case} was lost");
        }
        assert!(!real.path().join(".issuerctl.lock").exists());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_another_run_holds_is_waited_for_with_a_limit() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(".issuerctl.lock");
    fs::write(&path, r#"{"issuer":"https://oidc.example.com/prod","pid":4242}"#).unwrap();
    let held = fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let error = run(root.path(), &site("rsa2048")).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("process 4242"), "{error}");
    assert!(!root.path().join("keys.json").exists());
    drop(held);
    run(root.path(), &site("rsa2048")).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_run_left_is_deleted_by_one_that_has_nothing_to_write() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), &site("rsa2048")).await.unwrap();
    for name in [".issuerctl.lock", ".issuerctl-abc", ".well-known/.issuerctl-def"] {
        fs::write(root.path().join(name), "half").unwrap();
    }
    assert!(run(root.path(), &site("rsa2048")).await.unwrap().is_empty());
    assert_eq!(shown(root.path()), 2);
    assert_eq!(fs::read_dir(root.path().join(".well-known")).unwrap().count(), 1);
}

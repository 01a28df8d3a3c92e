//! The printed commands of the distributions whose keys are in files, run as they are: whatever is missing, and however
//! often they are run, an API server accepts the old key.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use issuer_distribution::Distribution;
use issuer_migration::Known;
use issuer_rotation::{Facts, Rotation, Server, steps};

/// The programs that the commands call. The Secret is a file with base64 in it.
const PROGRAMS: [(&str, &str); 5] = [
    ("k3s", "cp opt/k3s/server/tls/service.key var/lib/rancher/k3s/server/tls/service.key"),
    ("rke2", "cp opt/rke2/server/tls/service.key var/lib/rancher/rke2/server/tls/service.key"),
    ("snap", "true"),
    ("clusterctl", "true"),
    (
        "kubectl",
        r#"case $1 in
get) cat secret/tls.crt ;;
patch)
    for patch; do :; done
    for key in tls.crt tls.key; do
        value=$(printf %s "$patch" | sed -n "s/.*\"$key\":\"\([^\"]*\)\".*/\1/p")
        case $patch in *\"$key\"*) printf %s "$value" > secret/$key ;; esac
    done ;;
esac"#,
    ),
];

/// A machine with a cluster whose key is `old`, and a new key.
struct Machine {
    folder: tempfile::TempDir,
    distribution: Distribution,
}

impl Machine {
    fn new(distribution: Distribution) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), distribution };
        for (name, script) in PROGRAMS {
            let path = format!("bin/{name}");
            machine.file(&path, &format!("#!/bin/sh\nset -e\n{script}\n"));
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(machine.folder.path().join(path), mode).unwrap();
        }
        for name in ["k3s", "rke2"] {
            machine.file(&format!("var/lib/rancher/{name}/server/tls/service.key"), "old\n");
        }
        machine.file("var/snap/microk8s/current/certs/serviceaccount.key", "old\n");
        let flag = "--service-account-key-file=${SNAP_DATA}/certs/serviceaccount.key\n";
        machine.file("var/snap/microk8s/current/args/kube-apiserver", flag);
        // In base64.
        machine.file("secret/tls.crt", "b2xkCg==");
        machine.file("secret/tls.key", "b2xkCg==");
        machine.file("new/sa.key", "new\n");
        machine.file("new/sa.pub", "new\n");
        machine
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    fn sh(&self, script: &str) -> String {
        let path =
            format!("{}/bin:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let mut sh = Command::new("sh");
        let ran = sh.args(["-c", script]).current_dir(&self.folder).env("PATH", path).output();
        String::from_utf8(ran.unwrap().stdout).unwrap()
    }

    /// Pastes the commands of a step, of which a shell does each whatever became of the one before.
    fn paste(&self, step: &str) {
        let server = Server {
            name: "a".to_owned(),
            accepts: Known::Seen(vec!["old".to_owned()]),
            signs: Known::Seen(vec!["old".to_owned()]),
            clock_secs: None,
        };
        let facts = Facts {
            published: vec!["new".to_owned(), "old".to_owned()],
            written_secs: None,
            first_secs: BTreeMap::new(),
            signed_secs: BTreeMap::new(),
            servers: vec![server],
            unasked: 0,
            started_secs: Known::Seen(0),
            now_secs: 1,
        };
        let rotation = Rotation { distribution: Some(self.distribution), ..Rotation::default() };
        let steps = steps(&rotation, &facts).unwrap();
        let step = steps.into_iter().find(|timed| timed.step.id == step).unwrap().step;
        let script = step.commands.join("\n").replace("/opt/", "opt/").replace("/var/", "var/");
        self.sh(&script);
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(Path::new(self.folder.path()).join(name)).unwrap()
    }

    /// The key that signs, and those that are accepted. A flag that names a file which is not there would keep the API
    /// server from starting.
    fn keys(&self) -> (String, String) {
        match self.distribution {
            Distribution::MicroK8s => {
                let data = "var/snap/microk8s/current";
                let flags = self.text(&format!("{data}/args/kube-apiserver"));
                let files = flags.lines().map(|flag| flag.split_once("${SNAP_DATA}").unwrap().1);
                let accepts = files.map(|file| self.text(&format!("{data}{file}"))).collect();
                (self.text(&format!("{data}/certs/serviceaccount.key")), accepts)
            }
            Distribution::K3s | Distribution::Rke2 => {
                let name = self.distribution.as_str();
                let keys = self.text(&format!("var/lib/rancher/{name}/server/tls/service.key"));
                (format!("{}\n", keys.lines().next().unwrap_or_default()), keys)
            }
            _ => (self.sh("base64 -d < secret/tls.key"), self.sh("base64 -d < secret/tls.crt")),
        }
    }

    #[track_caller]
    fn check(&self, signs: &str, accepts_new: bool) {
        let (signing, accepted) = self.keys();
        let accepts = |key: &str| accepted.lines().any(|line| line == key);
        let name = self.distribution.as_str();
        assert_eq!(signing, format!("{signs}\n"), "{name}");
        assert!(accepts("old") && accepts("new") == accepts_new, "{name}: {accepted:?}");
    }
}

const IN_FILES: [Distribution; 5] = [
    Distribution::K3s,
    Distribution::Rke2,
    Distribution::MicroK8s,
    Distribution::ClusterApi,
    Distribution::EksAnywhere,
];

#[test]
fn the_printed_commands_keep_the_old_key_accepted_however_often_they_are_run() {
    for distribution in IN_FILES {
        let machine = Machine::new(distribution);
        machine.check("old", false);
        for _ in 0..2 {
            machine.paste("accept");
            machine.check("old", true);
        }
        for _ in 0..2 {
            machine.paste("sign");
            machine.check("new", true);
        }
    }
}

#[test]
fn without_the_files_of_the_new_key_the_printed_commands_change_nothing() {
    for distribution in IN_FILES {
        let machine = Machine::new(distribution);
        machine.remove("new/sa.key");
        machine.remove("new/sa.pub");
        machine.paste("accept");
        machine.check("old", false);
        machine.file("new/sa.key", "new\n");
        machine.file("new/sa.pub", "new\n");
        machine.paste("accept");
        machine.remove("new/sa.key");
        machine.paste("sign");
        machine.check("old", true);
    }
}

/// A patch that was made nevertheless would leave the new key alone in the Secret.
#[test]
fn a_secret_that_cannot_be_read_is_not_patched() {
    for distribution in [Distribution::ClusterApi, Distribution::EksAnywhere] {
        for step in ["accept", "sign"] {
            let machine = Machine::new(distribution);
            // That of an earlier rotation.
            machine.file("old/sa.pub", "older\n");
            machine.remove("secret/tls.crt");
            machine.paste(step);
            assert!(!machine.folder.path().join("secret/tls.crt").exists(), "{step}");
            assert_eq!(machine.keys().0, "old\n");
        }
    }
}

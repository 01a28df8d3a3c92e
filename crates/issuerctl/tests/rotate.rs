//! A rotation of the signing key by `rotate`, against two API servers and a folder or a bucket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with other tests")]
mod desk;
mod signer;

use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_diagnostic::date;
use issuer_test_support::{ApiServer, Authority, Reply, S3Server};
use serde_json::{Value, json};

use desk::{Desk, ended};
use signer::Signer;

const ISSUER: &str = "https://oidc.example.com/prod";
const ACCOUNT: &str = "default/app";
const TOKEN: &str = "POST /api/v1/namespaces/default/serviceaccounts/app/token";
const PODS: &str = "GET /api/v1/namespaces/kube-system/pods";

/// Two API servers of one cluster, and the files of an administrator.
struct Bench {
    authority: Authority,
    desk: Desk,
    old: Signer,
    new: Signer,
    servers: Vec<ApiServer>,
    /// More flags of the API servers.
    flags: Vec<&'static str>,
}

impl Bench {
    /// The old key is published, and signs.
    fn new() -> Self {
        let (authority, desk) = (Authority::new(), Desk::new());
        let (old, new) = (Signer::new(), Signer::new());
        desk.file("old.pub", &old.public_pem);
        desk.file("new.pub", &new.public_pem);
        let line = format!("publish --key old.pub --to site --issuer {ISSUER}");
        ended(&desk.run(&line), 0);
        let mut bench = Self { authority, desk, old, new, servers: Vec::new(), flags: Vec::new() };
        bench.cluster([false, false], [false, false], Some(0));
        bench
    }

    /// Starts both API servers anew, some time ago: whether each accepts the new key, and whether it
    /// signs with it. They are pods if the time is known.
    fn cluster(&mut self, accepts: [bool; 2], signs: [bool; 2], ago: Option<u64>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let issuer = format!("--service-account-issuer={ISSUER}");
        let command: Vec<&str> =
            ["kube-apiserver", &issuer].into_iter().chain(self.flags.iter().copied()).collect();
        let pod = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "kube-apiserver",
                "command": command}]},
                "status": {"containerStatuses": [{"name": "kube-apiserver",
                    "state": {"running": {"startedAt": ago.map(|ago| date(now - ago))}}}]}})
        };
        let pods: Vec<Value> = ago.iter().flat_map(|_| [pod("a"), pod("b")]).collect();
        let pods = json!({"items": pods}).to_string();
        let document = json!({"issuer": ISSUER, "jwks_uri": "https://a/openid/v1/jwks"});
        self.servers = [0, 1]
            .map(|one| {
                let files =
                    if accepts[one] { "--key old.pub --key new.pub" } else { "--key old.pub" };
                let (jwks, _) = ended(&self.desk.run(&format!("jwks {files}")), 0);
                let signer = if signs[one] { &self.new } else { &self.old };
                let token = signer.token(ISSUER, ACCOUNT, "sts.amazonaws.com");
                let replies = [
                    ("GET /openid/v1/jwks", Reply::ok(jwks)),
                    ("GET /.well-known/openid-configuration", Reply::ok(document.to_string())),
                    (TOKEN, Reply::ok(json!({"status": {"token": token}}).to_string())),
                    (PODS, Reply::ok(pods.clone())),
                ];
                ApiServer::start_under(&self.authority, replies)
            })
            .into();
        self.desk.file("kubeconfig", &self.servers[0].kubeconfig("{token: a-token}"));
    }

    /// `issuerctl rotate`, which asks both API servers.
    fn rotate(&self, line: &str) -> Output {
        let servers = self.servers.iter().map(|server| format!(" --server {}", server.url()));
        let servers: String = servers.collect();
        self.desk.run(&format!(
            "rotate {line} --to site --issuer {ISSUER} --check-live {ACCOUNT} --kubeconfig \
             kubeconfig{servers}"
        ))
    }

    /// The status, whose next step is this one.
    #[track_caller]
    fn next(&self, step: &str) -> Value {
        let (out, _) = ended(&self.rotate("status --for kubeadm --output json"), 7);
        let status: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(status["next"], step, "{status:#}");
        status
    }

    /// Starts one API server whose clock is hours ahead, and which signs with the old key.
    fn wrong_clock(&mut self) {
        let token = self.old.token(ISSUER, ACCOUNT, "sts.amazonaws.com");
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            unreachable!("{token}")
        };
        let claims = Base64UrlUnpadded::decode_vec(claims).unwrap();
        let mut claims: Value = serde_json::from_slice(&claims).unwrap();
        claims["iat"] = json!(claims["iat"].as_u64().unwrap() + 3 * 3600 + 90);
        let claims = Base64UrlUnpadded::encode_string(claims.to_string().as_bytes());
        let token = format!("{header}.{claims}.{signature}");
        let reply = Reply::ok(json!({"status": {"token": token}}).to_string());
        self.servers = vec![ApiServer::start_under(&self.authority, [(TOKEN, reply)])];
        self.desk.file("kubeconfig", &self.servers[0].kubeconfig("{token: a-token}"));
    }

    fn kids(&self) -> Vec<String> {
        let text = std::fs::read(self.desk.path().join("site/keys.json")).unwrap();
        kids(&serde_json::from_slice(&text).unwrap())
    }

    /// Sets the time of the last write of keys.json, as all that is known of when its keys came.
    fn age_keys(&self, ago: u64) {
        std::fs::remove_file(self.desk.path().join("site/.issuerctl/keys")).unwrap();
        let file = std::fs::File::open(self.desk.path().join("site/keys.json")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
    }
}

fn kids(set: &Value) -> Vec<String> {
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_rotation_goes_from_step_to_step_and_finish_waits_for_the_last_token() {
    let mut bench = Bench::new();
    let (old, new) = (bench.old.kid.clone(), bench.new.kid.clone());
    let (out, _) = ended(&bench.rotate("status --output json"), 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["under_way"], false);
    // Nothing to finish yet, and nothing to take back.
    ended(&bench.rotate("finish"), 0);
    ended(&bench.rotate("abort --new-key new.pub"), 0);
    assert_eq!(bench.kids(), [&*old]);

    ended(&bench.rotate("start --new-key new.pub --dry-run"), 0);
    assert_eq!(bench.kids(), [&*old]);
    for _ in 0..2 {
        ended(&bench.rotate("start --new-key new.pub"), 0);
        assert_eq!(bench.kids(), [&*new, &old]);
    }
    let status = bench.next("accept");
    assert_eq!((&status["new"], &status["old"]), (&json!(new), &json!([old])));
    let step = status["steps"].as_array().unwrap().iter().find(|step| step["id"] == "accept");
    assert!(step.unwrap()["commands"].to_string().contains("/etc/kubernetes/pki/sa.pub"));

    bench.cluster([true, false], [false, false], Some(0));
    bench.next("accept");
    bench.cluster([true, true], [false, false], Some(0));
    bench.next("caches");
    bench.age_keys(2 * 3600);
    bench.next("sign");
    // One API server of two signs with the new key.
    bench.cluster([true, true], [true, false], Some(3600));
    bench.next("sign");
    for line in ["finish", "abort --new-key new.pub"] {
        let (_, err) = ended(&bench.rotate(line), 4);
        assert!(err.contains(&*bench.servers[usize::from(line == "finish")].url()), "{err}");
    }
    bench.cluster([true, true], [true, true], Some(3600));
    bench.next("tokens");
    let (_, err) = ended(&bench.rotate("finish"), 4);
    assert!(err.contains("tokens of the old key may be valid until"), "{err}");
    // Nor by a way round the wait.
    for old_key in [format!("--new-kid={old}"), "--new-key old.pub".to_owned()] {
        let (_, err) = ended(&bench.rotate(&format!("abort {old_key} --drop-live-key")), 4);
        assert!(err.contains("is not the new one") && err.contains("rotate finish"), "{err}");
    }
    assert_eq!(bench.kids(), [&*new, &old]);
    // An API server that nobody named may still sign with the old key.
    let line = format!(
        "rotate finish --to site --issuer {ISSUER} --check-live {ACCOUNT} --kubeconfig kubeconfig \
         --token-life 1h --server {}",
        bench.servers[0].url()
    );
    let (_, err) = ended(&bench.desk.run(&line), 4);
    assert!(err.contains("1 of the 2 API servers") && err.contains("--server URL"), "{err}");
    // Shorter tokens have expired by now.
    ended(&bench.rotate("finish --token-life 50m --dry-run"), 0);
    bench.cluster([true, true], [true, true], Some(25 * 3600));
    bench.next("drop");
    for _ in 0..2 {
        ended(&bench.rotate("finish"), 0);
        assert_eq!(bench.kids(), [&*new]);
    }
    bench.next("forget");
}

#[test]
fn what_is_out_of_order_is_one_error_and_writes_nothing() {
    let mut bench = Bench::new();
    let third = Signer::new();
    bench.desk.file("third.pub", &third.public_pem);
    let refused = |bench: &Bench, line: &str, code: i32, says: &str| {
        let before = bench.kids();
        let (_, err) = ended(&bench.rotate(line), code);
        assert!(err.contains(says), "{line}: {err}");
        assert_eq!(err.matches("error:").count(), 1, "{err}");
        assert_eq!(bench.kids(), before, "{line}");
    };
    refused(&bench, "start --new-key old.pub", 4, "published and in use already");
    refused(&bench, "finish --new-kid nobody", 3, "is not published");
    // A kid is base64url, so that it may begin with a hyphen.
    refused(&bench, "status --new-kid -nobody", 3, "\"-nobody\" is not published");
    refused(&bench, "finish --signing-since 2999-01-01T00:00:00Z", 2, "in the future");
    bench.cluster([true, true], [true, true], Some(0));
    for line in ["start --new-key third.pub", "finish", "status"] {
        refused(&bench, line, 4, "which is not published: AWS refuses its tokens");
    }
    bench.cluster([false, false], [false, false], Some(0));
    ended(&bench.rotate("start --new-key new.pub"), 0);
    refused(&bench, "start --new-key third.pub", 4, "a rotation is under way");
    refused(&bench, "abort --new-key old.pub", 4, "signs with the key");
    let mut other = Bench::new();
    other.wrong_clock();
    for line in ["start --new-key new.pub", "finish", "abort --new-key new.pub"] {
        refused(&other, line, 3, "3 h 1 min behind that of https://localhost");
    }
    ended(&bench.rotate("abort --new-key new.pub"), 0);
    assert_eq!(bench.kids(), [&*bench.old.kid]);
}

/// Nothing else is repaired either: nobody has seen a plan of it.
#[test]
fn a_key_that_is_not_published_is_not_taken_back_and_nothing_else_is_written() {
    let bench = Bench::new();
    let discovery = bench.desk.path().join("site/.well-known/openid-configuration");
    std::fs::remove_file(&discovery).unwrap();
    for (line, printed) in [
        ("abort --new-key new.pub", format!("{ISSUER}\n")),
        ("abort --new-kid nobody", format!("{ISSUER}\n")),
        ("abort --new-kid nobody --dry-run", String::new()),
    ] {
        let (out, err) = ended(&bench.rotate(line), 0);
        assert_eq!(out, printed, "{line}");
        assert!(err.contains("is not published"), "{line}: {err}");
        assert!(!discovery.exists(), "{line}");
    }
    let (out, _) = ended(&bench.rotate("abort --new-kid nobody --output json"), 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["changed"], &report["issuer"]), (&json!(false), &json!(ISSUER)));
    assert_eq!(kids(&report), [&*bench.old.kid]);
    assert!(!discovery.exists());
}

#[test]
fn an_unknown_start_of_the_api_servers_can_be_told() {
    let mut bench = Bench::new();
    ended(&bench.rotate("start --new-key new.pub"), 0);
    bench.cluster([true, true], [true, true], None);
    let (_, err) = ended(&bench.rotate("finish"), 4);
    assert!(err.contains("are not pods") && err.contains("--signing-since"), "{err}");
    let now = date(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let (_, err) = ended(&bench.rotate(&format!("finish --signing-since {now}")), 4);
    assert!(err.contains("may be valid until"), "{err}");
    ended(&bench.rotate("finish --signing-since 2020-01-01T00:00:00Z"), 0);
    assert_eq!(bench.kids(), [&*bench.new.kid]);
}

#[test]
fn a_stolen_key_goes_at_once_and_what_breaks_is_said() {
    let bench = Bench::new();
    ended(&bench.rotate("start --new-key new.pub"), 0);
    let line = format!("finish --now --new-kid={}", bench.new.kid);
    let (_, err) = ended(&bench.rotate(&line), 0);
    for part in ["AWS refuses every new token", "restart the pods"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert_eq!(bench.kids(), [&*bench.new.kid]);
    // No API server has it yet: `sync --drop-retired` must not take it for one that was given up.
    let line = format!("keys --to site --issuer {ISSUER} --output json");
    let (out, _) = ended(&bench.desk.run(&line), 0);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(listed["keys"][0]["last_confirmed"], Value::Null, "{listed:#}");
}

#[test]
fn a_generated_key_is_written_once_and_used_by_the_next_run() {
    let bench = Bench::new();
    for _ in 0..2 {
        ended(&bench.rotate("start --generate --algorithm p256 --out-dir made"), 0);
    }
    assert_eq!(bench.kids().len(), 2);
    // A refused rotation makes no key.
    ended(&bench.rotate("start --generate --algorithm p256 --out-dir again"), 4);
    assert!(!bench.desk.path().join("again").exists());
}

#[test]
fn a_file_and_a_bucket_are_rotated_too_and_keys_says_what_is_in_use() {
    let mut bench = Bench::new();
    let s3 = S3Server::start_https(&bench.authority);
    bench.desk.file("ca.pem", bench.authority.pem());
    let url = s3.endpoint();
    let issuer = format!("{url}/my-oidc/prod");
    let place = format!(
        "--to s3://my-oidc/prod --region us-west-2 --endpoint-url {url} --path-style --allow-port \
         --ca-file ca.pem"
    );
    ended(&bench.desk.run(&format!("publish --key old.pub --create-bucket {place}")), 0);
    ended(&bench.desk.run(&format!("rotate start --new-key new.pub {place}")), 0);
    let table = |line: &str| {
        let (out, _) = ended(&bench.desk.run(&format!("keys {line} --output json")), 0);
        serde_json::from_str::<Value>(&out).unwrap()
    };
    for line in [place.clone(), format!("--issuer {issuer} --allow-port --ca-file ca.pem")] {
        let listed = table(&line);
        assert_eq!(kids(&listed), [&*bench.new.kid, &bench.old.kid]);
        assert!(listed["keys"][0]["since_at_the_latest"].is_string(), "{listed:#}");
        assert_eq!(listed["keys"][1]["signs"], Value::Null);
    }
    let listed = table(&format!("{place} --check-live {ACCOUNT} --kubeconfig kubeconfig"));
    assert_eq!(listed["keys"][1]["signs"], true);
    assert_eq!(listed["keys"][1]["may_be_removed_from"], Value::Null);
    assert_eq!(listed["keys"][0]["accepted"], false);

    let file = format!(
        "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: prod}}\n\
         spec:\n  issuer: {ISSUER}\n  keys: [{{file: old.pub}}]\n  store: {{folder: site}}\n"
    );
    bench.desk.file("issuer.yaml", &file);
    ended(&bench.desk.run("rotate start --new-key new.pub -f issuer.yaml"), 0);
    assert_eq!(bench.kids(), [&*bench.new.kid, &bench.old.kid]);
    bench.cluster([true, true], [true, true], Some(25 * 3600));
    let line =
        format!("rotate finish -f issuer.yaml --check-live {ACCOUNT} --kubeconfig kubeconfig");
    ended(&bench.desk.run(&line), 0);
    assert_eq!(bench.kids(), [&*bench.new.kid]);
}

/// The API servers were started long ago, and the signer has changed its key just now.
#[test]
fn the_start_of_an_api_server_says_nothing_of_the_keys_of_an_external_signer() {
    let mut bench = Bench::new();
    ended(&bench.rotate("start --new-key new.pub"), 0);
    bench.flags = vec!["--service-account-signing-endpoint=/run/signer.sock"];
    bench.cluster([true, true], [true, true], Some(30 * 24 * 3600));
    let (_, err) = ended(&bench.rotate("finish"), 4);
    assert!(err.contains("external signer") && err.contains("--signing-since"), "{err}");
    assert_eq!(bench.kids().len(), 2);
    let long_ago =
        date(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 2 * 24 * 3600);
    ended(&bench.rotate(&format!("finish --signing-since {long_ago}")), 0);
    assert_eq!(bench.kids(), [bench.new.kid.clone()]);
}

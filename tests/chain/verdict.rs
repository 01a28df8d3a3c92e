//! `issuerctl verify` compared with a real STS: both get the same broken issuers and tokens.

mod cases;

use std::fmt::Write;

use issuerctl_e2e::{AwsAccount, BUCKET, Etcd, NEWEST, Publisher, exchange, get, repository};
use serde_json::{Value, json};

use cases::{Asked, Case, Sts, cases};

/// The table in the docs; `UPDATE_DOCS=1` writes it.
const PAGE: &str = "docs/verdict-beside-sts.md";

/// What all cases share.
pub(crate) struct Bench {
    pub(crate) publisher: Publisher,
    /// The claims of a token that a real API server issued for `prod`.
    claims: Value,
    /// `kid` of the signing key, of a removed key, and of another cluster's key.
    kids: [String; 3],
}

pub(crate) fn run() {
    let publisher = Publisher::new();
    let kids = ["pki", "old", "other"].map(|folder| publisher.keygen("rsa-2048", folder));
    publisher.publish("--key pki/sa.pub", "prod").ended(0);
    let etcd = Etcd::start(NEWEST);
    let server = publisher.api_server(NEWEST, &etcd, "pki", &["pki"]);
    let claims = claims(&server.token("default/app"));
    drop((server, etcd));
    let bench = Bench { publisher, claims, kids };
    let cases = cases();
    let asked: Vec<Asked> = cases
        .iter()
        .enumerate()
        .map(|(n, case)| (case.site)(&bench, &format!("case-{n}")))
        .collect();
    let tokens = mint(&bench, &cases, &asked);
    let mut faults = Vec::new();
    let mut rows = String::new();
    for ((case, asked), token) in cases.iter().zip(&asked).zip(&tokens) {
        let verify = verify(&bench, asked, token);
        let sts = sts(&bench, asked, token);
        faults.extend(disagreements(case, &verify, &sts));
        let _ = writeln!(rows, "{}", row(case, &verify, sts.is_ok()));
    }
    let page = page(&rows, cases.len());
    println!("{page}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let kept = repository().join(PAGE);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&kept, &page).unwrap();
    }
    let same = std::fs::read_to_string(&kept).is_ok_and(|text| text == page);
    assert!(
        same,
        "{PAGE} differs from this run; run again with UPDATE_DOCS=1 and review the difference"
    );
}

impl Bench {
    /// Publishes the signing key under a prefix, and returns the issuer.
    pub(crate) fn publish(&self, prefix: &str, flags: &str) -> String {
        self.publisher.publish(&format!("--key pki/sa.pub --no-verify {flags}"), prefix).ended(0);
        self.publisher.issuer(prefix)
    }

    /// Replaces a published document.
    pub(crate) fn put(&self, prefix: &str, name: &str, text: &str) {
        self.publisher.sandbox.file("body", text);
        let line =
            format!("s3 cp body s3://{BUCKET}/{prefix}/{name} --content-type application/json");
        self.publisher.aws(&line).succeeded();
    }

    /// Deletes a published document.
    pub(crate) fn remove(&self, prefix: &str, name: &str) {
        self.publisher.aws(&format!("s3 rm s3://{BUCKET}/{prefix}/{name}")).succeeded();
    }

    /// Changes a published JSON document.
    pub(crate) fn edit(&self, prefix: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let url = format!("{}/{name}", self.publisher.issuer(prefix));
        let mut document: Value =
            serde_json::from_str(&get(&url, &self.publisher.authority).unwrap()).unwrap();
        change(&mut document);
        self.put(prefix, name, &document.to_string());
    }
}

/// The result of `issuerctl verify`.
struct Verified {
    passed: bool,
    /// The first failed check: ID, message, consequence.
    failed: Option<[String; 3]>,
}

fn verify(bench: &Bench, asked: &Asked, token: &str) -> Verified {
    bench.publisher.sandbox.file("token", token);
    let ca = if asked.trusted { "--ca-file ca.pem" } else { "" };
    let line =
        format!("verify --issuer {} --allow-port {ca} --token token --output json", asked.issuer);
    let ran = bench.publisher.sandbox.issuerctl(&line);
    let verdict: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let passed = verdict["passed"] == true;
    assert_eq!(ran.code, Some(if passed { 0 } else { 5 }), "{ran:?}");
    let failed =
        verdict["checks"].as_array().unwrap().iter().find(|check| check["status"] == "fail");
    let text = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    Verified {
        passed,
        failed: failed.map(|check| ["id", "message", "consequence"].map(|name| text(check, name))),
    }
}

/// A new STS for every issuer, since MinIO keeps every key that it has read.
fn sts(bench: &Bench, asked: &Asked, token: &str) -> Result<String, String> {
    let authority = asked.trusted.then_some(&bench.publisher.authority);
    exchange(&AwsAccount::trusting(authority, &asked.issuer)?, token)
}

fn disagreements(case: &Case, verify: &Verified, sts: &Result<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    let what = case.what;
    match (&case.verify, &verify.failed) {
        (None, Some(failed)) => faults.push(format!("{what}: verify fails: {failed:?}")),
        (Some(_), None) => faults.push(format!("{what}: verify passes")),
        (Some((id, says)), Some([failed, message, _]))
            if failed != id || !message.contains(says) =>
        {
            faults.push(format!("{what}: wanted {id} with {says:?}, got {failed}: {message}"));
        }
        _ => {}
    }
    match (case.sts, sts) {
        (Sts::Refuses, Ok(_)) => faults.push(format!("{what}: the STS accepts")),
        (Sts::Accepts | Sts::AcceptsWhatAwsRefuses(_), Err(why)) => {
            faults.push(format!("{what}: the STS refuses: {why}"))
        }
        _ => {}
    }
    if sts.is_err() && verify.passed {
        faults.push(format!("{what}: the STS refuses what verify passes"));
    }
    faults
}

fn row(case: &Case, verify: &Verified, accepts: bool) -> String {
    let (check, error) = match &verify.failed {
        None => ("passes".to_owned(), ""),
        Some([id, _, error]) => (format!("`{id}`"), error.split(':').next().unwrap_or_default()),
    };
    let why = match case.sts {
        Sts::AcceptsWhatAwsRefuses(why) => why,
        _ => "",
    };
    format!(
        "| {} | {check} | {error} | {} | {why} |",
        case.what,
        if accepts { "accepts" } else { "refuses" }
    )
}

fn page(rows: &str, count: usize) -> String {
    format!(
        "# The verdict compared with a real STS\n\n{count} issuers and tokens, each given to \
         `issuerctl verify` and to the STS of a MinIO server that reads the issuer's\ndocuments \
         over https. Written by the end-to-end tests (`tests/chain/verdict.rs`), which fail if a \
         row changes.\n\n\
         If MinIO refuses, verify fails and names the cause. MinIO does not check everything that \
         AWS checks (`iss`, several audiences,\nthe members of the discovery document); in these \
         cases the last column says why AWS refuses. *Recorded* means: seen in a\npublic record \
         of runs against AWS STS itself, 2026-09.\n\n\
         | case | failed check of verify | error of AWS STS | MinIO's STS | why AWS refuses what \
         MinIO accepts |\n|---|---|---|---|---|\n{rows}"
    )
}

fn mint(bench: &Bench, cases: &[Case], asked: &[Asked]) -> Vec<String> {
    let drafts: Vec<Value> = cases
        .iter()
        .zip(asked)
        .map(|(case, asked)| {
            let mut claims = bench.claims.clone();
            claims["iss"] = json!(asked.issuer);
            let mut draft = json!({
                "key": "pki/sa.key",
                "alg": "RS256",
                "kid": bench.kids[0],
                "claims": claims,
                "mangle": null,
                "kids": bench.kids,
            });
            (case.token)(&mut draft);
            draft
        })
        .collect();
    let sandbox = &bench.publisher.sandbox;
    sandbox.file("drafts.json", &json!(drafts).to_string());
    sandbox.python(include_str!("mint.py"), &[]).succeeded();
    serde_json::from_slice(&std::fs::read(sandbox.path().join("tokens.json")).unwrap()).unwrap()
}

fn claims(token: &str) -> Value {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let claims = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

//! Thousands of issuers in one file, beside a bare loop of writes and `aws s3 sync` on the same server.
//!
//! `cargo test --release -p issuerctl-e2e --features real-servers --test chain -- --ignored fleet` prints
//! the figures; nothing of it is asserted.

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use issuerctl_e2e::{BUCKET, BucketHost, PASSWORD, Sandbox, USER, program};

/// How many issuers are processed at the same time: the default of `--parallel`.
const PARALLEL: usize = 16;

const DOCUMENTS: [&str; 2] = ["keys.json", ".well-known/openid-configuration"];

pub(crate) fn run() {
    for count in [1000, 10_000] {
        let host = BucketHost::without_tls();
        let sandbox = Sandbox::in_moto()
            .with("AWS_ACCESS_KEY_ID", USER)
            .with("AWS_SECRET_ACCESS_KEY", PASSWORD)
            .with("AWS_ENDPOINT_URL", host.url());
        sandbox.aws(&format!("s3 mb s3://{BUCKET}")).succeeded();
        sandbox.issuerctl("keygen --out-dir .").succeeded();
        sandbox.file("fleet.yaml", &fleet(count, host.url()));
        let first = apply(&sandbox, count, "a new fleet");
        let again = apply(&sandbox, count, "nothing to do");
        let folder = sandbox.path().join("site");
        sandbox.aws(&format!("s3 sync --quiet s3://{BUCKET}/c0 site")).succeeded();
        let site = DOCUMENTS.map(|name| std::fs::read(folder.join(name)).unwrap());
        let bare = rate(count, loop_of_writes(&host.client(), count, site.clone()));
        println!("{count} issuers, {PARALLEL} at a time: bare PUT loop {bare:.0} issuers/s");
        println!(
            "  apply has {:.0} % of it, and {:.0} % if nothing changes",
            first / bare * 100.0,
            again / bare * 100.0
        );
        if count == 1000 {
            for number in 0..count {
                let folder = sandbox.path().join(format!("sync/c{number}"));
                std::fs::create_dir_all(folder.join(".well-known")).unwrap();
                for (name, bytes) in DOCUMENTS.iter().zip(&site) {
                    std::fs::write(folder.join(name), bytes).unwrap();
                }
            }
            let start = Instant::now();
            sandbox.aws(&format!("s3 sync --quiet sync s3://{BUCKET}/sync")).succeeded();
            let sync = rate(count, start.elapsed());
            println!(
                "  aws s3 sync: {sync:.0} issuers/s; apply is {:.1} times as fast",
                first / sync
            );
        }
    }
}

fn rate(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / took.as_secs_f64()
}

fn fleet(count: usize, endpoint: &str) -> String {
    let mut text = String::new();
    for number in 0..count {
        writeln!(
            text,
            "---\napiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             c{number}}}\nspec:\n  keys: [{{file: sa.pub}}]\n  issuer: \
             https://oidc.example.com/c{number}\n  store: {{s3: {{bucket: {BUCKET}, prefix: c{number}, \
             region: us-east-1, access: none, endpointUrl: \"{endpoint}\", pathStyle: true}}}}"
        )
        .unwrap();
    }
    text
}

/// The issuers that `apply` publishes in a second, with the most memory that it had.
fn apply(sandbox: &Sandbox, count: usize, what: &str) -> f64 {
    let mut command = Command::new(program("issuerctl"));
    command.args("apply -f fleet.yaml --no-verify --quiet --timeout 3600".split(' '));
    let start = Instant::now();
    let mut child = sandbox.prepared(&mut command).stdin(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = String::new();
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) {
            line.clone_into(&mut peak);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(ended.success(), "{what}: {ended}");
    let rate = rate(count, start.elapsed());
    println!("{count} issuers, {what}: {rate:.0} issuers/s, {peak}");
    rate
}

/// How long a client takes that only writes the documents, with the same concurrency.
fn loop_of_writes(client: &Client, count: usize, site: [Vec<u8>; 2]) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (next, site) = (Arc::new(AtomicUsize::new(0)), Arc::new(site));
    let start = Instant::now();
    runtime.block_on(async {
        let workers = (0..PARALLEL).map(|_| {
            let (client, next, site) = (client.clone(), Arc::clone(&next), Arc::clone(&site));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    for (name, bytes) in DOCUMENTS.iter().zip(site.iter()) {
                        let put = client
                            .put_object()
                            .bucket(BUCKET)
                            .key(format!("loop/c{number}/{name}"));
                        put.body(bytes.clone().into()).send().await.unwrap();
                    }
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.unwrap();
        }
    });
    start.elapsed()
}

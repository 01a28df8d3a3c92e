//! `issuerctl inject`

use std::collections::BTreeSet;

use issuer_cluster::{Cluster, ServiceAccountRef};
use issuer_pods::{Accounts, Injected, Outcome as Became, inject, lookalikes};

use crate::Outcome;
use crate::cli::{InjectArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, SCHEMA_VERSION};
use crate::runtime::Runtime;
use crate::targets::connection;
use crate::ui::Ui;

pub(crate) fn run(args: &InjectArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let settings = args.flags.settings();
    let (namespace, config) = (args.namespace.to_string(), args.watch_config_map);
    let stdin = args.file.iter().chain(&args.service_accounts).filter(|path| files::is_stdin(path));
    if stdin.count() > 1 {
        return Err(Failure::new(Exit::Usage, "standard input can be read only once"));
    }
    let load = |path| {
        let text = files::read_large_text(path)?;
        for found in lookalikes(&text, &settings) {
            let name = files::name_of(path);
            ui.warning(&format!("{name} has {found}: it is taken as it is; type it anew"));
        }
        Ok::<_, Failure>(text)
    };
    let mut accounts = Accounts::default();
    let mut manifests = Vec::new();
    for path in &args.file {
        let text = load(path)?;
        read(&mut accounts, path, &text, &namespace, config)?;
        manifests.push((path, text));
    }
    for path in &args.service_accounts {
        let text = load(path)?;
        read(&mut accounts, path, &text, &namespace, config)?;
    }
    let all = |accounts: &Accounts| {
        let each = manifests.iter().map(|(path, text)| {
            inject(text, accounts, &namespace, &settings, config)
                .map_err(|error| failed(path, &error))
        });
        each.collect::<Result<Vec<Injected>, Failure>>()
    };
    let mut done = all(&accounts)?;
    if args.from_cluster {
        let unknown = unknown(&done);
        Runtime::start(ui)?.block_on(async {
            let cluster = Cluster::connect(&connection(&args.kube)).await?;
            for account in &unknown {
                if let Some(annotations) = cluster.account_annotations(account).await? {
                    accounts.add(account.namespace(), account.name(), annotations);
                }
            }
            Ok(())
        })?;
        done = all(&accounts)?;
    }
    report(&done, args.from_cluster, ui);
    let text = join(done);
    match format {
        OutputFormat::Text => output::document(&text)?,
        OutputFormat::Json => {
            output::json(&output::Script { schema_version: SCHEMA_VERSION, document: text })?;
        }
    }
    Ok(Exit::Done)
}

fn read(
    accounts: &mut Accounts,
    path: &std::path::Path,
    text: &str,
    namespace: &str,
    config: bool,
) -> Result<(), Failure> {
    accounts.read(text, namespace, config).map_err(|error| failed(path, &error))
}

fn failed(path: &std::path::Path, error: &issuer_pods::Error) -> Failure {
    Failure::because(format!("cannot read {}", files::name_of(path)), error)
}

/// The ServiceAccounts of the pods that no file has.
fn unknown(done: &[Injected]) -> Vec<ServiceAccountRef> {
    let pods = done.iter().flat_map(|injected| &injected.pods);
    let unknown = pods.filter(|pod| {
        // A pod without a ServiceAccount of its own has `default`.
        matches!(pod.outcome, Became::UnknownAccount | Became::NoRole)
    });
    let names: BTreeSet<&str> = unknown.map(|pod| pod.service_account.as_str()).collect();
    names.into_iter().filter_map(|name| name.parse().ok()).collect()
}

fn report(done: &[Injected], asked: bool, ui: &Ui) {
    let mut count = 0;
    for pod in done.iter().flat_map(|injected| &injected.pods) {
        for warning in &pod.warnings {
            ui.warning(&format!("{}: {warning}", pod.name));
        }
        match &pod.outcome {
            Became::Injected { role } => {
                count += 1;
                ui.detail(&format!("{}: {role}", pod.name));
            }
            Became::UnknownAccount if asked => ui.warning(&format!(
                "{}: the ServiceAccount {} does not exist: no role is added",
                pod.name, pod.service_account
            )),
            Became::UnknownAccount => ui.warning(&format!(
                "{}: the ServiceAccount {} is in none of the files: no role is added (see \
                 --service-accounts, --from-cluster)",
                pod.name, pod.service_account
            )),
            _ => {}
        }
    }
    ui.detail(&format!("{count} pods and templates changed"));
}

/// One stream of documents.
fn join(done: Vec<Injected>) -> String {
    let mut texts = done.into_iter().map(|injected| injected.text);
    let mut all = texts.next().unwrap_or_default();
    for text in texts {
        if !all.is_empty() && !all.ends_with('\n') {
            all.push('\n');
        }
        if !text.trim_start_matches('\u{feff}').starts_with("---") {
            all.push_str("---\n");
        }
        all.push_str(&text);
    }
    all
}

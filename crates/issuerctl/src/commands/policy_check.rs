//! `issuerctl policy check`

use std::collections::BTreeMap;

use issuer_cluster::{Cluster, ObjectKind, ObjectRef, ServiceAccountRef};
use issuer_diagnostic::{Check, Fault};
use issuer_pods::{
    Dispenser, Identity, PolicyApi, Settings, dispensers, probe, unselected, verdict,
};
use serde::Serialize;

use crate::Outcome;
use crate::cli::{OutputFormat, PolicyCheckArgs};
use crate::failure::{Exit, Failure};
use crate::output::{self, SCHEMA_VERSION};
use crate::runtime::Runtime;
use crate::targets::connection;
use crate::ui::Ui;

/// `policy check`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema_version: u32,
    passed: bool,
    checks: &'a [Check],
}

pub(crate) fn run(args: &PolicyCheckArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let settings = args.flags.settings();
    let checks = Runtime::start(ui)?.block_on(async {
        let connection = connection(&args.kube);
        let cluster = Cluster::connect(&connection).await?;
        let mut checks = vec![who(&cluster).await?];
        for account in &args.service_account {
            checks.push(of_account(&cluster, account, &settings).await?);
        }
        for fix in checks.iter_mut().filter_map(|check| check.fix.as_mut()) {
            *fix = connection.in_commands(fix);
        }
        Ok(checks)
    })?;
    let passed = !checks.iter().any(Check::failed);
    match format {
        OutputFormat::Text => output::coloured(&output::report(&checks, "so", passed))?,
        OutputFormat::Json => {
            output::json(&Report { schema_version: SCHEMA_VERSION, passed, checks: &checks })?;
        }
    }
    Ok(if passed { Exit::Done } else { Exit::Verification })
}

/// What gives pods their roles here.
async fn who(cluster: &Cluster) -> Result<Check, Failure> {
    let mut found: BTreeMap<Dispenser, Vec<String>> = BTreeMap::new();
    for (version, resource) in [
        ("v1", "mutatingadmissionpolicies"),
        ("v1beta1", "mutatingadmissionpolicies"),
        ("v1", "mutatingwebhookconfigurations"),
    ] {
        let path = format!("/apis/admissionregistration.k8s.io/{version}/{resource}");
        if let Some(list) = cluster.object(&path, resource).await? {
            for (dispenser, name) in dispensers(resource, &list) {
                let names = found.entry(dispenser).or_default();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    Ok(issuer_pods::dispensers_check(&found))
}

async fn of_account(
    cluster: &Cluster,
    account: &ServiceAccountRef,
    settings: &Settings,
) -> Result<Check, Failure> {
    let Some(annotations) = cluster.account_annotations(account).await? else {
        let (namespace, name) = (account.namespace(), account.name());
        let fault = Fault::new(
            format!("the ServiceAccount {account} does not exist"),
            format!("kubectl create serviceaccount {name} --namespace {namespace}"),
        );
        return Ok(Check::fail("mutation", "pods that name it are refused", fault));
    };
    let identity = Identity::of(&annotations, settings);
    let pod = probe(account.namespace(), account.name());
    let stored = cluster.dry_run_pod(account.namespace(), &pod).await?;
    let check = verdict(&account.to_string(), identity.as_ref(), &stored, settings);
    if !check.failed() {
        return Ok(check);
    }
    Ok(cause(cluster, account).await.unwrap_or(check))
}

/// Why a ServiceAccount's pods get no role, if the objects that say so may be read.
async fn cause(cluster: &Cluster, account: &ServiceAccountRef) -> Option<Check> {
    let (namespace, name) = (account.namespace(), account.name());
    let place = ObjectRef::namespaced(ObjectKind::ServiceAccount, namespace, name);
    let object = cluster.get(&place).await.ok()??;
    let resource = ObjectKind::MutatingAdmissionPolicyBinding.resource();
    for version in [PolicyApi::V1, PolicyApi::V1beta1] {
        let path = format!("/apis/admissionregistration.k8s.io/{}/{resource}", version.as_str());
        if let Ok(Some(list)) = cluster.object(&path, resource).await
            && let Some(check) = unselected(&object, &list)
        {
            return Some(check);
        }
    }
    None
}

//! What `--print-rbac` prints.

use issuer_cluster::Connection;
use issuer_publish::Purpose;
use issuer_reconcile::{ClusterNeeds, Examination, Reconciler, Target, cluster_permissions};

use crate::Outcome;
use crate::cli::OutputFormat;
use crate::engine;
use crate::output;
use crate::ui::Ui;

/// Prints the Roles and ClusterRoles of a run, and how they are bound.
///
/// # Errors
/// An issuer URL that is not known; standard output cannot be written to.
pub(crate) async fn print(
    engine: &Reconciler<'_>,
    targets: &[Target],
    purpose: Purpose,
    format: OutputFormat,
    ui: &Ui,
) -> Outcome {
    let needs = cluster_permissions(engine, targets, purpose).await.map_err(engine::failed)?;
    if needs.is_empty() {
        ui.note("nothing is read or changed in a cluster");
    }
    let parts: Vec<String> = needs.iter().map(part).collect();
    output::rendered(format, parts.join("---\n"))
}

/// The same for `doctor`.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn print_doctor(
    request: &Examination,
    connection: &Connection,
    format: OutputFormat,
    ui: &Ui,
) -> Outcome {
    let needs = issuer_reconcile::doctor_permissions(request, connection);
    ui.note(
        "each check that lacks a permission is skipped: Roles of the namespace alone are useful, too",
    );
    output::rendered(format, part(&needs))
}

/// One cluster: objects for `kubectl apply`, below the commands that bind them.
fn part(needs: &ClusterNeeds) -> String {
    let name = format!("issuerctl-{}", needs.name);
    let kubectl = needs.connection.kubectl();
    let objects = needs.rbac.objects(&name);
    let account = "--serviceaccount issuerctl:issuerctl";
    let mut text = format!(
        "# For the cluster of `{kubectl}`. Bind it to who runs issuerctl, such as the ServiceAccount\n\
         # issuerctl in the namespace issuerctl:\n"
    );
    if objects.iter().any(|object| object["kind"] == "ClusterRole") {
        text.push_str(&format!(
            "#   {kubectl} create clusterrolebinding {name} --clusterrole {name} {account}\n"
        ));
    }
    for namespace in needs.rbac.namespaces() {
        text.push_str(&format!(
            "#   {kubectl} create rolebinding {name} --namespace {namespace} --role {name} {account}\n"
        ));
    }
    text + &issuer_yaml::to_yaml(&objects)
}

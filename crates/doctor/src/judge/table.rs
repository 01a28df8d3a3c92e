//! Without an account: every annotated ServiceAccount, and its pods that lack the role.

use issuer_diagnostic::{Fault, quote};
use issuer_pods::{Annotations, Identity};
use serde_json::Value;

use super::case::{Case, has_identity, role_in};
use super::own;
use crate::RoleArn;
use crate::diagnosis::Report;
use crate::kubernetes::{account_of, labels, name, namespace};
use crate::probe::has_ended;

/// An annotated ServiceAccount.
struct Row<'a> {
    account: String,
    role: String,
    /// Why the annotation is no ARN of a role; a name alone may be one that the webhook makes an ARN of.
    is_no_role: Option<String>,
    pods: usize,
    lacking: Vec<&'a Value>,
}

fn rows<'a>(case: &Case<'a>) -> Option<Vec<Row<'a>>> {
    let accounts = case.seen.workload.accounts.known()?;
    let pods = case.seen.workload.pods.known()?;
    let runs =
        |pod: &&Value| !has_ended(pod) && pod.pointer("/metadata/deletionTimestamp").is_none();
    let rows = accounts.iter().filter_map(|account| {
        let annotations = account.pointer("/metadata/annotations").and_then(Value::as_object)?;
        let annotations: Annotations = annotations
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        let identity = Identity::of(&annotations, &case.settings)?;
        let own = pods
            .iter()
            .filter(runs)
            .filter(|pod| namespace(pod) == namespace(account) && account_of(pod) == name(account));
        let own: Vec<&Value> = own.collect();
        let lacking = own.iter().copied().filter(|pod| lacks(case, pod, &identity.role));
        let lacking: Vec<&Value> = lacking.collect();
        let composed = |pod: &&Value| role_in(pod).is_some_and(|own| RoleArn::parse(&own).is_ok());
        let is_name = !identity.role.contains(':') && own.iter().all(composed);
        Some(Row {
            account: format!("{}/{}", namespace(account), name(account)),
            is_no_role: RoleArn::parse(&identity.role).err().filter(|_| !is_name),
            role: identity.role,
            pods: own.len(),
            lacking,
        })
    });
    Some(rows.collect())
}

/// Whether a pod has no role, or another one, and does not opt out.
fn lacks(case: &Case<'_>, pod: &Value, role: &str) -> bool {
    let opts_out = labels(pod).get("eks.amazonaws.com/skip-pod-identity-webhook").is_some()
        || case.skips_all(pod).is_some();
    let has_none = !has_identity(pod) && own::of(case.seen, pod).is_none();
    !opts_out && (has_none || role_in(pod).is_some_and(|own| !own.ends_with(role)))
}

/// Whether there are pods of annotated ServiceAccounts, and all have their roles.
pub(super) fn all_have(case: &Case<'_>) -> bool {
    rows(case).is_some_and(|rows| {
        rows.iter().any(|row| row.pods > 0) && rows.iter().all(|row| row.lacking.is_empty())
    })
}

/// Whether any pod of an annotated ServiceAccount lacks its role.
pub(super) fn any_lacks(case: &Case<'_>) -> bool {
    rows(case).is_some_and(|rows| rows.iter().any(|row| !row.lacking.is_empty()))
}

/// The table: account, role, pods, and those that lack the role.
pub(super) fn lines(case: &Case<'_>) -> Vec<String> {
    if case.subject.is_some() {
        return Vec::new();
    }
    let rows = rows(case).unwrap_or_default();
    let width = rows.iter().map(|row| row.account.len()).max().unwrap_or_default();
    let line = |row: &Row<'_>| {
        let lacking: Vec<&str> = row.lacking.iter().map(|pod| name(pod)).take(3).collect();
        let state = match (row.pods, row.lacking.len()) {
            _ if row.is_no_role.is_some() => "not the ARN of a role".to_owned(),
            (0, _) => "no pods".to_owned(),
            (pods, 0) => format!("{pods} pod(s) with the role"),
            (pods, lacks) => format!("{lacks} of {pods} pod(s) without it: {}", lacking.join(", ")),
        };
        format!("{:width$}  {}  {state}", row.account, row.role)
    };
    rows.iter().map(line).collect()
}

/// Whether the pods of all annotated ServiceAccounts have their roles.
pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "pod-injected";
    let Some(rows) = rows(case) else {
        let whys = [case.seen.workload.accounts.why(), case.seen.workload.pods.why()].into_iter();
        let whys: Vec<String> = whys.filter(|why| !why.is_empty()).collect();
        return report.skip(ID, format!("ServiceAccounts and pods: {}", whys.join("; ")));
    };
    if let Some((row, why)) = rows.iter().find_map(|row| Some((row, row.is_no_role.as_ref()?))) {
        let fault = Fault::new(
            format!(
                "the annotation of the ServiceAccount {} is {}, which is not the ARN of a role: {why}",
                row.account,
                quote(&row.role)
            ),
            format!("ask about it: `issuerctl doctor --service-account {}`", row.account),
        );
        return report.fail("annotation", "STS refuses the request: Request ARN is invalid", fault);
    }
    let Some(row) = rows.iter().find(|row| !row.lacking.is_empty()) else {
        return match rows.is_empty() {
            true => report.skip(ID, "no ServiceAccount has the annotation of a role"),
            false => report.pass(
                ID,
                format!(
                    "the pods of all {} annotated ServiceAccounts have their roles",
                    rows.len()
                ),
            ),
        };
    };
    let count = rows.iter().filter(|row| !row.lacking.is_empty()).count();
    let (namespace, pod) = (namespace(row.lacking[0]), name(row.lacking[0]));
    let fault = Fault::new(
        format!(
            "pods of {count} of {} annotated ServiceAccounts lack their role, such as {pod} of {}, whose role is {}",
            rows.len(),
            row.account,
            row.role
        ),
        format!("ask about it: `issuerctl doctor --pod {namespace}/{pod}`"),
    );
    report.fail(ID, super::injection::SO, fault);
}

//! Which pods a webhook or a policy is called about: rules, selectors, conditions.

use issuer_diagnostic::listed;
use serde_json::{Value, json};

use crate::cel::{self, Request};
use crate::kubernetes::{items, labels, name, text};
use crate::labels::{mend, unmet};
use crate::probe::workload_of;
use crate::seen::Seen;

/// The pods in question, as far as they decide about it.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The labels of the namespace.
    namespace: Option<Value>,
    /// Metadata and spec of the pods.
    pod: Option<Value>,
    request: Request,
}

/// Why pods are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// The rules, and what they have instead.
    Rules(String),
    /// The rules that exclude (`excludeResourceRules`), and what they have.
    Excluded(String),
    /// The namespaceSelector: what it asks for, and the label that would do.
    Namespace(String, String),
    /// The objectSelector, in the same way.
    Pods(String, String),
    /// A condition: its name and its expression.
    Condition(String, String),
}

impl Scope {
    pub(crate) fn of(seen: &Seen) -> Self {
        let subject = seen.asked.subject.as_ref();
        let object = seen.workload.namespace.known().and_then(Option::as_ref);
        let namespace = subject.zip(object).map(|(subject, object)| {
            let mut own = labels(object).clone();
            if !own.is_object() {
                own = json!({});
            }
            // The API server sets it.
            own["kubernetes.io/metadata.name"] = subject.namespace.as_str().into();
            own
        });
        let pod = workload_of(seen).map(|own| own.template);
        let request = Request {
            namespace: subject.map(|own| own.namespace.clone()),
            account: subject.map(|own| own.name.clone()),
            pod: pod.clone(),
            namespace_labels: namespace.clone(),
            params: seen.workload.account.known().and_then(Option::clone),
        };
        Self { namespace, pod, request }
    }

    /// Why the pods are left out; `None` if they are not, as far as it is known.
    pub(crate) fn left_out(&self, matching: &Value, rules: &[Value]) -> Option<LeftOut> {
        if let Some(why) = rules_lack(rules, self.pod_name()) {
            return Some(LeftOut::Rules(why));
        }
        self.unselected(matching)
    }

    /// The name of the pod, if it has one before it is created.
    fn pod_name(&self) -> &str {
        self.pod.as_ref().map_or("", name)
    }

    /// The same without rules that include: those that exclude, selectors and conditions.
    pub(crate) fn unselected(&self, matching: &Value) -> Option<LeftOut> {
        let excluding = items(matching, "excludeResourceRules");
        if let Some(rule) = excluding.iter().find(|rule| includes(rule, self.pod_name())) {
            return Some(LeftOut::Excluded(shown(rule)));
        }
        let (spaces, objects) = (&matching["namespaceSelector"], &matching["objectSelector"]);
        let found = |selector: &Value, labels: &Value| {
            Some((unmet(selector, labels)?, mend(selector, labels).unwrap_or_default()))
        };
        if let Some((why, label)) = self.namespace.as_ref().and_then(|own| found(spaces, own)) {
            return Some(LeftOut::Namespace(why, label));
        }
        if let Some((why, label)) = self.pod.as_ref().and_then(|own| found(objects, labels(own))) {
            return Some(LeftOut::Pods(why, label));
        }
        let mut conditions = items(matching, "matchConditions").iter();
        let failed = conditions.find(|own| self.holds(own) == Some(false))?;
        let [name, expression] = ["name", "expression"].map(|what| text(failed, what).to_owned());
        Some(LeftOut::Condition(name, expression))
    }

    /// The names of the conditions of which it is not known whether they hold.
    pub(crate) fn unjudged<'a>(&self, matching: &'a Value) -> Vec<&'a str> {
        let conditions = items(matching, "matchConditions").iter();
        conditions.filter(|own| self.holds(own).is_none()).map(|own| text(own, "name")).collect()
    }

    fn holds(&self, condition: &Value) -> Option<bool> {
        cel::holds(text(condition, "expression"), &self.request)
    }
}

/// Whether a rule includes the creation of a pod. A pod of a controller has no name yet, so that a rule with
/// names does not include it.
fn includes(rule: &Value, pod: &str) -> bool {
    let has = |list: &str, wanted: &[&str]| {
        items(rule, list).iter().filter_map(Value::as_str).any(|own| wanted.contains(&own))
    };
    has("operations", &["CREATE", "*"])
        && has("apiGroups", &["", "*"])
        && (items(rule, "apiVersions").is_empty() || has("apiVersions", &["v1", "*"]))
        && has("resources", &["pods", "pods/*", "*", "*/*"])
        && rule["scope"] != "Cluster"
        && (items(rule, "resourceNames").is_empty() || has("resourceNames", &[pod]))
}

/// A rule in words.
fn shown(rule: &Value) -> String {
    let list = |name: &str| {
        let own = items(rule, name).iter().filter_map(Value::as_str);
        listed(&own.map(|own| if own.is_empty() { "\"\"" } else { own }).collect::<Vec<_>>())
    };
    let names = match list("resourceNames") {
        names if names.is_empty() => names,
        names => format!(", of the names {names} alone (resourceNames)"),
    };
    let scope = match text(rule, "scope") {
        "Cluster" => ", scope Cluster, which no pod has",
        _ => "",
    };
    format!(
        "{} of {} in the group {}, version {}{scope}{names}",
        list("operations"),
        list("resources"),
        list("apiGroups"),
        list("apiVersions")
    )
}

/// Why rules do not include the creation of a pod.
pub(crate) fn rules_lack(rules: &[Value], pod: &str) -> Option<String> {
    if rules.iter().any(|rule| includes(rule, pod)) {
        return None;
    }
    let all: Vec<String> = rules.iter().take(4).map(shown).collect();
    let more = if rules.len() > all.len() { "; …" } else { "" };
    Some(match all.is_empty() {
        true => "there are none".to_owned(),
        false => format!("they have {}{more}", all.join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_with_wildcards_include_the_creation_of_pods() {
        let rule = |resource: &str| json!([{"operations": ["*"], "apiGroups": [""], "apiVersions": ["*"], "resources": [resource]}]);
        let lacks = |rules: &Value| rules_lack(rules.as_array().unwrap(), "").is_some();
        for resource in ["pods", "*", "*/*", "pods/*"] {
            assert!(!lacks(&rule(resource)), "{resource}");
        }
        for resource in ["pods/status", "*/status", "deployments"] {
            assert!(lacks(&rule(resource)), "{resource}");
        }
        assert!(lacks(&json!([])));
        let beta = json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1beta1"], "resources": ["pods"]}]);
        assert!(lacks(&beta));
        for (member, value) in [("scope", json!("Cluster")), ("resourceNames", json!(["x"]))] {
            let mut narrow = rule("pods");
            narrow[0][member] = value;
            let why = rules_lack(narrow.as_array().unwrap(), "").unwrap();
            assert!(
                why.contains(if member == "scope" { "scope Cluster" } else { "names x" }),
                "{why}"
            );
            assert_eq!(rules_lack(narrow.as_array().unwrap(), "x").is_some(), member == "scope");
        }
    }
}

//! What a run has to be allowed in a cluster: the rules of a ClusterRole and of Roles.

use std::collections::{BTreeMap, BTreeSet};

use issuer_cluster::ObjectKind;
use issuer_iam::ServiceAccountPattern;
use issuer_pods::{POLICY, WEBHOOK};
use serde_json::{Value, json};

use crate::injection::{Chosen, choose, place_of_namespace, places_in_namespace};
use crate::{Account, AccountsMode, Injection, WorkloadSpec, WorkloadState};

/// A run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// `plan`.
    Plan,
    /// `apply`.
    Apply,
    /// `delete`.
    Delete,
}

/// Rules for the whole cluster, and for each namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rbac {
    rules: BTreeMap<Option<String>, BTreeMap<Subject, BTreeSet<&'static str>>>,
    /// Paths that may be read.
    paths: BTreeSet<&'static str>,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    group: &'static str,
    resource: &'static str,
    /// One object, or all of them.
    name: Option<String>,
}

impl Rbac {
    /// Allows verbs on a resource, in a namespace or in the whole cluster; on one object or on all.
    pub fn allow(
        &mut self,
        namespace: Option<&str>,
        (group, resource): (&'static str, &'static str),
        verbs: &[&'static str],
        name: Option<&str>,
    ) {
        let subject = Subject { group, resource, name: name.map(str::to_owned) };
        let rules = self.rules.entry(namespace.map(str::to_owned)).or_default();
        rules.entry(subject).or_default().extend(verbs);
    }

    /// Allows reading a path that is not an object.
    pub fn allow_path(&mut self, path: &'static str) {
        self.paths.insert(path);
    }

    /// Adds the rules of another run.
    pub fn extend(&mut self, other: Self) {
        for (namespace, rules) in other.rules {
            let own = self.rules.entry(namespace).or_default();
            for (subject, verbs) in rules {
                own.entry(subject).or_default().extend(verbs);
            }
        }
        self.paths.extend(other.paths);
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.paths.is_empty()
    }

    /// The ClusterRole and the Roles, all of this name.
    #[must_use]
    pub fn objects(&self, name: &str) -> Vec<Value> {
        let mut objects = Vec::new();
        let of_cluster = self.rules.get(&None);
        if of_cluster.is_some() || !self.paths.is_empty() {
            let mut rules: Vec<Value> = of_cluster.map(rules_of).unwrap_or_default();
            if !self.paths.is_empty() {
                rules.push(json!({"nonResourceURLs": self.paths, "verbs": ["get"]}));
            }
            objects.push(role("ClusterRole", json!({"name": name}), rules));
        }
        for (namespace, rules) in &self.rules {
            if let Some(namespace) = namespace {
                let metadata = json!({"name": name, "namespace": namespace});
                objects.push(role("Role", metadata, rules_of(rules)));
            }
        }
        objects
    }

    /// The namespaces that have a Role.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().filter_map(Option::as_deref)
    }
}

/// The rules of a run, no wider than what it may do; `state` is what was read, if that was possible.
#[must_use]
pub fn permissions(spec: &WorkloadSpec, state: Option<&WorkloadState>, run: Run) -> Rbac {
    let mut needs = Needs { spec, state, run, rbac: Rbac::default() };
    if spec.has_accounts() {
        needs.accounts();
        needs.pods();
    }
    if spec.injection != Injection::None {
        needs.injection();
    }
    if run == Run::Apply {
        needs.proof();
    }
    needs.rbac
}

const ACCOUNTS: (&str, &str) = ("", "serviceaccounts");
const TOKENS: (&str, &str) = ("", "serviceaccounts/token");

/// The kinds of the webhook's objects.
const WEBHOOK_KINDS: [ObjectKind; 9] = [
    ObjectKind::Namespace,
    ObjectKind::ClusterRole,
    ObjectKind::ClusterRoleBinding,
    ObjectKind::MutatingWebhookConfiguration,
    ObjectKind::ServiceAccount,
    ObjectKind::Secret,
    ObjectKind::Service,
    ObjectKind::Deployment,
    ObjectKind::PodDisruptionBudget,
];

/// Those of the policy.
const POLICY_KINDS: [ObjectKind; 2] =
    [ObjectKind::MutatingAdmissionPolicy, ObjectKind::MutatingAdmissionPolicyBinding];

/// Workloads that can be restarted.
const WORKLOADS: [ObjectKind; 3] =
    [ObjectKind::Deployment, ObjectKind::StatefulSet, ObjectKind::DaemonSet];

struct Needs<'a> {
    spec: &'a WorkloadSpec,
    state: Option<&'a WorkloadState>,
    run: Run,
    rbac: Rbac,
}

impl Needs<'_> {
    fn accounts(&mut self) {
        self.rbac.allow(None, ACCOUNTS, &["list"], None);
        let creates = self.spec.accounts == AccountsMode::Create;
        for pattern in patterns(self.spec) {
            let (namespace, name) = scope(pattern);
            let is_known = self.state.is_some_and(|state| {
                state.accounts.iter().any(|account| {
                    Some(account.namespace.as_str()) == namespace
                        && (creates || Some(account.name.as_str()) == name)
                })
            });
            if !is_known && self.run != Run::Delete && pattern.is_literal() {
                self.rbac.allow(None, of(ObjectKind::Namespace), &["get"], namespace);
            }
            match self.run {
                Run::Plan => {}
                Run::Apply if creates && pattern.is_literal() => {
                    self.rbac.allow(namespace, ACCOUNTS, &["create", "patch"], name);
                }
                Run::Apply => self.rbac.allow(namespace, ACCOUNTS, &["patch"], name),
                // What was annotated is read; without that it may be every one that is named.
                Run::Delete if self.state.is_none() => {
                    self.rbac.allow(namespace, ACCOUNTS, &["patch", "delete"], name);
                }
                Run::Delete => {}
            }
        }
        // What is given back.
        let issuer = self.spec.issuer.as_str();
        let ours = self.state.iter().flat_map(|state| &state.accounts);
        let ours = ours.filter(|account| account.metadata.issuers().contains(issuer));
        for account in ours.filter(|_| self.run != Run::Plan) {
            let is_named = patterns(self.spec).any(|pattern| is(pattern, account));
            if self.run == Run::Apply && is_named {
                continue;
            }
            let verb = if account.metadata.is_created() { "delete" } else { "patch" };
            self.rbac.allow(Some(&account.namespace), ACCOUNTS, &[verb], Some(&account.name));
        }
    }

    fn pods(&mut self) {
        if self.run == Run::Delete {
            return;
        }
        for pattern in patterns(self.spec) {
            let (namespace, _) = scope(pattern);
            self.rbac.allow(namespace, ("", "pods"), &["list"], None);
            self.rbac.allow(namespace, of(ObjectKind::ReplicaSet), &["get"], None);
            for kind in WORKLOADS {
                self.rbac.allow(namespace, of(kind), &["get"], None);
            }
            if self.spec.restart && self.run == Run::Apply {
                self.rbac.allow(namespace, ("", "pods"), &["create"], None);
                for kind in WORKLOADS {
                    self.rbac.allow(namespace, of(kind), &["patch"], None);
                }
            }
        }
    }

    fn injection(&mut self) {
        let injection = self.state.map(|state| &state.injection);
        let serves_policies = injection.is_none_or(|injection| injection.api.is_some());
        let chosen = injection.and_then(|state| choose(self.spec.injection, state).ok());
        let chosen = chosen.map(|(chosen, _)| chosen);
        let by_policy = matches!(chosen, Some(Chosen::Policy(_)))
            || (chosen.is_none() && self.spec.injection != Injection::Webhook);
        let by_webhook = chosen == Some(Chosen::Webhook)
            || (chosen.is_none() && self.spec.injection != Injection::Policy);
        let is_there =
            injection.is_some_and(|state| state.objects.contains_key(&place_of_namespace()));

        // Reading.
        self.rbac.allow(None, of(ObjectKind::MutatingWebhookConfiguration), &["list"], None);
        if serves_policies {
            let [policy, binding] = POLICY_KINDS;
            self.rbac.allow(None, of(policy), &["list"], None);
            self.rbac.allow(None, of(binding), &["get"], Some(POLICY));
        }
        for kind in [ObjectKind::Namespace, ObjectKind::ClusterRole, ObjectKind::ClusterRoleBinding]
        {
            self.rbac.allow(None, of(kind), &["get"], Some(WEBHOOK));
        }
        let within = is_there.then_some(WEBHOOK);
        if is_there || injection.is_none() || (by_webhook && self.run == Run::Apply) {
            for place in places_in_namespace() {
                self.rbac.allow(within, of(place.kind()), &["get"], Some(WEBHOOK));
            }
        }

        // Writing.
        match self.run {
            Run::Plan => return,
            Run::Apply => {
                if by_policy {
                    for kind in POLICY_KINDS {
                        self.rbac.allow(None, of(kind), &["create", "patch"], Some(POLICY));
                    }
                    // Who creates a policy has to be allowed to read its parameters.
                    self.rbac.allow(None, ACCOUNTS, &["get", "list"], None);
                }
                if by_webhook {
                    for kind in WEBHOOK_KINDS {
                        let namespace = within.filter(|_| is_in_namespace(kind));
                        self.rbac.allow(namespace, of(kind), &["create", "patch"], Some(WEBHOOK));
                    }
                    // Who creates a ClusterRole has to be allowed what is in it.
                    self.rbac.allow(None, ACCOUNTS, &["get", "list", "watch"], None);
                }
            }
            Run::Delete => {}
        }
        self.given_back(within, by_policy, by_webhook);
    }

    /// What is ours and is deleted: everything, or what is no longer chosen.
    fn given_back(&mut self, within: Option<&str>, by_policy: bool, by_webhook: bool) {
        let issuer = self.spec.issuer.as_str();
        let is_ours = |kind: ObjectKind| {
            let Some(state) = self.state else { return self.run == Run::Delete };
            state.injection.objects.iter().any(|(place, object)| {
                place.kind() == kind
                    && crate::ownership::Metadata::of(object).issuers().contains(issuer)
            })
        };
        let all = POLICY_KINDS.iter().map(|kind| (*kind, POLICY, by_policy));
        let all = all.chain(WEBHOOK_KINDS.iter().map(|kind| (*kind, WEBHOOK, by_webhook)));
        let given: Vec<_> = all
            .filter(|(kind, _, stays)| (self.run == Run::Delete || !stays) && is_ours(*kind))
            .collect();
        for (kind, name, _) in given {
            let namespace = within.filter(|_| is_in_namespace(kind));
            self.rbac.allow(namespace, of(kind), &["delete", "patch"], Some(name));
        }
    }

    /// A token of one ServiceAccount of each role: the first one that there is.
    fn proof(&mut self) {
        let creates = self.spec.accounts == AccountsMode::Create;
        for role in &self.spec.roles {
            if self.state.is_none() && self.spec.has_accounts() {
                // It may be any of them.
                for pattern in &role.accounts {
                    let (namespace, name) = scope(pattern);
                    self.rbac.allow(namespace, TOKENS, &["create"], name);
                }
                continue;
            }
            let known = self.state.map(|state| state.accounts.as_slice()).unwrap_or_default();
            let of = |pattern: &ServiceAccountPattern| {
                let exists = known.iter().find(|account| is(pattern, account));
                let exists = exists.map(|it| (it.namespace.clone(), it.name.clone()));
                let literal = || (pattern.namespace().to_owned(), pattern.name().to_owned());
                exists.or_else(|| (creates && pattern.is_literal()).then(literal))
            };
            let first = role.accounts.iter().find_map(of).or_else(|| {
                let literal = role.accounts.iter().find(|pattern| pattern.is_literal())?;
                Some((literal.namespace().to_owned(), literal.name().to_owned()))
            });
            if let Some((namespace, name)) = first {
                self.rbac.allow(Some(&namespace), TOKENS, &["create"], Some(&name));
            }
        }
    }
}

fn patterns(spec: &WorkloadSpec) -> impl Iterator<Item = &ServiceAccountPattern> {
    spec.roles.iter().flat_map(|role| &role.accounts)
}

fn is(pattern: &ServiceAccountPattern, account: &Account) -> bool {
    pattern.matches(&account.namespace, &account.name)
}

/// Namespace and name, as far as a rule can have them: a name counts in its namespace only.
fn scope(pattern: &ServiceAccountPattern) -> (Option<&str>, Option<&str>) {
    let literal = |text: &str| !text.contains(['*', '?']);
    let namespace = Some(pattern.namespace()).filter(|text| literal(text));
    (namespace, Some(pattern.name()).filter(|text| literal(text)))
}

fn of(kind: ObjectKind) -> (&'static str, &'static str) {
    (kind.group(), kind.resource())
}

fn is_in_namespace(kind: ObjectKind) -> bool {
    places_in_namespace().iter().any(|place| place.kind() == kind)
}

/// Verbs, resources or names.
type Words<'a> = BTreeSet<&'a str>;

/// Rules with the same verbs and names are one.
fn rules_of(rules: &BTreeMap<Subject, BTreeSet<&'static str>>) -> Vec<Value> {
    let mut joined: BTreeMap<(&str, Words<'_>, Option<&str>), Words<'_>> = BTreeMap::new();
    for (subject, verbs) in rules {
        let key = (subject.group, verbs.clone(), subject.name.as_deref());
        joined.entry(key).or_default().insert(subject.resource);
    }
    // The same resources and verbs, with their names.
    let mut named: BTreeMap<(&str, Words<'_>, Words<'_>), Words<'_>> = BTreeMap::new();
    let mut all = Vec::new();
    for ((group, verbs, name), resources) in joined {
        match name {
            Some(name) => drop(named.entry((group, resources, verbs)).or_default().insert(name)),
            None => all.push(json!({"apiGroups": [group], "resources": resources, "verbs": verbs})),
        }
    }
    for ((group, resources, verbs), names) in named {
        all.push(json!({
            "apiGroups": [group], "resources": resources, "resourceNames": names, "verbs": verbs,
        }));
    }
    all
}

fn role(kind: &str, metadata: Value, rules: Vec<Value>) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": rules,
    })
}

#[cfg(test)]
mod tests {
    use issuer_discovery::{IssuerUrl, Ports};

    use super::*;
    use crate::RoleGrant;

    fn spec(accounts: &[&str], mode: AccountsMode, injection: Injection) -> WorkloadSpec {
        WorkloadSpec {
            issuer: IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap(),
            injection,
            accounts: mode,
            restart: false,
            kubectl: "kubectl".to_owned(),
            roles: vec![RoleGrant {
                name: "app".to_owned(),
                arn: "arn".to_owned(),
                audience: None,
                accounts: accounts.iter().map(|text| text.parse().unwrap()).collect(),
            }],
            prune: false,
        }
    }

    fn text(spec: &WorkloadSpec, run: Run) -> String {
        Value::from(permissions(spec, None, run).objects("issuerctl-a")).to_string()
    }

    #[test]
    fn a_plan_writes_nothing() {
        let spec = spec(&["default/app", "jobs/*"], AccountsMode::Create, Injection::Auto);
        let text = text(&spec, Run::Plan);
        for verb in ["create", "patch", "delete", "update", "watch", "*"] {
            assert!(!text.contains(&format!("\"{verb}\"")), "{verb}: {text}");
        }
    }

    #[test]
    fn a_service_account_is_named_in_its_namespace_and_a_wildcard_reaches_no_further() {
        let literal = spec(&["default/app"], AccountsMode::Annotate, Injection::None);
        let rbac = permissions(&literal, None, Run::Apply);
        assert_eq!(rbac.namespaces().collect::<Vec<_>>(), ["default"]);
        let objects = rbac.objects("issuerctl-a");
        let [cluster, role] = &objects[..] else { panic!("{objects:?}") };
        assert_eq!(
            cluster["rules"],
            json!([
                {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["list"]},
                {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["default"],
                 "verbs": ["get"]},
            ])
        );
        let patch = json!({"apiGroups": [""], "resources": ["serviceaccounts"],
                           "resourceNames": ["app"], "verbs": ["patch"]});
        assert!(role["rules"].as_array().unwrap().contains(&patch), "{role:#}");

        let wild = spec(&["jobs/*"], AccountsMode::Annotate, Injection::None);
        let objects = permissions(&wild, None, Run::Apply).objects("issuerctl-a");
        let patch =
            json!({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["patch"]});
        assert!(objects[1]["rules"].as_array().unwrap().contains(&patch), "{objects:#?}");
        assert_eq!(objects[1]["metadata"]["namespace"], "jobs");
    }

    #[test]
    fn a_role_of_wildcards_alone_can_be_proved_with_what_is_allowed_without_reading_the_cluster() {
        let token = |names: Option<&[&str]>| {
            let mut rule = json!({"apiGroups": [""], "resources": ["serviceaccounts/token"],
                                  "verbs": ["create"]});
            if let Some(names) = names {
                rule["resourceNames"] = json!(names);
            }
            rule
        };
        let has = |object: &Value, rule: &Value| object["rules"].as_array().unwrap().contains(rule);
        for mode in [AccountsMode::Annotate, AccountsMode::Create] {
            let within = spec(&["jobs/*"], mode, Injection::None);
            let objects = permissions(&within, None, Run::Apply).objects("issuerctl-a");
            let role = objects.iter().find(|object| object["kind"] == "Role").unwrap();
            assert_eq!(role["metadata"]["namespace"], "jobs");
            assert!(has(role, &token(None)), "{role:#}");
            let anywhere = spec(&["team-*/app", "team-*/app-*"], mode, Injection::None);
            let objects = permissions(&anywhere, None, Run::Apply).objects("issuerctl-a");
            let [cluster] = &objects[..] else { panic!("{objects:?}") };
            assert_eq!(cluster["kind"], "ClusterRole");
            assert!(
                has(cluster, &token(Some(&["app"]))) && has(cluster, &token(None)),
                "{cluster:#}"
            );
        }
        // Any of them may be the first one that there is.
        let both = spec(&["jobs/*", "default/app"], AccountsMode::Annotate, Injection::None);
        let objects = permissions(&both, None, Run::Apply).objects("issuerctl-a");
        let [_, default, jobs] = &objects[..] else { panic!("{objects:?}") };
        assert!(has(default, &token(Some(&["app"]))) && has(jobs, &token(None)), "{objects:#?}");
    }

    #[test]
    fn what_is_left_alone_needs_nothing() {
        let spec = spec(&["jobs/*"], AccountsMode::Leave, Injection::None);
        for run in [Run::Plan, Run::Apply, Run::Delete] {
            assert!(permissions(&spec, None, run).is_empty(), "{run:?}");
        }
    }
}

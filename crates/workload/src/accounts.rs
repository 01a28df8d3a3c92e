//! What happens to ServiceAccounts: their annotations.

use std::collections::BTreeSet;

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Notice, Reason, Resource};
use issuer_cluster::{ObjectKind, ObjectRef};
use issuer_iam::ServiceAccountPattern;
use issuer_pods::Settings;
use serde_json::{Value, json};

use crate::ownership::{ISSUERS, MANAGED_BY, Names, list, object};
use crate::{Account, AccountsMode, AnnotationConflict, Error, RoleGrant};
use crate::{WorkloadSpec, WorkloadState};

/// What happens to one ServiceAccount.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountPlan {
    pub(crate) place: ObjectRef,
    server: String,
    /// Our annotations, and those that we will change; `None` if it does not exist.
    before: Option<Names>,
    /// The same afterwards; `None` if it is deleted.
    after: Option<Names>,
    kept: Option<Reason>,
    pub(crate) step: Option<Step>,
    /// The role that its pods get, if it is one of those that are requested.
    pub(crate) role: Option<String>,
    /// The audience of their tokens, if it is not the default one.
    pub(crate) audience: Option<String>,
    pub(crate) done: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Server-side apply.
    Apply { object: Value, force: bool },
    /// A deletion of this version.
    Delete(String),
}

/// A role for a ServiceAccount.
struct Wish<'a> {
    role: &'a RoleGrant,
    is_literal: bool,
}

/// Plans the ServiceAccounts, role by role; those that are no longer requested come last.
///
/// # Errors
/// [`Error::Annotations`], [`Error::TwoRoles`].
pub(crate) fn plan(
    spec: &WorkloadSpec,
    state: &WorkloadState,
) -> Result<(Vec<AccountPlan>, Vec<Notice>), Error> {
    if !spec.has_accounts() {
        return Ok((Vec::new(), Vec::new()));
    }
    let planner = Planner::new(spec, state);
    let (mut plans, mut notices, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for role in &spec.roles {
        for pattern in &role.accounts {
            let matching = state.accounts.iter().filter(|account| is(pattern, account));
            let mut any = false;
            for account in matching {
                any = true;
                let Some(wish) = planner.wish(account)? else { continue };
                let key = (&account.namespace, &account.name);
                if wish.role.name != role.name || !seen.insert(key) {
                    continue;
                }
                match planner.annotate(account, &wish) {
                    Ok(plan) => plans.push(plan),
                    Err(conflict) if wish.is_literal => conflicts.extend(conflict),
                    Err(conflict) => {
                        notices.extend(conflict.iter().map(|conflict| other_role(conflict, role)));
                        plans.push(planner.keep(account, Reason::Unmanaged));
                    }
                }
            }
            if !any {
                match planner.create(pattern, role) {
                    Ok(plan) => plans.push(plan),
                    Err(notice) => notices.push(notice),
                }
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(Error::Annotations { conflicts, kubectl: spec.kubectl.clone() });
    }
    for account in &state.accounts {
        let known = seen.contains(&(&account.namespace, &account.name));
        if !known && planner.is_ours(account) {
            plans.push(planner.leave(account));
        }
    }
    Ok((plans, notices))
}

/// Plans the end of everything that was done for the issuer.
pub(crate) fn plan_deletion(spec: &WorkloadSpec, state: &WorkloadState) -> Vec<AccountPlan> {
    if !spec.has_accounts() {
        return Vec::new();
    }
    let planner = Planner::new(spec, state);
    let mut plans = Vec::new();
    for account in &state.accounts {
        if planner.is_ours(account) {
            plans.push(planner.take_back(account));
        } else if account.metadata.annotations.contains_key(&planner.role_annotation)
            && spec.roles.iter().flat_map(|role| &role.accounts).any(|own| is(own, account))
        {
            plans.push(planner.keep(account, Reason::Unmanaged));
        }
    }
    plans
}

/// What all plans of a run have in common.
struct Planner<'a> {
    spec: &'a WorkloadSpec,
    state: &'a WorkloadState,
    role_annotation: String,
    audience_annotation: String,
}

impl<'a> Planner<'a> {
    fn new(spec: &'a WorkloadSpec, state: &'a WorkloadState) -> Self {
        let settings = Settings::default();
        Self {
            spec,
            state,
            role_annotation: settings.annotation("role-arn"),
            audience_annotation: settings.annotation("audience"),
        }
    }

    /// The role of a ServiceAccount, if any names it: one that names it literally comes
    /// first, then the one that it already has.
    fn wish(&self, account: &Account) -> Result<Option<Wish<'a>>, Error> {
        let of = |literal: bool| {
            let names = move |pattern: &ServiceAccountPattern| {
                pattern.is_literal() == literal && is(pattern, account)
            };
            let roles = self.spec.roles.iter();
            roles.filter(|role| role.accounts.iter().any(names)).collect::<Vec<_>>()
        };
        let literal = of(true);
        let is_literal = !literal.is_empty();
        let roles = if is_literal { literal } else { of(false) };
        let present = account.metadata.annotations.get(&self.role_annotation);
        let chosen = roles.iter().find(|role| Some(&role.arn) == present);
        match (chosen, &roles[..]) {
            (Some(role), _) | (None, [role]) => Ok(Some(Wish { role, is_literal })),
            (None, [one, other, ..]) if one.arn != other.arn => Err(Error::TwoRoles {
                account: format!("{}/{}", account.namespace, account.name),
                one: one.name.clone(),
                other: other.name.clone(),
            }),
            (None, [role, ..]) => Ok(Some(Wish { role, is_literal })),
            (None, []) => Ok(None),
        }
    }

    /// The annotations that a role requests.
    fn requested(&self, role: &RoleGrant) -> Names {
        let mut names = Names::from([(self.role_annotation.clone(), role.arn.clone())]);
        if let Some(audience) = &role.audience {
            names.insert(self.audience_annotation.clone(), audience.clone());
        }
        names
    }

    fn annotate(
        &self,
        account: &Account,
        wish: &Wish<'_>,
    ) -> Result<AccountPlan, Vec<AnnotationConflict>> {
        let metadata = &account.metadata;
        let mut after = self.requested(wish.role);
        let conflicts: Vec<_> =
            after.iter().filter_map(|(name, value)| self.conflict(account, name, value)).collect();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let role = Some(wish.role.arn.clone());
        let audience = wish.role.audience.clone();
        let is_as_requested =
            after.iter().all(|(name, value)| metadata.annotations.get(name) == Some(value));
        let mut issuers = metadata.issuers();
        if issuers.is_empty() && is_as_requested {
            // Somebody else set the same: it stays theirs.
            return Ok(AccountPlan { role, audience, ..self.keep(account, Reason::Unchanged) });
        }
        issuers.insert(self.spec.issuer.to_string());
        after.insert(ISSUERS.to_owned(), list(&issuers));
        let mut before = Names::new();
        let names = [self.role_annotation.as_str(), self.audience_annotation.as_str(), ISSUERS];
        for name in names {
            let Some(value) = metadata.annotations.get(name) else { continue };
            if after.contains_key(name) || metadata.is_only_ours(name) {
                before.insert(name.to_owned(), value.clone());
            }
        }
        if before == after {
            return Ok(AccountPlan { role, audience, ..self.keep(account, Reason::Unchanged) });
        }
        let step = Some(Step::Apply { object: self.own_object(account, &after), force: true });
        Ok(AccountPlan {
            role,
            audience,
            after: Some(after),
            step,
            ..self.of(account, Some(before))
        })
    }

    /// An annotation that has another value, unless earlier runs for this issuer alone set it.
    fn conflict(&self, account: &Account, name: &str, value: &str) -> Option<AnnotationConflict> {
        let metadata = &account.metadata;
        let present = metadata.annotations.get(name).filter(|present| *present != value)?;
        let issuers = metadata.issuers();
        let is_ours = issuers.len() == 1 && issuers.contains(self.spec.issuer.as_str());
        if is_ours && metadata.is_only_ours(name) {
            return None;
        }
        let managers = metadata.managers(name);
        let manager = match managers.iter().find(|manager| !manager.is_us()) {
            Some(manager) => manager.name.clone(),
            None if issuers.is_empty() => "an unknown field manager".to_owned(),
            None => format!("issuerctl for {}", list(&issuers)),
        };
        Some(AnnotationConflict {
            namespace: account.namespace.clone(),
            name: account.name.clone(),
            annotation: name.to_owned(),
            manager,
            value: present.clone(),
            requested: value.to_owned(),
        })
    }

    /// A ServiceAccount that does not exist, or why it is not created.
    fn create(
        &self,
        pattern: &ServiceAccountPattern,
        role: &RoleGrant,
    ) -> Result<AccountPlan, Notice> {
        let notice = |id: &'static str, message: String| Notice { id: id.into(), message };
        let (namespace, name) = (pattern.namespace(), pattern.name());
        let kubectl = &self.spec.kubectl;
        if !pattern.is_literal() {
            let message =
                format!("no ServiceAccount matches {pattern} of the role {} yet", role.name);
            return Err(notice("no-service-account", message));
        }
        let place = ObjectRef::namespaced(ObjectKind::ServiceAccount, namespace, name);
        let own_namespace = ObjectRef::cluster_wide(ObjectKind::Namespace, namespace);
        let is_going = |place| self.state.terminating.contains(place);
        if is_going(&own_namespace) {
            let message = format!(
                "the namespace {namespace} of the ServiceAccount {pattern} is being deleted; create \
                 it anew and run again when it is gone"
            );
            return Err(notice("terminating-namespace", message));
        }
        if is_going(&place) {
            let message = format!(
                "the ServiceAccount {pattern} of the role {} is being deleted; run again when it is \
                 gone",
                role.name
            );
            return Err(notice("terminating-service-account", message));
        }
        let missing =
            format!("the ServiceAccount {pattern} of the role {} does not exist", role.name);
        if self.state.missing_namespaces.contains(namespace) {
            let message = format!(
                "{missing}, and neither does its namespace, which is not created here: `{kubectl} \
                 create namespace {namespace}`"
            );
            return Err(notice("missing-namespace", message));
        }
        if self.spec.accounts != AccountsMode::Create {
            let message = format!(
                "{missing}: `{kubectl} create serviceaccount {name} --namespace {namespace}`"
            );
            return Err(notice("missing-service-account", message));
        }
        let mut after = self.requested(role);
        after.insert(ISSUERS.to_owned(), self.spec.issuer.to_string());
        let mut object = body(&place, &after);
        object["metadata"]["labels"] = json!({MANAGED_BY.0: MANAGED_BY.1});
        Ok(AccountPlan {
            place,
            server: self.state.server.clone(),
            before: None,
            after: Some(after),
            kept: None,
            // What somebody else creates meanwhile stays theirs.
            step: Some(Step::Apply { object, force: false }),
            role: Some(role.arn.clone()),
            audience: role.audience.clone(),
            done: false,
        })
    }

    /// A ServiceAccount that no role names any more. The annotation of a role that is no longer
    /// requested stays, as the role does, until it is pruned.
    fn leave(&self, account: &Account) -> AccountPlan {
        let arn = account.metadata.annotations.get(&self.role_annotation);
        let is_requested = self.spec.roles.iter().any(|role| Some(&role.arn) == arn);
        if is_requested || self.spec.prune {
            self.take_back(account)
        } else {
            self.keep(account, Reason::NotInFile)
        }
    }

    /// The end of what was done for this issuer.
    fn take_back(&self, account: &Account) -> AccountPlan {
        let metadata = &account.metadata;
        let mut issuers = metadata.issuers();
        issuers.remove(self.spec.issuer.as_str());
        let of_us = |names: &[&str]| {
            let own = names.iter().filter(|name| metadata.is_only_ours(name));
            let own = own.filter_map(|name| {
                Some(((*name).to_owned(), metadata.annotations.get(*name)?.clone()))
            });
            own.collect::<Names>()
        };
        let before = of_us(&[&self.role_annotation, &self.audience_annotation, ISSUERS]);
        if !issuers.is_empty() {
            let mut after = before.clone();
            after.insert(ISSUERS.to_owned(), list(&issuers));
            let object = self.own_object(account, &after);
            let step = Some(Step::Apply { object, force: true });
            return AccountPlan { after: Some(after), step, ..self.of(account, Some(before)) };
        }
        if metadata.is_created() {
            let step = Some(Step::Delete(metadata.resource_version.clone()));
            return AccountPlan { after: None, step, ..self.of(account, Some(before)) };
        }
        let step = Step::Apply { object: self.object(account, &Names::new()), force: true };
        AccountPlan {
            after: Some(Names::new()),
            step: Some(step),
            ..self.of(account, Some(before))
        }
    }

    fn keep(&self, account: &Account, reason: Reason) -> AccountPlan {
        AccountPlan { kept: Some(reason), ..self.of(account, Some(Names::new())) }
    }

    fn of(&self, account: &Account, before: Option<Names>) -> AccountPlan {
        AccountPlan {
            place: account.place(),
            server: self.state.server.clone(),
            after: before.clone(),
            before,
            kept: None,
            step: None,
            role: None,
            audience: None,
            done: false,
        }
    }

    /// For server-side apply of this version.
    fn object(&self, account: &Account, annotations: &Names) -> Value {
        let mut object = body(&account.place(), annotations);
        object["metadata"]["resourceVersion"] = account.metadata.resource_version.as_str().into();
        object
    }

    /// The same, with the label of what an earlier run created.
    fn own_object(&self, account: &Account, annotations: &Names) -> Value {
        let mut object = self.object(account, annotations);
        if account.metadata.is_created() {
            object["metadata"]["labels"] = json!({MANAGED_BY.0: MANAGED_BY.1});
        }
        object
    }

    fn is_ours(&self, account: &Account) -> bool {
        account.metadata.issuers().contains(self.spec.issuer.as_str())
    }
}

impl Describe for AccountPlan {
    fn describe(&self, into: &mut ChangeSet) {
        let locator = format!("{}{}", self.server, self.place.path());
        let resource = Resource::new(Kind::ServiceAccount, self.place.full_name(), locator);
        if let Some(reason) = self.kept {
            into.push(Change::keep(resource, reason));
            return;
        }
        let action = match (&self.before, &self.after) {
            (None, _) => Action::Create,
            (Some(_), None) => Action::Delete,
            (Some(_), Some(_)) => Action::Update,
        };
        let none = Names::new();
        let (before, after) =
            (self.before.as_ref().unwrap_or(&none), self.after.as_ref().unwrap_or(&none));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let value = |names: &Names, name: &String| names.get(name).cloned().map(Into::into);
        let fields =
            names.into_iter().filter(|name| before.get(*name) != after.get(*name)).map(|name| {
                Field::between("annotation", value(before, name), value(after, name)).of(name)
            });
        into.push(Change::new(resource, action).with_fields(fields));
    }
}

fn body(place: &ObjectRef, annotations: &Names) -> Value {
    let mut metadata = json!({"name": place.name(), "namespace": place.namespace()});
    if !annotations.is_empty() {
        metadata["annotations"] = object(annotations);
    }
    json!({"apiVersion": place.api_version(), "kind": place.kind().as_str(), "metadata": metadata})
}

fn other_role(conflict: &AnnotationConflict, role: &RoleGrant) -> Notice {
    let message = format!("{conflict} by a wildcard of the role {}: it is kept", role.name);
    Notice { id: "other-role".into(), message }
}

fn is(pattern: &ServiceAccountPattern, account: &Account) -> bool {
    pattern.matches(&account.namespace, &account.name)
}

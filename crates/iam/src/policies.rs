//! The IAM policies that commands need (Service Authorization Reference, "AWS Identity and Access
//! Management").

use std::collections::BTreeSet;

use issuer_discovery::IssuerUrl;
use serde_json::{Value, json};

use crate::{Documents, Iam, PolicyArn, ProviderArn, RoleName};

/// What is requested of a provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderNeeds {
    /// Whether audiences that are not requested are removed.
    pub prune: bool,
    /// Whether thumbprints are given.
    pub thumbprints: bool,
}

/// The policy for creating or updating a provider. A new provider is tagged.
#[must_use]
pub fn apply_provider(iam: Option<&Iam>, issuer: &IssuerUrl, needs: &ProviderNeeds) -> Value {
    let mut actions = vec!["Get", "Create", "AddClientIDTo", "Tag"];
    if needs.prune {
        actions.push("RemoveClientIDFrom");
    }
    let mut names: Vec<String> =
        actions.iter().map(|action| format!("iam:{action}OpenIDConnectProvider")).collect();
    if needs.thumbprints {
        names.push("iam:UpdateOpenIDConnectProviderThumbprint".to_owned());
    }
    policy(iam, issuer, names)
}

/// The policy for reading a provider.
#[must_use]
pub fn show_provider(iam: Option<&Iam>, issuer: &IssuerUrl) -> Value {
    policy(iam, issuer, vec!["iam:GetOpenIDConnectProvider".to_owned()])
}

/// The policy for deleting a provider; other providers are not listed.
#[must_use]
pub fn delete_provider(iam: Option<&Iam>, issuer: &IssuerUrl) -> Value {
    let actions = ["iam:GetOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"];
    document(vec![json!({"Effect": "Allow", "Action": actions, "Resource": arn(iam, issuer)})])
}

/// What is requested of a role.
#[derive(Debug, Clone)]
pub struct RoleNeeds<'a> {
    /// The role.
    pub name: &'a RoleName,
    /// The inline policies, if they are managed.
    pub inline: Option<&'a Documents>,
    /// The policies to attach, if they are managed.
    pub attached: Option<&'a [PolicyArn]>,
    /// The customer managed policies, if they are managed.
    pub managed: Option<&'a Documents>,
    /// Names of the customer managed policies that issuerctl created for the role earlier, and of
    /// those that are requested now: removing one from the file must need no other policy.
    pub own: BTreeSet<&'a str>,
    /// Whether what was requested earlier is kept.
    pub add: bool,
    /// The permissions boundary, if one is given.
    pub boundary: Option<&'a PolicyArn>,
    /// Whether a maximum session duration is given.
    pub session: bool,
    /// Whether tags are given, so that tags that were set earlier may be removed.
    pub tags: bool,
}

/// The policy for creating or updating a role. Only the requested policies can be attached.
pub fn apply_role(iam: Option<&Iam>, needs: &RoleNeeds<'_>) -> Value {
    let managed: Vec<&str> = needs.managed.into_iter().flatten().map(|(n, _)| n.as_str()).collect();
    let deletable = match needs.managed {
        Some(_) if !needs.add => needs.own.clone(),
        _ => BTreeSet::new(),
    };
    let mut actions = vec!["CreateRole", "UpdateAssumeRolePolicy", "TagRole"];
    if needs.tags || !deletable.is_empty() {
        actions.push("UntagRole");
    }
    if needs.session {
        actions.push("UpdateRole");
    }
    if (needs.attached.is_some() || needs.managed.is_some()) && !needs.add {
        actions.push("DetachRolePolicy");
    }
    if let Some(inline) = needs.inline {
        actions.extend((!inline.is_empty()).then_some("PutRolePolicy"));
        actions.extend((!needs.add).then_some("DeleteRolePolicy"));
    }
    if needs.boundary.is_some() {
        actions.push("PutRolePermissionsBoundary");
    }
    let mut statements = vec![read_role(iam, needs.name), allow(&actions, &role(iam, needs.name))];
    statements.extend(attach(iam, needs, &managed));
    statements.extend(look_up(needs));
    statements.extend(policy_statement(iam, &READ_POLICY, needs.own.iter().copied()));
    let change = ["CreatePolicy", "TagPolicy", "CreatePolicyVersion", "DeletePolicyVersion"];
    statements.extend(policy_statement(iam, &change, managed));
    statements.extend(policy_statement(iam, &DELETE_POLICY, deletable));
    document(statements)
}

/// The policy for listing the account's roles.
#[must_use]
pub fn list_all_roles() -> Value {
    document(vec![allow(&["ListRoles"], &json!("*"))])
}

/// The policy for finding the roles of an issuer: all roles are listed, and the tags of those that
/// trust the issuer record their file.
#[must_use]
pub fn list_roles(iam: Option<&Iam>) -> Value {
    document(vec![
        allow(&["ListRoles"], &json!("*")),
        allow(&["GetRole"], &json!(arn_in_account(iam, "role", "*"))),
    ])
}

/// Joins policies, without duplicate statements.
pub fn join(policies: impl IntoIterator<Item = Value>) -> Value {
    let mut statements: Vec<Value> = Vec::new();
    for mut policy in policies {
        for statement in policy["Statement"].as_array_mut().map(std::mem::take).unwrap_or_default()
        {
            if !statements.contains(&statement) {
                statements.push(statement);
            }
        }
    }
    document(statements)
}

/// What of a policy only reads: the actions whose names begin with `Get` or `List`.
#[must_use]
pub fn reading(mut policy: Value) -> Value {
    let reads = |action: &Value| {
        let name = action.as_str().and_then(|action| action.strip_prefix("iam:"));
        name.is_some_and(|name| name.starts_with("Get") || name.starts_with("List"))
    };
    if let Some(statements) = policy["Statement"].as_array_mut() {
        statements.retain_mut(|statement| match &mut statement["Action"] {
            Value::Array(actions) => {
                actions.retain(reads);
                !actions.is_empty()
            }
            action => reads(action),
        });
    }
    policy
}

/// The policy for reading a role.
#[must_use]
pub fn show_role(iam: Option<&Iam>, name: &RoleName) -> Value {
    let policies = policy_statement(iam, &READ_POLICY, ["*"]);
    document([Some(read_role(iam, name)), policies].into_iter().flatten().collect())
}

/// The policy for listing the account's providers; list operations support no resource-level
/// permissions.
#[must_use]
pub fn list_providers() -> Value {
    document(vec![allow(&["ListOpenIDConnectProviders"], &json!("*"))])
}

/// The policy for removing what issuerctl added. `own` are the names of the customer managed
/// policies that it created for the role, or creates before, if they are known.
#[must_use]
pub fn delete_role(iam: Option<&Iam>, name: &RoleName, own: Option<BTreeSet<&str>>) -> Value {
    let actions = [
        "UpdateAssumeRolePolicy",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "DeleteRole",
        "TagRole",
        "UntagRole",
    ];
    let own = own.unwrap_or_else(|| BTreeSet::from(["*"]));
    let mut statements = vec![read_role(iam, name), allow(&actions, &role(iam, name))];
    statements.extend(policy_statement(iam, &READ_POLICY, own.iter().copied()));
    statements.extend(policy_statement(iam, &DELETE_POLICY, own));
    document(statements)
}

fn read_role(iam: Option<&Iam>, name: &RoleName) -> Value {
    allow(
        &["GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"],
        &role(iam, name),
    )
}

/// The tags of a managed policy record whether issuerctl created it.
const READ_POLICY: [&str; 3] = ["GetPolicy", "GetPolicyVersion", "ListPolicyVersions"];

const DELETE_POLICY: [&str; 3] = ["DeletePolicy", "DeletePolicyVersion", "ListEntitiesForPolicy"];

/// Allows actions on customer managed policies, if there are any.
fn policy_statement<'n>(
    iam: Option<&Iam>,
    actions: &[&str],
    names: impl IntoIterator<Item = &'n str>,
) -> Option<Value> {
    let arns: Vec<String> =
        names.into_iter().map(|name| arn_in_account(iam, "policy", name)).collect();
    (!arns.is_empty()).then(|| allow(actions, &json!(arns)))
}

/// Whoever may attach any policy to a role that they can assume may do everything.
fn attach(iam: Option<&Iam>, needs: &RoleNeeds<'_>, managed: &[&str]) -> Option<Value> {
    let given = needs.attached.into_iter().flatten().map(PolicyArn::to_string);
    let managed = managed.iter().map(|name| arn_in_account(iam, "policy", name));
    let arns: Vec<String> = given.chain(managed).collect();
    (!arns.is_empty()).then(|| {
        let mut statement = allow(&["AttachRolePolicy"], &role(iam, needs.name));
        statement["Condition"] = json!({"ArnLike": {"iam:PolicyARN": arns}});
        statement
    })
}

/// Whether the given policies exist is known before anything is written.
fn look_up(needs: &RoleNeeds<'_>) -> Option<Value> {
    let given = needs.attached.into_iter().flatten().chain(needs.boundary);
    let arns: BTreeSet<String> = given.map(PolicyArn::to_string).collect();
    (!arns.is_empty()).then(|| allow(&["GetPolicy"], &json!(arns)))
}

fn allow(actions: &[&str], resource: &Value) -> Value {
    let actions: Vec<String> = actions.iter().map(|action| format!("iam:{action}")).collect();
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

/// The role with any path.
fn role(iam: Option<&Iam>, name: &RoleName) -> Value {
    json!([
        arn_in_account(iam, "role", name.as_str()),
        arn_in_account(iam, "role", &format!("*/{name}"))
    ])
}

fn arn_in_account(iam: Option<&Iam>, kind: &str, name: &str) -> String {
    let (partition, account) =
        iam.map_or(("*", "*"), |iam| (iam.partition().name, iam.account().as_str()));
    format!("arn:{partition}:iam::{account}:{kind}/{name}")
}

fn policy(iam: Option<&Iam>, issuer: &IssuerUrl, actions: Vec<String>) -> Value {
    document(vec![
        json!({"Effect": "Allow", "Action": actions, "Resource": arn(iam, issuer)}),
        // List operations support no resource-level permissions.
        json!({"Effect": "Allow", "Action": "iam:ListOpenIDConnectProviders", "Resource": "*"}),
    ])
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// The ARN of the provider, in any account if there are no credentials.
fn arn(iam: Option<&Iam>, issuer: &IssuerUrl) -> String {
    iam.and_then(|iam| ProviderArn::new(iam.partition(), iam.account(), issuer).ok()).map_or_else(
        || format!("arn:*:iam::*:oidc-provider/{}", issuer.without_scheme()),
        |arn| arn.to_string(),
    )
}

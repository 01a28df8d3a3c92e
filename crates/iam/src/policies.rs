//! The IAM policies that runs need (Service Authorization Reference, "AWS Identity and Access
//! Management").

use issuer_discovery::IssuerUrl;
use serde_json::{Value, json};

use crate::{Documents, Iam, ProviderArn, RoleName};

/// What a run on a provider asks for.
#[derive(Debug, Clone, Copy)]
pub struct ProviderNeeds {
    /// Whether audiences that nobody asked for are taken away.
    pub prune: bool,
    /// Whether thumbprints are given.
    pub thumbprints: bool,
}

/// What creating or reconciling a provider needs. It is tagged as issuerctl's own when it is made.
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

/// What looking at a provider needs.
#[must_use]
pub fn show_provider(iam: Option<&Iam>, issuer: &IssuerUrl) -> Value {
    policy(iam, issuer, vec!["iam:GetOpenIDConnectProvider".to_owned()])
}

/// What deleting a provider needs; its like are not looked for.
#[must_use]
pub fn delete_provider(iam: Option<&Iam>, issuer: &IssuerUrl) -> Value {
    let actions = ["iam:GetOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"];
    document(vec![json!({"Effect": "Allow", "Action": actions, "Resource": arn(iam, issuer)})])
}

/// What a run on a role asks for.
#[derive(Debug, Clone, Copy)]
pub struct RoleNeeds<'a> {
    /// The role.
    pub name: &'a RoleName,
    /// Whether policies within the role may be put there or taken away.
    pub inline: bool,
    /// Whether policies may be attached or detached.
    pub attached: bool,
    /// The policies of the account that are given; without any, those made earlier may go.
    pub managed: Option<&'a Documents>,
    /// Whether a permissions boundary is given.
    pub boundary: bool,
    /// Whether the longest session is given.
    pub session: bool,
    /// Whether tags are given, so that those given earlier may go.
    pub tags: bool,
}

/// What creating or reconciling a role needs.
pub fn apply_role(iam: Option<&Iam>, needs: &RoleNeeds<'_>) -> Value {
    let mut actions = vec!["CreateRole", "UpdateAssumeRolePolicy", "TagRole"];
    if needs.tags || needs.managed.is_some() {
        actions.push("UntagRole");
    }
    if needs.session {
        actions.push("UpdateRole");
    }
    if needs.attached || needs.managed.is_some() {
        actions.extend(["AttachRolePolicy", "DetachRolePolicy"]);
    }
    if needs.inline {
        actions.extend(["PutRolePolicy", "DeleteRolePolicy"]);
    }
    if needs.boundary {
        actions.push("PutRolePermissionsBoundary");
    }
    let mut statements = vec![
        read_role(iam, needs.name),
        allow(&actions, &role(iam, needs.name)),
        read_policies(iam),
    ];
    let change = ["CreatePolicy", "TagPolicy", "CreatePolicyVersion", "DeletePolicyVersion"];
    statements.extend(
        needs
            .managed
            .into_iter()
            .flat_map(Documents::keys)
            .map(|name| allow(&change, &json!(of_account(iam, "policy", name)))),
    );
    if needs.managed.is_some() {
        statements.push(allow(
            &["DeletePolicy", "DeletePolicyVersion", "ListEntitiesForPolicy"],
            &json!(of_account(iam, "policy", "*")),
        ));
    }
    document(statements)
}

/// What finding the roles of an issuer needs: a list is of the whole account, and the tags of each
/// that trusts the issuer say which file it is from.
#[must_use]
pub fn list_roles(iam: Option<&Iam>) -> Value {
    document(vec![
        allow(&["ListRoles"], &json!("*")),
        allow(&["GetRole"], &json!(of_account(iam, "role", "*"))),
    ])
}

/// One policy out of several, each statement once.
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

/// What looking at a role needs.
#[must_use]
pub fn show_role(iam: Option<&Iam>, name: &RoleName) -> Value {
    document(vec![read_role(iam, name), read_policies(iam)])
}

/// What taking away what issuerctl added needs.
#[must_use]
pub fn delete_role(iam: Option<&Iam>, name: &RoleName) -> Value {
    let actions = [
        "UpdateAssumeRolePolicy",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "DeleteRole",
        "TagRole",
        "UntagRole",
    ];
    let policies = ["DeletePolicy", "DeletePolicyVersion", "ListEntitiesForPolicy"];
    document(vec![
        read_role(iam, name),
        allow(&actions, &role(iam, name)),
        read_policies(iam),
        allow(&policies, &json!(of_account(iam, "policy", "*"))),
    ])
}

fn read_role(iam: Option<&Iam>, name: &RoleName) -> Value {
    allow(
        &["GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"],
        &role(iam, name),
    )
}

/// Whether an attached policy is our own stands in its tags.
fn read_policies(iam: Option<&Iam>) -> Value {
    allow(
        &["GetPolicy", "GetPolicyVersion", "ListPolicyVersions"],
        &json!(of_account(iam, "policy", "*")),
    )
}

fn allow(actions: &[&str], resource: &Value) -> Value {
    let actions: Vec<String> = actions.iter().map(|action| format!("iam:{action}")).collect();
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

/// Without a path, or under any.
fn role(iam: Option<&Iam>, name: &RoleName) -> Value {
    json!([of_account(iam, "role", name.as_str()), of_account(iam, "role", &format!("*/{name}"))])
}

fn of_account(iam: Option<&Iam>, kind: &str, name: &str) -> String {
    let (partition, account) =
        iam.map_or(("*", "*"), |iam| (iam.partition().name, iam.account().as_str()));
    format!("arn:{partition}:iam::{account}:{kind}/{name}")
}

fn policy(iam: Option<&Iam>, issuer: &IssuerUrl, actions: Vec<String>) -> Value {
    document(vec![
        json!({"Effect": "Allow", "Action": actions, "Resource": arn(iam, issuer)}),
        // A list is of the whole account.
        json!({"Effect": "Allow", "Action": "iam:ListOpenIDConnectProviders", "Resource": "*"}),
    ])
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Of any account, where it is not known yet whose credentials it will be.
fn arn(iam: Option<&Iam>, issuer: &IssuerUrl) -> String {
    iam.and_then(|iam| ProviderArn::new(iam.partition(), iam.account(), issuer).ok()).map_or_else(
        || format!("arn:*:iam::*:oidc-provider/{}", issuer.without_scheme()),
        |arn| arn.to_string(),
    )
}

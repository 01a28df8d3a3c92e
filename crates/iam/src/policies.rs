//! The IAM policies that commands need (Service Authorization Reference, "AWS Identity and Access
//! Management").

use issuer_discovery::IssuerUrl;
use serde_json::{Value, json};

use crate::{Documents, Iam, ProviderArn, RoleName};

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
#[derive(Debug, Clone, Copy)]
pub struct RoleNeeds<'a> {
    /// The role.
    pub name: &'a RoleName,
    /// Whether inline policies may be created or deleted.
    pub inline: bool,
    /// Whether policies may be attached or detached.
    pub attached: bool,
    /// The customer managed policies; an empty list may delete those that were created earlier.
    pub managed: Option<&'a Documents>,
    /// Whether a permissions boundary is given.
    pub boundary: bool,
    /// Whether a maximum session duration is given.
    pub session: bool,
    /// Whether tags are given, so that tags that were set earlier may be removed.
    pub tags: bool,
}

/// The policy for creating or updating a role.
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
            .map(|name| allow(&change, &json!(arn_in_account(iam, "policy", name)))),
    );
    if needs.managed.is_some() {
        statements.push(allow(
            &["DeletePolicy", "DeletePolicyVersion", "ListEntitiesForPolicy"],
            &json!(arn_in_account(iam, "policy", "*")),
        ));
    }
    document(statements)
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

/// The policy for reading a role.
#[must_use]
pub fn show_role(iam: Option<&Iam>, name: &RoleName) -> Value {
    document(vec![read_role(iam, name), read_policies(iam)])
}

/// The policy for removing what issuerctl added.
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
        allow(&policies, &json!(arn_in_account(iam, "policy", "*"))),
    ])
}

fn read_role(iam: Option<&Iam>, name: &RoleName) -> Value {
    allow(
        &["GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"],
        &role(iam, name),
    )
}

/// The tags of a managed policy record whether issuerctl created it.
fn read_policies(iam: Option<&Iam>) -> Value {
    allow(
        &["GetPolicy", "GetPolicyVersion", "ListPolicyVersions"],
        &json!(arn_in_account(iam, "policy", "*")),
    )
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

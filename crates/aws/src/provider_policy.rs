//! The IAM policies that the calls on providers need (Service Authorization Reference, "AWS Identity and Access Management").

use issuer_discovery::IssuerUrl;
use serde_json::{Value, json};

use crate::{Iam, ProviderArn, ProviderSpec};

/// What creating or reconciling a provider needs.
pub fn apply(iam: Option<&Iam>, spec: &ProviderSpec, with_thumbprints: bool) -> Value {
    let mut actions = vec!["Get", "Create", "AddClientIDTo", "Tag"];
    if spec.prune {
        actions.push("RemoveClientIDFrom");
    }
    let mut names: Vec<String> = actions.iter().map(|action| format!("iam:{action}OpenIDConnectProvider")).collect();
    if with_thumbprints {
        names.push("iam:UpdateOpenIDConnectProviderThumbprint".to_owned());
    }
    policy(iam, &spec.issuer, names)
}

/// What looking at a provider needs.
pub fn show(iam: Option<&Iam>, issuer: &IssuerUrl) -> Value {
    policy(iam, issuer, vec!["iam:GetOpenIDConnectProvider".to_owned()])
}

/// What deleting a provider needs; its like are not looked for.
pub fn delete(iam: Option<&Iam>, issuer: &IssuerUrl) -> Value {
    let actions = ["iam:GetOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"];
    document(vec![json!({"Effect": "Allow", "Action": actions, "Resource": arn(iam, issuer)})])
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
    iam.and_then(|iam| ProviderArn::new(iam.partition(), iam.account(), issuer).ok())
        .map_or_else(|| format!("arn:*:iam::*:oidc-provider/{}", issuer.without_scheme()), |arn| arn.to_string())
}

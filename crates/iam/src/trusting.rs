//! Which roles trust which issuers, from the trust policies of an account.

use serde_json::Value;

use crate::TrustPolicy;
use crate::json::{members, strings};
use crate::trust::SID;

/// A role that trusts an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustingRole {
    /// The name of the role.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The ARN of the issuer's provider.
    pub provider: String,
    /// The values of its conditions on `sub`; a service account as `NAMESPACE/NAME`.
    pub subjects: Vec<String>,
    /// Whether issuerctl wrote the statement.
    pub is_ours: bool,
}

/// The issuers that a policy trusts, once each, in order.
pub(crate) fn trusted(name: &str, arn: &str, policy: &TrustPolicy) -> Vec<TrustingRole> {
    let mut all: Vec<TrustingRole> = Vec::new();
    for statement in policy.statements().iter().filter(|one| one["Effect"] == "Allow") {
        for provider in strings(&statement["Principal"]["Federated"]) {
            if !provider.contains(":oidc-provider/") {
                continue;
            }
            let is_ours = statement["Sid"].as_str().is_some_and(|sid| sid.starts_with(SID));
            let index = all.iter().position(|one| one.provider == provider).unwrap_or_else(|| {
                all.push(TrustingRole {
                    name: name.to_owned(),
                    arn: arn.to_owned(),
                    provider: provider.to_owned(),
                    subjects: Vec::new(),
                    is_ours: false,
                });
                all.len() - 1
            });
            all[index].is_ours |= is_ours;
            all[index].subjects.extend(subjects(statement));
        }
    }
    all
}

fn subjects(statement: &Value) -> impl Iterator<Item = String> {
    let keys = members(&statement["Condition"]).flat_map(|(_, keys)| members(keys));
    let subjects = keys.filter(|(key, _)| key.to_ascii_lowercase().ends_with(":sub"));
    subjects.flat_map(|(_, values)| strings(values)).map(|subject| {
        match subject.strip_prefix("system:serviceaccount:") {
            Some(name) => name.replacen(':', "/", 1),
            None => subject.to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_issuer_is_listed_once_with_its_service_accounts() {
        let provider = |path: &str| format!("arn:aws:iam::111122223333:oidc-provider/h/{path}");
        let statement = |sid: &str, path: &str, sub: Value| {
            json!({"Sid": sid, "Effect": "Allow", "Principal": {"Federated": provider(path)},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringLike": {format!("h/{path}:sub"): sub}}})
        };
        let policy = json!({"Statement": [
            statement("IssuerctlTrust0", "a", json!("system:serviceaccount:default:app")),
            statement("Theirs", "b", json!(["system:serviceaccount:jobs:*", "other"])),
            statement("Also", "a", json!("system:serviceaccount:x:y")),
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {"Effect": "Deny", "Principal": {"Federated": provider("c")}, "Action": "sts:*"},
        ]});
        let all = trusted("app", "arn", &TrustPolicy::parse(&policy.to_string()).unwrap());
        let seen: Vec<(String, Vec<String>, bool)> =
            all.into_iter().map(|one| (one.provider, one.subjects, one.is_ours)).collect();
        let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        assert_eq!(
            seen,
            [
                (provider("a"), texts(["default/app", "x/y"]), true),
                (provider("b"), texts(["jobs/*", "other"]), false),
            ]
        );
    }
}

//! ServiceAccounts with the annotations of the pod identity webhook.

use issuer_iam::{DEFAULT_AUDIENCE, RoleSpec, ServiceAccountPattern};

use crate::{Error, Rendering};

/// The annotation with the role (amazon-eks-pod-identity-webhook).
const ROLE: &str = "eks.amazonaws.com/role-arn";

/// The annotation with the audience, if it is not the default one.
const AUDIENCE: &str = "eks.amazonaws.com/audience";

/// Words that YAML 1.1, which Kubernetes uses, does not read as strings (YAML type repository,
/// `bool` and `null`).
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// The rendered manifests, and what was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccounts {
    /// YAML, one document for each service account.
    pub yaml: String,
    /// Number of service accounts.
    pub count: usize,
    /// Service accounts with wildcards, which were skipped.
    pub left_out: Vec<ServiceAccountPattern>,
}

/// ServiceAccounts with `eks.amazonaws.com/role-arn`, for `kubectl apply -f`. Service accounts with
/// wildcards are skipped, with a comment.
///
/// # Errors
/// [`Error::TwoRoles`].
pub fn kubernetes(documents: &[Rendering]) -> Result<ServiceAccounts, Error> {
    let mut accounts: Vec<Account<'_>> = Vec::new();
    let mut left_out: Vec<ServiceAccountPattern> = Vec::new();
    let mut comments = String::new();
    for document in documents {
        for role in &document.roles {
            for account in &role.trust.service_accounts {
                if account.is_literal() {
                    add(&mut accounts, Account::new(account, role))?;
                } else if !left_out.contains(account) {
                    comments.push_str(&format!(
                        "# {account} of the role {} has wildcards: annotate its service accounts yourself.\n",
                        role.name
                    ));
                    left_out.push(account.clone());
                }
            }
        }
    }
    let yaml =
        accounts.iter().map(|account| format!("---\n{}", account.yaml())).collect::<String>();
    let yaml = yaml.strip_prefix("---\n").unwrap_or(&yaml);
    let (yaml, count) = (format!("{comments}{yaml}"), accounts.len());
    Ok(ServiceAccounts { yaml, count, left_out })
}

#[derive(PartialEq)]
struct Account<'a> {
    account: &'a ServiceAccountPattern,
    role_arn: String,
    audience: Option<&'a str>,
}

impl<'a> Account<'a> {
    fn new(account: &'a ServiceAccountPattern, role: &'a RoleSpec) -> Self {
        let audience = role.trust.audiences.first().map(|audience| audience.as_str());
        Self {
            account,
            role_arn: role.arn(),
            audience: audience.filter(|audience| *audience != DEFAULT_AUDIENCE),
        }
    }

    fn yaml(&self) -> String {
        let (name, namespace) = (scalar(self.account.name()), scalar(self.account.namespace()));
        let audience =
            self.audience.map(|audience| format!("    {AUDIENCE}: {}\n", scalar(audience)));
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: \
             {namespace}\n  annotations:\n    {ROLE}: {}\n{}",
            scalar(&self.role_arn),
            audience.unwrap_or_default()
        )
    }
}

fn add<'a>(accounts: &mut Vec<Account<'a>>, new: Account<'a>) -> Result<(), Error> {
    match accounts.iter().find(|present| present.account == new.account) {
        None => accounts.push(new),
        Some(present) if *present == new => {}
        Some(present) => {
            let (one, other) = (present.role_arn.clone(), new.role_arn);
            return Err(Error::TwoRoles { account: new.account.to_string(), one, other });
        }
    }
    Ok(())
}

/// A plain scalar if YAML reads it as a string, otherwise quoted.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+=,@".contains(c);
    let is_word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !text.ends_with(':')
        && !is_word
    {
        return text.to_owned();
    }
    // A JSON string is a YAML string.
    serde_json::Value::from(text).to_string()
}

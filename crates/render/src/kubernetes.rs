//! ServiceAccounts with the annotations of the pod identity webhook.

use issuer_iam::{DEFAULT_AUDIENCE, RoleSpec, ServiceAccountPattern};

use crate::{Error, Rendering};

/// The annotation that names the role (amazon-eks-pod-identity-webhook).
const ROLE: &str = "eks.amazonaws.com/role-arn";

/// The one that names the audience, where it is not the usual one.
const AUDIENCE: &str = "eks.amazonaws.com/audience";

/// Texts that YAML 1.1, which Kubernetes reads, takes for something else (YAML type repository,
/// `bool` and `null`).
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// What was rendered, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccounts {
    /// YAML, one document for each service account.
    pub yaml: String,
    /// How many service accounts that is.
    pub count: usize,
    /// Patterns, which name no one service account.
    pub left_out: Vec<ServiceAccountPattern>,
}

/// ServiceAccounts with `eks.amazonaws.com/role-arn`, as `kubectl apply -f` takes them. A wildcard
/// names none: it is left out and stands in a comment.
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
                        "# {account} of the role {} has wildcards: annotate them yourself.\n",
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

/// A text as it is, where YAML takes it for one, or else in quotes.
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
    // A text of JSON is one of YAML too.
    serde_json::Value::from(text).to_string()
}

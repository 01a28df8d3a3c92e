//! An account as plain data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The IAM resources of an account. Documents are stored as they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// The second field of every ARN.
    pub partition: String,
    /// OIDC providers by ARN.
    pub providers: BTreeMap<String, AccountProvider>,
    /// Roles by name.
    pub roles: BTreeMap<String, AccountRole>,
    /// Customer managed policies by ARN; every AWS managed policy exists.
    pub policies: BTreeMap<String, AccountPolicy>,
    /// Whether STS gives credentials of every role for every token of an issuer that it knows.
    pub trusts_every_token: bool,
    /// The quota of a trust policy, in characters without white space.
    pub acl_size_per_role: usize,
}

/// An OIDC provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountProvider {
    /// Without `https://`, as IAM returns it.
    pub url: String,
    /// Audiences.
    pub client_ids: Vec<String>,
    /// If none was given, the one that IAM retrieved itself.
    pub thumbprints: Vec<String>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRole {
    /// `/`, or `/…/`.
    pub path: String,
    /// `AssumeRolePolicyDocument`.
    pub trust: String,
    /// The description.
    pub description: Option<String>,
    /// `MaxSessionDuration`, in seconds.
    pub max_session: u32,
    /// `CreateDate`, if it is not the usual one.
    pub created: Option<String>,
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// ARNs of the attached policies.
    pub attached: BTreeSet<String>,
    /// Inline policies by name.
    pub inline: BTreeMap<String, String>,
}

/// A customer managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPolicy {
    /// `PolicyName`, unique in the account regardless of the path.
    pub name: String,
    /// `/`, or `/…/`.
    pub path: String,
    /// Documents by version number: 3 is `v3`.
    pub versions: BTreeMap<u32, String>,
    /// The number of the default version.
    pub default_version: u32,
    /// The number of the latest version; numbers are not reused.
    pub latest_version: u32,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// Names of users that it is attached to.
    pub users: BTreeSet<String>,
    /// Names of groups that it is attached to.
    pub groups: BTreeSet<String>,
}

impl Account {
    /// An empty account.
    pub(super) fn new(partition: &str, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            partition: partition.to_owned(),
            providers: BTreeMap::new(),
            roles: BTreeMap::new(),
            policies: BTreeMap::new(),
            trusts_every_token: false,
            acl_size_per_role: 2048,
        }
    }

    /// An ARN of the account; `path_and_name` begins with a slash.
    pub fn arn(&self, kind: &str, path_and_name: &str) -> String {
        format!("arn:{}:iam::{}:{kind}{path_and_name}", self.partition, self.id)
    }

    /// The ARN of a role; without a path if the role does not exist.
    pub fn role_arn(&self, name: &str) -> String {
        let path = self.roles.get(name).map_or("/", |role| role.path.as_str());
        self.arn("role", &format!("{path}{name}"))
    }

    /// Adds a managed policy; returns its ARN.
    pub fn add_policy(&mut self, policy: AccountPolicy) -> String {
        let arn = self.arn("policy", &format!("{}{}", policy.path, policy.name));
        self.policies.insert(arn.clone(), policy);
        arn
    }

    /// Adds a provider; returns its ARN.
    pub fn add_provider(&mut self, provider: AccountProvider) -> String {
        let arn = self.arn("oidc-provider", &format!("/{}", provider.url));
        self.providers.insert(arn.clone(), provider);
        arn
    }

    /// Whether it is the ARN of an AWS managed policy.
    pub(super) fn is_aws_managed(&self, arn: &str) -> bool {
        let name = arn.strip_prefix(&format!("arn:{}:iam::aws:policy/", self.partition));
        name.is_some_and(|name| !name.is_empty())
    }

    pub(super) fn has_policy(&self, arn: &str) -> bool {
        self.is_aws_managed(arn) || self.policies.contains_key(arn)
    }

    /// Names of the roles that a policy is attached to.
    pub(super) fn roles_with(&self, arn: &str) -> Vec<String> {
        let with = self.roles.iter().filter(|(_, role)| role.attached.contains(arn));
        with.map(|(name, _)| name.clone()).collect()
    }

    /// Names of the roles that have a policy as permissions boundary.
    pub(super) fn roles_within(&self, arn: &str) -> Vec<String> {
        let within = self.roles.iter().filter(|(_, role)| role.boundary.as_deref() == Some(arn));
        within.map(|(name, _)| name.clone()).collect()
    }
}

impl AccountProvider {
    /// A provider without tags; `url` has no scheme.
    pub fn new(url: &str, client_ids: &[&str]) -> Self {
        Self {
            url: url.to_owned(),
            client_ids: client_ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Self::default()
        }
    }
}

impl AccountRole {
    /// A role with only a trust policy.
    pub fn new(trust: &Value) -> Self {
        Self {
            path: "/".to_owned(),
            trust: trust.to_string(),
            description: None,
            max_session: 3600,
            created: None,
            boundary: None,
            tags: BTreeMap::new(),
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
        }
    }

    /// Its trust policy as a value.
    pub fn trust_policy(&self) -> Value {
        serde_json::from_str(&self.trust).unwrap()
    }

    /// Adds an unmanaged statement to its trust policy.
    pub fn add_trust_statement(&mut self, statement: Value) {
        let mut policy = self.trust_policy();
        policy["Statement"].as_array_mut().unwrap().push(statement);
        self.trust = policy.to_string();
    }
}

impl AccountPolicy {
    /// A policy with a single version that is not attached.
    pub fn new(name: &str, document: &Value) -> Self {
        Self {
            name: name.to_owned(),
            path: "/".to_owned(),
            versions: BTreeMap::from([(1, document.to_string())]),
            default_version: 1,
            latest_version: 1,
            tags: BTreeMap::new(),
            users: BTreeSet::new(),
            groups: BTreeSet::new(),
        }
    }

    /// The document of its default version as a value.
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.versions[&self.default_version]).unwrap()
    }
}

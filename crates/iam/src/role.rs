//! A role: observed state, desired state, and the steps in between.

mod deletion;
mod describe;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use issuer_discovery::IssuerUrl;
use serde_json::Value;

use crate::names::{iam_arn, is_iam_name};
use crate::tags::{CREATED, MADE_POLICY, Record, TRUST, Tags};
use crate::{Documents, Error, Name, PolicyArn, RolePath, Trust, TrustPolicy, trust};

pub use deletion::RoleDeletion;
pub(crate) use describe::tag_fields;
pub use plan::{RolePlan, RoleStep};

/// The name of a role (IAM API, `roleNameType`: 1 to 64 of `A-Za-z0-9+=,.@_-`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName(String);

/// The desired role. Settings that are `None` are left unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleSpec {
    /// Its name.
    pub name: RoleName,
    /// The service accounts that may assume it.
    pub trust: Trust,
    /// ARNs of policies to attach.
    pub policy_arns: Option<Vec<PolicyArn>>,
    /// Inline policies.
    pub inline: Option<Documents>,
    /// Customer managed policies to create or update, and to attach.
    pub managed: Option<Documents>,
    /// The permissions boundary.
    pub boundary: Option<PolicyArn>,
    /// Path of a new role; the path of an existing role cannot be changed.
    pub path: Option<RolePath>,
    /// The maximum session duration, in seconds.
    pub max_session_secs: Option<u32>,
    /// Tags to set; unmanaged tags are kept.
    pub tags: Option<Tags>,
    /// Whether everything that was requested earlier is kept, and this is only added.
    pub add: bool,
    /// The only other issuers that an existing role may trust if it does not trust this one yet; `None`
    /// permits all.
    pub shared_with: Option<Vec<IssuerUrl>>,
    /// The name of the issuer in the file, recorded in the tags of the role, so that roles that are
    /// removed from the file can be found.
    pub file: Option<String>,
}

/// An existing role.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// Its ARN.
    pub arn: String,
    /// Its path.
    pub path: String,
    /// Its trust policy.
    pub trust: TrustPolicy,
    /// The maximum session duration, in seconds.
    pub max_session_secs: u32,
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// ARNs of the attached policies.
    pub attached: Vec<String>,
    /// Inline policies.
    pub inline: Documents,
}

/// An existing customer managed policy.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedPolicy {
    /// Its ARN.
    pub arn: String,
    /// Whether issuerctl created it for this role, according to its tags.
    pub is_ours: bool,
    /// The document of its default version.
    pub document: Value,
    /// Its oldest version that is not the default, if the maximum number of versions is reached.
    pub surplus_version: Option<String>,
}

/// The observed state of a role and its customer managed policies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoleState {
    /// The role itself.
    pub role: Option<Role>,
    /// Customer managed policies by name: the desired ones, and those that issuerctl created for
    /// the role.
    pub managed: BTreeMap<String, ManagedPolicy>,
}

impl RoleName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_iam_name(text, 64) {
            Ok(Self(text.to_owned()))
        } else {
            let reason = "it has 1 to 64 letters, digits and +=,.@_-";
            Err(Error::invalid(Name::RoleName, text, reason))
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RoleSpec {
    /// The ARN of the role if it is created.
    pub fn arn(&self) -> String {
        let path = self.path.as_ref().map_or("/", RolePath::as_str);
        iam_arn(self.trust.partition, &self.trust.account, "role", &format!("{path}{}", self.name))
    }

    /// The desired trust policy, from the one that the role has.
    ///
    /// # Errors
    /// Those of [`TrustPolicy::with`].
    pub fn trust_policy(&self, there: TrustPolicy) -> Result<TrustPolicy, Error> {
        if self.add { there.adding(&self.trust) } else { there.with(&self.trust) }
    }

    /// The ARN of a customer managed policy.
    #[must_use]
    pub fn policy_arn(&self, name: &str) -> String {
        iam_arn(self.trust.partition, &self.trust.account, "policy", &format!("/{name}"))
    }
}

impl Role {
    /// Whether issuerctl created it, according to its tags.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.tags.contains_key(CREATED)
    }

    /// Ownership recorded in tags for these issuers, including entries that an interrupted run has
    /// not applied yet.
    fn recorded(&self, kind: &str, wanted: impl Fn(&str) -> bool) -> Record {
        Record::of(&self.tags, kind, wanted)
    }

    /// What issuerctl added to it for these issuers.
    fn added(&self, kind: &str, wanted: impl Fn(&str) -> bool) -> Record {
        let record = self.recorded(kind, wanted);
        match kind {
            Record::ATTACHED => record.among(self.attached.iter()),
            Record::INLINE => record.among(self.inline.keys()),
            _ => record.among(self.tags.keys()),
        }
    }

    /// Whether its tags record this file for this issuer.
    #[must_use]
    pub fn is_from_file(&self, issuer: &IssuerUrl, file: &str) -> bool {
        self.tags.get(&format!("{TRUST}{}", trust::sid(issuer))).is_some_and(|name| name == file)
    }

    /// `Sid`s of the statements in its trust policy that issuerctl manages.
    pub(crate) fn trusted_by_us(&self) -> Vec<String> {
        let sids = self.trust.statements().iter().filter_map(|statement| statement["Sid"].as_str());
        sids.filter(|sid| self.tags.contains_key(&format!("{TRUST}{sid}")))
            .map(str::to_owned)
            .collect()
    }

    /// Names of the customer managed policies that issuerctl created for it.
    pub(crate) fn made_policies(&self) -> impl Iterator<Item = &str> {
        self.tags.keys().filter_map(|key| key.strip_prefix(MADE_POLICY))
    }
}

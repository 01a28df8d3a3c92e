//! A role: what is there, what is wanted, and the steps between.

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

/// What is wanted of a role. What is `None` was not asked for, and stays as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleSpec {
    /// Its name.
    pub name: RoleName,
    /// Who may assume it.
    pub trust: Trust,
    /// Policies to be attached, by ARN.
    pub policy_arns: Option<Vec<PolicyArn>>,
    /// Policies within the role.
    pub inline: Option<Documents>,
    /// Policies of the account, made, updated and attached.
    pub managed: Option<Documents>,
    /// The permissions boundary.
    pub boundary: Option<PolicyArn>,
    /// Path of a new role; that of an existing one cannot change.
    pub path: Option<RolePath>,
    /// The longest session, in seconds.
    pub max_session_secs: Option<u32>,
    /// Tags to be set; those of others stay.
    pub tags: Option<Tags>,
    /// The name of the file that asks for the role, kept in its tags so that a role that leaves the
    /// file is found again.
    pub file: Option<String>,
}

/// A role as IAM has it.
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
    /// The longest session, in seconds.
    pub max_session_secs: u32,
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// ARNs of the attached policies.
    pub attached: Vec<String>,
    /// Policies within the role.
    pub inline: Documents,
}

/// A policy of the account as IAM has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedPolicy {
    /// Its ARN.
    pub arn: String,
    /// Whether issuerctl made it for this very role, by its tag.
    pub is_ours: bool,
    /// The document of its default version.
    pub document: Value,
    /// Its oldest version that is not the default one, where there is no room for another.
    pub surplus_version: Option<String>,
}

/// What an account has of a role and the policies that bear upon it, by their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoleState {
    /// The role itself.
    pub role: Option<Role>,
    /// Policies of the account with the wanted names, and those that issuerctl made for the role.
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
    /// The ARN that a role made from this has.
    pub fn arn(&self) -> String {
        let path = self.path.as_ref().map_or("/", RolePath::as_str);
        iam_arn(self.trust.partition, &self.trust.account, "role", &format!("{path}{}", self.name))
    }

    /// The ARN of a policy of the account by its name.
    #[must_use]
    pub fn policy_arn(&self, name: &str) -> String {
        iam_arn(self.trust.partition, &self.trust.account, "policy", &format!("/{name}"))
    }
}

impl Role {
    /// Whether issuerctl made it, by its tag.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.tags.contains_key(CREATED)
    }

    /// What its tags say of the issuers whose `Sid`s are wanted, also of what a run that was cut
    /// off has not added yet.
    fn recorded(&self, kind: &str, wanted: impl Fn(&str) -> bool) -> Record {
        Record::of(&self.tags, kind, wanted)
    }

    /// What issuerctl added to it in the name of these issuers.
    fn added(&self, kind: &str, wanted: impl Fn(&str) -> bool) -> Record {
        let record = self.recorded(kind, wanted);
        match kind {
            Record::ATTACHED => record.among(self.attached.iter()),
            Record::INLINE => record.among(self.inline.keys()),
            _ => record.among(self.tags.keys()),
        }
    }

    /// Whether a file of this name asked for it in the name of this issuer.
    #[must_use]
    pub fn is_from_file(&self, issuer: &IssuerUrl, file: &str) -> bool {
        self.tags.get(&format!("{TRUST}{}", trust::sid(issuer))).is_some_and(|name| name == file)
    }

    /// `Sid`s of the statements that issuerctl wrote into its trust policy.
    pub(crate) fn trusted_by_us(&self) -> Vec<String> {
        let sids = self.trust.statements().iter().filter_map(|statement| statement["Sid"].as_str());
        sids.filter(|sid| self.tags.contains_key(&format!("{TRUST}{sid}")))
            .map(str::to_owned)
            .collect()
    }

    /// Names of the policies of the account that issuerctl made for it.
    pub(crate) fn made_policies(&self) -> impl Iterator<Item = &str> {
        self.tags.keys().filter_map(|key| key.strip_prefix(MADE_POLICY))
    }
}

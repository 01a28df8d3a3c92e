//! Managed policies: customer managed ones, and those of AWS, which cannot be changed.

use super::documents::{Kind, check, encoded, size};
use super::providers::quota;
use super::{Answer, Call, date, id, tagged, tags, truncation};
use crate::iam::account::AccountPolicy;
use crate::iam::query::Refusal;
use crate::iam::xml::Xml;

/// Quotas: versions of a policy, and characters of its document.
const VERSIONS: usize = 5;
const SIZE: usize = 6144;

/// The document of every AWS managed policy.
const OF_AWS: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":"#,
    r#"[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#
);

impl Call<'_> {
    /// The requested policy, for reading.
    fn there(&self) -> Result<(&str, AccountPolicy), Refusal> {
        let arn = self.query.required("PolicyArn")?;
        if let Some(policy) = self.account.policies.get(arn) {
            return Ok((arn, policy.clone()));
        }
        let of_aws = self.account.is_aws_managed(arn).then(|| arn.split_once(":policy")).flatten();
        let (_, path_and_name) = of_aws.ok_or_else(|| not_found(arn))?;
        let at = path_and_name.rfind('/').map_or(0, |slash| slash + 1);
        let mut policy = AccountPolicy::new(&path_and_name[at..], &serde_json::Value::Null);
        policy.path = path_and_name[..at].to_owned();
        policy.versions.insert(1, OF_AWS.to_owned());
        Ok((arn, policy))
    }

    /// The same for changing.
    fn own(&mut self) -> Result<&mut AccountPolicy, Refusal> {
        let arn = self.query.required("PolicyArn")?;
        self.account.policies.get_mut(arn).ok_or_else(|| not_found(arn))
    }

    pub(super) fn get_policy(&mut self) -> Answer {
        let (arn, policy) = self.there()?;
        Ok(Some(self.described(arn, &policy)))
    }

    pub(super) fn get_version(&mut self) -> Answer {
        let (arn, policy) = self.there()?;
        let version = self.query.required("VersionId")?;
        let number = number(version).filter(|number| policy.versions.contains_key(number));
        let number = number.ok_or_else(|| no_version(arn, version))?;
        Ok(Some(Xml::of(|xml| {
            xml.element("PolicyVersion", |xml| {
                xml.text("Document", encoded(&policy.versions[&number]));
                described_version(xml, &policy, number);
            });
        })))
    }

    /// The newest version first, without documents.
    pub(super) fn list_versions(&mut self) -> Answer {
        let (_, policy) = self.there()?;
        let numbers: Vec<u32> = policy.versions.keys().rev().copied().collect();
        let (page, marker) = self.page(&numbers)?;
        Ok(Some(Xml::of(|xml| {
            xml.members("Versions", page, |xml, number| described_version(xml, &policy, number));
            truncation(xml, marker.as_deref());
        })))
    }

    /// Users and groups are on the first page, with the first roles.
    pub(super) fn list_entities(&mut self) -> Answer {
        let (arn, policy) = self.there()?;
        let mut roles = self.account.roles_with(arn);
        roles.extend(self.account.roles_within(arn));
        roles.sort();
        roles.dedup();
        let (page, marker) = self.page(&roles)?;
        let first = self.query.get("Marker").is_none();
        let entities = |xml: &mut Xml, kind: &str, names: Vec<String>| {
            xml.members(&format!("Policy{kind}s"), names, |xml, name| {
                xml.text(&format!("{kind}Name"), &name);
                xml.text(&format!("{kind}Id"), id("A", &name));
            });
        };
        let of_first = |names: std::collections::BTreeSet<String>| {
            if first { names.into_iter().collect() } else { Vec::new() }
        };
        Ok(Some(Xml::of(|xml| {
            entities(xml, "Group", of_first(policy.groups));
            entities(xml, "User", of_first(policy.users));
            entities(xml, "Role", page);
            truncation(xml, marker.as_deref());
        })))
    }

    pub(super) fn create_policy(&mut self) -> Answer {
        let (name, document) =
            (self.query.required("PolicyName")?, self.query.required("PolicyDocument")?);
        if self.account.policies.values().any(|there| there.name.eq_ignore_ascii_case(name)) {
            let message =
                format!("A policy called {name} already exists. Duplicate names are not allowed.");
            return Err(Refusal::new("EntityAlreadyExists", message));
        }
        check_managed(document)?;
        let policy = AccountPolicy {
            path: self.query.get("Path").unwrap_or("/").to_owned(),
            versions: [(1, document.to_owned())].into(),
            tags: tagged(&Default::default(), self.query.tags())?,
            ..AccountPolicy::new(name, &serde_json::Value::Null)
        };
        let arn = self.account.add_policy(policy.clone());
        Ok(Some(self.described(&arn, &policy)))
    }

    pub(super) fn create_version(&mut self) -> Answer {
        let document = self.query.required("PolicyDocument")?.to_owned();
        let set_as_default = self.query.get("SetAsDefault") == Some("true");
        let policy = self.own()?;
        check_managed(&document)?;
        if policy.versions.len() >= VERSIONS {
            return Err(Refusal::new(
                "LimitExceeded",
                "A managed policy can have up to 5 versions. Before you create a new version, you \
                 must delete an existing version.",
            ));
        }
        policy.latest_version += 1;
        policy.versions.insert(policy.latest_version, document);
        if set_as_default {
            policy.default_version = policy.latest_version;
        }
        Ok(Some(Xml::of(|xml| {
            xml.element("PolicyVersion", |xml| {
                described_version(xml, policy, policy.latest_version);
            });
        })))
    }

    pub(super) fn delete_version(&mut self) -> Answer {
        let version = self.query.required("VersionId")?.to_owned();
        let arn = self.query.required("PolicyArn")?.to_owned();
        let policy = self.own()?;
        let number = number(&version).filter(|number| policy.versions.contains_key(number));
        let number = number.ok_or_else(|| no_version(&arn, &version))?;
        if number == policy.default_version {
            let message = "Cannot delete the default version of a policy.";
            return Err(Refusal::new("DeleteConflict", message));
        }
        policy.versions.remove(&number);
        Ok(None)
    }

    pub(super) fn delete_policy(&mut self) -> Answer {
        let arn = self.query.required("PolicyArn")?;
        let conflict = |message| Err(Refusal::new("DeleteConflict", message));
        let policy = self.account.policies.get(arn).ok_or_else(|| not_found(arn))?;
        let uses = self.account.roles_with(arn).len() + self.account.roles_within(arn).len();
        if uses + policy.users.len() + policy.groups.len() > 0 {
            return conflict("Cannot delete a policy attached to entities.");
        }
        if policy.versions.len() > 1 {
            return conflict(
                "This policy has more than one version. Before you delete a policy, you must \
                 delete the policy's versions. The default version is deleted with the policy.",
            );
        }
        self.account.policies.remove(arn);
        Ok(None)
    }

    pub(super) fn tag_policy(&mut self) -> Answer {
        let new = self.query.tags();
        let policy = self.own()?;
        policy.tags = tagged(&policy.tags, new)?;
        Ok(None)
    }

    fn described(&self, arn: &str, policy: &AccountPolicy) -> Xml {
        let attached =
            self.account.roles_with(arn).len() + policy.users.len() + policy.groups.len();
        Xml::of(|xml| {
            xml.element("Policy", |xml| {
                xml.text("PolicyName", &policy.name);
                xml.text("PolicyId", id("ANPA", arn));
                xml.text("Arn", arn);
                xml.text("Path", &policy.path);
                xml.text("DefaultVersionId", format!("v{}", policy.default_version));
                xml.text("AttachmentCount", attached);
                xml.text("PermissionsBoundaryUsageCount", self.account.roles_within(arn).len());
                xml.text("IsAttachable", true);
                xml.text("CreateDate", date(1));
                xml.text("UpdateDate", date(policy.latest_version));
                tags(xml, &policy.tags);
            });
        })
    }
}

fn described_version(xml: &mut Xml, policy: &AccountPolicy, number: u32) {
    xml.text("VersionId", format!("v{number}"));
    xml.text("IsDefaultVersion", number == policy.default_version);
    xml.text("CreateDate", date(number));
}

fn check_managed(document: &str) -> Result<(), Refusal> {
    check(document, Kind::Permissions)?;
    if size(document) > SIZE { Err(quota("PolicySize", SIZE)) } else { Ok(()) }
}

fn number(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.parse().ok()
}

fn not_found(arn: &str) -> Refusal {
    Refusal::missing(format!("Policy {arn} was not found."))
}

fn no_version(arn: &str, version: &str) -> Refusal {
    Refusal::missing(format!("Policy {arn} version {version} does not exist or is not attachable."))
}

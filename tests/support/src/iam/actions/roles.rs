//! Roles with their trust policies, inline policies and attached policies.

use super::documents::{Kind, check, encoded, size};
use super::providers::quota;
use super::{Answer, Call, date, id, tagged, tags, truncation};
use crate::iam::account::{Account, AccountRole};
use crate::iam::query::Refusal;
use crate::iam::xml::Xml;

/// Quotas: attached policies of a role, and characters of all its inline policies.
const ATTACHED: usize = 10;
const INLINE: usize = 10_240;

impl Call<'_> {
    fn role(&mut self) -> Result<&mut AccountRole, Refusal> {
        let name = self.query.required("RoleName")?;
        let missing = || Refusal::missing(format!("The role with name {name} cannot be found."));
        self.account.roles.get_mut(name).ok_or_else(missing)
    }

    pub(super) fn get_role(&mut self) -> Answer {
        let role = self.role()?.clone();
        let name = self.query.required("RoleName")?;
        Ok(Some(Xml::of(|xml| {
            xml.element("Role", |xml| {
                listed(xml, self.account, name, &role);
                if let Some(boundary) = &role.boundary {
                    xml.element("PermissionsBoundary", |xml| {
                        xml.text("PermissionsBoundaryType", "Policy");
                        xml.text("PermissionsBoundaryArn", boundary);
                    });
                }
                tags(xml, &role.tags);
                xml.element("RoleLastUsed", |_| {});
            });
        })))
    }

    /// Without tags, permissions boundary and last use, as in IAM's lists.
    pub(super) fn list_roles(&mut self) -> Answer {
        let prefix = self.query.get("PathPrefix").unwrap_or("/");
        let roles: Vec<(&String, &AccountRole)> =
            self.account.roles.iter().filter(|(_, role)| role.path.starts_with(prefix)).collect();
        let (page, marker) = self.page(&roles)?;
        Ok(Some(Xml::of(|xml| {
            xml.members("Roles", page, |xml, (name, role)| listed(xml, self.account, name, role));
            truncation(xml, marker.as_deref());
        })))
    }

    pub(super) fn create_role(&mut self) -> Answer {
        let name = self.query.required("RoleName")?;
        let trust = self.query.required("AssumeRolePolicyDocument")?;
        if self.account.roles.keys().any(|there| there.eq_ignore_ascii_case(name)) {
            let message = format!("Role with name {name} already exists.");
            return Err(Refusal::new("EntityAlreadyExists", message));
        }
        self.check_trust(trust)?;
        let boundary = self.query.get("PermissionsBoundary").map(str::to_owned);
        if let Some(arn) = &boundary {
            self.check_boundary(arn)?;
        }
        let role = AccountRole {
            created: None,
            path: self.query.get("Path").unwrap_or("/").to_owned(),
            trust: trust.to_owned(),
            description: self.query.get("Description").map(str::to_owned),
            max_session: self.max_session()?.unwrap_or(3600),
            boundary,
            tags: tagged(&Default::default(), self.query.tags())?,
            attached: Default::default(),
            inline: Default::default(),
        };
        self.account.roles.insert(name.to_owned(), role.clone());
        Ok(Some(Xml::of(|xml| {
            xml.element("Role", |xml| {
                listed(xml, self.account, name, &role);
                tags(xml, &role.tags);
            });
        })))
    }

    pub(super) fn delete_role(&mut self) -> Answer {
        let role = self.role()?;
        let conflict = |message| Err(Refusal::new("DeleteConflict", message));
        if !role.attached.is_empty() {
            return conflict("Cannot delete entity, must detach all policies first.");
        }
        if !role.inline.is_empty() {
            return conflict("Cannot delete entity, must delete policies first.");
        }
        self.account.roles.remove(self.query.required("RoleName")?);
        Ok(None)
    }

    pub(super) fn update_role(&mut self) -> Answer {
        let (session, description) =
            (self.max_session()?, self.query.get("Description").map(str::to_owned));
        let role = self.role()?;
        role.max_session = session.unwrap_or(role.max_session);
        role.description = description.or(role.description.take());
        Ok(Some(Xml::default()))
    }

    pub(super) fn update_trust(&mut self) -> Answer {
        let document = self.query.required("PolicyDocument")?.to_owned();
        self.role()?;
        self.check_trust(&document)?;
        self.role()?.trust = document;
        Ok(None)
    }

    pub(super) fn tag_role(&mut self) -> Answer {
        let new = self.query.tags();
        let role = self.role()?;
        role.tags = tagged(&role.tags, new)?;
        Ok(None)
    }

    pub(super) fn untag_role(&mut self) -> Answer {
        let keys = self.query.list("TagKeys");
        let gone = |there: &String| keys.iter().any(|key| key.eq_ignore_ascii_case(there));
        self.role()?.tags.retain(|there, _| !gone(there));
        Ok(None)
    }

    pub(super) fn put_boundary(&mut self) -> Answer {
        let arn = self.query.required("PermissionsBoundary")?.to_owned();
        self.role()?;
        self.check_boundary(&arn)?;
        self.role()?.boundary = Some(arn);
        Ok(None)
    }

    pub(super) fn list_attached(&mut self) -> Answer {
        let attached: Vec<String> = self.role()?.attached.iter().cloned().collect();
        let (page, marker) = self.page(&attached)?;
        Ok(Some(Xml::of(|xml| {
            xml.members("AttachedPolicies", page, |xml, arn| {
                xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
                xml.text("PolicyArn", &arn);
            });
            truncation(xml, marker.as_deref());
        })))
    }

    pub(super) fn attach(&mut self) -> Answer {
        let arn = self.query.required("PolicyArn")?.to_owned();
        self.role()?;
        if !self.account.has_policy(&arn) {
            let message = format!("Policy {arn} does not exist or is not attachable.");
            return Err(Refusal::missing(message));
        }
        let role = self.role()?;
        if !role.attached.contains(&arn) && role.attached.len() >= ATTACHED {
            return Err(quota("PoliciesPerRole", ATTACHED));
        }
        role.attached.insert(arn);
        Ok(None)
    }

    pub(super) fn detach(&mut self) -> Answer {
        let arn = self.query.required("PolicyArn")?.to_owned();
        if self.role()?.attached.remove(&arn) {
            Ok(None)
        } else {
            Err(Refusal::missing(format!("Policy {arn} was not found.")))
        }
    }

    pub(super) fn list_inline(&mut self) -> Answer {
        let names: Vec<String> = self.role()?.inline.keys().cloned().collect();
        let (page, marker) = self.page(&names)?;
        Ok(Some(Xml::of(|xml| {
            xml.texts("PolicyNames", page);
            truncation(xml, marker.as_deref());
        })))
    }

    pub(super) fn get_inline(&mut self) -> Answer {
        let (role, policy) = (self.query.required("RoleName")?, self.query.required("PolicyName")?);
        let document = self.role()?.inline.get(policy).cloned().ok_or_else(|| no_inline(policy))?;
        Ok(Some(Xml::of(|xml| {
            xml.text("RoleName", role);
            xml.text("PolicyName", policy);
            xml.text("PolicyDocument", encoded(&document));
        })))
    }

    pub(super) fn put_inline(&mut self) -> Answer {
        let (name, policy) = (self.query.required("RoleName")?, self.query.required("PolicyName")?);
        let document = self.query.required("PolicyDocument")?.to_owned();
        let role = self.role()?;
        check(&document, Kind::Permissions)?;
        let others = role.inline.iter().filter(|(there, _)| *there != policy);
        if others.map(|(_, other)| size(other)).sum::<usize>() + size(&document) > INLINE {
            let message = format!("Maximum policy size of {INLINE} bytes exceeded for role {name}");
            return Err(Refusal::new("LimitExceeded", message));
        }
        role.inline.insert(policy.to_owned(), document);
        Ok(None)
    }

    pub(super) fn delete_inline(&mut self) -> Answer {
        let policy = self.query.required("PolicyName")?;
        self.role()?.inline.remove(policy).map(|_| None).ok_or_else(|| no_inline(policy))
    }

    fn check_trust(&self, document: &str) -> Result<(), Refusal> {
        check(document, Kind::Trust)?;
        let most = self.account.acl_size_per_role;
        if size(document) > most { Err(quota("ACLSizePerRole", most)) } else { Ok(()) }
    }

    fn check_boundary(&self, arn: &str) -> Result<(), Refusal> {
        if self.account.has_policy(arn) {
            return Ok(());
        }
        Err(Refusal::missing(format!("Scope ARN: {arn} does not exist or is not attachable.")))
    }

    fn max_session(&self) -> Result<Option<u32>, Refusal> {
        let Some(text) = self.query.get("MaxSessionDuration") else { return Ok(None) };
        match text.parse() {
            Ok(seconds) if (3600..=43_200).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(Refusal::new(
                "ValidationError",
                format!(
                    "1 validation error detected: Value '{text}' at 'maxSessionDuration' failed \
                     to satisfy constraint: Member must have value between 3600 and 43200"
                ),
            )),
        }
    }
}

/// A role in a list.
fn listed(xml: &mut Xml, account: &Account, name: &str, role: &AccountRole) {
    xml.text("Path", &role.path);
    xml.text("RoleName", name);
    xml.text("RoleId", id("AROA", name));
    xml.text("Arn", account.arn("role", &format!("{}{name}", role.path)));
    xml.text("CreateDate", role.created.clone().unwrap_or_else(|| date(0)));
    xml.text("AssumeRolePolicyDocument", encoded(&role.trust));
    if let Some(description) = &role.description {
        xml.text("Description", description);
    }
    xml.text("MaxSessionDuration", role.max_session);
}

fn no_inline(policy: &str) -> Refusal {
    Refusal::missing(format!("The role policy with name {policy} cannot be found."))
}

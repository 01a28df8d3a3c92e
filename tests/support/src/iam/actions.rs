//! The actions of IAM and STS on an account.

mod documents;
mod policies;
mod providers;
mod roles;
mod sts;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::access::USER;
use super::account::Account;
use super::query::{Query, Refusal};
use super::xml::Xml;

/// The result of an action: its elements, or nothing.
type Answer = Result<Option<Xml>, Refusal>;

/// Quota: tags of a resource.
const TAGS: usize = 50;

/// A request on an account.
pub(super) struct Call<'a> {
    pub(super) account: &'a mut Account,
    pub(super) query: &'a Query,
    /// Items per page, if fewer than requested.
    pub(super) page_size: Option<usize>,
}

impl Call<'_> {
    /// Executes it, completely or not at all.
    pub(super) fn carry_out(&mut self) -> Answer {
        match self.query.action() {
            "GetCallerIdentity" => Ok(self.caller()),
            "AssumeRoleWithWebIdentity" => self.assume_with_token(),
            "GetOpenIDConnectProvider" => self.get_provider(),
            "ListOpenIDConnectProviders" => Ok(self.list_providers()),
            "CreateOpenIDConnectProvider" => self.create_provider(),
            "DeleteOpenIDConnectProvider" => self.delete_provider(),
            "AddClientIDToOpenIDConnectProvider" => self.add_client_id(),
            "RemoveClientIDFromOpenIDConnectProvider" => self.remove_client_id(),
            "UpdateOpenIDConnectProviderThumbprint" => self.update_thumbprints(),
            "TagOpenIDConnectProvider" => self.tag_provider(),
            "GetRole" => self.get_role(),
            "ListRoles" => self.list_roles(),
            "CreateRole" => self.create_role(),
            "DeleteRole" => self.delete_role(),
            "UpdateRole" => self.update_role(),
            "UpdateAssumeRolePolicy" => self.update_trust(),
            "TagRole" => self.tag_role(),
            "UntagRole" => self.untag_role(),
            "PutRolePermissionsBoundary" => self.put_boundary(),
            "ListAttachedRolePolicies" => self.list_attached(),
            "AttachRolePolicy" => self.attach(),
            "DetachRolePolicy" => self.detach(),
            "ListRolePolicies" => self.list_inline(),
            "GetRolePolicy" => self.get_inline(),
            "PutRolePolicy" => self.put_inline(),
            "DeleteRolePolicy" => self.delete_inline(),
            "GetPolicy" => self.get_policy(),
            "GetPolicyVersion" => self.get_version(),
            "ListPolicyVersions" => self.list_versions(),
            "ListEntitiesForPolicy" => self.list_entities(),
            "CreatePolicy" => self.create_policy(),
            "CreatePolicyVersion" => self.create_version(),
            "DeletePolicyVersion" => self.delete_version(),
            "DeletePolicy" => self.delete_policy(),
            "TagPolicy" => self.tag_policy(),
            other => Err(Refusal::new(
                "InvalidAction",
                format!("Could not find operation {other} for version 2010-05-08"),
            )),
        }
    }

    fn caller(&self) -> Option<Xml> {
        Some(Xml::of(|xml| {
            xml.text("Arn", self.account.arn("", USER));
            xml.text("UserId", id("AIDA", USER));
            xml.text("Account", &self.account.id);
        }))
    }

    /// The page that `Marker` and `MaxItems` request, and the marker of the next one.
    fn page<T: Clone>(&self, items: &[T]) -> Result<(Vec<T>, Option<String>), Refusal> {
        let number = |name: &str, otherwise: usize| match self.query.get(name) {
            None => Ok(otherwise),
            Some(text) => text
                .parse()
                .map_err(|_| Refusal::new("ValidationError", format!("Invalid {name}: {text}"))),
        };
        let (from, most) = (number("Marker", 0)?, number("MaxItems", 100)?);
        if !(1..=1000).contains(&most) {
            return Err(Refusal::new(
                "ValidationError",
                format!(
                    "1 validation error detected: Value '{most}' at 'maxItems' failed to satisfy \
                     constraint: Member must have value less than or equal to 1000"
                ),
            ));
        }
        let most = self.page_size.map_or(most, |size| size.min(most));
        let page: Vec<T> = items.iter().skip(from).take(most).cloned().collect();
        let next = from + page.len();
        Ok((page, (next < items.len()).then(|| next.to_string())))
    }
}

fn truncation(xml: &mut Xml, marker: Option<&str>) {
    xml.text("IsTruncated", marker.is_some());
    if let Some(marker) = marker {
        xml.text("Marker", marker);
    }
}

fn tags(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    xml.members("Tags", tags, |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
}

/// The tags with others added. Keys that differ only in letter case are the same key.
fn tagged(
    present: &BTreeMap<String, String>,
    new: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = present.clone();
    for (key, value) in new {
        if key.to_ascii_lowercase().starts_with("aws:") {
            let message = "Keys that begin with aws: are reserved for system use.";
            return Err(Refusal::new("InvalidInput", message));
        }
        tags.retain(|there, _| !there.eq_ignore_ascii_case(&key));
        tags.insert(key, value);
    }
    if tags.len() > TAGS {
        let message = "The number of tags has reached the maximum limit.";
        return Err(Refusal::new("LimitExceeded", message));
    }
    Ok(tags)
}

/// An ID in the format of IAM, the same for the same name.
fn id(prefix: &str, name: &str) -> String {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{prefix}X{:016X}", hasher.finish())
}

/// `CreateDate`, later for each version.
fn date(version: u32) -> String {
    format!("2026-01-01T{:02}:{:02}:{:02}Z", version / 3600 % 24, version / 60 % 60, version % 60)
}

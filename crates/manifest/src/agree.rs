//! Resources that several issuers of a run share.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use issuer_iam::{PolicyArn, RolePath};

use crate::{Error, Issuer, Role, StoreSpec};

/// Whether issuers that are applied together configure shared resources the same way: a place to
/// publish to, a role, a customer managed policy.
///
/// # Errors
/// [`Error::Disagree`].
pub fn agree(issuers: &[&Issuer]) -> Result<(), Error> {
    let mut shared = Shared::default();
    issuers.iter().try_for_each(|issuer| shared.add(issuer))
}

/// The issuers, by name, that configure a shared resource differently from another one: both of them.
#[must_use]
pub fn disagreements(issuers: &[&Issuer]) -> HashMap<String, Error> {
    let mut shared = Shared::default();
    let mut found = HashMap::new();
    for issuer in issuers {
        let Err(error) = shared.add(issuer) else { continue };
        if let Error::Disagree { one, other, .. } = &error {
            for name in [one, other] {
                found.entry(name.clone()).or_insert_with(|| error.clone());
            }
        }
    }
    found
}

/// What the issuers so far configure, by name: with thousands of them, comparing each with each
/// other would take minutes.
#[derive(Default)]
struct Shared<'a> {
    places: HashMap<String, &'a str>,
    roles: HashMap<String, SharedRole<'a>>,
    policies: HashMap<String, Policy<'a>>,
}

/// A customer managed policy, which all roles share.
struct Policy<'a> {
    issuer: &'a str,
    role: String,
    document: &'a serde_json::Value,
}

/// A setting, and the issuer that has it.
type Of<'a, T> = (&'a T, &'a str);

/// A role as the issuers so far configure it together.
struct SharedRole<'a> {
    path: Of<'a, Option<RolePath>>,
    inline: HashMap<&'a str, Of<'a, serde_json::Value>>,
    tags: HashMap<&'a str, Of<'a, String>>,
    boundary: Option<Of<'a, PolicyArn>>,
    max_session: Option<Of<'a, u32>>,
}

impl<'a> Shared<'a> {
    fn add(&mut self, issuer: &'a Issuer) -> Result<(), Error> {
        let name = issuer.name();
        let differ = |other: &str, what: String| Error::Disagree {
            one: other.to_owned(),
            other: name.to_owned(),
            what,
        };
        if let Some(place) = place(issuer) {
            match self.places.entry(place) {
                Entry::Occupied(theirs) => {
                    let what = format!("publish to the same location, {}", theirs.key());
                    return Err(differ(theirs.get(), what));
                }
                Entry::Vacant(free) => free.insert(name),
            };
        }
        for role in &issuer.spec.roles {
            let key = role.name.as_str().to_ascii_lowercase();
            for (policy, document) in &role.managed_policies {
                let ours = Policy { issuer: name, role: key.clone(), document };
                let theirs = self.policies.entry(policy.to_ascii_lowercase()).or_insert(ours);
                if theirs.role != key || theirs.document != document {
                    let what = format!("configure the policy {policy} differently");
                    return Err(differ(theirs.issuer, what));
                }
            }
            let clash = match self.roles.entry(key) {
                Entry::Vacant(free) => free.insert(SharedRole::new(role, name)).add(role, name),
                Entry::Occupied(theirs) => theirs.into_mut().add(role, name),
            };
            if let Some((other, setting)) = clash {
                let what = format!("configure the role {}: {setting} differently", role.name);
                return Err(differ(other, what));
            }
        }
        Ok(())
    }
}

impl<'a> SharedRole<'a> {
    fn new(role: &'a Role, issuer: &'a str) -> Self {
        let (inline, tags) = (HashMap::new(), HashMap::new());
        let path = (&role.path, issuer);
        Self { path, inline, tags, boundary: None, max_session: None }
    }

    /// The issuer that configures the role differently, and the setting.
    fn add(&mut self, role: &'a Role, issuer: &'a str) -> Option<(&'a str, &'static str)> {
        let inline = role
            .inline_policies
            .iter()
            .find_map(|(name, document)| differs(self.inline.entry(name), document, issuer));
        let tags =
            role.tags.iter().find_map(|(key, value)| differs(self.tags.entry(key), value, issuer));
        let path = (*self.path.0 != role.path).then_some(self.path.1);
        let boundary = clash(&mut self.boundary, role.permissions_boundary.as_ref(), issuer);
        let max_session = clash(&mut self.max_session, role.max_session_duration.as_ref(), issuer);
        let settings = [
            (inline, "inline policies"),
            (tags, "tags"),
            (path, "path"),
            (boundary, "permissionsBoundary"),
            (max_session, "maxSessionDuration"),
        ];
        settings.into_iter().find_map(|(other, setting)| Some((other?, setting)))
    }
}

/// The issuer that has another value under this name.
fn differs<'a, T: PartialEq>(
    entry: Entry<'_, &'a str, Of<'a, T>>,
    value: &'a T,
    issuer: &'a str,
) -> Option<&'a str> {
    let (theirs, other) = entry.or_insert((value, issuer));
    (**theirs != *value).then_some(*other)
}

/// The issuer that has set another value.
fn clash<'a, T: PartialEq>(
    known: &mut Option<Of<'a, T>>,
    value: Option<&'a T>,
    issuer: &'a str,
) -> Option<&'a str> {
    let (theirs, other) = known.get_or_insert((value?, issuer));
    (Some(*theirs) != value).then_some(*other)
}

/// The destination, for messages and comparison.
fn place(issuer: &Issuer) -> Option<String> {
    match issuer.spec.store.as_ref()? {
        StoreSpec::S3(s3) => Some(match &s3.endpoint_url {
            Some(endpoint) => format!("{} at {endpoint}", s3.location()),
            None => s3.location().to_string(),
        }),
        StoreSpec::Folder(folder) => Some(folder.display().to_string()),
    }
}

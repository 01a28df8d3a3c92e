//! The names of what objects share: the form in which it is claimed, and in which the status has it.

use std::collections::BTreeSet;

use issuer_discovery::{IssuerUrl, Ports};
use issuer_manifest::{Issuer, Role, StoreSpec};
use issuer_publish::AccessMode;
use issuer_reconcile::Target;

/// What an issuer shares with another one, if both name it: its place, its URL if that is known without a
/// request, its provider, its roles and the policies that it creates.
#[must_use]
pub(crate) fn of(issuer: &Issuer) -> BTreeSet<String> {
    with(issuer, url(issuer).as_deref())
}

/// The same of an issuer with this URL.
#[must_use]
pub(crate) fn with(issuer: &Issuer, url: Option<&str>) -> BTreeSet<String> {
    let provider = issuer.spec.provider.as_ref().and(url).map(of_provider);
    let roles = issuer.spec.roles.iter().flat_map(of_role_and_policies);
    of_site(issuer, url).into_iter().chain(provider).chain(roles).collect()
}

/// The same of its documents alone.
#[must_use]
pub(crate) fn of_site(issuer: &Issuer, url: Option<&str>) -> BTreeSet<String> {
    place(issuer).into_iter().chain(url.map(of_issuer)).collect()
}

/// An issuer URL as a name.
#[must_use]
pub(crate) fn of_issuer(url: &str) -> String {
    format!("issuer {url}")
}

/// The issuer that a name is about.
pub(crate) fn issuer(name: &str) -> Option<IssuerUrl> {
    let url = name.strip_prefix("issuer ").or_else(|| name.strip_prefix("provider "))?;
    IssuerUrl::parse(url, Ports::Allow).ok()
}

/// Whether it is the name of an issuer or a place: all the rest of an object depends on them.
#[must_use]
pub(crate) fn is_of_site(name: &str) -> bool {
    name.starts_with("issuer ") || name.starts_with("place ")
}

/// The provider of an issuer as a name.
#[must_use]
pub(crate) fn of_provider(url: &str) -> String {
    format!("provider {url}")
}

/// Of what an object was applied to, the roles or the providers (`kind`) that are not among these names of what it
/// declares.
pub(crate) fn left<'a>(
    claims: impl IntoIterator<Item = &'a str>,
    kind: &str,
    declared: &BTreeSet<String>,
) -> impl Iterator<Item = &'a str> {
    let left = claims.into_iter().filter(move |name| !declared.contains(*name));
    left.filter_map(move |name| name.strip_prefix(kind)?.strip_prefix(' '))
}

/// Whether an object was applied to a role that a target does not have.
pub(crate) fn has_left_a_role<'a>(
    claims: impl IntoIterator<Item = &'a str>,
    target: &Target,
) -> bool {
    let declared = of_roles(target).collect();
    left(claims, "role", &declared).next().is_some()
}

/// A customer managed policy as a name. Names in IAM are not case-sensitive.
#[must_use]
pub(crate) fn of_policy(policy: &str) -> String {
    format!("policy {}", policy.to_ascii_lowercase())
}

/// A role as a name. Names in IAM are not case-sensitive.
#[must_use]
pub(crate) fn of_role(role: &str) -> String {
    format!("role {}", role.to_ascii_lowercase())
}

/// The roles of a target as names.
pub(crate) fn of_roles(target: &Target) -> impl Iterator<Item = String> {
    target.roles.iter().map(|role| of_role(role.name.as_str()))
}

/// Where an issuer is published, as a name.
#[must_use]
pub(crate) fn place(issuer: &Issuer) -> Option<String> {
    Some(match issuer.spec.store.as_ref()? {
        StoreSpec::S3(s3) => match &s3.endpoint_url {
            Some(endpoint) => format!("place {} at {endpoint}", s3.location()),
            None => format!("place {}", s3.location()),
        },
        StoreSpec::Folder(folder) => format!("place {}", folder.display()),
    })
}

/// The issuer URL, if it is known without a request: also where it follows from the place and the region of
/// the bucket.
#[must_use]
pub(crate) fn url(issuer: &Issuer) -> Option<String> {
    let spec = &issuer.spec;
    match (&spec.issuer, &spec.store) {
        (Some(url), _) => Some(url.to_string()),
        (None, Some(StoreSpec::S3(s3))) if s3.access != AccessMode::CloudFront => {
            let endpoint = s3.endpoint_url.as_deref();
            s3.location().issuer_url(s3.region.as_deref()?, endpoint, s3.path_style).ok()
        }
        _ => None,
    }
}

/// What is created in IAM for a role.
pub(crate) fn of_role_and_policies(role: &Role) -> impl Iterator<Item = String> {
    role.managed_policies.keys().map(|name| of_policy(name)).chain([of_role(role.name.as_str())])
}

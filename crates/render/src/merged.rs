//! Merging documents: a shared bucket is created once, and a shared role has the statements of all
//! documents.

use std::collections::BTreeMap;
use std::str::from_utf8;

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};
use issuer_iam::{
    Documents, PolicyArn, Provider, ProviderSpec, Role, RolePath, RoleSpec, RoleState, Tag, Tags,
    TrustPolicy,
};
use issuer_publish::{AccessMode, bucket_policy, private_bucket_policy};
use serde_json::Value;

use crate::{Error, Existing, ExistingBucket, RenderedSite, Rendering};

/// The default maximum session duration in seconds (IAM API, CreateRole).
const DEFAULT_SESSION_SECS: u32 = 3600;

/// Everything to render, without duplicates.
pub(crate) struct Merged<'a> {
    pub(crate) buckets: Vec<Bucket<'a>>,
    pub(crate) sites: Vec<Site<'a>>,
    pub(crate) providers: Vec<MergedProvider<'a>>,
    pub(crate) roles: Vec<MergedRole<'a>>,
}

/// A bucket with the settings that the documents in it need.
pub(crate) struct Bucket<'a> {
    pub(crate) name: &'a str,
    pub(crate) region: &'a str,
    /// Whether the output creates the bucket.
    pub(crate) is_managed: bool,
    /// The complete bucket policy, if it grants read access; [`distribution_arn`] stands for the ARNs of
    /// distributions.
    pub(crate) policy: Option<Value>,
    /// Whether it grants public read access.
    pub(crate) is_public: bool,
    pub(crate) existing: Option<&'a ExistingBucket>,
    uses_acls: bool,
}

/// The two documents of an issuer.
pub(crate) struct Site<'a> {
    pub(crate) document: &'a Rendering,
    pub(crate) site: &'a RenderedSite,
    /// The JWK Set and the discovery document.
    pub(crate) objects: Option<[Object<'a>; 2]>,
    /// The existing bucket.
    pub(crate) existing: Option<&'a ExistingBucket>,
}

/// An S3 object.
pub(crate) struct Object<'a> {
    pub(crate) key: String,
    pub(crate) content: &'a str,
}

/// A provider, merged with an existing one.
pub(crate) struct MergedProvider<'a> {
    pub(crate) document: &'a Rendering,
    pub(crate) audiences: Vec<String>,
    pub(crate) thumbprints: Vec<&'a str>,
    pub(crate) tags: Tags,
    pub(crate) existing: Option<&'a Provider>,
}

/// A role, merged from all documents.
pub(crate) struct MergedRole<'a> {
    /// The first specification, for name and ARNs.
    pub(crate) spec: &'a RoleSpec,
    pub(crate) trust: TrustPolicy,
    pub(crate) arns: Vec<String>,
    pub(crate) inline: Documents,
    pub(crate) managed: Documents,
    pub(crate) existing: Option<&'a RoleState>,
    path: Option<RolePath>,
    boundary: Option<PolicyArn>,
    max_session_secs: Option<u32>,
    tags: Tags,
}

impl<'a> Merged<'a> {
    pub(crate) fn new(documents: &'a [Rendering], existing: &'a Existing) -> Result<Self, Error> {
        let mut merged = Self {
            buckets: Vec::new(),
            sites: Vec::new(),
            providers: Vec::new(),
            roles: Vec::new(),
        };
        for (index, document) in documents.iter().enumerate() {
            // Statements are identified by their issuer, so one would replace the other.
            if let Some(other) =
                documents[..index].iter().find(|other| other.issuer == document.issuer)
            {
                let reason = format!("both {} and {} declare it", other.name, document.name);
                return Err(conflict(&format!("the issuer {}", document.issuer), &reason));
            }
            if let Some(site) = &document.site {
                merged.add_bucket(document, site, existing)?;
                merged.add_site(document, site, existing)?;
            }
            if let Some(provider) = &document.provider {
                merged.add_provider(document, provider, existing)?;
            }
            for role in &document.roles {
                merged.add_role(role, existing)?;
            }
        }
        Ok(merged)
    }

    fn add_bucket(
        &mut self,
        document: &'a Rendering,
        site: &'a RenderedSite,
        existing: &'a Existing,
    ) -> Result<(), Error> {
        let name = site.location.bucket.as_str();
        let conflict = |reason: &str| Err(conflict(&format!("the bucket {name}"), reason));
        let index = match self.buckets.iter().position(|bucket| bucket.name == name) {
            Some(index) => index,
            None => {
                let existing = existing.buckets.get(name);
                let bucket = Bucket {
                    name,
                    region: &site.region,
                    is_managed: false,
                    policy: None,
                    is_public: false,
                    existing,
                    uses_acls: false,
                };
                self.buckets.push(bucket);
                self.buckets.len() - 1
            }
        };
        let bucket = &mut self.buckets[index];
        if bucket.region != site.region {
            return conflict(&format!("it is in {} and in {}", bucket.region, site.region));
        }
        bucket.is_managed |= site.create_bucket;
        bucket.uses_acls |= site.access == AccessMode::Acl;
        bucket.is_public |= site.access == AccessMode::Policy;
        if matches!(site.access, AccessMode::Policy | AccessMode::CloudFront) {
            let found = bucket.existing.and_then(|existing| existing.policy.clone());
            let before = bucket.policy.as_ref().map(Value::to_string).or(found);
            let (location, region) = (&site.location, &site.region);
            let after = match &site.front {
                Some(_) => {
                    let arn = distribution_arn(&document.name);
                    private_bucket_policy(location, region, &arn, before.as_deref())?
                }
                None => bucket_policy(location, region, site.shared_bucket, before.as_deref())?,
            };
            let after = after.or(before);
            // It is valid JSON: it was just parsed or written.
            bucket.policy = after.and_then(|text| serde_json::from_str(&text).ok());
        }
        if bucket.uses_acls && bucket.policy.is_some() {
            return conflict(
                "it is read by ACLs and by a policy, which requires ACLs to be disabled",
            );
        }
        Ok(())
    }

    fn add_site(
        &mut self,
        document: &'a Rendering,
        site: &'a RenderedSite,
        existing: &'a Existing,
    ) -> Result<(), Error> {
        if let Some(other) = self.sites.iter().find(|other| other.site.location == site.location) {
            let reason =
                format!("{} and {} would overwrite each other", other.document.name, document.name);
            return Err(conflict(&site.location.to_string(), &reason));
        }
        let object = |name, bytes: &'a [u8]| {
            let key = site.location.object_key(name);
            match from_utf8(bytes) {
                Ok(content) => Ok(Object { key, content }),
                Err(_) => Err(Error::NotText { key }),
            }
        };
        let objects = match &site.documents {
            Some(documents) => Some([
                object(KEYS_NAME, &documents.keys_json)?,
                object(DISCOVERY_NAME, &documents.discovery_json)?,
            ]),
            None => None,
        };
        let existing = existing.buckets.get(site.location.bucket.as_str());
        self.sites.push(Site { document, site, objects, existing });
        Ok(())
    }

    fn add_provider(
        &mut self,
        document: &'a Rendering,
        spec: &'a ProviderSpec,
        existing: &'a Existing,
    ) -> Result<(), Error> {
        let arn = document.provider_arn()?;
        let existing = existing.providers.iter().find(|provider| provider.arn == arn);
        let mut audiences = Vec::new();
        for audience in spec.audiences.iter().map(|audience| audience.as_str()) {
            add(&mut audiences, audience);
        }
        let mut tags = Tags::new();
        if let Some(provider) = existing {
            for audience in provider.audiences.iter().filter(|_| !spec.prune) {
                add(&mut audiences, audience);
            }
            tags = unmanaged(&provider.tags);
        }
        tags.extend(spec.tags.clone());
        let thumbprints = spec.thumbprints.iter().map(|thumbprint| thumbprint.as_str()).collect();
        self.providers.push(MergedProvider { document, audiences, thumbprints, tags, existing });
        Ok(())
    }

    fn add_role(&mut self, spec: &'a RoleSpec, existing: &'a Existing) -> Result<(), Error> {
        // Role names are not case-sensitive in IAM.
        let same = |role: &MergedRole<'_>| {
            role.spec.name.as_str().eq_ignore_ascii_case(spec.name.as_str())
        };
        let index = match self.roles.iter().position(same) {
            Some(index) => index,
            None => {
                self.roles.push(MergedRole::new(spec, existing.roles.get(spec.name.as_str())));
                self.roles.len() - 1
            }
        };
        let made = spec.managed.iter().flatten().map(|(name, _)| name);
        for name in made {
            let same = |other: &String| other.eq_ignore_ascii_case(name);
            let elsewhere = self.roles.iter().enumerate().filter(|(other, _)| *other != index);
            if let Some((_, other)) =
                elsewhere.into_iter().find(|(_, role)| role.managed.keys().any(same))
            {
                let reason = format!("both {} and {} create it", other.spec.name, spec.name);
                return Err(conflict(&format!("the policy {name}"), &reason));
            }
        }
        self.roles[index].add(spec)
    }
}

impl<'a> MergedRole<'a> {
    /// The existing role.
    pub(crate) fn role(&self) -> Option<&'a Role> {
        self.existing.and_then(|found| found.role.as_ref())
    }

    /// Its path, if it is not `/`.
    pub(crate) fn path(&self) -> Option<&str> {
        let path =
            self.role().map(|role| role.path.as_str()).or(self.path.as_ref().map(RolePath::as_str));
        path.filter(|path| *path != "/")
    }

    pub(crate) fn boundary(&self) -> Option<&str> {
        self.boundary
            .as_ref()
            .map(PolicyArn::as_str)
            .or(self.role().and_then(|role| role.boundary.as_deref()))
    }

    /// The maximum session duration in seconds, if it is not the default.
    pub(crate) fn max_session_secs(&self) -> Option<u32> {
        self.max_session_secs
            .or(self.role().map(|role| role.max_session_secs))
            .filter(|secs| *secs != DEFAULT_SESSION_SECS)
    }

    pub(crate) fn tags(&self) -> Tags {
        let mut tags = self.role().map(|role| unmanaged(&role.tags)).unwrap_or_default();
        tags.extend(self.tags.clone());
        tags
    }

    fn new(spec: &'a RoleSpec, existing: Option<&'a RoleState>) -> Self {
        let mut role = Self {
            spec,
            trust: TrustPolicy::default(),
            arns: Vec::new(),
            inline: Documents::new(),
            managed: Documents::new(),
            existing,
            path: None,
            boundary: None,
            max_session_secs: None,
            tags: Tags::new(),
        };
        if let Some(there) = role.role() {
            role.trust = there.trust.clone();
        }
        role
    }

    fn add(&mut self, spec: &RoleSpec) -> Result<(), Error> {
        if let (Some(path), Some(role)) = (&spec.path, self.role())
            && path.as_str() != role.path
        {
            let (role, there, wanted) =
                (role.name.to_string(), role.path.clone(), path.to_string());
            return Err(issuer_iam::Error::Path { role, there, wanted }.into());
        }
        self.trust = std::mem::take(&mut self.trust).with(&spec.trust)?;
        for arn in spec.policy_arns.iter().flatten() {
            add(&mut self.arns, arn.as_str());
        }
        let agreements = [
            ("inline policies with the same name", agree(&mut self.inline, spec.inline.as_ref())),
            (
                "managed policies with the same name",
                agree(&mut self.managed, spec.managed.as_ref()),
            ),
            ("tags with the same key", agree(&mut self.tags, spec.tags.as_ref())),
            ("paths", agree_on(&mut self.path, spec.path.as_ref())),
            ("permissions boundaries", agree_on(&mut self.boundary, spec.boundary.as_ref())),
            (
                "maximum session durations",
                agree_on(&mut self.max_session_secs, spec.max_session_secs.as_ref()),
            ),
        ];
        match agreements.into_iter().find(|(_, agree)| !agree) {
            Some((what, _)) => Err(conflict(
                &format!("the role {}", spec.name),
                &format!("two documents give it different {what}"),
            )),
            None => Ok(()),
        }
    }
}

/// What stands in a policy for the ARN of the distribution of a document, which the tools know.
pub(crate) fn distribution_arn(document: &str) -> String {
    format!("issuerctl:distribution:{document}")
}

/// Tags without those of issuerctl, which would mark resources of another tool as its own.
pub(crate) fn unmanaged(tags: &Tags) -> Tags {
    tags.iter()
        .filter(|(key, _)| !Tag::is_own(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn add(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|present| present == text) {
        list.push(text.to_owned());
    }
}

/// Adds the given values; returns whether they agree with the present ones.
fn agree<T: Clone + PartialEq>(
    all: &mut BTreeMap<String, T>,
    given: Option<&BTreeMap<String, T>>,
) -> bool {
    given
        .into_iter()
        .flatten()
        .all(|(name, value)| all.entry(name.clone()).or_insert_with(|| value.clone()) == value)
}

/// The same for a single value.
fn agree_on<T: Clone + PartialEq>(one: &mut Option<T>, given: Option<&T>) -> bool {
    given.is_none_or(|given| one.get_or_insert_with(|| given.clone()) == given)
}

fn conflict(what: &str, reason: &str) -> Error {
    Error::Conflict { what: what.to_owned(), reason: reason.to_owned() }
}

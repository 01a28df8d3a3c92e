//! Which objects want the same place, issuer or role. Two of them would undo each other's changes for
//! ever, so one is applied and the other one is refused: what an object was applied to stays its own, and
//! of two that were not applied yet the older one is first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use issuer_manifest::{Issuer, Role, Spec, StoreSpec};
use issuer_publish::AccessMode;
use serde_json::Value;

use crate::object::Key;

/// What all objects ask for.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    claims: HashMap<Key, Claim>,
    /// The objects that name a resource.
    by_name: HashMap<String, BTreeSet<Key>>,
}

#[derive(Debug)]
struct Claim {
    /// Time of creation (RFC 3339) and UID: the order of those that were not applied yet.
    age: (String, String),
    /// `None` if its spec cannot be read: it then asks for nothing, and keeps what it has.
    issuer: Option<Arc<Issuer>>,
    /// What it asks for.
    wanted: BTreeSet<String>,
    /// What it was applied to.
    held: BTreeSet<String>,
}

impl Claims {
    /// Records what an object asks for (`issuer`, if its spec can be read) and what it was applied to. What is
    /// known of the same object already stays: the watch may be behind.
    pub(crate) fn set(
        &mut self,
        key: &Key,
        age: (String, String),
        issuer: Option<Arc<Issuer>>,
        held: &[String],
    ) {
        let before = self.remove(key).filter(|before| before.age == age);
        let known = before.map(|before| before.held).unwrap_or_default();
        let wanted = issuer.as_deref().map(names).unwrap_or_default();
        let held = held.iter().cloned().chain(known).collect();
        self.put(key, Claim { age, issuer, wanted, held });
    }

    /// Records what an object was applied to.
    pub(crate) fn set_held(&mut self, key: &Key, held: &[String]) {
        let Some(claim) = self.remove(key) else { return };
        self.put(key, Claim { held: held.iter().cloned().collect(), ..claim });
    }

    /// Makes these names those of an object, unless another one is first: what two reconciliations learn
    /// at the same time is decided here.
    ///
    /// # Errors
    /// Why it may not have them.
    pub(crate) fn hold(&mut self, key: &Key, held: &[String]) -> Result<(), String> {
        match self.conflict_over(key, held) {
            Some(reason) => Err(reason),
            None => {
                self.set_held(key, held);
                Ok(())
            }
        }
    }

    /// Forgets an object.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.remove(key);
    }

    /// Why an object may not be applied: another one is first, and wants the same otherwise.
    #[must_use]
    pub(crate) fn conflict(&self, key: &Key) -> Option<String> {
        let own = self.claims.get(key)?;
        own.wanted.iter().find_map(|name| self.conflict_about(key, own, name))
    }

    fn conflict_over(&self, key: &Key, names: &[String]) -> Option<String> {
        let own = self.claims.get(key)?;
        names.iter().find_map(|name| self.conflict_about(key, own, name))
    }

    fn conflict_about(&self, key: &Key, own: &Claim, name: &str) -> Option<String> {
        let mut others = self.by_name.get(name)?.iter().filter(|other| *other != key);
        others.find_map(|other| {
            let theirs = self.claims.get(other).filter(|theirs| theirs.precedes(own, name))?;
            let reason = clash(name, (other, theirs), own)?;
            let first = match theirs.held.contains(name) && !own.held.contains(name) {
                true => "was applied first",
                false => "is older",
            };
            Some(format!(
                "{reason}; {other} {first}, so this object is not applied: give it a place, an issuer and \
                 roles of its own, or delete one of the two"
            ))
        })
    }

    fn put(&mut self, key: &Key, claim: Claim) {
        for name in claim.names() {
            self.by_name.entry(name.clone()).or_default().insert(key.clone());
        }
        self.claims.insert(key.clone(), claim);
    }

    fn remove(&mut self, key: &Key) -> Option<Claim> {
        let claim = self.claims.remove(key)?;
        for name in claim.names() {
            if let Some(keys) = self.by_name.get_mut(name) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_name.remove(name);
                }
            }
        }
        Some(claim)
    }
}

impl Claim {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.wanted.union(&self.held)
    }

    /// Whether this object is before another one that wants the same. An object that was corrected may be
    /// older than one that has been applied meanwhile, and takes nothing away from it.
    fn precedes(&self, other: &Self, name: &str) -> bool {
        let order = |claim: &Self| (!claim.held.contains(name), claim.age.clone());
        order(self) < order(other)
    }
}

/// Why two objects cannot both have what this names, if they cannot.
fn clash(name: &str, (other, theirs): (&Key, &Claim), own: &Claim) -> Option<String> {
    match name.split_once(' ') {
        Some(("issuer", url)) => Some(format!("spec.issuer: {other} has the same issuer, {url}")),
        Some(("place", place)) => {
            Some(format!("spec.store: {other} publishes to the same location, {place}"))
        }
        _ => match (&theirs.issuer, &own.issuer) {
            (Some(issuer), Some(mine)) if theirs.wanted.contains(name) => {
                let both = [&only(issuer, name), &only(mine, name)];
                Some(format!("spec.roles: {}", issuer_manifest::agree(&both).err()?))
            }
            // They were applied together before.
            _ if own.held.contains(name) => None,
            _ => Some(format!("spec.roles: {other} has the {name}, and its spec is not valid now")),
        },
    }
}

/// An issuer with nothing but the roles that have this name, or a policy with it.
fn only(issuer: &Issuer, name: &str) -> Issuer {
    let roles = issuer.spec.roles.iter();
    let roles = roles.filter(|role| names_of_role(role).any(|one| one == name)).cloned().collect();
    let spec = Spec { store: None, roles, ..issuer.spec.clone() };
    Issuer { spec, ..issuer.clone() }
}

/// What an issuer shares with another one, if both name it: its place, its URL if that is known without a
/// request, its roles and the policies that it creates.
#[must_use]
pub(crate) fn names(issuer: &Issuer) -> BTreeSet<String> {
    let spec = &issuer.spec;
    let roles = spec.roles.iter().flat_map(names_of_role);
    place(issuer)
        .into_iter()
        .chain(url(issuer).map(|url| name_of_issuer(&url)))
        .chain(roles)
        .collect()
}

/// An issuer URL as a name.
#[must_use]
pub(crate) fn name_of_issuer(url: &str) -> String {
    format!("issuer {url}")
}

/// A role as a name. Names in IAM are not case-sensitive.
#[must_use]
pub(crate) fn name_of_role(role: &str) -> String {
    format!("role {}", role.to_ascii_lowercase())
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

/// What a spec names that was applied, read as far as possible.
#[must_use]
pub(crate) fn of_applied(spec: &Value, issuer: &str) -> Vec<String> {
    let s3 = &spec["store"]["s3"];
    let place = s3["bucket"].as_str().map(|bucket| {
        let prefix = s3["prefix"].as_str().unwrap_or_default().trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let endpoint = s3["endpointUrl"].as_str().map(|url| format!(" at {url}"));
        format!("place s3://{bucket}{slash}{prefix}{}", endpoint.unwrap_or_default())
    });
    let roles = spec["roles"].as_array().into_iter().flatten().flat_map(|role| {
        let policies = role["managedPolicies"].as_object().into_iter().flatten();
        let policies = policies.map(|(name, _)| format!("policy {}", name.to_ascii_lowercase()));
        policies.chain(role["name"].as_str().map(name_of_role))
    });
    let all: BTreeSet<String> =
        place.into_iter().chain([name_of_issuer(issuer)]).chain(roles).collect();
    all.into_iter().collect()
}

/// The issuer URL, also where it follows from the place and the region of the bucket.
fn url(issuer: &Issuer) -> Option<String> {
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

fn names_of_role(role: &Role) -> impl Iterator<Item = String> {
    let policies = role.managed_policies.keys();
    let policies = policies.map(|name| format!("policy {}", name.to_ascii_lowercase()));
    policies.chain([name_of_role(role.name.as_str())])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "clusters".to_owned(), name: name.to_owned() }
    }

    fn claim(claims: &mut Claims, name: &str, created: &str, spec: &Value) {
        applied(claims, name, created, spec, &[]);
    }

    fn applied(claims: &mut Claims, name: &str, created: &str, spec: &Value, held: &[String]) {
        let issuer = issuer_manifest::from_object(name, spec).ok().map(Arc::new);
        claims.set(&key(name), (created.to_owned(), name.to_owned()), issuer, held);
    }

    fn all_of(name: &str, spec: &Value) -> Vec<String> {
        names(&issuer_manifest::from_object(name, spec).unwrap()).into_iter().collect()
    }

    fn spec(prefix: &str, roles: Value) -> Value {
        json!({
            "keys": [{"apiserver": {}}],
            "store": {"s3": {"bucket": "my-oidc", "prefix": prefix}},
            "roles": roles,
        })
    }

    #[test]
    fn of_two_objects_with_the_same_place_the_older_one_is_applied() {
        let mut claims = Claims::default();
        claim(&mut claims, "b", "2026-01-01", &spec("prod", json!([])));
        claim(&mut claims, "a", "2026-01-02", &spec("prod", json!([])));
        claim(&mut claims, "c", "2026-01-03", &spec("other", json!([])));
        assert_eq!(claims.conflict(&key("b")), None);
        assert_eq!(claims.conflict(&key("c")), None);
        let text = claims.conflict(&key("a")).unwrap();
        assert!(
            text.contains("s3://my-oidc/prod") && text.contains("clusters/b is older"),
            "{text}"
        );
        claims.forget(&key("b"));
        assert_eq!(claims.conflict(&key("a")), None);
    }

    #[test]
    fn an_object_that_is_no_longer_valid_keeps_what_it_was_applied_to() {
        let mut claims = Claims::default();
        let wanted = spec("prod", json!([{"name": "App", "serviceAccounts": ["a/b"]}]));
        let evil = spec("evil", json!([{"name": "app", "serviceAccounts": ["evil/evil"]}]));
        applied(&mut claims, "prod", "2026-01-01", &json!({"stor": 1}), &all_of("prod", &wanted));
        claim(&mut claims, "place", "2026-01-02", &spec("prod", json!([])));
        claim(&mut claims, "role", "2026-01-02", &evil);
        let text = claims.conflict(&key("place")).unwrap();
        assert!(text.contains("clusters/prod was applied first"), "{text}");
        let text = claims.conflict(&key("role")).unwrap();
        assert!(text.contains("clusters/prod has the role app"), "{text}");
        // One that shared the role with it before goes on.
        claims.set_held(&key("role"), &all_of("role", &evil));
        assert_eq!(claims.conflict(&key("role")), None);
    }

    #[test]
    fn an_older_object_takes_nothing_from_one_that_was_applied_first() {
        let mut claims = Claims::default();
        let wanted = spec("prod", json!([]));
        claim(&mut claims, "corrected", "2026-01-01", &wanted);
        applied(&mut claims, "prod", "2026-01-02", &wanted, &all_of("prod", &wanted));
        assert_eq!(claims.conflict(&key("prod")), None);
        let text = claims.conflict(&key("corrected")).unwrap();
        assert!(text.contains("clusters/prod was applied first"), "{text}");
    }

    #[test]
    fn what_is_learnt_at_the_same_time_belongs_to_the_first() {
        let mut claims = Claims::default();
        // The region of these buckets, and so their issuer, is known only after a request.
        claim(&mut claims, "a", "2026-01-01", &spec("a", json!([])));
        claim(&mut claims, "b", "2026-01-02", &spec("b", json!([])));
        let url = [name_of_issuer("https://oidc.example.com")];
        assert_eq!(claims.hold(&key("b"), &url), Ok(()));
        assert!(claims.hold(&key("a"), &url).unwrap_err().contains("clusters/b was applied first"));
        claims.set_held(&key("b"), &[]);
        assert_eq!(claims.hold(&key("a"), &url), Ok(()));
    }

    #[test]
    fn an_issuer_that_follows_from_a_bucket_is_the_same_as_a_written_one() {
        let mut claims = Claims::default();
        let mut derived = spec("prod", json!([]));
        derived["store"]["s3"]["region"] = json!("us-west-2");
        claim(&mut claims, "a", "2026-01-01", &derived);
        let written = json!({
            "issuer": "https://my-oidc.s3.us-west-2.amazonaws.com/prod",
            "provider": {},
        });
        claim(&mut claims, "b", "2026-01-02", &written);
        assert!(claims.conflict(&key("b")).unwrap().starts_with("spec.issuer: clusters/a"));
    }

    #[test]
    fn a_role_may_be_shared_as_long_as_both_mean_the_same() {
        let mut claims = Claims::default();
        let role = |path: &str| json!([{"name": "app", "serviceAccounts": ["a/b"], "path": path}]);
        claim(&mut claims, "a", "2026-01-01", &spec("a", role("/x/")));
        claim(&mut claims, "b", "2026-01-02", &spec("b", role("/x/")));
        claim(&mut claims, "c", "2026-01-03", &spec("c", role("/y/")));
        assert_eq!(claims.conflict(&key("b")), None);
        assert!(claims.conflict(&key("c")).unwrap().contains("role app: path"));
    }

    #[test]
    fn an_issuer_belongs_to_the_older_object() {
        let mut claims = Claims::default();
        let spec = json!({"issuer": "https://oidc.example.com/a", "provider": {}});
        claim(&mut claims, "a", "2026-01-01", &spec);
        claim(&mut claims, "b", "2026-01-02", &spec);
        assert!(claims.conflict(&key("b")).unwrap().starts_with("spec.issuer: clusters/a"));
    }
}

//! Which objects want the same place, issuer or role. Two of them would undo each other's changes for
//! ever, so the older one is applied and the other one is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use issuer_manifest::{Issuer, StoreSpec};

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
    /// Time of creation (RFC 3339) and UID: the order of precedence.
    age: (String, String),
    issuer: Arc<Issuer>,
    names: Vec<String>,
}

impl Claims {
    /// Records what an object asks for; `age` is its time of creation and its UID.
    pub(crate) fn set(&mut self, key: &Key, age: (String, String), issuer: Arc<Issuer>) {
        self.remove(key);
        let names = names(&issuer);
        for name in &names {
            self.by_name.entry(name.clone()).or_default().insert(key.clone());
        }
        self.claims.insert(key.clone(), Claim { age, issuer, names });
    }

    /// Forgets an object.
    pub(crate) fn remove(&mut self, key: &Key) {
        let Some(claim) = self.claims.remove(key) else { return };
        for name in claim.names {
            if let Some(keys) = self.by_name.get_mut(&name) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_name.remove(&name);
                }
            }
        }
    }

    /// Why an object may not be applied: an older one wants the same, otherwise.
    #[must_use]
    pub(crate) fn conflict(&self, key: &Key) -> Option<String> {
        let own = self.claims.get(key)?;
        let others: BTreeSet<&Key> =
            own.names.iter().filter_map(|name| self.by_name.get(name)).flatten().collect();
        others.into_iter().filter(|other| *other != key).find_map(|other| {
            let theirs = self.claims.get(other).filter(|theirs| theirs.age < own.age)?;
            let (mine, issuer) = (&own.issuer.spec.issuer, &theirs.issuer.spec.issuer);
            let reason = match (mine, issuer) {
                (Some(mine), Some(issuer)) if mine == issuer => {
                    format!("spec.issuer: {other} has the same issuer, {mine}")
                }
                _ => issuer_manifest::agree(&[&theirs.issuer, &own.issuer]).err()?.to_string(),
            };
            Some(format!(
                "{reason}; {other} is older, so this object is not applied: give it a place, an issuer and \
                 roles of its own, or delete one of the two"
            ))
        })
    }
}

/// What an issuer shares with another one, if both name it.
fn names(issuer: &Issuer) -> Vec<String> {
    let spec = &issuer.spec;
    let place = spec.store.as_ref().map(|store| match store {
        StoreSpec::S3(s3) => format!("place {}", s3.location()),
        StoreSpec::Folder(folder) => format!("place {}", folder.display()),
    });
    let url = spec.issuer.as_ref().map(|url| format!("issuer {url}"));
    let roles = spec.roles.iter().flat_map(|role| {
        let policies = role.managed_policies.keys().map(|name| format!("policy {name}"));
        policies.chain([format!("role {}", role.name)])
    });
    // Names in IAM are not case-sensitive, and neither are those of buckets and hosts.
    place.into_iter().chain(url).chain(roles).map(|name| name.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "clusters".to_owned(), name: name.to_owned() }
    }

    fn claim(claims: &mut Claims, name: &str, created: &str, spec: &Value) {
        let issuer = issuer_manifest::from_object(name, spec).unwrap();
        claims.set(&key(name), (created.to_owned(), name.to_owned()), Arc::new(issuer));
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
        claims.remove(&key("b"));
        assert_eq!(claims.conflict(&key("a")), None);
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

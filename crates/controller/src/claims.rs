//! Which objects want the same place, issuer or role. Two of them would undo each other's changes for
//! ever, so one is applied and the other one is refused: what an object was applied to stays its own, of
//! two that were applied to the same the one that was edited since gives way, and else the older one is
//! first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use issuer_discovery::IssuerUrl;
use issuer_manifest::{Issuer, Spec};

use crate::names;
use crate::object::{Key, ServiceAccountIssuer};
use crate::status::{Kind, Reason, Status};

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
    generation: Option<i64>,
    /// The generation that was applied last.
    applied: Option<i64>,
    /// What contradicts what it asks for.
    refused: Refused,
    /// `None` if its spec cannot be read: it then asks for nothing, and keeps what it has.
    issuer: Option<Arc<Issuer>>,
    /// What it asks for.
    wanted: BTreeSet<String>,
    /// What it was applied to.
    held: BTreeSet<String>,
}

/// What contradicts what an object asks for; the first of two that were not applied yet has less of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refused {
    No,
    /// Another object.
    ByObject,
    /// What there is in IAM, whatever other objects there are.
    ByIam,
}

impl Claims {
    /// Records what an object asks for (`issuer`, if its spec can be read) and what it was applied to. What is
    /// known of the same object already stays: the watch may be behind.
    pub(crate) fn set(&mut self, object: &ServiceAccountIssuer, issuer: Option<Arc<Issuer>>) {
        let (key, metadata, status) = (object.key(), &object.metadata, object.status());
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0.to_string());
        let age = (created.unwrap_or_default(), metadata.uid.clone().unwrap_or_default());
        let before = self.remove(&key).filter(|before| before.age == age);
        let (known, applied) = before.map(|it| (it.held, it.applied)).unwrap_or_default();
        let claim = Claim {
            age,
            generation: metadata.generation,
            applied: applied.max(status.applied_generation),
            refused: Refused::of(&status),
            wanted: issuer.as_deref().map(names::of).unwrap_or_default(),
            issuer,
            held: status.claims.into_iter().chain(known).collect(),
        };
        self.put(&key, claim);
    }

    /// Records what an object was applied to, and which generation of it.
    pub(crate) fn ended(&mut self, key: &Key, status: &Status) {
        self.set_held(key, &status.claims);
        if let Some(claim) = self.claims.get_mut(key) {
            claim.applied = claim.applied.max(status.applied_generation);
            claim.refused = Refused::of(status);
        }
    }

    /// Records what an object was applied to.
    pub(crate) fn set_held(&mut self, key: &Key, held: &[String]) {
        let Some(claim) = self.remove(key) else { return };
        self.put(key, Claim { held: held.iter().cloned().collect(), ..claim });
    }

    /// What an object was applied to.
    pub(crate) fn held(&self, key: &Key) -> Vec<String> {
        let held = self.claims.get(key).map(|claim| &claim.held);
        held.into_iter().flatten().cloned().collect()
    }

    /// Makes these names those of an object, unless another one is first: what two reconciliations learn
    /// at the same time is decided here.
    ///
    /// # Errors
    /// Why it may not have them.
    pub(crate) fn hold(&mut self, key: &Key, held: &[String]) -> Result<(), String> {
        let Some(own) = self.claims.get(key) else {
            return Err("this object was deleted in the meantime".to_owned());
        };
        match held.iter().find_map(|name| self.conflict_about(key, own, name)) {
            Some(reason) => Err(not_applied(&reason)),
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
        let mut wanted = own.wanted.iter();
        Some(not_applied(&wanted.find_map(|name| self.conflict_about(key, own, name))?))
    }

    /// The issuers that the objects of a namespace were applied to.
    pub(crate) fn issuers(&self, namespace: &str) -> Vec<IssuerUrl> {
        let claims = self.claims.iter().filter(|(key, _)| key.namespace == namespace);
        let names = claims.flat_map(|(_, claim)| &claim.held);
        names.filter_map(|name| names::issuer(name)).collect()
    }

    /// The names, of those that an object wants or has, for which another one is first, and why.
    #[must_use]
    pub(crate) fn conflicts(&self, key: &Key) -> Vec<(String, String)> {
        let Some(own) = self.claims.get(key) else { return Vec::new() };
        let conflict = |name: &String| Some((name.clone(), self.conflict_about(key, own, name)?));
        own.names().filter_map(conflict).collect()
    }

    fn conflict_about(&self, key: &Key, own: &Claim, name: &str) -> Option<String> {
        let mut others = self.by_name.get(name)?.iter().filter(|other| *other != key);
        others.find_map(|other| {
            let theirs = self.claims.get(other)?;
            let first = theirs.precedes(own, name)?;
            let reason = clash(name, (other, theirs), (key, own))?;
            Some(format!("{reason}; {other} {first}"))
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

    /// Why this object is before another one that wants the same, if it is. An object that was corrected may
    /// be older than one that has been applied meanwhile, and takes nothing away from it; neither does one that
    /// is edited from another one that shares something with it.
    fn precedes(&self, other: &Self, name: &str) -> Option<&'static str> {
        let holds = |claim: &Self| claim.held.contains(name);
        // One that waits for its own edit does not gain by an edit of the other one.
        let edited = |claim: &Self| (claim.generation != claim.applied, claim.refused);
        match (holds(self), holds(other)) {
            (true, false) => Some("was applied first"),
            (false, true) => None,
            (true, true) if edited(self) != edited(other) => (edited(self) < edited(other))
                .then_some("is applied as it is, and this object was edited"),
            _ if self.refused != other.refused => (self.refused < other.refused)
                .then_some("can be applied, and this object was refused before"),
            _ => (self.age < other.age).then_some("is older"),
        }
    }
}

fn not_applied(reason: &str) -> String {
    format!(
        "{reason}, so this object is not applied: give it a place, an issuer and roles of its own, or delete \
         one of the two"
    )
}

impl Refused {
    fn of(status: &Status) -> Self {
        let is_conflict =
            |kind| status.condition(kind).is_some_and(|found| found.reason == Reason::Conflict);
        match (is_conflict(Kind::RolesReady), is_conflict(Kind::Ready)) {
            (true, _) => Self::ByIam,
            (false, true) => Self::ByObject,
            (false, false) => Self::No,
        }
    }
}

/// Why two objects cannot both have what this names, if they cannot.
fn clash(
    name: &str,
    (other, theirs): (&Key, &Claim),
    (key, own): (&Key, &Claim),
) -> Option<String> {
    // What was taken out of a spec stays in IAM, and other objects of its namespace may go on with it.
    let is_left = theirs.issuer.is_some() && !theirs.wanted.contains(name);
    match name.split_once(' ') {
        Some(("provider", _)) if is_left && other.namespace == key.namespace => None,
        Some(("issuer" | "provider", url)) => {
            Some(format!("spec.issuer: {other} has the same issuer, {url}"))
        }
        Some(("place", place)) => {
            Some(format!("spec.store: {other} publishes to the same location, {place}"))
        }
        // Whoever is in the trust policy of a role has its permissions, whatever the two agree about.
        _ if other.namespace != key.namespace => Some(format!(
            "spec.roles: {other} has the {name}, and objects of different namespaces share no role and no \
             policy"
        )),
        _ => match (&theirs.issuer, &own.issuer) {
            _ if is_left => None,
            (Some(issuer), Some(mine)) => {
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
    let roles = roles
        .filter(|role| names::of_role_and_policies(role).any(|one| one == name))
        .cloned()
        .collect();
    let spec = Spec { store: None, roles, ..issuer.spec.clone() };
    Issuer { spec, ..issuer.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::status::Finding;

    fn key(name: &str) -> Key {
        Key { namespace: "clusters".to_owned(), name: name.to_owned() }
    }

    /// An object that was edited once since it was applied, if `held` has anything.
    fn object(name: &str, created: &str, spec: &Value, held: &[String]) -> ServiceAccountIssuer {
        let created = format!("{created}T00:00:00Z");
        let applied = (!held.is_empty()).then_some(1);
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "clusters", "name": name, "uid": name, "generation": 2,
                "creationTimestamp": created,
            },
            "spec": spec,
            "status": {"claims": held, "appliedGeneration": applied, "conditions": []},
        }))
        .unwrap()
    }

    fn set(claims: &mut Claims, object: &ServiceAccountIssuer) {
        let issuer = issuer_manifest::from_object(&object.key().name, &object.spec);
        claims.set(object, issuer.ok().map(Arc::new));
    }

    fn claim(claims: &mut Claims, name: &str, created: &str, spec: &Value) {
        applied(claims, name, created, spec, &[]);
    }

    fn applied(claims: &mut Claims, name: &str, created: &str, spec: &Value, held: &[String]) {
        set(claims, &object(name, created, spec, held));
    }

    fn all_of(name: &str, spec: &Value) -> Vec<String> {
        names::of(&issuer_manifest::from_object(name, spec).unwrap()).into_iter().collect()
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
        let url = [names::of_issuer("https://oidc.example.com")];
        assert_eq!(claims.hold(&key("b"), &url), Ok(()));
        assert!(claims.hold(&key("a"), &url).unwrap_err().contains("clusters/b was applied first"));
        claims.set_held(&key("b"), &[]);
        assert_eq!(claims.hold(&key("a"), &url), Ok(()));
        claims.forget(&key("a"));
        assert!(claims.hold(&key("a"), &url).unwrap_err().contains("was deleted"));
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

    #[test]
    fn a_role_belongs_to_one_namespace_whatever_others_want_of_it() {
        let mut claims = Claims::default();
        let statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
        let role = |account: &str| json!([{"name": "App", "serviceAccounts": [account], "managedPolicies": {"P": policy}}]);
        claim(&mut claims, "a", "2026-01-01", &spec("a", role("default/app")));
        let mut theirs = object("b", "2026-01-02", &spec("b", role("evil/evil")), &[]);
        theirs.metadata.namespace = Some("others".to_owned());
        set(&mut claims, &theirs);
        assert_eq!(claims.conflict(&key("a")), None);
        let text = claims.conflict(&theirs.key()).unwrap();
        for part in ["spec.roles: clusters/a has the", "roles of its own"] {
            assert!(text.contains(part), "{text}");
        }
        let names: Vec<String> =
            claims.conflicts(&theirs.key()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["policy p", "role app"]);
    }

    #[test]
    fn what_is_taken_out_of_a_spec_stays_in_its_namespace() {
        let mut claims = Claims::default();
        let roles = json!([{"name": "app", "serviceAccounts": ["a/b"]}]);
        let with = |prefix: &str| spec(prefix, roles.clone());
        applied(&mut claims, "a", "2026-01-01", &spec("a", json!([])), &all_of("a", &with("a")));
        claim(&mut claims, "b", "2026-01-02", &with("b"));
        let mut theirs = object("c", "2026-01-02", &with("c"), &[]);
        theirs.metadata.namespace = Some("others".to_owned());
        set(&mut claims, &theirs);
        assert_eq!(claims.conflict(&key("b")), None);
        let text = claims.conflict(&theirs.key()).unwrap();
        assert!(text.contains("clusters/a has the role app"), "{text}");
    }

    #[test]
    fn one_that_iam_refuses_keeps_nobody_from_its_role() {
        let mut claims = Claims::default();
        let roles = json!([{"name": "app", "serviceAccounts": ["a/b"]}]);
        let mut thief = object("thief", "2026-01-01", &spec("thief", roles.clone()), &[]);
        thief.metadata.namespace = Some("others".to_owned());
        set(&mut claims, &thief);
        claim(&mut claims, "a", "2026-01-02", &spec("a", roles));
        assert!(claims.conflict(&key("a")).is_some());
        let refused = |kinds: &[Kind]| {
            let findings = kinds.iter().map(|kind| Finding::bad(*kind, Reason::Conflict, ""));
            let mut status = Status::default();
            status.set(findings.collect(), Some(2), "t");
            status
        };
        claims.ended(&key("a"), &refused(&[Kind::Ready]));
        claims.ended(&thief.key(), &refused(&[Kind::Ready, Kind::RolesReady]));
        assert_eq!(claims.conflict(&key("a")), None);
        assert!(claims.conflict(&thief.key()).is_some());
    }

    #[test]
    fn a_namespace_has_the_issuers_that_its_objects_were_applied_to() {
        let mut claims = Claims::default();
        let written =
            |path: &str| json!({"issuer": format!("https://h.example/{path}"), "provider": {}});
        applied(&mut claims, "a", "2026-01-01", &written("a"), &all_of("a", &written("a")));
        claim(&mut claims, "b", "2026-01-01", &written("b"));
        let issuers = |namespace| -> BTreeSet<String> {
            claims.issuers(namespace).iter().map(ToString::to_string).collect()
        };
        assert_eq!(issuers("clusters"), ["https://h.example/a".to_owned()].into());
        assert!(issuers("others").is_empty());
    }

    #[test]
    fn an_older_object_that_is_edited_takes_no_role_from_one_that_shares_it() {
        let mut claims = Claims::default();
        let roles = |path: &str| json!([{"name": "app", "serviceAccounts": ["a/b"], "path": path}]);
        let (old, young) = (spec("a", roles("/x/")), spec("b", roles("/x/")));
        let is_applied = |mut object: ServiceAccountIssuer| {
            object.status["appliedGeneration"] = json!(2);
            object
        };
        set(&mut claims, &is_applied(object("a", "2026-01-01", &old, &all_of("a", &old))));
        set(&mut claims, &is_applied(object("b", "2026-01-02", &young, &all_of("b", &young))));
        let edited = spec("a", roles("/y/"));
        let mut edited = is_applied(object("a", "2026-01-01", &edited, &all_of("a", &edited)));
        edited.metadata.generation = Some(3);
        set(&mut claims, &edited);
        assert_eq!(claims.conflict(&key("b")), None);
        let text = claims.conflict(&key("a")).unwrap();
        assert!(text.contains("clusters/b is applied as it is"), "{text}");

        // An edit of the younger one, of something else, gives nothing to the one that waits.
        let mut status = edited.status();
        status.set(vec![Finding::bad(Kind::Ready, Reason::Conflict, "")], Some(3), "t");
        claims.ended(&key("a"), &status);
        let mut later = object("b", "2026-01-02", &young, &all_of("b", &young));
        later.metadata.generation = Some(3);
        set(&mut claims, &later);
        assert_eq!(claims.conflict(&key("b")), None);
        assert!(claims.conflict(&key("a")).is_some());
    }

    #[test]
    fn an_object_that_was_applied_just_now_is_not_called_edited_by_a_watch_that_is_behind() {
        let mut claims = Claims::default();
        let roles = |path: &str| json!([{"name": "app", "serviceAccounts": ["a/b"], "path": path}]);
        let (old, young) = (spec("a", roles("/y/")), spec("b", roles("/x/")));
        let late = object("b", "2026-01-02", &young, &all_of("b", &young));
        claim(&mut claims, "a", "2026-01-01", &old);
        claims.set_held(&key("a"), &all_of("a", &old));
        set(&mut claims, &late);
        assert!(claims.conflict(&key("b")).unwrap().contains("clusters/a is older"));
        claims.ended(&key("b"), &Status { applied_generation: Some(2), ..late.status() });
        set(&mut claims, &late);
        assert_eq!(claims.conflict(&key("b")), None);
    }
}

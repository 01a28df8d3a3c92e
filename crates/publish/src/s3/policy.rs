//! The bucket policy: our statement, merged into the existing policy.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};

use super::S3Location;
use super::statements::{deleted_principals, has, is_anonymous, matches, sid, statements, values};
use crate::Error;

/// Prefix of the `Sid`s of our statements for distributions.
const DISTRIBUTION_SID: &str = "IssuerctlCloudFrontRead";

/// The maximum size of a bucket policy in bytes (S3 user guide, "Bucket policies").
const MAX_BYTES: usize = 20 * 1024;

/// Prefix of the `Sid`s of our statements.
pub(crate) const OUR_SID: &str = "IssuerctlPublicRead";

/// The `Sid` of the statement for all issuers of a bucket.
const SHARED_SID: &str = "IssuerctlPublicReadShared";

/// The policy of a bucket with the statement that makes the two documents public; `None` if
/// `existing` allows that already, and has our statements as they are written here: whoever may add an action
/// to one of them could let everybody write the documents.
///
/// There is one statement per prefix, so several issuers can share a bucket; or, if it is `shared`, one
/// for the documents below all prefixes, which replaces those of single prefixes. An existing statement
/// for all prefixes is enough for each of them.
///
/// # Errors
/// [`Error::BadPolicy`]: `existing` is not a policy.
pub fn with_ours(
    location: &S3Location,
    region: &str,
    shared: bool,
    existing: Option<&str>,
) -> Result<Option<String>, Error> {
    let merged = if shared {
        merge_shared(existing, location, region)
    } else {
        merge(existing, location, region)
    };
    match merged {
        Ok(Merge::Unchanged) => Ok(None),
        Ok(Merge::Put(text)) => Ok(Some(text)),
        Err(reason) => Err(Error::BadPolicy { bucket: location.bucket.to_string(), reason }),
    }
}

/// The policy of a bucket with the statement that lets a distribution of CloudFront, and nobody else, read
/// the two documents (CloudFront developer guide, "Restrict access to an Amazon S3 origin"); `None` if
/// `existing` has it already.
///
/// # Errors
/// [`Error::BadPolicy`]: `existing` is not a policy.
pub fn with_distribution(
    location: &S3Location,
    region: &str,
    distribution: &str,
    existing: Option<&str>,
) -> Result<Option<String>, Error> {
    let bad = |reason| Error::BadPolicy { bucket: location.bucket.to_string(), reason };
    let (policy, mut list) = parse(existing.unwrap_or(EMPTY)).map_err(bad)?;
    let own = sid_of(DISTRIBUTION_SID, location);
    let ours = json!({
        "Sid": own,
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": location.object_arns(region),
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution}},
    });
    match list.iter_mut().find(|statement| sid(statement) == Some(own.as_str())) {
        Some(there) if *there == ours => return Ok(None),
        Some(there) => *there = ours,
        None => list.push(ours),
    }
    match put(policy, list) {
        Merge::Put(text) => Ok(Some(text)),
        Merge::Unchanged => Ok(None),
    }
}

/// Checks what S3 would refuse in a policy that is about to be written, so that it is known before
/// anything is changed.
///
/// # Errors
/// [`Error::DeletedPrincipals`], [`Error::PolicyTooLarge`].
pub(crate) fn check_accepted(location: &S3Location, text: &str) -> Result<(), Error> {
    let bucket = location.bucket.to_string();
    let statements = deleted_principals(text);
    if !statements.is_empty() {
        return Err(Error::DeletedPrincipals { bucket, statements });
    }
    if text.len() > MAX_BYTES {
        let ours = singles(text);
        return Err(Error::PolicyTooLarge { bucket, size: text.len(), limit: MAX_BYTES, ours });
    }
    Ok(())
}

/// Whether the policy has our statement for all issuers of the bucket.
pub(crate) fn is_shared(existing: &str) -> bool {
    parse(existing).is_ok_and(|policy| policy.1.iter().any(is_shared_statement))
}

/// Whether our statement for all issuers of a bucket makes the object of this key public.
pub(crate) fn is_shared_by(existing: &str, key: &str) -> bool {
    let names = |statement: &Value| {
        let mut keys = values(statement.get("Resource"))
            .filter_map(|resource| Some(resource.split_once(":s3:::")?.1.split_once('/')?.1));
        keys.any(|pattern| matches(pattern, key))
    };
    parse(existing).is_ok_and(|policy| {
        policy.1.iter().any(|statement| is_shared_statement(statement) && names(statement))
    })
}

/// The policy of a bucket without our statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Without {
    /// It does not contain our statement.
    Unchanged,
    /// The new text.
    Put(String),
    /// No statement is left: the policy can be deleted.
    Nothing,
}

/// Removes the statement of a prefix from the policy, and, unless other issuers need it
/// (`keep_shared`), the one for all prefixes.
///
/// # Errors
/// [`Error::BadPolicy`]: `existing` is not a policy.
pub(crate) fn without_ours(
    location: &S3Location,
    existing: &str,
    keep_shared: bool,
) -> Result<Without, Error> {
    let bad = |reason| Error::BadPolicy { bucket: location.bucket.to_string(), reason };
    let (mut policy, mut list) = parse(existing).map_err(bad)?;
    let (own, before) = ([own_sid(location), sid_of(DISTRIBUTION_SID, location)], list.len());
    let is_own = |statement: &Value| own.iter().any(|own| sid(statement) == Some(own));
    list.retain(|statement| !is_own(statement) && (keep_shared || !is_shared_statement(statement)));
    Ok(match list.len() {
        after if after == before => Without::Unchanged,
        0 => Without::Nothing,
        _ => {
            policy.insert("Statement".to_owned(), Value::Array(list));
            Without::Put(Value::Object(policy).to_string())
        }
    })
}

/// The `Sid` of the statement of a prefix.
fn own_sid(location: &S3Location) -> String {
    sid_of(OUR_SID, location)
}

fn sid_of(kind: &str, location: &S3Location) -> String {
    let digest = Sha256::digest(location.object_key(""));
    format!("{kind}{}", digest[..6].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The policy with our statement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Merge {
    /// It already allows what is needed.
    Unchanged,
    /// The new text.
    Put(String),
}

/// Makes exactly the two documents of a prefix public. Other statements, their order, the `Id` and unknown
/// members are kept; only the statement with our `Sid`, and a changed one for all issuers, is rewritten.
///
/// # Errors
/// A text that is not a policy.
fn merge(existing: Option<&str>, location: &S3Location, region: &str) -> Result<Merge, String> {
    let (policy, mut list) = parse(existing.unwrap_or(EMPTY))?;
    let (own, objects) = (own_sid(location), location.object_arns(region));
    let bucket = bucket_arn(location, region);
    let mut is_changed = false;
    for shared in list.iter_mut().filter(|statement| is_shared_statement(statement)) {
        let resources = shared_resources(&bucket, names_root(shared, &bucket));
        if !is_exactly(shared, &resources) {
            (*shared, is_changed) = (statement(SHARED_SID, &resources), true);
        }
    }
    let is_own = |statement: &Value| sid(statement) == Some(own.as_str());
    let ours = list.iter().filter(|statement| is_own(statement));
    let (count, exact) =
        (ours.clone().count(), ours.filter(|statement| is_exactly(statement, &objects)).count());
    let is_public =
        objects.iter().all(|object| list.iter().any(|statement| allows(statement, object)));
    if !is_public || count > 1 || exact < count {
        is_changed = true;
        let place = list.iter().position(is_own).unwrap_or(list.len());
        list.retain(|statement| !is_own(statement));
        list.insert(place.min(list.len()), statement(&own, &objects));
    }
    Ok(if is_changed { put(policy, list) } else { Merge::Unchanged })
}

/// Makes the documents below all prefixes public, those of the bucket itself if an issuer has none, and
/// replaces our statements of single prefixes. One that somebody has changed is kept.
///
/// # Errors
/// A text that is not a policy.
fn merge_shared(
    existing: Option<&str>,
    location: &S3Location,
    region: &str,
) -> Result<Merge, String> {
    let (policy, mut list) = parse(existing.unwrap_or(EMPTY))?;
    let bucket = bucket_arn(location, region);
    // The own statement is replaced whatever it has; those of others only if nobody has changed them.
    let own = own_sid(location);
    let is_single = |statement: &Value| {
        is_single_statement(statement, &bucket) || sid(statement) == Some(own.as_str())
    };
    let is_replaced = |statement: &Value| is_single(statement) || is_shared_statement(statement);
    let has_root = location.object_key("").is_empty()
        || list.iter().any(|statement| is_replaced(statement) && names_root(statement, &bucket));
    let resources = shared_resources(&bucket, has_root);
    let mut shared = list.iter().filter(|statement| is_shared_statement(statement));
    let is_there = shared.next().is_some_and(|first| is_exactly(first, &resources));
    if is_there && shared.next().is_none() && !list.iter().any(is_single) {
        return Ok(Merge::Unchanged);
    }
    let place = list.iter().position(is_replaced).unwrap_or(list.len());
    list.retain(|statement| !is_replaced(statement));
    list.insert(place.min(list.len()), statement(SHARED_SID, &resources));
    Ok(put(policy, list))
}

fn bucket_arn(location: &S3Location, region: &str) -> String {
    format!("arn:{}:s3:::{}/", Partition::of_region(region).name, location.bucket)
}

/// The documents below all prefixes, and those of the bucket itself.
fn shared_resources(bucket: &str, has_root: bool) -> Vec<String> {
    let names = [KEYS_NAME, DISCOVERY_NAME];
    let root = names.map(|name| format!("{bucket}{name}"));
    let below = names.map(|name| format!("{bucket}*/{name}"));
    below.into_iter().chain(has_root.then_some(root).into_iter().flatten()).collect()
}

fn names_root(statement: &Value, bucket: &str) -> bool {
    let root = [KEYS_NAME, DISCOVERY_NAME].map(|name| format!("{bucket}{name}"));
    root.iter().any(|object| has(statement, "Resource", object))
}

const EMPTY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

/// The members of a policy, and its statements.
fn parse(text: &str) -> Result<(Map<String, Value>, Vec<Value>), String> {
    let policy: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(mut policy) = policy else {
        return Err("it is not a JSON object".to_owned());
    };
    let list = std::mem::take(statements(&mut policy)?);
    Ok((policy, list))
}

fn put(mut policy: Map<String, Value>, list: Vec<Value>) -> Merge {
    policy.insert("Statement".to_owned(), Value::Array(list));
    Merge::Put(Value::Object(policy).to_string())
}

fn statement(sid: &str, objects: &[String]) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects})
}

/// Whether a statement by itself makes the object public, without any condition. Wildcards are ours
/// only in the statement for all issuers: somebody else may narrow theirs at any time.
fn allows(statement: &Value, object: &str) -> bool {
    let is_shared = is_shared_statement(statement);
    grants(statement, |resource| resource == object || (is_shared && matches(resource, object)))
}

/// Whether a statement allows anonymous reads of such a resource, without any condition.
fn grants(statement: &Value, is_wanted: impl Fn(&str) -> bool) -> bool {
    let members = ["Sid", "Effect", "Principal", "Action", "Resource"];
    let plain = statement
        .as_object()
        .is_some_and(|statement| statement.keys().all(|member| members.contains(&member.as_str())));
    plain
        && has(statement, "Effect", "Allow")
        && is_anonymous(statement)
        && has(statement, "Action", "s3:GetObject")
        && values(statement.get("Resource")).any(is_wanted)
}

/// Whether a statement of ours is as it was written, in whatever form the store returns it: a list with one
/// entry, or another order.
fn is_exactly(statement: &Value, objects: &[String]) -> bool {
    let principal = statement.get("Principal");
    let everybody =
        |value: Option<&Value>| values(value).count() == 1 && values(value).all(|one| one == "*");
    let is_everybody = everybody(principal)
        || principal
            .and_then(Value::as_object)
            .is_some_and(|principal| principal.len() == 1 && everybody(principal.get("AWS")));
    let resources = || values(statement.get("Resource"));
    is_everybody
        && objects.iter().all(|object| grants(statement, |resource| resource == object))
        && values(statement.get("Action")).all(|action| action == "s3:GetObject")
        && resources().all(|resource| objects.iter().any(|object| object == resource))
}

fn is_shared_statement(statement: &Value) -> bool {
    sid(statement) == Some(SHARED_SID)
}

/// Whether a statement is one of ours for a single prefix, with nothing but its two documents.
fn is_single_statement(statement: &Value, bucket: &str) -> bool {
    let is_document = |resource: &str| {
        resource.strip_prefix(bucket).is_some_and(|key| {
            [KEYS_NAME, DISCOVERY_NAME].iter().any(|name| {
                key.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
            }) && !key.contains(['*', '?'])
        })
    };
    sid(statement).is_some_and(is_single_sid)
        && grants(statement, is_document)
        && values(statement.get("Resource")).all(is_document)
}

fn is_single_sid(sid: &str) -> bool {
    sid.strip_prefix(OUR_SID)
        .is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// How many statements of single prefixes a policy has.
fn singles(text: &str) -> usize {
    let count = |list: Vec<Value>| {
        list.iter().filter(|statement| sid(statement).is_some_and(is_single_sid)).count()
    };
    parse(text).map(|(_, list)| count(list)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(path: &str) -> S3Location {
        format!("s3://my-oidc{path}").parse().unwrap()
    }

    fn put_in(path: &str, shared: bool, existing: Option<&str>) -> Option<String> {
        with_ours(&location(path), "us-west-2", shared, existing).unwrap()
    }

    fn sids(policy: &str) -> Vec<String> {
        let list = parse(policy).unwrap().1;
        list.iter().map(|statement| sid(statement).unwrap_or_default().to_owned()).collect()
    }

    /// A policy with a statement of somebody else, and one for each prefix.
    fn with_singles(paths: &[&str]) -> String {
        let theirs = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/logs/*"}]}"#;
        let add = |policy: String, path: &&str| put_in(path, false, Some(&policy)).unwrap();
        paths.iter().fold(theirs.to_owned(), add)
    }

    #[test]
    fn a_policy_that_outgrows_s3_is_refused_before_it_is_written() {
        let paths: Vec<String> = (0..100).map(|number| format!("/cluster-{number}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let refused = check_accepted(&location("/prod"), &with_singles(&paths));
        let Err(Error::PolicyTooLarge { limit: 20_480, ours: 100, .. }) = refused else {
            panic!("{refused:?}");
        };
        // One for all of them is small, and stays so.
        let shared = put_in("/prod", true, Some(&with_singles(&paths))).unwrap();
        assert!(check_accepted(&location("/prod"), &shared).is_ok() && shared.len() < 500);
        assert_eq!(sids(&shared), ["Theirs", SHARED_SID]);
    }

    #[test]
    fn statements_of_single_prefixes_are_folded_into_the_one_for_all() {
        let shared = put_in("/prod", true, Some(&with_singles(&["/prod", "/test/a", ""]))).unwrap();
        assert_eq!(sids(&shared), ["Theirs", SHARED_SID]);
        for key in ["prod/keys.json", "test/a/.well-known/openid-configuration", "keys.json"] {
            assert!(is_shared_by(&shared, key), "{key}: {shared}");
        }
        // What it covers needs no statement, with and without the option.
        for path in ["/prod", "/new", ""] {
            assert_eq!(put_in(path, true, Some(&shared)), None, "{path}");
            assert_eq!(put_in(path, false, Some(&shared)), None, "{path}");
        }
        // The root is made public only for an issuer that is there.
        let below = put_in("/prod", true, None).unwrap();
        assert!(!is_shared_by(&below, "keys.json"), "{below}");
        let with_root = put_in("", true, Some(&below)).unwrap();
        assert!(is_shared_by(&with_root, "keys.json") && sids(&with_root).len() == 1);
        assert_eq!(put_in("/prod", true, Some(&with_root)), None);
    }

    #[test]
    fn a_statement_that_somebody_narrowed_is_not_folded() {
        let single = with_singles(&["/prod"]);
        let narrowed = single.replace(
            r#""Action":"s3:GetObject""#,
            r#""Action":"s3:GetObject","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#,
        );
        assert_ne!(narrowed, single);
        let shared = put_in("/test", true, Some(&narrowed)).unwrap();
        assert_eq!(sids(&shared).len(), 3, "{shared}");
    }

    #[test]
    fn only_documents_are_public_by_the_statement_for_all() {
        let shared = put_in("/prod", true, None).unwrap();
        for private in [
            "prod/.issuerctl/history/20261126T120000Z-keys",
            "prod/.issuerctl/history/20261126T120000Z/keys.json.old",
            "prod/.issuerctl/history/1/openid-configuration",
            ".issuerctl/policy.lease",
            "prod/keys.json/x",
            "keys.json",
            "logs/1",
        ] {
            assert!(!is_shared_by(&shared, private), "{private}");
        }
    }

    #[test]
    fn what_somebody_added_to_our_statements_is_taken_away() {
        let (single, shared) =
            (put_in("/prod", false, None).unwrap(), put_in("/prod", true, None).unwrap());
        let add = r#""Action":["s3:GetObject","s3:PutObject"]"#;
        for (policy, is_shared) in [(&single, false), (&shared, true), (&shared, false)] {
            for (from, to) in [
                (r#""Action":"s3:GetObject""#, add),
                (r#""Resource":["#, r#""Resource":["arn:aws:s3:::my-oidc/*","#),
                (r#""Principal":"*""#, r#""Principal":{"AWS":"*","Service":"x.amazonaws.com"}"#),
            ] {
                let changed = policy.replace(from, to);
                assert_ne!(changed, **policy, "{from}");
                let repaired = put_in("/prod", is_shared, Some(&changed)).unwrap();
                assert_eq!(repaired, **policy, "{from}");
            }
        }
        // A second statement under our name, and one that is there although the shared one is enough.
        let statement = |policy: &str| serde_json::to_string(&parse(policy).unwrap().1[0]).unwrap();
        let wide = statement(&single).replace(r#""Action":"s3:GetObject""#, add);
        let twice = single.replace(&statement(&single), &format!("{},{wide}", statement(&single)));
        assert_eq!(put_in("/prod", false, Some(&twice)).unwrap(), single);
        let both = shared.replace(&statement(&shared), &format!("{},{wide}", statement(&shared)));
        assert!(!put_in("/prod", false, Some(&both)).unwrap().contains("PutObject"));
        assert_eq!(put_in("/prod", true, Some(&both)).unwrap(), shared);
    }

    #[test]
    fn our_statement_in_the_form_of_another_store_is_ours() {
        let single = put_in("/prod", false, None).unwrap();
        let listed = single
            .replace(r#""Principal":"*""#, r#""Principal":{"AWS":["*"]}"#)
            .replace(r#""Action":"s3:GetObject""#, r#""Action":["s3:GetObject"]"#);
        assert_ne!(listed, single);
        assert_eq!(put_in("/prod", false, Some(&listed)), None);
    }

    #[test]
    fn a_distribution_has_one_statement_which_follows_it_and_goes_with_its_site() {
        let at = location("/prod");
        let with = |arn: &str, existing: Option<&str>| {
            with_distribution(&at, "us-west-2", arn, existing).unwrap()
        };
        let first = with("arn:1", Some(&with_singles(&["/test"]))).unwrap();
        assert_eq!(with("arn:1", Some(&first)), None);
        let second = with("arn:2", Some(&first)).unwrap();
        assert!(second.contains("arn:2") && !second.contains("arn:1"), "{second}");
        assert_eq!(sids(&second).len(), 3);
        let Without::Put(left) = without_ours(&at, &second, true).unwrap() else { panic!() };
        assert_eq!(sids(&left).len(), 2);
    }

    #[test]
    fn the_statement_for_all_goes_with_the_last_issuer() {
        let shared = put_in("/prod", true, Some(&with_singles(&["/prod"]))).unwrap();
        let without = |keep| without_ours(&location("/prod"), &shared, keep).unwrap();
        assert_eq!(without(true), Without::Unchanged);
        let Without::Put(left) = without(false) else { panic!("{shared}") };
        assert_eq!(sids(&left), ["Theirs"]);
        let alone = put_in("/prod", true, None).unwrap();
        let gone = without_ours(&location("/prod"), &alone, false).unwrap();
        assert_eq!(gone, Without::Nothing);
    }
}

//! Why anonymous readers do not get the documents, as far as the bucket shows it.

use issuer_diagnostic::{Check, Fault, listed, quote};
use issuer_publish::{BucketState, Existence, Setting};
use issuer_verify::Observation;
use serde_json::Value;

use super::bucket_policy::{self, Verdict};
use super::case::Case;

const DISCOVERY: &str = ".well-known/openid-configuration";

const KEYS: &str = "keys.json";

/// What a failed check says of a document that is denied or missing.
const DENIED: [&str; 5] = ["403", "denied", "404", "NoSuchKey", "not allowed"];

/// The keys are not where `jwks_uri` leads to, and may be where they are published.
pub(super) fn misled(case: &Case<'_>, observation: &Observation, failed: &Check) -> Option<Fault> {
    let is_missing = DENIED.iter().any(|word| failed.message.contains(word));
    if failed.id != "keys-reachable" || !failed.failed() || !is_missing {
        return None;
    }
    let issuer = case.url.as_ref()?;
    let document: Value = serde_json::from_slice(observation.discovery.document()?).ok()?;
    let named = document["jwks_uri"].as_str()?;
    let standard = issuer.document_url(KEYS);
    let host = |url: &str| url.split('/').nth(2).unwrap_or_default().to_ascii_lowercase();
    let objects = case.seen.documents.objects.known();
    let is_there = objects.is_some_and(|[_, keys]| keys.is_some());
    if named == standard || !(is_there || host(named) == host(&standard)) {
        return None;
    }
    let found = if is_there { ", where the keys are" } else { "" };
    let store = case.seen.asked.store.as_deref().unwrap_or("s3://BUCKET/PREFIX");
    Some(Fault::new(
        format!(
            "jwks_uri in the discovery document is {}, where nobody reads any keys (denied or not found), and \
             issuerctl publishes them at {}{found}",
            quote(named),
            quote(&standard)
        ),
        format!(
            "write the document again: `issuerctl publish --apiserver --to {store} --issuer {} --change-issuer`",
            issuer.as_str()
        ),
    ))
}

/// The reason of a failed check, if it lies in the bucket: the id of the check, and the fault.
pub(super) fn reason(case: &Case<'_>, failed: &Check) -> Option<(&'static str, Fault)> {
    let state = case.seen.documents.bucket.known()?;
    let store = case.seen.asked.store.clone()?;
    let (bucket, _) = parts(&store);
    let publish = format!("issuerctl publish --apiserver --to {store}");
    if state.existence == Existence::Missing {
        return Some((
            "bucket-missing",
            Fault::new(
                format!(
                    "the bucket {bucket} does not exist (NoSuchBucket), and the issuer's documents were in \
                     it; providers and roles trust the issuer all the same"
                ),
                format!(
                    "create the bucket again at once, before somebody else takes its name, and publish the \
                     documents: `{publish} --create-bucket`"
                ),
            ),
        ));
    }
    let objects = case.seen.documents.objects.known();
    let mut encryptions = objects.into_iter().flatten().flatten();
    if let Some(encryption) = encryptions.find(|own| own.starts_with("aws:kms")) {
        return Some((
            "bucket-encryption",
            Fault::new(
                format!(
                    "the documents in the bucket {bucket} are encrypted with a KMS key ({encryption}), and \
                     such objects cannot be read anonymously"
                ),
                format!("publish them again, encrypted with SSE-S3 (AES256): `{publish}`"),
            ),
        ));
    }
    if ["KMS", "encrypted", "archive", "signed"].iter().any(|word| failed.message.contains(word)) {
        return None;
    }
    // Only a document that is denied or missing has its reason here.
    if !DENIED.iter().any(|word| failed.message.contains(word)) {
        return None;
    }
    if let Some([discovery, keys]) = case.seen.documents.objects.known()
        && (discovery.is_none() || keys.is_none())
    {
        let (_, prefix) = parts(&store);
        let missing: Vec<String> = [(discovery, DISCOVERY), (keys, KEYS)]
            .into_iter()
            .filter(|(object, _)| object.is_none())
            .map(|(_, name)| format!("{prefix}{name}"))
            .collect();
        return Some((
            "bucket-object",
            Fault::new(
                format!("the bucket {bucket} has no object {}", missing.join(" and no ")),
                format!("publish the documents: `{publish}`"),
            ),
        ));
    }
    let observation = case.seen.documents.observation.known();
    let is_read = observation.is_some_and(|own| own.discovery.document().is_some());
    let document = if failed.id == "keys-reachable" { KEYS } else { DISCOVERY };
    // What denies the whole bucket would deny the discovery document, too.
    let account = case.seen.aws.caller.known().map_or("ACCOUNT", |own| own.account.as_str());
    access(state, [&store, &publish, account], document)
        .filter(|(id, _)| !(is_read && ["bucket-block", "bucket-account"].contains(id)))
}

/// Policy and public access block, which are both needed.
fn access(
    state: &BucketState,
    [store, publish, account]: [&str; 3],
    document: &str,
) -> Option<(&'static str, Fault)> {
    let (bucket, prefix) = parts(store);
    let block = state.block.present();
    let set: Vec<&str> = block
        .into_iter()
        .flat_map(|own| {
            [
                (own.block_public_policy, "BlockPublicPolicy"),
                (own.restrict_public_buckets, "RestrictPublicBuckets"),
            ]
        })
        .filter(|(is_set, _)| *is_set)
        .map(|(_, name)| name)
        .collect();
    let policy = match &state.policy {
        Setting::Present(text) => {
            Some(Some(bucket_policy::judge(text, &format!("{bucket}/{prefix}{document}"))))
        }
        Setting::Absent => Some(None),
        _ => None,
    };
    let has = match policy {
        Some(None) => "it has no bucket policy",
        Some(Some(Verdict::Others)) => {
            "its bucket policy does not allow s3:GetObject on the two documents"
        }
        _ => "",
    };
    let write = || format!("write the bucket policy for the two documents: `{publish}`");
    if !set.is_empty() {
        let also = if has.is_empty() { String::new() } else { format!("; {has}") };
        return Some((
            "bucket-block",
            Fault::new(
                format!(
                    "the public access block of the bucket {bucket} has {}, so that nobody reads its objects \
                     anonymously (403 AccessDenied), whatever its policy says{also}",
                    set.join(" and ")
                ),
                format!(
                    "let issuerctl set the bucket policy and turn off BlockPublicPolicy and \
                     RestrictPublicBuckets, and nothing more: `{publish}`; if the account forbids that, put \
                     CloudFront in front of the bucket"
                ),
            ),
        ));
    }
    match policy? {
        None | Some(Verdict::Others) => Some((
            "bucket-policy",
            Fault::new(
                format!(
                    "anonymous readers are denied (403 AccessDenied): {has} (bucket {bucket}, public access \
                     block off)"
                ),
                write(),
            ),
        )),
        Some(Verdict::AllowsIf(keys)) => Some((
            "bucket-policy",
            Fault::new(
                format!(
                    "anonymous readers are denied (403 AccessDenied): the policy of the bucket {bucket} allows them on a \
                     condition alone ({}), which is not judged here; STS comes from addresses of AWS, without credentials",
                    listed(&keys)
                ),
                write(),
            ),
        )),
        Some(Verdict::DeniesIf(keys)) => Some((
            "bucket-policy",
            Fault::new(
                format!(
                    "anonymous readers are denied (403 AccessDenied), although a statement in the policy of the bucket \
                     {bucket} allows them: a Deny statement has a condition ({}), which is not judged here and most likely \
                     holds; else the public access block of the account forbids it",
                    listed(&keys)
                ),
                "exclude the two documents from the Deny statement of the bucket policy",
            ),
        )),
        Some(Verdict::Denies) => Some((
            "bucket-policy",
            Fault::new(
                format!(
                    "a Deny statement in the policy of the bucket {bucket} denies anonymous readers"
                ),
                "exclude the two documents from the Deny statement of the bucket policy",
            ),
        )),
        Some(Verdict::Allows) => Some((
            "bucket-account",
            Fault::new(
                format!(
                    "the policy and the public access block of the bucket {bucket} allow anonymous readers, \
                     and they are denied (403) all the same: the public access block of the account, or a \
                     policy of the organization, forbids it"
                ),
                format!(
                    "turn off BlockPublicPolicy and RestrictPublicBuckets in the account's own public access \
                     block (`aws s3control get-public-access-block --account-id {account}`), or put CloudFront in \
                     front of the bucket"
                ),
            ),
        )),
    }
}

/// Bucket, and prefix with its slash.
fn parts(store: &str) -> (String, String) {
    let rest = store.trim_start_matches("s3://").trim_end_matches('/');
    match rest.split_once('/') {
        Some((bucket, prefix)) => (bucket.to_owned(), format!("{prefix}/")),
        None => (rest.to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use issuer_publish::Block;
    use serde_json::json;

    use super::*;

    #[test]
    fn block_policy_and_account_are_told_apart() {
        let policy = |effect: &str| {
            json!({"Statement": [{"Effect": effect, "Principal": "*", "Action": "s3:GetObject",
                                  "Resource": "arn:aws:s3:::b/p/*"}]})
        };
        let found = |blocked: bool, policy: Option<Value>| {
            let block = Block {
                block_public_acls: true,
                ignore_public_acls: true,
                block_public_policy: false,
                restrict_public_buckets: blocked,
            };
            let state = BucketState {
                block: Setting::Present(block),
                policy: policy.map_or(Setting::Absent, |own| Setting::Present(own.to_string())),
                ..BucketState::default()
            };
            access(&state, ["s3://b/p", "publish", "1"], DISCOVERY).map(|(id, _)| id)
        };
        assert_eq!(found(true, Some(policy("Allow"))), Some("bucket-block"));
        assert_eq!(found(false, None), Some("bucket-policy"));
        assert_eq!(found(false, Some(policy("Deny"))), Some("bucket-policy"));
        assert_eq!(found(false, Some(policy("Allow"))), Some("bucket-account"));
    }
}

//! The kind of each error, and what can be done about it.

use issuer_diagnostic::{Diagnostic, ErrorKind, date};
use issuer_session::Cause;

use super::Error;
use crate::{Block, DestinationFault};

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Session(error) => error.kind(),
            Self::Discovery(error) => error.kind(),
            Self::NotKept { source, .. } => source.kind(),
            Self::NoKeys
            | Self::Location { .. }
            | Self::Destination { .. }
            | Self::NoIssuer { .. }
            | Self::BrokenHistory { .. }
            | Self::NoRegion { .. } => ErrorKind::InvalidInput,
            Self::Merge { .. }
            | Self::PruneWithNewKey { .. }
            | Self::LatelyLive { .. }
            | Self::Unreadable { .. }
            | Self::UnknownOwner { .. }
            | Self::BadPolicy { .. }
            | Self::OtherKeys { .. }
            | Self::NewKey { .. }
            | Self::WouldExpose { .. }
            | Self::DeletedPrincipals { .. }
            | Self::PolicyTooLarge { .. }
            | Self::WouldHide { .. }
            | Self::BlocksAcls { .. }
            | Self::RequesterPays { .. }
            | Self::ForcesKms { .. }
            | Self::OtherIssuer { .. }
            | Self::LostRace { .. }
            | Self::Locked { .. }
            | Self::Changed { .. }
            | Self::NotADocument { .. } => ErrorKind::Conflict,
            Self::NoBucket { .. } | Self::NoVersion { .. } | Self::NoDistribution { .. } => {
                ErrorKind::NotFound
            }
            Self::AccountBlocks { .. } => ErrorKind::NotPermitted,
            Self::Several { problems, .. } => gravest(problems),
            Self::OtherOwner { .. } | Self::Denied { .. } | Self::Credentials { .. } => {
                ErrorKind::NotPermitted
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorKind::NotPermitted
            }
            Self::Io { .. }
            | Self::OtherRegion { .. }
            | Self::NoAcls { .. }
            | Self::NoPolicies { .. }
            | Self::NoConditionalWrites { .. }
            | Self::IgnoredConditions { .. }
            | Self::NoEtag { .. }
            | Self::NotStored { .. }
            | Self::Incomplete { .. }
            | Self::Call { .. } => ErrorKind::Other,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Session(error) => return error.hint(),
            Self::Discovery(error) => return error.hint(),
            Self::NotKept { source, .. } => return source.hint(),
            Self::Merge { source, .. } => return source.hint(),
            Self::Unreadable { location, .. } => {
                return Some(format!(
                    "check {location}; if no valid token needs it any more, delete it and publish \
                     again"
                ));
            }
            Self::UnknownOwner { location, .. } => {
                return Some(format!("check {location}: no other cluster may need it any more"));
            }
            Self::Destination { fault: DestinationFault::AccessPoint, .. } => {
                "give the bucket of the access point: s3://BUCKET[/PREFIX]"
            }
            Self::Destination { meant, .. } => {
                return meant.as_ref().map(|meant| format!("did you mean {meant}?"));
            }
            Self::OtherKeys { .. } => {
                "publish those keys too, unless no valid token needs them any more"
            }
            Self::NotADocument { .. } => "delete or rename it, and publish again",
            Self::Denied { permissions, call, resource, code, message, .. } => {
                return Some(match Cause::of(code.as_deref(), message).hint() {
                    Some(hint) if *call == "PutObject" => format!("{hint}; {PLAIN_ENCRYPTION}"),
                    Some(hint) => hint,
                    None => denied_hint(permissions, call, resource),
                });
            }
            Self::AccountBlocks { account, block, by_acl } => {
                return Some(format!(
                    "serve the bucket through CloudFront, which needs no public bucket; or, if the \
                     account may have public buckets: aws s3control put-public-access-block --account-id \
                     {account} {}",
                    relaxed(*block, *by_acl)
                ));
            }
            Self::BlocksAcls { bucket, block } => {
                return Some(format!(
                    "aws s3api put-public-access-block --bucket {bucket} {}",
                    relaxed(*block, true)
                ));
            }
            Self::RequesterPays { bucket } => {
                return Some(format!(
                    "aws s3api put-bucket-request-payment --bucket {bucket} \
                     --request-payment-configuration Payer=BucketOwner"
                ));
            }
            Self::ForcesKms { objects, .. } => {
                return Some(format!(
                    "except the two documents: instead of Resource, the statement has \"NotResource\": \
                     {objects:?}"
                ));
            }
            Self::BadPolicy { .. } => {
                "fix it (aws s3api get-bucket-policy shows it) and publish again"
            }
            Self::PruneWithNewKey { .. } => {
                "publish the new key in addition to the others first, and remove them once the API \
                 server signs with it and the last token of the old key has expired (24 h by \
                 default)"
            }
            Self::LatelyLive { until_secs, .. } => {
                return Some(format!(
                    "publish it too, or wait until {}, if no API server signs with it any more",
                    date(*until_secs)
                ));
            }
            Self::NewKey { .. } => "check the keys that are published now, and run again",
            Self::WouldExpose { .. } => {
                "remove or narrow these statements, or use a separate bucket for the issuer"
            }
            Self::DeletedPrincipals { .. } => {
                "remove these principals from the policy, and the statements that have no others: \
                 the users or roles do not exist any more, and their IDs are never used again (aws \
                 s3api get-bucket-policy shows the policy)"
            }
            Self::WouldHide { bucket, .. } => {
                return Some(format!(
                    "allow s3:GetObject on them in the bucket policy first; or, if nobody needs \
                     them, disable the ACLs yourself: aws s3api put-bucket-ownership-controls \
                     --bucket {bucket} --ownership-controls \
                     'Rules=[{{ObjectOwnership=BucketOwnerEnforced}}]'"
                ));
            }
            // Those for other issuers can be one.
            Self::PolicyTooLarge { ours: 2.., .. } => return None,
            Self::PolicyTooLarge { .. } => "use a separate bucket for the issuer",
            Self::Call { code: Some(code), .. }
                if code == "InvalidBucketAclWithObjectOwnership" =>
            {
                "the bucket's own ACL grants access to others; reset it first: aws s3api \
                 put-bucket-acl --acl private"
            }
            Self::OtherIssuer { .. } => {
                "two clusters must not publish to the same location: give each its own prefix or folder"
            }
            Self::LostRace { .. } => "find the other writer, and run again",
            Self::Locked { .. } => "wait until it has ended, or end it, and run again",
            Self::NotStored { .. } | Self::Incomplete { .. } => {
                "is there a proxy or a web server at the endpoint instead of the store, or does a cache \
                 answer for it? Run again once the store answers itself"
            }
            Self::NoBucket { .. } => {
                "check the name of the bucket and the account of the credentials"
            }
            Self::OtherOwner { .. } => "bucket names are global; choose a different one",
            Self::NoEtag { .. } => {
                "S3 has an ETag for every object: is there another store, a proxy or a web server at \
                 the endpoint?"
            }
            Self::NoConditionalWrites { .. } | Self::IgnoredConditions { .. } => {
                "publish to a folder instead, with the published keys.json as a further source of \
                 keys so that none is lost, and upload the folder with the tools of the store, one \
                 writer at a time"
            }
            Self::Credentials { code, message } | Self::Call { code, message, .. } => {
                return Cause::of(code.as_deref(), message).hint();
            }
            Self::NoAcls { .. } => {
                "new buckets have ACLs disabled since April 2023; use a bucket policy instead"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// A public access block that allows what the given one forbids, as an option of the AWS CLI.
fn relaxed(block: Block, by_acl: bool) -> String {
    let relaxed = match by_acl {
        true => Block { block_public_acls: false, ignore_public_acls: false, ..block },
        false => Block { block_public_policy: false, restrict_public_buckets: false, ..block },
    };
    let members = relaxed.members().map(|(name, is_on)| format!("{name}={is_on}"));
    format!("--public-access-block-configuration {}", members.join(","))
}

/// The kind of the problem that is solved last: what is not permitted, somebody else has to change.
fn gravest(problems: &[Error]) -> ErrorKind {
    use ErrorKind as K;
    let kinds: Vec<ErrorKind> = problems.iter().map(Diagnostic::kind).collect();
    let order = [K::NotPermitted, K::Conflict, K::NotFound, K::InvalidInput];
    order.into_iter().find(|kind| kinds.contains(kind)).unwrap_or(K::Other)
}

const PLAIN_ENCRYPTION: &str = "if it requires encryption with KMS, it must except the two \
                                documents, which nobody could read anonymously then";

fn denied_hint(permissions: &[&str], call: &str, resource: &str) -> String {
    let rest = match call {
        "PutBucketPolicy" => {
            "; if that is allowed already, the public access block of the account (or a policy of \
             the organization) forbids public bucket policies: serve the bucket through CloudFront \
             instead"
        }
        "PutPublicAccessBlock"
        | "GetPublicAccessBlock"
        | "GetBucketPolicy"
        | "GetBucketOwnershipControls" => {
            "; the bucket may also belong to another account, since bucket names are global"
        }
        "PutObject" if permissions.contains(&"s3:PutObjectAcl") => {
            "; if that is allowed already, the public access block of the bucket or the account \
             forbids ACLs"
        }
        _ => "; also check the policy and the owner of the bucket",
    };
    format!("this policy statement allows it: {}{rest}", allowing(permissions, resource))
}

/// Statements that allow these actions, separate for objects and for their bucket.
fn allowing(permissions: &[&str], resource: &str) -> String {
    let bucket = resource.split('/').next().unwrap_or(resource);
    let (objects, buckets): (Vec<&str>, Vec<&str>) = permissions
        .iter()
        .partition(|action| action.contains("Object") && !action.contains("Bucket"));
    let statement = |actions: &[&str], resource: &str| {
        let actions =
            actions.iter().map(|action| format!("\"{action}\"")).collect::<Vec<_>>().join(", ");
        format!(r#"{{"Effect": "Allow", "Action": [{actions}], "Resource": "{resource}"}}"#)
    };
    let both = [(objects, resource), (buckets, bucket)];
    let statements = both.iter().filter(|(actions, _)| !actions.is_empty());
    statements
        .map(|(actions, resource)| statement(actions, resource))
        .collect::<Vec<_>>()
        .join(", ")
}

//! What may stand in the way of anonymous readers beside the settings that a publish changes; read before
//! a bucket is set up, so that every problem is in one report.

use super::bucket::{AccessMode, Block, BucketSpec, BucketState, ENFORCED, Setting};
use super::statements;
use crate::Error;

/// What is read beside the settings that a publish changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preflight {
    /// The public access block of the account, if the bucket is in it, and its ID.
    pub account: Setting<(String, Block)>,
    /// Whether readers pay for their requests, which anonymous ones cannot (S3 user guide, "Using
    /// Requester Pays general purpose buckets").
    pub requester_pays: Setting<bool>,
    /// How long S3 Object Lock keeps each version of a new object, such as `30 days`.
    pub retention: Setting<String>,
}

impl Preflight {
    /// What the credentials do not permit to read: none of it is needed.
    #[must_use]
    pub fn denied(&self) -> Vec<&'static str> {
        let denied = [
            ("s3:GetAccountPublicAccessBlock", matches!(self.account, Setting::Denied)),
            ("s3:GetBucketRequestPayment", matches!(self.requester_pays, Setting::Denied)),
            ("s3:GetBucketObjectLockConfiguration", matches!(self.retention, Setting::Denied)),
        ];
        denied.into_iter().filter(|(_, is_denied)| *is_denied).map(|(action, _)| action).collect()
    }
}

/// What makes the documents unreadable for anonymous readers, or cannot be written.
pub(super) fn problems(spec: &BucketSpec, state: &BucketState) -> Vec<Error> {
    let bucket = spec.location.bucket.to_string();
    let mut problems = Vec::new();
    if spec.access == AccessMode::None {
        return problems;
    }
    if let Setting::Present((account, block)) = &state.preflight.account {
        let block = in_the_way(spec.access, *block);
        if let Some(block) = block {
            let by_acl = spec.access == AccessMode::Acl;
            problems.push(Error::AccountBlocks { account: account.clone(), block, by_acl });
        }
    }
    if state.preflight.requester_pays == Setting::Present(true) {
        problems.push(Error::RequesterPays { bucket: bucket.clone() });
    }
    match spec.access {
        AccessMode::Acl => {
            if state.ownership.present().is_some_and(|ownership| ownership == ENFORCED) {
                problems.push(Error::NoAcls { bucket: bucket.clone() });
            }
            let block = state.block.present().and_then(|block| in_the_way(spec.access, *block));
            problems.extend(block.map(|block| Error::BlocksAcls { bucket, block }));
        }
        AccessMode::Policy | AccessMode::CloudFront => {
            let objects = spec.location.object_arns(&spec.region);
            let text = state.policy.present().map(String::as_str).unwrap_or_default();
            let sids = statements::forces_kms(text, &objects);
            if !sids.is_empty() {
                problems.push(Error::ForcesKms { bucket, sids, objects });
            }
        }
        AccessMode::None => {}
    }
    problems
}

/// The block, if it forbids this kind of access.
fn in_the_way(access: AccessMode, block: Block) -> Option<Block> {
    let forbids = match access {
        AccessMode::Policy => block.block_public_policy || block.restrict_public_buckets,
        AccessMode::Acl => block.block_public_acls || block.ignore_public_acls,
        AccessMode::CloudFront | AccessMode::None => false,
    };
    forbids.then_some(block)
}

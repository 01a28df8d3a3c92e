//! The IAM permissions for S3 (Service Authorization Reference, "Amazon S3").

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};
use serde_json::{Value, json};

use super::lease::LEASE_KEY;
use super::{AccessMode, S3Location, S3Options};
use crate::history::FOLDER;

/// What a site is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To plan (`plan`).
    Plan,
    /// To plan, and to import the bucket with its tags into another tool (`render --import`).
    Import,
    /// To publish, including the setup of the bucket.
    Publish,
    /// To list what was published before (`history`).
    History,
    /// To publish what was published before, which is listed first (`rollback`).
    Rollback,
    /// To delete it, including a bucket that issuerctl created (`delete`).
    Remove,
}

impl Purpose {
    /// Whether the site may be changed.
    fn publishes(self) -> bool {
        matches!(self, Self::Publish | Self::Rollback)
    }

    /// Whether previous sites are listed and read.
    fn looks_back(self) -> bool {
        matches!(self, Self::History | Self::Rollback)
    }
}

/// The policy that a run on this location with these options needs.
#[must_use]
pub fn permissions(
    location: &S3Location,
    options: &S3Options,
    purpose: Purpose,
    keep_history: u32,
) -> Value {
    let mut on_history = Vec::new();
    // Without ListBucket S3 returns 403 instead of 404 for missing objects.
    let (mut on_objects, mut on_bucket) = (vec!["s3:GetObject"], vec!["s3:ListBucket"]);
    if purpose == Purpose::Remove {
        on_objects.push("s3:DeleteObject");
        on_bucket.extend(["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]);
        on_bucket.extend(["s3:GetBucketTagging", "s3:DeleteBucket"]);
        on_history.push("s3:DeleteObject");
        return document(location, options, [&on_objects, &on_history, &on_bucket]);
    }
    let publishes = purpose.publishes();
    if publishes && keep_history > 0 {
        on_history.extend(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]);
    }
    if purpose.looks_back() {
        on_objects.push("s3:GetObjectVersion");
        on_bucket.push("s3:ListBucketVersions");
        if on_history.is_empty() {
            on_history.push("s3:GetObject");
        }
    }
    if purpose == Purpose::History {
        return document(location, options, [&on_objects, &on_history, &on_bucket]);
    }
    on_objects.extend(publishes.then_some("s3:PutObject"));
    if matches!(options.access, AccessMode::Policy | AccessMode::Acl) {
        // Read before a bucket is set up.
        on_bucket.extend(["s3:GetBucketRequestPayment", "s3:GetBucketObjectLockConfiguration"]);
    }
    match options.access {
        AccessMode::Policy => {
            on_bucket.extend([
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketPolicy",
            ]);
            if publishes {
                on_bucket.extend([
                    "s3:PutBucketOwnershipControls",
                    "s3:PutBucketPublicAccessBlock",
                    "s3:PutBucketPolicy",
                ]);
            }
        }
        AccessMode::Acl => {
            on_objects.push("s3:GetObjectAcl");
            on_bucket.extend(["s3:GetBucketOwnershipControls", "s3:GetBucketPublicAccessBlock"]);
            on_objects.extend(publishes.then_some("s3:PutObjectAcl"));
        }
        AccessMode::CloudFront => {
            on_bucket.push("s3:GetBucketPolicy");
            on_bucket.extend(publishes.then_some("s3:PutBucketPolicy"));
        }
        AccessMode::None => {}
    }
    if options.create_bucket && purpose == Purpose::Import {
        on_bucket.push("s3:GetBucketTagging");
    }
    if options.create_bucket && publishes {
        // `delete` recognises by the tag that issuerctl created the bucket.
        on_bucket.extend(["s3:CreateBucket", "s3:PutBucketTagging"]);
    }
    document(location, options, [&on_objects, &on_history, &on_bucket])
}

/// A policy with the actions on the documents, on their history and on the bucket.
fn document(
    location: &S3Location,
    options: &S3Options,
    [on_objects, on_history, on_bucket]: [&[&str]; 3],
) -> Value {
    let partition =
        options.region.as_deref().map_or("*", |region| Partition::of_region(region).name);
    let bucket = format!("arn:{partition}:s3:::{}", location.bucket);
    let objects =
        [KEYS_NAME, DISCOVERY_NAME].map(|name| format!("{bucket}/{}", location.object_key(name)));
    let history = format!("{bucket}/{}/*", location.object_key(FOLDER));
    let lease = format!("{bucket}/{LEASE_KEY}");
    let on_lease: &[&str] = match on_bucket.contains(&"s3:PutBucketPolicy") {
        true => &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        false => &[],
    };
    let allow = |actions: &[&str], resource: Value| {
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
        (!actions.is_empty()).then_some(statement)
    };
    let statements = [
        allow(on_objects, json!(objects)),
        allow(on_history, json!(history)),
        allow(on_bucket, json!(bucket)),
        allow(on_lease, json!(lease)),
    ];
    let account: &[&str] = match on_bucket.contains(&"s3:GetBucketRequestPayment") {
        true if options.endpoint_url.is_none() => &["s3:GetAccountPublicAccessBlock"],
        _ => &[],
    };
    let statements = statements.into_iter().chain([allow(account, json!("*"))]);
    let statements: Vec<Value> = statements.flatten().collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(options: S3Options) -> String {
        permissions(&"s3://my-oidc/prod".parse().unwrap(), &options, Purpose::Publish, 0)
            .to_string()
    }

    #[test]
    fn a_policy_names_the_two_objects_and_what_the_access_mode_calls() {
        let policy = permissions(
            &"s3://my-oidc/prod".parse().unwrap(),
            &S3Options { region: Some("cn-north-1".to_owned()), ..S3Options::default() },
            Purpose::Publish,
            0,
        );
        assert_eq!(policy["Statement"][0]["Resource"][0], "arn:aws-cn:s3:::my-oidc/prod/keys.json");
        assert_eq!(policy["Statement"][1]["Resource"], "arn:aws-cn:s3:::my-oidc");
        assert!(actions(S3Options::default()).contains("s3:PutBucketPolicy"));
        let acl = actions(S3Options { access: AccessMode::Acl, ..S3Options::default() });
        assert!(acl.contains("s3:PutObjectAcl") && !acl.contains("BucketPolicy"), "{acl}");
        let none = actions(S3Options {
            access: AccessMode::None,
            create_bucket: true,
            ..S3Options::default()
        });
        assert!(none.contains("s3:CreateBucket") && !none.contains("BucketPolicy"), "{none}");
    }

    #[test]
    fn a_plan_writes_nothing_and_a_removal_creates_nothing() {
        let at = "s3://my-oidc/prod".parse().unwrap();
        let options = S3Options { create_bucket: true, ..S3Options::default() };
        let text = |purpose| permissions(&at, &options, purpose, 10).to_string();
        assert!(!text(Purpose::Plan).contains("Put") && !text(Purpose::Plan).contains("Create"));
        let removal = permissions(&at, &options, Purpose::Remove, 10);
        assert!(
            removal["Statement"][0].to_string().contains("s3:DeleteObject")
                && !removal["Statement"][0].to_string().contains("PutObject")
        );
    }
}

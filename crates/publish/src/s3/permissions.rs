//! The IAM policy that a publish needs (Service Authorization Reference, "Amazon S3").

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};
use serde_json::{Value, json};

use super::{AccessMode, S3Location, S3Options};

/// What publishing to this place with these options needs, the run that sets the bucket up included.
pub fn permissions(location: &S3Location, options: &S3Options) -> Value {
    let partition = options.region.as_deref().map_or("*", |region| Partition::of_region(region).name);
    let bucket = format!("arn:{partition}:s3:::{}", location.bucket);
    let objects = [KEYS_NAME, DISCOVERY_NAME].map(|name| format!("{bucket}/{}", location.object_key(name)));
    let mut on_objects = vec!["s3:GetObject", "s3:PutObject"];
    // Without it S3 refuses to say that an object is not there yet.
    let mut on_bucket = vec!["s3:ListBucket"];
    match options.access {
        AccessMode::Policy => on_bucket.extend([
            "s3:GetBucketOwnershipControls",
            "s3:PutBucketOwnershipControls",
            "s3:GetBucketPublicAccessBlock",
            "s3:PutBucketPublicAccessBlock",
            "s3:GetBucketPolicy",
            "s3:PutBucketPolicy",
        ]),
        AccessMode::Acl => on_objects.extend(["s3:GetObjectAcl", "s3:PutObjectAcl"]),
        AccessMode::None => {}
    }
    if options.create_bucket {
        on_bucket.push("s3:CreateBucket");
    }
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": on_objects, "Resource": objects},
        {"Effect": "Allow", "Action": on_bucket, "Resource": bucket},
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(options: S3Options) -> String {
        permissions(&"s3://my-oidc/prod".parse().unwrap(), &options).to_string()
    }

    #[test]
    fn a_policy_names_the_two_objects_and_what_the_access_mode_calls() {
        let policy = permissions(
            &"s3://my-oidc/prod".parse().unwrap(),
            &S3Options { region: Some("cn-north-1".to_owned()), ..S3Options::default() },
        );
        assert_eq!(policy["Statement"][0]["Resource"][0], "arn:aws-cn:s3:::my-oidc/prod/keys.json");
        assert_eq!(policy["Statement"][1]["Resource"], "arn:aws-cn:s3:::my-oidc");
        assert!(actions(S3Options::default()).contains("s3:PutBucketPolicy"));
        let acl = actions(S3Options { access: AccessMode::Acl, ..S3Options::default() });
        assert!(acl.contains("s3:PutObjectAcl") && !acl.contains("BucketPolicy"), "{acl}");
        let none = actions(S3Options { access: AccessMode::None, create_bucket: true, ..S3Options::default() });
        assert!(none.contains("s3:CreateBucket") && !none.contains("BucketPolicy"), "{none}");
    }
}

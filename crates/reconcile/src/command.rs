//! The place of an issuer, as options of the command line.

use issuer_discovery::{IssuerUrl, Shape};
use issuer_jwks::WeakKeys;
use issuer_publish::{AccessMode, KEEP_HISTORY};

use crate::Target;

/// The age of a document in a cache that needs no option.
const MAX_AGE_SECS: u32 = 300;

/// The options of `issuerctl publish` that name the bucket of a target, and those that differ from the defaults:
/// a command without one of them would change what it is about. Empty without a bucket.
#[must_use]
pub fn place_options(target: &Target, url: &IssuerUrl) -> Vec<String> {
    let (Some(site), Some((location, s3))) = (&target.site, target.s3()) else {
        return Vec::new();
    };
    let value = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("--{name}={value}"))
    };
    let flag = |name: &str, is_given: bool| is_given.then(|| format!("--{name}"));
    let access = match s3.access {
        AccessMode::Policy => None,
        AccessMode::Acl => Some("acl"),
        AccessMode::CloudFront => Some("cloudfront"),
        AccessMode::None => Some("none"),
    };
    let options = &site.options;
    let (age, kept) = (s3.max_age_secs, options.keep_history);
    let all = [
        Some(format!("--to={location}")),
        value("region", &s3.region),
        target.issuer.is_some().then(|| format!("--issuer={url}")),
        access.map(|access| format!("--access={access}")),
        value("certificate-arn", &s3.certificate_arn),
        value("endpoint-url", &s3.endpoint_url),
        flag("path-style", s3.path_style),
        flag("shared-bucket", s3.shared_bucket),
        (age != MAX_AGE_SECS).then(|| format!("--max-age={age}")),
        flag("unconditional", s3.unconditional),
        (kept != KEEP_HISTORY).then(|| format!("--keep-history={kept}")),
        (site.shape == Shape::Kubernetes).then(|| "--shape=kubernetes".to_owned()),
        flag("allow-weak-keys", options.weak == WeakKeys::Allow),
        value("expected-bucket-owner", &s3.expected_bucket_owner),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use issuer_discovery::Ports;
    use serde_json::json;

    use super::*;
    use crate::Defaults;

    #[test]
    fn every_setting_of_a_bucket_that_is_no_default_is_an_option() {
        let spec = json!({
            "keys": [{"apiserver": {}}],
            "issuer": "https://oidc.example.com",
            "allowWeakKeys": true, "keepHistory": 3, "shape": "kubernetes",
            "store": {"s3": {
                "bucket": "my-oidc", "prefix": "prod", "region": "us-west-2", "access": "cloudfront",
                "certificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/1",
                "expectedBucketOwner": "111122223333", "maxAge": 60,
            }},
        });
        let options = |spec| {
            let issuer = issuer_manifest::from_object("prod", &spec).unwrap();
            let target = Target::from_issuer(&issuer, Path::new(""), &Defaults::default());
            let url = IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap();
            place_options(&target, &url).join(" ")
        };
        assert_eq!(
            options(spec),
            "--to=s3://my-oidc/prod --region=us-west-2 --issuer=https://oidc.example.com \
             --access=cloudfront --certificate-arn=arn:aws:acm:us-east-1:111122223333:certificate/1 \
             --max-age=60 --keep-history=3 --shape=kubernetes --allow-weak-keys \
             --expected-bucket-owner=111122223333"
        );
        let store = json!({"s3": {
            "bucket": "my-oidc", "endpointUrl": "https://s3.example.com", "pathStyle": true,
            "sharedBucket": true, "unconditional": true,
        }});
        assert_eq!(
            options(json!({"keys": [{"apiserver": {}}], "store": store})),
            "--to=s3://my-oidc --endpoint-url=https://s3.example.com --path-style --shared-bucket \
             --unconditional"
        );
        assert_eq!(options(json!({"issuer": "https://oidc.example.com", "provider": {}})), "");
    }
}

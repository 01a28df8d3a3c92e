//! The template, and what stands in it beside the API calls of `issuerctl apply`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{SMALL, WHOLE, renderings};
use issuer_iam::TrustPolicy;
use issuer_render::{Error, cloudformation};
use serde_json::Value;

fn template(text: &str) -> Value {
    serde_json::from_str(&cloudformation(&renderings(text)).unwrap()).unwrap()
}

#[test]
fn a_whole_document_as_it_is_written() {
    insta::assert_snapshot!(cloudformation(&renderings(WHOLE)).unwrap());
}

#[test]
fn policies_are_those_of_apply_and_nothing_says_that_issuerctl_made_it() {
    let (template, document) = (template(WHOLE), &renderings(WHOLE)[0]);
    let properties = |id: &str| template["Resources"][id]["Properties"].clone();
    let role = &document.roles[0];
    let trust = TrustPolicy::new(std::slice::from_ref(&role.trust)).unwrap();
    assert_eq!(properties("RoleApp")["AssumeRolePolicyDocument"], trust.to_value());
    assert_eq!(
        properties("RoleApp")["Policies"][0]["PolicyDocument"],
        role.inline.as_ref().unwrap()["own-home"]
    );
    assert_eq!(
        properties("PolicyAppS3")["PolicyDocument"],
        role.managed.as_ref().unwrap()["app-s3"]
    );
    let bucket = issuer_publish::bucket_policy(
        &document.site.as_ref().unwrap().location,
        "us-west-2",
        false,
        None,
    );
    let bucket: Value = serde_json::from_str(&bucket.unwrap().unwrap()).unwrap();
    assert_eq!(properties("BucketPolicyMyOidc")["PolicyDocument"], bucket);
    assert!(!template.to_string().contains("issuerctl.dev/"));
    assert_eq!(template["Resources"]["BucketMyOidc"]["DeletionPolicy"], "Retain");
}

#[test]
fn a_bucket_of_somebody_else_has_a_policy_and_a_note() {
    let template = template(SMALL);
    assert!(template["Resources"].get("BucketMyOidc").is_none());
    assert_eq!(template["Resources"]["BucketPolicyMyOidc"]["Properties"]["Bucket"], "my-oidc");
    assert!(template["Metadata"]["Notes"][0].as_str().unwrap().contains("managed elsewhere"));
}

#[test]
fn several_documents_are_one_template_of_one_region() {
    let template = template(&format!("{WHOLE}---{SMALL}"));
    let names: Vec<&String> = template["Resources"].as_object().unwrap().keys().collect();
    let expected = [
        "BucketMyOidc",
        "BucketPolicyMyOidc",
        "ProviderProd",
        "ProviderTest",
        "PolicyAppS3",
        "RoleApp",
        "RoleVault",
    ];
    assert_eq!(names, expected);
    let elsewhere = SMALL.replace("my-oidc", "other").replace("us-west-2", "us-east-1");
    let error = cloudformation(&renderings(&format!("{WHOLE}---{elsewhere}"))).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

#[test]
fn a_private_bucket_is_read_by_its_distribution_alone() {
    let text = WHOLE.replace(
        "createBucket: true}",
        "createBucket: true, access: cloudfront, certificateArn: \
         \"arn:aws:acm:us-east-1:111122223333:certificate/0a1b\"}",
    ) + "  issuer: https://oidc.example.com/prod\n";
    let template: Value =
        serde_json::from_str(&cloudformation(&renderings(&text)).unwrap()).unwrap();
    let of_kind = |kind: &str| {
        let resources = template["Resources"].as_object().unwrap();
        let mut found = resources.values().filter(|resource| resource["Type"] == kind);
        let properties = found.next().map(|resource| resource["Properties"].clone());
        properties.unwrap_or_else(|| panic!("{kind}: {template:#}"))
    };
    let policy = of_kind("AWS::S3::BucketPolicy");
    let statement = &policy["PolicyDocument"]["Statement"][0];
    let arn = &statement["Condition"]["StringEquals"]["AWS:SourceArn"]["Fn::Sub"];
    let parts = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${";
    assert!(arn.as_str().unwrap().starts_with(parts), "{arn}");
    let block = &of_kind("AWS::S3::Bucket")["PublicAccessBlockConfiguration"];
    assert_eq!(block["BlockPublicPolicy"], true);
    let config = &of_kind("AWS::CloudFront::Distribution")["DistributionConfig"];
    assert_eq!(config["Aliases"][0], "oidc.example.com");
    assert_eq!(of_kind("AWS::CloudFront::CachePolicy")["CachePolicyConfig"]["MaxTTL"], 300);
    of_kind("AWS::CloudFront::OriginAccessControl");
}

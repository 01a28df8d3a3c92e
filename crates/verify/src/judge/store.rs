//! Who answered, and why a store says no.

use serde_json::Value;

use crate::Answer;
use crate::judge::answer::PUBLISH;

/// Who answered, as far as the answer tells.
pub(super) struct Source<'a> {
    /// S3's `<Code>`, of any answer in S3's form.
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) name: &'static str,
    pub(super) kind: SourceKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceKind {
    S3,
    CloudFront,
    ApiServer,
    Unknown,
}

pub(super) fn source<'a>(answer: &Answer, body: &'a str) -> Source<'a> {
    let server = answer.header("server").unwrap_or_default().to_ascii_lowercase();
    let code = element(body, "Code").filter(|_| body.contains("<Error>"));
    let via_cloudfront = server.contains("cloudfront")
        || answer.header("x-amz-cf-id").is_some()
        || answer.header("x-cache").is_some_and(|x| x.to_ascii_lowercase().contains("cloudfront"));
    let is_status = serde_json::from_str::<Value>(body).is_ok_and(|v| v["kind"] == "Status");
    let (kind, name) = if is_status || answer.header("audit-id").is_some() {
        (SourceKind::ApiServer, " from a Kubernetes API server")
    } else if via_cloudfront {
        (SourceKind::CloudFront, " from CloudFront")
    } else if server.contains("amazons3") || answer.header("x-amz-request-id").is_some() || code.is_some() {
        (SourceKind::S3, if server.contains("amazons3") { " from Amazon S3" } else { " from an S3 store" })
    } else {
        (SourceKind::Unknown, "")
    };
    Source { code, message: element(body, "Message"), name, kind }
}

pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim())
}

pub(super) fn forbidden(source: &Source<'_>, body: &str) -> (String, String) {
    match (source.kind, source.code) {
        (SourceKind::ApiServer, _) => (
            "the API server forbids anonymous readers (system:anonymous)".to_owned(),
            "kubectl create clusterrolebinding issuer-discovery --clusterrole=system:service-account-issuer-discovery \
             --group=system:unauthenticated (and --anonymous-auth must be on); or publish the documents at a public place"
                .to_owned(),
        ),
        (_, Some("InvalidObjectState")) => (
            "the object lies in an archive storage class (Glacier) and cannot be read".to_owned(),
            "store it in the STANDARD class: publish again, and take it out of the lifecycle rule".to_owned(),
        ),
        (_, Some("AllAccessDisabled" | "AccountProblem")) => (
            "the bucket's owner or AWS has disabled all access".to_owned(),
            "publish to another public bucket, or settle the account's problem with AWS".to_owned(),
        ),
        (SourceKind::CloudFront, Some(_)) => (
            "CloudFront itself may not read the bucket (access denied)".to_owned(),
            "allow s3:GetObject in the bucket policy for the principal cloudfront.amazonaws.com with AWS:SourceArn = the \
             distribution (origin access control); a file that is missing looks the same"
                .to_owned(),
        ),
        (SourceKind::CloudFront, None) => (
            format!("the distribution blocks the request{}", if body.contains("country") { " from this country" } else { "" }),
            "allow public access in the distribution: no geo restriction, no WAF rule, no signed URLs, and the issuer's host \
             among its alternate domain names"
                .to_owned(),
        ),
        (SourceKind::S3, _) => (
            "anonymous readers may not read it (access denied: no public bucket policy, or a public access block, or the \
             object is missing)"
                .to_owned(),
            format!(
                "let the bucket policy allow s3:GetObject to everyone on the two documents: {PUBLISH} sets it and the public \
                 access block; where the account blocks public access, put CloudFront in front"
            ),
        ),
        (SourceKind::Unknown, _) => (
            "anonymous readers may not read it (access denied)".to_owned(),
            "allow public, anonymous GET of both documents from every address (no IP filter, firewall or bot protection)"
                .to_owned(),
        ),
    }
}

//! Who answered, and why a store says no.

use serde_json::Value;

use crate::Answer;
use crate::text::PUBLISH;

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
    Azure,
    Gcs,
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
    } else if server.contains("azure-blob") || answer.header("x-ms-error-code").is_some() {
        (SourceKind::Azure, " from Azure Blob Storage")
    } else if answer.header("x-guploader-uploadid").is_some()
        || body.contains("storage.objects.get")
    {
        (SourceKind::Gcs, " from Google Cloud Storage")
    } else if server.contains("amazons3")
        || answer.header("x-amz-request-id").is_some()
        || code.is_some()
    {
        (
            SourceKind::S3,
            if server.contains("amazons3") { " from Amazon S3" } else { " from an S3 store" },
        )
    } else {
        (SourceKind::Unknown, "")
    };
    Source { code, message: element(body, "Message"), name, kind }
}

/// Whether strangers are refused: a store's words for it go with several statuses.
pub(super) fn is_refusal(source: &Source<'_>, status: u16) -> bool {
    status == 403
        || (matches!(source.kind, SourceKind::Azure | SourceKind::Gcs)
            && matches!(status, 401 | 409))
}

/// The inner text of the first element of this name.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim())
}

/// What code or message of an answer say by themselves, whatever its status.
pub(super) fn telling(
    answer: &Answer,
    source: &Source<'_>,
    location: &str,
    body: &str,
) -> Option<(String, String)> {
    let code = source.code.unwrap_or_default();
    let message = source.message.unwrap_or_default().to_ascii_lowercase();
    let told = |cause: &str, fix: &str| Some((cause.to_owned(), fix.to_owned()));
    const PLAIN_ENCRYPTION: &str = "store both objects with SSE-S3 (AES256) instead: aws s3 cp \
                                    --sse AES256, or set the bucket's default encryption to AES256 \
                                    and publish again";
    if message.contains("kms:") || message.contains("aws kms") || code.starts_with("KMS.") {
        return told(
            "the object is encrypted with a KMS key, and nobody can read that anonymously",
            PLAIN_ENCRYPTION,
        );
    }
    if message.contains("server side encryption") {
        let cause = "the object is encrypted with a key of its writer (SSE-C), and only who sends \
                     that key can read it";
        return told(cause, PLAIN_ENCRYPTION);
    }
    if message.contains("key-pair-id") {
        return told(
            "CloudFront wants signed URLs or cookies here",
            "make the documents public in the distribution: no \"Restrict viewer access\" (trusted \
             key groups) for their paths",
        );
    }
    let is_signed = ["X-Amz-Signature=", "AWSAccessKeyId=", "X-Goog-Signature=", "&sig="];
    let refuses_signature =
        matches!(code, "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidAccessKeyId")
            || message.contains("request has expired");
    if refuses_signature
        || (matches!(answer.status, 400 | 403)
            && is_signed.iter().any(|name| location.contains(name)))
    {
        return told(
            "this is a presigned (signed) URL, and its signature does not hold: it has expired, or \
             does not match",
            "make the documents public (bucket policy), and let issuer and jwks_uri be plain URLs \
             without a signature",
        );
    }
    if message.contains("explicit deny") {
        return told(
            "an explicit deny in a policy refuses it (a condition on VPC endpoint, address or TLS \
             perhaps)",
            "take the two documents out of the Deny statement in the bucket policy: they must be \
             public, for anonymous readers from the internet",
        );
    }
    if answer.header("x-amzn-waf-action").is_some() || answer.header("cf-mitigated").is_some() {
        return told(
            "a bot protection (WAF) wants the reader to solve a challenge, and STS solves none",
            "take the paths of both documents out of the WAF's challenge and captcha rules: allow \
             every client",
        );
    }
    let page = body.to_ascii_lowercase();
    let wants_certificate =
        page.contains("required ssl certificate") || page.contains("client certificate");
    if wants_certificate && (400..500).contains(&answer.status) {
        return told(
            "the server wants a client certificate (mTLS), and STS has none",
            "let the server take anonymous readers, without a client certificate, at least for the \
             two documents",
        );
    }
    None
}

/// Why strangers may not read.
pub(super) fn forbidden(source: &Source<'_>, body: &str) -> (String, String) {
    match (source.kind, source.code) {
        (SourceKind::ApiServer, _) => (
            "the API server forbids anonymous readers (system:anonymous)".to_owned(),
            "kubectl create clusterrolebinding issuer-discovery \
             --clusterrole=system:service-account-issuer-discovery --group=system:unauthenticated \
             (and --anonymous-auth must be on); or publish the documents at a public place"
                .to_owned(),
        ),
        (_, Some("InvalidObjectState")) => (
            "the object lies in an archive storage class (Glacier) and cannot be read".to_owned(),
            "store it in the STANDARD class: publish again, and take it out of the lifecycle \
             rule"
                .to_owned(),
        ),
        (_, Some("AllAccessDisabled" | "AccountProblem")) => (
            "the bucket's owner or AWS has disabled all access".to_owned(),
            "publish to another public bucket, or settle the account's problem with AWS".to_owned(),
        ),
        (SourceKind::CloudFront, Some(_)) => (
            "CloudFront itself may not read the bucket (access denied)".to_owned(),
            "allow s3:GetObject in the bucket policy for the principal cloudfront.amazonaws.com \
             with AWS:SourceArn = the distribution (origin access control); a file that is missing \
             looks the same"
                .to_owned(),
        ),
        (SourceKind::CloudFront, None) => (
            format!(
                "the distribution blocks the request{}",
                if body.contains("country") { " from this country" } else { "" }
            ),
            "allow public access in the distribution: no geo restriction, no WAF rule, no signed \
             URLs, and the issuer's host among its alternate domain names"
                .to_owned(),
        ),
        (SourceKind::Azure, _) => (
            "anonymous readers may not read it (public access is not permitted)".to_owned(),
            "allow public (anonymous) blob access in the storage account, and set the container's \
             access level to Blob"
                .to_owned(),
        ),
        (SourceKind::Gcs, _) => (
            "anonymous readers may not read it (access denied)".to_owned(),
            "make the bucket public: grant roles/storage.objectViewer to allUsers, without public \
             access prevention"
                .to_owned(),
        ),
        (SourceKind::S3, _) => (
            "anonymous readers may not read it (access denied: no public bucket policy, or a \
             public access block, or the object is missing)"
                .to_owned(),
            format!(
                "let the bucket policy allow s3:GetObject to everyone on the two documents: \
                 {PUBLISH} sets it and the public access block; where the account blocks public \
                 access, put CloudFront in front"
            ),
        ),
        (SourceKind::Unknown, _) => (
            "anonymous readers may not read it (access denied)".to_owned(),
            "allow public, anonymous GET of both documents from every address (no IP filter, \
             firewall or bot protection)"
                .to_owned(),
        ),
    }
}

//! Which service responded, and why a store denies access.

use serde_json::Value;

use crate::Answer;
use crate::text::PUBLISH;

/// Which service responded, as far as the response shows.
pub(super) struct Source<'a> {
    /// S3's `<Code>`, of any response in S3's format.
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

/// Whether anonymous access is denied, for which stores use several statuses.
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

/// What the code or message of a response says by itself, with any status.
pub(super) fn telling(
    answer: &Answer,
    source: &Source<'_>,
    location: &str,
    body: &str,
) -> Option<(String, String)> {
    let code = source.code.unwrap_or_default();
    let message = source.message.unwrap_or_default().to_ascii_lowercase();
    let told = |cause: &str, fix: &str| Some((cause.to_owned(), fix.to_owned()));
    const PLAIN_ENCRYPTION: &str = "encrypt both objects with SSE-S3 (AES256) instead: publish the \
                                    documents again (issuerctl publish does so, whatever the \
                                    bucket's default encryption is), or aws s3 cp --sse AES256";
    if message.contains("kms:") || message.contains("aws kms") || code.starts_with("KMS.") {
        return told(
            "the object is encrypted with a KMS key, and such objects cannot be read anonymously",
            PLAIN_ENCRYPTION,
        );
    }
    if message.contains("server side encryption") {
        let cause = "the object is encrypted with a customer-provided key (SSE-C), and only \
                     requests with that key can read it";
        return told(cause, PLAIN_ENCRYPTION);
    }
    if message.contains("key-pair-id") {
        return told(
            "CloudFront requires signed URLs or cookies",
            "make the documents public in the distribution: disable \"Restrict viewer access\" \
             (trusted key groups) for their paths",
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
            "this is a presigned (signed) URL, and its signature is not valid: it has expired, or \
             does not match",
            "make the documents public (bucket policy), and use plain URLs without a signature as \
             issuer and jwks_uri",
        );
    }
    if message.contains("explicit deny") {
        return told(
            "an explicit deny in a policy (possibly with a condition on VPC endpoint, address or \
             TLS)",
            "exclude the two documents from the Deny statement of the bucket policy: they must be \
             public, for anonymous readers from the internet",
        );
    }
    if answer.header("x-amzn-waf-action").is_some() || answer.header("cf-mitigated").is_some() {
        return told(
            "a bot protection (WAF) requires a challenge to be solved, which STS does not do",
            "exclude the paths of both documents from the WAF's challenge and captcha rules: allow \
             every client",
        );
    }
    let page = body.to_ascii_lowercase();
    let wants_certificate =
        page.contains("required ssl certificate") || page.contains("client certificate");
    if wants_certificate && (400..500).contains(&answer.status) {
        return told(
            "the server requires a client certificate (mTLS), and STS does not send one",
            "configure the server to allow anonymous readers, without a client certificate, at \
             least for the two documents",
        );
    }
    None
}

/// Why anonymous readers are denied access.
pub(super) fn forbidden(source: &Source<'_>, body: &str) -> (String, String) {
    match (source.kind, source.code) {
        (SourceKind::ApiServer, _) => (
            "the API server forbids anonymous readers (system:anonymous)".to_owned(),
            format!(
                "kubectl create clusterrolebinding issuer-discovery \
                 --clusterrole=system:service-account-issuer-discovery \
                 --group=system:unauthenticated (and --anonymous-auth must be on); or {PUBLISH}"
            ),
        ),
        (_, Some("InvalidObjectState")) => (
            "the object is in an archive storage class (Glacier) and cannot be read".to_owned(),
            "store it in the STANDARD class: publish the documents again, and exclude them from \
             the lifecycle rule"
                .to_owned(),
        ),
        (_, Some("AllAccessDisabled" | "AccountProblem")) => (
            "the bucket's owner or AWS has disabled all access".to_owned(),
            "publish to another public bucket, or resolve the problem of the account with AWS"
                .to_owned(),
        ),
        (SourceKind::CloudFront, Some(_)) => (
            "CloudFront is not allowed to read the bucket (access denied)".to_owned(),
            "allow s3:GetObject in the bucket policy for the principal cloudfront.amazonaws.com \
             with AWS:SourceArn = the distribution (origin access control); a missing file gives \
             the same response"
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
            "anonymous read access is not allowed (public access is not permitted)".to_owned(),
            "allow public (anonymous) blob access in the storage account, and set the container's \
             access level to Blob"
                .to_owned(),
        ),
        (SourceKind::Gcs, _) => (
            "anonymous read access is not allowed (access denied)".to_owned(),
            "make the bucket public: grant roles/storage.objectViewer to allUsers, and disable \
             public access prevention"
                .to_owned(),
        ),
        (SourceKind::S3, _) => (
            "anonymous read access is not allowed (access denied: no public bucket policy, or a \
             public access block, or the object does not exist)"
                .to_owned(),
            "allow s3:GetObject on the two documents for anonymous readers in the bucket policy \
             (issuerctl publish sets it and the public access block); if the account blocks public \
             access, use CloudFront in front of the bucket"
                .to_owned(),
        ),
        (SourceKind::Unknown, _) => (
            "anonymous read access is not allowed (access denied)".to_owned(),
            "allow public, anonymous GET of both documents from every address (no IP filter, \
             firewall or bot protection)"
                .to_owned(),
        ),
    }
}

//! Stores and accounts that refuse what others allow.

use s3s::{S3Error, S3ErrorCode, S3Result};

use super::S3Server;

/// One way of refusing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// The bucket policy names a role that was deleted since.
    Deleted,
    /// The session token has expired.
    Expired,
    /// The bucket encrypts with KMS by default.
    KmsByDefault,
    /// A service control policy denies changes of buckets.
    Scp,
    /// The store does not implement conditional writes.
    Unconditional,
    /// The store ignores the conditions of writes.
    Careless,
}

impl Quirk {
    /// Every quirk.
    pub const ALL: [Self; 6] = [
        Self::Deleted,
        Self::Expired,
        Self::KmsByDefault,
        Self::Scp,
        Self::Unconditional,
        Self::Careless,
    ];

    /// The name of the quirk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::KmsByDefault => "kms-by-default",
            Self::Scp => "scp",
            Self::Unconditional => "unconditional",
            Self::Careless => "careless",
        }
    }

    pub(super) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|quirk| quirk.name() == name).unwrap()
    }

    pub(super) fn prepare(self, server: &S3Server) {
        match self {
            Self::KmsByDefault => server.kms_by_default(),
            Self::Deleted => server.set_policy(
                "my-oidc",
                r#"{"Version":"2012-10-17","Statement":[{"Sid":"Logs","Effect":"Allow","Principal":{"AWS":"AROAEXAMPLEEXAMPLE123"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/logs/*"}]}"#,
            ),
            Self::Expired | Self::Scp | Self::Unconditional | Self::Careless => {}
        }
    }

    pub(super) fn check(self, call: &str, headers: &hyper::HeaderMap) -> S3Result<()> {
        let refusal = |code: &str, message: String| {
            let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap();
            Err(S3Error::with_message(code, message))
        };
        let conditional =
            || headers.contains_key("if-match") || headers.contains_key("if-none-match");
        let changes_bucket = || {
            ["PutBucket", "PutPublicAccessBlock", "CreateBucket", "DeleteBucket"]
                .iter()
                .any(|prefix| call.starts_with(prefix))
        };
        match self {
            Self::Expired => refusal("ExpiredToken", "The provided token has expired.".to_owned()),
            Self::Scp if changes_bucket() => refusal(
                "AccessDenied",
                format!(
                    "User: arn:aws:sts::111122223333:assumed-role/ci/ci is not authorized to \
                     perform: s3:{call} on resource: \"arn:aws:s3:::my-oidc\" with an explicit deny \
                     in a service control policy"
                ),
            ),
            Self::Unconditional if call == "PutObject" && conditional() => refusal(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented".to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

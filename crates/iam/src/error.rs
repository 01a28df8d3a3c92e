//! Errors in names, policies and calls.

use std::fmt;

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_session::Cause;

/// Why something cannot be created in IAM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that does not follow the rules of its type.
    #[error("{text:?} is not a valid {what}: {reason}")]
    Invalid {
        /// The expected type.
        what: Name,
        /// The text.
        text: String,
        /// The violated rule.
        reason: &'static str,
    },
    /// An issuer with a port, which no provider can have.
    #[error("the issuer {issuer} has a port, and IAM accepts no provider URL with a port")]
    Port {
        /// The issuer.
        issuer: String,
    },
    /// Nothing to trust.
    #[error("a trust policy needs at least one {what}")]
    Nothing {
        /// `issuer`, `service account` or `audience`.
        what: &'static str,
    },
    /// More characters than IAM ever accepts.
    #[error(
        "the trust policy has {size} characters without white space; the maximum in IAM is {limit}"
    )]
    TooLarge {
        /// Its size.
        size: usize,
        /// The maximum.
        limit: usize,
    },
    /// A role that exists under another path.
    #[error("the role {role} has the path {there}, not {wanted}, and a path cannot be changed")]
    Path {
        /// The role's name.
        role: String,
        /// Its path.
        there: String,
        /// The requested path.
        wanted: String,
    },
    /// A role of other issuers, with which it is not shared.
    #[error(
        "the role {role} exists, and other issuers have it ({}), so this one is not added to its trust \
         policy",
        providers.join(", ")
    )]
    Shared {
        /// The role's name.
        role: String,
        /// The ARNs of their providers.
        providers: Vec<String>,
    },
    /// A customer managed policy with a requested name that issuerctl does not manage.
    #[error("the policy {arn} was not created by issuerctl, and was not changed")]
    ForeignPolicy {
        /// The policy.
        arn: String,
    },
    /// An inline policy with a requested name that issuerctl does not manage.
    #[error(
        "the inline policy {policy} of the role {role} was not created by issuerctl, and was not \
         changed"
    )]
    ForeignInline {
        /// The role's name.
        role: String,
        /// The policy's name.
        policy: String,
    },
    /// A trust policy with a principal that was deleted, which IAM does not accept again.
    #[error(
        "{statement} in the trust policy of the role {role} has the principal {principal}, which \
         was deleted: IAM rejects every change of the policy"
    )]
    DeletedPrincipal {
        /// The role's name.
        role: String,
        /// Its `Sid` or number.
        statement: String,
        /// The unique ID.
        principal: String,
    },
    /// A policy that does not exist or is not attachable.
    #[error("the policy {arn} cannot be attached: {message}")]
    NoPolicy {
        /// The policy.
        arn: String,
        /// IAM's error code.
        code: Option<String>,
        /// What IAM said.
        message: String,
    },
    /// Something that is still in use.
    #[error("{resource} is in use and cannot be deleted ({message})")]
    InUse {
        /// The ARN.
        resource: String,
        /// IAM's error code.
        code: Option<String>,
        /// What IAM said.
        message: String,
    },
    /// More thumbprints than a provider can have.
    #[error("{count} thumbprints were given; a provider has at most {limit}")]
    Thumbprints {
        /// Their number.
        count: usize,
        /// The maximum.
        limit: usize,
    },
    /// A customer managed policy that exists, but not under the expected ARN.
    #[error("a policy with the name {name} exists under another path")]
    PolicyElsewhere {
        /// Its name.
        name: String,
    },
    /// A provider that issuerctl did not create.
    #[error("the provider {arn} was not created by issuerctl")]
    Adopted {
        /// The provider.
        arn: String,
    },
    /// The session with AWS cannot be created.
    #[error(transparent)]
    Session(#[from] issuer_session::Error),
    /// No credentials, or credentials that AWS does not accept.
    #[error("{}{message}", code.as_ref().map_or("", |_| "the credentials do not work: "))]
    Credentials {
        /// The service's error code, if it answered.
        code: Option<String>,
        /// What the SDK or AWS said.
        message: String,
    },
    /// A denied call.
    #[error("{action} on {resource} was denied ({message})")]
    Denied {
        /// The IAM action that was denied, such as `iam:GetRole`; not always the call's own.
        action: String,
        /// The ARN.
        resource: String,
        /// The service's error code.
        code: Option<String>,
        /// Whether a policy denies it explicitly, so that no permission can allow it.
        explicit: bool,
        /// What AWS said.
        message: String,
    },
    /// Another writer changed it in the meantime; the caller plans again.
    #[error("{resource} was changed by another writer in the meantime ({message})")]
    Changed {
        /// The ARN.
        resource: String,
        /// IAM's error code, if it was IAM that noticed.
        code: Option<String>,
        /// What AWS said.
        message: String,
    },
    /// A document or name that IAM does not accept.
    #[error("{action} on {resource} was rejected: {message}")]
    Malformed {
        /// The IAM action.
        action: &'static str,
        /// The ARN.
        resource: String,
        /// IAM's error code.
        code: Option<String>,
        /// What AWS said.
        message: String,
    },
    /// Any other failed call.
    #[error("{action} on {resource} failed: {message}")]
    Call {
        /// The IAM action.
        action: &'static str,
        /// The ARN.
        resource: String,
        /// The service's error code, if it answered.
        code: Option<String>,
        /// What AWS or the network said.
        message: String,
    },
    /// STS gives no credentials of a role for a token.
    #[error("STS gives no credentials of {role}: {code}: {message}")]
    NotAssumed {
        /// The ARN of the role.
        role: String,
        /// The error code of STS.
        code: String,
        /// Its message.
        message: String,
    },
    /// A document that is not a policy.
    #[error("not a valid policy: {reason}")]
    NotAPolicy {
        /// What is wrong, with line and column if it is not JSON.
        reason: String,
    },
}

/// The type that a text was parsed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Name {
    /// [`crate::AccountId`].
    AccountId,
    /// [`crate::Audience`].
    Audience,
    /// [`crate::ServiceAccountPattern`].
    ServiceAccount,
    /// [`crate::RoleName`].
    RoleName,
    /// [`crate::PolicyArn`].
    PolicyArn,
    /// [`crate::PolicyName`].
    PolicyName,
    /// [`crate::RolePath`].
    RolePath,
    /// [`crate::Thumbprint`].
    Thumbprint,
    /// [`crate::Tag`].
    Tag,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountId => "AWS account ID",
            Self::Audience => "audience",
            Self::ServiceAccount => "service account",
            Self::RoleName => "role name",
            Self::PolicyArn => "policy ARN",
            Self::PolicyName => "policy name",
            Self::RolePath => "role path",
            Self::Thumbprint => "thumbprint",
            Self::Tag => "tag",
        })
    }
}

impl Error {
    /// Whether another writer changed the resource since it was read, so that a new plan is needed.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        matches!(self, Self::Changed { .. })
    }

    /// A text that does not follow the rules of its type.
    pub(crate) fn invalid(what: Name, text: &str, reason: &'static str) -> Self {
        Self::Invalid { what, text: text.to_owned(), reason }
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Adopted { .. }
            | Self::Path { .. }
            | Self::Shared { .. }
            | Self::ForeignPolicy { .. }
            | Self::ForeignInline { .. }
            | Self::PolicyElsewhere { .. }
            | Self::DeletedPrincipal { .. }
            | Self::InUse { .. }
            | Self::Changed { .. } => ErrorKind::Conflict,
            Self::Denied { .. } | Self::Credentials { .. } => ErrorKind::NotPermitted,
            Self::NotAssumed { .. } => ErrorKind::Refused,
            Self::Call { .. } => ErrorKind::Other,
            _ => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Session(error) => return error.hint(),
            Self::Invalid { what: Name::ServiceAccount, .. } => {
                "use NAMESPACE/NAME, such as default/app or jobs/*"
            }
            Self::TooLarge { .. } => {
                "name several service accounts of a namespace with a wildcard (jobs/*), or \
                 distribute them over several roles"
            }
            Self::NotAssumed { code, .. } if code == "AccessDenied" => {
                "the role's trust policy has to allow the token's issuer, audience and subject; a new \
                 role takes up to a minute to be known everywhere"
            }
            Self::NotAPolicy { .. } => "a policy is a JSON object with a Statement",
            Self::Port { .. } => "serve the issuer on port 443 and omit the port",
            Self::Adopted { .. } => "every role that trusts it stops working when it is deleted",
            Self::Path { .. } | Self::Shared { .. } => "use a different role name",
            Self::ForeignInline { .. } | Self::ForeignPolicy { .. } => {
                "use a different name for yours"
            }
            Self::PolicyElsewhere { .. } => {
                "policy names are unique within an account: use a different name for yours, or \
                 attach the existing policy by its ARN"
            }
            Self::DeletedPrincipal { .. } => {
                "remove the principal, or its statement, from the trust policy (aws iam \
                 update-assume-role-policy): an ID is never used again"
            }
            Self::Malformed { message, .. } if message.contains("Invalid principal") => {
                "a statement names a principal that does not exist, or was deleted (AROA…, AIDA…): \
                 remove it from the policy (`aws iam get-role` shows it)"
            }
            Self::InUse { .. } => {
                "remove the role from its instance profile, or from whatever uses it, and run again"
            }
            Self::Denied { action, resource, code, message, .. } => {
                let statement = || {
                    format!(
                        r#"this policy statement allows it: {{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}"#
                    )
                };
                return Some(Cause::of(code.as_deref(), message).hint().unwrap_or_else(statement));
            }
            Self::Call { code: Some(code), .. } if code == "LimitExceeded" => {
                "a quota of the account is used up; request an increase (Service Quotas)"
            }
            Self::Credentials { code, message } | Self::Call { code, message, .. } => {
                return Cause::of(code.as_deref(), message).hint();
            }
            Self::Changed { .. } => "find the other writer, and run again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

//! What can be wrong with names and policies.

/// What kind of failure it is; the command line has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// What was given is unusable.
    BadInput,
    /// What is there already stands against it.
    Conflict,
    /// AWS refuses the call.
    NotPermitted,
    /// Anything else: network, quota, a server's fault.
    Failure,
}

/// Why something for IAM cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An account id that is none.
    #[error("{text:?} is no account id; it has 12 digits")]
    AccountId {
        /// As given.
        text: String,
    },
    /// An audience that a provider does not take.
    #[error(
        "{text:?} is no audience; a provider's client id has 1 to 255 characters without white \
         space"
    )]
    Audience {
        /// As given.
        text: String,
    },
    /// A service account that is none.
    #[error("{text:?} is no service account: {reason}")]
    ServiceAccount {
        /// As given.
        text: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// An issuer with a port, which no provider can have.
    #[error("the issuer {issuer} has a port, and IAM takes no provider with one")]
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
    /// More characters than IAM ever takes.
    #[error(
        "the trust policy has {size} characters without white space; IAM takes at most {limit}"
    )]
    TooLarge {
        /// How many.
        size: usize,
        /// The most.
        limit: usize,
    },
    /// A role's name that is none.
    #[error("{text:?} is no name of a role; it has 1 to 64 letters, digits and +=,.@_-")]
    RoleName {
        /// As given.
        text: String,
    },
    /// The ARN of a policy that is none.
    #[error("{text:?} is no policy's ARN; it is arn:PARTITION:iam::ACCOUNT:policy/NAME")]
    PolicyArn {
        /// As given.
        text: String,
    },
    /// A policy's name that is none.
    #[error("{text:?} is no name of a policy; it has 1 to 128 letters, digits and +=,.@_-")]
    PolicyName {
        /// As given.
        text: String,
    },
    /// A role's path that is none.
    #[error("{text:?} is no path of a role; it begins and ends with a slash, such as /apps/")]
    RolePath {
        /// As given.
        text: String,
    },
    /// A role that is there already under another path.
    #[error("the role {role} has the path {there}, not {wanted}, and a path cannot change")]
    Path {
        /// The role's name.
        role: String,
        /// Its path.
        there: String,
        /// As given.
        wanted: String,
    },
    /// A policy of the account with a wanted name, made by somebody else.
    #[error("the policy {arn} was not made by issuerctl, and stays untouched")]
    ForeignPolicy {
        /// The policy.
        arn: String,
    },
    /// A policy within the role with a wanted name, put there by somebody else.
    #[error(
        "the inline policy {policy} of the role {role} was put there by somebody else, and stays \
         untouched"
    )]
    ForeignInline {
        /// The role's name.
        role: String,
        /// The policy's name.
        policy: String,
    },
    /// A policy that is not there, or cannot be attached.
    #[error("the policy {arn} cannot be attached: {message}")]
    NoPolicy {
        /// As given.
        arn: String,
        /// What IAM said.
        message: String,
    },
    /// Something that others still use.
    #[error("{resource} is in use and cannot be deleted ({message})")]
    InUse {
        /// The ARN.
        resource: String,
        /// What IAM said.
        message: String,
    },
    /// A thumbprint that is none.
    #[error("{text:?} is no thumbprint; it is the SHA-1 of a certificate in 40 hexadecimal digits")]
    Thumbprint {
        /// As given.
        text: String,
    },
    /// More thumbprints than a provider has room for.
    #[error("{count} thumbprints were given, and a provider has room for {limit}")]
    Thumbprints {
        /// How many.
        count: usize,
        /// How many IAM takes.
        limit: usize,
    },
    /// A policy of the account that is found neither here nor made.
    #[error("a policy named {name} is there already, under another path")]
    PolicyElsewhere {
        /// Its name.
        name: String,
    },
    /// A tag that IAM does not take, or one that issuerctl itself uses.
    #[error("{text:?} is no tag: {reason}")]
    Tag {
        /// As given.
        text: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A provider that somebody else made.
    #[error("the provider {arn} was not made by issuerctl")]
    Adopted {
        /// The provider.
        arn: String,
    },
    /// AWS cannot be reached so.
    #[error(transparent)]
    Session(#[from] issuer_session::Error),
    /// No credentials, or none that AWS takes.
    #[error("the credentials do not work: {message}")]
    Credentials {
        /// What the SDK or AWS said.
        message: String,
    },
    /// A denied call.
    #[error("{action} on {resource} was denied ({message})")]
    Denied {
        /// The IAM action that was refused, such as `iam:GetRole`; not always the call's own.
        action: String,
        /// The ARN.
        resource: String,
        /// What AWS said.
        message: String,
    },
    /// Somebody else changed it in between; planned anew.
    #[error("{resource} was changed by somebody else meanwhile ({message})")]
    Changed {
        /// The ARN.
        resource: String,
        /// What AWS said.
        message: String,
    },
    /// A document or name that IAM does not take.
    #[error("{action} on {resource} was refused: {message}")]
    Malformed {
        /// The IAM action.
        action: &'static str,
        /// The ARN.
        resource: String,
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
        /// What AWS or the network said.
        message: String,
    },
    /// A document that is no policy.
    #[error("no policy: {reason}")]
    NotAPolicy {
        /// What it is instead, with line and column where it is no JSON.
        reason: String,
    },
}

impl Error {
    /// Whether somebody else changed it since it was read, so that it has to be planned again.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        matches!(self, Self::Changed { .. })
    }

    /// What kind of failure it is.
    pub fn category(&self) -> Category {
        match self {
            Self::Adopted { .. }
            | Self::Path { .. }
            | Self::ForeignPolicy { .. }
            | Self::ForeignInline { .. }
            | Self::PolicyElsewhere { .. }
            | Self::InUse { .. }
            | Self::Changed { .. } => Category::Conflict,
            Self::Denied { .. } | Self::Credentials { .. } => Category::NotPermitted,
            Self::Call { .. } => Category::Failure,
            _ => Category::BadInput,
        }
    }

    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::ServiceAccount { .. } => "give NAMESPACE/NAME, such as default/app or \
                                            jobs/*"
                .to_owned(),
            Self::TooLarge { .. } => {
                "name several service accounts of a namespace by a wildcard (jobs/*), or spread \
                 them over several roles"
                    .to_owned()
            }
            Self::NotAPolicy { .. } => {
                "a policy is one JSON object with a Statement; `issuerctl role trust-policy` \
                 prints one"
                    .to_owned()
            }
            Self::Port { .. } => "serve the issuer on port 443 and leave the port off".to_owned(),
            Self::Adopted { .. } => {
                "--force deletes it all the same; every role that trusts it stops \
                 working"
                    .to_owned()
            }
            Self::Path { .. } => "leave --path off, or give the role another name".to_owned(),
            Self::ForeignInline { .. } => "give yours another name".to_owned(),
            Self::PolicyElsewhere { .. } => {
                "names of policies are one for the whole account: give yours another name, or \
                 attach that one by its ARN"
                    .to_owned()
            }
            Self::InUse { .. } => {
                "take the role out of its instance profile, or away from whoever uses it, and run \
                 again"
                    .to_owned()
            }
            Self::ForeignPolicy { arn } => {
                format!("attach it as it is with --policy-arn {arn}, or give yours another name")
            }
            Self::Denied { message, .. } if message.contains("explicit deny") => {
                "a policy forbids it explicitly, and no permission outweighs that: whoever wrote \
                 it must make an exception"
                    .to_owned()
            }
            Self::Denied { action, resource, .. } => {
                format!(
                    r#"this line of a policy allows it: {{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}"#
                )
            }
            Self::Credentials { .. } => {
                "look at --profile, AWS_PROFILE and the AWS_… variables (aws sts \
                 get-caller-identity), and at the clock"
                    .to_owned()
            }
            Self::Call { message, .. } if message.contains("LimitExceeded") => {
                "the account's quota is used up; AWS raises it on request (Service \
                 Quotas)"
                    .to_owned()
            }
            Self::Changed { .. } => "find the other writer, and run again".to_owned(),
            _ => return None,
        })
    }
}

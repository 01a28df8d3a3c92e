//! Why there is no session.

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_trust::AuthoritiesFault;

use crate::{ProfileFault, region};

/// Why a session cannot be created. No message quotes a value that can be, or contain, a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A profile that does not exist.
    #[error("the profile {profile:?}{by} does not exist in the AWS config and credentials files")]
    NoProfile {
        /// The name.
        profile: String,
        /// What names it, as a subordinate clause; empty if it was given.
        by: String,
        /// The profile that was probably meant.
        nearest: Option<String>,
    },
    /// An access key in the place of a profile's name; it is not shown.
    #[error("the profile{by} is not the name of a profile, but has the form of an access key")]
    NotAProfile {
        /// What names it, as a subordinate clause; empty if it was given.
        by: String,
    },
    /// A profile whose credentials cannot be loaded.
    #[error("the profile {profile:?} {fault}")]
    Profile {
        /// The name.
        profile: String,
        /// What is wrong with it.
        fault: ProfileFault,
    },
    /// Config or credentials files that cannot be read.
    #[error("the AWS config and credentials files cannot be used: {reason}")]
    ProfileFiles {
        /// The file, the line, and what is wrong.
        reason: String,
    },
    /// An environment variable that cannot be used.
    #[error("the environment variable {name} {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// A name that no region has.
    #[error("{name:?} is not a valid AWS region: {reason}")]
    Region {
        /// The name.
        name: String,
        /// The violated rule.
        reason: &'static str,
    },
    /// An endpoint URL that cannot be used; it is not shown.
    #[error("{setting} is not a valid endpoint URL: {reason}")]
    Endpoint {
        /// The environment variable, or what the URL was given as.
        setting: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No HTTPS client.
    #[error("cannot set up HTTPS: {reason}")]
    Client {
        /// What the library says.
        reason: String,
    },
    /// `AWS_CA_BUNDLE` that cannot be read.
    #[error("AWS_CA_BUNDLE names {path}, which cannot be read: {reason}")]
    ReadCaBundle {
        /// The path.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// `AWS_CA_BUNDLE` that cannot be used.
    #[error("AWS_CA_BUNDLE names {path}, which is not a file of CA certificates")]
    CaBundle {
        /// The path.
        path: String,
        /// What is wrong.
        source: AuthoritiesFault,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoProfile { nearest: Some(nearest), .. } => {
                Some(format!("did you mean {nearest:?}? `aws configure list-profiles` lists them"))
            }
            Self::NoProfile { .. } => Some(
                "`aws configure list-profiles` lists them; in ~/.aws/config a profile begins with \
                 [profile NAME]"
                    .to_owned(),
            ),
            Self::NotAProfile { .. } => Some(
                "`aws configure --profile NAME` stores a key under a name; or put the key into \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. A secret access key that was written \
                 to a log or a history should be replaced"
                    .to_owned(),
            ),
            Self::Profile { profile, fault } => Some(fault.hint(profile)),
            Self::CaBundle { source, .. } => source.hint(),
            Self::Region { name, .. } => {
                let name = name.trim().to_lowercase().replace([' ', '_'], "-");
                let near = match region::is_known(&name) {
                    true => Some(name.as_str()),
                    false => region::nearest(&name),
                };
                near.map(|near| format!("did you mean {near}?"))
            }
            _ => None,
        }
    }
}

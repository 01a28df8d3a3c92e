//! What can be wrong with manifests.

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why manifests cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A manifest is not valid YAML.
    #[error(transparent)]
    Yaml(#[from] issuer_yaml::Error),
    /// A document that is not an object of Kubernetes. Nothing of it is repeated: it may be a key.
    #[error("the document at line {line} is not a Kubernetes object: it {reason}")]
    NotAnObject {
        /// Its first line, from 1.
        line: usize,
        /// What it is instead, as a clause whose subject is the document.
        reason: &'static str,
    },
    /// A document is laid out in a way that cannot be edited.
    #[error("the document at line {line} cannot be edited in place")]
    Layout {
        /// Its first line, from 1.
        line: usize,
    },
    /// It is not a label selector.
    #[error("{text:?} is not a valid label selector")]
    Selector {
        /// What was given.
        text: String,
    },
    /// It is not a version of Kubernetes.
    #[error("{text:?} is not a valid Kubernetes version")]
    Version {
        /// What was given.
        text: String,
    },
    /// It has no MutatingAdmissionPolicy.
    #[error("Kubernetes {version} does not serve MutatingAdmissionPolicy")]
    NoPolicies {
        /// The version.
        version: String,
    },
    /// A ServiceAccount with two roles.
    #[error("the ServiceAccount {account} has two roles: {one} and {other}")]
    TwoRoles {
        /// Its namespace and name.
        account: String,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// A role that fits into no expression.
    #[error("the role of the ServiceAccount {account} is too long for a policy")]
    LongRole {
        /// Its namespace and name.
        account: String,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Yaml(_) => {
                "templates have to be rendered first, for example with helm template or kustomize build"
            }
            Self::NotAnObject { .. } => {
                "manifests are YAML or JSON, each with apiVersion and kind; a file with a key or a \
                 token is none"
            }
            Self::Layout { .. } => {
                "write the pod's spec in block style or as JSON, without anchors and merge keys"
            }
            Self::Selector { .. } => "for example: team=a,tier in (web,api),!legacy",
            Self::Version { .. } => "for example: 1.36",
            Self::NoPolicies { .. } => {
                "it is v1 since 1.36, and v1beta1 in 1.34 and 1.35 (feature gate and API are off by \
                 default); use the pod identity webhook, or add the roles to the manifests"
            }
            Self::TwoRoles { .. } => "a pod can use one role only: remove one of the two",
            Self::LongRole { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

//! Errors of managing a cluster.

use std::fmt;

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why a cluster could not be managed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Annotations that somebody else set to something else.
    #[error("{}", conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Annotations {
        /// All of them, at least one.
        conflicts: Vec<AnnotationConflict>,
        /// kubectl for the cluster.
        kubectl: String,
    },
    /// A ServiceAccount can have one role.
    #[error("the ServiceAccount {account} has two roles, {one} and {other}")]
    TwoRoles {
        /// `NAMESPACE/NAME`.
        account: String,
        /// One of them.
        one: String,
        /// The other one.
        other: String,
    },
    /// The API server does not serve admission policies.
    #[error("the API server does not serve MutatingAdmissionPolicy")]
    NoPolicies,
    /// Objects that somebody else created.
    #[error("objects that issuerctl needs exist already, and were not created by it: {}", objects.join(", "))]
    NameTaken {
        /// Their kinds and names.
        objects: Vec<String>,
    },
    /// An object that is needed and is being deleted.
    #[error("the {object} is being deleted")]
    Terminating {
        /// Its kind and name.
        object: String,
    },
    /// No certificate for the webhook.
    #[error("cannot make a certificate")]
    Certificate {
        /// The error of the library.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A ServiceAccount that may not be changed, which is known before anything is.
    #[error("the ServiceAccount {account} may not be annotated")]
    NotPermitted {
        /// `NAMESPACE/NAME`.
        account: String,
        /// What the API server says.
        source: Box<issuer_cluster::Error>,
    },
    /// A request to the cluster.
    #[error(transparent)]
    Cluster(#[from] issuer_cluster::Error),
}

/// An annotation of a ServiceAccount that somebody else set to another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationConflict {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The annotation.
    pub annotation: String,
    /// Who set it: a field manager, such as `helm`.
    pub manager: String,
    /// Its value.
    pub value: String,
    /// The requested value.
    pub requested: String,
}

impl Error {
    /// Whether something changed since it was read.
    pub(crate) fn is_overtaken(&self) -> bool {
        matches!(self, Self::Cluster(issuer_cluster::Error::Conflict { .. }))
    }
}

impl fmt::Display for AnnotationConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, name, annotation, manager, value, requested } = self;
        write!(
            f,
            "the ServiceAccount {namespace}/{name} has {annotation} {value:?}, which {manager} set, \
             and {requested:?} is requested"
        )
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Annotations { .. } | Self::NameTaken { .. } | Self::Terminating { .. } => {
                ErrorKind::Conflict
            }
            Self::TwoRoles { .. } | Self::NoPolicies => ErrorKind::InvalidInput,
            Self::Certificate { .. } => ErrorKind::Other,
            Self::NotPermitted { source, .. } => source.kind(),
            Self::Cluster(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Annotations { conflicts, kubectl } => conflicts.first().map(|first| {
                format!(
                    "if the requested role is the right one, remove the annotation: `{kubectl} annotate \
                     serviceaccount {} --namespace {} {}-`",
                    first.name, first.namespace, first.annotation
                )
            }),
            Self::TwoRoles { .. } => {
                Some("name the ServiceAccount in one of the two roles only".to_owned())
            }
            Self::NoPolicies => Some(
                "it is in Kubernetes 1.36, and in 1.34 and 1.35 with \
                 --feature-gates=MutatingAdmissionPolicy=true and \
                 --runtime-config=admissionregistration.k8s.io/v1beta1=true"
                    .to_owned(),
            ),
            Self::NameTaken { .. } => {
                Some("delete them, if nothing uses them any more".to_owned())
            }
            Self::Terminating { .. } => Some("run again when it is gone".to_owned()),
            Self::Certificate { .. } => None,
            Self::NotPermitted { source, .. } => Diagnostic::hint(source.as_ref()),
            Self::Cluster(error) => Diagnostic::hint(error),
        }
    }
}

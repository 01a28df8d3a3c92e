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
            Self::Annotations { .. } => ErrorKind::Conflict,
            Self::TwoRoles { .. } => ErrorKind::InvalidInput,
            Self::Cluster(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Annotations { conflicts } => conflicts.first().map(|first| {
                format!(
                    "if the requested role is the right one, remove the annotation: kubectl annotate \
                     serviceaccount {} --namespace {} {}-",
                    first.name, first.namespace, first.annotation
                )
            }),
            Self::TwoRoles { .. } => {
                Some("name the ServiceAccount in one of the two roles only".to_owned())
            }
            Self::Cluster(error) => Diagnostic::hint(error),
        }
    }
}

//! Which condition an error is about, and what it is called there.

use issuer_diagnostic::{Diagnostic as _, ErrorKind};
use issuer_reconcile::{Error, Target};

use crate::findings::requests;
use crate::status::{Kind, Reason};

/// The condition that an error is about, and others that it is about as well.
pub(crate) fn concerns(error: &Error, target: &Target) -> (Kind, Vec<Kind>) {
    let iam = || {
        let both = [Kind::ProviderReady, Kind::RolesReady];
        let mut asked = both.into_iter().filter(|kind| requests(target, *kind));
        let first = asked.next().unwrap_or(Kind::ProviderReady);
        (first, asked.collect())
    };
    match error {
        Error::NotAccepted { .. } | Error::NotVerified { .. } | Error::Verify(_) => {
            (Kind::Verified, Vec::new())
        }
        error if error.is_in_progress() => (Kind::Verified, Vec::new()),
        Error::Iam(error) if is_of_roles(error) && requests(target, Kind::RolesReady) => {
            (Kind::RolesReady, Vec::new())
        }
        Error::MissingPolicies(_) => (Kind::RolesReady, Vec::new()),
        Error::Iam(_) => iam(),
        Error::Session(_) if target.site.is_none() => iam(),
        Error::Workload(_)
        | Error::OtherIssuer { .. }
        | Error::NotProved { .. }
        | Error::NotProvedLive { .. } => (Kind::WorkloadReady, Vec::new()),
        _ => (Kind::KeysPublished, Vec::new()),
    }
}

/// Whether an error of IAM can only be one of a role.
fn is_of_roles(error: &issuer_iam::Error) -> bool {
    use issuer_iam::Error as E;
    matches!(
        error,
        E::NoPolicy { .. }
            | E::Path { .. }
            | E::Shared { .. }
            | E::ForeignPolicy { .. }
            | E::ForeignInline { .. }
            | E::DeletedPrincipal { .. }
            | E::PolicyElsewhere { .. }
    )
}

/// Whether the documents were published when a plan failed with this error.
#[must_use]
pub(crate) fn is_after_documents(error: &Error) -> bool {
    matches!(
        error,
        Error::NotAccepted { .. } | Error::NotVerified { .. } | Error::Iam(_) | Error::Workload(_)
    ) || error.is_in_progress()
}

/// The reason that an error is.
pub(crate) fn reason(error: &Error) -> Reason {
    match error {
        Error::OtherCluster { .. } => Reason::OtherCluster,
        Error::NotAccepted { .. } | Error::NotVerified { .. } => Reason::NotAccepted,
        error if error.is_in_progress() => Reason::Deploying,
        error => match error.kind() {
            ErrorKind::InvalidInput => Reason::InvalidInput,
            ErrorKind::NotFound => Reason::NotFound,
            ErrorKind::Conflict => Reason::Conflict,
            ErrorKind::NotPermitted => Reason::AccessDenied,
            ErrorKind::Refused => Reason::NotAccepted,
            _ => Reason::Unavailable,
        },
    }
}

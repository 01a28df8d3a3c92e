//! The distribution of a private bucket in the plans and results of a run: it comes first, since everything
//! else is planned with its ARN and its domain.

use issuer_change::{Describe, Notice};
use issuer_cloudfront::FrontPlan;
use issuer_reconcile::Target;

use crate::output;

/// Why the plan of an issuer has nothing but its distribution.
pub(crate) const FIRST: &str = "the bucket, the documents and IAM are planned once the distribution \
                                exists: they have its ARN, and its domain unless the issuer has one of \
                                its own";

/// The object of an issuer whose distribution does not exist yet, or has to be changed first.
pub(crate) fn first(target: &Target, front: &FrontPlan) -> output::Issuer {
    let issuer = target.issuer.as_ref().map(|issuer| issuer.as_str()).unwrap_or_default();
    let mut object = output::Issuer::new(target.label(), issuer, front);
    if front.creates() {
        let message = format!("{}: {FIRST}", target.label());
        object.notices.push(Notice { id: "distribution-first".into(), message });
    }
    object
}

/// The object of an issuer with what happens to its distribution.
pub(crate) fn with(mut issuer: output::Issuer, front: Option<&FrontPlan>) -> output::Issuer {
    if let Some(front) = front {
        issuer.changes.splice(0..0, front.changes().changes);
        issuer.changed |= !front.is_empty();
    }
    issuer
}

//! From what was seen to one root cause; no I/O.

mod account;
mod audience;
mod bucket;
mod bucket_policy;
mod case;
mod cluster;
mod condition;
mod containers;
mod credentials;
mod documents;
mod exchange;
mod injection;
mod lint;
mod own;
mod pod;
mod policy;
mod provider;
mod readable;
mod region;
mod role;
mod sources;
mod table;
mod token_file;
mod webhook;

use crate::diagnosis::{Diagnosis, Group, Report};
use crate::seen::Seen;

pub use audience::audience_of;
use case::Case;
pub use case::{has_identity, role_of};

/// The checks of a group.
type Step = fn(&Case<'_>, &mut Report);

/// Judges what was seen.
#[must_use]
pub fn judge(seen: &Seen) -> Diagnosis {
    let case = Case::of(seen);
    let mut report = Report::new(case.is_proved());
    let steps: [(Group, Step); 7] = [
        (Group::Cluster, cluster::judge),
        (Group::Documents, documents::judge),
        (Group::Account, account::judge),
        (Group::Injection, injection::judge),
        (Group::Pod, pod::judge),
        (Group::Aws, aws),
        (Group::Proof, exchange::judge),
    ];
    for (group, step) in steps {
        report.begin(group);
        step(&case, &mut report);
    }
    Diagnosis {
        issuer: case.issuer.clone().unwrap_or_default(),
        checks: report.into_checks(),
        accounts: table::lines(&case),
    }
}

fn aws(case: &Case<'_>, report: &mut Report) {
    provider::judge(case, report);
    role::judge(case, report);
}

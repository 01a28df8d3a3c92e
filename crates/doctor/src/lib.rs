#![doc = include_str!("../README.md")]

mod arn;
mod diagnosis;
mod fact;
mod flags;
mod judge;
mod kubernetes;
mod labels;
mod outline;
mod probe;
mod seen;

pub use arn::RoleArn;
pub use diagnosis::{Diagnosis, Group};
pub use fact::Fact;
pub use flags::{ServerFlags, parse_arguments, parse_flagz};
pub use judge::{audience_of, judge, role_of};
pub use outline::{outline, secret_keys};
pub use probe::{
    Workload, find_webhook, probe, self_provided, settings_of, webhook_service, workload_of,
};
pub use seen::{
    Asked, AwsSeen, Caller, Chain, ClusterSeen, Declared, DocumentsSeen, DryRun, Exchange,
    InjectionSeen, Managed, Published, RoleSeen, Seen, Serving, Subject, TokenSeen, WorkloadSeen,
};

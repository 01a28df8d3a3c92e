#![doc = include_str!("../README.md")]

mod arn;
mod cel;
mod controllers;
mod diagnosis;
mod fact;
mod judge;
mod kubernetes;
mod labels;
mod outline;
mod probe;
mod scope;
mod seen;

pub use arn::RoleArn;
pub use controllers::Controllers;
pub use diagnosis::{Diagnosis, Group, shorten};
pub use fact::Fact;
pub use judge::{audience_of, has_identity, judge, role_of};
pub use outline::{outline, secret_keys};
pub use probe::{
    Renewal, Workload, find_webhook, identity_webhooks, pods_of, probe, self_provided, settings_of,
    webhook_service, workload_of,
};
pub use seen::{
    Asked, Audience, AwsSeen, Called, Caller, Chain, ClusterSeen, Declared, DocumentsSeen, DryRun,
    Exchange, InjectionSeen, Managed, Published, RoleSeen, Seen, Serving, Subject, TokenSeen,
    WorkloadSeen,
};

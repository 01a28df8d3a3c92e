//! `issuerctl role`

pub(super) mod apply;
pub(super) mod delete;
pub(super) mod lint;
pub(super) mod list;
pub(super) mod show;
pub(super) mod trust_policy;

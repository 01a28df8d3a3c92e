//! `issuerctl provider`

pub(super) mod apply;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod show;

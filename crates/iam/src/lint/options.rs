//! What a trust policy is judged for.

use std::time::SystemTime;

use issuer_discovery::{IssuerUrl, Partition};

use crate::principals::exists;
use crate::{AccountId, Audience, ServiceAccountPattern};

/// What a trust policy is judged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintOptions {
    /// The issuer whose tokens it should allow.
    pub issuer: IssuerUrl,
    /// The service account that should be allowed, without wildcards; if not set, none in
    /// particular.
    pub service_account: Option<ServiceAccountPattern>,
    /// The account of role and provider, if known.
    pub account: Option<AccountId>,
    /// The partition of role and provider, if known; otherwise it follows from a host of S3 or EKS.
    pub partition: Option<Partition>,
    /// The audiences of the tokens; if empty, [`DEFAULT_AUDIENCE`](crate::DEFAULT_AUDIENCE).
    pub audiences: Vec<Audience>,
    /// The time; if not set, conditions on the time are not judged.
    pub now: Option<SystemTime>,
    /// Whether the issuer may have a port, as it has for emulators of AWS.
    pub allow_port: bool,
}

impl LintOptions {
    /// For the default audience, any account and no service account in particular.
    #[must_use]
    pub fn new(issuer: IssuerUrl) -> Self {
        Self {
            issuer,
            service_account: None,
            account: None,
            partition: None,
            audiences: vec![Audience::default()],
            now: None,
            allow_port: false,
        }
    }
}

/// [`LintOptions`] as strings to compare with.
#[derive(Clone)]
pub(super) struct Wanted {
    /// Without scheme.
    pub(super) issuer: String,
    pub(super) account: Option<String>,
    pub(super) partition: Option<Partition>,
    /// Whether the partition follows only from the issuer's host.
    pub(super) partition_of_host: bool,
    pub(super) audiences: Vec<String>,
    pub(super) subject: Option<String>,
    pub(super) now: Option<SystemTime>,
}

impl Wanted {
    pub(super) fn new(expected: &LintOptions) -> Self {
        let mut audiences: Vec<String> =
            expected.audiences.iter().map(Audience::to_string).collect();
        if audiences.is_empty() {
            audiences.push(Audience::default().to_string());
        }
        Self {
            issuer: expected.issuer.without_scheme().to_owned(),
            account: expected.account.as_ref().map(AccountId::to_string),
            partition: expected.partition.or_else(|| Partition::of_host(expected.issuer.host())),
            partition_of_host: expected.partition.is_none(),
            audiences,
            subject: expected.service_account.as_ref().map(ServiceAccountPattern::subject),
            now: expected.now,
        }
    }

    /// The same for a role of this account.
    pub(super) fn of_account(&self, account: String) -> Self {
        Self { account: Some(account), ..self.clone() }
    }

    /// Whether a principal is one of the account 000000000000, and that is the account of the role:
    /// emulators of AWS have it.
    pub(super) fn emulates(&self, principal: &str) -> bool {
        let own = self.account.as_deref().filter(|account| !exists(account));
        own.is_some_and(|account| principal.contains(account))
    }
}

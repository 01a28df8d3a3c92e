//! The objects of `role list` and `provider list`.

use issuer_iam::TrustingRole;
use serde::Serialize;

use super::{SCHEMA_VERSION, line};
use crate::failure::Failure;

/// `role list`.
#[derive(Debug, Serialize)]
pub(crate) struct RoleList {
    pub(crate) schema_version: u32,
    pub(crate) roles: Vec<ListedRole>,
}

/// A role in `RoleList`, once for each issuer that it trusts.
#[derive(Debug, Serialize)]
pub(crate) struct ListedRole {
    pub(crate) role: String,
    pub(crate) arn: String,
    pub(crate) issuer: String,
    /// The values of its conditions on `sub`; a service account as `NAMESPACE/NAME`.
    pub(crate) service_accounts: Vec<String>,
    /// Whether issuerctl wrote the statement.
    pub(crate) ours: bool,
}

/// `provider list`.
#[derive(Debug, Serialize)]
pub(crate) struct ProviderList {
    pub(crate) schema_version: u32,
    pub(crate) providers: Vec<ListedProvider>,
}

/// A provider in `ProviderList`.
#[derive(Debug, Serialize)]
pub(crate) struct ListedProvider {
    pub(crate) issuer: String,
    pub(crate) arn: String,
}

impl RoleList {
    pub(crate) fn new(roles: Vec<TrustingRole>) -> Self {
        let listed = |role: TrustingRole| ListedRole {
            issuer: issuer_of(&role.provider),
            role: role.name,
            arn: role.arn,
            service_accounts: role.subjects,
            ours: role.is_ours,
        };
        Self { schema_version: SCHEMA_VERSION, roles: roles.into_iter().map(listed).collect() }
    }

    /// One line for each role and issuer.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let width = |text: fn(&ListedRole) -> &str| {
            self.roles.iter().map(|role| text(role).len()).max().unwrap_or_default()
        };
        let (names, issuers) = (width(|role| &role.role), width(|role| &role.issuer));
        self.roles.iter().try_for_each(|role| {
            let ListedRole { role, issuer, service_accounts, .. } = role;
            let accounts = service_accounts.join(" ");
            line(format!("{role:names$}  {issuer:issuers$}  {accounts}").trim_end())
        })
    }
}

impl ProviderList {
    pub(crate) fn new(arns: Vec<String>) -> Self {
        let listed = |arn: String| ListedProvider { issuer: issuer_of(&arn), arn };
        let mut providers: Vec<ListedProvider> = arns.into_iter().map(listed).collect();
        providers.sort_by(|a, b| a.issuer.cmp(&b.issuer));
        Self { schema_version: SCHEMA_VERSION, providers }
    }

    /// One issuer on each line.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        self.providers.iter().try_for_each(|provider| line(&provider.issuer))
    }
}

/// The issuer URL in the ARN of its provider.
fn issuer_of(arn: &str) -> String {
    let path = arn.split_once(":oidc-provider/").map_or(arn, |(_, path)| path);
    format!("https://{path}")
}

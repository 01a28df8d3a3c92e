//! From the file to what is wanted of IAM.

use issuer_discovery::{IssuerUrl, Partition};
use issuer_iam::{AccountId, ProviderSpec, RoleSpec, Thumbprint, Trust};

use crate::issuer::default_audiences;
use crate::{Issuer, Provider, Role, ThumbprintSource};

/// What is wanted of IAM.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The provider, where the file has one.
    pub provider: Option<ProviderSpec>,
    /// The roles, in their order.
    pub roles: Vec<RoleSpec>,
}

impl Issuer {
    /// What an account must have for this issuer. `top_of_chain` stands in for thumbprints that are
    /// `auto`, which are left out without it. Lists that the file leaves out are empty, so that
    /// what issuerctl added earlier goes; path, boundary and session that it leaves out stay as
    /// they are.
    pub fn wanted(
        &self,
        issuer: &IssuerUrl,
        account: &AccountId,
        partition: Partition,
        top_of_chain: Option<&Thumbprint>,
    ) -> Wanted {
        let provider = self.spec.provider.as_ref().map(|provider| ProviderSpec {
            issuer: issuer.clone(),
            audiences: provider.audiences.clone(),
            tags: provider.tags.clone(),
            thumbprints: thumbprints(provider, top_of_chain),
            prune: false,
        });
        let usual =
            provider.as_ref().map_or_else(default_audiences, |provider| provider.audiences.clone());
        let role = |role: &Role| RoleSpec {
            name: role.name.clone(),
            trust: Trust {
                partition,
                account: account.clone(),
                issuer: issuer.clone(),
                audiences: role.audiences.clone().unwrap_or_else(|| usual.clone()),
                service_accounts: role.service_accounts.clone(),
            },
            policy_arns: Some(role.policy_arns.clone()),
            inline: Some(role.inline_policies.clone()),
            managed: Some(role.managed_policies.clone()),
            boundary: role.permissions_boundary.clone(),
            path: role.path.clone(),
            max_session_secs: role.max_session_duration,
            tags: Some(role.tags.clone()),
            file: Some(self.name().to_owned()),
        };
        Wanted { provider, roles: self.spec.roles.iter().map(role).collect() }
    }

    /// Whether a thumbprint of the provider is `auto`.
    pub fn needs_top_of_chain(&self) -> bool {
        self.spec
            .provider
            .iter()
            .flat_map(|provider| &provider.thumbprints)
            .any(|t| *t == ThumbprintSource::Auto)
    }
}

fn thumbprints(provider: &Provider, top_of_chain: Option<&Thumbprint>) -> Vec<Thumbprint> {
    let each = provider.thumbprints.iter().filter_map(|source| match source {
        ThumbprintSource::Auto => top_of_chain.cloned(),
        ThumbprintSource::Given(thumbprint) => Some(thumbprint.clone()),
    });
    each.collect()
}

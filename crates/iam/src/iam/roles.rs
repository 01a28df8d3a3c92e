//! Roles and policies (IAM API).

use aws_sdk_iam::types::PolicyVersion;
use futures_util::future::try_join_all;
use issuer_discovery::IssuerUrl;
use issuer_session::replan;
use serde_json::Value;

use super::role_steps::Outcome;
use super::{ATTEMPTS, Iam, failed, from_iam, is_missing};
use crate::names::iam_arn;
use crate::tags::CREATED;
use crate::{
    Documents, Error, ManagedPolicy, ProviderArn, Role, RoleDeletion, RoleName, RolePlan, RoleSpec,
    RoleState, TrustPolicy, TrustingRole, trust, trusting,
};

/// Maximum number of versions of a managed policy.
const VERSIONS: usize = 5;

/// An account's roles with their trust policies.
#[derive(Debug, Clone, Default)]
pub struct RoleList(Vec<Listed>);

/// A role as STS sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleOutline {
    /// Its ARN.
    pub arn: String,
    /// Its trust policy, as text.
    pub trust: String,
    /// When it was created, in seconds since 1970.
    pub created_secs: Option<u64>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
}

#[derive(Debug, Clone)]
struct Listed {
    name: String,
    arn: String,
    trust: String,
}

impl RoleList {
    /// Names of the roles whose trust policy has our statement for this issuer.
    ///
    /// # Errors
    /// A name that no role of IAM can have.
    pub fn of(&self, issuer: &IssuerUrl) -> Result<Vec<RoleName>, Error> {
        let sid = format!("\"{}\"", trust::sid(issuer));
        let trusting = self.0.iter().filter(|role| role.trust.contains(&sid));
        trusting.map(|role| role.name.parse()).collect()
    }

    /// The roles that trust the provider of an issuer, or of any issuer; one entry for each issuer
    /// that a role trusts.
    #[must_use]
    pub fn trusting(&self, provider: Option<&ProviderArn>) -> Vec<TrustingRole> {
        let named = |role: &&Listed| role.trust.contains("oidc-provider/");
        let parsed = self.0.iter().filter(named).filter_map(|role| {
            Some(trusting::trusted(&role.name, &role.arn, &TrustPolicy::parse(&role.trust).ok()?))
        });
        let is_wanted =
            |role: &TrustingRole| provider.is_none_or(|arn| arn.as_str() == role.provider);
        parsed.flatten().filter(is_wanted).collect()
    }
}

impl Iam {
    /// The role, its policies, and the customer managed policies with the desired names. The
    /// desired policies are read concurrently with the role, all others afterwards.
    ///
    /// # Errors
    /// A denied or failed call; a document that is not a policy.
    pub async fn find_role(
        &self,
        name: &RoleName,
        inline: &Documents,
        managed: &Documents,
    ) -> Result<RoleState, Error> {
        let (role, attached, names, wanted, policies) = tokio::join!(
            self.get_role(name),
            self.list_attached(name),
            self.list_inline(name),
            try_join_all(inline.keys().map(|policy| self.get_inline(name, policy))),
            try_join_all(managed.keys().map(|policy| self.get_named_policy(policy, name))),
        );
        let mut state = RoleState { role: role?, ..RoleState::default() };
        state.managed.extend(policies?.into_iter().flatten());
        let made: Vec<String> =
            state.role.iter().flat_map(Role::made_policies).map(str::to_owned).collect();
        let rest = made.iter().filter(|policy| !managed.contains_key(*policy));
        let rest = try_join_all(rest.map(|policy| self.get_named_policy(policy, name)));
        if let Some(role) = &mut state.role {
            role.attached = attached?;
            let names = names?;
            role.inline = wanted?.into_iter().flatten().collect();
            role.inline.retain(|policy, _| names.contains(policy));
            let more = names.iter().filter(|policy| !role.inline.contains_key(*policy));
            let more = try_join_all(more.map(|policy| self.get_inline(name, policy)));
            let (more, rest) = tokio::join!(more, rest);
            role.inline.extend(more?.into_iter().flatten());
            state.managed.extend(rest?.into_iter().flatten());
        }
        Ok(state)
    }

    /// The roles of the account with their trust policies. A page has up to 1,000 roles.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn list_roles(&self) -> Result<RoleList, Error> {
        let pages = self.client.list_roles().max_items(1000).into_paginator();
        let roles = pages.items().send().collect::<Result<Vec<_>, _>>().await;
        let roles = roles.map_err(|error| failed("iam:ListRoles", "*", &error))?;
        let listed = roles.into_iter().filter_map(|role| {
            let trust = decoded(role.assume_role_policy_document.as_deref()?);
            Some(Listed { name: role.role_name, arn: role.arn, trust })
        });
        Ok(RoleList(listed.collect()))
    }

    /// A role as STS sees it, without its policies; `None` if it does not exist.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn role_outline(&self, name: &RoleName) -> Result<Option<RoleOutline>, Error> {
        let answer = match self.client.get_role().role_name(name.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed("iam:GetRole", &self.role_arn(name), &error)),
        };
        Ok(answer.role.map(|role| RoleOutline {
            arn: role.arn,
            trust: decoded(role.assume_role_policy_document.as_deref().unwrap_or_default()),
            created_secs: role.create_date.secs().try_into().ok(),
            boundary: role
                .permissions_boundary
                .and_then(|boundary| boundary.permissions_boundary_arn),
        }))
    }

    /// ARNs of the policies that are attached to a role; none of a role that does not exist.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn list_attached(&self, name: &RoleName) -> Result<Vec<String>, Error> {
        let pages =
            self.client.list_attached_role_policies().role_name(name.as_str()).into_paginator();
        match pages.items().send().collect::<Result<Vec<_>, _>>().await {
            Ok(policies) => {
                Ok(policies.into_iter().filter_map(|policy| policy.policy_arn).collect())
            }
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            // An account outside of AWS without managed policies.
            Err(error) if issuer_session::code(&error).as_deref() == Some("InvalidAction") => {
                Ok(Vec::new())
            }
            Err(error) => Err(failed("iam:ListAttachedRolePolicies", &self.role_arn(name), &error)),
        }
    }

    /// Names of the inline policies of a role; none of a role that does not exist.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn list_inline(&self, name: &RoleName) -> Result<Vec<String>, Error> {
        let pages = self.client.list_role_policies().role_name(name.as_str()).into_paginator();
        match pages.items().send().collect::<Result<Vec<_>, _>>().await {
            Ok(names) => Ok(names),
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(failed("iam:ListRolePolicies", &self.role_arn(name), &error)),
        }
    }

    /// Names of the roles whose trust policy has our statement for this issuer.
    ///
    /// # Errors
    /// Those of [`Iam::list_roles`] and [`RoleList::of`].
    pub async fn roles_of(&self, issuer: &IssuerUrl) -> Result<Vec<RoleName>, Error> {
        self.list_roles().await?.of(issuer)
    }

    /// Reads the role and compares it with the desired one.
    ///
    /// # Errors
    /// Those of [`Iam::find_role`] and [`RolePlan::new`].
    pub async fn plan_role(&self, spec: &RoleSpec) -> Result<RolePlan, Error> {
        RolePlan::new(spec, &self.find_spec(spec).await?)
    }

    /// Executes a plan. After a conflict a new plan is made, which replaces `plan`, and is passed to
    /// `replanned`.
    ///
    /// # Errors
    /// Those of [`Iam::plan_role`]; a denied or failed call.
    pub async fn apply_role(
        &self,
        spec: &RoleSpec,
        plan: &mut RolePlan,
        mut replanned: impl FnMut(&RolePlan),
    ) -> Result<(), Error> {
        let rewrite = |there: TrustPolicy| spec.trust_policy(there);
        let execute = async |plan: &mut RolePlan| {
            let mut outcome = Outcome::default();
            let ended = self.execute_role(&spec.name, &plan.steps, &rewrite, &mut outcome).await;
            plan.stayed = outcome.stayed;
            plan.wrote |= outcome.wrote;
            ended
        };
        let again = async |plan: &mut RolePlan| {
            *plan = RolePlan { wrote: plan.wrote, ..self.plan_role(spec).await? };
            replanned(plan);
            Ok(())
        };
        replan(ATTEMPTS, plan, execute, Error::is_overtaken, again).await
    }

    /// A role, if its tags record this file and this issuer; its policies are not read.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn role_from_file(
        &self,
        name: &RoleName,
        issuer: &IssuerUrl,
        file: &str,
    ) -> Result<Option<RoleState>, Error> {
        let role = self.get_role(name).await?;
        let role = role.filter(|role| role.is_from_file(issuer, file));
        Ok(role.map(|role| RoleState { role: Some(role), ..RoleState::default() }))
    }

    /// Names of the customer managed policies that issuerctl created for a role.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn policies_made_for(&self, name: &RoleName) -> Result<Vec<String>, Error> {
        let role = self.get_role(name).await?;
        Ok(role.iter().flat_map(Role::made_policies).map(str::to_owned).collect())
    }

    /// Reads the role and the customer managed policies with these names, and plans their deletion
    /// for one issuer or for all; see [`RoleDeletion`].
    ///
    /// # Errors
    /// Those of [`Iam::find_role`].
    pub async fn plan_role_deletion(
        &self,
        name: &RoleName,
        issuer: Option<&IssuerUrl>,
        policies: &Documents,
    ) -> Result<RoleDeletion, Error> {
        let none = Documents::new();
        Ok(RoleDeletion::new(&self.find_role(name, &none, policies).await?, issuer))
    }

    /// Executes a deletion. Deletions are irreversible, so a new plan is made just before, and
    /// after a conflict; it replaces `deletion`, and is passed to `replanned` if it differs.
    ///
    /// # Errors
    /// Those of [`Iam::plan_role_deletion`]; a denied or failed call.
    pub async fn delete_role(
        &self,
        name: &RoleName,
        issuer: Option<&IssuerUrl>,
        policies: &Documents,
        deletion: &mut RoleDeletion,
        mut replanned: impl FnMut(&RoleDeletion),
    ) -> Result<(), Error> {
        let mut again = async |deletion: &mut RoleDeletion| {
            let now = self.plan_role_deletion(name, issuer, policies).await?;
            let differs = now.steps != deletion.steps || now.kept != deletion.kept;
            *deletion = RoleDeletion { wrote: deletion.wrote, ..now };
            if differs {
                replanned(deletion);
            }
            Ok(())
        };
        let execute = async |deletion: &mut RoleDeletion| {
            let mut outcome = Outcome::default();
            let sids = deletion.sids.clone();
            let rewrite = move |there: TrustPolicy| Ok(there.without(&sids));
            let ended = self.execute_role(name, &deletion.steps, &rewrite, &mut outcome).await;
            deletion.stayed = outcome.stayed;
            deletion.wrote |= outcome.wrote;
            ended
        };
        again(deletion).await?;
        replan(ATTEMPTS, deletion, execute, Error::is_overtaken, again).await
    }

    /// The existing part of a desired role.
    async fn find_spec(&self, spec: &RoleSpec) -> Result<RoleState, Error> {
        let none = Documents::new();
        let (inline, managed) = (spec.inline.as_ref(), spec.managed.as_ref());
        self.find_role(&spec.name, inline.unwrap_or(&none), managed.unwrap_or(&none)).await
    }

    pub(super) async fn get_role(&self, name: &RoleName) -> Result<Option<Role>, Error> {
        let answer = match self.client.get_role().role_name(name.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed("iam:GetRole", &self.role_arn(name), &error)),
        };
        let Some(role) = answer.role else { return Ok(None) };
        let trust = decoded(role.assume_role_policy_document.as_deref().unwrap_or_default());
        Ok(Some(Role {
            name: name.clone(),
            arn: role.arn,
            path: role.path,
            trust: TrustPolicy::parse(&trust)?,
            max_session_secs: role
                .max_session_duration
                .and_then(|secs| u32::try_from(secs).ok())
                .unwrap_or(3600),
            boundary: role
                .permissions_boundary
                .and_then(|boundary| boundary.permissions_boundary_arn),
            tags: from_iam(role.tags.as_deref().unwrap_or_default()),
            attached: Vec::new(),
            inline: Documents::new(),
        }))
    }

    async fn get_inline(
        &self,
        role: &RoleName,
        policy: &str,
    ) -> Result<Option<(String, Value)>, Error> {
        let request = self.client.get_role_policy().role_name(role.as_str()).policy_name(policy);
        match request.send().await {
            Ok(answer) => Ok(Some((policy.to_owned(), document(&answer.policy_document)?))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("iam:GetRolePolicy", &self.role_arn(role), &error)),
        }
    }

    async fn get_named_policy(
        &self,
        policy: &str,
        role: &RoleName,
    ) -> Result<Option<(String, ManagedPolicy)>, Error> {
        let state = self.get_policy(&self.policy_arn(policy), role).await?;
        Ok(state.map(|state| (policy.to_owned(), state)))
    }

    pub(super) async fn get_policy(
        &self,
        arn: &str,
        role: &RoleName,
    ) -> Result<Option<ManagedPolicy>, Error> {
        let answer = match self.client.get_policy().policy_arn(arn).send().await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed("iam:GetPolicy", arn, &error)),
        };
        let Some(policy) = answer.policy else { return Ok(None) };
        let default = policy.default_version_id.unwrap_or_default();
        let (version, versions) = tokio::join!(
            self.client.get_policy_version().policy_arn(arn).version_id(&default).send(),
            self.list_versions(arn),
        );
        let version = version.map_err(|error| failed("iam:GetPolicyVersion", arn, &error))?;
        let mut versions = versions?;
        let full = versions.len() >= VERSIONS;
        versions.retain(|version| !version.is_default_version);
        versions.sort_by_key(|version| version.create_date.map(|date| date.secs()));
        let text = version.policy_version.and_then(|version| version.document).unwrap_or_default();
        Ok(Some(ManagedPolicy {
            arn: arn.to_owned(),
            is_ours: from_iam(policy.tags.as_deref().unwrap_or_default())
                .get(CREATED)
                .is_some_and(|of| of == role.as_str()),
            document: document(&text)?,
            surplus_version: versions
                .into_iter()
                .next()
                .filter(|_| full)
                .and_then(|version| version.version_id),
        }))
    }

    /// Whether a managed policy exists, as far as the account has any.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn has_policy(&self, arn: &str) -> Result<bool, Error> {
        match self.client.get_policy().policy_arn(arn).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            // An account outside of AWS without managed policies.
            Err(error) if issuer_session::code(&error).as_deref() == Some("InvalidAction") => {
                Ok(true)
            }
            Err(error) => Err(failed("iam:GetPolicy", arn, &error)),
        }
    }

    pub(super) async fn list_versions(&self, arn: &str) -> Result<Vec<PolicyVersion>, Error> {
        let pages = self.client.list_policy_versions().policy_arn(arn).into_paginator();
        let versions = pages.items().send().collect::<Result<Vec<_>, _>>().await;
        versions.map_err(|error| failed("iam:ListPolicyVersions", arn, &error))
    }

    /// For messages only: the path of a role is not known before it is read.
    pub(super) fn role_arn(&self, name: &RoleName) -> String {
        iam_arn(self.partition, &self.account, "role", &format!("/{name}"))
    }

    pub(super) fn policy_arn(&self, name: &str) -> String {
        iam_arn(self.partition, &self.account, "policy", &format!("/{name}"))
    }
}

fn document(text: &str) -> Result<Value, Error> {
    serde_json::from_str(&decoded(text))
        .map_err(|error| Error::NotAPolicy { reason: error.to_string() })
}

/// IAM returns documents percent-encoded (RFC 3986); compatible services may not.
fn decoded(text: &str) -> String {
    if text.trim_start().starts_with('{') {
        return text.to_owned();
    }
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

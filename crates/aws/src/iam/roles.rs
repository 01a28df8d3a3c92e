//! Roles and policies (IAM API).

use aws_sdk_iam::types::Tag;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use issuer_discovery::IssuerUrl;
use serde_json::Value;

use super::providers::to_iam;
use super::{Iam, failed, is_missing};
use crate::tags::CREATED;
use crate::{
    Documents, Error, ManagedPolicy, Role, RoleDeletion, RoleFound, RoleName, RolePlan, RoleSpec, RoleStep, Tags,
    TrustPolicy,
};

/// How often a plan that somebody overtook is made anew.
const TRIES: usize = 5;

/// Versions that a policy has room for.
const VERSIONS: usize = 5;

/// How the trust policy is worked out from the one that is there just before it is written.
type Rewrite<'a> = &'a dyn Fn(TrustPolicy) -> Result<TrustPolicy, Error>;

impl Iam {
    /// The role, what is attached to it, and the account's policies of these names.
    ///
    /// # Errors
    /// A denied or failed call; a document that is no policy.
    pub async fn find_role(&self, name: &RoleName, policies: &Documents) -> Result<RoleFound, Error> {
        let (role, attached, inline) =
            tokio::join!(self.get_role(name), self.list_attached(name), self.list_inline(name));
        let mut found = RoleFound { role: role?, ..RoleFound::default() };
        let attached = attached?;
        if let Some(role) = &mut found.role {
            role.attached.clone_from(&attached);
            role.inline = inline?;
        }
        let account = format!("arn:{}:iam::{}:policy/", self.partition.name, self.account);
        let mut arns: Vec<String> = policies.keys().map(|policy| format!("{account}{policy}")).collect();
        arns.extend(
            attached
                .into_iter()
                .filter(|arn| arn.starts_with(&account) && !policies.contains_key(&arn[account.len()..])),
        );
        for arn in arns {
            if let Some(policy) = self.get_policy(&arn).await? {
                found.managed.insert(arn[account.len()..].to_owned(), policy);
            }
        }
        Ok(found)
    }

    /// Plans, lets `approve` see the plan, and executes it; where somebody else was faster, it is planned anew. Gives the plan
    /// and the role's ARN.
    ///
    /// # Errors
    /// Those of [`Iam::find_role`], [`RolePlan::new`] and `approve`; a denied or failed call.
    pub async fn apply_role<E: From<Error>>(
        &self,
        spec: &RoleSpec,
        mut approve: impl FnMut(&RolePlan) -> Result<bool, E>,
    ) -> Result<(RolePlan, String), E> {
        let none = Documents::new();
        let mut tries = 0;
        loop {
            let found = self.find_role(&spec.name, spec.managed.as_ref().unwrap_or(&none)).await?;
            let plan = RolePlan::new(spec, &found)?;
            let path = found.role.as_ref().map(|role| role.path.as_str()).or(spec.path.as_deref()).unwrap_or("/");
            let arn = format!("arn:{}:iam::{}:role{path}{}", self.partition.name, self.account, spec.name);
            if !approve(&plan)? {
                return Ok((plan, arn));
            }
            tries += 1;
            let rewrite = |there: TrustPolicy| there.with(&spec.trust);
            match self.execute_role(&spec.name, &plan.steps, &rewrite, Some(spec)).await {
                Ok(()) => return Ok((plan, arn)),
                Err(Error::Changed { .. }) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes away what issuerctl added, for one issuer or for all; see [`RoleDeletion`]. Nothing there is nothing to do.
    ///
    /// # Errors
    /// Those of [`Iam::find_role`]; a denied or failed call.
    pub async fn delete_role(
        &self,
        name: &RoleName,
        issuer: Option<&IssuerUrl>,
        dry_run: bool,
    ) -> Result<RoleDeletion, Error> {
        let found = self.find_role(name, &Documents::new()).await?;
        let deletion = RoleDeletion::new(&found, issuer);
        if !dry_run {
            let rewrite = |there: TrustPolicy| Ok(there.without(issuer));
            self.execute_role(name, &deletion.steps, &rewrite, None).await?;
        }
        Ok(deletion)
    }

    async fn get_role(&self, name: &RoleName) -> Result<Option<Role>, Error> {
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
            max_session_secs: role.max_session_duration.and_then(|secs| u32::try_from(secs).ok()).unwrap_or(3600),
            boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            tags: from_iam(role.tags.as_deref().unwrap_or_default()),
            attached: Vec::new(),
            inline: Documents::new(),
        }))
    }

    async fn list_attached(&self, name: &RoleName) -> Result<Vec<String>, Error> {
        let pages = self.client.list_attached_role_policies().role_name(name.as_str()).into_paginator();
        match pages.items().send().collect::<Result<Vec<_>, _>>().await {
            Ok(policies) => Ok(policies.into_iter().filter_map(|policy| policy.policy_arn).collect()),
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(failed("iam:ListAttachedRolePolicies", &self.role_arn(name), &error)),
        }
    }

    async fn list_inline(&self, name: &RoleName) -> Result<Documents, Error> {
        let pages = self.client.list_role_policies().role_name(name.as_str()).into_paginator();
        let names = match pages.items().send().collect::<Result<Vec<_>, _>>().await {
            Ok(names) => names,
            Err(error) if is_missing(&error) => Vec::new(),
            Err(error) => return Err(failed("iam:ListRolePolicies", &self.role_arn(name), &error)),
        };
        let mut documents = Documents::new();
        for policy in names {
            let request = self.client.get_role_policy().role_name(name.as_str()).policy_name(&policy);
            let answer =
                request.send().await.map_err(|error| failed("iam:GetRolePolicy", &self.role_arn(name), &error))?;
            documents.insert(policy, document(&answer.policy_document)?);
        }
        Ok(documents)
    }

    async fn get_policy(&self, arn: &str) -> Result<Option<ManagedPolicy>, Error> {
        let answer = match self.client.get_policy().policy_arn(arn).send().await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed("iam:GetPolicy", arn, &error)),
        };
        let Some(policy) = answer.policy else { return Ok(None) };
        let default = policy.default_version_id.unwrap_or_default();
        let pages = self.client.list_policy_versions().policy_arn(arn).into_paginator();
        let (version, versions) = tokio::join!(
            self.client.get_policy_version().policy_arn(arn).version_id(&default).send(),
            pages.items().send().collect::<Result<Vec<_>, _>>(),
        );
        let version = version.map_err(|error| failed("iam:GetPolicyVersion", arn, &error))?;
        let mut versions = versions.map_err(|error| failed("iam:ListPolicyVersions", arn, &error))?;
        let full = versions.len() >= VERSIONS;
        versions.retain(|version| !version.is_default_version);
        versions.sort_by_key(|version| version.create_date.map(|date| date.secs()));
        let text = version.policy_version.and_then(|version| version.document).unwrap_or_default();
        Ok(Some(ManagedPolicy {
            arn: arn.to_owned(),
            is_ours: from_iam(policy.tags.as_deref().unwrap_or_default()).contains_key(CREATED),
            document: document(&text)?,
            surplus_version: versions.into_iter().next().filter(|_| full).and_then(|version| version.version_id),
        }))
    }

    async fn execute_role(
        &self,
        name: &RoleName,
        steps: &[RoleStep],
        rewrite: Rewrite<'_>,
        spec: Option<&RoleSpec>,
    ) -> Result<(), Error> {
        for step in steps {
            self.execute_role_step(name, step, rewrite, spec).await?;
        }
        Ok(())
    }

    async fn execute_role_step(
        &self,
        name: &RoleName,
        step: &RoleStep,
        rewrite: Rewrite<'_>,
        spec: Option<&RoleSpec>,
    ) -> Result<(), Error> {
        let (client, role) = (&self.client, name.as_str());
        let arn = self.role_arn(name);
        match step {
            RoleStep::Create { trust, tags } => {
                let request = client
                    .create_role()
                    .role_name(role)
                    .assume_role_policy_document(trust.to_json())
                    .set_path(spec.and_then(|spec| spec.path.clone()))
                    .set_max_session_duration(
                        spec.and_then(|spec| spec.max_session_secs).and_then(|secs| i32::try_from(secs).ok()),
                    )
                    .set_permissions_boundary(spec.and_then(|spec| spec.boundary.clone()))
                    .set_tags(Some(to_iam(tags)?));
                request.send().await.map(drop).map_err(|error| failed("iam:CreateRole", &arn, &error))
            }
            RoleStep::UpdateTrust(_) => {
                // IAM has no conditional update, so it is the policy of this moment that is merged into.
                let Some(there) = self.get_role(name).await? else {
                    return Err(Error::Changed { resource: arn, message: "the role is gone".to_owned() });
                };
                let request =
                    client.update_assume_role_policy().role_name(role).policy_document(rewrite(there.trust)?.to_json());
                request.send().await.map(drop).map_err(|error| failed("iam:UpdateAssumeRolePolicy", &arn, &error))
            }
            RoleStep::SetMaxSession(secs) => {
                let request = client.update_role().role_name(role).set_max_session_duration(i32::try_from(*secs).ok());
                request.send().await.map(drop).map_err(|error| failed("iam:UpdateRole", &arn, &error))
            }
            RoleStep::SetBoundary(boundary) => {
                let request = client.put_role_permissions_boundary().role_name(role).permissions_boundary(boundary);
                request.send().await.map(drop).map_err(|error| failed("iam:PutRolePermissionsBoundary", &arn, &error))
            }
            RoleStep::PutInline(policy, document) => {
                let request =
                    client.put_role_policy().role_name(role).policy_name(policy).policy_document(document.to_string());
                request.send().await.map(drop).map_err(|error| failed("iam:PutRolePolicy", &arn, &error))
            }
            RoleStep::DeleteInline(policy) => {
                let answer = client.delete_role_policy().role_name(role).policy_name(policy).send().await;
                gone(answer.map(drop), "iam:DeleteRolePolicy", &arn)
            }
            RoleStep::CreatePolicy(policy, document) => {
                let tags = to_iam(&Tags::from([(CREATED.to_owned(), "true".to_owned())]))?;
                let request = client
                    .create_policy()
                    .policy_name(policy)
                    .policy_document(document.to_string())
                    .set_tags(Some(tags));
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| failed("iam:CreatePolicy", &self.policy_arn(policy), &error))
            }
            RoleStep::UpdatePolicy { arn, document, surplus_version } => {
                if let Some(version) = surplus_version {
                    let answer = client.delete_policy_version().policy_arn(arn).version_id(version).send().await;
                    gone(answer.map(drop), "iam:DeletePolicyVersion", arn)?;
                }
                let request = client
                    .create_policy_version()
                    .policy_arn(arn)
                    .policy_document(document.to_string())
                    .set_as_default(true);
                request.send().await.map(drop).map_err(|error| failed("iam:CreatePolicyVersion", arn, &error))
            }
            RoleStep::Attach(policy) => {
                let request = client.attach_role_policy().role_name(role).policy_arn(policy);
                request.send().await.map(drop).map_err(|error| failed("iam:AttachRolePolicy", &arn, &error))
            }
            RoleStep::Detach(policy) => {
                let answer = client.detach_role_policy().role_name(role).policy_arn(policy).send().await;
                gone(answer.map(drop), "iam:DetachRolePolicy", &arn)
            }
            RoleStep::DeletePolicy(policy) => self.delete_policy(policy).await,
            RoleStep::Tag(tags) => {
                let request = client.tag_role().role_name(role).set_tags(Some(to_iam(tags)?));
                request.send().await.map(drop).map_err(|error| failed("iam:TagRole", &arn, &error))
            }
            RoleStep::Untag(keys) => {
                let request = client.untag_role().role_name(role).set_tag_keys(Some(keys.clone()));
                request.send().await.map(drop).map_err(|error| failed("iam:UntagRole", &arn, &error))
            }
            RoleStep::Delete => {
                let answer = client.delete_role().role_name(role).send().await;
                gone(answer.map(drop), "iam:DeleteRole", &arn)
            }
        }
    }

    /// A policy that others still use is theirs to keep.
    async fn delete_policy(&self, arn: &str) -> Result<(), Error> {
        let users = self.client.list_entities_for_policy().policy_arn(arn).send().await;
        let users = users.map_err(|error| failed("iam:ListEntitiesForPolicy", arn, &error))?;
        if !(users.policy_groups().is_empty() && users.policy_users().is_empty() && users.policy_roles().is_empty()) {
            return Ok(());
        }
        let pages = self.client.list_policy_versions().policy_arn(arn).into_paginator();
        let versions = pages.items().send().collect::<Result<Vec<_>, _>>().await;
        for version in versions.map_err(|error| failed("iam:ListPolicyVersions", arn, &error))? {
            if !version.is_default_version {
                let request = self.client.delete_policy_version().policy_arn(arn).set_version_id(version.version_id);
                gone(request.send().await.map(drop), "iam:DeletePolicyVersion", arn)?;
            }
        }
        gone(self.client.delete_policy().policy_arn(arn).send().await.map(drop), "iam:DeletePolicy", arn)
    }

    /// For messages: the path of a role is known only once it is there.
    fn role_arn(&self, name: &RoleName) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition.name, self.account)
    }

    fn policy_arn(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:policy/{name}", self.partition.name, self.account)
    }
}

/// What is gone already need not go.
fn gone<E>(answer: Result<(), SdkError<E, Response>>, action: &'static str, arn: &str) -> Result<(), Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Err(error) if !is_missing(&error) => Err(failed(action, arn, &error)),
        _ => Ok(()),
    }
}

fn from_iam(tags: &[Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

fn document(text: &str) -> Result<Value, Error> {
    serde_json::from_str(&decoded(text)).map_err(|error| Error::NotAPolicy { reason: error.to_string() })
}

/// IAM answers documents percent-encoded (RFC 3986); a compatible one may not.
fn decoded(text: &str) -> String {
    if text.trim_start().starts_with('{') {
        return text.to_owned();
    }
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

//! Roles and policies (IAM API).

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_iam::types::PolicyVersion;
use issuer_discovery::IssuerUrl;
use serde_json::Value;

use super::{Iam, TRIES, failed, from_iam, gone, is_missing, to_iam};
use crate::names::iam_arn;
use crate::tags::CREATED;
use crate::{
    Documents, Error, ManagedPolicy, Role, RoleDeletion, RoleFound, RoleName, RolePlan, RoleSpec, RoleStep, Tags,
    TrustPolicy,
};

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
        if let Some(role) = &mut found.role {
            role.attached = attached?;
            role.inline = inline?;
        }
        let mut names: BTreeSet<String> = policies.keys().cloned().collect();
        names.extend(found.role.iter().flat_map(Role::made_policies).map(str::to_owned));
        for policy in names {
            if let Some(there) = self.get_policy(&self.policy_arn(&policy), name).await? {
                found.managed.insert(policy, there);
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
            let arn = iam_arn(self.partition, &self.account, "role", &format!("{path}{}", spec.name));
            if !approve(&plan)? {
                return Ok((plan, arn));
            }
            tries += 1;
            let rewrite = |there: TrustPolicy| there.with(&spec.trust);
            match self.execute_role(&spec.name, &plan.steps, &rewrite, Some(spec)).await {
                Ok(()) => return Ok((plan, arn)),
                Err(Error::Changed { .. }) if tries < TRIES => tokio::time::sleep(pause(tries)).await,
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
        let mut tries = 0;
        loop {
            let deletion = RoleDeletion::new(&self.find_role(name, &Documents::new()).await?, issuer);
            if dry_run {
                return Ok(deletion);
            }
            tries += 1;
            let rewrite = |there: TrustPolicy| Ok(there.without(&deletion.sids));
            match self.execute_role(name, &deletion.steps, &rewrite, None).await {
                Ok(()) => return Ok(deletion),
                Err(Error::Changed { .. }) if tries < TRIES => tokio::time::sleep(pause(tries)).await,
                Err(error) => return Err(error),
            }
        }
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

    async fn get_policy(&self, arn: &str, role: &RoleName) -> Result<Option<ManagedPolicy>, Error> {
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
            surplus_version: versions.into_iter().next().filter(|_| full).and_then(|version| version.version_id),
        }))
    }

    async fn list_versions(&self, arn: &str) -> Result<Vec<PolicyVersion>, Error> {
        let pages = self.client.list_policy_versions().policy_arn(arn).into_paginator();
        let versions = pages.items().send().collect::<Result<Vec<_>, _>>().await;
        versions.map_err(|error| failed("iam:ListPolicyVersions", arn, &error))
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
                let wanted = rewrite(self.trust_now(name).await?)?;
                let request = client.update_assume_role_policy().role_name(role).policy_document(wanted.to_json());
                request.send().await.map_err(|error| failed("iam:UpdateAssumeRolePolicy", &arn, &error))?;
                // Whoever wrote at the same moment has taken something away again.
                if self.trust_now(name).await?.has_all_of(&wanted) {
                    Ok(())
                } else {
                    Err(Error::Changed { resource: arn, message: "its trust policy was overwritten".to_owned() })
                }
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
                let tags = to_iam(&Tags::from([(CREATED.to_owned(), role.to_owned())]))?;
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
                let answer = client.attach_role_policy().role_name(role).policy_arn(policy).send().await;
                // A policy that was just made may take a moment to be seen; another one is not there.
                let names = spec.and_then(|spec| spec.managed.as_ref()).into_iter().flat_map(Documents::keys);
                let is_new = names.map(|name| self.policy_arn(name)).any(|arn| arn == *policy);
                answer.map(drop).map_err(|error| match failed("iam:AttachRolePolicy", &arn, &error) {
                    Error::Changed { message, .. } if !is_new && message.contains("olicy") => {
                        Error::NoPolicy { arn: policy.clone(), message }
                    }
                    other => other,
                })
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
                // What somebody has added since the plan was made must not go with it.
                if let Some(there) = self.get_role(name).await?
                    && there.trust.has_others_than(&there.trusted_by_us())
                {
                    return Err(Error::Changed {
                        resource: arn,
                        message: "its trust policy has a new statement".to_owned(),
                    });
                }
                let answer = client.delete_role().role_name(role).send().await;
                gone(answer.map(drop), "iam:DeleteRole", &arn)
            }
        }
    }

    async fn trust_now(&self, name: &RoleName) -> Result<TrustPolicy, Error> {
        let gone = || Error::Changed { resource: self.role_arn(name), message: "the role is gone".to_owned() };
        self.get_role(name).await?.map(|role| role.trust).ok_or_else(gone)
    }

    /// A policy that others still use is theirs to keep.
    async fn delete_policy(&self, arn: &str) -> Result<(), Error> {
        let users = self.client.list_entities_for_policy().policy_arn(arn).send().await;
        let users = users.map_err(|error| failed("iam:ListEntitiesForPolicy", arn, &error))?;
        if !(users.policy_groups().is_empty() && users.policy_users().is_empty() && users.policy_roles().is_empty()) {
            return Ok(());
        }
        for version in self.list_versions(arn).await? {
            if !version.is_default_version {
                let request = self.client.delete_policy_version().policy_arn(arn).set_version_id(version.version_id);
                gone(request.send().await.map(drop), "iam:DeletePolicyVersion", arn)?;
            }
        }
        gone(self.client.delete_policy().policy_arn(arn).send().await.map(drop), "iam:DeletePolicy", arn)
    }

    /// For messages: the path of a role is known only once it is there.
    fn role_arn(&self, name: &RoleName) -> String {
        iam_arn(self.partition, &self.account, "role", &format!("/{name}"))
    }

    fn policy_arn(&self, name: &str) -> String {
        iam_arn(self.partition, &self.account, "policy", &format!("/{name}"))
    }
}

/// Longer each time: IAM takes seconds to show everywhere what was just made.
fn pause(tries: usize) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    Duration::from_millis(250 << tries.min(5)) + Duration::from_millis(u64::from(nanos % 500))
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

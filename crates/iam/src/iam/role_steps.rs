//! The calls that change a role and its policies (IAM API), one for each step of a plan.

use futures_util::future::join_all;

use super::trust_steps::Rewrite;
use super::{ATTEMPTS, Iam, failed, gone, is_policy_missing, to_iam};
use crate::tags::CREATED;
use crate::{Error, RoleName, RoleStep, Tags};

/// How much of a plan was executed.
#[derive(Default)]
pub(super) struct Outcome {
    /// Whether a step was completed.
    pub(super) wrote: bool,
    /// Policies that are kept because they are in use.
    pub(super) stayed: Vec<String>,
}

impl Iam {
    pub(super) async fn execute_role(
        &self,
        name: &RoleName,
        steps: &[RoleStep],
        rewrite: Rewrite<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        // Independent steps are executed concurrently.
        for stage in steps.chunk_by(|a, b| a.is_independent() && b.is_independent()) {
            let each = stage.iter().map(|step| async move {
                match step {
                    RoleStep::DeletePolicy(arn) => Ok(!self.delete_policy(arn).await?),
                    _ => self.execute_role_step(name, step, rewrite).await.map(|()| false),
                }
            });
            let mut failed = None;
            for (step, ended) in stage.iter().zip(join_all(each).await) {
                match (step, ended) {
                    (RoleStep::DeletePolicy(arn), Ok(true)) => outcome.stayed.push(arn.clone()),
                    (_, Ok(_)) => outcome.wrote = true,
                    // The others of the stage are executed all the same.
                    (_, Err(error)) => failed = failed.or(Some(error)),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn execute_role_step(
        &self,
        name: &RoleName,
        step: &RoleStep,
        rewrite: Rewrite<'_>,
    ) -> Result<(), Error> {
        let (client, role) = (&self.client, name.as_str());
        let arn = self.role_arn(name);
        match step {
            RoleStep::Create { trust, tags, path, max_session_secs, boundary } => {
                let request = client
                    .create_role()
                    .role_name(role)
                    .assume_role_policy_document(trust.to_json())
                    .set_path(path.as_ref().map(ToString::to_string))
                    .set_max_session_duration(
                        max_session_secs.and_then(|secs| i32::try_from(secs).ok()),
                    )
                    .set_permissions_boundary(boundary.as_ref().map(ToString::to_string))
                    .set_tags(Some(to_iam(tags)?));
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| failed("iam:CreateRole", &arn, &error))
            }
            RoleStep::UpdateTrust { .. } => self.update_trust(name, rewrite).await,
            RoleStep::SetMaxSession { to, .. } => {
                let request = client
                    .update_role()
                    .role_name(role)
                    .set_max_session_duration(i32::try_from(*to).ok());
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| failed("iam:UpdateRole", &arn, &error))
            }
            RoleStep::SetBoundary { to, .. } => {
                let request = client
                    .put_role_permissions_boundary()
                    .role_name(role)
                    .permissions_boundary(to.as_str());
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| failed("iam:PutRolePermissionsBoundary", &arn, &error))
            }
            RoleStep::PutInline { name, to, .. } => {
                let request = client
                    .put_role_policy()
                    .role_name(role)
                    .policy_name(name)
                    .policy_document(to.to_string());
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| failed("iam:PutRolePolicy", &arn, &error))
            }
            RoleStep::DeleteInline(policy) => {
                let answer =
                    client.delete_role_policy().role_name(role).policy_name(policy).send().await;
                gone(answer.map(drop), "iam:DeleteRolePolicy", &arn)
            }
            RoleStep::CreatePolicy(policy, document) => {
                let tags = to_iam(&Tags::from([(CREATED.to_owned(), role.to_owned())]))?;
                let request = client
                    .create_policy()
                    .policy_name(policy)
                    .policy_document(document.to_string())
                    .set_tags(Some(tags));
                let arn = self.policy_arn(policy);
                let Err(error) = request.send().await else { return Ok(()) };
                match failed("iam:CreatePolicy", &arn, &error) {
                    // Either another writer just created it, or it has another path, and therefore
                    // another ARN.
                    changed @ Error::Changed { .. } => {
                        tokio::time::sleep(ATTEMPTS.wait(2)).await;
                        match self.get_policy(&arn, name).await? {
                            Some(_) => Err(changed),
                            None => Err(Error::PolicyElsewhere { name: policy.clone() }),
                        }
                    }
                    other => Err(other),
                }
            }
            RoleStep::UpdatePolicy { arn, to, surplus_version, .. } => {
                if let Some(version) = surplus_version {
                    let answer = client
                        .delete_policy_version()
                        .policy_arn(arn)
                        .version_id(version)
                        .send()
                        .await;
                    gone(answer.map(drop), "iam:DeletePolicyVersion", arn)?;
                }
                let request = client
                    .create_policy_version()
                    .policy_arn(arn)
                    .policy_document(to.to_string())
                    .set_as_default(true);
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| failed("iam:CreatePolicyVersion", arn, &error))
            }
            RoleStep::Attach { arn: policy, is_made } => {
                let answer =
                    client.attach_role_policy().role_name(role).policy_arn(policy).send().await;
                answer.map(drop).map_err(|error| {
                    let is_policy = is_policy_missing(&error);
                    match failed("iam:AttachRolePolicy", &arn, &error) {
                        // A new policy may take some time to become visible; any other policy
                        // does not exist.
                        Error::Changed { code, message, .. } if !is_made && is_policy => {
                            Error::NoPolicy { arn: policy.clone(), code, message }
                        }
                        other => other,
                    }
                })
            }
            RoleStep::Detach(policy) => {
                let answer =
                    client.detach_role_policy().role_name(role).policy_arn(policy).send().await;
                gone(answer.map(drop), "iam:DetachRolePolicy", &arn)
            }
            RoleStep::DeletePolicy(policy) => self.delete_policy(policy).await.map(drop),
            RoleStep::Tag { to, .. } => {
                let request = client.tag_role().role_name(role).set_tags(Some(to_iam(to)?));
                request.send().await.map(drop).map_err(|error| failed("iam:TagRole", &arn, &error))
            }
            RoleStep::Untag(keys) => {
                let request = client.untag_role().role_name(role).set_tag_keys(Some(keys.clone()));
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| failed("iam:UntagRole", &arn, &error))
            }
            RoleStep::Delete(sids) => {
                // Statements that were added since the plan was made must not be deleted.
                if let Some(there) = self.get_role(name).await?
                    && there.trust.has_others_than(sids)
                {
                    return Err(Error::Changed {
                        resource: arn,
                        code: None,
                        message: "its trust policy has a new statement".to_owned(),
                    });
                }
                let answer = client.delete_role().role_name(role).send().await;
                gone(answer.map(drop), "iam:DeleteRole", &arn)
            }
        }
    }

    /// Deletes a policy unless it is still in use; returns whether it was deleted.
    async fn delete_policy(&self, arn: &str) -> Result<bool, Error> {
        let users = self.client.list_entities_for_policy().policy_arn(arn).send().await;
        let users = users.map_err(|error| failed("iam:ListEntitiesForPolicy", arn, &error))?;
        if !(users.policy_groups().is_empty()
            && users.policy_users().is_empty()
            && users.policy_roles().is_empty())
        {
            return Ok(false);
        }
        for version in self.list_versions(arn).await? {
            if !version.is_default_version {
                let request = self
                    .client
                    .delete_policy_version()
                    .policy_arn(arn)
                    .set_version_id(version.version_id);
                gone(request.send().await.map(drop), "iam:DeletePolicyVersion", arn)?;
            }
        }
        gone(
            self.client.delete_policy().policy_arn(arn).send().await.map(drop),
            "iam:DeletePolicy",
            arn,
        )?;
        Ok(true)
    }
}

//! Executing a deletion: cluster, provider, roles, documents, so that access ends before the keys are
//! deleted.

use futures_util::future::join_all;
use issuer_change::{Describe, Notice};
use issuer_discovery::IssuerUrl;
use issuer_iam::{Documents, RoleDeletion, RoleName};
use issuer_publish::BucketEnd;

use crate::{DeletionPlan, Error, Event, Observed, Reconciler, Target};

impl Reconciler<'_> {
    /// Executes a deletion. The deletions of the roles are replaced by the executed ones.
    ///
    /// # Errors
    /// A denied or failed call. Completed steps are kept ([`DeletionPlan::wrote`]), and the next run
    /// continues from there.
    pub async fn delete(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &mut DeletionPlan,
        force: bool,
    ) -> Result<(), Error> {
        self.delete_workload(target, seen, &mut plan.workload).await?;
        if let Some((provider, None)) = &plan.provider {
            self.event(target, Event::Started("provider"));
            let iam = self.iam().await?;
            issuer_diagnostic::write(iam.delete_provider(provider, force)).await?;
            issuer_diagnostic::wrote("the deletion of the OIDC provider".to_owned());
            plan.provider_deleted = true;
        }
        let (url, none) = (&plan.url, Documents::new());
        let declared = plan.roles.iter_mut();
        let declared = declared.map(|role| (&role.name, &role.managed, &mut role.deletion));
        let orphaned = plan.orphaned.iter_mut();
        let orphaned =
            orphaned.filter_map(|role| Some((&role.name, &none, role.deletion.as_mut()?)));
        let deleted = join_all(declared.chain(orphaned).map(|(name, managed, deletion)| {
            self.delete_role(target, name, url, managed, deletion)
        }));
        deleted.await.into_iter().collect::<Result<(), _>>()?;
        self.delete_site(target, seen, plan).await?;
        match plan.front_mut() {
            Some(removal) => self.delete_front(target, removal).await,
            None => Ok(()),
        }
    }

    /// Deletions are irreversible, so a new plan for each role is made just before.
    pub(crate) async fn delete_role(
        &self,
        target: &Target,
        name: &RoleName,
        issuer: &IssuerUrl,
        managed: &Documents,
        deletion: &mut RoleDeletion,
    ) -> Result<(), Error> {
        let again =
            |deletion: &RoleDeletion| self.event(target, Event::Replanned(&deletion.changes()));
        let iam = self.iam().await?;
        let deleted = iam.delete_role(name, Some(issuer), managed, deletion, again);
        self.change_role(name, deleted).await?;
        if deletion.wrote() {
            issuer_diagnostic::wrote(format!("the deletion of the role {name}"));
        }
        self.tell_kept_policies(target, &deletion.stayed);
        Ok(())
    }

    async fn delete_site(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &mut DeletionPlan,
    ) -> Result<(), Error> {
        let (Some((store, _)), Some(removal)) = (&seen.site, plan.removal_mut()) else {
            return Ok(());
        };
        let _turn = self.shared.turn_at_bucket(target).await;
        let message = match (
            issuer_publish::remove(store, removal).await?,
            removal.deletes_bucket(),
        ) {
            (BucketEnd::Deleted(bucket), false) => {
                format!("the bucket {bucket} was also deleted: it was empty")
            }
            (BucketEnd::Stays(bucket), true) => format!(
                "the bucket {bucket} is kept: there is something else in it, such as old versions \
                 of objects"
            ),
            _ => return Ok(()),
        };
        self.event(target, Event::Notice(&Notice { id: "bucket".into(), message }));
        Ok(())
    }
}

//! Executing a plan: publish the site, verify it the way STS reads it, then change the provider and
//! the roles, so that nothing in IAM refers to an issuer that does not work, and then the cluster, so
//! that no pod has a role that does not exist.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use issuer_change::{Describe, Notice};
use issuer_diagnostic::now_secs;
use issuer_discovery::IssuerUrl;
use issuer_iam::{DEFAULT_AUDIENCE, Documents, ProviderPlan, RolePlan};
use issuer_jwks::Token;
use issuer_publish::{Plan, Step};
use issuer_verify::{Expected, Verdict};

use crate::plan::approve;
use crate::{Error, Event, IssuerPlan, Observed, PlannedSite, Reconciler, Target};

/// How long a new bucket policy may take to propagate.
const SPREAD_LIMIT: Duration = Duration::from_secs(20);

impl Reconciler<'_> {
    /// Executes a plan, and returns the result of reading the site back. After a concurrent change a
    /// new plan is made, which replaces `plan`, and is reported as [`Event::Replanned`].
    ///
    /// # Errors
    /// A denied or failed call. Completed steps are kept ([`IssuerPlan::wrote`]), and the next run
    /// continues from there. [`Error::NotAccepted`] and [`Error::NotVerified`]: nothing was changed
    /// in IAM.
    pub async fn apply(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &mut IssuerPlan,
        verify: bool,
    ) -> Result<Option<Verdict>, Error> {
        let verdict = self.apply_site(target, seen, plan, verify).await?;
        if let Some(verdict) = verdict.as_ref().filter(|verdict| !verdict.passed()) {
            let (issuer, verdict) = (seen.url.clone(), Box::new(verdict.clone()));
            return Err(Error::NotAccepted { issuer, verdict });
        }
        // The web server may not serve the current contents of the folder yet.
        let unseen = target.folder().is_some() || target.site.is_none();
        if unseen && plan.provider.is_some() && verify {
            self.verify_url(target, &seen.url).await?;
        }
        self.apply_iam(target, plan).await?;
        self.apply_workload(target, seen, &mut plan.workload).await?;
        Ok(verdict)
    }

    /// Verifies an issuer the way AWS STS reads it, before a provider trusts it.
    ///
    /// # Errors
    /// [`Error::NotVerified`].
    pub async fn verify(&self, target: &Target) -> Result<(), Error> {
        self.verify_url(target, &self.issuer(target).await?).await
    }

    async fn verify_url(&self, target: &Target, url: &IssuerUrl) -> Result<(), Error> {
        self.event(target, Event::Waiting(&format!("reading {url} as AWS STS does")));
        let observation = issuer_verify::fetch(url, &self.shared.fetch).await?;
        self.event(target, Event::Waited);
        let expected =
            Expected { issuer: Some(url.clone()), now_secs: now_secs(), ..Expected::default() };
        let verdict = issuer_verify::judge(&observation, &expected);
        if verdict.passed() {
            return Ok(());
        }
        Err(Error::NotVerified { issuer: url.clone(), verdict: Box::new(verdict) })
    }

    async fn apply_site(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &mut IssuerPlan,
        verify: bool,
    ) -> Result<Option<Verdict>, Error> {
        let planned = (&target.site, &seen.site, &mut plan.site);
        let (Some(wanted), Some((store, _)), Some(PlannedSite { site, plan })) = planned else {
            return Ok(None);
        };
        // The key of a token that is dropped on request proves nothing.
        let proves = approve(plan, wanted, seen)?.is_empty();
        let live = seen.live.as_ref().filter(|_| proves);
        if live.is_some() {
            self.event(target, Event::LiveKeyProved);
        }
        let again = |plan: &Plan| {
            approve(plan, wanted, seen)?;
            self.event(target, Event::Replanned(&plan.changes()));
            Ok::<_, Error>(())
        };
        let progress = |step: Step| match step {
            Step::Bucket => self.event(target, Event::Started("bucket")),
            Step::Document(name) => self.event(target, Event::Started(name)),
            Step::Kept(version) => self.event(target, Event::Kept(&version)),
            Step::Notice(notice) => self.event(target, Event::Notice(&notice)),
            _ => {}
        };
        let _turn = match plan.bucket() {
            Some(bucket) if !bucket.is_empty() => self.shared.turn_at_bucket(target).await,
            _ => None,
        };
        let options = &wanted.options;
        issuer_publish::publish(store, site, options, plan, again, progress).await?;
        drop(_turn);
        if !verify {
            return Ok(None);
        }
        self.wait_for_front(target).await?;
        let verdict = self.read_back(target, plan, live).await?;
        let folder = target.folder().is_some();
        self.event(target, Event::Verified { verdict: &verdict, folder });
        Ok(Some(verdict))
    }

    /// Reads a folder from disk, and everything else over https the way AWS STS does.
    async fn read_back(
        &self,
        target: &Target,
        plan: &Plan,
        live: Option<&Token>,
    ) -> Result<Verdict, Error> {
        let weak = target.site.as_ref().map(|site| site.options.weak).unwrap_or_default();
        let expected = Expected {
            issuer: Some(plan.issuer().clone()),
            keys: Some(plan.keys().clone()),
            source: None,
            token: live.map(Token::compact),
            audiences: vec![DEFAULT_AUDIENCE.to_owned()],
            now_secs: now_secs(),
            weak,
        };
        if let Some(folder) = target.folder() {
            return Ok(issuer_verify::judge(&issuer_verify::read_folder(folder)?, &expected));
        }
        let waits_for = format!("reading {} back the way AWS STS does", plan.issuer());
        self.event(target, Event::Waiting(&waits_for));
        let start = Instant::now();
        loop {
            let observation = issuer_verify::fetch(plan.issuer(), &self.shared.fetch).await?;
            let verdict = issuer_verify::judge(&observation, &expected);
            // Changes of the bucket policy may take some time to propagate.
            let settles = plan.wrote() && start.elapsed() <= SPREAD_LIMIT;
            if verdict.passed() || !settles {
                self.event(target, Event::Waited);
                return Ok(verdict);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    async fn apply_iam(&self, target: &Target, plan: &mut IssuerPlan) -> Result<(), Error> {
        if plan.provider.is_none() && plan.roles.is_empty() && plan.orphaned.is_empty() {
            return Ok(());
        }
        let iam = self.iam().await?;
        if let Some((spec, plan)) = &mut plan.provider {
            if !plan.is_empty() {
                self.event(target, Event::Started("provider"));
            }
            let again = |plan: &ProviderPlan| self.event(target, Event::Replanned(&plan.changes()));
            issuer_diagnostic::write(iam.apply_provider(spec, plan, again)).await?;
            if plan.wrote() {
                issuer_diagnostic::wrote("the OIDC provider".to_owned());
            }
        }
        let roles = join_all(plan.roles.iter_mut().map(|(spec, plan)| async move {
            if !plan.is_empty() {
                self.event(target, Event::Started(&format!("role {}", spec.name)));
            }
            let again = |plan: &RolePlan| self.event(target, Event::Replanned(&plan.changes()));
            self.change_role(&spec.name, iam.apply_role(spec, plan, again)).await?;
            if plan.wrote() {
                issuer_diagnostic::wrote(format!("the role {}", spec.name));
            }
            self.tell_kept_policies(target, &plan.stayed);
            Ok::<_, Error>(())
        }));
        roles.await.into_iter().collect::<Result<(), _>>()?;
        let (url, none) = (&plan.url, Documents::new());
        let orphaned = plan.orphaned.iter_mut();
        let orphaned = orphaned.filter_map(|role| Some((&role.name, role.deletion.as_mut()?)));
        let deleted = join_all(
            orphaned.map(|(name, deletion)| self.delete_role(target, name, url, &none, deletion)),
        );
        deleted.await.into_iter().collect()
    }

    /// Reports policies that were not deleted.
    pub(crate) fn tell_kept_policies(&self, target: &Target, arns: &[String]) {
        for arn in arns {
            let message = format!("{arn} was not deleted: something else uses it");
            self.event(target, Event::Notice(&Notice { id: "policy-in-use".into(), message }));
        }
    }
}

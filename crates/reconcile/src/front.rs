//! The distribution that serves the documents of a private bucket. It comes first: the bucket policy names
//! its ARN, and without a domain of one's own its domain is the issuer.

use issuer_change::Notice;
use issuer_cloudfront::{CloudFront, Distribution, FrontPlan, FrontRemoval, FrontSpec, FrontState};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_manifest::ThumbprintSource;
use issuer_publish::{AccessMode, Purpose, S3Location, S3Options, Store};
use serde_json::{Value, json};

use crate::{Error, Event, IssuerPlan, Observed, Reconciler, Scope, Target};

/// It stands in for the domain of a distribution that does not exist yet, which CloudFront chooses.
const STAND_IN: &str = "https://d0000000000000.cloudfront.net";

impl Target {
    /// The target as it can be planned before its distribution exists, to find whatever would refuse it
    /// afterwards: with a domain that stands in for that of the distribution, and without the thumbprint of a
    /// server that does not answer yet.
    #[must_use]
    pub fn before_front(mut self) -> Self {
        self.issuer = self.issuer.or_else(|| IssuerUrl::parse(STAND_IN, Ports::Refuse).ok());
        if let Some(provider) = &mut self.provider {
            provider.thumbprints.retain(|thumbprint| *thumbprint != ThumbprintSource::Auto);
        }
        self
    }

    /// The bucket and its options, if CloudFront serves it.
    #[must_use]
    pub fn behind_cloudfront(&self) -> Option<(&S3Location, &S3Options)> {
        self.s3().filter(|(_, options)| options.access == AccessMode::CloudFront)
    }
}

impl Reconciler<'_> {
    /// The steps to the distribution of a target; `None` if it has none. Nothing else can be planned
    /// before it exists.
    ///
    /// # Errors
    /// A denied or failed call; an issuer that a distribution cannot have.
    pub async fn front(&self, target: &Target) -> Result<Option<FrontPlan>, Error> {
        let Some((location, options)) = target.behind_cloudfront() else { return Ok(None) };
        let Some(Store::S3(s3)) = self.store(target).await? else { return Ok(None) };
        let certificate = options.certificate_arn.as_deref();
        let issuer = target.issuer.as_ref();
        let spec =
            FrontSpec::new(location, s3.region(), issuer, certificate, options.max_age_secs)?;
        let state = self.cloudfront().await?.observe(&spec).await?;
        let domain = state.distribution.as_ref().map(|there| there.domain.as_str());
        if let Some(issuer) = issuer.filter(|_| spec.domain.is_none())
            && domain != Some(issuer.host())
        {
            let (issuer, domain) = (issuer.to_string(), domain.map(str::to_owned));
            return Err(issuer_cloudfront::Error::OtherDomain { issuer, domain }.into());
        }
        self.remember(location, state.distribution.clone());
        Ok(Some(FrontPlan::new(&spec, &state)))
    }

    /// What is planned of a target before its distribution is created, which takes minutes to be taken back:
    /// whatever would refuse the target afterwards is found here. `None` if none is created.
    ///
    /// # Errors
    /// Those of [`Reconciler::observe`] and [`IssuerPlan::new`].
    pub async fn before_front(
        &self,
        target: &Target,
        front: &FrontPlan,
    ) -> Result<Option<(Observed, IssuerPlan)>, Error> {
        let Some((location, _)) = target.behind_cloudfront().filter(|_| front.creates()) else {
            return Ok(None);
        };
        let target = target.clone().before_front();
        let seen = self.observe(&target, Scope::apply(false).with_orphans(false)).await?;
        let plan = IssuerPlan::new(&target, &seen, false)?;
        self.keep_keys(location, seen.keys.clone());
        Ok(Some((seen, plan)))
    }

    /// Executes the plan of a distribution; it is deployed when the site is verified.
    ///
    /// # Errors
    /// A denied or failed call. Completed steps are kept, and the next run continues from there.
    pub async fn apply_front(&self, target: &Target, plan: &FrontPlan) -> Result<(), Error> {
        let Some((location, _)) = target.behind_cloudfront().filter(|_| !plan.is_empty()) else {
            return Ok(());
        };
        self.event(target, Event::Started("distribution"));
        // Issuers share cache policies.
        let _turn = self.shared.alone("cloudfront".to_owned()).await;
        let made = issuer_diagnostic::write(self.cloudfront().await?.apply(plan)).await?;
        if let Some(made) = &made {
            issuer_diagnostic::wrote(format!("the distribution {}", made.id));
            if let Some(message) = dns_name(made) {
                self.event(target, Event::Notice(&Notice { id: "dns".into(), message }));
            }
        }
        self.remember(location, made);
        Ok(())
    }

    /// Where the name of an issuer with a domain of its own must lead, if a distribution serves it.
    pub async fn dns_name(&self, target: &Target) -> Option<String> {
        let (location, _) = target.behind_cloudfront()?;
        dns_name(&self.distribution(location).await.ok()??)
    }

    /// Waits until the distribution answers with its last settings everywhere, unless this run does not wait.
    pub(crate) async fn wait_for_front(&self, target: &Target) -> Result<(), Error> {
        let Some((location, _)) = target.behind_cloudfront() else { return Ok(()) };
        let Some(there) = self.distribution(location).await?.filter(|there| !there.is_deployed)
        else {
            return Ok(());
        };
        self.until_everywhere(target, &there.id, "deployed").await?;
        self.remember(location, Some(Distribution { is_deployed: true, ..there }));
        Ok(())
    }

    /// What a deletion depends on.
    pub(crate) async fn front_to_delete(
        &self,
        target: &Target,
        purpose: Purpose,
    ) -> Result<Option<FrontState>, Error> {
        match target.behind_cloudfront().filter(|_| purpose == Purpose::Remove) {
            Some((location, options)) => {
                let cloudfront = self.cloudfront().await?;
                Ok(Some(cloudfront.observe_removal(location, options.max_age_secs).await?))
            }
            None => Ok(None),
        }
    }

    pub(crate) async fn delete_front(
        &self,
        target: &Target,
        removal: &mut FrontRemoval,
    ) -> Result<(), Error> {
        let cloudfront = self.cloudfront().await?;
        if let Some(there) = removal.distribution().cloned() {
            cloudfront.disable(removal).await?;
            if there.settings.enabled || !there.is_deployed {
                self.until_everywhere(target, &there.id, "disabled").await?;
            }
        }
        Ok(cloudfront.remove(removal).await?)
    }

    async fn until_everywhere(
        &self,
        target: &Target,
        id: &str,
        change: &'static str,
    ) -> Result<(), Error> {
        let pending = issuer_cloudfront::Error::InProgress { id: id.to_owned(), change };
        if !self.waits {
            return Err(pending.into());
        }
        self.event(target, Event::Waiting(&pending.to_string()));
        self.cloudfront().await?.wait(id).await?;
        self.event(target, Event::Waited);
        Ok(())
    }

    /// The distribution of a place, which is looked up once in a run.
    pub(crate) async fn distribution(
        &self,
        location: &S3Location,
    ) -> Result<Option<Distribution>, Error> {
        if let Some(known) = self.remembered(location) {
            return Ok(known);
        }
        let found = self.cloudfront().await?.find(location).await?;
        self.remember(location, found.clone());
        Ok(found)
    }

    async fn cloudfront(&self) -> Result<CloudFront, Error> {
        Ok(CloudFront::new(self.sdk_config().await?))
    }
}

/// The issuer of a deletion that has deleted the distribution, whose domain it was: the same stand-in.
///
/// # Errors
/// Every other error.
pub(crate) fn without_distribution(error: Error, purpose: Purpose) -> Result<IssuerUrl, Error> {
    match error {
        Error::Publish(issuer_publish::Error::NoDistribution { .. })
            if purpose == Purpose::Remove =>
        {
            Ok(IssuerUrl::parse(STAND_IN, Ports::Refuse)?)
        }
        error => Err(error),
    }
}

/// What a deletion says of such an issuer.
pub(crate) fn unknown_issuer(url: &IssuerUrl) -> Option<Notice> {
    (url.as_str() == STAND_IN).then(|| Notice {
        id: "issuer-unknown".into(),
        message: format!(
            "the distribution is gone, and with it the domain that was the issuer: {STAND_IN} stands in for \
             it, so a provider or roles that trust the issuer would not be found"
        ),
    })
}

/// The permissions for the distribution. Its ID, and those of what it refers to, are known after their
/// creation.
pub(crate) fn permissions(target: &Target, purpose: Purpose) -> Option<Value> {
    target.behind_cloudfront()?;
    let mut actions = vec!["cloudfront:ListDistributions"];
    match purpose {
        Purpose::Plan | Purpose::Import | Purpose::Publish | Purpose::Rollback => {
            actions.extend(["cloudfront:ListOriginAccessControls", "cloudfront:ListCachePolicies"]);
        }
        Purpose::Remove => actions.extend([
            "cloudfront:ListOriginAccessControls",
            "cloudfront:ListCachePolicies",
            "cloudfront:GetDistribution",
            "cloudfront:GetDistributionConfig",
            "cloudfront:UpdateDistribution",
            "cloudfront:DeleteDistribution",
            "cloudfront:GetOriginAccessControl",
            "cloudfront:DeleteOriginAccessControl",
            "cloudfront:GetCachePolicy",
            "cloudfront:DeleteCachePolicy",
        ]),
        _ => {}
    }
    if matches!(purpose, Purpose::Publish | Purpose::Rollback) {
        actions.extend([
            "cloudfront:CreateOriginAccessControl",
            "cloudfront:CreateCachePolicy",
            "cloudfront:CreateDistribution",
            "cloudfront:GetDistribution",
            "cloudfront:GetDistributionConfig",
            "cloudfront:UpdateDistribution",
        ]);
    }
    Some(policy(&actions))
}

/// Those to repair it and what it refers to, without waiting for it.
pub(crate) fn permissions_to_mend(target: &Target) -> Option<Value> {
    target.behind_cloudfront()?;
    Some(policy(&[
        "cloudfront:ListDistributions",
        "cloudfront:ListOriginAccessControls",
        "cloudfront:ListCachePolicies",
        "cloudfront:CreateOriginAccessControl",
        "cloudfront:CreateCachePolicy",
        "cloudfront:GetDistributionConfig",
        "cloudfront:UpdateDistribution",
    ]))
}

fn policy(actions: &[&str]) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": "*"},
    ]})
}

fn dns_name(distribution: &Distribution) -> Option<String> {
    let aliases = &distribution.settings.aliases;
    (!aliases.is_empty()).then(|| {
        format!(
            "the DNS name {} must lead to {}: a CNAME record, or an alias record of Route 53",
            aliases.join(", "),
            distribution.domain
        )
    })
}

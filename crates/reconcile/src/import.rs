//! The input of the renderers: targets, and the resources that already exist.

use issuer_cloudfront::FrontSpec;
use issuer_discovery::{IssuerUrl, Partition};
use issuer_iam::{AccountId, Documents, Thumbprint};
use issuer_publish::{Existence, Plan, Purpose, S3Location, Site, Store, StoreState};
use issuer_render::{Existing, RenderedDocuments, RenderedSite, Rendering};

use crate::observe::Scope;
use crate::{Error, Event, Reconciler, SourceKeys, Target};

/// Returns the command that publishes the documents of a target with this issuer and region, for
/// tools that cannot. Without it no bucket and no documents are rendered.
pub type PublishLine<'a> = Option<&'a dyn Fn(&Target, &IssuerUrl, &str) -> String>;

/// The input of the renderers.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Rendered {
    /// One per target.
    pub renderings: Vec<Rendering>,
    /// The existing resources, if they were requested.
    pub existing: Existing,
}

/// Renders without calling AWS: for this account, with issuers derived from regions.
///
/// # Errors
/// [`Error::NoRegion`]; keys that conflict.
pub fn render_offline(
    target: &Target,
    keys: Option<&SourceKeys>,
    account: &AccountId,
    partition: Option<Partition>,
    line: PublishLine<'_>,
) -> Result<Rendering, Error> {
    let region = target.s3().and_then(|(_, options)| options.region.clone());
    let url = offline_url(target)?;
    let partition = partition
        .or_else(|| region.as_deref().map(Partition::of_region))
        .or_else(|| Partition::of_host(url.host()))
        .unwrap_or(Partition::of_region(""));
    let bucket = line.zip(target.s3().filter(|_| target.is_in_aws()));
    let site = match (bucket, region) {
        (None, _) => None,
        (Some(_), None) => return Err(Error::NoRegion { name: target.label() }),
        (Some((line, (location, _))), Some(region)) => {
            let plan = keys.map(|keys| first(target, &url, keys)).transpose()?;
            Some(rendered_site(target, location, &url, plan.as_ref(), region, line)?)
        }
    };
    Ok(rendering(target, &url, account, partition, site, None))
}

impl Reconciler<'_> {
    /// Renders for the account of the credentials, with existing resources if they are imported.
    ///
    /// # Errors
    /// A state that cannot be read, or that conflicts with the target.
    pub async fn render(
        &self,
        target: &Target,
        documents: bool,
        import: bool,
        line: PublishLine<'_>,
        into: &mut Rendered,
    ) -> Result<(), Error> {
        let keys = documents && target.is_in_aws();
        let scope =
            Scope { purpose: Purpose::Import, keys, iam: true, orphans: true, prune: false };
        let keys = self.read_keys(target, scope).await?;
        let store = self.store(target).await?;
        let (url, iam) = (self.url(target, store.as_ref())?, self.iam().await?);
        for notice in keys.notices_for(&url) {
            self.event(target, Event::Notice(&notice));
        }
        let top = match line {
            Some(_) => self.top_of_chain(target, &url).await?,
            None => None,
        };
        let bucket = line.zip(target.s3().filter(|_| target.is_in_aws()));
        let site = match (&store, bucket) {
            (Some(store @ Store::S3(s3)), Some((line, (location, _)))) => {
                let plan = match (documents, import) {
                    (false, _) => None,
                    (true, false) => Some(first(target, &url, &keys)?),
                    (true, true) => Some(
                        self.import_site(target, &url, &keys, store, &mut into.existing).await?,
                    ),
                };
                let region = s3.region().to_owned();
                Some(rendered_site(target, location, &url, plan.as_ref(), region, line)?)
            }
            _ => None,
        };
        let rendering = rendering(target, &url, iam.account(), iam.partition(), site, top.as_ref());
        if import {
            self.import_iam(&rendering, &mut into.existing).await?;
        }
        into.renderings.push(rendering);
        Ok(())
    }

    /// The bucket and its objects. Published keys are kept, as in `apply`.
    async fn import_site(
        &self,
        target: &Target,
        url: &IssuerUrl,
        keys: &SourceKeys,
        store: &Store,
        existing: &mut Existing,
    ) -> Result<Plan, Error> {
        let state = store.read(Purpose::Import).await?;
        let plan = plan(target, url, keys, &store.location(), &state)?;
        if let (Some(bucket), Some((location, _))) = (&state.bucket, target.s3())
            && bucket.state.existence != Existence::Missing
        {
            let state = &bucket.state;
            let entry = existing.buckets.entry(location.bucket.to_string()).or_default();
            // Another target may have read fewer settings of the same bucket.
            entry.ownership |= state.ownership.present().is_some();
            entry.block |= state.block.present().is_some();
            entry.policy = entry.policy.take().or_else(|| state.policy.present().cloned());
            entry.tags.extend(state.tags.present().cloned().unwrap_or_default());
            let documents = plan.documents().iter();
            let exist = documents.filter(|plan| plan.action != issuer_change::Action::Create);
            entry.objects.extend(exist.map(|plan| location.object_key(plan.name)));
        }
        Ok(plan)
    }

    /// The provider, the roles and their policies.
    async fn import_iam(
        &self,
        rendering: &Rendering,
        existing: &mut Existing,
    ) -> Result<(), Error> {
        let iam = self.iam().await?;
        if rendering.provider.is_some() {
            existing.providers.extend(iam.provider(&rendering.issuer).await?);
        }
        let none = Documents::new();
        for role in &rendering.roles {
            let managed = role.managed.as_ref().unwrap_or(&none);
            let found = iam.find_role(&role.name, &none, managed).await?;
            let entry = existing.roles.entry(role.name.to_string()).or_default();
            entry.role = found.role;
            entry.managed.extend(found.managed);
        }
        Ok(())
    }
}

/// The issuer of the target, or the one derived from its bucket and region, without calling AWS.
///
/// # Errors
/// [`Error::NoRegion`], and a derived issuer that is not valid.
pub fn offline_url(target: &Target) -> Result<IssuerUrl, Error> {
    if let Some(url) = &target.issuer {
        return Ok(url.clone());
    }
    // The domain of a distribution is known after it was created.
    if target.behind_cloudfront().is_some() {
        return Err(Error::NoIssuer { name: target.label() });
    }
    let no_region = || Error::NoRegion { name: target.label() };
    let (location, options) = target.s3().ok_or_else(no_region)?;
    // The issuer of an S3-compatible store does not depend on the region.
    let endpoint = options.endpoint_url.as_deref();
    let region = options.region.as_deref().or(endpoint.map(|_| "")).ok_or_else(no_region)?;
    let url = location.issuer_url(region, endpoint, options.path_style)?;
    Ok(IssuerUrl::parse(&url, target.ports)?)
}

/// The documents if nothing is published yet: only with the keys of the sources.
fn first(target: &Target, url: &IssuerUrl, keys: &SourceKeys) -> Result<Plan, Error> {
    plan(target, url, keys, "", &StoreState::default())
}

fn plan(
    target: &Target,
    url: &IssuerUrl,
    keys: &SourceKeys,
    location: &str,
    state: &StoreState,
) -> Result<Plan, Error> {
    let wanted = target.site.as_ref();
    let shape = wanted.map(|site| site.shape).unwrap_or_default();
    let options = wanted.map(|site| site.options).unwrap_or_default();
    let site = Site::new(keys.keys.clone(), url.clone(), shape);
    Ok(Plan::new(location, &site, state, &options)?)
}

fn rendered_site(
    target: &Target,
    location: &S3Location,
    url: &IssuerUrl,
    plan: Option<&Plan>,
    region: String,
    line: &dyn Fn(&Target, &IssuerUrl, &str) -> String,
) -> Result<RenderedSite, Error> {
    let options = target.s3().map(|(_, options)| options.clone()).unwrap_or_default();
    let documents = plan.map(|plan| {
        let [keys, discovery] = plan.documents();
        RenderedDocuments { keys_json: keys.bytes.clone(), discovery_json: discovery.bytes.clone() }
    });
    let front = match target.behind_cloudfront() {
        // The domain of a distribution is known after it was created.
        Some(_) if target.issuer.is_none() => {
            return Err(Error::NoIssuer { name: target.label() });
        }
        Some(_) => {
            let certificate = options.certificate_arn.as_deref();
            let secs = options.max_age_secs;
            let spec = FrontSpec::new(location, &region, Some(url), certificate, secs)?;
            if spec.domain.is_none() {
                let (issuer, domain) = (url.to_string(), None);
                return Err(issuer_cloudfront::Error::OtherDomain { issuer, domain }.into());
            }
            Some(spec)
        }
        None => None,
    };
    Ok(RenderedSite {
        location: location.clone(),
        front,
        publish_line: line(target, url, &region),
        region,
        create_bucket: options.create_bucket,
        access: options.access,
        shared_bucket: options.shared_bucket,
        cache_control: options.cache_control(),
        documents,
    })
}

fn rendering(
    target: &Target,
    url: &IssuerUrl,
    account: &AccountId,
    partition: Partition,
    site: Option<RenderedSite>,
    top_of_chain: Option<&Thumbprint>,
) -> Rendering {
    Rendering {
        name: target.label(),
        issuer: url.clone(),
        account: account.clone(),
        partition,
        site,
        provider: target.provider_spec(url, top_of_chain),
        roles: target.role_specs(url, account, partition),
    }
}

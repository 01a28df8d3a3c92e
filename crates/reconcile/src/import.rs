//! A target as a value that other tools' formats are rendered from, and what exists already.

use issuer_discovery::{IssuerUrl, Partition};
use issuer_iam::{AccountId, Documents, Thumbprint};
use issuer_publish::{Existence, Plan, Purpose, S3Location, Site, Store, StoreState};
use issuer_render::{Existing, RenderedDocuments, RenderedSite, Rendering};

use crate::observe::Scope;
use crate::{Error, Reconciler, SourceKeys, Target};

/// The command that publishes the documents, for tools that cannot: of a target, its issuer and
/// its bucket's region. Without one no bucket and no documents are rendered.
pub type PublishLine<'a> = Option<&'a dyn Fn(&Target, &IssuerUrl, &str) -> String>;

/// Targets as other tools' formats need them.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Rendered {
    /// One for each target.
    pub renderings: Vec<Rendering>,
    /// What exists already, where it was asked for.
    pub existing: Existing,
}

/// Without asking AWS anything: with this account, and the issuers that follow from regions.
///
/// # Errors
/// [`Error::NoRegion`]; keys that do not fit together.
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
    let bucket = line.zip(target.s3().filter(|_| is_in_aws(target)));
    let site = match (bucket, region) {
        (None, _) => None,
        (Some(_), None) => return Err(Error::NoRegion { name: target.label() }),
        (Some((line, (location, _))), Some(region)) => {
            let plan = keys.map(|keys| first(target, &url, keys)).transpose()?;
            Some(rendered_site(target, location, &url, plan.as_ref(), region, line))
        }
    };
    Ok(rendering(target, &url, account, partition, site, None))
}

impl Reconciler<'_> {
    /// For the account of the credentials, and with what exists already where it is to be imported.
    ///
    /// # Errors
    /// Whatever cannot be read, or contradicts the target.
    pub async fn render(
        &self,
        target: &Target,
        documents: bool,
        import: bool,
        line: PublishLine<'_>,
        into: &mut Rendered,
    ) -> Result<(), Error> {
        let scope = Scope { purpose: Purpose::Import, keys: documents, iam: true, prune: false };
        let keys = self.read_keys(target, scope).await?;
        let store = match &target.site {
            Some(site) => Some(self.store(&site.store).await?),
            None => None,
        };
        let (url, iam) = (self.url(target, store.as_ref())?, self.iam().await?);
        let top: Option<Thumbprint> = match target.needs_top_of_chain() && line.is_some() {
            true => Some(issuer_verify::top_of_chain(&url, &self.fetch).await?.parse()?),
            false => None,
        };
        let bucket = line.zip(target.s3().filter(|_| is_in_aws(target)));
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
                Some(rendered_site(target, location, &url, plan.as_ref(), region, line))
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

    /// The bucket and the objects in it. Published keys stay, as when it is applied.
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
            // Another document may have read less of the same bucket.
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

/// Whether the bucket is one of AWS, which alone other tools know.
fn is_in_aws(target: &Target) -> bool {
    target.s3().is_some_and(|(_, options)| options.endpoint_url.is_none())
}

/// The issuer that the target names, or that follows from its bucket and region.
fn offline_url(target: &Target) -> Result<IssuerUrl, Error> {
    if let Some(url) = &target.issuer {
        return Ok(url.clone());
    }
    let no_region = || Error::NoRegion { name: target.label() };
    let (location, options) = target.s3().ok_or_else(no_region)?;
    // That of a compatible store does not name the region.
    let endpoint = options.endpoint_url.as_deref();
    let region = options.region.as_deref().or(endpoint.map(|_| "")).ok_or_else(no_region)?;
    let url = location.issuer_url(region, endpoint, options.path_style)?;
    Ok(IssuerUrl::parse(&url, target.ports)?)
}

/// The documents as they are where nothing is published yet: with the keys of the sources alone.
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
    let site = Site { keys: keys.keys.clone(), issuer: url.clone(), shape };
    Ok(Plan::new(location, &site, state, &options)?)
}

fn rendered_site(
    target: &Target,
    location: &S3Location,
    url: &IssuerUrl,
    plan: Option<&Plan>,
    region: String,
    line: &dyn Fn(&Target, &IssuerUrl, &str) -> String,
) -> RenderedSite {
    let options = target.s3().map(|(_, options)| options.clone()).unwrap_or_default();
    let documents = plan.map(|plan| {
        let [keys, discovery] = plan.documents();
        RenderedDocuments { keys_json: keys.bytes.clone(), discovery_json: discovery.bytes.clone() }
    });
    RenderedSite {
        location: location.clone(),
        publish_line: line(target, url, &region),
        region,
        create_bucket: options.create_bucket,
        access: options.access,
        cache_control: options.cache_control(),
        documents,
    }
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

//! The calls to CloudFront (CloudFront API reference, version 2020-05-31).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_config::{Region, SdkConfig};
use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::{
    Aliases, CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyCookiesConfig,
    CachePolicyHeaderBehavior, CachePolicyHeadersConfig, CachePolicyQueryStringBehavior,
    CachePolicyQueryStringsConfig, CachePolicyType, DefaultCacheBehavior, DistributionConfig,
    DistributionSummary, MinimumProtocolVersion, Origin, OriginAccessControlConfig,
    OriginAccessControlOriginTypes, OriginAccessControlSigningBehaviors,
    OriginAccessControlSigningProtocols, Origins, ParametersInCacheKeyAndForwardedToOrigin,
    S3OriginConfig, SslSupportMethod, ViewerCertificate, ViewerProtocolPolicy,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;
use issuer_publish::S3Location;
use issuer_session::{Attempts, Cause};

use crate::plan::wanted;
use crate::spec::{self, access_control, comment, digest};
use crate::{
    Distribution, Error, FrontPlan, FrontRemoval, FrontSpec, FrontState, FrontStep, Settings,
};

/// The ID of the origin in the configuration of a distribution.
const ORIGIN: &str = "issuerctl";

/// The status of a distribution whose last change is everywhere.
const DEPLOYED: &str = "Deployed";

/// How long a change of a distribution may take, and how often it is asked for.
const DEPLOYMENT: Attempts = Attempts {
    limit: u32::MAX,
    within: Duration::from_secs(30 * 60),
    first: Duration::from_secs(1),
    longest: Duration::from_secs(15),
};

/// CloudFront, for the account of the credentials.
#[derive(Debug, Clone)]
pub struct CloudFront {
    client: Client,
}

impl CloudFront {
    /// CloudFront, which is in one region, with the credentials of a session.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let config = aws_sdk_cloudfront::config::Builder::from(config)
            .region(Region::new("us-east-1"))
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// The distribution of a place, found by its comment; of several the one with the first ID.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn find(&self, location: &S3Location) -> Result<Option<Distribution>, Error> {
        self.search(location, |_| {}).await
    }

    /// The same, with a look at all other distributions.
    async fn search(
        &self,
        location: &S3Location,
        mut other: impl FnMut(&DistributionSummary),
    ) -> Result<Option<Distribution>, Error> {
        let wanted = comment(location);
        let mut found: Option<DistributionSummary> = None;
        let mut pages = self.client.list_distributions().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("cloudfront:ListDistributions", &error))?;
            let list = page.distribution_list.and_then(|list| list.items).unwrap_or_default();
            for one in list {
                if one.comment != wanted {
                    other(&one);
                } else if found.as_ref().is_none_or(|found| one.id < found.id) {
                    found = Some(one);
                }
            }
        }
        Ok(found.map(distribution))
    }

    /// The distribution of a place, its origin access control, and the cache policy.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn observe(&self, spec: &FrontSpec) -> Result<FrontState, Error> {
        let name = spec.cache_policy();
        let (distribution, access_control, cache_policy) = tokio::join!(
            self.find(&spec.location),
            self.access_control(&spec.location),
            self.cache_policy(&name),
        );
        let (distribution, access_control) = (distribution?, access_control?);
        Ok(FrontState { distribution, access_control, cache_policy: cache_policy? })
    }

    /// The state that a deletion depends on; the cache policy of this lifetime is a part of it if no other
    /// distribution uses it.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn observe_removal(
        &self,
        location: &S3Location,
        max_age_secs: u32,
    ) -> Result<FrontState, Error> {
        let name = spec::cache_policy(max_age_secs);
        let mut in_use = Vec::new();
        let other = |one: &DistributionSummary| {
            let behavior = one.default_cache_behavior.as_ref();
            in_use.extend(behavior.and_then(|behavior| behavior.cache_policy_id.clone()));
        };
        let (distribution, access_control, cache_policy) = tokio::join!(
            self.search(location, other),
            self.access_control(location),
            self.cache_policy(&name),
        );
        let (distribution, access_control) = (distribution?, access_control?);
        let cache_policy = cache_policy?.filter(|id| !in_use.contains(id));
        Ok(FrontState { distribution, access_control, cache_policy })
    }

    /// Executes a plan, and returns the distribution, which is not deployed yet.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::DomainTaken`], [`Error::Changed`]. Completed steps are kept, and
    /// the next run continues from there.
    pub async fn apply(&self, plan: &FrontPlan) -> Result<Option<Distribution>, Error> {
        let (spec, mut state) = (&plan.spec, plan.state.clone());
        for step in plan.steps() {
            match step {
                FrontStep::CreateAccessControl => {
                    state.access_control = Some(self.create_access_control(spec).await?);
                }
                FrontStep::CreateCachePolicy => {
                    state.cache_policy = Some(self.create_cache_policy(spec).await?);
                }
                FrontStep::CreateDistribution => {
                    let settings = wanted(spec, &state);
                    state.distribution = Some(self.create(spec, &settings).await?);
                }
                FrontStep::UpdateDistribution => {
                    let settings = wanted(spec, &state);
                    if let Some(there) = &state.distribution {
                        let settings = |config: &mut DistributionConfig| set(config, &settings);
                        self.update(&there.id, spec.domain.as_deref(), settings).await?;
                    }
                }
            }
        }
        self.find(&spec.location).await.map(|found| found.or(state.distribution))
    }

    /// Waits until the last change of a distribution is everywhere.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::NotDeployed`].
    pub async fn wait(&self, id: &str) -> Result<(), Error> {
        let start = Instant::now();
        let mut attempt = 0;
        loop {
            let answer = self.client.get_distribution().id(id).send().await;
            let answer = answer.map_err(|error| failed("cloudfront:GetDistribution", &error))?;
            if answer.distribution().is_some_and(|there| there.status() == DEPLOYED) {
                return Ok(());
            }
            if start.elapsed() >= DEPLOYMENT.within {
                let secs = DEPLOYMENT.within.as_secs();
                return Err(Error::NotDeployed { id: id.to_owned(), secs });
            }
            attempt += 1;
            tokio::time::sleep(DEPLOYMENT.wait(attempt)).await;
        }
    }

    /// Disables the distribution, which takes minutes to be everywhere.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::Changed`].
    pub async fn disable(&self, removal: &mut FrontRemoval) -> Result<(), Error> {
        let there = removal.distribution.as_ref().filter(|there| there.settings.enabled);
        let Some(there) = there else { return Ok(()) };
        let disable = |config: &mut DistributionConfig| {
            config.enabled = false;
            Ok(())
        };
        issuer_diagnostic::write(self.update(&there.id, None, disable)).await?;
        issuer_diagnostic::wrote(format!("that the distribution {} is disabled", there.id));
        removal.wrote = true;
        Ok(())
    }

    /// Deletes the distribution, which is disabled everywhere, and its origin access control, also if an earlier
    /// run deleted the distribution alone. The cache policy is shared, and deleted if nothing uses it any more.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::Changed`]. Completed steps are kept.
    pub async fn remove(&self, removal: &mut FrontRemoval) -> Result<(), Error> {
        if let Some(there) = &removal.distribution {
            issuer_diagnostic::write(self.delete(&there.id)).await?;
            issuer_diagnostic::wrote(format!("the deletion of the distribution {}", there.id));
            removal.wrote = true;
        }
        if let Some(id) = &removal.access_control {
            removal.wrote |= issuer_diagnostic::write(self.delete_access_control(id)).await?;
        }
        for id in removal.cache_policies() {
            let deleted = issuer_diagnostic::write(self.delete_cache_policy(&id)).await?;
            removal.wrote |= deleted;
        }
        Ok(())
    }

    async fn access_control(&self, location: &S3Location) -> Result<Option<String>, Error> {
        let name = access_control(location);
        let mut pages = self.client.list_origin_access_controls().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| failed("cloudfront:ListOriginAccessControls", &error))?;
            let list = page.origin_access_control_list.and_then(|list| list.items);
            let found = list.unwrap_or_default().into_iter().find(|one| one.name == name);
            if let Some(found) = found {
                return Ok(Some(found.id));
            }
        }
        Ok(None)
    }

    async fn cache_policy(&self, name: &str) -> Result<Option<String>, Error> {
        let mut marker = None;
        loop {
            let request = self.client.list_cache_policies().r#type(CachePolicyType::Custom);
            let answer = request.set_marker(marker).send().await;
            let answer = answer.map_err(|error| failed("cloudfront:ListCachePolicies", &error))?;
            let Some(list) = answer.cache_policy_list else { return Ok(None) };
            for one in list.items.unwrap_or_default() {
                let Some(policy) = one.cache_policy else { continue };
                if policy.cache_policy_config.is_some_and(|config| config.name == name) {
                    return Ok(Some(policy.id));
                }
            }
            marker = list.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(None);
            }
        }
    }

    async fn create_access_control(&self, spec: &FrontSpec) -> Result<String, Error> {
        const ACTION: &str = "cloudfront:CreateOriginAccessControl";
        let config = OriginAccessControlConfig::builder()
            .name(spec.access_control())
            .description(comment(&spec.location))
            .signing_protocol(OriginAccessControlSigningProtocols::Sigv4)
            .signing_behavior(OriginAccessControlSigningBehaviors::Always)
            .origin_access_control_origin_type(OriginAccessControlOriginTypes::S3)
            .build()
            .map_err(|error| not_built(ACTION, &error))?;
        let request = self.client.create_origin_access_control();
        match request.origin_access_control_config(config).send().await {
            Ok(answer) => {
                let id = answer.origin_access_control.map(|made| made.id);
                id.ok_or_else(|| incomplete(ACTION))
            }
            // Another run was faster.
            Err(error) => match issuer_session::code(&error).as_deref() {
                Some("OriginAccessControlAlreadyExists") => {
                    let found = self.access_control(&spec.location).await?;
                    found.ok_or_else(|| failed(ACTION, &error))
                }
                _ => Err(failed(ACTION, &error)),
            },
        }
    }

    /// A document is kept for as long as its `Cache-Control` says, and not longer where it has none.
    async fn create_cache_policy(&self, spec: &FrontSpec) -> Result<String, Error> {
        const ACTION: &str = "cloudfront:CreateCachePolicy";
        let config = cache_policy(spec).map_err(|error| not_built(ACTION, &error))?;
        match self.client.create_cache_policy().cache_policy_config(config).send().await {
            Ok(answer) => answer.cache_policy.map(|made| made.id).ok_or_else(|| incomplete(ACTION)),
            Err(error) => match issuer_session::code(&error).as_deref() {
                Some("CachePolicyAlreadyExists") => {
                    let found = self.cache_policy(&spec.cache_policy()).await?;
                    found.ok_or_else(|| failed(ACTION, &error))
                }
                _ => Err(failed(ACTION, &error)),
            },
        }
    }

    async fn create(&self, spec: &FrontSpec, settings: &Settings) -> Result<Distribution, Error> {
        const ACTION: &str = "cloudfront:CreateDistribution";
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let reference = format!("issuerctl-{}-{since}", digest(&spec.location.to_string()));
        let built = || {
            let behavior = DefaultCacheBehavior::builder()
                .target_origin_id(ORIGIN)
                .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
                .compress(false)
                .build()?;
            let origin = Origin::builder().id(ORIGIN).domain_name(&settings.origin).build()?;
            let mut config = DistributionConfig::builder()
                .caller_reference(reference)
                .comment(comment(&spec.location))
                .enabled(true)
                .is_ipv6_enabled(true)
                .origins(Origins::builder().quantity(1).items(origin).build()?)
                .default_cache_behavior(behavior)
                .build()?;
            set(&mut config, settings)?;
            Ok::<_, BuildError>(config)
        };
        let config = built().map_err(|error| not_built(ACTION, &error))?;
        let answer = self.client.create_distribution().distribution_config(config).send().await;
        let answer = answer.map_err(|error| of_domain(ACTION, spec.domain.as_deref(), &error))?;
        let made = answer.distribution.ok_or_else(|| incomplete(ACTION))?;
        Ok(Distribution {
            id: made.id,
            arn: made.arn,
            domain: made.domain_name,
            is_deployed: made.status == DEPLOYED,
            settings: settings.clone(),
        })
    }

    async fn update(
        &self,
        id: &str,
        domain: Option<&str>,
        change: impl FnOnce(&mut DistributionConfig) -> Result<(), BuildError>,
    ) -> Result<(), Error> {
        const ACTION: &str = "cloudfront:UpdateDistribution";
        let answer = self.client.get_distribution_config().id(id).send().await;
        let answer = answer.map_err(|error| failed("cloudfront:GetDistributionConfig", &error))?;
        let mut config = answer.distribution_config.ok_or_else(|| incomplete(ACTION))?;
        change(&mut config).map_err(|error| not_built(ACTION, &error))?;
        let request = self.client.update_distribution().id(id).set_if_match(answer.e_tag);
        let answer = request.distribution_config(config).send().await;
        answer.map(drop).map_err(|error| changed(id, of_domain(ACTION, domain, &error)))
    }

    async fn delete(&self, id: &str) -> Result<(), Error> {
        const ACTION: &str = "cloudfront:DeleteDistribution";
        let answer = self.client.get_distribution().id(id).send().await;
        let e_tag = match answer {
            Ok(answer) => answer.e_tag,
            Err(error) if is(&error, "NoSuchDistribution") => return Ok(()),
            Err(error) => return Err(failed("cloudfront:GetDistribution", &error)),
        };
        match self.client.delete_distribution().id(id).set_if_match(e_tag).send().await {
            Err(error) if !is(&error, "NoSuchDistribution") => {
                Err(changed(id, failed(ACTION, &error)))
            }
            _ => Ok(()),
        }
    }

    /// Whether it was deleted: another distribution may use it.
    async fn delete_access_control(&self, id: &str) -> Result<bool, Error> {
        let answer = self.client.get_origin_access_control().id(id).send().await;
        let e_tag = match answer {
            Ok(answer) => answer.e_tag,
            Err(error) if is(&error, "NoSuchOriginAccessControl") => return Ok(false),
            Err(error) => return Err(failed("cloudfront:GetOriginAccessControl", &error)),
        };
        let request = self.client.delete_origin_access_control().id(id).set_if_match(e_tag);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if is(&error, "OriginAccessControlInUse")
                    || is(&error, "NoSuchOriginAccessControl") =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("cloudfront:DeleteOriginAccessControl", &error)),
        }
    }

    /// Whether it was deleted: another distribution may use it, and a policy of somebody else has another name.
    async fn delete_cache_policy(&self, id: &str) -> Result<bool, Error> {
        let answer = self.client.get_cache_policy().id(id).send().await;
        let (e_tag, policy) = match answer {
            Ok(answer) => (answer.e_tag, answer.cache_policy),
            Err(error) if is(&error, "NoSuchCachePolicy") => return Ok(false),
            Err(error) => return Err(failed("cloudfront:GetCachePolicy", &error)),
        };
        let config = policy.and_then(|policy| policy.cache_policy_config);
        if !config.is_some_and(|config| config.name.starts_with(spec::CACHE_POLICY)) {
            return Ok(false);
        }
        match self.client.delete_cache_policy().id(id).set_if_match(e_tag).send().await {
            Ok(_) => Ok(true),
            Err(error) if is(&error, "CachePolicyInUse") || is(&error, "NoSuchCachePolicy") => {
                Ok(false)
            }
            Err(error) => Err(failed("cloudfront:DeleteCachePolicy", &error)),
        }
    }
}

/// A distribution of a list.
fn distribution(one: DistributionSummary) -> Distribution {
    let origin = one.origins.and_then(|origins| origins.items.into_iter().next());
    let behavior = one.default_cache_behavior;
    let certificate = one.viewer_certificate.and_then(|there| there.acm_certificate_arn);
    let text = |text: Option<String>| text.unwrap_or_default();
    let settings = Settings {
        enabled: one.enabled,
        origin: text(origin.as_ref().map(|origin| origin.domain_name.clone())),
        origin_path: text(origin.as_ref().and_then(|origin| origin.origin_path.clone())),
        access_control: text(origin.and_then(|origin| origin.origin_access_control_id)),
        cache_policy: text(behavior.as_ref().and_then(|there| there.cache_policy_id.clone())),
        viewer_protocol: text(
            behavior.map(|there| there.viewer_protocol_policy.as_str().to_owned()),
        ),
        aliases: one.aliases.and_then(|aliases| aliases.items).unwrap_or_default(),
        certificate_arn: certificate.filter(|arn| !arn.is_empty()),
    };
    let is_deployed = one.status == DEPLOYED;
    Distribution { id: one.id, arn: one.arn, domain: one.domain_name, is_deployed, settings }
}

/// Changes the settings of a configuration that issuerctl manages, and no others. The first origin is
/// that of the default behavior.
#[expect(deprecated, reason = "a distribution that somebody else configured may have them")]
fn set(config: &mut DistributionConfig, settings: &Settings) -> Result<(), BuildError> {
    config.enabled = settings.enabled;
    let origin = config.origins.as_mut().and_then(|origins| origins.items.first_mut());
    if let Some(origin) = origin {
        origin.domain_name.clone_from(&settings.origin);
        origin.origin_path = Some(settings.origin_path.clone());
        origin.origin_access_control_id = Some(settings.access_control.clone());
        // An empty identity: CloudFront requires one of the two configurations.
        origin.s3_origin_config =
            Some(S3OriginConfig::builder().origin_access_identity("").build());
        origin.custom_origin_config = None;
    }
    if let Some(behavior) = &mut config.default_cache_behavior {
        behavior.viewer_protocol_policy = ViewerProtocolPolicy::HttpsOnly;
        behavior.cache_policy_id = Some(settings.cache_policy.clone());
        // Older settings, which exclude a cache policy.
        (behavior.min_ttl, behavior.default_ttl, behavior.max_ttl) = (None, None, None);
        behavior.forwarded_values = None;
    }
    if !settings.aliases.is_empty() {
        let quantity = i32::try_from(settings.aliases.len()).unwrap_or(i32::MAX);
        let aliases = Aliases::builder().quantity(quantity);
        config.aliases = Some(aliases.set_items(Some(settings.aliases.clone())).build()?);
    }
    if let Some(arn) = &settings.certificate_arn {
        let certificate = ViewerCertificate::builder()
            .acm_certificate_arn(arn)
            .ssl_support_method(SslSupportMethod::SniOnly)
            .minimum_protocol_version(MinimumProtocolVersion::TlSv122021);
        config.viewer_certificate = Some(certificate.build());
    }
    Ok(())
}

fn cache_policy(spec: &FrontSpec) -> Result<CachePolicyConfig, BuildError> {
    let secs = i64::from(spec.max_age_secs);
    let parameters = ParametersInCacheKeyAndForwardedToOrigin::builder()
        .enable_accept_encoding_gzip(false)
        .enable_accept_encoding_brotli(false)
        .headers_config(
            CachePolicyHeadersConfig::builder()
                .header_behavior(CachePolicyHeaderBehavior::None)
                .build()?,
        )
        .cookies_config(
            CachePolicyCookiesConfig::builder()
                .cookie_behavior(CachePolicyCookieBehavior::None)
                .build()?,
        )
        .query_strings_config(
            CachePolicyQueryStringsConfig::builder()
                .query_string_behavior(CachePolicyQueryStringBehavior::None)
                .build()?,
        )
        .build()?;
    CachePolicyConfig::builder()
        .name(spec.cache_policy())
        .comment("issuerctl: the documents of issuers, for as long as their Cache-Control says")
        .min_ttl(0)
        .default_ttl(secs)
        .max_ttl(secs)
        .parameters_in_cache_key_and_forwarded_to_origin(parameters)
        .build()
}

fn not_built(action: &'static str, error: &BuildError) -> Error {
    Error::Call { action, code: None, message: error.to_string() }
}

fn incomplete(action: &'static str) -> Error {
    Error::Call { action, code: None, message: "its answer is empty".to_owned() }
}

fn is<E: ProvideErrorMetadata>(error: &SdkError<E, Response>, code: &str) -> bool {
    issuer_session::code(error).as_deref() == Some(code)
}

/// A version that is not the one that was read is a change by somebody else.
fn changed(id: &str, error: Error) -> Error {
    match error {
        Error::Call { code: Some(code), .. }
            if matches!(code.as_str(), "PreconditionFailed" | "InvalidIfMatchVersion") =>
        {
            Error::Changed { resource: format!("the distribution {id}") }
        }
        other => other,
    }
}

fn of_domain<E>(action: &'static str, domain: Option<&str>, error: &SdkError<E, Response>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match domain {
        Some(domain) if is(error, "CNAMEAlreadyExists") => Error::DomainTaken {
            domain: domain.to_owned(),
            message: issuer_session::message(error),
        },
        _ => failed(action, error),
    }
}

fn failed<E>(action: &'static str, error: &SdkError<E, Response>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (code, message) = (issuer_session::code(error), issuer_session::message(error));
    match code.as_deref() {
        code if Cause::of(code, &message).is_about_credentials() => {
            Error::Credentials { code: code.map(str::to_owned), message }
        }
        Some("AccessDenied" | "AccessDeniedException") => Error::Denied { action, message },
        _ => Error::Call { action, code, message },
    }
}

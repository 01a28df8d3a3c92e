//! IAM, the bucket, and the exchange with STS.

use issuer_discovery::IssuerUrl;
use issuer_doctor::{AwsSeen, Caller, Exchange, Fact, RoleSeen, Seen};
use issuer_iam::{Error, Iam, Provider, RoleName, TokenAnswer, try_token};
use issuer_publish::{BucketState, S3, S3Clients};
use issuer_session::{SdkConfig, configured_endpoint, shown_endpoint};
use tokio::time::timeout;

use super::{AWS_PATIENCE, Examination, learnt};
use crate::Reconciler;

/// The name of the session, which CloudTrail shows.
const SESSION: &str = "issuerctl-doctor";

pub(super) async fn first(engine: &Reconciler<'_>, issuer: Option<&IssuerUrl>) -> AwsSeen {
    let seen = timeout(AWS_PATIENCE, account(engine, issuer)).await;
    seen.unwrap_or_else(|_| AwsSeen { caller: too_late(), ..AwsSeen::default() })
}

/// What does not answer in time is not known.
fn too_late<T>() -> Fact<T> {
    Fact::Failed(format!("AWS did not answer within {} s", AWS_PATIENCE.as_secs()))
}

async fn account(engine: &Reconciler<'_>, issuer: Option<&IssuerUrl>) -> AwsSeen {
    let iam = match engine.iam().await {
        Ok(iam) => iam,
        Err(error) => {
            let caller = match &error {
                crate::Error::Iam(Error::Credentials { .. }) => {
                    Fact::NotAsked(format!("there are no AWS credentials that work ({error})"))
                }
                error => Fact::Failed(error.to_string()),
            };
            return AwsSeen { caller, ..AwsSeen::default() };
        }
    };
    let caller =
        Caller { account: iam.account().to_string(), partition: iam.partition().name.to_owned() };
    let (providers, provider) = tokio::join!(listed(iam), provider(iam, issuer));
    AwsSeen { caller: Fact::Known(caller), providers, provider, ..AwsSeen::default() }
}

/// What the second wave has found.
#[derive(Default)]
pub(super) struct Second {
    provider: Option<Fact<Option<Provider>>>,
    role: Option<Role>,
}

/// A role, the policies that are attached to it, and how many are written in it.
type Role = (Fact<Option<RoleSeen>>, Fact<Vec<String>>, Fact<usize>);

impl Second {
    pub(super) fn into_seen(self, seen: &mut Seen) {
        if let Some(provider) = self.provider {
            seen.aws.provider = provider;
        }
        if let Some((role, attached, inline)) = self.role {
            (seen.aws.role, seen.aws.attached, seen.aws.inline) = (role, attached, inline);
        }
    }
}

/// The role, and the provider of an issuer that was learnt.
pub(super) async fn second(
    engine: &Reconciler<'_>,
    issuer: Option<&IssuerUrl>,
    seen: &Seen,
) -> Second {
    if seen.aws.caller.known().is_none() {
        return Second::default();
    }
    let Ok(iam) = engine.iam().await else { return Second::default() };
    let name = learnt::role(seen).and_then(|arn| arn.name.parse::<RoleName>().ok());
    let role = async {
        let name = name.filter(|_| matches!(seen.aws.role, Fact::NotAsked(_)))?;
        let (role, attached, inline) =
            tokio::join!(iam.role_outline(&name), iam.list_attached(&name), iam.list_inline(&name));
        let role = of(role).map(|found| {
            found.map(|own| RoleSeen {
                arn: own.arn,
                trust: own.trust,
                created_secs: own.created_secs,
                boundary: own.boundary,
            })
        });
        Some((role, of(attached), of(inline).map(|names| names.len())))
    };
    let provider = async {
        match issuer {
            Some(_) => Some(provider(iam, issuer).await),
            None => None,
        }
    };
    let both = timeout(AWS_PATIENCE, async { tokio::join!(role, provider) }).await;
    let (role, provider) =
        both.unwrap_or_else(|_| (Some((too_late(), too_late(), too_late())), None));
    Second { provider, role }
}

async fn listed(iam: &Iam) -> Fact<Vec<String>> {
    of(iam.list_providers().await)
}

async fn provider(iam: &Iam, issuer: Option<&IssuerUrl>) -> Fact<Option<Provider>> {
    let Some(issuer) = issuer else { return Fact::NotAsked("no issuer is known".to_owned()) };
    let (partition, account) = (iam.partition().name, iam.account());
    let arn = format!("arn:{partition}:iam::{account}:oidc-provider/{}", issuer.without_scheme());
    of(iam.provider_at(&arn).await)
}

/// A call as a fact.
fn of<T>(answer: Result<T, Error>) -> Fact<T> {
    match answer {
        Ok(value) => Fact::Known(value),
        Err(Error::Denied { action, resource, .. }) => {
            Fact::Denied(format!("{action} on {resource}"))
        }
        Err(error) => Fact::Failed(error.to_string()),
    }
}

/// The settings of the bucket, and whether the two objects exist.
async fn read_bucket(
    engine: &Reconciler<'_>,
    request: &Examination,
) -> (Fact<BucketState>, Fact<[Option<String>; 2]>) {
    let Some((location, options)) = &request.store else {
        let why = || "no bucket is known (--store)".to_owned();
        return (Fact::NotAsked(why()), Fact::NotAsked(why()));
    };
    let config = match engine.sdk_config().await {
        Ok(config) => config,
        Err(error) => return (Fact::Failed(error.to_string()), Fact::Failed(error.to_string())),
    };
    let of_session = configured_endpoint(config, "S3").is_some();
    let clients = S3Clients::new(config.clone());
    let mut options = options.clone();
    // Every store but S3 itself knows path-style URLs, and few have a host name for each bucket.
    options.path_style |= options.endpoint_url.is_some() || of_session;
    let s3 = match S3::connect(&clients, location.clone(), options, None).await {
        Ok(s3) => s3,
        Err(error) => return (of_s3(&error), of_s3(&error)),
    };
    let (state, objects) = tokio::join!(s3.publicity(), s3.encryption_of_documents());
    (
        state.map_or_else(|error| of_s3(&error), Fact::Known),
        objects.map_or_else(|error| of_s3(&error), Fact::Known),
    )
}

/// The bucket within the time that AWS has.
pub(super) async fn bucket(
    engine: &Reconciler<'_>,
    request: &Examination,
) -> (Fact<BucketState>, Fact<[Option<String>; 2]>) {
    let read = timeout(AWS_PATIENCE, read_bucket(engine, request)).await;
    read.unwrap_or_else(|_| (too_late(), too_late()))
}

fn of_s3<T>(error: &issuer_publish::Error) -> Fact<T> {
    use issuer_publish::Error as E;
    match error {
        E::Denied { permissions, resource, .. } => {
            Fact::Denied(format!("{} on {resource}", permissions.join(" and ")))
        }
        E::Credentials { .. } => {
            Fact::NotAsked(format!("there are no AWS credentials that work ({error})"))
        }
        error => Fact::Failed(error.to_string()),
    }
}

/// What STS of the pods' region makes of a fresh token.
pub(super) async fn exchange(
    engine: &Reconciler<'_>,
    request: &Examination,
    seen: &Seen,
) -> Fact<Exchange> {
    if request.no_exchange {
        return Fact::NotAsked("--no-exchange".to_owned());
    }
    let Some(token) = seen.documents.token.known() else {
        return Fact::NotAsked(format!("there is no fresh token ({})", seen.documents.token.why()));
    };
    let Some(role) = learnt::role(seen) else {
        return Fact::NotAsked("no ARN of a role is known".to_owned());
    };
    let config = match engine.sdk_config().await {
        Ok(config) => config,
        Err(error) => return Fact::Failed(error.to_string()),
    };
    let (config, endpoint) = place(config, learnt::sts(seen), &role.partition);
    let asked = timeout(AWS_PATIENCE, try_token(&config, &role.text, token, SESSION)).await;
    let Ok(answer) = asked else {
        return Fact::Failed(format!("{endpoint} did not answer in time"));
    };
    match answer {
        TokenAnswer::Given(assumed) => Fact::Known(Exchange::Passed { assumed, endpoint }),
        TokenAnswer::Refused { code, message, status } => {
            Fact::Known(Exchange::Refused { code, message, status, endpoint })
        }
        TokenAnswer::NotSts(status) => Fact::Failed(format!(
            "something other than STS answered in place of {endpoint} (HTTP {status}), such as a proxy or an object store"
        )),
        TokenAnswer::Unreached(why) => Fact::Failed(format!("{endpoint} cannot be reached: {why}")),
        _ => Fact::Failed(format!("{endpoint} gave an answer that is not known")),
    }
}

/// The STS that the pods ask, and how it is called in messages.
fn place(
    config: &SdkConfig,
    (region, is_global): (Option<String>, bool),
    partition: &str,
) -> (SdkConfig, String) {
    let configured = configured_endpoint(config, "STS");
    let usual = match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    };
    let of_session = config.region().map(|region| region.as_ref().to_owned());
    let region = region
        .filter(|region| issuer_session::check_region(region).is_ok())
        .or(of_session)
        .unwrap_or_else(|| usual.to_owned());
    let shown = match &configured {
        Some(endpoint) => format!("STS ({})", shown_endpoint(endpoint)),
        None if is_global => "the global STS".to_owned(),
        None => format!("STS of {region}"),
    };
    let is_global = is_global && configured.is_none() && partition == "aws";
    let region = if is_global { usual.to_owned() } else { region };
    let config = issuer_session::in_region(config, &region);
    let config = match is_global {
        true => config.into_builder().endpoint_url("https://sts.amazonaws.com").build(),
        false => config,
    };
    (config, shown)
}

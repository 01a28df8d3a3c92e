//! The calls to IAM and STS; everything else in this crate is pure.

mod exchange;
mod providers;
mod role_steps;
mod roles;
mod trust_steps;

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_iam::types::Tag;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use issuer_discovery::Partition;
use issuer_session::{Attempts, Cause, is_web_page};

pub use self::exchange::{TokenAnswer, assume_with_token, try_token};
pub use self::roles::{RoleList, RoleOutline};
use crate::{AccountId, Error, Name, Tags};

/// Maximum re-plan attempts after a conflict; IAM is eventually consistent.
const ATTEMPTS: Attempts = Attempts {
    limit: 5,
    within: Duration::MAX,
    first: Duration::from_millis(750),
    longest: Duration::from_secs(8),
};

/// The IAM of an account.
#[derive(Debug, Clone)]
pub struct Iam {
    client: aws_sdk_iam::Client,
    account: AccountId,
    partition: Partition,
}

impl Iam {
    /// IAM in the account of the session's credentials, which STS returns.
    ///
    /// # Errors
    /// [`Error::Credentials`], [`Error::Call`].
    pub async fn connect(config: &SdkConfig) -> Result<Self, Error> {
        // IAM is global in a partition; the default region selects the partition aws.
        let config = match config.region() {
            Some(_) => config.clone(),
            None => config.to_builder().region(Region::new("us-east-1")).build(),
        };
        let (account, partition) = identity(&config).await?;
        Ok(Self { client: aws_sdk_iam::Client::new(&config), account, partition })
    }

    /// IAM on an existing client.
    #[must_use]
    pub fn with_client(
        client: aws_sdk_iam::Client,
        account: AccountId,
        partition: Partition,
    ) -> Self {
        Self { client, account, partition }
    }

    /// The account of the credentials.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The partition of the credentials.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.partition
    }
}

/// `sts:GetCallerIdentity` needs no permission.
async fn identity(config: &SdkConfig) -> Result<(AccountId, Partition), Error> {
    const ACTION: &str = "sts:GetCallerIdentity";
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let identity = answer.map_err(|error| failed(ACTION, "*", &error))?;
    let arn = identity.arn().unwrap_or_default();
    let strange = || Error::Call {
        action: ACTION,
        resource: "*".to_owned(),
        code: None,
        message: format!("it returned the ARN {arn:?}"),
    };
    let partition = arn.split(':').nth(1).and_then(Partition::named).ok_or_else(strange)?;
    let account = identity.account().unwrap_or_default().parse().map_err(|_| strange())?;
    Ok((account, partition))
}

/// The error for a failed call.
fn failed<E>(action: &'static str, resource: &str, error: &SdkError<E, Response>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (code, message, resource) =
        (issuer_session::code(error), issuer_session::message(error), resource.to_owned());
    match code.as_deref() {
        code if Cause::of(code, &message).is_about_credentials() => {
            Error::Credentials { code: code.map(str::to_owned), message }
        }
        code if matches!(code, Some("AccessDenied" | "AccessDeniedException"))
            || (code.is_none() && status == Some(403) && !is_web_page(error)) =>
        {
            let (refused, on) = refused(&message);
            let (action, resource) =
                (refused.unwrap_or(action).to_owned(), on.map_or(resource, str::to_owned));
            let explicit = is_explicit(&message);
            Error::Denied { action, resource, code: code.map(str::to_owned), explicit, message }
        }
        // The error codes of concurrent changes.
        Some("EntityAlreadyExists" | "NoSuchEntity" | "ConcurrentModification") => {
            Error::Changed { resource, code, message }
        }
        Some("MalformedPolicyDocument" | "InvalidInput" | "ValidationError") => {
            Error::Malformed { action, resource, code, message }
        }
        Some("DeleteConflict") => Error::InUse { resource, code, message },
        _ => Error::Call { action, resource, code, message },
    }
}

/// Whether a policy denies the call explicitly. The code is AccessDenied either way; the message
/// ends in "with an explicit deny in a TYPE policy" (IAM user guide, "Troubleshoot access denied error
/// messages").
fn is_explicit(message: &str) -> bool {
    message.contains("explicit deny")
}

/// Whether the policy of an attachment does not exist. The code is NoSuchEntity for a missing role
/// as well; the message is "Policy ARN does not exist or is not attachable." for the policy, and
/// "The role with name NAME cannot be found." for the role.
fn is_policy_missing<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message);
    is_missing(error) && message.is_some_and(|message| message.starts_with("Policy "))
}

/// The action and the resource that IAM denied, which may differ from the call, such as tagging
/// during a creation.
fn refused(message: &str) -> (Option<&str>, Option<&str>) {
    let word_behind = |before: &str| {
        message.split_once(before).and_then(|(_, rest)| rest.split_whitespace().next())
    };
    let resource = word_behind("on resource: ").filter(|resource| resource.starts_with("arn:"));
    (word_behind("not authorized to perform: "), resource)
}

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> bool {
    issuer_session::code(error).as_deref() == Some("NoSuchEntity")
}

/// Deleting something that no longer exists succeeds.
fn gone<E>(
    answer: Result<(), SdkError<E, Response>>,
    action: &'static str,
    arn: &str,
) -> Result<(), Error>
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

/// Tags in the form of the API.
fn to_iam(tags: &Tags) -> Result<Vec<Tag>, Error> {
    let tag = |(key, value): (&String, &String)| {
        let built = Tag::builder().key(key).value(value).build();
        let text = format!("{key}={value}");
        built.map_err(|_| Error::invalid(Name::Tag, &text, "key or value is missing"))
    };
    tags.iter().map(tag).collect()
}

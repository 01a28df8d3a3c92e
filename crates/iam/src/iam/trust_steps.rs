//! Changing a trust policy. IAM has no conditional updates, so a writer overwrites what another one has
//! written between its read and its write.
//!
//! Therefore every writer keeps that time short ([`WRITE`]): a write that takes longer is given up, and
//! the policy is read again. Once written, the policy is read at once and after a pause that is longer
//! ([`SETTLE`]), when no write that could overwrite it is under way any more, and what was overwritten is
//! written again.

use std::time::{Duration, Instant};

use aws_sdk_iam::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use issuer_session::{Attempts, Cause};

use super::{Iam, failed};
use crate::{Error, RoleName, TrustPolicy};

/// Computes the trust policy from the one that is read just before it is written.
pub(super) type Rewrite<'a> = &'a dyn Fn(TrustPolicy) -> Result<TrustPolicy, Error>;

/// The time limit of a write, which is not repeated: its policy is as old then.
const WRITE: Duration = Duration::from_secs(2);

/// After how long the policy is read once more.
const SETTLE: Duration = Duration::from_millis(2_500);

/// The pauses before a policy that was overwritten is read and written again.
const AGAIN: Attempts = Attempts {
    limit: u32::MAX,
    within: Duration::from_secs(120),
    first: Duration::from_millis(250),
    longest: Duration::from_secs(8),
};

/// How many writes in a row may fail that could succeed later.
const FAILURES: u32 = 5;

/// What precedes a read of the policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    Write,
    /// A pause after a write that is not there.
    Pause,
    /// A pause after a write that is there.
    Settled,
}

/// A write that failed.
struct Put {
    is_temporary: bool,
    error: Error,
}

impl Iam {
    /// Rewrites the trust policy until it stays as it is wanted.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::Changed`] if others overwrite it all the time, or the role does
    /// not exist any more.
    pub(super) async fn update_trust(
        &self,
        name: &RoleName,
        rewrite: Rewrite<'_>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let (mut writes, mut failures) = (0, 0);
        let mut after = After::Nothing;
        loop {
            let there = self.trust_now(name).await?;
            let wanted = rewrite(there.clone())?;
            if wanted == there {
                if matches!(after, After::Nothing | After::Settled) {
                    return Ok(());
                }
                tokio::time::sleep(SETTLE).await;
                after = After::Settled;
                continue;
            }
            if after == After::Write {
                tokio::time::sleep(AGAIN.wait(writes)).await;
                after = After::Pause;
                continue;
            }
            if start.elapsed() >= AGAIN.within {
                let message = "its trust policy was overwritten again and again".to_owned();
                return Err(Error::Changed { resource: self.role_arn(name), code: None, message });
            }
            (writes, after) = (writes + 1, After::Write);
            match self.put_trust(name, &wanted).await {
                Ok(()) => failures = 0,
                Err(Put { is_temporary: true, .. }) if failures < FAILURES => failures += 1,
                Err(Put { error, .. }) => return Err(error),
            }
        }
    }

    /// Whether a write that takes too long was executed, the next read shows.
    async fn put_trust(&self, name: &RoleName, wanted: &TrustPolicy) -> Result<(), Put> {
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self
            .client
            .update_assume_role_policy()
            .role_name(name.as_str())
            .policy_document(wanted.to_json())
            .customize()
            .config_override(once);
        match tokio::time::timeout(WRITE, request.send()).await {
            Err(_) | Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Put {
                is_temporary: is_temporary(&error),
                error: failed("iam:UpdateAssumeRolePolicy", &self.role_arn(name), &error),
            }),
        }
    }

    async fn trust_now(&self, name: &RoleName) -> Result<TrustPolicy, Error> {
        let gone = || Error::Changed {
            resource: self.role_arn(name),
            code: None,
            message: "the role no longer exists".to_owned(),
        };
        self.get_role(name).await?.map(|role| role.trust).ok_or_else(gone)
    }
}

/// Whether a write may succeed later, with the policy as it is then.
fn is_temporary<E>(error: &SdkError<E, Response>) -> bool
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = issuer_session::code(error);
    let status = error.raw_response().map(|response| response.status().as_u16());
    match Cause::of(code.as_deref(), &issuer_session::message(error)) {
        Cause::Throttled => true,
        _ => {
            code.as_deref() == Some("ConcurrentModification")
                || status.is_none_or(|status| status >= 500)
        }
    }
}

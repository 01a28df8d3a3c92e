//! Whether a token gets credentials of a role.

use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use issuer_redact::register;

use crate::Error;

/// The name of the session, in the ARN and in CloudTrail.
const SESSION: &str = "issuerctl";

/// The shortest session that STS gives, in seconds.
const SHORTEST_SECS: i32 = 900;

/// What STS answers to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenAnswer {
    /// Credentials, which were dropped; whose they were.
    Given(String),
    /// An error of STS.
    Refused {
        /// Its code; `None` if the answer has none.
        code: Option<String>,
        /// Its message.
        message: String,
        /// The HTTP status.
        status: Option<u16>,
    },
    /// No answer, and why.
    Unreached(String),
    /// An answer that is not one of STS, such as a page of a proxy; its HTTP status.
    NotSts(u16),
}

/// Exchanges a token for credentials of a role once, under a name that is found in CloudTrail, and drops
/// them.
pub async fn try_token(
    config: &SdkConfig,
    role_arn: &str,
    token: &str,
    session: &str,
) -> TokenAnswer {
    let client = aws_sdk_sts::Client::new(config);
    let error = match exchange(&client, role_arn, token, session).await {
        Ok(whose) => return TokenAnswer::Given(whose),
        Err(error) => error,
    };
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (code, message) = (issuer_session::code(&error), issuer_session::message(&error));
    match status {
        // Errors of STS have a code; what stands before it may fail without one.
        Some(status) if status < 500 && code.is_none() => TokenAnswer::NotSts(status),
        Some(_) => TokenAnswer::Refused { code, message, status },
        None => TokenAnswer::Unreached(message),
    }
}

/// Exchanges a token for credentials of a role (`sts:AssumeRoleWithWebIdentity`), drops them, and
/// returns whose they were: `arn:aws:sts::111122223333:assumed-role/app/issuerctl`. A refusal is
/// asked again until `patience` is over: a new role takes a while to be known everywhere.
///
/// # Errors
/// [`Error::NotAssumed`], [`Error::Call`].
pub async fn assume_with_token(
    config: &SdkConfig,
    role_arn: &str,
    token: &str,
    patience: Duration,
) -> Result<String, Error> {
    const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
    let client = aws_sdk_sts::Client::new(config);
    let begun = Instant::now();
    loop {
        let error = match exchange(&client, role_arn, token, SESSION).await {
            Ok(whose) => return Ok(whose),
            Err(error) => error,
        };
        let Some(code) = issuer_session::code(&error).filter(|code| is_about_trust(code)) else {
            return Err(super::failed(ACTION, role_arn, &error));
        };
        if begun.elapsed() >= patience {
            let message = issuer_session::message(&error);
            return Err(Error::NotAssumed { role: role_arn.to_owned(), code, message });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// One exchange; returns whose the credentials were, which are only registered as secrets.
async fn exchange(
    client: &aws_sdk_sts::Client,
    role_arn: &str,
    token: &str,
    session: &str,
) -> Result<String, SdkError<AssumeRoleWithWebIdentityError>> {
    let answer = client
        .assume_role_with_web_identity()
        .role_arn(role_arn)
        .role_session_name(session)
        .web_identity_token(token)
        .duration_seconds(SHORTEST_SECS)
        .send()
        .await?;
    for credentials in answer.credentials().iter() {
        register(credentials.access_key_id());
        register(credentials.secret_access_key());
        register(credentials.session_token());
    }
    Ok(answer.assumed_role_user().map(|user| user.arn().to_owned()).unwrap_or_default())
}

/// Errors about token, provider or trust policy (STS API reference, `AssumeRoleWithWebIdentity`).
fn is_about_trust(code: &str) -> bool {
    ["AccessDenied", "InvalidIdentityToken", "IDPRejectedClaim", "ExpiredTokenException"]
        .contains(&code)
}

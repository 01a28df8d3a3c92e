//! Credentials of whatever source, checked before they are used, and their errors in plain words.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use issuer_diagnostic::Waiting;
use issuer_redact::{register, register_passing};
use tokio::sync::Mutex;

use crate::chain::unreadable;
use crate::environment::unusable;
use crate::{CREDENTIALS, Cause, fallback};

/// Before the SDK ends the wait by itself, without saying for whom.
const LIMIT: Duration = CREDENTIALS.saturating_sub(Duration::from_secs(1));

/// What the SDK says of a profile whose error it returned before.
const TAKEN: &str = "initialization error already taken";

/// Why there are no credentials.
#[derive(Debug, Clone)]
pub(crate) struct NoCredentials(String);

/// The credentials of another provider.
#[derive(Debug)]
pub(crate) struct Checked {
    inner: SharedCredentialsProvider,
    /// The profile, if it is the only source.
    profile: Option<String>,
    /// The first error: the SDK keeps it to itself when it is asked again. The lock also lets a
    /// provider run only once for several clients.
    failed: Mutex<Option<NoCredentials>>,
    /// The profile of the config files that they come from at last.
    base: Option<String>,
}

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for NoCredentials {}

impl Checked {
    pub(crate) fn new(inner: impl ProvideCredentials + 'static, profile: Option<String>) -> Self {
        let failed = Mutex::new(None);
        Self { inner: SharedCredentialsProvider::new(inner), profile, failed, base: None }
    }

    /// The same, with errors that name the profile that the credentials come from at last.
    pub(crate) fn from(self, base: Option<String>) -> Self {
        Self { base, ..self }
    }

    async fn provide(&self) -> Result<Credentials, CredentialsError> {
        let mut failed = self.failed.lock().await;
        let _waiting = Waiting::new("the credentials provider".to_owned());
        let provided = tokio::time::timeout(LIMIT, self.inner.provide_credentials());
        let error = match provided
            .await
            .unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(LIMIT)))
        {
            Ok(credentials) => match cleaned(credentials) {
                Ok(credentials) => {
                    let secret = match credentials.expiry() {
                        Some(_) => register_passing,
                        None => register,
                    };
                    secret(credentials.secret_access_key());
                    secret(credentials.session_token().unwrap_or_default());
                    return Ok(credentials);
                }
                Err(reason) => reason,
            },
            Err(error) => self.describe(&error),
        };
        let error = match &*failed {
            Some(first) if error.ends_with(TAKEN) => first.clone(),
            _ => NoCredentials(error),
        };
        *failed = Some(error.clone());
        Err(CredentialsError::unhandled(error))
    }

    fn describe(&self, error: &CredentialsError) -> String {
        match (error, &self.profile) {
            (CredentialsError::CredentialsNotLoaded(_), Some(profile)) => {
                format!("the profile {profile:?} contains no credentials")
            }
            (CredentialsError::CredentialsNotLoaded(_), None) => {
                nothing_found(match (set(TOKEN_FILE), set("AWS_ROLE_ARN")) {
                    (Some(_), None) => {
                        ": AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not"
                    }
                    _ => "",
                })
            }
            (CredentialsError::ProviderTimedOut(details), _) => {
                let whose = match &self.base {
                    Some(base) => format!(
                        "the profile {base:?} gave no credentials: its credential_process, or the \
                         service that it signs in to, did not end"
                    ),
                    None => "no source of credentials answered".to_owned(),
                };
                format!("{whose} within {} s", details.timeout_duration().as_secs())
            }
            (error, _) => {
                if let Some((code, text)) = fallback::answer(error) {
                    return if fallback::REFUSALS.contains(&code) {
                        format!("{} ({text})", fallback::REFUSED)
                    } else if Cause::of(Some(code), "") == Cause::Throttled {
                        format!("{NOT_GIVEN} ({text}): {TOO_MANY}")
                    } else {
                        format!("{NOT_GIVEN} ({text})")
                    };
                }
                // Those of the SDK's own chain say nothing by themselves.
                let mut causes = issuer_diagnostic::causes(error);
                let cause = causes.find(|cause| !cause.is::<CredentialsError>());
                let cause = crate::sdk_error::chain(cause.unwrap_or(error));
                self.in_words(&cause)
            }
        }
    }
}

impl Checked {
    /// What the SDK says of a source of credentials, without its words and without the output of
    /// programs.
    fn in_words(&self, cause: &str) -> String {
        let base = self.base.as_deref().unwrap_or("default");
        if let Some(rest) = cause.strip_prefix("Error retrieving credentials") {
            let status = rest.split_once("exited with code ").map(|(_, rest)| rest);
            let status = status.map(|rest| rest.split(['.', ';']).next().unwrap_or_default());
            let how = match status {
                Some("exit status: 127") => {
                    "its program does not exist (exit status 127)".to_owned()
                }
                Some(status) => format!("it ended with {}", status.replace("status:", "status")),
                None => "it did not print the JSON that AWS specifies for it".to_owned(),
            };
            return format!("the credential_process of the profile {base:?} failed: {how}");
        }
        if ["SSO", "/sso/cache/", "UnauthorizedException"].iter().any(|sign| cause.contains(sign)) {
            return format!("{SIGNED_OUT} of the profile {base:?} has expired, or there is none");
        }
        let file = set(TOKEN_FILE).and_then(|path| Some((unreadable(&path)?, path)));
        if let Some((reason, path)) = file.filter(|(reason, _)| cause.contains(reason.as_str())) {
            return format!("{TOKEN_FILE} names {path}, which cannot be read: {reason}");
        }
        // The last source of the default chain; whoever has no other does not have this one either.
        if self.profile.is_none() && cause.contains("IMDS") {
            return nothing_found(
                ": the metadata service of the instance (IMDS), which is asked last, is disabled or \
                 has no role",
            );
        }
        format!("the credentials could not be loaded: {cause}")
    }
}

/// No source has credentials; `more` says why the last one has none.
fn nothing_found(more: &str) -> String {
    let profile = std::env::var("AWS_PROFILE").unwrap_or_default();
    let files = match profile.trim() {
        "" => "in ~/.aws".to_owned(),
        profile => format!("in the profile {profile:?} (AWS_PROFILE) of ~/.aws"),
    };
    format!(
        "no AWS credentials were found in the environment, {files}, or from a web identity token, the \
         container or the instance{more}"
    )
}

/// About a token that STS did not refuse.
const NOT_GIVEN: &str = "AWS STS gave no credentials for the web identity token";

/// Why: it is busy.
pub(crate) const TOO_MANY: &str = "it limits the rate of requests";

const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// The beginning of the message about a session that has expired.
pub(crate) const SIGNED_OUT: &str = "the session of AWS IAM Identity Center (SSO)";

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

impl ProvideCredentials for Checked {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// Credentials without white space around them; the SDK panics on a line break.
fn cleaned(credentials: Credentials) -> Result<Credentials, String> {
    let id = credentials.access_key_id().trim();
    let secret = credentials.secret_access_key().trim();
    let token = credentials.session_token().map(str::trim).filter(|token| !token.is_empty());
    let parts = [
        ("access key ID", Some(id)),
        ("secret access key", Some(secret)),
        ("session token", token),
    ];
    for (name, value) in parts {
        let Some(value) = value else { continue };
        if value.is_empty() {
            return Err(format!("the {name} of the credentials is empty"));
        }
        if let Some(reason) = unusable(value) {
            return Err(format!("the {name} of the credentials {reason}"));
        }
    }
    let is_clean = id == credentials.access_key_id()
        && secret == credentials.secret_access_key()
        && token == credentials.session_token();
    if is_clean {
        return Ok(credentials);
    }
    let token = token.map(str::to_owned);
    Ok(Credentials::new(id, secret, token, credentials.expiry(), "cleaned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(id: &str, secret: &str, token: Option<&str>) -> Credentials {
        Credentials::new(id, secret, token.map(str::to_owned), None, "test")
    }

    #[tokio::test]
    async fn credentials_are_cleaned_or_refused_whatever_their_source() {
        let checked = Checked::new(keys("AKIA\n", "secret\r\n", Some("\n")), None);
        let credentials = checked.provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "AKIA");
        assert_eq!(credentials.secret_access_key(), "secret");
        assert_eq!(credentials.session_token(), None);
        for bad in [keys("HID\nDEN", "s", None), keys("A", "s", Some("HID\u{201c}DEN"))] {
            let checked = Checked::new(bad, None);
            let refused = checked.provide_credentials().await.unwrap_err();
            let text = crate::sdk_error::chain(&refused);
            assert!(text.contains("of the credentials") && !text.contains("HID"), "{text}");
        }
    }

    #[tokio::test]
    async fn an_error_is_the_same_when_it_is_asked_for_again() {
        /// As `ProfileFileCredentialsProvider`.
        #[derive(Debug, Default)]
        struct Nothing(std::sync::atomic::AtomicBool);
        impl ProvideCredentials for Nothing {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                future::ProvideCredentials::ready(Err(
                    match self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
                        false => CredentialsError::not_loaded_no_source(),
                        true => CredentialsError::unhandled(format!("profile file {TAKEN}")),
                    },
                ))
            }
        }
        let checked = Checked::new(Nothing::default(), Some("prod".to_owned()));
        for _ in 0..2 {
            let refused = checked.provide_credentials().await.unwrap_err();
            let text = crate::sdk_error::chain(&refused);
            assert!(text.contains("the profile \"prod\" contains no credentials"), "{text}");
        }
    }
}

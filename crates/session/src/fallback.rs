//! Credentials for the case that AWS STS refuses those of the pod.
//!
//! Whoever publishes an issuer with a token of the same issuer cannot repair it: while its documents are
//! missing, STS refuses the token. A profile with credentials of another kind is used then, and only then.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// How long they are used before STS is asked again.
const USE: Duration = Duration::from_secs(60);

/// What STS answers when it does not accept a token, or the role does not trust it
/// (`AssumeRoleWithWebIdentity`). Everything else, such as throttling, is no reason for other credentials.
pub(crate) const REFUSALS: [&str; 5] = [
    "AccessDenied",
    "ExpiredTokenException",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "InvalidIdentityToken",
];

/// The beginning of the message about a token that STS refuses.
pub(crate) const REFUSED: &str = "AWS STS refuses the web identity token";

/// What is wrong with the profile that is there for this case.
pub(crate) const UNUSABLE: &str = "which is for this case, has no usable credentials";

/// The profile that is used while AWS STS refuses the web identity token of the process.
#[derive(Debug, Clone)]
pub struct Fallback {
    profile: String,
    refusal: Arc<Mutex<Option<String>>>,
}

impl Fallback {
    /// A named profile of the config and credentials files, which are read each time that it is needed.
    #[must_use]
    pub fn new(profile: String) -> Self {
        Self { profile, refusal: Arc::default() }
    }

    /// The name of the profile.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// What STS said, as long as the profile is in use.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, refusal: Option<String>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

/// Why there are no credentials of either kind.
#[derive(Debug)]
struct Neither {
    refusal: String,
    profile: String,
    source: CredentialsError,
}

impl std::fmt::Display for Neither {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { refusal, profile, source } = self;
        let why = crate::sdk_error::chain(source);
        write!(f, "{REFUSED} ({refusal}), and the profile {profile:?}, {UNUSABLE}: {why}")
    }
}

impl StdError for Neither {}

/// Credentials of the default chain or, if STS refuses its token, of a profile.
#[derive(Debug)]
pub(crate) struct WithFallback {
    pub(crate) first: SharedCredentialsProvider,
    pub(crate) fallback: Fallback,
    pub(crate) configuration: ProviderConfig,
    pub(crate) files: EnvConfigFiles,
}

impl WithFallback {
    async fn provide(&self) -> Result<Credentials, CredentialsError> {
        let error = match self.first.provide_credentials().await {
            Ok(credentials) => {
                self.fallback.record(None);
                return Ok(credentials);
            }
            Err(error) => error,
        };
        let Some(refusal) = refusal(&error) else { return Err(error) };
        // A provider keeps what it read of the files, so each time it is another one.
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&self.configuration)
            .profile_files(self.files.clone())
            .profile_name(&self.fallback.profile)
            .build();
        match provider.provide_credentials().await {
            Ok(credentials) => {
                self.fallback.record(Some(refusal));
                Ok(for_a_while(credentials))
            }
            Err(source) => {
                self.fallback.record(None);
                let profile = self.fallback.profile.clone();
                Err(CredentialsError::unhandled(Neither { refusal, profile, source }))
            }
        }
    }
}

impl ProvideCredentials for WithFallback {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// What STS said, if it refused the token.
fn refusal(error: &CredentialsError) -> Option<String> {
    answer(error).filter(|(code, _)| REFUSALS.contains(code)).map(|(_, text)| text)
}

/// What STS answered to a web identity token: the error code, and the code with the message.
pub(crate) fn answer(error: &CredentialsError) -> Option<(&str, String)> {
    let mut causes = issuer_diagnostic::causes(error);
    let answer = causes.find_map(|cause| cause.downcast_ref::<AssumeRoleWithWebIdentityError>())?;
    let code = answer.code()?;
    let text = answer.message().map_or_else(|| code.to_owned(), |text| format!("{code}: {text}"));
    Some((code, text))
}

/// The same for a minute at most.
fn for_a_while(credentials: Credentials) -> Credentials {
    let end = SystemTime::now() + USE;
    let end = credentials.expiry().map_or(end, |expiry| expiry.min(end));
    let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
    let token = credentials.session_token().map(str::to_owned);
    Credentials::new(id, secret, token, Some(end), "fallback")
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;
    use crate::Cause;
    use crate::credentials::Checked;

    /// STS answers with this code; afterwards it accepts the token.
    #[derive(Debug)]
    struct Refusing(Mutex<Option<&'static str>>);

    impl ProvideCredentials for Refusing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(match self.0.lock().unwrap().take() {
                None => Ok(Credentials::new("OWN", "own-secret", None, None, "test")),
                Some(code) => {
                    let answer = ErrorMetadata::builder().code(code).message("no key").build();
                    let answer = AssumeRoleWithWebIdentityError::generic(answer);
                    Err(CredentialsError::provider_error(answer))
                }
            })
        }
    }

    fn provider(code: &'static str, files: &str) -> (WithFallback, Fallback) {
        use aws_runtime::env_config::file::EnvConfigFileKind;
        let fallback = Fallback::new("bootstrap".to_owned());
        let files =
            EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Credentials, files).build();
        let provider = WithFallback {
            first: SharedCredentialsProvider::new(Refusing(Mutex::new(Some(code)))),
            fallback: fallback.clone(),
            configuration: ProviderConfig::default(),
            files,
        };
        (provider, fallback)
    }

    const FILE: &str = "[bootstrap]\naws_access_key_id = KEPT\naws_secret_access_key = x\n";

    #[tokio::test]
    async fn the_profile_is_used_while_sts_refuses_the_token_and_no_longer() {
        for code in REFUSALS {
            let (provider, fallback) = provider(code, FILE);
            let used = provider.provide().await.unwrap();
            assert_eq!(used.access_key_id(), "KEPT");
            assert!(used.expiry().unwrap() <= SystemTime::now() + USE);
            assert_eq!(fallback.refusal(), Some(format!("{code}: no key")));
            assert_eq!(provider.provide().await.unwrap().access_key_id(), "OWN");
            assert_eq!(fallback.refusal(), None);
        }
    }

    #[tokio::test]
    async fn an_sts_that_is_busy_is_no_reason_to_use_it() {
        let (provider, fallback) = provider("Throttling", FILE);
        provider.provide().await.unwrap_err();
        assert_eq!(fallback.refusal(), None);
    }

    #[tokio::test]
    async fn without_another_profile_the_hint_is_about_the_token_or_the_rate() {
        for (code, says, cause) in [
            ("InvalidIdentityToken", REFUSED, Cause::WebIdentity),
            ("Throttling", "AWS STS gave no credentials", Cause::Throttled),
            ("RegionDisabledException", "AWS STS gave no credentials", Cause::Credentials),
        ] {
            let refusing = Refusing(Mutex::new(Some(code)));
            let refused = Checked::new(refusing, None).provide_credentials().await.unwrap_err();
            let text = crate::sdk_error::chain(&refused);
            assert!(
                text.starts_with(says) && text.contains(&format!("({code}: no key)")),
                "{text}"
            );
            assert_eq!(Cause::of(None, &text), cause, "{text}");
        }
    }

    #[tokio::test]
    async fn without_the_profile_both_reasons_are_named() {
        let (provider, fallback) = provider("InvalidIdentityToken", "[other]\n");
        let text = crate::sdk_error::chain(&provider.provide().await.unwrap_err());
        assert!(
            text.contains("InvalidIdentityToken: no key") && text.contains("\"bootstrap\""),
            "{text}"
        );
        assert_eq!(Cause::of(None, &text), Cause::Fallback);
        assert_eq!(fallback.refusal(), None);
    }
}

//! From which profiles credentials come, and what is wrong with them: said before the SDK is asked,
//! whose own messages are about its types.

use std::path::Path;

use aws_config::profile::{Profile, ProfileSet};

use crate::Error;
use crate::profile::missing;

/// What is wrong with a profile; a clause whose subject is the profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileFault {
    /// `source_profile` leads in a circle.
    #[error("takes its credentials from itself: its source_profile leads to {}", .through.join(", "))]
    Circle {
        /// The profiles, in order.
        through: Vec<String>,
    },
    /// Nothing says whose credentials assume the role.
    #[error("has a role_arn, and neither source_profile nor credential_source")]
    NoSource,
    /// Two sources.
    #[error("has both source_profile and credential_source")]
    TwoSources,
    /// A `credential_source` that does not exist.
    #[error("has a credential_source that is not known")]
    UnknownSource,
    /// A source without credentials.
    #[error("contains no credentials, although the profile {by:?} takes its credentials from it")]
    NoCredentials {
        /// The profile whose `source_profile` it is.
        by: String,
    },
    /// A role that needs a code.
    #[error("has an mfa_serial: codes of MFA devices are not supported")]
    Mfa,
    /// A session of `aws login`.
    #[error("has a login_session (aws login), which is not supported")]
    Login,
    /// A session of IAM Identity Center that does not exist.
    #[error("has the sso_session {session:?}, which does not exist in the AWS config file")]
    NoSsoSession {
        /// Its name.
        session: String,
    },
    /// A setting that signing in needs.
    #[error("signs in to AWS IAM Identity Center (SSO) and has no {missing}")]
    Sso {
        /// The setting.
        missing: &'static str,
    },
    /// A setting that belongs to the session.
    #[error("has {setting}, which belongs into the [sso-session] that it names")]
    SsoSetting {
        /// The setting.
        setting: &'static str,
    },
    /// One half of a key.
    #[error("has no {missing}, although it has the other half of the key")]
    HalfAKey {
        /// The setting.
        missing: &'static str,
    },
    /// A token without a role.
    #[error("has a web_identity_token_file and no role_arn")]
    NoRole,
    /// A setting of retries with a value that does not exist.
    #[error("has a {setting} that {reason}")]
    Retries {
        /// `retry_mode` or `max_attempts`.
        setting: &'static str,
        /// What is allowed.
        reason: &'static str,
    },
    /// A token that cannot be read.
    #[error("has the web_identity_token_file {path}, which cannot be read: {reason}")]
    TokenFile {
        /// The file.
        path: String,
        /// What the operating system says.
        reason: String,
    },
}

impl ProfileFault {
    pub(crate) fn hint(&self, profile: &str) -> String {
        let export = format!(
            "eval \"$(aws configure export-credentials --profile {profile} --format env)\""
        );
        match self {
            Self::Mfa => format!(
                "put temporary credentials into the environment: `{export}` asks for the code; or \
                 `aws sts get-session-token --serial-number ARN --token-code CODE`"
            ),
            Self::Login => {
                format!("put temporary credentials into the environment: `{export}`")
            }
            Self::Circle { .. } => {
                "one of these profiles must have credentials of its own, and no \
                                    source_profile"
                    .to_owned()
            }
            Self::NoSource | Self::TwoSources => {
                "set one of them: source_profile to the profile whose credentials assume the role"
                    .to_owned()
            }
            Self::UnknownSource => {
                "it is Environment, Ec2InstanceMetadata or EcsContainer".to_owned()
            }
            Self::NoSsoSession { .. } | Self::Sso { .. } | Self::SsoSetting { .. } => {
                format!("`aws configure sso --profile {profile}` writes these settings")
            }
            Self::HalfAKey { .. } | Self::NoCredentials { .. } => {
                format!("`aws configure --profile {profile}` writes both halves of a key")
            }
            Self::NoRole => "set role_arn to the role that the token assumes".to_owned(),
            Self::Retries { setting, .. } => {
                let value = if *setting == "retry_mode" { "standard" } else { "3" };
                format!(
                    "the profile is in ~/.aws/config (AWS_CONFIG_FILE) or ~/.aws/credentials: `aws \
                     configure set {setting} {value} --profile {profile}`"
                )
            }
            Self::TokenFile { .. } => {
                "whatever writes the token (Kubernetes, a CI system) must have written it before"
                    .to_owned()
            }
        }
    }
}

/// The profile that the credentials of `first` come from at last.
///
/// # Errors
/// [`Error::NoProfile`], [`Error::Profile`].
pub(crate) fn base<'a>(profiles: &'a ProfileSet, first: &'a str) -> Result<Option<&'a str>, Error> {
    let mut seen: Vec<&str> = Vec::new();
    let mut name = first;
    while let Some(profile) = profiles.get_profile(name) {
        let refuse = |fault| Err(Error::Profile { profile: profile.name().to_owned(), fault });
        if seen.contains(&name) {
            let through = seen.iter().skip(1).chain([&name]).map(|name| format!("{name:?}"));
            return refuse(ProfileFault::Circle { through: through.collect() });
        }
        let by = seen.last().copied();
        seen.push(name);
        // As in the SDK, keys of a source win over its role.
        let is_key = by.is_some() && has(profile, ACCESS_KEY) && has(profile, SECRET_KEY);
        if is_key || !has(profile, "role_arn") || has(profile, TOKEN_FILE) {
            return match fault_of_base(profiles, profile, by) {
                Some(fault) => refuse(fault),
                None => Ok(Some(name)),
            };
        }
        if has(profile, "mfa_serial") {
            return refuse(ProfileFault::Mfa);
        }
        match (profile.get("source_profile"), profile.get("credential_source")) {
            (Some(_), Some(_)) => return refuse(ProfileFault::TwoSources),
            (None, None) => return refuse(ProfileFault::NoSource),
            (None, Some("Environment" | "Ec2InstanceMetadata" | "EcsContainer")) => {
                return Ok(Some(name));
            }
            (None, Some(_)) => return refuse(ProfileFault::UnknownSource),
            // It assumes the role with its own credentials.
            (Some(source), None) if source == name => {
                return match fault_of_base(profiles, profile, Some(name)) {
                    Some(fault) => refuse(fault),
                    None => Ok(Some(name)),
                };
            }
            (Some(source), None) => {
                if profiles.get_profile(source).is_none() {
                    let by = format!(", the source_profile of {name:?},");
                    return Err(missing(profiles, source, by));
                }
                name = source;
            }
        }
    }
    Ok(None)
}

const ACCESS_KEY: &str = "aws_access_key_id";
const SECRET_KEY: &str = "aws_secret_access_key";
const TOKEN_FILE: &str = "web_identity_token_file";

fn has(profile: &Profile, setting: &str) -> bool {
    profile.get(setting).is_some()
}

/// In the order of the SDK; `by` is the profile whose source it is.
fn fault_of_base(
    profiles: &ProfileSet,
    profile: &Profile,
    by: Option<&str>,
) -> Option<ProfileFault> {
    let is_key = has(profile, ACCESS_KEY) && has(profile, SECRET_KEY);
    if by.is_some() && is_key {
        return None;
    }
    if let Some(path) = profile.get(TOKEN_FILE) {
        return match has(profile, "role_arn") {
            false => Some(ProfileFault::NoRole),
            true => unreadable(path)
                .map(|reason| ProfileFault::TokenFile { path: path.to_owned(), reason }),
        };
    }
    let sso = ["sso_account_id", "sso_region", "sso_role_name", "sso_start_url", "sso_session"];
    if sso.iter().any(|setting| has(profile, setting)) {
        return fault_of_sso(profiles, profile);
    }
    if has(profile, "login_session") {
        return Some(ProfileFault::Login);
    }
    match (has(profile, "credential_process"), has(profile, ACCESS_KEY), has(profile, SECRET_KEY)) {
        (true, ..) | (_, true, true) => None,
        (_, true, false) => Some(ProfileFault::HalfAKey { missing: SECRET_KEY }),
        (_, false, true) => Some(ProfileFault::HalfAKey { missing: ACCESS_KEY }),
        _ => by.map(|by| ProfileFault::NoCredentials { by: by.to_owned() }),
    }
}

fn fault_of_sso(profiles: &ProfileSet, profile: &Profile) -> Option<ProfileFault> {
    if let Some(name) = profile.get("sso_session") {
        let Some(session) = profiles.sso_session(name) else {
            return Some(ProfileFault::NoSsoSession { session: name.to_owned() });
        };
        let doubled = ["sso_start_url", "sso_region"].into_iter().find(|name| has(profile, name));
        if let Some(setting) = doubled {
            return Some(ProfileFault::SsoSetting { setting });
        }
        for setting in ["sso_region", "sso_start_url"] {
            if session.get(setting).is_none() {
                return Some(ProfileFault::Sso { missing: setting });
            }
        }
    } else {
        for setting in ["sso_region", "sso_start_url"] {
            if !has(profile, setting) {
                return Some(ProfileFault::Sso { missing: setting });
            }
        }
    }
    let missing = ["sso_account_id", "sso_role_name"].into_iter().find(|name| !has(profile, name));
    missing.map(|missing| ProfileFault::Sso { missing })
}

/// Why a file cannot be read.
pub(crate) fn unreadable(path: &str) -> Option<String> {
    std::fs::read(Path::new(path)).err().map(|error| error.to_string())
}

/// Registers the token in a file as a secret. What is no plain file, such as a pipe, could be read only
/// once.
pub(crate) fn register_token(path: &str) {
    let is_token = |file: std::fs::Metadata| file.is_file() && file.len() <= LONGEST_TOKEN;
    if std::fs::metadata(path).is_ok_and(is_token) {
        issuer_redact::register_passing(&std::fs::read_to_string(path).unwrap_or_default());
    }
}

/// STS takes at most 20,000 characters (`AssumeRoleWithWebIdentity`).
const LONGEST_TOKEN: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use aws_config::profile::load;
    use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
    use aws_types::os_shim_internal::{Env, Fs};

    use super::*;

    const ROLE: &str = "role_arn = arn:aws:iam::111122223333:role/x\n";
    const KEYS: &str = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = hidden\n";

    async fn of(config: &str) -> Result<Option<String>, Error> {
        let files =
            EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, config).build();
        let profiles = load(&Fs::real(), &Env::from_slice(&[]), &files, None)
            .await
            .map_err(|error| Error::ProfileFiles { reason: error.to_string() })?;
        base(&profiles, "a").map(|base| base.map(str::to_owned))
    }

    #[tokio::test]
    async fn what_the_sdk_would_refuse_is_refused_with_one_message_and_one_hint() {
        let sso = "sso_account_id = 1\nsso_role_name = r\n";
        for (config, says, does) in [
            (
                format!("{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = a\n"),
                "leads to \"b\", \"a\"",
                "credentials of its own",
            ),
            (
                format!("{ROLE}source_profile = gone\n"),
                "\"gone\", the source_profile of \"a\",",
                "list-profiles",
            ),
            (
                format!("{ROLE}source_profile = b\n[profile b]\nregion = x\n"),
                "\"b\" contains no credentials, although the profile \"a\"",
                "aws configure --profile b",
            ),
            (ROLE.to_owned(), "neither source_profile nor credential_source", "source_profile"),
            (format!("{ROLE}source_profile = a\n"), "contains no credentials", "aws configure"),
            (
                format!("{ROLE}source_profile = b\ncredential_source = Environment\n"),
                "both",
                "one of them",
            ),
            (
                format!("{ROLE}credential_source = Hidden\n"),
                "credential_source that is not known",
                "EcsContainer",
            ),
            (
                format!("{ROLE}source_profile = b\nmfa_serial = arn:x\n[profile b]\n{KEYS}"),
                "mfa_serial",
                "get-session-token",
            ),
            ("login_session = arn:x\n".to_owned(), "aws login", "export-credentials --profile a"),
            (
                format!("{ROLE}source_profile = b\n[profile b]\nlogin_session = arn:x\n"),
                "\"b\" has a login_session",
                "--profile b",
            ),
            (
                format!("{sso}sso_session = s\n"),
                "sso_session \"s\", which does not exist",
                "aws configure sso",
            ),
            (
                format!("{sso}sso_session = s\n[sso-session s]\nsso_region = x\n"),
                "no sso_start_url",
                "aws configure sso",
            ),
            (
                format!("{sso}sso_region = x\nsso_session = s\n[sso-session s]\n"),
                "sso_region, which belongs into",
                "aws configure sso",
            ),
            (
                "sso_region = x\nsso_start_url = https://x\nsso_account_id = 1\n".to_owned(),
                "no sso_role_name",
                "aws configure sso",
            ),
            (
                "sso_session = s\n[sso-session s]\nsso_region = x\nsso_start_url = https://x\n"
                    .to_owned(),
                "no sso_account_id",
                "aws configure sso",
            ),
            (
                "aws_access_key_id = AKIAHIDDEN\n".to_owned(),
                "no aws_secret_access_key",
                "both halves",
            ),
            ("aws_secret_access_key = hidden\n".to_owned(), "no aws_access_key_id", "both halves"),
            ("web_identity_token_file = /no/such\n".to_owned(), "no role_arn", "role_arn"),
            (
                format!("{ROLE}web_identity_token_file = /no/such\n"),
                "/no/such, which cannot be read: No such file",
                "token",
            ),
        ] {
            use issuer_diagnostic::Diagnostic;
            let error = of(&format!("[profile a]\n{config}")).await.unwrap_err();
            let (text, hint) = (error.to_string(), error.hint().unwrap());
            assert!(text.starts_with("the profile ") && text.contains(says), "{says}: {text}");
            assert!(hint.contains(does), "{text}: {hint}");
            assert!(!text.to_lowercase().contains("hidden"), "{text}");
        }
    }

    #[tokio::test]
    async fn what_the_sdk_takes_is_taken() {
        let base = |config: String| async move { of(&config).await.unwrap() };
        let a = Some("a".to_owned());
        let b = Some("b".to_owned());
        let source = format!("[profile a]\n{ROLE}source_profile = b\n");
        assert_eq!(base(format!("[profile a]\n{KEYS}")).await, a);
        assert_eq!(base("[profile a]\nregion = x\nmfa_serial = arn:x\n".to_owned()).await, a);
        assert_eq!(base(format!("[profile a]\n{ROLE}{KEYS}source_profile = a\n")).await, a);
        assert_eq!(base(format!("[profile a]\n{ROLE}credential_source = Environment\n")).await, a);
        assert_eq!(base("[profile a]\ncredential_process = x\n".to_owned()).await, a);
        assert_eq!(base(format!("{source}[profile b]\n{KEYS}")).await, b);
        assert_eq!(base(format!("{source}[profile b]\n{KEYS}{ROLE}source_profile = a\n")).await, b);
        assert_eq!(base("[profile other]\n".to_owned()).await, None);
    }
}

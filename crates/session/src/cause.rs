//! What a failed call to AWS means: from its error code and message to one piece of advice.

use crate::credentials::{SIGNED_OUT, TOO_MANY};
use crate::fallback;
use crate::http::{UNRESOLVED, UNUSABLE};
use crate::region;
use crate::sdk_error::{REDIRECT, WEB_PAGE};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// There are no credentials.
    NoCredentials,
    /// The session of the credentials has expired.
    Expired,
    /// The session of AWS IAM Identity Center (SSO) has expired, or was never begun.
    SignIn {
        /// The profile.
        profile: String,
    },
    /// The `credential_process` of a profile failed.
    Process,
    /// The file of a web identity token cannot be read.
    TokenFile,
    /// AWS STS refuses a web identity token.
    WebIdentity,
    /// It does, and the profile that is there for this case has no usable credentials.
    Fallback,
    /// AWS does not know the access key.
    AccessKey,
    /// The session token is not that of the access key.
    SessionToken,
    /// The signature does not match: the secret access key is wrong.
    SecretKey,
    /// The time of the request is too far from that of AWS.
    Clock,
    /// The credentials are unusable for another reason.
    Credentials,
    /// A policy of this type denies the call explicitly.
    ExplicitDeny {
        /// Such as `service control policy`; empty if AWS does not say it.
        policy: String,
    },
    /// A policy of this type, which limits what others allow, does not allow the call.
    Limited {
        /// Such as `permissions boundary`.
        policy: &'static str,
    },
    /// A KMS key that the credentials may not use.
    Kms,
    /// The region in a host name that does not exist, and the nearest one.
    Region {
        /// The region in the host name.
        region: String,
        /// The one that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A host name that does not exist.
    Name,
    /// A certificate that is not trusted.
    Certificate,
    /// A certificate that has expired, or is not valid yet.
    CertificateTime,
    /// A certificate of another host.
    CertificateName,
    /// A host that does not answer.
    NoAnswer,
    /// A proxy that does not connect.
    Proxy,
    /// An answer of something else than AWS.
    NotAws,
    /// A redirect to a page for people, or to another server.
    Redirect {
        /// Scheme and host, or what is known of it.
        to: String,
    },
    /// Too many requests.
    Throttled,
    /// A failure of the service.
    Service,
    /// Anything else.
    Other,
}

impl Cause {
    /// The cause of a failed call, from the error code of the service, if it answered, and the
    /// message.
    #[must_use]
    pub fn of(code: Option<&str>, message: &str) -> Self {
        match code {
            Some(code) => Self::of_code(code, message),
            None => Self::of_message(message),
        }
    }

    fn of_code(code: &str, message: &str) -> Self {
        // STS and IAM have one code for a wrong secret and a wrong clock.
        let is_late =
            || message.contains("Signature expired") || message.contains("Signature not yet");
        match code {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Self::Expired,
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Self::Clock,
            "SignatureDoesNotMatch" | "InvalidSignatureException" if is_late() => Self::Clock,
            "SignatureDoesNotMatch" | "InvalidSignatureException" => Self::SecretKey,
            "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
                Self::AccessKey
            }
            "InvalidToken" => Self::SessionToken,
            "IncompleteSignature"
            | "NotSignedUp"
            | "MissingAuthenticationToken"
            | "AuthFailure"
            | "OptInRequired" => Self::Credentials,
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "SlowDown"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "RequestThrottled" => Self::Throttled,
            "InternalError"
            | "InternalFailure"
            | "ServiceFailure"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => Self::Service,
            _ if code.starts_with("KMS.") => Self::Kms,
            _ => Self::of_denial(message),
        }
    }

    /// The texts of "Troubleshoot access denied error messages" (IAM user guide).
    fn of_denial(message: &str) -> Self {
        if message.contains("explicit deny") {
            let policy = message.split_once("explicit deny in a").map(|(_, rest)| {
                let rest = rest.strip_prefix('n').unwrap_or(rest).trim_start();
                rest.split_once(" policy").map_or_else(
                    || {
                        rest.trim_end_matches('.')
                            .split([',', ':', ';'])
                            .next()
                            .unwrap_or_default()
                            .trim()
                            .to_owned()
                    },
                    |(kind, _)| format!("{kind} policy"),
                )
            });
            return Self::ExplicitDeny { policy: policy.unwrap_or_default() };
        }
        if message.contains("kms:") {
            return Self::Kms;
        }
        const LIMITS: [(&str, &str); 6] = [
            ("no service control policy", "service control policy"),
            ("no resource control policy", "resource control policy"),
            ("no permissions boundary", "permissions boundary"),
            ("no session policy", "session policy"),
            ("no VPC endpoint policy", "VPC endpoint policy"),
            ("no resource-based policy", "resource-based policy"),
        ];
        let limit = LIMITS.iter().find(|(text, _)| message.contains(text));
        limit.map_or(Self::Other, |(_, policy)| Self::Limited { policy })
    }

    fn of_message(message: &str) -> Self {
        if message.contains(fallback::UNUSABLE) {
            Self::Fallback
        } else if message.contains("no AWS credentials were found")
            || message.contains("contains no credentials")
        {
            Self::NoCredentials
        } else if message.contains(fallback::REFUSED) {
            Self::WebIdentity
        } else if message.contains(TOO_MANY) {
            Self::Throttled
        } else if let Some((_, rest)) = message.split_once(SIGNED_OUT) {
            let profile = rest.split('"').nth(1).unwrap_or("default");
            Self::SignIn { profile: profile.to_owned() }
        } else if message.contains("the credential_process of") {
            Self::Process
        } else if message.contains("AWS_WEB_IDENTITY_TOKEN_FILE names") {
            Self::TokenFile
        } else if let Some((_, to)) = message.split_once(REDIRECT) {
            Self::Redirect { to: to.split_whitespace().next().unwrap_or_default().to_owned() }
        } else if message.contains(WEB_PAGE) {
            Self::NotAws
        } else if message.contains("the proxy ") || message.contains(UNUSABLE) {
            Self::Proxy
        } else if let Some((host, _)) = message.split_once(UNRESOLVED) {
            let host = host.rsplit(' ').next().unwrap_or_default();
            match region::of_host(host) {
                Some(region) if !region::is_known(region) => {
                    Self::Region { region: region.to_owned(), nearest: region::nearest(region) }
                }
                _ => Self::Name,
            }
        } else if let Some((_, fault)) = message.split_once("its TLS certificate ") {
            match () {
                () if fault.contains("has expired") || fault.contains("not yet valid") => {
                    Self::CertificateTime
                }
                () if fault.contains("is not for ") => Self::CertificateName,
                () => Self::Certificate,
            }
        } else if message.contains("no secure connection to ") {
            Self::NotAws
        } else if message.contains("refused the connection")
            || message.contains("did not a")
            || message.contains("the connection to ")
        {
            Self::NoAnswer
        } else if message.contains("credentials") {
            Self::Credentials
        } else {
            Self::Other
        }
    }

    /// Whether the credentials, or the clock, are at fault, and not a missing permission.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::NoCredentials
                | Self::Expired
                | Self::SignIn { .. }
                | Self::Process
                | Self::TokenFile
                | Self::WebIdentity
                | Self::Fallback
                | Self::AccessKey
                | Self::SessionToken
                | Self::SecretKey
                | Self::Clock
                | Self::Credentials
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or sign in (aws \
                 configure, aws sso login); aws sts get-caller-identity shows whether it works"
            }
            Self::Expired => {
                "sign in again (aws sso login), or renew AWS_SESSION_TOKEN together with its access \
                 key"
            }
            Self::SignIn { profile } => {
                return Some(format!("sign in: aws sso login --profile {profile}"));
            }
            Self::Process => {
                "run the command of credential_process in a terminal: its own output, which is not \
                 shown here since it can hold a secret, says more"
            }
            Self::TokenFile => {
                "Kubernetes or the CI system that sets AWS_WEB_IDENTITY_TOKEN_FILE writes this file; \
                 elsewhere, unset the variable"
            }
            Self::WebIdentity => {
                "AWS STS accepts the token once its issuer is published and readable, IAM has the \
                 provider, and the role trusts its audience and subject; until then use other \
                 credentials: an access key in the environment, or a profile; --fallback-profile \
                 NAME is a profile that is used only while the token is refused"
            }
            Self::Fallback => {
                "write an access key into this profile of the credentials file \
                 (AWS_SHARED_CREDENTIALS_FILE), which is read again each time"
            }
            Self::AccessKey => {
                "check AWS_ACCESS_KEY_ID, or aws_access_key_id of the profile: the key may be \
                 deleted or inactive, may need the AWS_SESSION_TOKEN that belongs to it, or may be \
                 one of another partition"
            }
            Self::SessionToken => {
                "AWS_SESSION_TOKEN must be the one that was issued together with the access key; \
                 without a session, unset it"
            }
            Self::SecretKey => {
                "check AWS_SECRET_ACCESS_KEY, or aws_secret_access_key of the profile: it must be \
                 the secret of this access key, complete and without quotation marks"
            }
            Self::Clock => {
                "set the clock of this machine (timedatectl): AWS accepts a difference of 5 minutes, \
                 S3 of 15"
            }
            Self::Credentials => {
                "check AWS_PROFILE and the other AWS_… variables; aws sts get-caller-identity shows \
                 whether the credentials work"
            }
            Self::ExplicitDeny { policy } => {
                let policy = if policy.is_empty() { "policy" } else { policy.as_str() };
                return Some(format!(
                    "a {policy} denies it explicitly, and no permission overrides that: the policy \
                     needs an exception"
                ));
            }
            Self::Limited { policy } => {
                return Some(format!(
                    "the {policy} must allow it too: it limits what other policies allow"
                ));
            }
            Self::Kms => {
                "the credentials need kms:Decrypt on the KMS key that encrypts the object; or \
                 encrypt the object with SSE-S3, since nobody can read it anonymously: aws s3 cp \
                 --sse AES256"
            }
            Self::Region { region, nearest: Some(nearest) } => {
                return Some(format!(
                    "{region} is not a known AWS region; did you mean {nearest}?"
                ));
            }
            Self::Region { region, nearest: None } => {
                return Some(format!("{region} is not a known AWS region"));
            }
            Self::Name => "check the name, and whether DNS works here",
            Self::Certificate => {
                "if a proxy or a private CA signs it, AWS_CA_BUNDLE names a file with its \
                 certificate"
            }
            Self::CertificateTime => {
                "set the clock of this machine (timedatectl), or renew the certificate of the endpoint"
            }
            Self::CertificateName => {
                "a proxy or another server answered instead of AWS: check HTTPS_PROXY, NO_PROXY and \
                 the endpoint; a bucket with dots in its name needs path-style URLs"
            }
            Self::NoAnswer => "check the endpoint, the network, the firewall and HTTPS_PROXY",
            Self::Proxy => {
                "check HTTPS_PROXY, and add the host to NO_PROXY if it can be reached without a proxy"
            }
            Self::NotAws => {
                "a proxy or another server answered instead of AWS: check HTTPS_PROXY, NO_PROXY and \
                 the endpoint"
            }
            Self::Redirect { to } => {
                let to = if to.contains("://") { to.as_str() } else { "another path" };
                return Some(format!(
                    "a login page, a proxy or another server answers instead of AWS, and sends \
                     everybody to {to}: check the endpoint URL (https or http, host, port), \
                     HTTPS_PROXY and NO_PROXY"
                ));
            }
            Self::Throttled => "AWS limits the rate of requests: run again later",
            Self::Service => "the service failed: run again later",
            Self::Other => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_cause() {
        for (code, message, cause) in [
            ("ExpiredToken", "The provided token has expired.", Cause::Expired),
            ("ExpiredTokenException", "", Cause::Expired),
            ("RequestTimeTooSkewed", "", Cause::Clock),
            (
                "SignatureDoesNotMatch",
                "Signature expired: 20260101T000000Z is now earlier",
                Cause::Clock,
            ),
            ("SignatureDoesNotMatch", "Signature not yet current: 2026", Cause::Clock),
            ("SignatureDoesNotMatch", "The request signature we calculated …", Cause::SecretKey),
            (
                "InvalidClientTokenId",
                "The security token included in the request is invalid",
                Cause::AccessKey,
            ),
            ("InvalidAccessKeyId", "", Cause::AccessKey),
            ("InvalidToken", "", Cause::SessionToken),
            ("SlowDown", "", Cause::Throttled),
            ("ServiceUnavailable", "", Cause::Service),
            ("KMS.DisabledException", "", Cause::Kms),
            ("NoSuchBucket", "", Cause::Other),
        ] {
            assert_eq!(Cause::of(Some(code), message), cause, "{code} {message}");
        }
    }

    #[test]
    fn a_denial_names_the_policy_that_denies() {
        let of = |message: &str| Cause::of(Some("AccessDenied"), message);
        let explicit = |policy: &str| Cause::ExplicitDeny { policy: policy.to_owned() };
        for (end, cause) in [
            (
                "with an explicit deny in a service control policy",
                explicit("service control policy"),
            ),
            (
                "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o/x",
                explicit("service control policy"),
            ),
            (
                "with an explicit deny in an identity-based policy",
                explicit("identity-based policy"),
            ),
            ("with an explicit deny in a resource-based policy", explicit("resource-based policy")),
            ("with an explicit deny in a permissions boundary", explicit("permissions boundary")),
            ("with an explicit deny", explicit("")),
            (
                "because no permissions boundary allows the s3:PutObject action",
                Cause::Limited { policy: "permissions boundary" },
            ),
            (
                "because no service control policy allows the action",
                Cause::Limited { policy: "service control policy" },
            ),
            (
                "because no session policy allows the action",
                Cause::Limited { policy: "session policy" },
            ),
            ("because no identity-based policy allows the s3:PutObject action", Cause::Other),
        ] {
            let message =
                format!("User: u is not authorized to perform: s3:PutObject on resource: r {end}");
            assert_eq!(of(&message), cause, "{end}");
        }
        assert_eq!(
            of("User: u is not authorized to perform: kms:Decrypt on resource: k"),
            Cause::Kms
        );
    }

    #[test]
    fn a_missing_answer_is_told_from_missing_credentials() {
        let of = |message: &str| Cause::of(None, message);
        let region = Cause::Region { region: "us-wset-2".to_owned(), nearest: Some("us-west-2") };
        for (message, cause) in [
            ("b.s3.us-wset-2.amazonaws.com cannot be resolved (DNS)", region),
            ("sts.us-west-2.amazonaws.com cannot be resolved (DNS)", Cause::Name),
            ("minio.example.com cannot be resolved (DNS)", Cause::Name),
            ("sts.amazonaws.com did not answer within 10 s", Cause::NoAnswer),
            ("127.0.0.1:9 refused the connection", Cause::NoAnswer),
            (
                "the proxy http://p:1 (HTTPS_PROXY) refused the connection, so x could not be reached",
                Cause::Proxy,
            ),
            ("HTTP 403 with an HTML page, which is not an answer of AWS", Cause::NotAws),
            ("no AWS credentials were found in the environment", Cause::NoCredentials),
            ("the profile \"x\" contains no credentials", Cause::NoCredentials),
            (
                "the session of AWS IAM Identity Center (SSO) of the profile \"p\" has expired",
                Cause::SignIn { profile: "p".to_owned() },
            ),
            ("the credential_process of the profile \"p\" failed: x", Cause::Process),
            ("AWS_WEB_IDENTITY_TOKEN_FILE names /x, which cannot be read: y", Cause::TokenFile),
            (
                "no secure connection to x: its TLS certificate is signed by a CA that is not trusted",
                Cause::Certificate,
            ),
            (
                "no secure connection to x: its TLS certificate has expired on y",
                Cause::CertificateTime,
            ),
            (
                "no secure connection to x: its TLS certificate is not for the name \"x\"",
                Cause::CertificateName,
            ),
            ("no secure connection to x: it does not speak TLS", Cause::NotAws),
            ("the credentials could not be loaded within 5 s", Cause::Credentials),
            ("x cannot be reached: HTTPS_PROXY names a SOCKS proxy", Cause::Proxy),
            ("something else", Cause::Other),
        ] {
            let hints = cause != Cause::Other;
            assert_eq!(of(message), cause, "{message}");
            assert_eq!(of(message).hint().is_some(), hints, "{message}");
        }
    }
}

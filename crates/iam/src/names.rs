//! Names as IAM and Kubernetes accept them.

use std::fmt;
use std::str::FromStr;

use issuer_discovery::{IssuerUrl, Partition};

use crate::glob::glob;
use crate::principals::exists;
use crate::{Error, Name};

/// The audience that the AWS SDKs, the pod identity webhook and EKS use, in every partition.
pub const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";

/// An AWS account: 12 digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountId(String);

/// An audience (`aud`), which is a client ID of the provider (IAM API, `clientIDType`: 1 to 255
/// characters).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Audience(String);

/// `NAMESPACE/NAME` of service accounts; `*` matches any characters and `?` one. With wildcards in
/// both parts, each must begin with other characters: else whole clusters would be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAccountPattern {
    namespace: String,
    name: String,
}

/// The ARN of a policy: `arn:PARTITION:iam::ACCOUNT:policy/NAME`, with the account `aws` for AWS
/// managed policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyArn(String);

/// The name of a policy (IAM API, `policyNameType`: 1 to 128 of `A-Za-z0-9+=,.@_-`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyName(String);

/// The path of a role (IAM API, `pathType`): begins and ends with a slash, such as `/apps/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePath(String);

/// The ARN of the provider of an issuer: `arn:PARTITION:iam::ACCOUNT:oidc-provider/HOST/PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderArn(String);

impl AccountId {
    /// The twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether AWS can have it: 000000000000 is a placeholder, or that of an emulator.
    #[must_use]
    pub fn exists(&self) -> bool {
        exists(&self.0)
    }
}

impl Audience {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Audience {
    fn default() -> Self {
        Self(DEFAULT_AUDIENCE.to_owned())
    }
}

impl ServiceAccountPattern {
    /// Whether it names exactly one service account.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !has_wildcard(&self.namespace) && !has_wildcard(&self.name)
    }

    /// Whether it is, or matches, this service account.
    #[must_use]
    pub fn matches(&self, namespace: &str, name: &str) -> bool {
        glob(&self.namespace, namespace) && glob(&self.name, name)
    }

    /// What follows from a wildcard in the namespace.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        has_wildcard(&self.namespace).then(|| {
            format!(
                "{self} has a wildcard in the namespace: whoever can create such a namespace can \
                 use the role"
            )
        })
    }

    /// The namespace, or a pattern of namespaces.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name, or a pattern of names.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a token's `sub` (kubernetes `pkg/serviceaccount`):
    /// `system:serviceaccount:NAMESPACE:NAME`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl PolicyArn {
    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PolicyName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RolePath {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ProviderArn {
    /// The ARN that IAM gives the provider of this issuer.
    ///
    /// # Errors
    /// [`Error::Port`].
    pub fn new(
        partition: Partition,
        account: &AccountId,
        issuer: &IssuerUrl,
    ) -> Result<Self, Error> {
        if issuer.without_scheme() != format!("{}{}", issuer.host(), issuer.path()) {
            return Err(Error::Port { issuer: issuer.to_string() });
        }
        Ok(Self(iam_arn(
            partition,
            account,
            "oidc-provider",
            &format!("/{}", issuer.without_scheme()),
        )))
    }

    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid(Name::AccountId, text, "it has 12 digits"))
        }
    }
}

impl FromStr for Audience {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let count = text.chars().count();
        if (1..=255).contains(&count) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            Ok(Self(text.to_owned()))
        } else {
            let reason = "a provider's client ID has 1 to 255 characters without white space";
            Err(Error::invalid(Name::Audience, text, reason))
        }
    }
}

impl FromStr for ServiceAccountPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Err(Error::invalid(Name::ServiceAccount, text, reason));
        let Some((namespace, name)) = text.split_once('/') else {
            return refuse("it is not NAMESPACE/NAME");
        };
        if !is_label(namespace) || !is_subdomain(name) {
            return refuse(
                "names in Kubernetes consist of lower-case letters, digits and hyphens, and begin \
                 and end with a letter or digit; * and ? are wildcards",
            );
        }
        if namespace.len() > 63 || name.len() > 253 {
            return refuse("a namespace has at most 63 characters, a name at most 253");
        }
        let open = [namespace, name].iter().any(|part| part.starts_with(['*', '?']));
        if has_wildcard(namespace) && has_wildcard(name) && open {
            return refuse(
                "with wildcards in both namespace and name, each must begin with a part of the \
                 name (team-*/app-*); otherwise nearly the whole cluster would be allowed",
            );
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl FromStr for PolicyArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        match fields[..] {
            ["arn", partition, "iam", "", account, policy]
                if Partition::named(partition).is_some()
                    && (account == "aws" || account.parse::<AccountId>().is_ok())
                    && policy.strip_prefix("policy/").is_some_and(|name| !name.is_empty()) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => {
                let reason = "it has the form arn:PARTITION:iam::ACCOUNT:policy/NAME";
                Err(Error::invalid(Name::PolicyArn, text, reason))
            }
        }
    }
}

impl FromStr for PolicyName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_iam_name(text, 128) {
            Ok(Self(text.to_owned()))
        } else {
            let reason = "it has 1 to 128 letters, digits and +=,.@_-";
            Err(Error::invalid(Name::PolicyName, text, reason))
        }
    }
}

impl FromStr for RolePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = text.bytes().all(|b| b.is_ascii_graphic()) && text.len() <= 512;
        if allowed && text.starts_with('/') && text.ends_with('/') {
            Ok(Self(text.to_owned()))
        } else {
            let reason = "it begins and ends with a slash, such as /apps/";
            Err(Error::invalid(Name::RolePath, text, reason))
        }
    }
}

impl fmt::Display for PolicyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RolePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ServiceAccountPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ProviderArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it is the name of a namespace, or a pattern of names (Kubernetes, "Object Names and IDs":
/// RFC 1123 label).
pub(crate) fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-*?".contains(&b);
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(allowed)
}

/// The same for the name of a service account (RFC 1123 subdomain).
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// The ARN of an IAM resource, which has no region; `path_and_name` begins with a slash.
pub(crate) fn iam_arn(
    partition: Partition,
    account: &AccountId,
    kind: &str,
    path_and_name: &str,
) -> String {
    format!("arn:{}:iam::{account}:{kind}{path_and_name}", partition.name)
}

/// Letters, digits and `+=,.@_-`.
pub(crate) fn is_iam_name(text: &str, longest: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_service_accounts_are_rejected() {
        for text in [
            "",
            "app",
            "/app",
            "default/",
            "a/b/c",
            "A/b",
            "a/b c",
            "a:b/c",
            "*/*",
            "*a/b?",
            "a*/?b",
            "default/app-",
            "default/-app",
            "-x/app",
            "x-/app",
            "default/.a",
            "default/a..b",
            "default/a.-b",
            "default/app\n",
            "a.b/c",
        ] {
            assert!(text.parse::<ServiceAccountPattern>().is_err(), "{text:?}");
        }
        for (text, literal) in [
            ("default/app", true),
            ("jobs/*", false),
            ("team-?/app", false),
            ("kube-system/a.b", true),
            ("default/app-*", false),
            ("team-*/app-*", false),
        ] {
            let pattern: ServiceAccountPattern = text.parse().unwrap();
            assert_eq!((pattern.to_string().as_str(), pattern.is_literal()), (text, literal));
            assert_eq!(pattern.warning().is_some(), text.starts_with("team-"));
        }
    }

    #[test]
    fn wildcards_match_within_the_namespace_and_within_the_name() {
        for (pattern, namespace, name, matches) in [
            ("default/app", "default", "app", true),
            ("default/app", "default", "app-2", false),
            ("jobs/*", "jobs", "nightly", true),
            ("jobs/*", "jobs-2", "nightly", false),
            ("team-?/app", "team-a", "app", true),
            ("team-?/app", "team-ab", "app", false),
            ("team-*/app-*", "team-", "app-x", true),
            ("team-*/app-*", "team-a", "app", false),
        ] {
            let parsed: ServiceAccountPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(namespace, name), matches, "{pattern} {namespace}/{name}");
        }
    }

    #[test]
    fn an_arn_names_partition_account_host_and_path() {
        use issuer_discovery::Ports;
        let issuer = IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).unwrap();
        let account: AccountId = "111122223333".parse().unwrap();
        let arn = ProviderArn::new(Partition::of_region("cn-north-1"), &account, &issuer).unwrap();
        assert_eq!(
            arn.as_str(),
            "arn:aws-cn:iam::111122223333:oidc-provider/oidc.example.com/prod"
        );
        let with_port = IssuerUrl::parse("https://localhost:9000/prod", Ports::Allow).unwrap();
        assert!(ProviderArn::new(Partition::of_region("us-east-1"), &account, &with_port).is_err());
        for text in ["", "11112222333", "1111222233334", "11112222333x"] {
            assert!(text.parse::<AccountId>().is_err(), "{text:?}");
        }
    }
}

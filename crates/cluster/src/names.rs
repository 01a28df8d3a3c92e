//! Names in Kubernetes.

use std::fmt;
use std::str::FromStr;

/// The name of a Cluster API cluster (RFC 1123 subdomain).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterName(String);

/// `NAMESPACE/NAME` of a ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountRef {
    namespace: String,
    name: String,
}

/// The name of a namespace (RFC 1123 label).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a namespace consists of lower-case letters, digits and hyphens".to_owned())
        }
    }
}

impl Default for Namespace {
    /// The namespace of cluster resources in EKS Anywhere.
    fn default() -> Self {
        Self("eksa-system".to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ClusterName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_subdomain(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a cluster name consists of lower-case letters, digits, hyphens and dots"
                .to_owned())
        }
    }
}

impl ServiceAccountRef {
    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name in it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ServiceAccountRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if is_label(namespace) && is_subdomain(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(
                "a service account is NAMESPACE/NAME, in lower-case letters, digits and hyphens"
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ServiceAccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// RFC 1123 label, as Kubernetes' `IsDNS1123Label`.
pub(crate) fn is_label(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_rejects_are_rejected() {
        for text in [
            "", "/", "a/", "/b", "a", "a/b/c", "A/b", "a/B", "a_b/c", "a/-b", "../x/y", "a/b\n",
            "a/*",
        ] {
            assert!(text.parse::<ServiceAccountRef>().is_err(), "{text:?}");
        }
        let account: ServiceAccountRef = "kube-system/app.v1".parse().unwrap();
        assert_eq!((account.namespace(), account.name()), ("kube-system", "app.v1"));
        assert!("prod/../x".parse::<ClusterName>().is_err());
        assert!("../default".parse::<Namespace>().is_err() && "a b".parse::<Namespace>().is_err());
        assert_eq!("prod-1.eu".parse::<ClusterName>().unwrap().as_str(), "prod-1.eu");
    }
}

//! The role that a ServiceAccount gives its pods.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Settings;
use crate::settings::MIN_EXPIRATION;

/// Annotations by name.
pub type Annotations = BTreeMap<String, String>;

/// The role of a pod, and how its token is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The value of `AWS_ROLE_ARN`.
    pub role: String,
    /// The audience of the token; empty: that of the API server.
    pub audience: String,
    /// Whether STS is called in the region of the pod.
    pub regional_sts: bool,
    /// The lifetime of the token in seconds.
    pub expiration: i64,
}

impl Identity {
    /// What a ServiceAccount's annotations say; `None` without a role.
    #[must_use]
    pub fn of(annotations: &Annotations, settings: &Settings) -> Option<Self> {
        let get = |name| annotations.get(&settings.annotation(name));
        let role = get("role-arn")?;
        let role = match &settings.composed {
            Some(composed) if !role.contains("arn:") => {
                format!("arn:{}:iam::{}:role/{role}", composed.partition, composed.account)
            }
            _ => role.clone(),
        };
        let audience = get("audience").unwrap_or(&settings.audience);
        (!role.is_empty()).then(|| Self {
            role,
            audience: audience.clone(),
            regional_sts: get("sts-regional-endpoints")
                .and_then(|text| boolean(text))
                .unwrap_or(settings.regional_sts),
            expiration: get("token-expiration")
                .and_then(|text| seconds(text))
                .unwrap_or_else(|| settings.expiration()),
        })
    }

    /// What an entry of the webhook's ConfigMap says; `None` without a role. Only the region and
    /// the default expiration of the flags reach it.
    #[must_use]
    pub fn of_config(entry: &Value, settings: &Settings) -> Option<Self> {
        let get = |name: &str| {
            let mut members = entry.as_object()?.iter();
            members.rfind(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let text = |name| get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let role = text("RoleARN");
        (!role.is_empty()).then(|| Self {
            role,
            audience: text("Audience"),
            regional_sts: get("UseRegionalSTS").and_then(Value::as_bool).unwrap_or_default(),
            expiration: get("TokenExpiration")
                .and_then(Value::as_i64)
                .filter(|seconds| *seconds != 0)
                .unwrap_or_else(|| settings.expiration()),
        })
    }

    /// Whether IAM can have a role with this ARN.
    #[must_use]
    pub fn has_role_arn(&self) -> bool {
        is_role_arn(&self.role)
    }
}

/// The pattern of the webhook's own warning, `^arn:aws[a-z0-9-]*:iam::\d{12}:role/[\w-/.@+=,]+$`.
fn is_role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) =
        (part(), part(), part(), part(), part(), part());
    let partition = partition.strip_prefix("aws").unwrap_or("_");
    let name = resource.strip_prefix("role/").unwrap_or_default();
    arn == "arn"
        && partition.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.@+=,".contains(c))
}

/// Go's `strconv.ParseBool`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseInt` with base 10, and no less than an API server accepts.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().map(|seconds| seconds.max(MIN_EXPIRATION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_is_told_from_its_neighbors() {
        for role in
            ["arn:aws:iam::111122223333:role/app", "arn:aws-cn:iam::111122223333:role/a/b@c"]
        {
            assert!(is_role_arn(role), "{role}");
        }
        for other in [
            "app",
            "",
            " arn:aws:iam::111122223333:role/app",
            "arn:aws:iam::111122223333:role/app ",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::11112222333:role/app",
            "arn:aws:iam::111122223333:user/app",
            "arn:aws:sts::111122223333:assumed-role/app/x",
            "arn:aws:iam::111122223333:role/app:x",
            "arn:azure:iam::111122223333:role/app",
        ] {
            assert!(!is_role_arn(other), "{other}");
        }
    }

    #[test]
    fn only_a_decimal_64_bit_integer_is_an_expiration() {
        for (text, value) in [
            ("3600", Some(3600)),
            ("+3600", Some(3600)),
            ("007200", Some(7200)),
            ("-1", Some(600)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1h", None),
            (" 3600", None),
            ("3_600", None),
            ("3600.0", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), value, "{text}");
        }
    }
}

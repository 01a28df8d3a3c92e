//! The flags of an API server that decide who signs its tokens.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::form::{ISSUER, JWKS_URI};

/// The socket of another program that signs (KEP-740).
const SIGNING_ENDPOINT: &str = "service-account-signing-endpoint";

/// The flags that are kept; others are not looked at.
const KEPT: [&str; 6] = [
    ISSUER,
    JWKS_URI,
    "service-account-key-file",
    "service-account-signing-key-file",
    SIGNING_ENDPOINT,
    "api-audiences",
];

/// Values of flags by name, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerFlags(BTreeMap<String, Vec<String>>);

impl ServerFlags {
    /// `--service-account-issuer`; the first signs, the others are accepted.
    #[must_use]
    pub fn issuers(&self) -> &[String] {
        self.get(ISSUER)
    }

    /// Whether another program signs the tokens, which changes its keys without a restart of the API
    /// server (KEP-740).
    #[must_use]
    pub fn have_external_signer(&self) -> bool {
        !self.get(SIGNING_ENDPOINT).is_empty()
    }

    /// The values of a flag; none if it is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Adds a value of a flag, if it is one that matters.
    pub fn push(&mut self, name: &str, value: &str) {
        if KEPT.contains(&name) {
            self.0.entry(name.to_owned()).or_default().push(value.to_owned());
        }
    }
}

/// The flags in the command and the arguments of the containers of a pod (`v1` `Pod`) that are named
/// `kube-apiserver`; `None` if it has no such container.
#[must_use]
pub fn flags_of_pod(pod: &Value) -> Option<ServerFlags> {
    let containers = pod["spec"]["containers"].as_array()?;
    let mut servers = containers.iter().filter(|own| own["name"] == "kube-apiserver").peekable();
    servers.peek()?;
    let lists = servers.flat_map(|own| ["command", "args"].map(|list| &own[list]));
    let words = lists.flat_map(|list| list.as_array().into_iter().flatten());
    Some(parse_arguments(words.filter_map(Value::as_str)))
}

/// The issuers in `extraArgs` of kubeadm's `ClusterConfiguration`, Cluster API or EKS Anywhere: a mapping,
/// which holds one, or a list of names and values (kubeadm v1beta4, Cluster API v1beta2).
#[must_use]
pub fn issuers_in_extra_args(arguments: &Value) -> Vec<String> {
    let values = match arguments {
        Value::Array(list) => {
            list.iter().filter(|own| own["name"] == ISSUER).map(|own| &own["value"]).collect()
        }
        arguments => vec![&arguments[ISSUER]],
    };
    values.into_iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// The flags in a command and its arguments: `--name=value`, or `--name` and `value`.
fn parse_arguments<'a>(words: impl IntoIterator<Item = &'a str>) -> ServerFlags {
    let mut flags = ServerFlags::default();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else { continue };
        match flag.split_once('=') {
            Some((name, value)) => flags.push(name, value),
            None if KEPT.contains(&flag) => {
                if let Some(value) = words.next_if(|next| !next.starts_with("--")) {
                    flags.push(flag, value);
                }
            }
            None => {}
        }
    }
    flags
}

/// What `/flagz` returns: the object Flagz of `config.k8s.io`, or lines `name=value` of servers before
/// 1.36. `None` if it is neither.
#[must_use]
pub fn parse_flagz(body: &str) -> Option<ServerFlags> {
    let mut flags = ServerFlags::default();
    let mut add = |name: &str, text: &str| {
        for value in list(text) {
            flags.push(name, &value);
        }
    };
    if let Ok(object) = serde_json::from_str::<Value>(body) {
        for (name, value) in object.get("flags")?.as_object()? {
            add(name, value.as_str().unwrap_or_default());
        }
        return Some(flags);
    }
    let lines = body.lines().filter_map(|line| line.trim().split_once('='));
    let mut found = false;
    for (name, value) in lines {
        found |= name.trim().starts_with("service-account-");
        add(name.trim(), value.trim());
    }
    found.then_some(flags)
}

/// A list as pflag prints it: `[a,b]`, in CSV, so that a value with a comma is in quotes. Anything else
/// is one value; an empty text is none.
fn list(text: &str) -> Vec<String> {
    let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return [text].into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect();
    };
    let (mut values, mut value, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = inner.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            c => value.push(c),
        }
    }
    values.push(value);
    values.retain(|value| !value.is_empty());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_within_an_issuer_is_told_from_two_issuers() {
        let of = |text: &str| {
            let body = serde_json::json!({"flags": {"service-account-issuer": text, "v": "2"}});
            parse_flagz(&body.to_string()).unwrap().issuers().to_vec()
        };
        assert_eq!(of("[https://a,https://b]"), ["https://a", "https://b"]);
        assert_eq!(of("[\"https://a,https://b\"]"), ["https://a,https://b"]);
        assert!(of("[]").is_empty());
        let text = "api-audiences=[]\nservice-account-issuer=[https://a]\n";
        assert_eq!(parse_flagz(text).unwrap().issuers(), ["https://a"]);
        assert_eq!(parse_flagz("<html>a=b</html>"), None);
        assert_eq!(parse_flagz("{}"), None);
    }

    #[test]
    fn arguments_have_their_value_behind_an_equals_sign_or_as_the_next_word() {
        let words = [
            "kube-apiserver",
            "--service-account-issuer=https://a",
            "--v=2",
            "--service-account-issuer",
            "https://b",
            "--api-audiences",
        ];
        let flags = parse_arguments(words);
        assert_eq!(flags.issuers(), ["https://a", "https://b"]);
        assert!(flags.get("api-audiences").is_empty());
    }
}

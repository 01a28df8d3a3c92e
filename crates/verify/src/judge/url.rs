//! How two URLs differ, and who can reach them.

use std::net::{IpAddr, Ipv4Addr};

use crate::text::quote;

/// How two URLs differ that should be equal byte for byte, as a clause.
pub(super) fn difference(wanted: &str, found: &str) -> String {
    if found.trim() == wanted {
        return "white space around it".to_owned();
    }
    if let Some(c) = found.chars().find(|c| !c.is_ascii() || c.is_ascii_control()) {
        return format!("it contains the character U+{:04X}", u32::from(c));
    }
    if found.strip_suffix('/') == Some(wanted) {
        return "it has a trailing slash that is not expected".to_owned();
    }
    if wanted.strip_suffix('/') == Some(found) {
        return "the trailing slash is missing".to_owned();
    }
    if found.eq_ignore_ascii_case(wanted) {
        return "they differ in letter case only".to_owned();
    }
    let (scheme, rest) = found.split_once("://").unwrap_or(("", found));
    let (wanted_host, wanted_path) =
        split(wanted.split_once("://").map_or(wanted, |(_, rest)| rest));
    let (host, path) = split(rest);
    if (host, path) == (wanted_host, wanted_path) {
        return if scheme.is_empty() {
            "the https:// is missing".to_owned()
        } else {
            format!("the scheme is {scheme}, not https")
        };
    }
    if found.split(',').any(|part| part == wanted) {
        return "two issuers are joined by a comma".to_owned();
    }
    if host == wanted_host {
        return format!(
            "same host, but the path is {} instead of {}",
            quote(path),
            quote(wanted_path)
        );
    }
    if host.split(':').next() == wanted_host.split(':').next() && path == wanted_path {
        return "they differ in the port".to_owned();
    }
    format!("another host: {} instead of {}", quote(host), quote(wanted_host))
}

/// Why a host cannot be reached from the internet, as far as its name or address shows.
pub(super) fn internal(host: &str) -> Option<&'static str> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return internal_address(address);
    }
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    const CLUSTER: [&str; 3] = [".svc", ".cluster.local", "kubernetes.default"];
    const PRIVATE: [&str; 7] =
        [".local", ".internal", ".lan", ".intranet", ".corp", ".home.arpa", ".test"];
    if name.ends_with(".invalid") {
        Some("a reserved name that does not exist anywhere")
    } else if name == "localhost" || name.ends_with(".localhost") {
        Some("a loopback name")
    } else if CLUSTER.iter().any(|end| name.ends_with(end)) || name.contains(".svc.") {
        Some("a name that only resolves inside the cluster")
    } else if PRIVATE.iter().any(|end| name.ends_with(end)) || !name.contains('.') {
        Some("a name that only resolves in a private network")
    } else {
        None
    }
}

/// The same for an address.
pub(super) fn internal_address(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => internal_v4(v4),
        IpAddr::V6(v6) if v6.is_loopback() => Some("a loopback address"),
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => {
            Some("a private address")
        }
        IpAddr::V6(v6) => v6.to_ipv4_mapped().and_then(internal_v4),
    }
}

fn internal_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, ..] = address.octets();
    if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_private()
        || address.is_link_local()
        || (a == 100 && (64..128).contains(&b))
    {
        Some("a private address")
    } else if address.is_documentation() || address.is_unspecified() || address.is_broadcast() {
        Some("a reserved address")
    } else {
        None
    }
}

/// The host of an https URL, without its port.
pub(super) fn host(url: &str) -> &str {
    let authority = split(url.split_once("://").map_or(url, |(_, rest)| rest)).0;
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

fn split(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

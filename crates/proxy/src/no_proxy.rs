//! `NO_PROXY`: the hosts that are requested without a proxy.

use std::net::IpAddr;

use url::{Host, Url};

/// The entries of `NO_PROXY` that can match a host; the others are ignored, as kubectl and curl do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NoProxy(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// `*`
    Every,
    /// `10.0.0.0/8`
    Block { address: IpAddr, prefix: u32 },
    /// `10.1.2.3`, `[fd00::1]:6443`
    Address { address: IpAddr, port: Option<u16> },
    /// `example.com` and its subdomains.
    Domain { name: String, port: Option<u16> },
}

impl NoProxy {
    pub(crate) fn parse(text: &str) -> Self {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter_map(Entry::parse).collect())
    }

    /// Whether the host of `url` is requested without a proxy. Loopback hosts always are (Go
    /// `httpproxy.Config.useProxy`).
    pub(crate) fn matches(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        let any = |matched: &dyn Fn(&Entry) -> bool| self.0.iter().any(matched);
        match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name == "localhost" || any(&|entry| entry.matches_domain(&name, port))
            }
            Some(Host::Ipv4(address)) => {
                let address = IpAddr::from(address);
                address.is_loopback() || any(&|entry| entry.matches_address(address, port))
            }
            Some(Host::Ipv6(address)) => {
                let address = IpAddr::from(address).to_canonical();
                address.is_loopback() || any(&|entry| entry.matches_address(address, port))
            }
            None => false,
        }
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Every);
        }
        if let Some((address, prefix)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let prefix = prefix.parse().ok()?;
            return (prefix <= width(address)).then_some(Self::Block { address, prefix });
        }
        let (host, port) = match text.rsplit_once(':') {
            // The last colon of an IPv6 address is not the one before a port.
            Some((host, port)) if address(text).is_none() => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        if let Some(address) = address(host) {
            return Some(Self::Address { address, port });
        }
        let name = host.strip_prefix('*').unwrap_or(host).trim_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then_some(Self::Domain { name, port })
    }

    fn matches_domain(&self, host: &str, port: Option<u16>) -> bool {
        match self {
            Self::Every => true,
            Self::Domain { name, port: only } => {
                let is_below =
                    || host.strip_suffix(name.as_str()).is_some_and(|h| h.ends_with('.'));
                (host == name || is_below()) && matches_port(*only, port)
            }
            Self::Block { .. } | Self::Address { .. } => false,
        }
    }

    fn matches_address(&self, host: IpAddr, port: Option<u16>) -> bool {
        match self {
            Self::Every => true,
            Self::Address { address, port: only } => *address == host && matches_port(*only, port),
            Self::Block { address, prefix } => {
                address.is_ipv4() == host.is_ipv4()
                    && first_bits(*address, *prefix) == first_bits(host, *prefix)
            }
            Self::Domain { .. } => false,
        }
    }
}

/// An IP address, in brackets or without.
fn address(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    inner.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn matches_port(only: Option<u16>, port: Option<u16>) -> bool {
    only.is_none() || only == port
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { u32::BITS } else { u128::BITS }
}

fn first_bits(address: IpAddr, prefix: u32) -> u128 {
    let bits = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    bits.checked_shr(width(address) - prefix).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without_proxy(no_proxy: &str, url: &str) -> bool {
        NoProxy::parse(no_proxy).matches(&Url::parse(url).unwrap())
    }

    #[test]
    fn entries_match_as_for_kubectl_and_curl() {
        for (no_proxy, url) in [
            ("*", "https://api.example.com"),
            ("a,*", "https://10.1.2.3"),
            ("10.1.2.3", "https://10.1.2.3:6443"),
            ("10.1.2.3:6443", "https://10.1.2.3:6443"),
            ("10.0.0.0/8", "https://10.1.2.3:6443"),
            ("10.1.2.99/8", "https://10.1.2.3:6443"),
            ("0.0.0.0/0", "https://10.1.2.3"),
            ("localhost, 10.1.2.3,", "https://10.1.2.3"),
            (",,10.1.2.3", "https://10.1.2.3"),
            ("a b\t10.1.2.3\n", "https://10.1.2.3"),
            ("fd00::1", "https://[fd00::1]:6443"),
            ("[fd00::1]", "https://[fd00::1]:6443"),
            ("[fd00::1]:6443", "https://[fd00::1]:6443"),
            ("fd00::/8", "https://[fd00::1]"),
            ("::/0", "https://[fd00::1]"),
            ("10.1.2.3", "https://[::ffff:10.1.2.3]"),
            ("example.com", "https://example.com"),
            ("example.com", "https://api.example.com"),
            (".example.com", "https://api.example.com"),
            (".example.com", "https://example.com"),
            ("*.example.com", "https://api.example.com"),
            ("EXAMPLE.com.", "https://Api.Example.COM."),
            ("example.com:443", "https://api.example.com"),
            (".svc", "https://kubernetes.default.svc"),
        ] {
            assert!(without_proxy(no_proxy, url), "{no_proxy} {url}");
        }
        for (no_proxy, url) in [
            ("", "https://api.example.com"),
            (",", "https://api.example.com"),
            ("10.1.2.3", "https://10.1.2.31"),
            ("10.1.2.3:443", "https://10.1.2.3:6443"),
            ("10.0.0.0/8", "https://11.1.2.3"),
            ("10.0.0.0/33", "https://10.0.0.0"),
            ("10.0.0.0/x", "https://10.0.0.0"),
            ("::/0", "https://10.1.2.3"),
            ("0.0.0.0/0", "https://[fd00::1]"),
            ("example.com", "https://badexample.com"),
            ("example.com", "https://example.com.evil.org"),
            ("example.com:8443", "https://example.com"),
            ("example.com:x", "https://example.com"),
            (".", "https://example.com"),
            (":443", "https://example.com"),
        ] {
            assert!(!without_proxy(no_proxy, url), "{no_proxy} {url}");
        }
    }

    #[test]
    fn loopback_hosts_are_never_requested_through_a_proxy() {
        for url in [
            "https://localhost",
            "https://127.0.0.1:6443",
            "https://127.9.9.9",
            "https://[::1]:6443",
        ] {
            assert!(without_proxy("", url), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", entry in "[*.:/\\[\\]0-9a-f,]{0,40}") {
            for no_proxy in [text, entry] {
                for url in ["https://10.1.2.3:6443", "https://[fd00::1]", "https://a.example"] {
                    without_proxy(&no_proxy, url);
                }
            }
        }

        #[test]
        fn a_block_matches_the_addresses_that_begin_with_its_bits(
            block: u32, prefix in 0_u32..=32, host: u32,
        ) {
            let (network, address) = (std::net::Ipv4Addr::from(block), std::net::Ipv4Addr::from(host));
            prop_assume!(!address.is_loopback());
            let same = prefix == 0 || block >> (32 - prefix) == host >> (32 - prefix);
            prop_assert_eq!(
                without_proxy(&format!("{network}/{prefix}"), &format!("https://{address}")),
                same
            );
        }
    }
}

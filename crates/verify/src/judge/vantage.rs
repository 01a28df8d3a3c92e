//! From where the issuer was read.

use crate::judge::url::{host, internal, internal_address};
use crate::text::quote;
use crate::verdict::{Fault, Remedy};
use crate::{Check, Fetched, Observation, Vantage};

const ID: &str = "vantage";

/// A firewall or split DNS can make a broken issuer look healthy; this check reports signs of it.
pub(super) fn judge(observation: &Observation, issuer: Option<&str>) -> Check {
    let (proxy, extra_roots) = match &observation.vantage {
        Vantage::Folder(path) => {
            return Check::skip(
                ID,
                format!(
                    "read from the folder {}, not fetched: hosting and TLS were not checked",
                    quote(&path.display().to_string())
                ),
            );
        }
        Vantage::Network { proxy, extra_roots } => (*proxy, *extra_roots),
    };
    let from = if proxy { "from this machine (through a proxy)" } else { "from this machine" };
    let host = host(issuer.unwrap_or_default());
    let hidden = internal(host)
        .map(|why| format!("the issuer's host {} is {why}", quote(host)))
        .or_else(|| address(&observation.discovery, proxy));
    if let Some(hidden) = hidden {
        return Check::warn(
            ID,
            format!(
                "read {from}; {hidden}: STS reads from the internet, and may not reach it or may \
                 get something else"
            ),
            "verify again from a machine outside your network; the issuer needs a public name and \
             address, such as those of a public bucket",
        );
    }
    if extra_roots {
        let fault = Fault::new(
            format!("read {from}, trusting additional root certificates, which STS does not have"),
            "if the issuer's CA is private, the IAM provider needs its thumbprint",
        );
        return Check::warn_of(ID, fault.with_remedy(Remedy::AddThumbprint));
    }
    Check::pass(
        ID,
        format!("read {from}; with a firewall or split DNS, STS may get something else"),
    )
}

/// With a proxy, the address is the proxy's and says nothing.
fn address(discovery: &Fetched, proxy: bool) -> Option<String> {
    let address = discovery.outcome.as_ref().ok()?.address.filter(|_| !proxy)?;
    internal_address(address).map(|why| format!("the response came from {address}, {why}"))
}

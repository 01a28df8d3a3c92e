//! Errors of a proxy, told from those of the host behind it.

use crate::{ProxyFault, Unreached};

/// What an error means of a request through a proxy; `causes` are the texts of its causes.
pub(crate) fn through<'a>(
    unreached: Unreached,
    mut causes: impl Iterator<Item = std::borrow::Cow<'a, str>>,
) -> Unreached {
    // hyper-util's error for CONNECT has no public kind.
    let tunnel = causes.find(|cause| cause.starts_with("tunnel error")).unwrap_or_default();
    let not_reached = |why| Unreached::Proxy(ProxyFault::NotReached(why));
    match unreached {
        _ if tunnel.contains("authorization required") => Unreached::Proxy(ProxyFault::Credentials),
        _ if tunnel.contains("unsuccessful") => Unreached::Proxy(ProxyFault::Refused),
        _ if tunnel.contains("end of file") => Unreached::Proxy(ProxyFault::Closed),
        Unreached::NameNotFound => not_reached("its name does not resolve (DNS)"),
        Unreached::Refused => not_reached("connection refused"),
        Unreached::Unroutable => not_reached("no route to it"),
        Unreached::ConnectTimedOut => not_reached("no connection within 5 s, to it or through it"),
        other => other,
    }
}

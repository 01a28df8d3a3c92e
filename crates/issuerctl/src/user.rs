//! Who runs this, as far as the environment says so.

/// `USER@HOST`, or one of them; recorded in the history of what is published.
pub(crate) fn user() -> Option<String> {
    let of = |names: &[&str]| names.iter().find_map(|name| plain(&std::env::var(name).ok()?));
    let host = || plain(&std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?);
    let user = of(&["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME", "USERNAME"]);
    match (user, of(&["HOSTNAME", "COMPUTERNAME"]).or_else(host)) {
        (Some(user), Some(host)) => Some(format!("{user}@{host}")),
        (user, host) => user.or(host),
    }
}

/// A name of a reasonable length without control characters.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = !text.is_empty() && !text.contains(char::is_control);
    is_plain.then(|| text.chars().take(64).collect())
}

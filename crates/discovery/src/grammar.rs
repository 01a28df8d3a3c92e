//! The parts of the text of a URL.

pub(crate) fn white(character: char) -> String {
    match character {
        '\n' | '\r' => "a line break".to_owned(),
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        other => format!("the character U+{:04X}, which is not visible", u32::from(other)),
    }
}

/// `http` or `https` with a colon and a slash, in any letter case.
pub(crate) fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    (is_web && rest.starts_with('/')).then_some(rest)
}

/// What else names an issuer or its bucket.
pub(crate) fn other_name(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("arn:") {
        return Some(if lower.contains(":oidc-provider/") {
            "the ARN of a provider"
        } else {
            "an ARN"
        });
    }
    lower.starts_with("s3:").then_some("the location of a bucket")
}

/// Placeholders of shells, Make, Terraform and Helm. A path may contain a `$`: Azure has a
/// container `$web`.
pub(crate) fn has_placeholder(rest: &str) -> bool {
    let is_name =
        |after: &str| after.starts_with(|c: char| c.is_ascii_uppercase() || "_{(".contains(c));
    let host = rest.split('/').next().unwrap_or(rest);
    host.contains('$') || rest.split('$').skip(1).any(is_name) || rest.contains("{{")
}

pub(crate) fn is_url_of(text: &str, name: &str) -> bool {
    text.strip_suffix(name).is_some_and(|issuer| issuer.ends_with('/'))
}

pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// For messages: a name or password before the host is replaced by `***`.
pub(crate) fn without_user_info(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{tail}"),
        None => url.to_owned(),
    }
}

/// Labels of letters, digits, hyphens and underscores, or an IPv6 address.
pub(crate) fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.starts_with('[') || host.split('.').all(label)
}

/// A number as every reader writes it, without a leading zero.
pub(crate) fn is_port(digits: &str) -> bool {
    !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
        && digits.parse::<u16>().is_ok()
}

/// RFC 3986 section 2: unreserved, reserved, and the percent sign.
pub(crate) fn is_url_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

pub(crate) fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

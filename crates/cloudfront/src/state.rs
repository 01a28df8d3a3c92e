//! The observed distribution, and what it refers to.

/// A distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its ID, such as `E1ABCDEF`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its domain, such as `d111111abcdef8.cloudfront.net`.
    pub domain: String,
    /// Whether the last change is everywhere.
    pub is_deployed: bool,
    /// The settings that issuerctl manages.
    pub settings: Settings,
}

/// The settings of a distribution that issuerctl manages; all others are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Whether it answers.
    pub enabled: bool,
    /// The host that it reads from.
    pub origin: String,
    /// What it adds before the path of a request.
    pub origin_path: String,
    /// The ID of its origin access control.
    pub access_control: String,
    /// The ID of its cache policy.
    pub cache_policy: String,
    /// What happens to requests over http, such as `https-only`.
    pub viewer_protocol: String,
    /// Its domains, except for that of CloudFront.
    pub aliases: Vec<String>,
    /// The ARN of its certificate, if it is not that of CloudFront.
    pub certificate_arn: Option<String>,
}

/// The observed state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrontState {
    /// The distribution of the place.
    pub distribution: Option<Distribution>,
    /// The ID of the origin access control.
    pub access_control: Option<String>,
    /// The ID of the cache policy.
    pub cache_policy: Option<String>,
}

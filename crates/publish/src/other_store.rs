//! Host names of object stores other than S3, and of what is in front of a store.

/// Whose host name a text begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// A store with the API of S3.
    Compatible {
        /// The URL of its API.
        endpoint: String,
        /// `BUCKET[/PREFIX]`; may be empty.
        place: String,
    },
    /// A store with an API of its own.
    Other,
    /// A web site, or a CDN.
    Web,
}

/// Services with the API of S3: what their hosts end with, and how many labels before that belong to
/// the URL of the API (a region, or an account). What precedes those is a bucket.
const COMPATIBLE: [(&str, usize); 14] = [
    ("storage.googleapis.com", 0),
    ("storage.cloud.google.com", 0),
    ("eu.r2.cloudflarestorage.com", 1),
    ("fedramp.r2.cloudflarestorage.com", 1),
    ("r2.cloudflarestorage.com", 1),
    ("cdn.digitaloceanspaces.com", 1),
    ("digitaloceanspaces.com", 1),
    ("linodeobjects.com", 1),
    ("vultrobjects.com", 1),
    ("your-objectstorage.com", 1),
    ("exo.io", 1),
    ("aliyuncs.com", 1),
    ("myqcloud.com", 2),
    ("oraclecloud.com", 4),
];

const OTHER: [&str; 4] = [
    "blob.core.windows.net",
    "dfs.core.windows.net",
    "file.core.windows.net",
    "web.core.windows.net",
];

const WEB: [&str; 16] = [
    "cloudfront.net",
    "azureedge.net",
    "azurefd.net",
    "fastly.net",
    "akamaized.net",
    "b-cdn.net",
    "r2.dev",
    "github.io",
    "gitlab.io",
    "netlify.app",
    "vercel.app",
    "pages.dev",
    "workers.dev",
    "web.app",
    "firebaseapp.com",
    "raw.githubusercontent.com",
];

/// What a URL with or without its scheme, or a host name and a path, names. `None` if it begins with no
/// host name that is known.
pub(crate) fn of(text: &str) -> Option<Host> {
    let lower = text.to_ascii_lowercase();
    let scheme = ["s3:", "s3//", "gs:", "gs//", "http:", "https:", "http//", "https//"];
    let scheme = scheme.into_iter().find(|scheme| lower.starts_with(scheme)).unwrap_or_default();
    let rest = text[scheme.len()..].trim_start_matches('/');
    if scheme.starts_with("gs") {
        return Some(compatible("storage.googleapis.com", rest));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let path = path.split(['?', '#']).next().unwrap_or(path).trim_matches('/');
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !host.chars().all(of_host) || host.split('.').any(str::is_empty) {
        return None;
    }
    let is_within = |suffix: &&str| before(&host, suffix).is_some_and(|before| !before.is_empty());
    if OTHER.iter().any(&is_within) {
        return Some(Host::Other);
    }
    if WEB.iter().any(|suffix| is_within(suffix) || host == *suffix) {
        return Some(Host::Web);
    }
    let labels: Vec<&str> = host.split('.').collect();
    let known = COMPATIBLE.into_iter().find_map(|(suffix, of_endpoint)| {
        let before = before(&host, suffix)?;
        let count = if before.is_empty() { 0 } else { before.split('.').count() };
        count.checked_sub(of_endpoint)
    });
    // `s3.REGION.PROVIDER`, with or without a bucket before it.
    let labelled = || {
        let service = labels.iter().position(|label| *label == "s3")?;
        let in_aws =
            labels.contains(&"console") || issuer_discovery::Partition::of_host(&host).is_some();
        let names_bucket = service > 0 || !path.is_empty();
        (!in_aws && names_bucket && labels.len() >= service + 3).then_some(service)
    };
    let of_bucket = known.or_else(labelled)?;
    let bucket = labels[..of_bucket].join(".");
    let endpoint =
        labels[of_bucket..].join(".").replace(".cdn.digitaloceanspaces", ".digitaloceanspaces");
    let place = [bucket.as_str(), path].join("/");
    Some(compatible(&endpoint.replace("storage.cloud.google", "storage.googleapis"), &place))
}

fn compatible(host: &str, place: &str) -> Host {
    let place = place.trim_matches('/').to_owned();
    Host::Compatible { endpoint: format!("https://{host}"), place }
}

/// What precedes a domain in a host name; empty if they are the same.
fn before<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    let rest = host.strip_suffix(domain)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_suffix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_and_the_url_of_the_api_are_told_apart() {
        for (text, endpoint, place) in [
            ("my-oidc.storage.googleapis.com", "storage.googleapis.com", "my-oidc"),
            ("storage.googleapis.com/my-oidc/prod", "storage.googleapis.com", "my-oidc/prod"),
            ("https://storage.cloud.google.com/my-oidc", "storage.googleapis.com", "my-oidc"),
            ("gs://my-oidc/prod", "storage.googleapis.com", "my-oidc/prod"),
            (
                "my-oidc.nyc3.digitaloceanspaces.com/prod",
                "nyc3.digitaloceanspaces.com",
                "my-oidc/prod",
            ),
            ("my-oidc.nyc3.cdn.digitaloceanspaces.com", "nyc3.digitaloceanspaces.com", "my-oidc"),
            ("nyc3.digitaloceanspaces.com/my-oidc", "nyc3.digitaloceanspaces.com", "my-oidc"),
            ("acct.r2.cloudflarestorage.com/bucket", "acct.r2.cloudflarestorage.com", "bucket"),
            (
                "bucket.acct.eu.r2.cloudflarestorage.com",
                "acct.eu.r2.cloudflarestorage.com",
                "bucket",
            ),
            ("my-oidc.s3.us-west-004.backblazeb2.com", "s3.us-west-004.backblazeb2.com", "my-oidc"),
            ("s3.eu-central-1.wasabisys.com/my-oidc", "s3.eu-central-1.wasabisys.com", "my-oidc"),
            ("s3://my-oidc.s3.fr-par.scw.cloud/prod", "s3.fr-par.scw.cloud", "my-oidc/prod"),
            ("my-oidc.oss-cn-hangzhou.aliyuncs.com", "oss-cn-hangzhou.aliyuncs.com", "my-oidc"),
            ("s3.example.com/my-oidc", "s3.example.com", "my-oidc"),
        ] {
            let found = of(text);
            let expected = Host::Compatible {
                endpoint: format!("https://{endpoint}"),
                place: place.to_owned(),
            };
            assert_eq!(found, Some(expected), "{text}");
        }
    }

    #[test]
    fn other_names_are_not_those_of_a_store() {
        for text in [
            "site",
            "out/site.v2",
            "deploy/oidc.example.com",
            "oidc.example.com/site",
            "s3.example.com",
            "digitaloceanspaces.com",
            "my-oidc.s3.amazonaws.com/prod",
            "x..storage.googleapis.com",
            "",
            ".",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}

//! Names of regions.

/// Regions of all partitions (`aws account list-regions`; AWS general reference, "Regions").
const KNOWN: [&str; 42] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-west-1",
    "us-west-2",
];

/// Why no region has this name. A name that is not known here may be that of a new region.
pub(crate) fn malformed(name: &str) -> Option<&'static str> {
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty()
        || !name.chars().all(is_label)
        || name.starts_with('-')
        || name.ends_with('-')
    {
        return Some("a region consists of lower-case letters, digits and hyphens");
    }
    None
}

/// Whether it is one of the regions that are known here.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// The region that was probably meant; `None` if the name is that of a region.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if is_known(name) {
        return None;
    }
    // `us-west-2a` is an availability zone.
    if let Some(region) = KNOWN
        .into_iter()
        .find(|known| name.strip_prefix(known).is_some_and(|zone| zone.len() == 1 && zone != "-"))
    {
        return Some(region);
    }
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    KNOWN.into_iter().min_by_key(distance).filter(|known| distance(known) <= 3)
}

/// The region in the host name of an endpoint of AWS.
pub(crate) fn of_host(host: &str) -> Option<&str> {
    let front = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"]
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))?;
    let (_, region) = front.rsplit_once('.')?;
    Some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_with_a_typing_error_has_a_nearest_one() {
        for (name, near) in [
            ("us-wset-2", Some("us-west-2")),
            ("us-west2", Some("us-west-2")),
            ("us-west-2a", Some("us-west-2")),
            ("eu-wst-1", Some("eu-west-1")),
            ("us-east-1", None),
            ("entirely-different", None),
        ] {
            assert_eq!(nearest(name), near, "{name}");
        }
    }

    #[test]
    fn the_region_is_the_label_before_the_suffix() {
        for (host, region) in [
            ("my-oidc.s3.us-wset-2.amazonaws.com", Some("us-wset-2")),
            ("sts.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("iam.amazonaws.com", None),
            ("minio.example.com", None),
        ] {
            assert_eq!(of_host(host), region, "{host}");
        }
    }

    #[test]
    fn names_that_no_host_can_have_are_refused() {
        for name in ["US-WEST-2", "us west 2", "us-west-2\n", "us-west-2/x", "", "us_west_2", "-"] {
            assert!(malformed(name).is_some(), "{name:?}");
        }
        assert_eq!(malformed("us-new-9"), None);
    }
}

//! AWS partitions, each with its own accounts, ARNs and host names.

/// An AWS partition (IAM user guide, "Amazon Resource Names"; S3 user guide, "Endpoints").
///
/// The audience of tokens for STS is `sts.amazonaws.com` in all of them: it is only a string that
/// must be the same in token, provider and trust policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The second field of an ARN.
    pub name: &'static str,
    /// The suffix of S3's host names.
    pub dns_suffix: &'static str,
    /// The prefix of its regions' names; all other regions are in `aws`.
    region_prefix: &'static str,
}

/// Every partition; the first is that of all regions without the prefix of another one.
pub const PARTITIONS: [Partition; 4] = [
    Partition { name: "aws", dns_suffix: "amazonaws.com", region_prefix: "" },
    Partition { name: "aws-us-gov", dns_suffix: "amazonaws.com", region_prefix: "us-gov-" },
    Partition { name: "aws-cn", dns_suffix: "amazonaws.com.cn", region_prefix: "cn-" },
    Partition { name: "aws-eusc", dns_suffix: "amazonaws.eu", region_prefix: "eusc-" },
];

/// The suffixes of dual-stack hosts, including those of EKS issuers.
const DUAL_STACK: [&str; 3] =
    ["api.aws", "api.amazonwebservices.com.cn", "api.amazonwebservices.eu"];

impl Partition {
    /// The partition that a region belongs to.
    #[must_use]
    pub fn of_region(region: &str) -> Self {
        Self::special(region).unwrap_or(PARTITIONS[0])
    }

    /// The partition that a host of S3 or of an EKS issuer belongs to; `None` for other hosts.
    pub fn of_host(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let within =
            |suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
        let apart = |partition: &&Self| partition.dns_suffix != PARTITIONS[0].dns_suffix;
        if let Some(partition) =
            PARTITIONS.iter().filter(apart).find(|partition| within(partition.dns_suffix))
        {
            return Some(*partition);
        }
        if !within(PARTITIONS[0].dns_suffix) && !DUAL_STACK.iter().any(|suffix| within(suffix)) {
            return None;
        }
        let labels: Vec<&str> = host.split('.').collect();
        // The part before the service is a bucket, whatever it looks like.
        let is_service =
            |label: &str| matches!(label, "s3" | "eks" | "oidc-eks") || label.starts_with("s3-");
        let service = labels.iter().rposition(|label| is_service(label))?;
        // Older hosts have `s3-us-gov-west-1`.
        let mut regions =
            labels[service..].iter().map(|label| label.strip_prefix("s3-").unwrap_or(label));
        Some(regions.find_map(Self::special).unwrap_or(PARTITIONS[0]))
    }

    /// The partition of this name, as ARNs have it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        PARTITIONS.into_iter().find(|partition| partition.name == name)
    }

    fn special(region: &str) -> Option<Self> {
        PARTITIONS[1..]
            .iter()
            .copied()
            .find(|partition| region.starts_with(partition.region_prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_is_in_the_partition_that_its_arns_name() {
        for (region, name) in [
            ("us-west-2", "aws"),
            ("eu-central-1", "aws"),
            ("us-gov-east-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of_region(region).name, name);
            assert_eq!(Partition::named(name), Some(Partition::of_region(region)));
        }
        assert_eq!(Partition::named("aws-moon"), None);
    }

    #[test]
    fn a_host_of_s3_or_eks_says_its_partition_and_a_bucket_that_looks_like_a_region_does_not() {
        for (host, name) in [
            ("oidc.eks.us-west-2.amazonaws.com", "aws"),
            ("oidc.eks.us-gov-east-1.amazonaws.com", "aws-us-gov"),
            ("oidc.eks.cn-north-1.amazonaws.com.cn", "aws-cn"),
            ("oidc.eks.eusc-de-east-1.amazonaws.eu", "aws-eusc"),
            ("oidc-eks.us-east-2.api.aws", "aws"),
            ("oidc-eks.us-gov-west-1.api.aws", "aws-us-gov"),
            ("my-oidc.s3.us-west-2.amazonaws.com", "aws"),
            ("my-oidc.s3.dualstack.us-gov-west-1.amazonaws.com", "aws-us-gov"),
            ("s3.us-gov-west-1.amazonaws.com", "aws-us-gov"),
            ("my-oidc.s3-us-gov-west-1.amazonaws.com", "aws-us-gov"),
            ("S3.CN-North-1.amazonaws.com.cn", "aws-cn"),
            ("my-oidc.s3.eusc-de-east-1.amazonaws.eu", "aws-eusc"),
            ("us-gov-oidc.s3.us-west-2.amazonaws.com", "aws"),
            ("s3.us-gov-oidc.s3.us-west-2.amazonaws.com", "aws"),
            ("cn-oidc.s3.amazonaws.com", "aws"),
            ("oidc-eks.cn-north-1.api.amazonwebservices.com.cn", "aws-cn"),
            ("a1b2c3.execute-api.cn-north-1.amazonaws.com.cn", "aws-cn"),
        ] {
            assert_eq!(
                Partition::of_host(host).map(|partition| partition.name),
                Some(name),
                "{host}"
            );
        }
        for host in [
            "oidc.example.com",
            "s3.example.com",
            "d111111abcdef8.cloudfront.net",
            "amazonaws.com",
            "s3.notamazonaws.com",
        ] {
            assert_eq!(Partition::of_host(host), None, "{host}");
        }
    }
}

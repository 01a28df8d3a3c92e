//! Partitions of AWS: accounts, ARNs and host names of their own.

/// A partition of AWS (IAM user guide, "Amazon Resource Names"; S3 user guide, "Endpoints").
///
/// The audience of tokens for STS is `sts.amazonaws.com` in all of them: it is only a string that token, provider and trust
/// policy share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The second field of an ARN.
    pub name: &'static str,
    /// What S3's host names end in.
    pub dns_suffix: &'static str,
    /// What the names of its regions begin with; everything else is `aws`.
    region_prefix: &'static str,
}

/// Every partition; the first is that of all regions which are not named otherwise.
pub const PARTITIONS: [Partition; 4] = [
    Partition { name: "aws", dns_suffix: "amazonaws.com", region_prefix: "" },
    Partition { name: "aws-us-gov", dns_suffix: "amazonaws.com", region_prefix: "us-gov-" },
    Partition { name: "aws-cn", dns_suffix: "amazonaws.com.cn", region_prefix: "cn-" },
    Partition { name: "aws-eusc", dns_suffix: "amazonaws.eu", region_prefix: "eusc-" },
];

impl Partition {
    /// The partition that a region belongs to.
    pub fn of_region(region: &str) -> Self {
        let special = PARTITIONS[1..].iter().find(|partition| region.starts_with(partition.region_prefix));
        *special.unwrap_or(&PARTITIONS[0])
    }

    /// The partition of this name, as ARNs have it.
    pub fn named(name: &str) -> Option<Self> {
        PARTITIONS.into_iter().find(|partition| partition.name == name)
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
}

//! Providers of the wrong partition.

use issuer_discovery::PARTITIONS;

use super::*;

#[test]
fn a_provider_of_another_partition_than_the_given_one_does_not_pass() {
    let cn = LintOptions { partition: Partition::named("aws-cn"), ..options() };
    let provider = |partition: &str| {
        with("Principal", json!({"Federated": PROVIDER.replace("aws:", &format!("{partition}:"))}))
    };
    assert_eq!(faults(&judge(&[provider("aws-cn")], &cn)), [""; 0]);
    for partition in ["aws", "aws-us-gov", "aws-moon"] {
        let report = judge(&[provider(partition)], &cn);
        assert_eq!(faults(&report), ["!provider-partition"], "{partition}");
        let fix = report.findings.iter().find_map(|finding| finding.fix.clone()).unwrap();
        assert_eq!(fix, format!("write \"{}\"", PROVIDER.replace("aws:", "aws-cn:")));
    }
}

#[test]
fn a_provider_of_another_partition_than_the_issuers_host_does_not_pass_unless_the_partition_is_given()
 {
    for (host, right) in [
        ("oidc.eks.us-west-2.amazonaws.com", "aws"),
        ("my-oidc.s3.cn-north-1.amazonaws.com.cn", "aws-cn"),
        ("oidc.eks.us-gov-west-1.amazonaws.com", "aws-us-gov"),
        ("s3.us-gov-west-1.amazonaws.com", "aws-us-gov"),
        ("my-oidc.s3.eusc-de-east-1.amazonaws.eu", "aws-eusc"),
    ] {
        for there in PARTITIONS {
            let policy = json!({"Version": "2012-10-17", "Statement": good()}).to_string();
            let policy = policy
                .replace("oidc.example.com", host)
                .replace("arn:aws:", &format!("arn:{}:", there.name));
            let mut options =
                LintOptions { issuer: issuer(&format!("https://{host}/prod")), ..options() };
            let report = lint(&policy, &options).unwrap();
            let expected: &[&str] =
                if there.name == right { &[] } else { &["!provider-partition"] };
            assert_eq!(faults(&report), expected, "{host} {report:#?}");
            options.partition = Some(there);
            assert_eq!(faults(&lint(&policy, &options).unwrap()), [""; 0]);
        }
    }
}

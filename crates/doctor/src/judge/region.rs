//! The region whose STS the pod asks.

use issuer_diagnostic::Fault;
use issuer_discovery::Partition;
use serde_json::Value;

use super::case::Case;
use super::containers::{is_expanded, place, shown, value, variable, with_role};
use super::pod::Finding;
use super::sources::{Taken, taken};
use crate::kubernetes::{name, text};

/// Regions that an account has to enable, whose STS is off until then (AWS Account Management guide,
/// "Enable or disable AWS Regions"): tokens of the global STS do not count in them by default.
pub(super) const OPT_IN: [&str; 16] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
];

/// What the names of regions begin with.
const AREAS: [&str; 16] = [
    "us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn", "us-gov", "us-iso", "us-isob",
    "us-isof", "eu-isoe", "eusc-de",
];

/// The directions in the names of regions.
const WAYS: [&str; 9] = [
    "north",
    "south",
    "east",
    "west",
    "central",
    "northeast",
    "southeast",
    "northwest",
    "southwest",
];

const STS: &str = "AWS_STS_REGIONAL_ENDPOINTS";

pub(super) fn judge(case: &Case<'_>, pod: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in with_role(pod) {
        let (pod, own) = (name(pod), text(container, "name"));
        let set = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .into_iter()
            .find_map(|name| Some((name, variable(container, name)?)));
        let Some((variable_name, _)) = set else {
            match taken(case, container, &["AWS_REGION", "AWS_DEFAULT_REGION"]) {
                Taken::Named(_) => continue,
                Taken::Unknown(why) => {
                    findings.push(Finding::Unknown(why));
                    continue;
                }
                Taken::Nothing => {}
            }
            findings.push(Finding::Doubt(Fault::new(
                format!(
                    "neither AWS_REGION nor AWS_DEFAULT_REGION is set in the container {own} of the pod {pod}: SDKs that are \
                     given no region by the program cannot ask STS"
                ),
                format!(
                    "set AWS_REGION in {}, or --aws-default-region of the webhook, and {}",
                    place(case),
                    case.recreate()
                ),
            )));
            continue;
        };
        let region = value(container, variable_name).filter(|region| !is_expanded(region));
        let Some(region) = region else {
            findings.push(Finding::Unknown(format!(
                "{variable_name} of the container {own} comes from another object or variable"
            )));
            continue;
        };
        let which = value(container, STS).unwrap_or_default();
        let legacy = which.eq_ignore_ascii_case("legacy");
        if region.is_empty() {
            findings.push(Finding::Doubt(Fault::new(
                format!(
                    "{variable_name} is empty in the container {own} of the pod {pod}: SDKs take that for no region, and \
                     the webhook leaves it as it is"
                ),
                format!(
                    "set it to a region, such as {}, or remove it, in {}, and {}",
                    example(case),
                    place(case),
                    case.recreate()
                ),
            )));
        } else if let Some(why) = is_wrong(case, region) {
            findings.push(Finding::Fault(
                "the SDK cannot reach the STS of the region",
                Fault::new(
                    format!("{variable_name} of the container {own} of the pod {pod} is {}: {why}", shown(region)),
                    format!(
                        "set it to a region, such as {}, where it comes from (the webhook's --aws-default-region, or \
                         {}), and {}",
                        example(case),
                        place(case),
                        case.recreate()
                    ),
                ),
            ));
        } else if !AREAS.contains(&area(region).as_str()) {
            findings.push(Finding::Doubt(Fault::new(
                format!(
                    "{variable_name} of the container {own} of the pod {pod} is {region}, and no region that is known \
                     begins like this"
                ),
                format!(
                    "unless the region is a new one, set it to one such as {}, in {}, and {}",
                    example(case),
                    place(case),
                    case.recreate()
                ),
            )));
        } else if legacy && OPT_IN.contains(&region) {
            findings.push(Finding::Doubt(Fault::new(
                format!(
                    "{variable_name} is {region}, which accounts have to enable, and AWS_STS_REGIONAL_ENDPOINTS is legacy in the \
                     container {own} of the pod {pod}: credentials of the global STS do not count there by default"
                ),
                format!("set AWS_STS_REGIONAL_ENDPOINTS to regional in {}, and {}", place(case), case.recreate()),
            )));
        } else if !["", "regional", "legacy"].contains(&which.to_ascii_lowercase().as_str())
            && !is_expanded(which)
        {
            findings.push(Finding::Doubt(Fault::new(
                format!(
                    "{STS} of the container {own} of the pod {pod} is {}, and SDKs know regional and legacy alone: some refuse \
                     to start",
                    shown(which)
                ),
                format!("set it to regional in {}, and {}", place(case), case.recreate()),
            )));
        }
    }
    findings
}

/// A region of the role's partition.
fn example(case: &Case<'_>) -> &'static str {
    match case.arn.as_ref().map_or("aws", |arn| arn.partition.as_str()) {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-eusc" => "eusc-de-east-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        _ => "us-west-2",
    }
}

/// What a region begins with: all but direction and number.
fn area(region: &str) -> String {
    let fields: Vec<&str> = region.split('-').collect();
    fields[..fields.len().saturating_sub(2)].join("-")
}

/// Why a region cannot be one, or not the role's.
fn is_wrong(case: &Case<'_>, region: &str) -> Option<String> {
    if issuer_session::check_region(region).is_err() {
        return Some("a region consists of lower-case letters, digits and hyphens".to_owned());
    }
    let fields: Vec<&str> = region.split('-').collect();
    if fields.last().is_some_and(|last| {
        last.len() > 1
            && last.starts_with(|c: char| c.is_ascii_digit())
            && last.ends_with(|c: char| c.is_ascii_lowercase())
    }) {
        return Some("that is an availability zone, not a region".to_owned());
    }
    if fields.len() < 3
        || !fields.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
    {
        return Some("regions are named like us-west-2".to_owned());
    }
    let way = fields.iter().rev().nth(1).copied().unwrap_or_default();
    if !WAYS.contains(&way) {
        return Some(format!("no region is named {way}; they are named like us-west-2"));
    }
    let role = case.arn.as_ref()?;
    let partition = Partition::of_region(region).name;
    let known = Partition::named(&role.partition).is_some();
    (known && partition != role.partition).then(|| {
        format!(
            "it is in the partition {partition}, and the role {} in {}",
            role.text, role.partition
        )
    })
}

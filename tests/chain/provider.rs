//! The provider in IAM, on moto: made, found again, taken over, deleted.

use issuerctl_e2e::{Desk, Moto};
use serde_json::Value;

pub(crate) fn run() {
    let moto = Moto::start();
    let desk = Desk::in_moto();
    let provider = |verb: &str, name: &str, flags: &str| {
        let url = moto.url();
        desk.issuerctl(&format!(
            "provider {verb} --issuer https://h.example/{name} --endpoint-url {url} {flags}"
        ))
    };
    let aws = |line: &str| desk.aws(&format!("--endpoint-url {} iam {line}", moto.url()));
    let arn = |name: &str| format!("arn:aws:iam::123456789012:oidc-provider/h.example/{name}");

    // Nothing there.
    provider("show", "prod", "").ended(1);
    provider("delete", "prod", "").ended(0);
    // Nobody answers at this issuer, so no provider is made for it.
    provider("apply", "prod", "").ended(5);
    provider("show", "prod", "").ended(1);

    // Made, and found again although IAM returns the URL without its scheme.
    provider("apply", "prod", "--no-verify --dry-run").ended(0);
    provider("show", "prod", "").ended(1);
    assert_eq!(
        provider("apply", "prod", "--no-verify --tag team=platform").succeeded(),
        format!("{}\n", arn("prod"))
    );
    let seen: Value = serde_json::from_str(
        &aws(&format!(
            "get-open-id-connect-provider --open-id-connect-provider-arn {}",
            arn("prod")
        ))
        .succeeded(),
    )
    .unwrap();
    assert_eq!(
        (&seen["Url"], &seen["ClientIDList"][0]),
        (&"h.example/prod".into(), &"sts.amazonaws.com".into())
    );
    let again =
        provider("apply", "prod", "--no-verify --tag team=platform --output json").succeeded();
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["changed"], &again["arn"]), (&false.into(), &arn("prod").into()));
    let shown: Value =
        serde_json::from_str(&provider("show", "prod", "--output json").succeeded()).unwrap();
    assert_eq!((&shown["ours"], &shown["tags"]["team"]), (&true.into(), &"platform".into()));

    // Made by hand: taken over as it is, and not deleted without a word.
    aws("create-open-id-connect-provider --url https://h.example/hand --client-id-list \
         sts.amazonaws.com theirs")
    .succeeded();
    let adopted = provider("apply", "hand", "--no-verify --tag team=platform").ended(0);
    assert!(adopted.err.contains("theirs") && adopted.err.contains("--prune"), "{}", adopted.err);
    provider("delete", "hand", "").ended(4);
    provider("delete", "hand", "--force --dry-run").ended(0);
    provider("show", "hand", "").ended(0);
    provider("delete", "hand", "--force").ended(0);
    provider("show", "hand", "").ended(1);

    // One that differs by letter case alone is another one, and is named.
    let near = provider("apply", "Prod", "--no-verify").ended(0);
    assert!(near.err.contains(&arn("prod")) && near.err.contains("letter case"), "{}", near.err);
    provider("delete", "Prod", "").ended(0);
    provider("delete", "prod", "").ended(0);
    provider("show", "prod", "").ended(1);

    let policy: Value =
        serde_json::from_str(&provider("apply", "prod", "--prune --print-iam-policy").succeeded())
            .unwrap();
    assert_eq!(policy["Statement"][0]["Resource"], arn("prod"));
    provider("show", "prod", "").ended(1);
}

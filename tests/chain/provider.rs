//! The OIDC provider in IAM, on moto: created, found again, adopted, deleted.

use issuer_change::{Action, Field, Kind, Reason};
use issuerctl_e2e::{Moto, Sandbox};
use serde_json::Value;

pub(crate) fn run() {
    let moto = Moto::start();
    let sandbox = Sandbox::in_moto();
    let provider = |verb: &str, name: &str, flags: &str| {
        let url = moto.url();
        sandbox.issuerctl(&format!(
            "provider {verb} --issuer https://h.example/{name} --endpoint-url {url} {flags}"
        ))
    };
    let aws = |line: &str| sandbox.aws(&format!("--endpoint-url {} iam {line}", moto.url()));
    let arn = |name: &str| format!("arn:aws:iam::123456789012:oidc-provider/h.example/{name}");

    // Nothing exists yet.
    provider("show", "prod", "").ended(3);
    provider("delete", "prod", "").ended(0);
    // The issuer is not reachable, so no provider is created for it.
    provider("apply", "prod", "").ended(5);
    provider("show", "prod", "").ended(3);

    // Created, and found again although IAM returns the URL without its scheme.
    let dry = provider("apply", "prod", "--no-verify --dry-run --output json").ended(0).report();
    dry.assert_actions(Action::Create, &[(Kind::OidcProvider, "h.example/prod")]);
    provider("show", "prod", "").ended(3);
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
    let again = "--no-verify --tag team=platform --output json";
    let again = provider("apply", "prod", again).ended(0).report();
    again.assert_actions(Action::Keep, &[(Kind::OidcProvider, "h.example/prod")]);
    assert_eq!((again.changed(), &again.object["arn"]), (false, &arn("prod").into()));
    let shown: Value =
        serde_json::from_str(&provider("show", "prod", "--output json").succeeded()).unwrap();
    assert_eq!((&shown["ours"], &shown["tags"]["team"]), (&true.into(), &"platform".into()));

    // Created by hand: adopted as it is, and deleted only with --force.
    aws("create-open-id-connect-provider --url https://h.example/hand --client-id-list \
         sts.amazonaws.com theirs")
    .succeeded();
    let dry = provider("apply", "hand", "--no-verify --dry-run").ended(0);
    assert!(dry.out.contains("`issuerctl provider apply --prune`"), "{}", dry.out);
    let adopted = "--no-verify --tag team=platform --output json";
    let adopted = provider("apply", "hand", adopted).ended(0).report();
    assert!(adopted.has_notice("unmanaged-provider"), "{adopted:#?}");
    let kept = Field::kept("audience", "theirs", Reason::NotRequested);
    adopted.assert_fields(Kind::OidcProvider, "h.example/hand", &[kept]);
    provider("delete", "hand", "").ended(4);
    provider("delete", "hand", "--force --dry-run").ended(0);
    provider("show", "hand", "").ended(0);
    provider("delete", "hand", "--force").ended(0);
    provider("show", "hand", "").ended(3);

    // A provider that differs only in letter case is another one and is reported.
    let near = provider("apply", "Prod", "--no-verify --output json").ended(0).report();
    let notice = near.notices.iter().find(|notice| notice.id == "similar-provider");
    assert!(notice.is_some_and(|notice| notice.message.contains(&arn("prod"))), "{near:#?}");
    provider("delete", "Prod", "").ended(0);
    provider("delete", "prod", "").ended(0);
    provider("show", "prod", "").ended(3);

    let policy: Value =
        serde_json::from_str(&provider("apply", "prod", "--prune --print-iam-policy").succeeded())
            .unwrap();
    assert_eq!(policy["Statement"][0]["Resource"], arn("prod"));
    provider("show", "prod", "").ended(3);
}

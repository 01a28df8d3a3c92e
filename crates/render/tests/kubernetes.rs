//! ServiceAccounts, read back as YAML.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{SMALL, WHOLE, renderings};
use issuer_render::{Error, kubernetes};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn service_accounts_are_annotated_and_wildcards_are_named() {
    let rendered = kubernetes(&renderings(WHOLE)).unwrap();
    insta::assert_snapshot!(rendered.yaml, @"
    # jobs/* of the role app has wildcards: annotate its service accounts yourself.
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: app
      namespace: default
      annotations:
        eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/apps/app
    ---
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: vault
      namespace: vault
      annotations:
        eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/vault
        eks.amazonaws.com/audience: vault
    ");
    assert_eq!(rendered.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), ["jobs/*"]);
}

#[test]
fn a_service_account_of_two_roles_is_refused_and_twice_the_same_is_once() {
    let twice = WHOLE.replace("[vault/vault]", "[vault/vault, default/app]");
    let error = kubernetes(&renderings(&twice)).unwrap_err();
    assert!(
        matches!(&error, Error::TwoRoles { account, .. } if account == "default/app"),
        "{error}"
    );
    assert!(
        error.to_string().contains(":role/apps/app and arn:aws:iam::111122223333:role/vault"),
        "{error}"
    );
    assert!(
        kubernetes(&renderings(&format!("{WHOLE}---{SMALL}"))).is_err(),
        "the roles' paths differ"
    );
    let same = format!(
        "{}---{SMALL}",
        WHOLE.replace("path: /apps/", "tags: {}").replace("    tags: {team: apps}\n", "")
    );
    let yaml = kubernetes(&renderings(&same)).unwrap().yaml;
    assert_eq!(yaml.matches("name: app\n").count(), 1, "{yaml}");
}

#[test]
fn a_file_without_service_accounts_is_an_empty_one() {
    let wild = SMALL.replace("default/app", "default/*");
    let rendered = kubernetes(&renderings(&wild)).unwrap();
    assert_eq!(
        rendered.yaml,
        "# default/* of the role app has wildcards: annotate its service accounts yourself.\n"
    );
}

proptest! {
    #[test]
    fn any_name_is_read_back_as_a_text(
        namespace in "(y|no|on|null|true|1e3|0x1f|0o17|1-2|[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?)",
        name in "(y|no|off|null|1\\.5|12e3|2024-01-01|[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(\\.[a-z0-9]{1,3})?)",
        role in "[A-Za-z0-9+=,.@_-]{1,12}",
        path in "/([!-~]{0,8}/)?",
        audience in "[!-~]{1,12}",
    ) {
        let text = SMALL.replace("default/app", "x/x");
        let mut documents = renderings(&text);
        let spec = &mut documents[0].roles[0];
        spec.trust.service_accounts = vec![format!("{namespace}/{name}").parse().unwrap()];
        spec.trust.audiences = vec![audience.parse().unwrap()];
        (spec.name, spec.path) = (role.parse().unwrap(), Some(path.parse().unwrap()));
        let yaml = kubernetes(&documents).unwrap().yaml;
        let object: Value = serde_saphyr::from_str(&yaml).unwrap();
        let metadata = &object["metadata"];
        prop_assert_eq!(metadata["name"].as_str(), Some(name.as_str()));
        prop_assert_eq!(metadata["namespace"].as_str(), Some(namespace.as_str()));
        let arn = format!("arn:aws:iam::111122223333:role{path}{role}");
        prop_assert_eq!(metadata["annotations"]["eks.amazonaws.com/role-arn"].as_str(), Some(arn.as_str()));
        prop_assert_eq!(metadata["annotations"]["eks.amazonaws.com/audience"].as_str(), Some(audience.as_str()));
    }
}

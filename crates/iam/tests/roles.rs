//! Roles through the real SDK, with the answers of its own mocks; each request is asserted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_iam::Client;
use aws_sdk_iam::error::ErrorMetadata;
use aws_sdk_iam::operation::attach_role_policy::AttachRolePolicyError;
use aws_sdk_iam::operation::create_policy::CreatePolicyError;
use aws_sdk_iam::operation::create_role::{CreateRoleError, CreateRoleOutput};
use aws_sdk_iam::operation::get_policy::GetPolicyError;
use aws_sdk_iam::operation::get_role::{GetRoleError, GetRoleOutput};
use aws_sdk_iam::operation::list_attached_role_policies::ListAttachedRolePoliciesOutput;
use aws_sdk_iam::operation::list_role_policies::ListRolePoliciesOutput;
use aws_sdk_iam::operation::list_roles::ListRolesOutput;
use aws_sdk_iam::operation::put_role_policy::PutRolePolicyOutput;
use aws_sdk_iam::operation::tag_role::TagRoleOutput;
use aws_sdk_iam::operation::update_assume_role_policy::UpdateAssumeRolePolicyOutput;
use aws_sdk_iam::primitives::DateTime;
use aws_sdk_iam::types::Role;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use issuer_change::Describe;
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{Audience, Documents, Error, Iam, RoleSpec, Tags, Trust, TrustPolicy};
use serde_json::json;

fn iam(rules: &[&Rule]) -> Iam {
    let client: Client = mock_client!(aws_sdk_iam, RuleMode::MatchAny, rules);
    Iam::with_client(client, "111122223333".parse().unwrap(), Partition::of_region("us-east-1"))
}

fn issuer(path: &str) -> IssuerUrl {
    IssuerUrl::parse(&format!("https://h.example/{path}"), Ports::Refuse).unwrap()
}

fn trust(path: &str) -> Trust {
    Trust {
        partition: Partition::of_region("us-east-1"),
        account: "111122223333".parse().unwrap(),
        issuer: issuer(path),
        audiences: vec![Audience::default()],
        service_accounts: vec!["default/app".parse().unwrap()],
    }
}

fn spec() -> RoleSpec {
    RoleSpec {
        name: "app".parse().unwrap(),
        trust: trust("prod"),
        policy_arns: None,
        inline: None,
        managed: None,
        boundary: None,
        path: None,
        max_session_secs: None,
        tags: None,
        add: false,
        shared_with: None,
        file: Some("prod".to_owned()),
    }
}

/// A role with this trust policy, percent-encoded as IAM answers it.
fn role(name: &str, policy: &TrustPolicy) -> Role {
    let encoded = policy.to_json().bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    Role::builder()
        .path("/")
        .role_name(name)
        .role_id("AROA")
        .arn(format!("arn:aws:iam::111122223333:role/{name}"))
        .create_date(DateTime::from_secs(0))
        .assume_role_policy_document(encoded)
        .build()
        .unwrap()
}

fn missing_role() -> GetRoleError {
    GetRoleError::generic(ErrorMetadata::builder().code("NoSuchEntity").build())
}

fn nothing_attached() -> [Rule; 2] {
    let attached = mock!(Client::list_attached_role_policies).then_output(|| {
        ListAttachedRolePoliciesOutput::builder().set_attached_policies(Some(Vec::new())).build()
    });
    let inline = mock!(Client::list_role_policies).then_output(|| {
        ListRolePoliciesOutput::builder().set_policy_names(Some(Vec::new())).build().unwrap()
    });
    [attached, inline]
}

#[tokio::test]
async fn roles_of_an_issuer_are_found_on_every_page() {
    let of = |path: &str| TrustPolicy::new(&[trust(path)]).unwrap();
    let page = |roles: Vec<Role>, marker: Option<&str>| {
        let output =
            ListRolesOutput::builder().set_roles(Some(roles)).set_marker(marker.map(str::to_owned));
        output.is_truncated(marker.is_some()).build().unwrap()
    };
    let first = page(vec![role("one", &of("prod")), role("other", &of("prod2"))], Some("more"));
    let second = page(vec![role("two", &of("test").with(&trust("prod")).unwrap())], None);
    let list = mock!(Client::list_roles)
        .match_requests(|request| request.max_items() == Some(1000))
        .sequence()
        .output(move || first.clone())
        .output(move || second.clone())
        .build();
    let found = iam(&[&list]).roles_of(&issuer("prod")).await.unwrap();
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(list.num_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_somebody_else_makes_meanwhile_is_planned_anew_and_merged_into() {
    let theirs = TrustPolicy::new(&[trust("test")]).unwrap();
    let both = theirs.clone().with(&trust("prod")).unwrap();
    let answer = |policy: &TrustPolicy| GetRoleOutput::builder().role(role("app", policy)).build();
    let (before, just_before) = (answer(&theirs), answer(&theirs));
    let (after, later) = (answer(&both), answer(&both));
    let get = mock!(Client::get_role)
        .sequence()
        .error(missing_role)
        .output(move || before.clone())
        .output(move || just_before.clone())
        .output(move || after.clone())
        .output(move || later.clone())
        .build();
    let create = mock!(Client::create_role).then_error(|| {
        CreateRoleError::generic(
            ErrorMetadata::builder().code("EntityAlreadyExists").message("Role app").build(),
        )
    });
    let tag = mock!(Client::tag_role)
        .match_requests(|request| {
            request
                .tags()
                .iter()
                .any(|tag| tag.key().starts_with("issuerctl.dev/trust/") && tag.value() == "prod")
        })
        .then_output(|| TagRoleOutput::builder().build());
    let wanted = both.to_json();
    let update = mock!(Client::update_assume_role_policy)
        .match_requests(move |request| request.policy_document() == Some(wanted.as_str()))
        .then_output(|| UpdateAssumeRolePolicyOutput::builder().build());
    let [attached, inline] = nothing_attached();
    let iam = iam(&[&get, &create, &tag, &update, &attached, &inline]);
    let mut plan = iam.plan_role(&spec()).await.unwrap();
    let mut shown = Vec::new();
    iam.apply_role(&spec(), &mut plan, |plan| shown.push(plan.changes().to_string()))
        .await
        .unwrap();
    assert!(
        plan.changes_anything() && shown.len() == 1 && shown[0].contains("~ trust policy"),
        "{shown:?}"
    );
    assert_eq!(
        (create.num_calls(), tag.num_calls(), update.num_calls(), get.num_calls()),
        (1, 1, 1, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_the_same_name_under_another_path_is_named_and_no_race() {
    let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a:b", "Resource": "*"}});
    let spec =
        RoleSpec { managed: Some(Documents::from([("app-s3".to_owned(), document)])), ..spec() };
    let get = mock!(Client::get_role).then_error(missing_role);
    let made = role("app", &TrustPolicy::new(&[trust("prod")]).unwrap());
    let create = mock!(Client::create_role)
        .then_output(move || CreateRoleOutput::builder().role(made.clone()).build());
    let policy = mock!(Client::create_policy).then_error(|| {
        CreatePolicyError::generic(
            ErrorMetadata::builder().code("EntityAlreadyExists").message("app-s3").build(),
        )
    });
    let look = mock!(Client::get_policy).then_error(|| {
        GetPolicyError::generic(ErrorMetadata::builder().code("NoSuchEntity").build())
    });
    let [attached, inline] = nothing_attached();
    let iam = iam(&[&get, &create, &policy, &look, &attached, &inline]);
    let mut plan = iam.plan_role(&spec).await.unwrap();
    let error = iam.apply_role(&spec, &mut plan, |_| {}).await.unwrap_err();
    assert!(matches!(&error, Error::PolicyElsewhere { name } if name == "app-s3"), "{error}");
    assert_eq!((error.kind(), policy.num_calls()), (ErrorKind::Conflict, 1));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_exist_is_named_and_a_missing_role_is_planned_again() {
    const ARN: &str = "arn:aws:iam::aws:policy/Nope";
    let policy = format!("Policy {ARN} does not exist or is not attachable.");
    let role_message = "The role with name app cannot be found.".to_owned();
    for (message, is_policy) in [(policy, true), (role_message, false)] {
        let spec = RoleSpec { policy_arns: Some(vec![ARN.parse().unwrap()]), ..spec() };
        let existing = role("app", &TrustPolicy::new(&[trust("prod")]).unwrap());
        let get = mock!(Client::get_role)
            .then_output(move || GetRoleOutput::builder().role(existing.clone()).build());
        let tag = mock!(Client::tag_role).then_output(|| TagRoleOutput::builder().build());
        let attach = mock!(Client::attach_role_policy).then_error(move || {
            let missing = ErrorMetadata::builder().code("NoSuchEntity").message(message.clone());
            AttachRolePolicyError::generic(missing.build())
        });
        let [attached, inline] = nothing_attached();
        let iam = iam(&[&get, &tag, &attach, &attached, &inline]);
        let mut plan = iam.plan_role(&spec).await.unwrap();
        let error = iam.apply_role(&spec, &mut plan, |_| {}).await.unwrap_err();
        let code = match &error {
            Error::NoPolicy { arn, code, .. } if is_policy && arn == ARN => code.as_deref(),
            Error::Changed { code, .. } if !is_policy && attach.num_calls() > 1 => code.as_deref(),
            _ => None,
        };
        assert_eq!(code, Some("NoSuchEntity"), "{error}");
    }
}

#[tokio::test]
async fn a_second_run_on_a_role_calls_nothing_that_writes() {
    let policy = TrustPolicy::new(&[trust("prod")]).unwrap();
    let tags = Tags::from([
        ("issuerctl.dev/created".to_owned(), "true".to_owned()),
        (format!("issuerctl.dev/trust/{}", trust("prod").sid()), "prod".to_owned()),
    ]);
    let tags = tags.into_iter().map(|(key, value)| {
        aws_sdk_iam::types::Tag::builder().key(key).value(value).build().unwrap()
    });
    let mut there = role("app", &policy);
    there.tags = Some(tags.collect());
    let get = mock!(Client::get_role)
        .then_output(move || GetRoleOutput::builder().role(there.clone()).build());
    let put = mock!(Client::put_role_policy).then_output(|| PutRolePolicyOutput::builder().build());
    let [attached, inline] = nothing_attached();
    let iam = iam(&[&get, &put, &attached, &inline]);
    let mut plan = iam.plan_role(&spec()).await.unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    iam.apply_role(&spec(), &mut plan, |_| {}).await.unwrap();
    assert!(!plan.changes_anything());
    assert_eq!((get.num_calls(), put.num_calls()), (1, 0));
}

//! What is asked of IAM for a provider, request by request, with the SDK's own mocks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_iam::Client;
use aws_sdk_iam::error::ErrorMetadata;
use aws_sdk_iam::operation::add_client_id_to_open_id_connect_provider::AddClientIdToOpenIdConnectProviderOutput;
use aws_sdk_iam::operation::create_open_id_connect_provider::{
    CreateOpenIDConnectProviderError, CreateOpenIdConnectProviderOutput,
};
use aws_sdk_iam::operation::delete_open_id_connect_provider::DeleteOpenIdConnectProviderOutput;
use aws_sdk_iam::operation::get_open_id_connect_provider::{
    GetOpenIDConnectProviderError, GetOpenIdConnectProviderOutput,
};
use aws_sdk_iam::operation::list_open_id_connect_providers::ListOpenIdConnectProvidersOutput;
use aws_sdk_iam::operation::remove_client_id_from_open_id_connect_provider::RemoveClientIdFromOpenIdConnectProviderOutput;
use aws_sdk_iam::types::error::{EntityAlreadyExistsException, NoSuchEntityException};
use aws_sdk_iam::types::{OpenIdConnectProviderListEntry, Tag};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{AccountId, Error, Iam, ProviderPlan, ProviderSpec, Tags};

const ARN: &str = "arn:aws:iam::111122223333:oidc-provider/h.example/prod";

fn issuer() -> IssuerUrl {
    IssuerUrl::parse("https://h.example/prod", Ports::Refuse).unwrap()
}

fn spec(audiences: &[&str], prune: bool) -> ProviderSpec {
    let audiences = audiences.iter().map(|text| text.parse().unwrap()).collect();
    ProviderSpec { issuer: issuer(), audiences, tags: Tags::new(), thumbprints: Vec::new(), prune }
}

fn iam(rules: &[&Rule]) -> Iam {
    let client: Client = mock_client!(aws_sdk_iam, RuleMode::MatchAny, rules);
    let account: AccountId = "111122223333".parse().unwrap();
    Iam::with_client(client, account, Partition::of_region("us-east-1"))
}

fn list() -> Rule {
    mock!(Client::list_open_id_connect_providers).then_output(|| {
        let entry = OpenIdConnectProviderListEntry::builder().arn(ARN).build();
        ListOpenIdConnectProvidersOutput::builder().open_id_connect_provider_list(entry).build()
    })
}

fn missing() -> Rule {
    mock!(Client::get_open_id_connect_provider).then_error(no_such_entity)
}

fn no_such_entity() -> GetOpenIDConnectProviderError {
    let code = ErrorMetadata::builder().code("NoSuchEntity").build();
    GetOpenIDConnectProviderError::NoSuchEntityException(
        NoSuchEntityException::builder().meta(code).build(),
    )
}

fn there(audiences: &[&'static str], ours: bool) -> Rule {
    let audiences: Vec<String> = audiences.iter().map(|text| (*text).to_owned()).collect();
    mock!(Client::get_open_id_connect_provider)
        .match_requests(|request| request.open_id_connect_provider_arn() == Some(ARN))
        .then_output(move || answer(&audiences, ours))
}

/// The URL comes without its scheme, as from AWS.
fn answer(audiences: &[String], ours: bool) -> GetOpenIdConnectProviderOutput {
    let tag = Tag::builder().key("issuerctl.dev/created").value("true").build().unwrap();
    GetOpenIdConnectProviderOutput::builder()
        .url("h.example/prod")
        .set_client_id_list(Some(audiences.to_vec()))
        .set_tags(ours.then(|| vec![tag]))
        .build()
}

async fn apply(iam: &Iam, spec: &ProviderSpec) -> Result<ProviderPlan, Error> {
    let mut plan = iam.plan_provider(spec).await?;
    iam.apply_provider(spec, &mut plan, |_| {}).await.map(|()| plan)
}

#[tokio::test]
async fn a_new_provider_is_made_by_one_call_without_a_thumbprint() {
    let create = mock!(Client::create_open_id_connect_provider)
        .match_requests(|request| {
            request.url() == Some("https://h.example/prod")
                && request.client_id_list() == ["sts.amazonaws.com"]
                && request.thumbprint_list().is_empty()
                && request.tags().iter().any(|tag| tag.key() == "issuerctl.dev/created")
        })
        .then_output(|| CreateOpenIdConnectProviderOutput::builder().build());
    apply(&iam(&[&missing(), &list(), &create]), &spec(&["sts.amazonaws.com"], false))
        .await
        .unwrap();
    assert_eq!(create.num_calls(), 1);
}

#[tokio::test]
async fn a_provider_that_is_as_wanted_is_only_read() {
    let (get, list) = (there(&["sts.amazonaws.com", "theirs"], false), list());
    let plan = apply(&iam(&[&get, &list]), &spec(&["sts.amazonaws.com"], false)).await.unwrap();
    assert!(plan.is_empty() && plan.kept == ["theirs"]);
    assert_eq!((get.num_calls(), list.num_calls()), (1, 1));
}

#[tokio::test]
async fn audiences_are_added_and_pruned_one_by_one() {
    let add = mock!(Client::add_client_id_to_open_id_connect_provider)
        .match_requests(|request| {
            request.client_id() == Some("more")
                && request.open_id_connect_provider_arn() == Some(ARN)
        })
        .then_output(|| AddClientIdToOpenIdConnectProviderOutput::builder().build());
    let remove = mock!(Client::remove_client_id_from_open_id_connect_provider)
        .match_requests(|request| request.client_id() == Some("theirs"))
        .then_output(|| RemoveClientIdFromOpenIdConnectProviderOutput::builder().build());
    let iam = iam(&[&there(&["sts.amazonaws.com", "theirs"], true), &list(), &add, &remove]);
    apply(&iam, &spec(&["sts.amazonaws.com", "more"], true)).await.unwrap();
    assert_eq!((add.num_calls(), remove.num_calls()), (1, 1));
}

#[tokio::test]
async fn a_provider_that_somebody_else_makes_meanwhile_is_planned_anew() {
    let get = mock!(Client::get_open_id_connect_provider)
        .sequence()
        .error(no_such_entity)
        .output(|| answer(&["sts.amazonaws.com".to_owned()], false))
        .build();
    let create = mock!(Client::create_open_id_connect_provider).then_error(|| {
        let code = ErrorMetadata::builder().code("EntityAlreadyExists").build();
        CreateOpenIDConnectProviderError::EntityAlreadyExistsException(
            EntityAlreadyExistsException::builder().meta(code).build(),
        )
    });
    let plan =
        apply(&iam(&[&get, &create, &list()]), &spec(&["sts.amazonaws.com"], false)).await.unwrap();
    assert!(plan.is_empty() && !plan.changes_anything(), "{plan:?}");
    assert_eq!((get.num_calls(), create.num_calls()), (2, 1));
}

#[tokio::test]
async fn a_refusal_names_action_resource_and_the_line_that_mends_it() {
    let create = mock!(Client::create_open_id_connect_provider).then_error(|| {
        let denied = ErrorMetadata::builder()
            .code("AccessDenied")
            .message("no identity-based policy allows it")
            .build();
        CreateOpenIDConnectProviderError::generic(denied)
    });
    let error =
        apply(&iam(&[&missing(), &list(), &create]), &spec(&["a"], false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert!(
        error.to_string().contains("iam:CreateOpenIDConnectProvider")
            && error.to_string().contains(ARN),
        "{error}"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(r#""Action": "iam:CreateOpenIDConnectProvider""#) && hint.contains(ARN),
        "{hint}"
    );
}

#[tokio::test]
async fn only_an_own_provider_is_deleted_without_force() {
    let delete = mock!(Client::delete_open_id_connect_provider)
        .then_output(|| DeleteOpenIdConnectProviderOutput::builder().build());
    let theirs = iam(&[&there(&["a"], false), &delete]);
    let provider = theirs.provider(&issuer()).await.unwrap().unwrap();
    let error = theirs.delete_provider(&provider, false).await.unwrap_err();
    assert!(
        matches!(&error, Error::Adopted { .. }) && error.kind() == ErrorKind::Conflict,
        "{error}"
    );
    assert_eq!(delete.num_calls(), 0, "it was deleted without force");
    theirs.delete_provider(&provider, true).await.unwrap();
    let ours = iam(&[&there(&["a"], true), &delete]);
    ours.delete_provider(&ours.provider(&issuer()).await.unwrap().unwrap(), false).await.unwrap();
    assert_eq!(delete.num_calls(), 2);
    assert_eq!(iam(&[&missing()]).provider(&issuer()).await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_of_something_else_than_the_call_itself_names_that() {
    let denied = |message: &'static str| {
        mock!(Client::create_open_id_connect_provider).then_error(move || {
            CreateOpenIDConnectProviderError::generic(
                ErrorMetadata::builder().code("AccessDenied").message(message).build(),
            )
        })
    };
    let tag = denied(
        "User: x is not authorized to perform: iam:TagOpenIDConnectProvider on resource: \
         arn:aws:iam::1:y because no",
    );
    let error = apply(&iam(&[&missing(), &list(), &tag]), &spec(&["a"], false)).await.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(r#""iam:TagOpenIDConnectProvider", "Resource": "arn:aws:iam::1:y""#),
        "{hint}"
    );
    let explicit = denied(
        "User: x is not authorized to perform: iam:CreateOpenIDConnectProvider on resource: z with \
         an explicit deny in a service control policy",
    );
    let error =
        apply(&iam(&[&missing(), &list(), &explicit]), &spec(&["a"], false)).await.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("denies it explicitly") && !hint.contains("Allow"), "{hint}");
}

#[tokio::test(start_paused = true)]
async fn throttling_is_waited_for() {
    let throttled = || {
        let throttling =
            ErrorMetadata::builder().code("Throttling").message("Rate exceeded").build();
        GetOpenIDConnectProviderError::generic(throttling)
    };
    let get = mock!(Client::get_open_id_connect_provider)
        .sequence()
        .error(throttled)
        .times(2)
        .output(|| answer(&["sts.amazonaws.com".to_owned()], true))
        .build();
    let plan = apply(&iam(&[&get, &list()]), &spec(&["sts.amazonaws.com"], false)).await.unwrap();
    assert!(plan.is_empty());
    assert_eq!(get.num_calls(), 3);
}

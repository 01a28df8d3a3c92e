//! Whole runs on an account in the process: what is in IAM before and after, whoever else writes
//! and wherever a run is cut off.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::policies::{self, ProviderNeeds, RoleNeeds};
use issuer_iam::{
    Audience, Documents, Error, Iam, ProviderSpec, RoleDeletion, RolePlan, RoleSpec, Tags, Trust,
};
use issuer_test_support::{Account, AccountPolicy, AccountRole, IamServer};
use serde_json::{Value, json};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const MANAGED: &str = "arn:aws:iam::111122223333:policy/app-s3";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/h.example/prod";

fn connect(server: &IamServer) -> Iam {
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(server.url())
        // A connection that is cut is not tried again, as by a run that is killed.
        .retry_config(RetryConfig::disabled())
        .build();
    let client = aws_sdk_iam::Client::from_conf(config);
    Iam::with_client(client, "111122223333".parse().unwrap(), Partition::of_region("us-east-1"))
}

fn issuer() -> IssuerUrl {
    IssuerUrl::parse("https://h.example/prod", Ports::Refuse).unwrap()
}

fn provider(audiences: &[&str], prune: bool) -> ProviderSpec {
    ProviderSpec {
        issuer: issuer(),
        audiences: audiences.iter().map(|text| text.parse().unwrap()).collect(),
        tags: Tags::from([("team".to_owned(), "platform".to_owned())]),
        thumbprints: Vec::new(),
        prune,
    }
}

fn role() -> RoleSpec {
    RoleSpec {
        name: "app".parse().unwrap(),
        trust: Trust {
            partition: Partition::of_region("us-east-1"),
            account: "111122223333".parse().unwrap(),
            issuer: issuer(),
            audiences: vec![Audience::default()],
            service_accounts: vec!["default/app".parse().unwrap()],
        },
        policy_arns: None,
        inline: None,
        managed: None,
        boundary: None,
        path: None,
        max_session_secs: None,
        tags: None,
        add: false,
        shared_with: None,
        file: None,
    }
}

/// A role with everything that can be asked for.
fn whole() -> RoleSpec {
    RoleSpec {
        policy_arns: Some(vec![READ_ONLY.parse().unwrap()]),
        inline: Some(Documents::from([("in".to_owned(), document("a"))])),
        managed: Some(Documents::from([("app-s3".to_owned(), document("b"))])),
        boundary: Some("arn:aws:iam::aws:policy/PowerUserAccess".parse().unwrap()),
        path: Some("/apps/".parse().unwrap()),
        max_session_secs: Some(7200),
        tags: Some(Tags::from([("team".to_owned(), "platform".to_owned())])),
        ..role()
    }
}

/// The same later: something of everything is another.
fn later() -> RoleSpec {
    RoleSpec {
        policy_arns: Some(Vec::new()),
        inline: Some(Documents::from([("other".to_owned(), document("c"))])),
        managed: Some(Documents::from([("app-s3".to_owned(), document("d"))])),
        max_session_secs: Some(3600),
        tags: Some(Tags::new()),
        ..whole()
    }
}

fn document(object: &str) -> Value {
    let resource = format!("arn:aws:s3:::bucket/{object}");
    let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource});
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

/// A statement that somebody else writes.
fn theirs(sid: &str) -> Value {
    let ec2 = json!({"Service": "ec2.amazonaws.com"});
    json!({"Sid": sid, "Effect": "Allow", "Principal": ec2, "Action": "sts:AssumeRole"})
}

/// A role that somebody else made.
fn by_hand() -> AccountRole {
    let mut role =
        AccountRole::new(&json!({"Version": "2012-10-17", "Statement": [theirs("Theirs")]}));
    role.tags.insert("owner".to_owned(), "them".to_owned());
    role.attached.insert("arn:aws:iam::aws:policy/Theirs".to_owned());
    role.inline.insert("theirs".to_owned(), document("theirs").to_string());
    role
}

async fn apply(iam: &Iam, spec: &RoleSpec) -> Result<RolePlan, Error> {
    let mut plan = iam.plan_role(spec).await?;
    iam.apply_role(spec, &mut plan, |_| {}).await.map(|()| plan)
}

async fn delete(iam: &Iam) -> Result<RoleDeletion, Error> {
    let (name, none) = (role().name, Documents::new());
    let mut plan = iam.plan_role_deletion(&name, Some(&issuer()), &none).await?;
    iam.delete_role(&name, Some(&issuer()), &none, &mut plan, |_| {}).await.map(|()| plan)
}

async fn apply_provider(iam: &Iam, spec: &ProviderSpec) -> Result<bool, Error> {
    let mut plan = iam.plan_provider(spec).await?;
    iam.apply_provider(spec, &mut plan, |_| {}).await?;
    Ok(plan.changes_anything())
}

/// `Sid`s of the role's trust policy.
fn sids(account: &Account) -> Vec<String> {
    let policy = account.roles["app"].trust_policy();
    let sids = policy["Statement"].as_array().unwrap().iter().map(|statement| &statement["Sid"]);
    sids.map(|sid| sid.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_provider_is_made_reconciled_and_deleted() {
    let server = IamServer::start();
    let iam = connect(&server);
    assert!(apply_provider(&iam, &provider(&["sts.amazonaws.com"], false)).await.unwrap());
    let made = server.account().providers[PROVIDER].clone();
    assert_eq!((made.url.as_str(), made.thumbprints.len()), ("h.example/prod", 1));
    assert_eq!(made.tags["team"], "platform");
    server.clear_log();
    assert!(!apply_provider(&iam, &provider(&["sts.amazonaws.com"], false)).await.unwrap());
    assert!(server.writes().is_empty());
    assert!(apply_provider(&iam, &provider(&["more"], true)).await.unwrap());
    assert_eq!(server.account().providers[PROVIDER].client_ids, ["more"]);
    // Of an upper-case letter it is another one.
    let upper = IssuerUrl::parse("https://h.example/Prod", Ports::Refuse).unwrap();
    assert!(iam.provider(&upper).await.unwrap().is_none());
    let there = iam.provider(&issuer()).await.unwrap().unwrap();
    assert!(there.is_ours());
    iam.delete_provider(&there, false).await.unwrap();
    iam.delete_provider(&there, false).await.unwrap();
    assert!(server.account().providers.is_empty());
}

#[tokio::test]
async fn a_provider_that_somebody_else_makes_meanwhile_keeps_what_they_asked_for() {
    let server = IamServer::start();
    let iam = connect(&server);
    server.before("CreateOpenIDConnectProvider", |account| {
        let url = "h.example/prod".to_owned();
        let client_ids = vec!["theirs".to_owned()];
        let theirs = issuer_test_support::AccountProvider { url, client_ids, ..Default::default() };
        account.add_provider(theirs);
    });
    assert!(apply_provider(&iam, &provider(&["sts.amazonaws.com"], false)).await.unwrap());
    let there = server.account().providers[PROVIDER].clone();
    assert_eq!(there.client_ids, ["theirs", "sts.amazonaws.com"]);
    assert!(!iam.provider(&issuer()).await.unwrap().unwrap().is_ours());
}

#[tokio::test]
async fn a_role_is_made_reconciled_and_deleted() {
    let server = IamServer::start();
    let iam = connect(&server);
    // Pages of one: nothing is overlooked on the second.
    server.page_size(1);
    let empty = server.account();
    apply(&iam, &whole()).await.unwrap();
    let account = server.account();
    let made = &account.roles["app"];
    assert_eq!((made.path.as_str(), made.max_session), ("/apps/", 7200));
    assert_eq!(made.attached.iter().map(String::as_str).collect::<Vec<_>>(), [MANAGED, READ_ONLY]);
    assert_eq!(made.boundary.as_deref(), Some("arn:aws:iam::aws:policy/PowerUserAccess"));
    assert_eq!(serde_json::from_str::<Value>(&made.inline["in"]).unwrap(), document("a"));
    assert_eq!(account.policies[MANAGED].document(), document("b"));

    server.clear_log();
    assert!(!apply(&iam, &whole()).await.unwrap().changes_anything());
    assert!(server.writes().is_empty() && server.account() == account);
    assert_eq!(iam.roles_of(&issuer()).await.unwrap(), [role().name]);

    apply(&iam, &later()).await.unwrap();
    let after = server.account();
    let now = &after.roles["app"];
    assert!(now.attached.contains(MANAGED) && now.attached.len() == 1);
    assert_eq!(now.inline.keys().collect::<Vec<_>>(), ["other"]);
    assert!(!now.tags.contains_key("team") && now.max_session == 3600);
    assert_eq!(after.policies[MANAGED].document(), document("d"));

    delete(&iam).await.unwrap();
    assert_eq!(server.account(), empty);
}

#[tokio::test]
async fn a_policy_that_changes_again_and_again_makes_room_for_its_versions() {
    let server = IamServer::start();
    let iam = connect(&server);
    for version in 1..=8 {
        let document = document(&version.to_string());
        let managed = Some(Documents::from([("app-s3".to_owned(), document.clone())]));
        apply(&iam, &RoleSpec { managed, ..role() }).await.unwrap();
        assert_eq!(server.account().policies[MANAGED].document(), document);
    }
    let versions = server.account().policies[MANAGED].versions.len();
    assert_eq!(versions, 5);
    delete(&iam).await.unwrap();
    assert!(server.account().policies.is_empty());
}

#[tokio::test]
async fn what_others_have_in_a_role_outlives_a_whole_run_and_its_deletion() {
    let server = IamServer::start();
    let iam = connect(&server);
    server.change(|account| account.roles.insert("app".to_owned(), by_hand()));
    let before = server.account();
    let spec = RoleSpec { path: None, boundary: None, max_session_secs: None, ..whole() };
    apply(&iam, &spec).await.unwrap();
    assert_eq!(sids(&server.account()).len(), 2);
    let deletion = delete(&iam).await.unwrap();
    assert!(!deletion.kept.is_empty());
    assert_eq!(server.account(), before);
}

#[tokio::test]
async fn statements_that_others_write_during_a_run_are_kept() {
    let server = IamServer::start();
    let iam = connect(&server);
    server.change(|account| account.roles.insert("app".to_owned(), by_hand()));
    let mut plan = iam.plan_role(&role()).await.unwrap();
    // After the plan was made, and once more over what was just written.
    let add = |sid: &'static str| {
        move |account: &mut Account| {
            account.roles.get_mut("app").unwrap().add_trust_statement(theirs(sid));
        }
    };
    server.change(add("AfterThePlan"));
    server.after("UpdateAssumeRolePolicy", |account| {
        let statements = [theirs("Theirs"), theirs("AfterThePlan"), theirs("Overwritten")];
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        account.roles.get_mut("app").unwrap().trust = policy.to_string();
    });
    iam.apply_role(&role(), &mut plan, |_| {}).await.unwrap();
    let sids = sids(&server.account());
    assert_eq!(&sids[..3], &["Theirs", "AfterThePlan", "Overwritten"].map(str::to_owned)[..]);
    assert_eq!(sids[3], role().trust.sid());

    // A deletion takes nothing but its own either.
    server.change(add("BeforeTheDeletion"));
    delete(&iam).await.unwrap();
    let left = ["Theirs", "AfterThePlan", "Overwritten", "BeforeTheDeletion"];
    assert_eq!(self::sids(&server.account()), left);
}

#[tokio::test]
async fn a_role_that_got_a_new_statement_just_before_its_deletion_stays() {
    let server = IamServer::start();
    let iam = connect(&server);
    apply(&iam, &whole()).await.unwrap();
    // The deletion has been planned by then.
    server.before("DeleteRolePolicy", |account| {
        account.roles.get_mut("app").unwrap().add_trust_statement(theirs("Late"));
    });
    let deletion = delete(&iam).await.unwrap();
    assert!(!deletion.kept.is_empty() && deletion.changes_anything());
    assert_eq!(sids(&server.account()), ["Late"]);
}

#[tokio::test]
async fn a_run_that_is_cut_off_anywhere_is_finished_by_the_next() {
    // What is there before: nothing, a role of an earlier run, one of somebody else.
    for start in ["nothing", "earlier", "theirs"] {
        let server = IamServer::start();
        let iam = connect(&server);
        let spec = match start {
            "theirs" => RoleSpec { path: None, ..later() },
            _ => later(),
        };
        match start {
            "earlier" => drop(apply(&iam, &whole()).await.unwrap()),
            "theirs" => {
                server.change(|account| account.roles.insert("app".to_owned(), by_hand()));
            }
            _ => {}
        }
        let before = server.account();
        server.clear_log();
        apply(&iam, &spec).await.unwrap();
        let (whole, writes) = (server.account(), server.writes().len());
        assert!(writes > 3, "{start} {:?}", server.writes());
        for cut in 0..writes {
            server.change(|account| account.clone_from(&before));
            server.cut_after(cut);
            apply(&iam, &spec).await.unwrap_err();
            server.heal();
            apply(&iam, &spec).await.unwrap();
            assert_eq!(server.account(), whole, "{start}, cut off after {cut} of {writes}");
        }
    }
}

#[tokio::test]
async fn a_deletion_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let server = IamServer::start();
    let iam = connect(&server);
    let empty = server.account();
    apply(&iam, &whole()).await.unwrap();
    let before = server.account();
    server.clear_log();
    delete(&iam).await.unwrap();
    let writes = server.writes().len();
    for cut in 0..writes {
        server.change(|account| account.clone_from(&before));
        server.cut_after(cut);
        delete(&iam).await.unwrap_err();
        server.heal();
        delete(&iam).await.unwrap();
        assert_eq!(server.account(), empty, "cut off after {cut} of {writes}");
    }
}

fn names(made: &[String]) -> BTreeSet<&str> {
    made.iter().map(String::as_str).collect()
}

fn needs_of<'a>(spec: &'a RoleSpec, made: &'a [String]) -> RoleNeeds<'a> {
    RoleNeeds {
        name: &spec.name,
        inline: spec.inline.as_ref(),
        attached: spec.policy_arns.as_deref(),
        managed: spec.managed.as_ref(),
        own: made
            .iter()
            .chain(spec.managed.iter().flat_map(|all| all.keys()))
            .map(String::as_str)
            .collect(),
        add: spec.add,
        boundary: spec.boundary.as_ref(),
        session: spec.max_session_secs.is_some(),
        tags: spec.tags.is_some(),
    }
}

#[tokio::test]
async fn the_printed_policies_are_enough() {
    let server = IamServer::start();
    let iam = connect(&server);
    let needs = ProviderNeeds { prune: true, thumbprints: false };
    server.allow_only(policies::apply_provider(Some(&iam), &issuer(), &needs));
    apply_provider(&iam, &provider(&["sts.amazonaws.com"], true)).await.unwrap();
    apply_provider(&iam, &provider(&["more"], true)).await.unwrap();
    server.allow_only(policies::delete_provider(Some(&iam), &issuer()));
    let there = iam.provider(&issuer()).await.unwrap().unwrap();
    iam.delete_provider(&there, false).await.unwrap();

    // A run needs no more than what it is asked for and what earlier runs made.
    let run = async |spec: RoleSpec| {
        let made = iam.policies_made_for(&spec.name).await.unwrap_or_default();
        server.allow_only(policies::apply_role(Some(&iam), &needs_of(&spec, &made)));
        apply(&iam, &spec).await
    };
    run(whole()).await.unwrap();
    run(later()).await.unwrap();
    for object in ["e", "f", "g", "h", "i"] {
        let managed = Some(Documents::from([("app-s3".to_owned(), document(object))]));
        run(RoleSpec { managed, ..later() }).await.unwrap();
    }
    let nothing = Some(Documents::new());
    run(RoleSpec { managed: nothing, ..later() }).await.unwrap();
    assert!(server.account().policies.is_empty());
    run(whole()).await.unwrap();
    // What was not given is not granted: neither an inline policy nor another attached one.
    let bare = role();
    let made = iam.policies_made_for(&bare.name).await.unwrap();
    let little = needs_of(&bare, &made);
    server.allow_only(policies::apply_role(Some(&iam), &little));
    let inline = RoleSpec { inline: later().inline, ..role() };
    let error = apply(&iam, &inline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert!(error.to_string().contains("iam:PutRolePolicy"), "{error}");
    let one = |name: &str| RoleSpec {
        policy_arns: Some(vec![format!("arn:aws:iam::aws:policy/{name}").parse().unwrap()]),
        add: true,
        ..role()
    };
    server.allow_only(policies::apply_role(Some(&iam), &needs_of(&one("SecurityAudit"), &made)));
    let error = apply(&iam, &one("AdministratorAccess")).await.unwrap_err();
    assert!(error.to_string().contains("iam:AttachRolePolicy"), "{error}");
    let name = role().name;
    let made = iam.policies_made_for(&name).await.unwrap();
    server.allow_only(policies::delete_role(Some(&iam), &name, Some(names(&made))));
    delete(&iam).await.unwrap();
    assert!(server.account().roles.is_empty() && server.account().policies.is_empty());
    server.allow_only(policies::list_roles(Some(&iam)));
    assert!(iam.roles_of(&issuer()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tag_that_is_not_permitted_is_named_and_the_role_is_not_made() {
    let server = IamServer::start();
    let iam = connect(&server);
    server.deny("TagRole");
    let error = apply(&iam, &role()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert!(error.to_string().contains("iam:TagRole"), "{error}");
    assert!(server.account().roles.is_empty());
}

#[tokio::test]
async fn a_policy_that_others_use_too_stays() {
    let server = IamServer::start();
    let iam = connect(&server);
    apply(&iam, &whole()).await.unwrap();
    server.change(|account| {
        let policy: &mut AccountPolicy = account.policies.get_mut(MANAGED).unwrap();
        policy.users.insert("somebody".to_owned());
    });
    assert_eq!(delete(&iam).await.unwrap().stayed, [MANAGED]);
    let account = server.account();
    assert!(account.roles.is_empty() && account.policies.contains_key(MANAGED));
}

#[tokio::test]
async fn the_caller_of_the_credentials_is_known_to_sts() {
    let server = IamServer::start_in("aws-cn", "444455556666");
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("cn-north-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(server.url())
        .build();
    let caller = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some("444455556666"));
    assert_eq!(caller.arn(), Some("arn:aws-cn:iam::444455556666:user/test"));
}

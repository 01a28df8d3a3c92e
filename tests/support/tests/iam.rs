//! The answers of the IAM server, compared with the IAM API reference.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use issuer_test_support::{AccountPolicy, AccountProvider, AccountRole, IamServer};
use serde_json::{Value, json};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const POLICY: &str = "arn:aws:iam::111122223333:policy/app-s3";

/// Status and body; status 0 if the connection was closed.
fn ask(server: &IamServer, form: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    let length = form.len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: iam.amazonaws.com\r\nAuthorization: AWS4-HMAC-SHA256 x\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{form}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return (0, answer) };
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn iam(server: &IamServer, form: &str) -> (u16, String) {
    ask(server, &format!("Version=2010-05-08&{form}"))
}

/// The code of the error and its message.
fn refused(server: &IamServer, form: &str) -> (u16, String, String) {
    let (status, body) = iam(server, form);
    let between = |element: &str| {
        let (_, rest) = body.split_once(&format!("<{element}>")).unwrap();
        rest.split_once(&format!("</{element}>")).unwrap().0.to_owned()
    };
    assert!(body.contains("<ErrorResponse xmlns=") && body.contains("<Type>Sender</Type>"));
    (status, between("Code"), between("Message"))
}

fn trust() -> Value {
    let ec2 = json!({"Service": "ec2.amazonaws.com"});
    let statement = json!({"Effect": "Allow", "Principal": ec2, "Action": "sts:AssumeRole"});
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn document() -> Value {
    let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn form_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// An account with one of each.
fn server() -> IamServer {
    let server = IamServer::start();
    server.change(|account| {
        account.add_provider(AccountProvider::new("h.example/prod", &["sts.amazonaws.com"]));
        account.add_policy(AccountPolicy::new("app-s3", &document()));
        let mut role = AccountRole { path: "/apps/".to_owned(), ..AccountRole::new(&trust()) };
        role.tags.insert("team".to_owned(), "a & b".to_owned());
        role.attached.insert(POLICY.to_owned());
        role.inline.insert("in".to_owned(), document().to_string());
        account.roles.insert("app".to_owned(), role);
    });
    server
}

#[test]
fn a_role_and_the_caller_are_returned_as_by_aws() {
    let server = server();
    let (status, body) = iam(&server, "Action=GetRole&RoleName=app");
    let start = "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
                 <GetRoleResult><Role><Path>/apps/</Path><RoleName>app</RoleName><RoleId>AROA";
    assert!(status == 200 && body.starts_with(start), "{status} {body}");
    for part in [
        "<Arn>arn:aws:iam::111122223333:role/apps/app</Arn>",
        "<CreateDate>2026-01-01T00:00:00Z</CreateDate>",
        "<AssumeRolePolicyDocument>%7B%22",
        "%22sts%3AAssumeRole%22",
        "<MaxSessionDuration>3600</MaxSessionDuration>",
        "<Tags><member><Key>team</Key><Value>a &amp; b</Value></member></Tags>",
        "</Role></GetRoleResult><ResponseMetadata><RequestId>",
    ] {
        assert!(body.contains(part), "{part} {body}");
    }
    // A list has no tags.
    let (_, list) = iam(&server, "Action=ListRoles");
    let end = "<IsTruncated>false</IsTruncated></ListRolesResult>";
    assert!(list.contains(end) && !list.contains("<Tags>"), "{list}");
    let (_, provider) = iam(
        &server,
        "Action=GetOpenIDConnectProvider&OpenIDConnectProviderArn=arn%3Aaws%3Aiam%3A%3A\
         111122223333%3Aoidc-provider%2Fh.example%2Fprod",
    );
    assert!(provider.contains(
        "<Url>h.example/prod</Url><ClientIDList><member>sts.amazonaws.com</member></ClientIDList>"
    ));
    let (_, caller) = ask(&server, "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(caller.contains(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/test</Arn>"
    ));
    let (_, detached) =
        iam(&server, &format!("Action=DetachRolePolicy&RoleName=app&PolicyArn={POLICY}"));
    assert!(detached.contains("/\"><ResponseMetadata><RequestId>"), "{detached}");
    assert_eq!(server.writes(), [format!("DetachRolePolicy app {POLICY}")]);
}

#[test]
fn invalid_requests_fail_with_the_codes_of_iam_and_change_nothing() {
    let server = server();
    let before = server.account();
    let (trust, document) =
        (form_encoded(&trust().to_string()), form_encoded(&document().to_string()));
    let without_action =
        form_encoded(r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*"}}"#);
    for (form, status, code, word) in [
        ("Action=GetRole&RoleName=App".to_owned(), 404, "NoSuchEntity", "role with name App"),
        (
            // Names are unique regardless of letter case.
            format!("Action=CreateRole&RoleName=APP&AssumeRolePolicyDocument={trust}"),
            409,
            "EntityAlreadyExists",
            "already exists",
        ),
        (
            "Action=CreateRole&RoleName=new&AssumeRolePolicyDocument=x".to_owned(),
            400,
            "MalformedPolicyDocument",
            "invalid Json",
        ),
        (
            format!("Action=UpdateAssumeRolePolicy&RoleName=app&PolicyDocument={without_action}"),
            400,
            "MalformedPolicyDocument",
            "actions",
        ),
        (
            format!("Action=PutRolePolicy&RoleName=app&PolicyName=x&PolicyDocument={trust}"),
            400,
            "MalformedPolicyDocument",
            "principal",
        ),
        ("Action=DeleteRole&RoleName=app".to_owned(), 409, "DeleteConflict", "detach"),
        (format!("Action=DeletePolicy&PolicyArn={POLICY}"), 409, "DeleteConflict", "attached"),
        (
            format!("Action=DeletePolicyVersion&PolicyArn={POLICY}&VersionId=v1"),
            409,
            "DeleteConflict",
            "default version",
        ),
        (
            format!("Action=CreatePolicy&PolicyName=App-S3&PolicyDocument={document}"),
            409,
            "EntityAlreadyExists",
            "app-s3",
        ),
        (
            "Action=CreateOpenIDConnectProvider&Url=https%3A%2F%2Fh.example%2Fprod".to_owned(),
            409,
            "EntityAlreadyExists",
            "https://h.example/prod",
        ),
        (
            "Action=GetOpenIDConnectProvider&OpenIDConnectProviderArn=arn:aws:iam::111122223333:\
             oidc-provider/h.example/Prod"
                .to_owned(),
            404,
            "NoSuchEntity",
            "OpenIDConnect Provider not found",
        ),
        (
            format!("Action=AttachRolePolicy&RoleName=app&PolicyArn={POLICY}2"),
            404,
            "NoSuchEntity",
            "not attachable",
        ),
        ("Action=GetRole".to_owned(), 400, "ValidationError", "'roleName'"),
        ("Action=GetFoo".to_owned(), 400, "InvalidAction", "GetFoo"),
    ] {
        let (got, its_code, message) = refused(&server, &form);
        let message = message.to_lowercase();
        assert_eq!((got, its_code.as_str()), (status, code), "{form} {message}");
        assert!(message.contains(&word.to_lowercase()), "{form} {message}");
    }
    assert_eq!(server.account(), before);
}

#[test]
fn a_policy_has_at_most_five_versions_and_is_deleted_with_the_last() {
    let server = server();
    let create = format!(
        "Action=CreatePolicyVersion&PolicyArn={POLICY}&SetAsDefault=true&PolicyDocument={}",
        form_encoded(&document().to_string())
    );
    for version in 2..=5 {
        let (status, body) = iam(&server, &create);
        assert!(status == 200 && body.contains(&format!("<VersionId>v{version}</VersionId>")));
    }
    let (status, code, _) = refused(&server, &create);
    assert_eq!((status, code.as_str()), (409, "LimitExceeded"));
    let delete = |id| {
        iam(&server, &format!("Action=DeletePolicyVersion&PolicyArn={POLICY}&VersionId=v{id}")).0
    };
    assert_eq!(delete(1), 200);
    assert_eq!(iam(&server, &create).0, 200);
    let policy = server.account().policies[POLICY].clone();
    assert_eq!((policy.default_version, policy.versions.keys().next()), (6, Some(&2)));
    iam(&server, &format!("Action=DetachRolePolicy&RoleName=app&PolicyArn={POLICY}"));
    let (_, code, message) = refused(&server, &format!("Action=DeletePolicy&PolicyArn={POLICY}"));
    assert!(code == "DeleteConflict" && message.contains("more than one version"), "{message}");
    assert_eq!([2, 3, 4, 5].map(delete), [200; 4]);
    assert_eq!(iam(&server, &format!("Action=DeletePolicy&PolicyArn={POLICY}")).0, 200);
    assert!(server.account().policies.is_empty());
}

#[test]
fn lists_are_paginated() {
    let server = server();
    server.change(|account| {
        for name in ["b", "c", "d", "e"] {
            account.roles.insert(name.to_owned(), AccountRole::new(&trust()));
        }
    });
    let names = |body: &str| body.matches("<RoleName>").count();
    let (_, first) = iam(&server, "Action=ListRoles&MaxItems=3");
    let marker = "<IsTruncated>true</IsTruncated><Marker>3</Marker>";
    assert!(names(&first) == 3 && first.contains(marker), "{first}");
    let (_, last) = iam(&server, "Action=ListRoles&MaxItems=3&Marker=3");
    assert!(names(&last) == 2 && last.contains("<IsTruncated>false</IsTruncated>"), "{last}");
    server.page_size(1);
    assert_eq!(names(&iam(&server, "Action=ListRoles&MaxItems=3").1), 1);
}

#[test]
fn aws_managed_policies_always_exist() {
    let server = server();
    let (status, body) = iam(&server, &format!("Action=GetPolicy&PolicyArn={READ_ONLY}"));
    assert!(status == 200 && body.contains("<PolicyName>ReadOnlyAccess</PolicyName>"), "{body}");
    let attach = format!("Action=AttachRolePolicy&RoleName=app&PolicyArn={READ_ONLY}");
    assert_eq!(iam(&server, &attach).0, 200);
    let (_, entities) =
        iam(&server, &format!("Action=ListEntitiesForPolicy&PolicyArn={READ_ONLY}"));
    assert!(entities.contains("<PolicyRoles><member><RoleName>app</RoleName>"), "{entities}");
}

#[test]
fn a_policy_grants_its_actions_and_nothing_else() {
    let server = server();
    server.allow_only(json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iam:Get*", "iam:CreateRole"],
         "Resource": "arn:aws:iam::*:role/*app"},
        {"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "*",
         "Condition": {"ArnEquals": {"iam:PolicyARN": [READ_ONLY]}}},
        {"Effect": "Deny", "Action": "iam:getrolepolicy", "Resource": "*"},
    ]}));
    assert_eq!(iam(&server, "Action=GetRole&RoleName=app").0, 200);
    let attach = |arn: &str| format!("Action=AttachRolePolicy&RoleName=app&PolicyArn={arn}");
    assert_eq!(iam(&server, &attach(READ_ONLY)).0, 200);
    let words = |form: &str| {
        let (status, code, message) = refused(&server, form);
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        let start = "User: arn:aws:iam::111122223333:user/test is not authorized to perform: iam:";
        message.strip_prefix(start).unwrap().to_owned()
    };
    assert_eq!(
        words(&attach(POLICY)),
        "AttachRolePolicy on resource: role app because no identity-based policy allows the \
         iam:AttachRolePolicy action"
    );
    assert!(words("Action=ListRoles").starts_with("ListRoles on resource: arn:aws:iam::"));
    assert!(words("Action=GetRole&RoleName=other").starts_with("GetRole on resource: role other"));
    assert!(words("Action=GetRolePolicy&RoleName=app&PolicyName=in").ends_with(
        "GetRolePolicy on resource: role app with an explicit deny in an identity-based policy"
    ));
    // Tags of a new role require their own permission.
    let create = format!(
        "Action=CreateRole&RoleName=my-app&AssumeRolePolicyDocument={}",
        form_encoded(&trust().to_string())
    );
    assert!(
        words(&format!("{create}&Tags.member.1.Key=a&Tags.member.1.Value=b"))
            .starts_with("TagRole on resource: arn:aws:iam::111122223333:role/my-app because")
    );
    assert_eq!(iam(&server, &create).0, 200);
    server.allow_everything();
    server.deny("DeleteRole");
    assert!(words("Action=DeleteRole&RoleName=my-app").starts_with("DeleteRole on"));
}

#[test]
fn concurrent_changes_and_interrupted_runs_are_simulated() {
    let server = server();
    server.before_nth("TagRole", 2, |account| drop(account.roles.remove("app")));
    server.after("TagRole", |account| {
        account.roles.get_mut("app").unwrap().tags.clear();
    });
    let tag = "Action=TagRole&RoleName=app&Tags.member.1.Key=a&Tags.member.1.Value=b";
    assert_eq!(iam(&server, tag).0, 200);
    assert!(server.account().roles["app"].tags.is_empty());
    assert_eq!(iam(&server, tag).0, 404);
    server.change(|account| account.roles.insert("app".to_owned(), AccountRole::new(&trust())));
    server.fail_once("TagRole", "ConcurrentModification");
    assert_eq!(iam(&server, tag).0, 409);
    server.cut_after(1);
    assert_eq!(iam(&server, "Action=GetRole&RoleName=app").0, 200);
    assert_eq!(iam(&server, tag).0, 200);
    assert_eq!(iam(&server, tag).0, 0);
    assert_eq!(iam(&server, "Action=GetRole&RoleName=app").0, 0);
    server.heal();
    assert_eq!(iam(&server, tag).0, 200);
    let writes = [
        "TagRole app",
        "TagRole app -> NoSuchEntity",
        "TagRole app -> ConcurrentModification",
        "TagRole app",
        "TagRole app -> cut off",
        "TagRole app",
    ];
    assert_eq!(server.writes(), writes);
}

#[test]
fn concurrent_requests_are_one_round_trip() {
    let server = server();
    server.delay(Duration::from_millis(300));
    iam(&server, "Action=GetRole&RoleName=app");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| iam(&server, "Action=ListRolePolicies&RoleName=app"));
        }
    });
    assert_eq!((server.log().len(), server.sequential_round_trips()), (4, 2));
}

//! The controller's AWS credentials: what it says when they are refused, and how it goes on.

use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{ApiServer, BUCKET, Flags, NEWEST, PASSWORD, Publisher, TokenService, USER};
use serde_json::{Value, json};

use crate::controller_world::{World, tell};

fn profile(name: &str, user: &str, password: &str) -> String {
    format!("[{name}]\naws_access_key_id = {user}\naws_secret_access_key = {password}\n")
}

/// A spec with a site alone.
fn site_alone(object: &mut Value) {
    let spec = object["spec"].as_object_mut().unwrap();
    spec.remove("provider");
    spec.remove("roles");
}

/// The access key is deleted, and another one comes in its place, as when somebody rotates it.
pub(crate) fn refused() {
    let mut world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    let file = |user: &str, password: &str| {
        let text = profile("default", user, password);
        world.publisher.sandbox.file("credentials", &text)
    };
    let path = file(USER, PASSWORD);
    let controller = world.start_with(
        "first",
        "",
        &[
            ("AWS_ACCESS_KEY_ID", None),
            ("AWS_SECRET_ACCESS_KEY", None),
            ("AWS_SHARED_CREDENTIALS_FILE", path.to_str()),
        ],
    );
    world.api.apply(&world.object("prod", &json!({})).to_string());
    // An issuer that somebody else publishes, whose provider and role are in an account that still accepts the
    // key.
    let provider =
        format!("create-open-id-connect-provider --url https://{ISSUER_HOST}/{BUCKET}/roles");
    world.iam(&format!("{provider} --client-id-list sts.amazonaws.com")).succeeded();
    let mut roles = world.object("prod", &json!({}));
    roles["metadata"]["name"] = json!("roles");
    let spec = roles["spec"].as_object_mut().unwrap();
    for member in ["keys", "store", "provider"] {
        spec.remove(member);
    }
    spec["roles"][0]["name"] = json!("roles-app");
    spec["issuer"] = json!(format!("https://{ISSUER_HOST}/{BUCKET}/roles"));
    world.api.apply(&roles.to_string());
    world.waits_for("prod", "Ready", "Ready");
    world.waits_for("roles", "Ready", "Ready");
    let denied = r#"issuerctl_failures_total{reason="not-permitted"}"#;
    assert_eq!(controller.metric(denied).unwrap_or_default(), 0.0);

    let (other, password) = ("issuerctl-other", "issuerctl-other-secret");
    let variables = [("MINIO_ROOT_USER", other), ("MINIO_ROOT_PASSWORD", password)];
    world.publisher.host.restart(&world.publisher.authority, &variables);
    let (took, message) = world.waits_for("prod", "KeysPublished", "AccessDenied");
    tell("credentials refused until it is reported", took);
    assert!(message.contains("credentials") && message.contains("InvalidAccessKeyId"), "{message}");
    assert!(!message.contains(PASSWORD), "{message}");
    world.waits_for("prod", "Ready", "AccessDenied");
    world.until("the Event", || world.events("prod").contains(&"AccessDenied".to_owned()));
    world.until("the metric", || controller.metric(denied).is_some_and(|count| count >= 1.0));
    // What is published is still what AWS STS reads, and that is told.
    world.waits_for("prod", "Verified", "Accepted");
    let passed = r#"issuerctl_verify_passed{issuer_namespace="clusters",issuer="prod"}"#;
    assert_eq!(controller.metric(passed), Some(1.0));
    // The other object does not wait for it.
    world.changed(
        "roles",
        &json!({"spec": {"roles": [{"name": "roles-app", "serviceAccounts": ["default/later"]}]}}),
    );
    let later =
        || world.iam("get-role --role-name roles-app").succeeded().contains("default:later");
    tell("another issuer meanwhile", world.until("the role", later));

    let key = world.set_key("prod", "key-2");
    world.publisher.sandbox.file("credentials", &profile("default", other, password));
    let took = world.until("the key", || world.published("prod").contains(&key));
    tell("new credentials until a key is published", took);
    world.waits_for("prod", "Ready", "Ready");
    let log = controller.end("TERM");
    assert!(!log.contains(PASSWORD) && !log.contains(password), "a secret is in the log");
}

/// The hen and the egg: the controller publishes the issuer of its own token, which STS refuses until then.
pub(crate) fn fallback() {
    let mut world = World::new(NEWEST);
    let issuer = format!("https://{ISSUER_HOST}/{BUCKET}/own");
    let sts = TokenService::before(&world.publisher.host, &world.publisher.authority);
    let token = world.publisher.sandbox.file("token", &token(&world, &issuer));
    let credentials = profile("bootstrap", USER, PASSWORD);
    let credentials = world.publisher.sandbox.file("credentials", &credentials);
    let variables = [
        ("AWS_ACCESS_KEY_ID", None),
        ("AWS_SECRET_ACCESS_KEY", None),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str()),
        ("AWS_ROLE_ARN", Some("arn:aws:iam::111122223333:role/issuerctl")),
        ("AWS_ENDPOINT_URL_STS", Some(sts.url())),
    ];
    let mut object = world.object("own", &json!({"keys": [{"apiserver": {}}]}));
    site_alone(&mut object);
    world.api.apply(&object.to_string());

    let stuck = world.start_with("stuck", "", &variables);
    let (_, message) = world.waits_for("own", "KeysPublished", "AccessDenied");
    assert!(message.contains("InvalidIdentityToken"), "{message}");
    assert!(message.contains("aws.fallbackSecret"), "{message}");
    assert!(world.published("own").is_empty());
    stuck.end("TERM");

    let controller = world.start_with("first", "--fallback-profile bootstrap", &variables);
    let (took, _) = world.waits_for("own", "Ready", "Ready");
    tell("published with the fallback profile", took);
    let in_use = || controller.metric("issuerctl_fallback_credentials") == Some(1.0);
    world.until("the metric", in_use);
    assert!(controller.log().contains("the credentials of the fallback profile are in use"));

    // Now the issuer is published, and the account has a provider for it.
    let Publisher { host, authority, .. } = &mut world.publisher;
    let role = host.restart_as_sts(authority, &issuer, &world.proxy);
    sts.trusts(role.unwrap_or_else(|why| panic!("the STS: {why}")));
    let uses_token = || controller.metric("issuerctl_fallback_credentials") == Some(0.0);
    tell("published until the token is used", world.until("its use", uses_token));
    // Without the profile, what it does it does with the token.
    world.publisher.sandbox.file("credentials", "");
    world.make_private();
    let repaired = || !world.published("own").is_empty();
    tell("repaired with the token", world.until("the repair", repaired));
    world.waits_for("own", "Ready", "Ready");
    assert_eq!(controller.metric("issuerctl_fallback_credentials"), Some(0.0));
}

/// A token as the pod of the controller has it, on a cluster with this issuer.
fn token(world: &World, issuer: &str) -> String {
    let key = |file: &str| world.publisher.sandbox.path().join("signing").join(file);
    let flags = Flags {
        issuers: &[issuer],
        signing_key: &key("sa.key"),
        public_keys: &[&key("sa.pub")],
        others: &[],
    };
    let (etcd, authority) = (&world.etcd, &world.publisher.authority);
    ApiServer::start(NEWEST, "own", etcd, authority, &flags).token("issuerctl-system/issuerctl")
}

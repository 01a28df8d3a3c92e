//! Independent readers of what was published.

use issuerctl_e2e::{ApiServer, BUCKET, Etcd, Flags, Moto, NEWEST, Publisher, Sandbox};
use serde_json::{Value, json};

/// Reads the issuer's documents with PyJWT only, and validates the token with them.
const PYJWT: &str = r#"
import json, ssl, sys, urllib.request, jwt
issuer, token = sys.argv[1], open("token").read()
context = ssl.create_default_context(cafile="ca.pem")
document = json.load(urllib.request.urlopen(issuer + "/.well-known/openid-configuration", context=context))
assert document["issuer"] == issuer, document
keys = jwt.PyJWKClient(document["jwks_uri"], ssl_context=context)
claims = jwt.decode(token, keys.get_signing_key_from_jwt(token).key,
                    algorithms=document["id_token_signing_alg_values_supported"], audience="sts.amazonaws.com", issuer=issuer)
print(claims["sub"])
"#;

pub(crate) fn pyjwt() {
    for algorithm in ["rsa-2048", "p256", "p384", "p521"] {
        let publisher = Publisher::new();
        publisher.keygen(algorithm, "pki");
        publisher.publish("--key pki/sa.pub", "prod").ended(0);
        let etcd = Etcd::start(NEWEST);
        let server = publisher.api_server(NEWEST, &etcd, "pki", &["pki"]);
        publisher.sandbox.file("token", &server.token("default/app"));
        let ran = publisher.sandbox.python(PYJWT, &[&publisher.issuer("prod")]);
        assert_eq!(ran.succeeded().trim(), "system:serviceaccount:default:app", "{algorithm}");
    }
}

/// The API server of another cluster accepts tokens of the issuer (structured authentication).
pub(crate) fn api_server(version: &str) {
    let publisher = Publisher::new();
    let (sandbox, issuer) = (&publisher.sandbox, publisher.issuer("prod"));
    publisher.keygen("p256", "pki");
    publisher.keygen("rsa-2048", "other");
    publisher.publish("--key pki/sa.pub", "prod").ended(0);
    let etcd = Etcd::start(version);
    let server = publisher.api_server(version, &etcd, "pki", &["pki"]);
    let authority: String =
        publisher.authority.pem().lines().map(|line| format!("      {line}\n")).collect();
    let config = sandbox.file(
        "authentication.yaml",
        &format!(
            "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: \
             AuthenticationConfiguration\njwt:\n- issuer:\n    url: {issuer}\n    audiences: \
             [sts.amazonaws.com]\n    certificateAuthority: |\n{authority}  claimMappings:\n    \
             username: {{claim: sub, prefix: \"aws:\"}}\n"
        ),
    );
    let (key, public) = (sandbox.path().join("other/sa.key"), sandbox.path().join("other/sa.pub"));
    let flags = Flags {
        issuers: &["https://kubernetes.default.svc"],
        signing_key: &key,
        public_keys: &[&public],
        others: &[("authentication-config", config.to_str().unwrap())],
    };
    let relying = ApiServer::start(version, "relying", &etcd, &publisher.authority, &flags);
    let token = server.token("default/app");
    // The relying party reads the issuer in the background.
    let start = std::time::Instant::now();
    let status = loop {
        let status = relying.review(&token, "https://kubernetes.default.svc");
        if status["authenticated"] == true || start.elapsed().as_secs() > 30 {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    };
    assert_eq!(status["user"]["username"], "aws:system:serviceaccount:default:app", "{status}");
    // Only some bits of the last character count, but all of the first.
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let tampered = format!("{signed}.{first}{}", &signature[1..]);
    assert_ne!(relying.review(&tampered, "https://kubernetes.default.svc")["authenticated"], true);
    // The server that signed it accepts it, too.
    assert_eq!(server.review(&token, "sts.amazonaws.com")["authenticated"], true);
}

/// The bucket as `docs/publishing.md` describes it, read with the aws CLI from a server that
/// implements all of these calls.
pub(crate) fn bucket() {
    let moto = Moto::start();
    let sandbox = Sandbox::in_moto();
    sandbox.issuerctl("keygen --algorithm rsa-2048 --out-dir pki").succeeded();
    let publish = format!(
        "publish --key pki/sa.pub --to s3://{BUCKET}/prod --region us-west-2 --create-bucket \
         --endpoint-url {} --path-style --issuer https://{BUCKET}.s3.us-west-2.amazonaws.com/prod \
         --no-verify --output json",
        moto.url()
    );
    let run = || serde_json::from_str::<Value>(&sandbox.issuerctl(&publish).succeeded()).unwrap();
    assert_eq!(run()["changed"], true);
    let ask = |line: &str| -> Value {
        let answer = sandbox
            .aws(&format!("--endpoint-url {} s3api {line} --bucket {BUCKET}", moto.url()))
            .succeeded();
        serde_json::from_str(&answer).unwrap()
    };
    for name in ["keys.json", ".well-known/openid-configuration"] {
        let head = ask(&format!("head-object --checksum-mode ENABLED --key prod/{name}"));
        assert_eq!(head["ContentType"], "application/json", "{head}");
        assert_eq!(head["CacheControl"], "public, max-age=300", "{head}");
        assert!(head["ChecksumSHA256"].is_string(), "{head}");
    }
    let block = ask("get-public-access-block");
    let wanted = json!({
        "BlockPublicAcls": true,
        "IgnorePublicAcls": true,
        "BlockPublicPolicy": false,
        "RestrictPublicBuckets": false,
    });
    assert_eq!(block["PublicAccessBlockConfiguration"], wanted);
    let policy = ask("get-bucket-policy");
    let policy: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 1, "{policy}");
    let objects = ["keys.json", ".well-known/openid-configuration"]
        .map(|name| format!("arn:aws:s3:::{BUCKET}/prod/{name}"));
    assert_eq!(
        (&statements[0]["Principal"], &statements[0]["Action"]),
        (&json!("*"), &json!("s3:GetObject"))
    );
    assert_eq!(statements[0]["Resource"], json!(objects));
    let ownership = ask("get-bucket-ownership-controls");
    assert_eq!(
        ownership["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
        "BucketOwnerEnforced"
    );
    assert_eq!(ask("get-bucket-location")["LocationConstraint"], "us-west-2");
    assert_eq!(run()["changed"], false, "the second run changed something");
}

//! The command itself against servers on loopback: a bucket over https, and a cluster's API server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
mod signer;

use std::process::Command;

use issuer_jwks::{KeyKind, generate};
use issuer_test_support::{ACCESS_KEY, ApiServer, Authority, Reply, S3Server, SECRET_KEY};

use desk::{Desk, ended, golden};
use signer::Signer;

const TOKEN: &str = "POST /api/v1/namespaces/default/serviceaccounts/app/token";

#[test]
fn every_problem_of_a_bucket_is_a_cause_with_its_hint() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.set_account_block(true);
    server.requester_pays();
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = format!(
        "publish --key sa.pub --to s3://my-oidc/prod --region us-west-2 --endpoint-url {} --path-style \
         --issuer https://oidc.example.com/prod --expected-bucket-owner 111122223333",
        server.endpoint()
    );
    // Not the same as that of all services, which is taken for the address of a store.
    let control = [("AWS_ENDPOINT_URL_S3_CONTROL", format!("{}/", server.endpoint()))];
    let control = control.each_ref().map(|(name, url)| (*name, url.as_str()));
    for dry_run in [" --dry-run", ""] {
        let output = desk.run_with(&format!("{line}{dry_run}"), &control);
        let (_, err) = ended(&output, 6);
        let of = |label: &str| err.lines().filter(|line| line.starts_with(label)).count();
        assert!(err.contains("the bucket my-oidc cannot be set up: 2 problems"), "{err}");
        // What CloudFront serves is a hint of its own.
        assert_eq!((of("error: "), of("caused by: "), of("hint: ")), (1, 2, 3), "{err}");
        assert!(err.contains("put-public-access-block") && err.contains("Payer=BucketOwner"));
    }
    let output = desk.run_with(&format!("{line} --output json"), &control);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["error"]["causes"].as_array().unwrap().len(), 2, "{json}");
}

#[test]
fn what_could_not_be_checked_is_said_with_verbose_alone() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.refuse("GetBucketRequestPayment", "AccessDenied");
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = format!(
        "publish --key sa.pub --to s3://my-oidc/prod --region us-west-2 --endpoint-url {} --path-style \
         --issuer https://oidc.example.com/prod --dry-run",
        server.endpoint()
    );
    let said = |line: &str| ended(&desk.run(line), 0).1.contains("s3:GetBucketRequestPayment");
    assert!(!said(&line) && said(&format!("{line} --verbose")));
}

#[test]
fn a_bucket_is_made_published_read_back_over_https_and_then_left_alone() {
    let authority = Authority::new();
    let server = S3Server::start_https(&authority);
    let desk = Desk::new();
    desk.file("ca.pem", authority.pem());
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = format!(
        "publish --key sa.pub --to s3://my-oidc/prod --region us-west-2 --create-bucket \
         --endpoint-url {} --path-style --allow-port --ca-file ca.pem",
        server.endpoint()
    );
    let issuer = format!("{}/my-oidc/prod\n", server.endpoint());
    let (out, err) = ended(&desk.run(&line), 0);
    assert_eq!(out, issuer);
    assert!(err.contains("+ bucket my-oidc") && err.contains("verified"), "{err}");
    let anonymous = server.take_log().iter().filter(|call| call.ends_with("(anonymous)")).count();
    assert!(anonymous >= 2, "nothing was read back");

    let (out, err) = ended(&desk.run(&line), 0);
    assert_eq!(out, issuer);
    assert!(err.contains("no changes"), "{err}");
    assert!(
        !server.take_log().iter().any(|call| call.starts_with("Put") || call.starts_with("Create"))
    );

    let (out, _) = ended(&desk.run(&format!("{line} --output json --no-verify")), 0);
    assert!(out.contains("\"schema_version\": 2") && out.contains("\"changed\": false"), "{out}");
    ended(
        &desk.run(&format!(
            "verify --issuer {} --allow-port --ca-file ca.pem --key sa.pub",
            issuer.trim()
        )),
        0,
    );
    let (out, _) = ended(&desk.run(&format!("verify --issuer {} --allow-port", issuer.trim())), 5);
    assert!(out.contains("certificate"), "{out}");
}

#[test]
fn strangers_read_what_is_published_to_a_bucket_that_encrypts_with_kms_by_default() {
    let authority = Authority::new();
    let server = S3Server::start_https(&authority);
    server.kms_by_default();
    let desk = Desk::new();
    desk.file("ca.pem", authority.pem());
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = format!(
        "publish --key sa.pub --to s3://my-oidc/prod --region us-west-2 --create-bucket \
         --endpoint-url {} --path-style --allow-port --ca-file ca.pem",
        server.endpoint()
    );
    ended(&desk.run(&line), 0);
    // Somebody uploads the same bytes with other tools: what `verify` advises then is true.
    let keys = server.get("my-oidc", "prod/keys.json").unwrap();
    server.put("my-oidc", "prod/keys.json", &keys);
    let verify =
        format!("verify --issuer {}/my-oidc/prod --allow-port --ca-file ca.pem", server.endpoint());
    let (out, _) = ended(&desk.run(&verify), 5);
    assert!(out.contains("KMS") && out.contains("publish"), "{out}");
    let (_, err) = ended(&desk.run(&line), 0);
    assert!(err.contains("aws:kms -> AES256"), "{err}");
    ended(&desk.run(&verify), 0);
}

#[test]
fn a_site_that_does_not_verify_ends_with_5_and_says_why() {
    let authority = Authority::new();
    let server = S3Server::start_https(&authority);
    server.make_bucket("my-oidc");
    let desk = Desk::new();
    desk.file("ca.pem", authority.pem());
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    // Published, and nobody made it public. The second run has nothing to wait for.
    let line = format!(
        "publish --key sa.pub --to s3://my-oidc --region us-west-2 --access none --endpoint-url {} \
         --path-style --allow-port --ca-file ca.pem",
        server.endpoint()
    );
    ended(&desk.run(&format!("{line} --no-verify")), 0);
    let (out, err) = ended(&desk.run(&line), 5);
    assert!(out.starts_with("https://"), "{out}");
    assert!(err.contains("403") && err.contains("error:") && err.contains("hint:"), "{err}");
    // The hint's command asks the same, with the authorities of the run.
    let words = err.split('`').find(|words| words.starts_with("issuerctl verify ")).unwrap();
    let line = words.strip_prefix("issuerctl ").unwrap();
    let (out, _) = ended(&desk.run(&format!("{line} --ca-file ca.pem")), 5);
    assert!(out.contains("403"), "{out}");
}

#[test]
fn an_object_larger_than_a_document_can_be_is_replaced_as_verify_says() {
    let authority = Authority::new();
    let server = S3Server::start_https(&authority);
    let desk = Desk::new();
    desk.file("ca.pem", authority.pem());
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = format!(
        "publish --key sa.pub --to s3://my-oidc/prod --region us-west-2 --create-bucket \
         --endpoint-url {} --path-style --allow-port --ca-file ca.pem",
        server.endpoint()
    );
    ended(&desk.run(&line), 0);
    let other = golden("cases/p256/jwks.json");
    let large = [other.trim_end().as_bytes(), &vec![b' '; 1 << 20]].concat();
    server.put("my-oidc", "prod/keys.json", &large);
    let verify =
        format!("verify --issuer {}/my-oidc/prod --allow-port --ca-file ca.pem", server.endpoint());
    let (out, _) = ended(&desk.run(&verify), 5);
    assert!(out.contains("1 MiB") && out.contains("--replace-unreadable"), "{out}");
    let (_, err) = ended(&desk.run(&line), 4);
    assert!(err.contains("larger than 1 MiB") && err.contains("--replace-unreadable"), "{err}");
    let (_, err) = ended(&desk.run(&format!("{line} --replace-unreadable")), 0);
    assert!(err.contains("only its first MiB was searched"), "{err}");
    ended(&desk.run(&verify), 0);
    let keys: serde_json::Value =
        serde_json::from_slice(&server.get("my-oidc", "prod/keys.json").unwrap()).unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "a key was lost");
}

#[test]
fn an_address_in_another_form_ends_with_2_names_the_form_that_was_meant_and_no_password() {
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    for (to, says) in [
        ("s3//my-oidc/prod", "did you mean s3://my-oidc/prod?"),
        ("s3\u{ff1a}//my-oidc", "did you mean s3://my-oidc?"),
        ("localhost:9000/my-oidc", "--endpoint-url"),
        ("u:hunter2@host:1/x", "names another machine"),
        ("user@host:/srv/site", "--to ./NAME"),
        ("s3://my-oidc.s3.eu-west-1.amazonaws.com/p", "did you mean s3://my-oidc/p?"),
        ("arn:aws:s3:us-west-2:111122223333:accesspoint/x", "s3://BUCKET[/PREFIX]"),
        ("$BUCKET/prod", "s3://BUCKET[/PREFIX]"),
        ("<bucket>/prod", "s3://BUCKET[/PREFIX]"),
        ("storage.googleapis.com/my-oidc", "did you mean s3://my-oidc?"),
        ("my-oidc.storage.googleapis.com", "--endpoint-url https://storage.googleapis.com"),
        ("my-oidc.nyc3.digitaloceanspaces.com/prod", "did you mean s3://my-oidc/prod?"),
        ("acct.blob.core.windows.net/c", "without the API of S3"),
        ("d111.cloudfront.net/prod", "--issuer"),
        ("oidc.example.com/demo", "the issuer URL without https://"),
        ("oidc.example.com", "the issuer URL without https://"),
        ("//my-oidc/prod", "did you mean s3://my-oidc/prod?"),
        ("s3://b42/p/keys.json", "did you mean s3://b42/p?"),
    ] {
        let line = format!("publish --key sa.pub --issuer https://oidc.example.com --to {to}");
        let (out, err) = ended(&desk.run(&line), 2);
        assert!(err.contains(says) && out.is_empty(), "{to}: {err}");
        assert!(!err.contains("hunter2"), "{err}");
    }
    assert_eq!(std::fs::read_dir(desk.path()).unwrap().count(), 1, "a folder was made");
}

#[test]
fn a_folder_that_exists_keeps_the_name_of_a_host() {
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    for to in ["oidc.example.com", "example.github.io", "deploy/oidc.example.com", "out/site.v2"] {
        std::fs::create_dir_all(desk.path().join(to)).unwrap();
        let line = format!("publish --key sa.pub --issuer https://oidc.example.com --to {to}");
        let (_, err) = ended(&desk.run(&line), 0);
        assert!(desk.path().join(to).join("keys.json").is_file(), "{to}: {err}");
    }
}

#[test]
fn refusals_of_the_store_have_their_exit_codes() {
    let server = S3Server::start();
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = format!(
        "publish --key sa.pub --to s3://my-oidc --region us-west-2 --endpoint-url {} --path-style \
         --issuer https://oidc.example.com --no-verify",
        server.endpoint()
    );
    let (_, err) = ended(&desk.run(&line), 3);
    assert!(err.contains("does not exist") && err.contains("--create-bucket"), "{err}");
    server.refuse("CreateBucket", "BucketAlreadyExists");
    let (_, err) = ended(&desk.run(&format!("{line} --create-bucket")), 6);
    assert!(err.contains("another account"), "{err}");
    server.refuse_nothing();
    server.make_bucket("my-oidc");
    server.refuse("PutObject", "AccessDenied");
    let (_, err) = ended(&desk.run(&line), 6);
    assert!(err.contains("s3:PutObject"), "{err}");
    server.refuse_nothing();
    server.put("my-oidc", "keys.json", b"not json");
    let (_, err) = ended(&desk.run(&line), 4);
    assert!(err.contains("was not changed"), "{err}");
    server.redirect("eu-west-1");
    let (_, err) = ended(&desk.run(&line), 1);
    assert!(err.contains("eu-west-1"), "{err}");
}

#[test]
fn a_printed_policy_is_all_that_happens() {
    let desk = Desk::new();
    let line =
        "publish --key nowhere.pub --to s3://my-oidc/prod --region us-west-2 --print-iam-policy";
    let (out, err) = ended(&desk.run(line), 0);
    assert!(
        out.contains("s3:PutBucketPolicy")
            && out.contains("my-oidc/prod/keys.json")
            && err.is_empty(),
        "{out}{err}"
    );
}

/// The answer to a TokenRequest for `default/app`.
fn token(signer: &Signer, issuer: &str) -> Reply {
    let token = signer.token(issuer, "default/app", "sts.amazonaws.com");
    Reply { status: 201, ..Reply::ok(format!(r#"{{"status":{{"token":"{token}"}}}}"#)) }
}

#[test]
fn a_cluster_is_published_from_its_secret_after_its_live_token_was_checked() {
    let issuer = "https://oidc.example.com/prod";
    let signer = Signer::new();
    let server = ApiServer::start([
        ("GET /api/v1/namespaces/eksa-system/secrets/prod-sa", Reply::secret(&signer.public_pem)),
        (TOKEN, token(&signer, issuer)),
    ]);
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    let line = format!(
        "publish --cluster prod --kubeconfig kubeconfig --to site --issuer {issuer} --check-live \
         default/app -v"
    );
    let (out, err) = ended(&desk.run(&line), 0);
    assert_eq!(out, format!("{issuer}\n"));
    assert!(err.contains("fresh token") && err.contains("token-signature"), "{err}");
    assert!(!err.contains("do-not-show-me") && !err.contains("a-token"), "{err}");
    assert!(desk.path().join("site/keys.json").exists());
}

#[test]
fn a_fresh_token_proves_that_a_cluster_with_new_keys_is_the_right_one() {
    let issuer = "https://oidc.example.com/prod";
    let (signer, other) = (Signer::new(), Signer::new());
    let server = ApiServer::start([
        ("GET /api/v1/namespaces/eksa-system/secrets/prod-sa", Reply::secret(&signer.public_pem)),
        ("GET /api/v1/namespaces/eksa-system/secrets/other-sa", Reply::secret(&other.public_pem)),
        (TOKEN, token(&signer, issuer)),
    ]);
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let place = format!("--to site --issuer {issuer}");
    let line =
        |cluster: &str| format!("publish --cluster {cluster} --kubeconfig kubeconfig {place}");
    ended(&desk.run(&format!("publish --key sa.pub {place}")), 0);
    let (_, err) = ended(&desk.run(&line("prod")), 4);
    assert!(err.contains("--check-live NS/NAME"), "{err}");
    ended(&desk.run(&format!("{} --check-live default/app", line("prod"))), 0);
    // A token of the cluster that is published proves nothing for another one.
    let (_, err) = ended(&desk.run(&format!("{} --check-live default/app", line("other"))), 4);
    assert!(err.contains("other"), "{err}");
}

#[test]
fn a_key_that_does_not_sign_is_caught_before_anything_is_written() {
    let issuer = "https://oidc.example.com/prod";
    let (signer, other) = (Signer::new(), Signer::new());
    let server = ApiServer::start([(TOKEN, token(&signer, issuer))]);
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    desk.file("wrong.pub", &other.public_pem);
    desk.file("right.pub", &signer.public_pem);
    let line = |key: &str, issuer: &str| {
        format!(
            "publish --key {key} --kubeconfig kubeconfig --to site --issuer {issuer} --check-live \
             default/app"
        )
    };
    let (_, err) = ended(&desk.run(&line("wrong.pub", issuer)), 4);
    assert!(
        err.contains(&signer.kid)
            && err.contains(&other.kid)
            && err.contains("nothing was written"),
        "{err}"
    );
    let (_, err) = ended(&desk.run(&line("right.pub", "https://oidc.example.com/other")), 5);
    assert!(
        err.contains("https://oidc.example.com/prod") && err.contains("nothing was written"),
        "{err}"
    );
    assert!(!desk.path().join("site").exists());
}

#[test]
fn a_refusal_of_the_api_server_ends_with_6() {
    let server = ApiServer::start([(
        "GET /api/v1/namespaces/eksa-system/secrets/prod-sa",
        Reply::status(403, "no"),
    )]);
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    let (out, err) = ended(&desk.run("extract --cluster prod --kubeconfig kubeconfig"), 6);
    assert!(out.is_empty());
    assert!(err.contains("get") && err.contains("prod-sa") && err.contains("eksa-system"), "{err}");
    let (_, err) = ended(&desk.run("extract --apiserver --kubeconfig nowhere"), 3);
    assert!(err.contains("nowhere"), "{err}");
    let (_, err) = ended(&desk.run("extract --apiserver"), 3);
    assert!(err.contains("no kubeconfig"), "{err}");
}

/// A publish to a bucket that is there, on a server of plain http.
fn to_plain_http(server: &S3Server, desk: &Desk) -> String {
    server.make_bucket("my-oidc");
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    "publish --key sa.pub --to s3://my-oidc/prod --region us-west-2 --path-style --no-verify"
        .to_owned()
}

#[test]
fn an_endpoint_of_the_environment_decides_the_issuer_too() {
    let (server, desk) = (S3Server::start(), Desk::new());
    let line = to_plain_http(&server, &desk);
    let env = [("AWS_ENDPOINT_URL_S3", server.endpoint())];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (_, err) = ended(&desk.run_with(&line, &env), 3);
    assert!(err.contains(&server.endpoint()) && err.contains("--issuer"), "{err}");
    assert!(server.get("my-oidc", "prod/keys.json").is_none());
    ended(&desk.run_with(&format!("{line} --issuer https://oidc.example.com"), &env), 0);
}

#[test]
fn a_profile_that_was_named_wins_over_credentials_in_the_environment() {
    let (server, desk) = (S3Server::start(), Desk::new());
    let line = to_plain_http(&server, &desk);
    let line =
        format!("{line} --endpoint-url {} --issuer https://oidc.example.com", server.endpoint());
    let other = [("AWS_ACCESS_KEY_ID", "other"), ("AWS_SECRET_ACCESS_KEY", "other")];
    let (_, err) = ended(&desk.run_with(&line, &other), 6);
    assert!(err.contains("credentials do not work") && err.contains("--profile"), "{err}");
    std::fs::create_dir(desk.path().join(".aws")).unwrap();
    desk.file(
        ".aws/credentials",
        &format!(
            "[right]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        ),
    );
    ended(&desk.run_with(&format!("{line} --profile right"), &other), 0);
    let (_, err) = ended(&desk.run_with(&format!("{line} --profile wrong"), &other), 3);
    assert!(err.contains("wrong"), "{err}");
}

#[test]
fn no_credentials_at_all_are_said_in_a_line() {
    let (server, desk) = (S3Server::start(), Desk::new());
    let line = to_plain_http(&server, &desk);
    let line =
        format!("{line} --endpoint-url {} --issuer https://oidc.example.com", server.endpoint());
    let (_, err) = ended(
        &desk.run_with(&line, &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]),
        6,
    );
    assert!(
        err.contains("credentials") && err.contains("hint:") && err.lines().count() < 6,
        "{err}"
    );
}

/// The instance metadata service of a machine whose role has the test's credentials.
fn instance_metadata() -> String {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let body = match head.first().and_then(|line| line.split(' ').nth(1)) {
                Some("/latest/api/token") => "a-token".to_owned(),
                Some(path)
                    if path.trim_end_matches('/').ends_with("credentials")
                        || path.ends_with("credentials-extended/") =>
                {
                    "role".to_owned()
                }
                Some(path) if path.ends_with("/role") => format!(
                    r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}","Token":"session","LastUpdated":"2026-01-01T00:00:00Z","Expiration":"2099-01-01T00:00:00Z"}}"#
                ),
                _ => String::new(),
            };
            let head = "HTTP/1.1 200 OK\r\nx-aws-ec2-metadata-token-ttl-seconds: \
                        21600\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

#[test]
fn a_slow_bucket_is_waited_for_also_with_credentials_of_the_instance() {
    let (server, desk) = (S3Server::start(), Desk::new());
    let line = to_plain_http(&server, &desk);
    // More than the second that the metadata service is given.
    server.delay(std::time::Duration::from_millis(1300));
    let metadata = instance_metadata();
    let env = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_EC2_METADATA_DISABLED", ""),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
        ("AWS_MAX_ATTEMPTS", "1"),
    ];
    let line = format!(
        "{line} --dry-run --endpoint-url {} --issuer https://oidc.example.com",
        server.endpoint()
    );
    let (out, _) = ended(&desk.run_with(&line, &env), 0);
    assert!(out.contains("+ document keys.json"), "{out}");
}

#[test]
fn a_kubeconfig_that_is_missing_beside_another_does_not_matter() {
    let server = ApiServer::start([(
        "GET /api/v1/namespaces/eksa-system/secrets/prod-sa",
        Reply::secret(&golden("encodings/rsa2048.spki.pem")),
    )]);
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    let line = "extract --cluster prod";
    for list in ["kubeconfig", "kubeconfig:missing", "missing:kubeconfig"] {
        ended(&desk.run_with(line, &[("KUBECONFIG", list)]), 0);
    }
    let (_, err) = ended(&desk.run_with(line, &[("KUBECONFIG", "missing")]), 3);
    assert!(err.contains("missing"), "{err}");
    let (_, err) = ended(&desk.run("extract --cluster prod --context workload"), 3);
    assert!(err.contains("workload"), "{err}");
    let (_, err) = ended(&desk.run("extract --cluster prod --namespace ../x"), 2);
    assert!(err.contains("namespace"), "{err}");
}

#[cfg(unix)]
#[test]
fn a_web_server_can_read_the_folder_whatever_the_umask_was() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = "umask 077; exec \"$0\" publish --key sa.pub --to deep/site --issuer \
                https://oidc.example.com";
    let mut shell = Command::new("sh");
    shell.args(["-c", line, env!("CARGO_BIN_EXE_issuerctl")]).current_dir(desk.path());
    ended(&shell.output().unwrap(), 0);
    let mode = |path: &str| {
        std::fs::metadata(desk.path().join(path)).unwrap().permissions().mode() & 0o777
    };
    let folders = ["deep", "deep/site", "deep/site/.well-known"].map(mode);
    let files = ["deep/site/keys.json", "deep/site/.well-known/openid-configuration"].map(mode);
    assert_eq!((folders, files), ([0o755; 3], [0o644; 2]));
}

#[test]
fn a_secret_in_the_place_of_a_file_name_is_not_repeated() {
    let desk = Desk::new();
    let key = golden("encodings/p256.sec1.pem");
    let token = golden("cases/rsa2048/token.jwt");
    let jwk = r#"{"keys":[{"d":"secret"}]}"#.to_owned();
    for (option, secret) in [("--key", key), ("--token", token.trim().to_owned()), ("--jwks", jwk)]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_issuerctl"));
        command.args(["verify", "--issuer", "https://oidc.example.com", option]).arg(&secret);
        let (out, err) = ended(&command.current_dir(desk.path()).output().unwrap(), 2);
        assert!(
            out.is_empty() && err.contains("not the name of a file") && err.len() < 300,
            "{option}: {err}"
        );
    }
}

#[test]
fn standard_input_is_read_once() {
    let desk = Desk::new();
    for line in [
        "jwks --key - --jwks -",
        "jwks --key - --key -",
        "verify --issuer https://h.example --key - --token -",
    ] {
        let (_, err) = ended(&desk.run(line), 2);
        assert!(err.contains("standard input"), "{line}: {err}");
    }
}

#[test]
fn keygen_writes_a_private_file_and_overwrites_nothing() {
    let desk = Desk::new();
    ended(&desk.run("keygen --algorithm p256 --out-dir keys"), 0);
    let files = [desk.path().join("keys/sa.key"), desk.path().join("keys/sa.pub")];
    let before = files.each_ref().map(|file| std::fs::read(file).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (_, err) = ended(&desk.run("keygen --algorithm p256 --out-dir keys"), 4);
    assert!(err.contains("sa.key"), "{err}");
    std::fs::remove_file(&files[0]).unwrap();
    ended(&desk.run("keygen --algorithm p256 --out-dir keys"), 4);
    assert!(!files[0].exists(), "half a pair was written");
    assert_eq!(std::fs::read(&files[1]).unwrap(), before[1]);
}

#[test]
fn man_pages_and_completions_come_from_the_definitions() {
    let desk = Desk::new();
    ended(&desk.run("man --out-dir man"), 0);
    let page = std::fs::read_to_string(desk.path().join("man/issuerctl-publish.1")).unwrap();
    assert!(page.contains("check\\-live") && page.contains(".SH EXAMPLES"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let (out, _) = ended(&desk.run(&format!("completions {shell}")), 0);
        assert!(out.contains("check-live"), "{shell}");
    }
}

#[test]
fn a_folder_needs_no_policy_and_nothing_is_published() {
    let sandbox = Desk::new();
    sandbox.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let line = "publish --key sa.pub --to site --issuer https://oidc.example.com/prod \
                --print-iam-policy";
    let (out, err) = ended(&sandbox.run(line), 0);
    assert!(out.is_empty() && err.contains("no AWS permissions are needed"), "{out}{err}");
    assert!(!sandbox.path().join("site").exists(), "it was published");
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let desk = Desk::new();
    let key = desk.file("sa.pub", &generate(KeyKind::P256).unwrap().public.to_spki_pem());
    let key = key.display().to_string();
    let lines = [
        vec!["jwks", "--key", &key],
        vec!["jwks", "--key", &key, "--output", "json"],
        vec!["completions", "bash"],
        vec!["schema"],
    ];
    for line in lines {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_issuerctl"));
        let child = command.args(&line).stdout(writer).stderr(std::process::Stdio::piped());
        let ended = child.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{line:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{line:?}");
    }
}

#[test]
fn the_schema_that_the_command_prints_is_the_one_in_the_docs() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (line, file) in [("schema", "issuer.schema.json"), ("schema output", "output.schema.json")]
    {
        let printed = Desk::new().run(line);
        let documented = std::fs::read_to_string(docs.join(file)).unwrap();
        assert_eq!(String::from_utf8_lossy(&printed.stdout), documented, "{line}");
    }
}

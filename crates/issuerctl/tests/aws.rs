//! How the command reaches AWS, and what it says when it does not: environment, profiles, proxies,
//! time limits, refusals.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use issuer_test_support::{ACCESS_KEY, Authority, S3Server, SECRET_KEY};

use desk::{Desk, ended, golden};

const PUBLISH: &str = "publish --key sa.pub --to s3://my-oidc/prod --issuer \
                       https://oidc.example.com/prod --path-style --no-verify";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    desk
}

/// A server that accepts connections and answers each request with this text, or not at all.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if answer.is_empty() {
                open.push(stream);
                continue;
            }
            let _ = stream.read(&mut [0; 16384]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn white_space_around_the_variables_of_aws_is_no_part_of_them() {
    let s3 = S3Server::start();
    s3.make_bucket("my-oidc");
    let (key, secret) = (format!("{ACCESS_KEY}\n"), format!(" {SECRET_KEY}\r\n"));
    let env = [
        ("AWS_ACCESS_KEY_ID", key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &secret),
        ("AWS_REGION", "us-west-2\n"),
        ("AWS_PROFILE", "\n"),
        ("AWS_ENDPOINT_URL", &s3.endpoint()),
    ];
    ended(&desk().run_with(PUBLISH, &env), 0);
}

#[test]
fn a_variable_that_cannot_be_used_is_named_and_not_shown() {
    let desk = desk();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "HID\nDEN"),
        ("AWS_ACCESS_KEY_ID", "\"HIDDEN\""),
        ("AWS_SECRET_ACCESS_KEY", "HID DEN"),
        ("AWS_SESSION_TOKEN", "HID\u{2028}DEN"),
        ("AWS_ENDPOINT_URL_S3", "https://u:HIDDEN@s3.example.com"),
        ("AWS_ENDPOINT_URL_S3", "HIDDEN"),
        ("AWS_CA_BUNDLE", "HIDDEN.pem"),
        ("AWS_CONFIG_FILE", "HIDDEN\n"),
    ] {
        let (_, err) = ended(&desk.run_with(PUBLISH, &[(name, value), ("AWS_REGION", "x-1")]), 3);
        let is_path = name.ends_with("BUNDLE");
        assert!(err.contains(name) && (is_path || !err.contains("HID")), "{name}: {err}");
    }
    let password = format!("{PUBLISH} --endpoint-url https://u:HIDDEN@s3.example.com");
    for dry in ["", " --dry-run --output json --verbose"] {
        let (out, err) = ended(&desk.run(&format!("{password}{dry}")), 3);
        assert!(!err.contains("HIDDEN") && !out.contains("HIDDEN"), "{out}{err}");
    }
}

#[test]
fn a_profile_that_does_not_exist_never_falls_through_to_other_keys() {
    let s3 = S3Server::start();
    s3.make_bucket("my-oidc");
    let desk = desk();
    std::fs::create_dir(desk.path().join(".aws")).unwrap();
    let role = "role_arn = arn:aws:iam::111122223333:role/x\nsource_profile = gone\n";
    let config = format!("[profile prod]\nregion = us-west-2\n[profile chain]\n{role}");
    desk.file(".aws/config", &config);
    let endpoint = s3.endpoint();
    let run = |line: &str, name: &str, value: &str, code: i32| {
        let env = [(name, value), ("AWS_ENDPOINT_URL", &endpoint), ("AWS_REGION", "us-west-2")];
        ended(&desk.run_with(line, &env), code).1
    };
    for name in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
        let err = run(PUBLISH, name, "prdo", 3);
        assert!(err.contains("prdo") && err.contains(name) && err.contains("\"prod\""), "{err}");
    }
    let err = run(&format!("{PUBLISH} --profile prdo"), "AWS_PROFILE", "prod", 3);
    assert!(err.contains("prdo"), "{err}");
    let err = run(&format!("{PUBLISH} --profile chain"), "AWS_PROFILE", "", 3);
    assert!(err.contains("gone") && err.contains("chain"), "{err}");
    assert!(s3.take_log().is_empty(), "other keys were used");
    // Keys in the environment with a profile that exists, as with the aws CLI.
    run(PUBLISH, "AWS_PROFILE", "prod", 0);
    // A folder needs no AWS.
    let folder = "publish --key sa.pub --to site --issuer https://oidc.example.com/x";
    run(folder, "AWS_PROFILE", "prdo", 0);
}

#[test]
fn a_server_that_never_answers_is_named_and_ends_the_run() {
    let (url, desk) = (server(""), desk());
    let host = url.trim_start_matches("http://");
    let env = [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_REGION", "us-west-2")];
    let once = [env[0], env[1], ("AWS_MAX_ATTEMPTS", "1")];
    let began = Instant::now();
    std::thread::scope(|scope| {
        // The limit of the run.
        scope.spawn(|| {
            let (_, err) = ended(&desk.run_with(&format!("{PUBLISH} --timeout 5"), &env), 1);
            assert!(err.contains(&format!("waiting for {host}")), "{err}");
            assert!(err.contains("within 5 s") && err.contains("has not answered"), "{err}");
            assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
        });
        // The limit of a request, for S3 and for STS.
        for line in [PUBLISH, "provider show --issuer https://oidc.example.com/prod"] {
            let (desk, once) = (&desk, &once);
            scope.spawn(move || {
                let (_, err) = ended(&desk.run_with(line, once), 1);
                assert!(err.contains(&format!("{host} did not answer within 10 s")), "{err}");
                assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
            });
        }
    });
}

#[test]
fn a_pipe_that_never_ends_does_not_outlive_the_time_limit() {
    let desk = desk();
    for line in ["jwks --key -", "verify --site . --token -", "plan -f -"] {
        let mut command = desk.command(&format!("{line} --timeout 1"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let pipe = child.stdin.take();
        let (_, err) = ended(&child.wait_with_output().unwrap(), 1);
        drop(pipe);
        assert!(err.contains("within 1 s: standard input has not answered"), "{line}: {err}");
        assert!(began.elapsed() < Duration::from_secs(10), "{line}");
    }
}

#[test]
fn each_refusal_has_its_own_message_and_hint() {
    let desk = desk();
    for (quirk, access, code, says, never) in [
        ("expired", "none", 6, "ExpiredToken|sign in again", "HeadBucket|allows it"),
        ("expired", "policy", 6, "ExpiredToken|sign in again", "allows it"),
        ("scp", "policy", 6, "a service control policy denies it|--access none", "allows it"),
        ("deleted", "policy", 4, "\"Logs\" (AROAEXAMPLE|remove these principals", "allows it"),
        ("unconditional", "none", 1, "conditional writes|folder", "header you"),
    ] {
        let s3 = S3Server::start_quirky(quirk);
        let endpoint = s3.endpoint();
        let env = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ACCESS_KEY_ID", quirk),
            ("AWS_SECRET_ACCESS_KEY", "x"),
        ];
        let line = format!("{PUBLISH} --access {access}");
        let (_, err) = ended(&desk.run_with(&line, &env), code);
        assert!(says.split('|').all(|text| err.contains(text)), "{quirk} {access}: {err}");
        assert!(!never.split('|').skip(1).any(|text| err.contains(text)), "{quirk}: {err}");
        assert!(!err.contains("allows it"), "{quirk} {access}: {err}");
    }
}

#[test]
fn a_redirect_is_called_so_and_only_its_host_is_shown() {
    for (status, location, shown) in [
        (
            "302 Found",
            "https://login.example.com:8443/sso?token=HIDDEN",
            "https://login.example.com:8443:",
        ),
        (
            "307 Temporary Redirect",
            "https://u:HIDDEN@login.example.com/x",
            "https://login.example.com:",
        ),
        ("301 Moved Permanently", "/HIDDEN", "another path:"),
        ("308 Permanent Redirect", "", "another path:"),
    ] {
        let location =
            if location.is_empty() { String::new() } else { format!("location: {location}\r\n") };
        let url = page(status, &location, "HIDDEN");
        let env = at(&url);
        for line in [PUBLISH, "provider show --issuer https://oidc.example.com/prod"] {
            let (_, err) = ended(&desk().run_with(line, &env), 1);
            assert!(
                err.contains(&status[..3]) && err.contains(&format!("sends everybody to {shown}")),
                "{err}"
            );
            assert!(err.contains("login page") && !err.contains("HIDDEN"), "{err}");
        }
    }
}

#[test]
fn the_files_of_aws_may_be_in_the_encodings_of_windows() {
    let s3 = S3Server::start();
    s3.make_bucket("my-oidc");
    let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect()
    };
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let keys =
        format!("aws_access_key_id = {ACCESS_KEY}\r\naws_secret_access_key = {SECRET_KEY}\r\n");
    let region = format!("region = us-west-2\r\nendpoint_url = {}\r\n", s3.endpoint());
    let (wrong, of_prod) =
        ("aws_access_key_id = AKIA\naws_secret_access_key = x\n", "[profile prod]");
    for (config, credentials, profile) in [
        (
            utf16(&format!("[default]\r\n{region}"), u16::to_le_bytes),
            format!("[default]\n{keys}").into_bytes(),
            "",
        ),
        (
            format!("{of_prod}\n{region}").into_bytes(),
            utf16(&format!("[prod]\n{keys}"), u16::to_be_bytes),
            "prod",
        ),
        // The credentials file wins, whichever of them is decoded.
        (
            marked(&format!("{of_prod}\n{region}{wrong}")),
            format!("[prod]\n{keys}").into_bytes(),
            "prod",
        ),
        (
            format!("[default]\n{region}{wrong}").into_bytes(),
            marked(&format!("[default]\n{keys}")),
            "",
        ),
    ] {
        let desk = desk();
        std::fs::create_dir(desk.path().join(".aws")).unwrap();
        std::fs::write(desk.path().join(".aws/config"), config).unwrap();
        std::fs::write(desk.path().join(".aws/credentials"), credentials).unwrap();
        let none =
            [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_PROFILE", profile)];
        ended(&desk.run_with(PUBLISH, &none), 0);
        if !profile.is_empty() {
            ended(&desk.run_with(&format!("{PUBLISH} --profile {profile}"), &none[..2]), 0);
        }
    }
}

/// A server that answers everybody with this page; `headers` end with a line break.
fn page(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}content-type: text/html; charset=utf-8\r\ncontent-length: \
         {length}\r\nconnection: close\r\n\r\n{body}"
    );
    server(Box::leak(answer.into_boxed_str()))
}

/// One request to this address in place of AWS.
fn at(url: &str) -> [(&str, &str); 3] {
    [("AWS_ENDPOINT_URL", url), ("AWS_REGION", "us-west-2"), ("AWS_MAX_ATTEMPTS", "1")]
}

#[test]
fn the_page_of_a_proxy_is_no_answer_of_aws() {
    for status in ["403 Forbidden", "503 Service Unavailable", "200 OK"] {
        let url = page(status, "", "<html>blocked</html>\r\n");
        let env = at(&url);
        for line in [PUBLISH, "provider show --issuer https://oidc.example.com/prod"] {
            let (_, err) = ended(&desk().run_with(line, &env), 1);
            // An object of S3 may be a page.
            let is_page = err.contains("HTML page") || (status == "200 OK" && line == PUBLISH);
            assert!(is_page && err.contains("proxy"), "{status} {line}: {err}");
            assert!(!err.contains("\"Effect\""), "{status} {line}: {err}");
        }
    }
}

#[test]
fn a_proxy_that_does_not_answer_is_named_and_hosts_of_no_proxy_are_reached_without_it() {
    let desk = desk();
    let proxied = [("HTTPS_PROXY", "127.0.0.2:9"), ("AWS_REGION", "us-west-2")];
    let (_, err) = ended(&desk.run_with(PUBLISH, &proxied), 1);
    assert!(err.contains("the proxy http://127.0.0.2:9 (HTTPS_PROXY) refused"), "{err}");
    let socks = [("HTTPS_PROXY", "socks5://u:HIDDEN@127.0.0.2:9"), ("AWS_REGION", "us-west-2")];
    let (_, err) = ended(&desk.run_with(PUBLISH, &socks), 1);
    assert!(err.contains("SOCKS") && err.contains("NO_PROXY") && !err.contains("HIDDEN"), "{err}");
}

#[test]
fn the_certificates_of_aws_ca_bundle_are_trusted() {
    let authority = Authority::new();
    let s3 = S3Server::start_https(&authority);
    s3.make_bucket("my-oidc");
    let desk = desk();
    desk.file("ca.pem", &format!("\u{feff}{}", authority.pem().replace('\n', "\r\n")));
    desk.file("no.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let endpoint = s3.endpoint();
    let env = |bundle| {
        [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-west-2"),
            ("AWS_MAX_ATTEMPTS", "1"),
            ("AWS_CA_BUNDLE", bundle),
        ]
    };
    let (_, err) = ended(&desk.run_with(PUBLISH, &env("")), 1);
    assert!(err.contains("certificate") && err.contains("AWS_CA_BUNDLE"), "{err}");
    ended(&desk.run_with(PUBLISH, &env("ca.pem")), 0);
    for bundle in ["no.pem", "missing.pem"] {
        let (_, err) = ended(&desk.run_with(PUBLISH, &env(bundle)), 3);
        assert!(err.contains("AWS_CA_BUNDLE") && err.contains(bundle), "{err}");
    }
}

#[test]
fn missing_credentials_are_called_so() {
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_REGION", "x-1")];
    for line in [PUBLISH, "provider show --issuer https://oidc.example.com/prod"] {
        let (_, err) = ended(&desk().run_with(line, &none), 6);
        assert!(err.contains("no AWS credentials were found"), "{err}");
        assert!(err.contains("aws sso login") && !err.contains("clock"), "{err}");
    }
}

/// In many containers the metadata service of the instance refuses, or answers with something else.
#[test]
fn a_metadata_service_that_refuses_is_no_credentials_and_no_fault_of_its_own() {
    for status in ["403 Forbidden", "404 Not Found"] {
        let answer: &'static str = Box::leak(
            format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .into_boxed_str(),
        );
        let metadata = server(answer);
        let env = [
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
            ("AWS_REGION", "us-west-2"),
            ("AWS_EC2_METADATA_DISABLED", ""),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.as_str()),
        ];
        let line = "provider show --issuer https://oidc.example.com/prod";
        let (_, err) = ended(&desk().run_with(line, &env), 6);
        assert!(err.contains("no AWS credentials were found"), "{status}: {err}");
        assert!(err.contains("IMDS") && err.contains("aws configure"), "{status}: {err}");
    }
}

#[test]
fn a_credentials_file_that_cannot_be_used_is_named_and_not_quoted() {
    let desk = desk();
    std::fs::create_dir(desk.path().join(".aws")).unwrap();
    let utf16: Vec<u8> =
        "\u{feff}[default]\r\nHIDDEN\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let keys = "aws_access_key_id = AKIA\naws_secret_access_key = HIDDEN\n";
    let file = |text: &str| format!("[default]\n{text}").into_bytes();
    let process = |command: &str| file(&format!("credential_process = {command}\n"));
    for (bytes, code, says) in [
        (utf16, 3, "on line 2"),
        (b"[default]\nregion = \xff\n".to_vec(), 3, "UTF-8"),
        (file("HIDDEN\n"), 3, "on line 2"),
        (file(&format!("{keys}endpoint_url = https://u:HIDDEN@h\n")), 3, "endpoint_url"),
        (file(&format!("{keys}endpoint_url = HIDDEN:9\n")), 3, "endpoint_url"),
        (file(&keys.replace("AKIA", "AK\u{a0}IA")), 3, "value of aws_access_key_id"),
        (file(&keys.replace("HIDDEN", "HID DEN")), 6, "secret access key"),
        (process("echo HIDDEN"), 6, "did not print the JSON"),
        (process("printf {\\\"HIDDEN\\\":\\\"HIDDEN\\\"}"), 6, "did not print the JSON"),
        (process("/no/such --password HIDDEN"), 6, "its program does not exist"),
        (
            file(
                "sso_start_url = https://x\nsso_region = us-west-2\nsso_account_id = \
               111122223333\nsso_role_name = x\n",
            ),
            6,
            "aws sso login",
        ),
    ] {
        std::fs::write(desk.path().join(".aws/config"), bytes).unwrap();
        let env = [
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
            ("AWS_REGION", "us-west-2"),
            ("PATH", "/usr/bin:/bin"),
        ];
        let (out, err) = ended(&desk.run_with(&format!("{PUBLISH} --verbose"), &env), code);
        assert!(err.contains(says), "{says}: {err}");
        assert!(!err.contains("HID") && !out.contains("HID"), "{says}: {err}");
    }
}

/// The error of a command without keys in the environment, and its hints.
fn without_keys(desk: &Desk, env: &[(&str, &str)]) -> (String, Vec<String>) {
    let keys =
        [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_REGION", "us-west-2")];
    let output = desk.run_with(PUBLISH, &[keys.as_slice(), env].concat());
    assert!(!output.status.success());
    let err = String::from_utf8(output.stderr).unwrap();
    let hints = err.lines().filter(|line| line.starts_with("hint:")).map(str::to_owned).collect();
    (err, hints)
}

#[test]
fn each_source_of_credentials_that_fails_has_one_message_and_one_hint_without_its_output() {
    let role = "role_arn = arn:aws:iam::111122223333:role/x\n";
    let keys = "aws_access_key_id = AKIAHIDDEN\naws_secret_access_key = HIDDEN\n";
    let sso = "sso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\n\
               sso_region = us-west-2\nsso_start_url = https://x.awsapps.com/start\n";
    for (config, says, does) in [
        (
            format!(
                "{role}mfa_serial = arn:aws:iam::111122223333:mfa/x\nsource_profile = k\n[profile k]\n{keys}"
            ),
            "has an mfa_serial: codes of MFA devices are not supported",
            "aws sts get-session-token",
        ),
        (
            "login_session = arn:aws:iam::111122223333:user/x\n".to_owned(),
            "aws login",
            "export-credentials --profile p",
        ),
        (
            format!("{role}source_profile = q\n[profile q]\n{role}source_profile = p\n"),
            "its source_profile leads to \"q\", \"p\"",
            "credentials of its own",
        ),
        (
            format!("{role}source_profile = gone\n"),
            "the profile \"gone\", the source_profile of \"p\"",
            "list-profiles",
        ),
        (sso.to_owned(), "(SSO) of the profile \"p\" has expired", "aws sso login --profile p"),
        (
            "credential_process = sh -c 'echo HIDDEN; echo HIDDEN >&2; exit 9' --token HIDDEN\n"
                .to_owned(),
            "the credential_process of the profile \"p\" failed: it ended with exit status 9",
            "in a terminal",
        ),
        (
            "credential_process = echo HIDDEN\n".to_owned(),
            "did not print the JSON",
            "in a terminal",
        ),
        (
            "credential_process = no-such-program HIDDEN\n".to_owned(),
            "its program does not exist",
            "in a terminal",
        ),
        (
            format!("{role}web_identity_token_file = /no/such/token\n"),
            "/no/such/token, which cannot be read",
            "token",
        ),
        (
            "aws_access_key_id\u{a0}= AKIAHIDDEN\n".to_owned(),
            "U+00A0 (no-break space) at line 2, column 18",
            "",
        ),
        (format!("region = eu-west-1\n[profile\u{a0}q]\n{keys}"), "in the name of a profile", ""),
    ] {
        let desk = desk();
        std::fs::create_dir(desk.path().join(".aws")).unwrap();
        desk.file(".aws/config", &format!("[profile p]\n{config}"));
        let (err, hints) = without_keys(&desk, &[("AWS_PROFILE", "p")]);
        assert!(err.contains(says), "{says}: {err}");
        assert!(!err.contains("HIDDEN"), "{err}");
        let none = does.is_empty();
        assert!(none || (hints.iter().any(|hint| hint.contains(does))), "{does}: {err}");
        assert!(hints.len() <= 2, "{err}");
        for raw in ["cargo feature", "infinite loop", "Stderr", "/sso/cache/", "os error 2): "] {
            assert!(!err.contains(raw), "{raw}: {err}");
        }
    }
    let desk = desk();
    let token = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/x"),
    ];
    let (err, hints) = without_keys(&desk, &token);
    assert!(
        err.contains("AWS_WEB_IDENTITY_TOKEN_FILE names /no/such/token, which cannot be read"),
        "{err}"
    );
    assert!(hints.iter().any(|hint| hint.contains("writes this file")), "{err}");
    let (err, _) = without_keys(&desk, &token[..1]);
    assert!(err.contains("AWS_ROLE_ARN is not"), "{err}");
}

#[test]
fn a_bundle_with_a_bad_block_is_named_with_its_file_and_block() {
    let (desk, authority) = (desk(), Authority::new());
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = authority.server_pem().1;
    for (contents, says) in [
        (format!("{}{bad}", authority.pem()), "PEM block 2 is not a valid X.509 certificate"),
        (key, "it contains no certificate: it is a private key"),
        (String::new(), "it is empty"),
    ] {
        desk.file("bundle.pem", &contents);
        let (_, err) = ended(
            &desk
                .run_with(PUBLISH, &[("AWS_CA_BUNDLE", "bundle.pem"), ("AWS_REGION", "us-west-2")]),
            3,
        );
        assert!(err.contains(says) && err.contains("AWS_CA_BUNDLE names bundle.pem"), "{err}");
        let (_, err) = ended(&desk.run(&format!("{PUBLISH} --ca-file bundle.pem")), 3);
        assert!(err.contains(says) && err.contains("bundle.pem"), "{err}");
    }
    let p12 = include_bytes!("../../../fixtures/field/key-pkcs12/sa.p12");
    std::fs::write(desk.path().join("ca.p12"), p12).unwrap();
    let (_, err) = ended(&desk.run(&format!("{PUBLISH} --ca-file ca.p12")), 3);
    assert!(err.contains("a PKCS#12 file") && err.contains("openssl pkcs12 -cacerts"), "{err}");
}

/// The same as `Desk::run_with`, which unsets variables whose value is empty.
fn run_set(desk: &Desk, line: &str, env: &[(&str, &str)]) -> std::process::Output {
    desk.command(line).envs(env.iter().copied()).output().unwrap()
}

fn desk_with(config: &str) -> Desk {
    let desk = desk();
    std::fs::create_dir(desk.path().join(".aws")).unwrap();
    desk.file(".aws/config", config);
    desk
}

#[test]
fn settings_of_retries_are_taken_as_by_the_aws_cli_or_refused_by_their_name() {
    let s3 = S3Server::start();
    s3.make_bucket("my-oidc");
    let endpoint = s3.endpoint();
    let base = [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_REGION", "us-west-2")];
    let plain = desk();
    for (name, value, code) in [
        ("AWS_RETRY_MODE", "legacy", 0),
        ("AWS_RETRY_MODE", "", 0),
        ("AWS_RETRY_MODE", "xx", 3),
        ("AWS_MAX_ATTEMPTS", "", 0),
        ("AWS_MAX_ATTEMPTS", "2", 0),
        ("AWS_MAX_ATTEMPTS", "0", 3),
        ("AWS_MAX_ATTEMPTS", "-1", 3),
        ("AWS_MAX_ATTEMPTS", "abc", 3),
        ("AWS_MAX_ATTEMPTS", "99999999999", 3),
    ] {
        let output = run_set(&plain, PUBLISH, &[base[0], base[1], (name, value)]);
        let (_, err) = ended(&output, code);
        assert!(code == 0 || err.contains(name) && err.contains("is not "), "{err}");
    }
    for (setting, code) in [
        ("retry_mode = legacy", 0),
        ("retry_mode =", 0),
        ("retry_mode = xx", 3),
        ("max_attempts = x", 3),
        ("max_attempts = 0", 3),
    ] {
        let desk = desk_with(&format!("[default]\n{setting}\n"));
        let (_, err) = ended(&run_set(&desk, PUBLISH, &base), code);
        let name = setting.split(' ').next().unwrap();
        assert!(code == 0 || err.contains(name) && err.contains("\"default\""), "{err}");
        assert!(code == 0 || err.contains("~/.aws/config"), "{err}");
        // The environment wins.
        let over = [("AWS_RETRY_MODE", "standard"), ("AWS_MAX_ATTEMPTS", "2")];
        ended(&run_set(&desk, PUBLISH, &[base[0], base[1], over[0], over[1]]), 0);
    }
}

#[test]
fn a_malformed_endpoint_is_refused_before_anything_is_sent() {
    let show = "provider show --issuer https://oidc.example.com/prod";
    let region = ("AWS_REGION", "us-west-2");
    let check = |output: &std::process::Output, names: &str| {
        let (out, err) = ended(output, 3);
        assert!(err.contains("is not a valid endpoint URL") && err.contains(names), "{err}");
        assert!(!err.contains("Request {") && !out.contains("SdkBody"), "{out}{err}");
    };
    let malformed = [
        "http:/127.0.0.1:9",
        "http:///x",
        "http:127.0.0.1:9",
        "http:\\\\x",
        "http://\u{fc}n.example",
    ];
    let plain = desk();
    for url in malformed {
        check(
            &plain.run_with(&format!("{PUBLISH} --endpoint-url {url}"), &[region]),
            "--endpoint-url",
        );
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_S3"] {
            check(&plain.run_with(show, &[region, (name, url)]), name);
        }
    }
    for config in [
        "[default]\nendpoint_url = http:/x\n",
        "[default]\nservices = own\n[services own]\nsts =\n  endpoint_url = http:/x\n",
        "[default]\nservices = own\n[services own]\ncloudfront =\n  endpoint_url = http:/x\n",
    ] {
        check(
            &desk_with(config).run_with(show, &[region]),
            "endpoint_url of the profile \"default\"",
        );
    }
}

#[test]
fn an_empty_region_is_none_and_a_line_break_in_a_header_is_refused() {
    let s3 = S3Server::start();
    s3.make_bucket("my-oidc");
    let endpoint = ("AWS_ENDPOINT_URL", s3.endpoint());
    let endpoint = (endpoint.0, endpoint.1.as_str());
    let region = "[default]\nregion = us-west-2\n";
    for empty in ["", " "] {
        let both = [endpoint, ("AWS_REGION", empty), ("AWS_DEFAULT_REGION", empty)];
        ended(&run_set(&desk_with(region), PUBLISH, &both), 0);
        let none = desk_with("[default]\nregion =\n");
        let set = ended(&run_set(&none, PUBLISH, &both), 0).1;
        let plain = desk();
        let mut unset = plain.command(PUBLISH);
        unset.env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION");
        let unset = unset.env(endpoint.0, endpoint.1).output().unwrap();
        assert_eq!(set, ended(&unset, 0).1, "not the same as without a region");
    }
    let broken = [endpoint, ("AWS_REGION", "us-west-2"), ("AWS_EXECUTION_ENV", "a\nb")];
    let (_, err) = ended(&run_set(&desk(), PUBLISH, &broken), 3);
    assert!(err.contains("AWS_EXECUTION_ENV") && !err.contains("bug"), "{err}");
}

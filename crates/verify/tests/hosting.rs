//! Sites that cannot be read, judged without a network: who answered what, or why nobody did.

mod common;

use common::*;
use issuer_verify::{
    Answer, BodyFault, CertificateFault, Chain, Fetched, Observation, Unreached, judge,
};

#[test]
fn an_answer_other_than_200_is_named_by_who_gave_it() {
    let xml = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    let api = r#"{"kind":"Status","apiVersion":"v1","code":403}"#;
    for (name, answer, words) in [
        (
            "s3",
            status(403, "AmazonS3", &xml("AccessDenied")),
            &["403", "AccessDenied", "bucket policy"][..],
        ),
        (
            "cloudfront",
            status(403, "CloudFront", &xml("AccessDenied")),
            &["CloudFront", "origin access control"],
        ),
        (
            "api server",
            status(403, "", api),
            &["system:anonymous", "service-account-issuer-discovery"],
        ),
        ("api server 401", status(401, "", api), &["401", "anonymous"]),
        ("other 403", status(403, "nginx", "no"), &["403", "anonymous"]),
        (
            "no bucket",
            status(404, "AmazonS3", &xml("NoSuchBucket")),
            &["bucket does not exist", "issuerctl publish can create it"],
        ),
        ("no key", status(404, "AmazonS3", &xml("NoSuchKey")), &["404", "path"]),
        (
            "kms",
            status(
                400,
                "AmazonS3",
                "<Error><Code>InvalidArgument</Code><Message>AWS KMS managed \
                 keys</Message></Error>",
            ),
            &["KMS", "AES256"],
        ),
        (
            "global host",
            status(400, "AmazonS3", &xml("IllegalLocationConstraintException")),
            &["400", "regional"],
        ),
        ("throttled", status(429, "", ""), &["429", "throttles"]),
        ("down", status(503, "", ""), &["503", "server"]),
        ("no content", status(204, "", ""), &["204", "200"]),
        ("teapot", status(418, "", ""), &["418", "anonymous"]),
    ] {
        assert_root(
            name,
            &judge(&no_discovery(Ok(answer)), &expected()),
            "discovery-reachable",
            words,
        );
    }
}

#[test]
fn what_a_store_says_for_itself_leads_to_its_own_mend() {
    let xml = |code: &str, message: &str| {
        format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
    };
    let denied = |message: &str| status(403, "AmazonS3", &xml("AccessDenied", message));
    let with_header = |status: u16, name: &str, value: &str| Answer {
        status,
        headers: vec![(name.to_owned(), value.to_owned())],
        ..Answer::default()
    };
    let location = "The me-south-1 location constraint is incompatible for the endpoint";
    for (name, answer, words, not) in [
        (
            "kms denied",
            denied("not authorized to perform: kms:Decrypt"),
            &["KMS", "AES256"][..],
            "bucket policy",
        ),
        (
            "explicit deny",
            denied("with an explicit deny in a resource-based policy"),
            &["explicit deny", "Deny"],
            "--to",
        ),
        ("expired", denied("Request has expired"), &["presigned", "plain URLs"], "access block"),
        (
            "signature",
            status(403, "", &xml("SignatureDoesNotMatch", "")),
            &["presigned"],
            "access block",
        ),
        (
            "sse-c",
            status(
                400,
                "AmazonS3",
                &xml("InvalidRequest", "stored using a form of Server Side Encryption."),
            ),
            &["SSE-C", "AES256"],
            "region",
        ),
        (
            "location",
            status(400, "AmazonS3", &xml("IllegalLocationConstraintException", location)),
            &["s3.me-south-1.amazonaws.com"],
            "REGION",
        ),
        (
            "region",
            status(
                400,
                "AmazonS3",
                "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-south-1</Region></Error>",
            ),
            &["s3.eu-south-1.amazonaws.com"],
            "REGION",
        ),
        (
            "bad uri",
            status(400, "AmazonS3", &xml("InvalidURI", "Couldn't parse")),
            &["URL", "parse"],
            "of another region",
        ),
        (
            "signed urls",
            status(403, "CloudFront", &xml("MissingKey", "Missing Key-Pair-Id query parameter")),
            &["viewer access"],
            "s3:GetObject",
        ),
        (
            "azure",
            status(409, "Windows-Azure-Blob/1.0", &xml("PublicAccessNotPermitted", "")),
            &["Azure", "storage account"],
            "s3",
        ),
        (
            "gcs",
            status(
                403,
                "",
                "<Error><Code>AccessDenied</Code><Details>no storage.objects.get \
                 access</Details></Error>",
            ),
            &["Google", "allUsers"],
            "s3",
        ),
        (
            "aws waf",
            with_header(202, "x-amzn-waf-action", "challenge"),
            &["WAF", "challenge"],
            "plain GET",
        ),
        (
            "not modified",
            with_header(304, "server", "x"),
            &["304 Not Modified", "cache"],
            "redirect",
        ),
        (
            "mtls",
            status(400, "nginx", "No required SSL certificate was sent"),
            &["client certificate"],
            "firewall",
        ),
    ] {
        let verdict = judge(&no_discovery(Ok(answer)), &expected());
        assert_root(name, &verdict, "discovery-reachable", words);
        let text = format!("{:?}", failed(&verdict)[0]);
        assert!(!text.contains(not), "{name}: {not:?} in {text}");
    }
}

#[test]
fn keys_that_redirect_are_mended_in_jwks_uri() {
    let mut seen = well();
    let headers = vec![("location".to_owned(), "https://cdn.example.com/keys.json".to_owned())];
    seen.keys = Some(at(
        format!("{ISSUER}/keys.json"),
        Answer { status: 302, headers, ..Answer::default() },
    ));
    let verdict = judge(&seen, &expected());
    assert_root(
        "keys",
        &verdict,
        "keys-reachable",
        &["https://cdn.example.com/keys.json", "set jwks_uri to"],
    );
}

#[test]
fn a_redirect_is_not_followed_and_says_where_it_leads() {
    let redirect = |status: u16, headers: &[(&str, &str)], body: &str| Answer {
        status,
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        body: body.into(),
        ..Answer::default()
    };
    let s3 = "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
    for (name, answer, words) in [
        (
            "elsewhere",
            redirect(302, &[("location", "https://www.example.com/x")], ""),
            &["302", "https://www.example.com/x"][..],
        ),
        (
            "login",
            redirect(302, &[("location", "https://idp.example/oauth2/authorize")], ""),
            &["login", "public"],
        ),
        (
            "region header",
            redirect(301, &[("server", "AmazonS3"), ("x-amz-bucket-region", "eu-west-1")], ""),
            &["301", "eu-west-1"],
        ),
        ("region in the body", redirect(301, &[], s3), &["301", "s3.eu-west-1.amazonaws.com"]),
        ("nowhere", redirect(308, &[], ""), &["without a Location"]),
    ] {
        assert_root(
            name,
            &judge(&no_discovery(Ok(answer)), &expected()),
            "discovery-reachable",
            words,
        );
    }
}

#[test]
fn what_never_answered_is_named_by_its_reason() {
    use CertificateFault as C;
    let chain = |subject: &str, length, names_its_signer| {
        Unreached::Certificate(C::Untrusted(Some(Chain {
            subject: subject.into(),
            issuer: "CN=R3".into(),
            length,
            names_its_signer,
        })))
    };
    for (name, unreached, words) in [
        ("dns", Unreached::NameNotFound, &["resolve", "DNS"][..]),
        ("refused", Unreached::Refused, &["refused"]),
        ("route", Unreached::Unroutable, &["unreachable"]),
        ("firewall", Unreached::ConnectTimedOut, &["5 s", "firewall"]),
        ("slow", Unreached::AnswerTimedOut, &["5 s", "CDN"]),
        ("reset", Unreached::Closed, &["reset"]),
        ("plain", Unreached::NotTls, &["plain HTTP"]),
        ("handshake", Unreached::Handshake("x".into()), &["TLS 1.2"]),
        (
            "expired",
            Unreached::Certificate(C::Expired { not_after: Some(0) }),
            &["expired", "1970-01-01T00:00:00Z", "renew"],
        ),
        ("early", Unreached::Certificate(C::NotYetValid { not_before: None }), &["not yet valid"]),
        (
            "name",
            Unreached::Certificate(C::WrongName { name: None, names: vec!["x.example".into()] }),
            &["x.example", "SAN"],
        ),
        ("private CA", chain("CN=a", 1, false), &["unknown CA", "CA file", "thumbprint"]),
        ("self-signed", chain("CN=R3", 1, false), &["self-signed"]),
        ("leaf only", chain("CN=a", 1, true), &["incomplete", "full chain"]),
    ] {
        assert_root(
            name,
            &judge(&no_discovery(Err(unreached)), &expected()),
            "discovery-reachable",
            words,
        );
    }
}

#[test]
fn a_body_that_is_not_whole_is_no_document() {
    for (fault, words) in [
        (BodyFault::Truncated, &["truncated", "of 900 bytes (Content-Length)"][..]),
        (BodyFault::TimedOut, &["5 s"]),
        (BodyFault::TooLarge, &["1 MiB"]),
    ] {
        let mut answer = Answer { body_fault: Some(fault), ..answer(document().to_string()) };
        answer.headers.push(("content-length".to_owned(), "900".to_owned()));
        assert_root(
            &format!("{fault:?}"),
            &judge(&no_discovery(Ok(answer)), &expected()),
            "discovery-reachable",
            words,
        );
    }
}

#[test]
fn a_cut_answer_without_content_length_is_not_blamed_on_it() {
    let answer =
        Answer { body_fault: Some(BodyFault::Truncated), ..answer(document().to_string()) };
    let verdict = judge(&no_discovery(Ok(answer)), &expected());
    assert!(!format!("{verdict:?}").contains("Content-Length"), "{verdict:#?}");
}

#[test]
fn a_dotted_bucket_gets_its_own_mend() {
    let url =
        "https://my.bucket.s3.eu-west-1.amazonaws.com/.well-known/openid-configuration".to_owned();
    let fault = Unreached::Certificate(CertificateFault::WrongName {
        name: None,
        names: vec!["*.s3.eu-west-1.amazonaws.com".into()],
    });
    let seen = Observation {
        discovery: Fetched { location: url, outcome: Err(fault), proxy: None },
        ..no_discovery(Err(Unreached::Refused))
    };
    assert_root(
        "dots",
        &judge(&seen, &expected()),
        "discovery-reachable",
        &["without dots", "path-style"],
    );
}

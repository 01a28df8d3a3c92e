//! Issuers that are broken in one way.

use std::time::Duration;

use issuer_test_support::{ApiServer, Reply};
use issuerctl_e2e::BUCKET;
use serde_json::{Value, json};

use super::{Asked, Case, RECORDED, Sts, asked, sound};
use crate::verdict::Bench;

const KEYS: &str = "keys.json";
const DISCOVERY: &str = ".well-known/openid-configuration";
const RE_POST: &str = "must answer 200 within 5 s \
                       ([re:Post](https://repost.aws/knowledge-center/iam-sts-invalididentitytoken))";
const DOCUMENT: &str = "required member ([IAM User \
                        Guide](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html))";
const SAME: &str = "document and issuer must agree byte for byte ([OpenID Connect Discovery \
                    4.3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation))";

pub(super) fn cases() -> Vec<Case> {
    let refused = |what, site, check, says| Case {
        what,
        site,
        token: |_| {},
        verify: Some((check, says)),
        sts: Sts::Refuses,
    };
    let stricter = |what, site, check, says, why| Case {
        sts: Sts::AcceptsWhatAwsRefuses(why),
        ..refused(what, site, check, says)
    };
    vec![
        refused(
            "no discovery document",
            |bench, prefix| broken(bench, prefix, |b, p| b.remove(p, DISCOVERY)),
            "discovery-reachable",
            "404",
        ),
        refused(
            "no keys.json",
            |bench, prefix| broken(bench, prefix, |b, p| b.remove(p, KEYS)),
            "keys-reachable",
            "404",
        ),
        refused(
            "a private bucket",
            |bench, prefix| asked(bench.publish(prefix, "--access none")),
            "discovery-reachable",
            "403",
        ),
        refused(
            "the keys alone are private",
            |bench, prefix| broken(bench, prefix, hide_keys),
            "keys-reachable",
            "403",
        ),
        refused(
            "HTML in place of the discovery document",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.put(p, DISCOVERY, "<!doctype html><title>Sign in</title>")
                })
            },
            "discovery-json",
            "HTML",
        ),
        refused(
            "HTML in place of keys.json",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.put(p, KEYS, "<!doctype html><title>Sign in</title>")
                })
            },
            "keys-json",
            "HTML",
        ),
        refused(
            "keys.json cut off",
            |bench, prefix| {
                broken(bench, prefix, |b, p| b.put(p, KEYS, r#"{"keys":[{"use":"sig","#))
            },
            "keys-json",
            "truncated",
        ),
        refused(
            "keys.json empty (a failed key generator)",
            |bench, prefix| broken(bench, prefix, |b, p| b.put(p, KEYS, "\n")),
            "keys-json",
            "empty",
        ),
        refused(
            "a JWK Set without keys",
            |bench, prefix| broken(bench, prefix, |b, p| b.put(p, KEYS, r#"{"keys":[]}"#)),
            "keys-usable",
            "empty",
        ),
        refused(
            "the old set, uploaded again over the new key",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    let old = b.publisher.sandbox.issuerctl("jwks --key old/sa.pub").succeeded();
                    b.put(p, KEYS, &old);
                })
            },
            "token-kid",
            "not",
        ),
        refused(
            "a JWK without kid",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, KEYS, |set| {
                        set["keys"][0].as_object_mut().unwrap().remove("kid");
                    })
                })
            },
            "keys-usable",
            "kid",
        ),
        refused(
            "a JWK without kty",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, KEYS, |set| {
                        set["keys"][0].as_object_mut().unwrap().remove("kty");
                    })
                })
            },
            "keys-usable",
            "kty",
        ),
        refused(
            "the modulus in standard base64",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, KEYS, |set| {
                        let n = set["keys"][0]["n"].as_str().unwrap();
                        set["keys"][0]["n"] =
                            json!(format!("{}==", n.replace('-', "+").replace('_', "/")));
                    })
                })
            },
            "keys-usable",
            "base64",
        ),
        refused(
            "two different keys under one kid, the wrong one last",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    let other: Value = serde_json::from_str(
                        &b.publisher.sandbox.issuerctl("jwks --key other/sa.pub").succeeded(),
                    )
                    .unwrap();
                    b.edit(p, KEYS, |set| {
                        let mut wrong = other["keys"][0].clone();
                        wrong["kid"] = set["keys"][0]["kid"].clone();
                        set["keys"].as_array_mut().unwrap().push(wrong);
                    });
                })
            },
            "keys-usable",
            "kid",
        ),
        refused(
            "jwks_uri missing",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, DISCOVERY, |document| {
                        document.as_object_mut().unwrap().remove("jwks_uri");
                    })
                })
            },
            "required-members",
            "jwks_uri",
        ),
        refused(
            "jwks_uri relative",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, DISCOVERY, |document| {
                        document["jwks_uri"] = json!("/keys.json");
                    })
                })
            },
            "jwks-uri",
            "relative",
        ),
        refused(
            "jwks_uri points into the cluster",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, DISCOVERY, |document| {
                        document["jwks_uri"] =
                            json!("https://kubernetes.default.svc.cluster.local/openid/v1/jwks");
                    })
                })
            },
            "jwks-uri",
            "inside the cluster",
        ),
        refused(
            "a certificate of an unknown CA",
            |bench, prefix| Asked { trusted: false, ..sound(bench, prefix) },
            "discovery-reachable",
            "certificate",
        ),
        refused(
            "a host that refuses connections",
            |_, _| asked("https://localhost:1/cluster".to_owned()),
            "discovery-reachable",
            "refused",
        ),
        stricter(
            "a JWK with use enc",
            |bench, prefix| with_member(bench, prefix, "use", json!("enc")),
            "keys-usable",
            "use",
            RECORDED,
        ),
        stricter(
            "a JWK with key_ops",
            |bench, prefix| with_member(bench, prefix, "key_ops", json!(["verify"])),
            "keys-usable",
            "key_ops",
            RECORDED,
        ),
        stricter(
            "a private member in keys.json",
            |bench, prefix| with_member(bench, prefix, "d", json!("AQAB")),
            "keys-usable",
            "private",
            "AWS may accept it too: the key is compromised, and verify reports it",
        ),
        stricter(
            "101 RSA keys",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, KEYS, |set| {
                        let key = set["keys"][0].clone();
                        let more = (0..100).map(|n| {
                            let mut key = key.clone();
                            key["kid"] = json!(format!("more-{n}"));
                            key
                        });
                        set["keys"].as_array_mut().unwrap().extend(more);
                    })
                })
            },
            "keys-usable",
            "101",
            RECORDED,
        ),
        stricter(
            "another issuer in the document, by a slash",
            |bench, prefix| {
                broken(bench, prefix, |b, p| {
                    b.edit(p, DISCOVERY, |document| {
                        document["issuer"] =
                            json!(format!("{}/", document["issuer"].as_str().unwrap()));
                    })
                })
            },
            "issuer-match",
            "trailing slash",
            SAME,
        ),
        stricter(
            "issuer missing",
            |bench, prefix| without_member(bench, prefix, "issuer"),
            "required-members",
            "issuer",
            DOCUMENT,
        ),
        stricter(
            "response_types_supported missing",
            |bench, prefix| without_member(bench, prefix, "response_types_supported"),
            "required-members",
            "response_types_supported",
            DOCUMENT,
        ),
        stricter(
            "a redirect to the documents",
            redirected,
            "discovery-reachable",
            "redirect",
            RE_POST,
        ),
        stricter("keys that take six seconds", slow, "keys-reachable", "5 s", RE_POST),
    ]
}

fn broken(bench: &Bench, prefix: &str, breaks: impl FnOnce(&Bench, &str)) -> Asked {
    let issuer = bench.publish(prefix, "");
    breaks(bench, prefix);
    asked(issuer)
}

/// Removes `keys.json` from what the bucket policy makes public.
fn hide_keys(bench: &Bench, prefix: &str) {
    let answer =
        bench.publisher.aws(&format!("s3api get-bucket-policy --bucket {BUCKET}")).succeeded();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let mut policy: Value = serde_json::from_str(answer["Policy"].as_str().unwrap()).unwrap();
    let keys = json!(format!("arn:aws:s3:::{BUCKET}/{prefix}/{KEYS}"));
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Resource"].as_array_mut().unwrap().retain(|resource| *resource != keys);
    }
    bench.publisher.sandbox.file("policy.json", &policy.to_string());
    bench
        .publisher
        .aws(&format!("s3api put-bucket-policy --bucket {BUCKET} --policy file://policy.json"))
        .succeeded();
}

fn with_member(bench: &Bench, prefix: &str, member: &str, value: Value) -> Asked {
    broken(bench, prefix, |bench, prefix| {
        bench.edit(prefix, KEYS, |set| set["keys"][0][member] = value)
    })
}

fn without_member(bench: &Bench, prefix: &str, member: &str) -> Asked {
    broken(bench, prefix, |bench, prefix| {
        bench.edit(prefix, DISCOVERY, |document| {
            document.as_object_mut().unwrap().remove(member);
        });
    })
}

/// A host that redirects every reader to the bucket.
fn redirected(bench: &Bench, prefix: &str) -> Asked {
    let to = |name: &str| {
        let location = format!("{}/{name}", bench.publisher.issuer(prefix));
        Reply { status: 302, location: Some(location), ..Reply::default() }
    };
    let replies = [
        ("GET /cluster/.well-known/openid-configuration", to(DISCOVERY)),
        ("GET /cluster/keys.json", to(KEYS)),
    ];
    let server = ApiServer::start_under(&bench.publisher.authority, replies);
    let issuer = format!("{}/cluster", server.url());
    bench.publish(prefix, &format!("--issuer {issuer}"));
    Asked { issuer, trusted: true, _server: Some(server) }
}

/// `keys.json` is on another host, which answers slowly.
fn slow(bench: &Bench, prefix: &str) -> Asked {
    let keys = bench.publisher.sandbox.issuerctl("jwks --key pki/sa.pub").succeeded();
    let reply = Reply { delay: Duration::from_secs(6), ..Reply::ok(keys) };
    let server = ApiServer::start_under(&bench.publisher.authority, [("GET /keys.json", reply)]);
    let issuer = bench.publish(prefix, "");
    bench.edit(prefix, DISCOVERY, |document| {
        document["jwks_uri"] = json!(format!("{}/keys.json", server.url()))
    });
    Asked { issuer, trusted: true, _server: Some(server) }
}

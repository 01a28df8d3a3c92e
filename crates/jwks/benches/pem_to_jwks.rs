//! PEM in, JWK Set out, beside the floor: decoding the same base64, hashing the DER once, and
//! encoding the same numbers.
//!
//! `cargo bench -p issuer-jwks` prints both; `floor` and `jwks` of one name are to be compared, not
//! the times alone.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use criterion::{Criterion, criterion_group, criterion_main};
use issuer_jwks::{WeakKeys, read};
use sha2::{Digest, Sha256};

fn golden(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../../fixtures/golden/{path}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}

/// The base64 of each block.
fn bodies(pem: &str) -> Vec<String> {
    let blocks = pem.split_inclusive("-----END PUBLIC KEY-----\n");
    blocks.map(|block| block.lines().filter(|line| !line.starts_with('-')).collect()).collect()
}

/// Nobody can do less: base64 of each block, SHA-256 of its DER, base64url of its last `numbers`
/// bytes.
fn floor(bodies: &[String], numbers: usize) -> usize {
    let mut written = 0;
    for body in bodies {
        let der = Base64::decode_vec(body).unwrap();
        written += Base64UrlUnpadded::encode_string(&Sha256::digest(&der)).len();
        written += Base64UrlUnpadded::encode_string(&der[der.len() - numbers..]).len();
    }
    written
}

fn pem_to_jwks(criterion: &mut Criterion) {
    let case = |file: &str| golden(&format!("cases/multi-all-six/{file}"));
    let rsa2048 = case("key-file-1.rsa2048.pub.pem");
    for (name, pem, numbers) in [
        ("rsa-2048", rsa2048.clone(), 256),
        ("rsa-3072", case("key-file-2.rsa3072.pub.pem"), 384),
        ("rsa-4096", case("key-file-3.rsa4096.pub.pem"), 512),
        ("p256", case("key-file-4.p256.pub.pem"), 64),
        ("p384", case("key-file-5.p384.pub.pem"), 96),
        ("p521", case("key-file-6.p521.pub.pem"), 132),
        ("100-rsa-2048", hundred(&rsa2048), 256),
    ] {
        let mut group = criterion.benchmark_group(name);
        let bodies = bodies(&pem);
        group
            .bench_function("floor", |bencher| bencher.iter(|| floor(black_box(&bodies), numbers)));
        group.bench_function("jwks", |bencher| {
            bencher
                .iter(|| read(black_box(pem.as_bytes()), WeakKeys::Refuse).unwrap().set.to_json());
        });
        // What the check that the point is on the curve costs by itself.
        let reading = read(pem.as_bytes(), WeakKeys::Refuse).unwrap();
        let der = reading.set.keys()[0].key.to_spki_der();
        if reading.set.keys()[0].key.key_type() == "EC" {
            let point = der[der.len() - numbers - 1..].to_vec();
            group.bench_function("on-curve", |bencher| {
                bencher.iter(|| on_curve(name, black_box(&point)))
            });
        }
        group.finish();
    }
}

fn on_curve(name: &str, point: &[u8]) -> bool {
    match name {
        "p256" => p256::PublicKey::from_sec1_bytes(point).is_ok(),
        "p384" => p384::PublicKey::from_sec1_bytes(point).is_ok(),
        _ => p521::PublicKey::from_sec1_bytes(point).is_ok(),
    }
}

/// A hundred different keys of the same size: the modulus differs in its middle.
fn hundred(pem: &str) -> String {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = Base64::decode_vec(&body).unwrap();
    (0u8..100)
        .map(|index| {
            der[100] = index;
            let body = Base64::encode_string(&der);
            let lines: Vec<&str> =
                (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
        })
        .collect()
}

criterion_group!(benches, pem_to_jwks);
criterion_main!(benches);

//! Errors of rustls in plain words.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use issuer_trust::{Authorities, CertificateFault, Recorder};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn ca() -> Ca {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "Test CA");
    let pem = params.self_signed(&key).unwrap().pem();
    Ca { pem, issuer: Issuer::new(params, key) }
}

fn server(ca: &Ca, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(["k8s.example.com".to_owned()]).unwrap();
    change(&mut params);
    params.signed_by(&KeyPair::generate().unwrap(), &ca.issuer).unwrap().der().clone()
}

/// What is said of a certificate by a client that trusts `ca`.
fn said(ca: &Ca, certificate: &CertificateDer<'_>, name: &str) -> String {
    let mut roots = RootCertStore::empty();
    for certificate in Authorities::parse(ca.pem.as_bytes()).unwrap().certificates() {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let (recorder, served) = Recorder::new(verifier);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let refused = recorder.verify_server_cert(certificate, &[], &name, &[], UnixTime::now());
    let Err(rustls::Error::InvalidCertificate(fault)) = refused else { panic!("{refused:?}") };
    CertificateFault::of(&fault, served.chain()).to_string()
}

#[test]
fn each_fault_is_said_without_the_names_of_the_library() {
    let ca = ca();
    let other = self::ca();
    let own = KeyPair::generate().unwrap();
    let mut self_signed_ca = CertificateParams::new(["k8s.example.com".to_owned()]).unwrap();
    self_signed_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let self_signed_ca = self_signed_ca.self_signed(&own).unwrap().der().clone();
    let right = "k8s.example.com";
    for (certificate, name, says) in [
        (
            server(&ca, |p| p.not_after = rcgen::date_time_ymd(2001, 2, 3)),
            right,
            "has expired on 2001-02-03",
        ),
        (
            server(&ca, |p| p.not_before = rcgen::date_time_ymd(4001, 2, 3)),
            right,
            "is not yet valid before 4001-02-03",
        ),
        (
            server(&ca, |_| {}),
            "10.0.0.1",
            "is not for the name \"10.0.0.1\" but for \"k8s.example.com\"",
        ),
        (server(&other, |_| {}), right, "is signed by an unknown CA"),
        (self_signed_ca, right, "is self-signed (\"CN=rcgen self signed cert\") and not trusted"),
        (
            server(&ca, |p| {
                p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                p.distinguished_name.push(rcgen::DnType::CommonName, "k8s");
            }),
            right,
            "is marked as that of a CA",
        ),
        (
            server(&ca, |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            right,
            "is not for servers",
        ),
        (CertificateDer::from(vec![0x30, 0]), right, "is not a valid X.509 certificate"),
    ] {
        let text = said(&ca, &certificate, name);
        assert!(text.starts_with("its TLS certificate ") && text.contains(says), "{text}");
        for raw in ["UnknownIssuer", "CaUsed", "NotValid", "Context", "OtherError", "Purpose"] {
            assert!(!text.contains(raw), "{text}");
        }
    }
}

#[test]
fn a_server_with_the_certificate_of_its_authority_is_accepted_under_its_own_name_alone() {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let made = |not_after| {
        let mut params = CertificateParams::new(["k8s.example.com".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = not_after;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    };
    let own = made(rcgen::date_time_ymd(4001, 2, 3));
    let verified = |authority: &rcgen::Certificate, served: &rcgen::Certificate, name: &str| {
        let authorities = Authorities::parse(authority.pem().as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.certificates().iter().cloned());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let (recorder, _) = Recorder::new(verifier.build().unwrap());
        let recorder = recorder.accepting(authorities);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        recorder.verify_server_cert(served.der(), &[], &name, &[], UnixTime::now()).is_ok()
    };
    let (right, another) = ("k8s.example.com", made(rcgen::date_time_ymd(4001, 2, 3)));
    let expired = made(rcgen::date_time_ymd(2001, 2, 3));
    assert!(verified(&own, &own, right));
    assert!(!verified(&own, &own, "other.example.com"));
    assert!(!verified(&another, &own, right));
    assert!(!verified(&expired, &expired, right));
}

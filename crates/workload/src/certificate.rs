//! The webhook's serving certificate, of an authority that signs nothing else.
//!
//! The private key is made here, written into its Secret, and dropped. What is read back of the
//! Secret is public: there is no type for the other half.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use issuer_pods::ServingCertificate;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::Error;

/// How long before its end a certificate is renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(90 * 86_400);

/// How long a certificate that `apply` makes is valid, in days.
pub(crate) const DAYS: u16 = 3650;

/// A certificate block of a PEM file.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The public part of the certificate that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInUse {
    /// Its end, in seconds since 1970.
    pub not_after: u64,
    /// What the API server verifies it with, as PEM.
    pub authorities: String,
}

/// Makes a certificate for these DNS names, and an authority for it whose key is not kept, so nobody
/// can sign with it again. The API server also goes on accepting the `kept` authorities, as PEM.
///
/// # Errors
/// [`Error::Certificate`]: the library fails, for want of random numbers.
pub fn make_certificate(
    names: Vec<String>,
    days: u16,
    kept: &str,
) -> Result<ServingCertificate, Error> {
    sign(names, days, kept).map_err(|source| Error::Certificate { source: Box::new(source) })
}

/// The certificates of a PEM file, and nothing else of it.
#[must_use]
pub fn certificates_only(text: &str) -> Vec<String> {
    let blocks = text.split(BEGIN).skip(1).filter_map(|block| block.split_once(END));
    blocks.map(|(body, _)| format!("{BEGIN}\n{}\n{END}\n", body.trim())).collect()
}

impl CertificateInUse {
    /// That of a Secret as [`issuer_pods::webhook`] makes it; nothing of its private key is read.
    pub(crate) fn of(secret: &Value) -> Option<Self> {
        let text = |name: &str| {
            let bytes = Base64::decode_vec(secret["data"][name].as_str()?).ok()?;
            String::from_utf8(bytes).ok()
        };
        let certificate = certificates_only(&text("tls.crt")?).into_iter().next()?;
        let authorities = certificates_only(&text("ca.crt")?).concat();
        if authorities.is_empty() {
            return None;
        }
        let body: String = certificate.lines().filter(|line| !line.starts_with("--")).collect();
        let der = Base64::decode_vec(&body).ok()?;
        let certificate = Certificate::from_der(&der).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let not_after = validity.not_after.to_unix_duration().as_secs();
        Some(Self { not_after, authorities })
    }

    /// Whether it has to be renewed.
    pub(crate) fn is_ending(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        now + RENEW_BEFORE > Duration::from_secs(self.not_after)
    }

    /// The newest of its authorities, which the API server has to accept until all replicas of the
    /// webhook have the next certificate.
    pub(crate) fn newest_authority(&self) -> String {
        certificates_only(&self.authorities).into_iter().next().unwrap_or_default()
    }
}

fn sign(names: Vec<String>, days: u16, kept: &str) -> Result<ServingCertificate, rcgen::Error> {
    let subject = names.first().cloned().unwrap_or_default();
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, format!("CA of {subject}"));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    validity(&mut authority, days);
    let authority_key = KeyPair::generate()?;
    let signed = authority.self_signed(&authority_key)?;

    let mut serving = CertificateParams::new(names)?;
    serving.distinguished_name.push(DnType::CommonName, subject);
    serving.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    validity(&mut serving, days);
    let key = KeyPair::generate()?;
    let certificate = serving.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok(ServingCertificate::Own {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        authorities: signed.pem() + kept,
    })
}

/// From an hour ago, for clocks that are late.
fn validity(params: &mut CertificateParams, days: u16) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + Duration::from_secs(u64::from(days) * 86_400)).into();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(days: u16, kept: &str) -> Value {
        let made = make_certificate(vec!["a.b.svc".to_owned()], days, kept).unwrap();
        let ServingCertificate::Own { certificate, key, authorities } = made else { panic!() };
        let encode = |text: &str| Base64::encode_string(text.as_bytes());
        json!({"data": {
            "tls.crt": encode(&certificate), "tls.key": encode(&key), "ca.crt": encode(&authorities),
        }})
    }

    #[test]
    fn a_certificate_is_renewed_in_its_last_three_months_and_read_without_its_key() {
        let fresh = CertificateInUse::of(&secret(DAYS, "")).unwrap();
        assert!(!fresh.is_ending(SystemTime::now()));
        assert!(CertificateInUse::of(&secret(89, "")).unwrap().is_ending(SystemTime::now()));
        assert!(!format!("{fresh:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_renewal_keeps_one_authority_and_not_all_there_ever_were() {
        let mut kept = String::new();
        for _ in 0..3 {
            let next = CertificateInUse::of(&secret(DAYS, &kept)).unwrap();
            assert!(next.authorities.ends_with(&kept));
            kept = next.newest_authority();
            assert_eq!(certificates_only(&kept).len(), 1);
        }
    }

    #[test]
    fn a_secret_of_somebody_else_is_no_certificate() {
        for secret in [json!({}), json!({"data": {"tls.crt": "x", "ca.crt": "x"}})] {
            assert_eq!(CertificateInUse::of(&secret), None);
        }
    }
}

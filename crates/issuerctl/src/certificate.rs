//! A serving certificate of an authority that signs nothing else.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::failure::{Exit, Failure};

/// A certificate, its key, and the authority that signed it, as PEM.
pub(crate) struct Certificate {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) authority: String,
}

/// For these DNS names. The authority's key is not kept, so nobody can sign with it again.
///
/// # Errors
/// The library fails, for want of random numbers.
pub(crate) fn make(names: Vec<String>, days: u16) -> Result<Certificate, Failure> {
    sign(names, days)
        .map_err(|error| Failure::while_doing(Exit::Failure, "cannot make a certificate", &error))
}

fn sign(names: Vec<String>, days: u16) -> Result<Certificate, rcgen::Error> {
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
    Ok(Certificate {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        authority: signed.pem(),
    })
}

/// From an hour ago, for clocks that are late.
fn validity(params: &mut CertificateParams, days: u16) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + Duration::from_secs(u64::from(days) * 86_400)).into();
}

//! CA certificates beside those of the system.

use base64ct::{Base64, Encoding};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::{Error, SessionOptions};

/// The certificates of the options and of the file that `AWS_CA_BUNDLE` names, each in PEM. The
/// client panics on one that is not valid.
///
/// # Errors
/// [`Error::ExtraRoots`], [`Error::CaBundle`]
pub(crate) fn all(options: &SessionOptions, bundle: Option<String>) -> Result<Vec<Vec<u8>>, Error> {
    let mut roots = Vec::new();
    if let Some(pem) = &options.extra_roots_pem {
        roots = certificates(pem).map_err(|reason| Error::ExtraRoots { reason })?;
    }
    if let Some(path) = bundle {
        let used = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|pem| certificates(&pem));
        roots.extend(used.map_err(|reason| Error::CaBundle { path, reason })?);
    }
    Ok(roots)
}

fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    // Windows PowerShell writes a byte order mark.
    let pem = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut roots = Vec::new();
    let mut refused = None;
    for der in CertificateDer::pem_slice_iter(pem) {
        let added =
            der.map_err(|_| "it contains PEM that is not valid".to_owned()).and_then(|der| {
                let valid = RootCertStore::empty().add(der.clone());
                valid.map(|()| der).map_err(|error| format!("a certificate is not valid: {error}"))
            });
        match added {
            Ok(der) => roots.push(pem_of(&der)),
            Err(reason) => refused = Some(reason),
        }
    }
    match (roots.is_empty(), refused) {
        (false, _) => Ok(roots),
        (true, Some(reason)) => Err(reason),
        (true, None) => Err("it contains no certificate (PEM)".to_owned()),
    }
}

fn pem_of(der: &CertificateDer<'_>) -> Vec<u8> {
    let body = Base64::encode_string(der);
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    let lines = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_without_a_panic() {
        for (text, says) in [
            ("", "no certificate"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not valid"),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "not valid"),
        ] {
            let refused = certificates(text.as_bytes()).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}

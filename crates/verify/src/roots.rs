//! Certificates of authorities in the forms in which people have them.

use base64ct::{Base64, Encoding};
use issuer_diagnostic::decode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::Error;

/// The certificates of a file as PEM: from PEM, DER, or either of them in base64 (as in
/// `certificate-authority-data` of a kubeconfig), in UTF-8 or UTF-16. Anything else in the file,
/// such as a private key, is left out.
///
/// # Errors
/// [`Error::ExtraRoots`].
pub fn ca_certificates_pem(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut pem = String::new();
    for certificate in certificates(bytes)? {
        let body = Base64::encode_string(&certificate);
        let lines = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line));
        let lines = lines.collect::<Vec<_>>().join("\n");
        pem += &format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
    }
    Ok(pem.into_bytes())
}

/// The certificates of a file, at least one.
///
/// # Errors
/// [`Error::ExtraRoots`].
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = decode(bytes).map(|decoded| decoded.text).unwrap_or_default();
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    match Base64::decode_vec(&compact) {
        Ok(inner) if !inner.is_empty() => plain(&inner),
        _ => plain(bytes),
    }
}

fn plain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let refused = |reason: &str| Error::ExtraRoots { reason: reason.to_owned() };
    let decoded = decode(bytes);
    if bytes.starts_with(&[0x30]) && decoded.is_err() {
        return match Certificate::from_der(bytes) {
            Ok(_) => Ok(vec![CertificateDer::from(bytes.to_vec())]),
            Err(_) => Err(refused("it is DER, but not one X.509 certificate")),
        };
    }
    let text = decoded.map_err(|fault| refused(&fault.to_string()))?.text;
    // Indented, as a block of a YAML file; with the label that OpenSSL also reads.
    let lines = text.lines().map(|line| line.trim().replace(" X509 CERTIFICATE-", " CERTIFICATE-"));
    let pem = lines.collect::<Vec<_>>().join("\n");
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| refused("one of its PEM blocks is damaged"))?;
    if certificates.is_empty() {
        return Err(refused(match () {
            () if pem.trim().is_empty() => "it is empty",
            () if pem.contains("BEGIN TRUSTED CERTIFICATE") => {
                "it is in OpenSSL's own format (TRUSTED CERTIFICATE); openssl x509 -in FILE \
                 converts it"
            }
            () if pem.contains("BEGIN PKCS7") => {
                "it is PKCS#7; openssl pkcs7 -print_certs -in FILE converts it"
            }
            () if pem.contains(" KEY-----") => "it contains a key, and no CERTIFICATE block",
            () if pem.starts_with('<') => "it is HTML or XML",
            () => "it has no CERTIFICATE block",
        }));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_in_every_form_that_people_have() {
        let made = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap();
        let (pem, der) = (made.cert.pem(), made.cert.der().to_vec());
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let forms: [Vec<u8>; 9] = [
            pem.clone().into_bytes(),
            format!("\u{feff}{}", pem.replace('\n', "\r\n")).into_bytes(),
            utf16(&format!("\u{feff}{pem}")),
            pem.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes(),
            pem.lines().map(|line| format!("    {line}\n")).collect::<String>().into_bytes(),
            format!("{}{pem}", made.signing_key.serialize_pem()).into_bytes(),
            Base64::encode_string(pem.as_bytes()).into_bytes(),
            Base64::encode_string(&der).into_bytes(),
            der.clone(),
        ];
        for form in forms {
            let certificates = certificates(&form).unwrap();
            assert_eq!(certificates.len(), 1);
            assert_eq!(certificates[0].as_ref(), der);
            let written = ca_certificates_pem(&form).unwrap();
            assert!(!String::from_utf8(written.clone()).unwrap().contains("PRIVATE"));
            assert_eq!(super::certificates(&written).unwrap(), certificates);
        }
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let made = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap();
        let trusted = made.cert.pem().replace("CERTIFICATE", "TRUSTED CERTIFICATE");
        let damaged = made.cert.pem().replacen('M', "!", 1);
        for (text, says) in [
            (made.signing_key.serialize_pem(), "a key"),
            (trusted, "openssl x509"),
            (damaged, "damaged"),
            (" \n".to_owned(), "empty"),
            ("<html>".to_owned(), "HTML"),
            ("hello".to_owned(), "no CERTIFICATE block"),
        ] {
            let error = certificates(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}

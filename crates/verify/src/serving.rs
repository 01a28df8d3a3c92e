//! Whether a server inside a cluster serves a certificate of given authorities, by a handshake alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use issuer_trust::{Authorities, CertificateFault, Recorder, Served, handshake_fault};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why a handshake did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServingFault {
    /// The server, or the one with this name, was not reached: nothing is known of its certificate.
    NotReached(String),
    /// Its certificate is not accepted: a clause about it.
    Certificate(String),
}

/// Connects to an address, and checks that the certificate there is of these authorities, valid now, and
/// for this name, as the API server does with a webhook. A server whose certificate is for another name
/// and of another authority is taken for a stranger at that address.
///
/// # Errors
/// [`ServingFault`].
pub async fn check_serving(
    address: SocketAddr,
    name: &str,
    authorities: &Authorities,
    limit: Duration,
) -> Result<(), ServingFault> {
    let not_reached = |why: &str| ServingFault::NotReached(format!("{address}: {why}"));
    let server =
        ServerName::try_from(name.to_owned()).map_err(|_| not_reached("not a host name"))?;
    let (config, served) = config(authorities).map_err(|why| not_reached(&why))?;
    let handshake = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(server.clone(), stream).await.map(drop)
    };
    let error = match tokio::time::timeout(limit, handshake).await {
        Err(_) => return Err(not_reached("no answer")),
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
    };
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(fault)) => {
            let found = CertificateFault::of(fault, served.chain());
            let is_named = served.certificates().first().is_some_and(|own| {
                ParsedCertificate::try_from(own)
                    .is_ok_and(|own| verify_server_name(&own, &server).is_ok())
            });
            match found {
                CertificateFault::WrongName { .. } => {
                    Err(ServingFault::Certificate(found.to_string()))
                }
                _ if is_named => Err(ServingFault::Certificate(found.to_string())),
                _ => Err(not_reached("another server answers there")),
            }
        }
        Some(other) => Err(not_reached(&handshake_fault(other))),
        None => Err(not_reached(&error.kind().to_string())),
    }
}

/// A client that trusts these authorities and no others.
fn config(authorities: &Authorities) -> Result<(ClientConfig, Served), String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in authorities.certificates() {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let (recorder, served) = Recorder::new(verifier);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(recorder))
        .with_no_client_auth();
    Ok((config, served))
}

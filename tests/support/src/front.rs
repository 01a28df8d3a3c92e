//! What serves a private store to anonymous readers, as CloudFront does.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};

use crate::Authority;
use crate::server::Server;

/// An HTTPS server that reads what it is asked for with rights that its readers do not have.
pub struct Front {
    server: Server,
}

impl Front {
    /// Starts one; `read` returns the contents at a path, or nothing, which is answered with 403 as a
    /// distribution does whose origin may not list.
    pub fn start<R, F>(authority: &Authority, read: R) -> Self
    where
        R: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Option<Vec<u8>>> + Send + 'static,
    {
        let read = Arc::new(read);
        let service = service_fn(move |request: Request<Incoming>| {
            let read = Arc::clone(&read);
            async move {
                let found = match request.method() {
                    &Method::GET | &Method::HEAD => read(request.uri().path().to_owned()).await,
                    _ => None,
                };
                let status = if found.is_some() { 200 } else { 403 };
                let mut response = Response::new(Full::new(Bytes::from(found.unwrap_or_default())));
                *response.status_mut() = status.try_into().unwrap();
                let json = "application/json".parse().unwrap();
                response.headers_mut().insert("content-type", json);
                Ok::<_, Infallible>(response)
            }
        });
        Self { server: Server::start(Some(authority.acceptor()), service) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.server.address.port())
    }
}

//! Servers that refuse everything: a proxy, and an API server that is busy.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};

use crate::Reply;
use crate::server::Server;

/// A server that gives the same refusal to every request.
pub struct Refusal {
    server: Server,
}

impl Refusal {
    /// A proxy that answers every CONNECT with 403.
    pub fn proxy() -> Self {
        Self::start(Reply { status: 403, ..Reply::default() }, None)
    }

    /// An API server on plain HTTP that answers 429 with `Retry-After: 1`, as priority and fairness
    /// does (k8s.io/apiserver/pkg/server/filters/maxinflight.go).
    pub fn busy_api_server() -> Self {
        let reply = Reply {
            status: 429,
            body: "Too many requests, please try again later.".to_owned(),
            ..Reply::default()
        };
        Self::start(reply, Some("1"))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    fn start(reply: Reply, retry_after: Option<&'static str>) -> Self {
        let service = hyper::service::service_fn(move |_: Request<Incoming>| {
            let mut response = Response::builder().status(reply.status);
            if let Some(secs) = retry_after {
                response = response.header("retry-after", secs);
            }
            let body = Full::new(Bytes::from(reply.body.clone()));
            std::future::ready(Ok::<_, Infallible>(response.body(body).unwrap()))
        });
        Self { server: Server::start(None, service) }
    }
}

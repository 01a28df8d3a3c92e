//! `/livez`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::{Error, State};

/// Connections that are served at a time; further ones wait.
const CONNECTIONS: usize = 32;

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(5);

/// How long a connection is kept: a client that reads nothing must not hold it for ever.
const CONNECTION: Duration = Duration::from_secs(60);

/// How long to wait when the operating system has no connection to give.
const PAUSE: Duration = Duration::from_millis(100);

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const READS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// An address that is listened on.
#[derive(Debug)]
pub struct Endpoints {
    listener: TcpListener,
    address: SocketAddr,
}

impl Endpoints {
    /// Listens on an address; a connection is answered once [`Endpoints::serve`] runs.
    ///
    /// # Errors
    /// [`Error::Listen`]
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that the operating system chose if 0 was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until it is dropped.
    pub async fn serve(self, state: State) -> Infallible {
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let permit = Arc::clone(&free).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let state = state.clone();
                    tokio::spawn(async move {
                        // A client that does not speak HTTP, or goes away, is its own problem.
                        let _ = timeout(CONNECTION, converse(stream, state)).await;
                        drop(permit);
                    });
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

async fn converse(stream: TcpStream, state: State) -> Result<(), hyper::Error> {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &state);
        async { Ok::<_, Infallible>(response) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

fn answer(method: &Method, path: &str, state: &State) -> Response<Full<Bytes>> {
    if !matches!(path, "/livez" | "/readyz" | "/metrics") {
        return plain(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "it can only be read");
        refused.headers_mut().insert(ALLOW, READS);
        return refused;
    }
    match path {
        "/livez" => match state.health.hangs() {
            None => plain(StatusCode::OK, "ok"),
            Some(why) => plain(StatusCode::INTERNAL_SERVER_ERROR, &why),
        },
        "/readyz" if state.health.is_ready() => plain(StatusCode::OK, "ok"),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "no step has succeeded yet"),
        _ => response(StatusCode::OK, METRICS, state.metrics.text()),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    response(status, PLAIN, format!("{text}\n"))
}

fn response(status: StatusCode, kind: HeaderValue, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

//! A loopback listener on its own thread, with or without TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hyper::body::{Body, Incoming};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// How many connections are open, and how many were at most.
#[derive(Default)]
struct Connections {
    open: AtomicUsize,
    peak: AtomicUsize,
}

/// An open connection; dropping it closes it.
struct Connection(Arc<Connections>);

/// A running server; it stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<Connections>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Serves `service` until the value is dropped.
    pub(crate) fn start<S, B>(tls: Option<TlsAcceptor>, service: S) -> Self
    where
        S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let connections = Arc::<Connections>::default();
        let counted = connections.clone();
        // Its own thread and runtime: the test may be asynchronous itself, or wait for a child
        // process.
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(TcpListener::from_std(listener).unwrap(), tls, service, counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, connections, stop: Some(stop), thread: Some(thread) }
    }

    /// How many connections were open at the same time, at most.
    pub(crate) fn peak_connections(&self) -> usize {
        self.connections.peak.load(Ordering::Relaxed)
    }
}

impl Connection {
    fn open(connections: &Arc<Connections>) -> Self {
        let open = connections.open.fetch_add(1, Ordering::Relaxed) + 1;
        connections.peak.fetch_max(open, Ordering::Relaxed);
        Self(connections.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<S, B>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: S,
    connections: Arc<Connections>,
) where
    S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Headers and body are two writes: without it, the second one waits for a delayed ACK.
        let _ = stream.set_nodelay(true);
        let (tls, service) = (tls.clone(), service.clone());
        let open = Connection::open(&connections);
        tokio::spawn(async move {
            let _open = open;
            let http = hyper::server::conn::http1::Builder::new();
            // A client may disconnect at any time.
            match tls {
                None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(http.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            }
        });
    }
}

//! A connection that can be cut: what a client sees of a server that is gone, and back.

use std::io::copy;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A forwarder of connections.
pub(crate) struct Switch {
    address: SocketAddr,
    on: Arc<AtomicBool>,
}

impl Switch {
    /// Forwards to a server on `localhost`, given by its URL.
    pub(crate) fn before(url: &str) -> Self {
        let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let on = Arc::new(AtomicBool::new(true));
        let is_on = on.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_on.load(Ordering::Relaxed) {
                    thread::spawn(move || forward(client, port));
                }
            }
        });
        Self { address, on }
    }

    /// The URL of the server, through it.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// From now on new connections are closed, or forwarded again.
    pub(crate) fn turn(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }
}

fn forward(client: TcpStream, port: u16) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = up.join();
}

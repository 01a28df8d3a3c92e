//! A connection that can be cut: a server that is gone, and comes back at the same address.

use std::collections::HashMap;
use std::io::copy;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A TCP relay to a server on this machine.
pub struct Relay {
    url: String,
    server: Arc<Mutex<String>>,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<HashMap<u64, [TcpStream; 2]>>>,
}

impl Relay {
    /// Starts a relay to the server of an https URL with a port.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let server = Arc::new(Mutex::new(address(server)));
        let (is_cut, open) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let leads_to = Arc::clone(&server);
        let relay = Self { url, server, is_cut: Arc::clone(&is_cut), open: Arc::clone(&open) };
        thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming().flatten()) {
                if is_cut.load(Ordering::Relaxed) {
                    continue;
                }
                let server = leads_to.lock().unwrap().clone();
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                let [mut down, mut up] = [&client, &upstream].map(|one| one.try_clone().unwrap());
                open.lock()
                    .unwrap()
                    .insert(number, [down.try_clone().unwrap(), up.try_clone().unwrap()]);
                let open = Arc::clone(&open);
                // Either side may disconnect at any time.
                thread::spawn(move || {
                    let back = {
                        let (mut from, mut to) = (upstream, client);
                        thread::spawn(move || {
                            let _ = copy(&mut from, &mut to);
                            let _ = to.shutdown(Shutdown::Both);
                        })
                    };
                    let _ = copy(&mut down, &mut up);
                    let _ = up.shutdown(Shutdown::Both);
                    let _ = back.join();
                    open.lock().unwrap().remove(&number);
                });
            }
        });
        relay
    }

    /// The same server at the address of the relay.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port.
    pub fn port(&self) -> &str {
        self.url.trim_start_matches("https://localhost:")
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, server: &str) {
        *self.server.lock().unwrap() = address(server);
    }

    /// Ends all connections, and accepts none.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        for stream in self.open.lock().unwrap().values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Accepts connections again.
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }
}

fn address(server: &str) -> String {
    server.trim_start_matches("https://").to_owned()
}

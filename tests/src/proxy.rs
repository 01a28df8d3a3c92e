//! A proxy for a host that has no DNS record.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use issuer_test_support::ISSUER_HOST;

/// An HTTP proxy (`CONNECT`, RFC 9110 section 9.3.6) that connects [`ISSUER_HOST`] to a local
/// server.
pub struct Proxy {
    url: String,
}

impl Proxy {
    /// Starts a proxy to the server of a URL.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("https://").to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A client may disconnect at any time.
                thread::spawn(move || relay(stream, &server));
            }
        });
        Self { url }
    }

    /// For `HTTPS_PROXY`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn relay(mut client: TcpStream, server: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut asked = String::new();
    reader.read_line(&mut asked)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
    }
    let asked = asked.split_whitespace().nth(1).unwrap_or_default();
    let target = if asked.strip_prefix(ISSUER_HOST) == Some(":443") { server } else { asked };
    let Ok(mut upstream) = TcpStream::connect(target) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut down, mut up) = (client.try_clone()?, upstream.try_clone()?);
    let back = thread::spawn(move || {
        let copied = copy(&mut upstream, &mut client);
        let _ = client.shutdown(Shutdown::Write);
        copied
    });
    copy(&mut down, &mut up)?;
    up.shutdown(Shutdown::Write)?;
    let _ = back.join();
    Ok(())
}

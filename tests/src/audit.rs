//! Which requests a MinIO was sent, and by whom: its audit log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A receiver of audit logs.
pub struct Audit {
    url: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Default for Audit {
    fn default() -> Self {
        Self::start()
    }
}

impl Audit {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Value>>>::default();
        let into = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let into = Arc::clone(&into);
                // MinIO may disconnect at any time.
                thread::spawn(move || receive(stream, &into));
            }
        });
        Self { url, requests }
    }

    /// The variables of a MinIO that sends its log here.
    pub fn variables(&self) -> [(&str, &str); 2] {
        [
            ("MINIO_AUDIT_WEBHOOK_ENABLE_CHAIN", "on"),
            ("MINIO_AUDIT_WEBHOOK_ENDPOINT_CHAIN", &self.url),
        ]
    }

    /// The requests of a replica of the controller so far, in order: call, object and status.
    pub fn of(&self, replica: &str) -> Vec<String> {
        let agent = format!("app/{replica}");
        let requests = self.requests.lock().unwrap();
        let own =
            requests.iter().filter(|request| request["requestHeader"].to_string().contains(&agent));
        own.map(|request| {
            let api = &request["api"];
            let text = |name: &str| api[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("name"), text("object"), api["statusCode"])
        })
        .collect()
    }
}

fn receive(mut stream: TcpStream, into: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let entries = serde_json::Deserializer::from_slice(&body).into_iter().map_while(Result::ok);
        into.lock().unwrap().extend(entries);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

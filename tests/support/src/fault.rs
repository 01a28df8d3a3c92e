//! A network and a store that fail, by a plan that follows from a seed: a proxy between a client and a
//! server of this process.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed before the request reaches the server.
    Drop,
    /// The server executes the request, and its answer is lost.
    Unanswered,
    /// The answer comes some milliseconds late.
    Delay(u64),
    /// The connection is closed in the middle of the answer.
    Reset,
    /// 429, 500 or 503, with the error of a store that is asked too often.
    Busy(u16),
    /// 400 with a page of a web server.
    BadPage,
    /// 200 with a page of a web server; the request does not reach the server.
    Page,
    /// 200 with nothing; the request does not reach the server.
    Empty,
    /// The body of the answer is cut, and its length is said to be that.
    Cut,
    /// The body of the answer is gone, and its length is said to be 0; the headers stay.
    Blank,
    /// The answer has no ETag.
    NoEtag,
    /// The answer has another ETag.
    WrongEtag,
    /// The answer to a write does not say what was read.
    NoChecksum,
    /// A redirection without a place.
    Nowhere,
    /// 200 with an ETag; the request does not reach the server.
    Lie,
    /// No answer until the client gives up; the request does not reach the server.
    Hang,
    /// The connection is closed in the middle of the request.
    ResetRequest,
    /// A redirection to another host, as S3 gives for a new bucket.
    Elsewhere,
    /// 403, since the clock of the client differs from that of the server.
    Skewed,
    /// 400, since the session of the credentials has ended.
    Expired,
    /// A read is answered with what it was answered first.
    Stale,
}

const FAULTS: [Fault; 23] = [
    Fault::Drop,
    Fault::Unanswered,
    Fault::Delay(3),
    Fault::Reset,
    Fault::Busy(429),
    Fault::Busy(500),
    Fault::Busy(503),
    Fault::BadPage,
    Fault::Page,
    Fault::Empty,
    Fault::Cut,
    Fault::Blank,
    Fault::NoEtag,
    Fault::WrongEtag,
    Fault::NoChecksum,
    Fault::Nowhere,
    Fault::Lie,
    Fault::Hang,
    Fault::ResetRequest,
    Fault::Elsewhere,
    Fault::Skewed,
    Fault::Expired,
    Fault::Stale,
];

/// A proxy with faults; it stops when it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    plan: Mutex<Plan>,
    /// The first answer to each read, by its first line.
    first: Mutex<HashMap<String, Vec<u8>>>,
    stop: AtomicBool,
}

/// Numbers that follow from a seed (SplitMix64), and what was done with them.
struct Plan {
    state: u64,
    /// Of a hundred requests, so many fail.
    percent: u64,
    /// Requests whose first line has this text always fail like this.
    always: Option<(String, Fault)>,
    /// How many of them are left.
    left: usize,
    log: Vec<String>,
}

impl Plan {
    fn number(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn next(&mut self, request: &str) -> Option<Fault> {
        let fails = self.number(100) < self.percent;
        let index = usize::try_from(self.number(FAULTS.len() as u64)).unwrap();
        let line = request.lines().next().unwrap_or_default();
        let always =
            self.always.as_ref().filter(|(text, _)| self.left > 0 && line.contains(text.as_str()));
        self.left -= usize::from(always.is_some());
        let fault = always.map(|(_, fault)| *fault).or(fails.then_some(FAULTS[index]));
        self.log.push(fault.map_or_else(|| line.to_owned(), |fault| format!("{line} {fault:?}")));
        fault
    }
}

impl FaultProxy {
    /// A proxy to a plain HTTP server; of a hundred requests, `percent` fail.
    pub fn start(endpoint: &str, seed: u64, percent: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = endpoint.trim_start_matches("http://").to_owned();
        let plan =
            Mutex::new(Plan { state: seed, percent, always: None, left: 0, log: Vec::new() });
        let (first, stop) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { upstream, plan, first, stop });
        let accepts = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepts.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, accepts.clone()) else { continue };
                // A client may disconnect at any time.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { address, shared }
    }

    /// For `--endpoint-url`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests and their faults.
    pub fn log(&self) -> Vec<String> {
        self.shared.plan.lock().unwrap().log.clone()
    }

    /// From now on every request whose first line has this text fails like this.
    pub fn always(&self, text: &str, fault: Fault) {
        self.times(usize::MAX, text, fault);
    }

    /// The next requests whose first line has this text fail like this.
    pub fn times(&self, left: usize, text: &str, fault: Fault) {
        let mut plan = self.shared.plan.lock().unwrap();
        (plan.always, plan.left) = (Some((text.to_owned(), fault)), left);
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        let mut plan = self.shared.plan.lock().unwrap();
        (plan.percent, plan.always) = (0, None);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

/// One request for each connection.
fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    let decide = |head: &str| shared.plan.lock().unwrap().next(head);
    let Some(Request { head, body, fault }) = read_request(&mut client, decide)? else {
        return Ok(());
    };
    let answer = match fault {
        Some(Fault::Drop | Fault::ResetRequest) => return Ok(()),
        Some(Fault::Hang) => {
            // Ends when the client closes the connection, or after the limit of a read.
            let _ = client.read(&mut [0]);
            return Ok(());
        }
        Some(Fault::Elsewhere) => {
            let status = "307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/my-oidc";
            response(status, "application/xml", &error("TemporaryRedirect"))
        }
        Some(Fault::Skewed) => {
            response("403 Forbidden", "application/xml", &error("RequestTimeTooSkewed"))
        }
        Some(Fault::Expired) => {
            response("400 Bad Request", "application/xml", &error("ExpiredToken"))
        }
        Some(Fault::Busy(status)) => {
            response(&format!("{status} Busy"), "application/xml", &error("SlowDown"))
        }
        Some(Fault::BadPage) => response("400 Bad Request", "text/html", PAGE),
        Some(Fault::Page) => response("200 OK", "text/html", PAGE),
        Some(Fault::Empty) => response("200 OK", "text/plain", ""),
        Some(Fault::Lie) => response("200 OK\r\netag: \"0123456789abcdef\"", "text/plain", ""),
        Some(Fault::Nowhere) => response("301 Moved Permanently", "text/plain", ""),
        fault => {
            let answer = forward(&shared.upstream, &head, &body)?;
            let line = head.lines().next().unwrap_or_default();
            match (line.starts_with("GET "), fault) {
                (false, _) => changed(answer, fault),
                (true, fault) => {
                    let mut first = shared.first.lock().unwrap();
                    let stale = first.entry(line.to_owned()).or_insert_with(|| answer.clone());
                    match fault {
                        Some(Fault::Stale) => stale.clone(),
                        fault => changed(answer, fault),
                    }
                }
            }
        }
    };
    match fault {
        Some(Fault::Unanswered) => return Ok(()),
        Some(Fault::Delay(millis)) => thread::sleep(Duration::from_millis(millis)),
        _ => {}
    }
    client.write_all(&answer)
}

fn error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>This is said on purpose.</Message></Error>")
}

const PAGE: &str = "<!DOCTYPE html><html><body>It works!</body></html>";

fn response(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: \
         close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A request, and what happens to it.
struct Request {
    head: String,
    body: Vec<u8>,
    fault: Option<Fault>,
}

/// Reads a request; `None` if the connection was closed before one. A request that is cut off is not
/// read further.
fn read_request(
    client: &mut TcpStream,
    decide: impl FnOnce(&str) -> Option<Fault>,
) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = end_of_head(&bytes) else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = header(&head, "content-length").and_then(|value| value.parse().ok());
        let length: usize = length.unwrap_or(0);
        let fault = decide(&head);
        if fault == Some(Fault::ResetRequest) {
            return Ok(Some(Request { head, body: Vec::new(), fault }));
        }
        if header(&head, "expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = bytes[end..].to_vec();
        while body.len() < length {
            let read = client.read(&mut buffer)?;
            if read == 0 {
                return Ok(None);
            }
            body.extend_from_slice(&buffer[..read]);
        }
        return Ok(Some(Request { head, body, fault }));
    }
}

/// The answer of the server, as it is.
fn forward(upstream: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream)?;
    let is_kept = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.is_empty() && !line.starts_with("connection:") && !line.starts_with("expect:")
    };
    let lines: Vec<&str> = head.lines().filter(is_kept).collect();
    server.write_all(format!("{}\r\nconnection: close\r\n\r\n", lines.join("\r\n")).as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

fn changed(answer: Vec<u8>, fault: Option<Fault>) -> Vec<u8> {
    let Some(end) = end_of_head(&answer) else { return answer };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let body = &answer[end..];
    let with = |head: &str, body: &[u8]| [head.as_bytes(), body].concat();
    let without = |name: &str| {
        let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with(name));
        lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect::<String>()
    };
    let shortened = |length: usize| {
        let head = format!("{}content-length: {length}\r\n\r\n", without("content-length:"));
        with(&head, &body[..length])
    };
    match fault {
        Some(Fault::Reset) => answer[..end + body.len() / 2].to_vec(),
        Some(Fault::Cut) if body.len() > 1 => shortened(body.len() / 2),
        Some(Fault::Blank) => shortened(0),
        Some(Fault::NoEtag) => with(&format!("{}\r\n", without("etag:")), body),
        Some(Fault::NoChecksum) => {
            with(&format!("{}\r\n", without("x-amz-checksum-sha256:")), body)
        }
        Some(Fault::WrongEtag) => {
            with(&format!("{}etag: \"0123456789abcdef\"\r\n\r\n", without("etag:")), body)
        }
        _ => answer,
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

//! What was observed of an issuer, as plain values.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use issuer_trust::CertificateFault;

/// The time limit for a response, body included; AWS STS does not wait longer for the discovery
/// document.
pub const TIME_LIMIT_SECS: u64 = 5;

/// Everything that was fetched of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The issuer URL that was requested; `None` for a folder, where only the document has it.
    pub issuer: Option<String>,
    /// From where the issuer was read.
    pub vantage: Vantage,
    /// `<issuer>/.well-known/openid-configuration`.
    pub discovery: Fetched,
    /// The JWK Set: from the document's `jwks_uri` or, if there is no document with one, from
    /// `<issuer>/keys.json`. `None` if nothing was requested.
    pub keys: Option<Fetched>,
    /// The same, requested at the same time over another connection, to see whether all servers
    /// return the same.
    pub keys_again: Option<Fetched>,
}

/// From where the issuer was read. STS reads from the internet; elsewhere the result may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vantage {
    /// Over the network, from this machine.
    Network {
        /// Whether the discovery document was requested through a proxy.
        proxy: bool,
        /// Whether root certificates were trusted that the system does not trust.
        extra_roots: bool,
    },
    /// From a folder that is not served yet.
    Folder(PathBuf),
}

/// One document: its location, and the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// URL or path.
    pub location: String,
    /// The response, or why there is none.
    pub outcome: Result<Answer, Unreached>,
    /// The proxy that it was requested through, and the variable that names it.
    pub proxy: Option<String>,
}

/// An HTTP response, or a file as a response with status 200.
///
/// Its `Debug` has the body's length alone: a private key may have been uploaded by mistake.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case; what is not UTF-8 in a value is replaced.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`issuer_jwks::MAX_INPUT_BYTES`], or what was received of it.
    pub body: Vec<u8>,
    /// Why the body is not complete.
    pub body_fault: Option<BodyFault>,
    /// The address that responded: the server's, or that of a proxy.
    pub address: Option<IpAddr>,
}

/// Why a body is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFault {
    /// The connection was closed before the announced end.
    Truncated,
    /// It was not complete within [`TIME_LIMIT_SECS`].
    TimedOut,
    /// It is larger than [`issuer_jwks::MAX_INPUT_BYTES`].
    TooLarge,
}

/// Why there is no response at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreached {
    /// The host's name does not resolve.
    NameNotFound,
    /// The connection was refused.
    Refused,
    /// There is no route to the host.
    Unroutable,
    /// No connection within [`TIME_LIMIT_SECS`].
    ConnectTimedOut,
    /// Connected, but no response within [`TIME_LIMIT_SECS`].
    AnswerTimedOut,
    /// The connection was closed without a response.
    Closed,
    /// The server does not speak TLS; most probably it serves plain HTTP.
    NotTls,
    /// No TLS version or cipher suite in common, or the server aborted the handshake.
    Handshake(String),
    /// The server's certificate was not accepted.
    Certificate(CertificateFault),
    /// The response is not valid HTTP.
    NotHttp(String),
    /// The proxy; nothing is known of the host.
    Proxy(ProxyFault),
    /// A file of a folder.
    File(FileFault),
    /// Anything else, as the library reports it.
    Other(String),
}

/// Why a file of a folder cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFault {
    /// It does not exist.
    Missing,
    /// It is a symbolic link to something that does not exist.
    DanglingLink,
    /// It is a directory.
    Directory,
    /// It is a pipe, a socket or a device.
    NotAFile,
    /// What should be its folder is a file.
    NotAFolder,
    /// The operating system denies it.
    Denied,
    /// Anything else, as the operating system reports it.
    Other(String),
}

/// What is wrong with a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFault {
    /// The variable of the environment names a proxy that cannot be used; a clause without the
    /// value.
    Setting(String),
    /// It cannot be reached; a clause.
    NotReached(&'static str),
    /// It refused to connect to the host.
    Refused,
    /// It requires credentials, or other ones.
    Credentials,
    /// It closed the connection.
    Closed,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, body, body_fault, address } = self;
        f.debug_struct("Answer")
            .field("status", status)
            .field("headers", headers)
            .field("body", &format_args!("[{} bytes]", body.len()))
            .field("body_fault", body_fault)
            .field("address", address)
            .finish()
    }
}

impl Answer {
    /// The first header of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Fetched {
    /// The complete body of a response with status 200.
    #[must_use]
    pub fn document(&self) -> Option<&[u8]> {
        let answer = self.outcome.as_ref().ok()?;
        (answer.status == 200 && answer.body_fault.is_none()).then_some(answer.body.as_slice())
    }
}

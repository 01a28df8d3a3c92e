//! What was seen of an issuer, as plain values.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// How long an answer may take, body included; AWS STS waits no longer for the discovery document.
pub const TIME_LIMIT_SECS: u64 = 5;

/// Everything that was fetched of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The issuer URL that was asked for; none for a folder, whose document has to say it.
    pub issuer: Option<String>,
    /// From where it was looked.
    pub vantage: Vantage,
    /// `<issuer>/.well-known/openid-configuration`.
    pub discovery: Fetched,
    /// The JWK Set: from the document's `jwks_uri` or, where the document names none that can be
    /// fetched, from `<issuer>/keys.json`. None where nothing was asked for.
    pub keys: Option<Fetched>,
    /// The same once more at the same time, over a connection of its own, to see whether all
    /// servers say the same.
    pub keys_again: Option<Fetched>,
}

/// From where it was looked. STS looks from the internet; who looks from elsewhere may see
/// something else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vantage {
    /// Over the network, from this machine.
    Network {
        /// Whether the environment names a proxy for https.
        proxy: bool,
        /// Whether certificates were trusted that the system does not trust (`--ca-file`).
        extra_roots: bool,
    },
    /// In a folder that is not served yet.
    Folder(PathBuf),
}

/// One document: where it was looked for, and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// URL or path.
    pub location: String,
    /// What came.
    pub outcome: Result<Answer, Unreached>,
}

/// An HTTP answer, or a file as an answer of status 200.
///
/// Its `Debug` has the body's length alone: a private key may have been uploaded by mistake.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case; values that are no UTF-8 in part replaced.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`issuer_jwks::MAX_INPUT_BYTES`], or as much of it as came.
    pub body: Vec<u8>,
    /// Why the body is not whole.
    pub body_fault: Option<BodyFault>,
    /// Who answered: the server, or the proxy in between.
    pub address: Option<IpAddr>,
}

/// Why a body is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyFault {
    /// The connection ended before the announced end.
    Truncated,
    /// It had not all come within [`TIME_LIMIT_SECS`].
    TimedOut,
    /// It is larger than [`issuer_jwks::MAX_INPUT_BYTES`].
    TooLarge,
}

/// Why there is no answer at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreached {
    /// The host's name does not resolve.
    NameNotFound,
    /// Nobody listens on the port.
    Refused,
    /// There is no route to the host.
    Unroutable,
    /// No connection within [`TIME_LIMIT_SECS`].
    ConnectTimedOut,
    /// Connected, and no answer within [`TIME_LIMIT_SECS`].
    AnswerTimedOut,
    /// The connection was closed without an answer.
    Closed,
    /// The server does not speak TLS but something else, mostly plain HTTP.
    NotTls,
    /// No TLS version or cipher in common, or the server broke the handshake off.
    Handshake(String),
    /// The server's certificate is not valid for us.
    Certificate(CertificateFault),
    /// What answered does not speak HTTP as it should.
    NotHttp(String),
    /// The file is not there (folder only).
    NoSuchFile,
    /// Anything else, in the words of the library.
    Other(String),
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// Its time is over; seconds since 1970 where known.
    Expired {
        /// The end of its validity.
        not_after: Option<u64>,
    },
    /// Its time has not begun; seconds since 1970 where known.
    NotYetValid {
        /// The beginning of its validity.
        not_before: Option<u64>,
    },
    /// It is for other names.
    WrongName {
        /// The names that it is for, as far as known.
        names: Vec<String>,
    },
    /// Nobody who is trusted here signed it.
    Untrusted(Option<Chain>),
    /// Anything else, in the words of the library.
    Other(String),
}

/// What a server sent as its certificate chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The subject of the server's own certificate (RFC 4514).
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// How many certificates came, the server's own included.
    pub length: usize,
    /// Whether the server's own certificate names a place where that of its signer lies, as public
    /// CAs write it.
    pub names_its_signer: bool,
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
    /// The first header of this name, which is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Fetched {
    /// The whole body of an answer with status 200.
    #[must_use]
    pub fn document(&self) -> Option<&[u8]> {
        let answer = self.outcome.as_ref().ok()?;
        (answer.status == 200 && answer.body_fault.is_none()).then_some(answer.body.as_slice())
    }
}

//! PEM blocks as people really have them (RFC 7468, and what Go's `encoding/pem` takes beyond it).

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// One block between `-----BEGIN` and `-----END`.
pub(crate) struct Block<'a> {
    /// What stands after `BEGIN`.
    pub(crate) label: &'a str,
    /// The decoded body, or why there is none.
    pub(crate) body: Result<Vec<u8>, BlockFault>,
}

/// Why a block has no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockFault {
    /// No `-----END` line, or one of another label.
    Truncated,
    /// Something that is not base64.
    NotBase64,
    /// `Proc-Type: 4,ENCRYPTED` (RFC 1421).
    Encrypted,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// All blocks of a text, in order; text around them is ignored.
pub(crate) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let after = &rest[at + BEGIN.len()..];
        let line = &after[..after.find(['\n', '\r']).unwrap_or(after.len())];
        let Some(label_end) = line.find(DASHES) else {
            blocks.push(Block { label: line.trim(), body: Err(BlockFault::Truncated) });
            rest = &after[line.len()..];
            continue;
        };
        let label = &line[..label_end];
        let content = &after[label_end + DASHES.len()..];
        // A block that never ends must not swallow the next one.
        let next = content.find(BEGIN).unwrap_or(content.len());
        let end = content[..next].find(END);
        let ended = end
            .filter(|&at| content[at + END.len()..].strip_prefix(label).is_some_and(|tail| tail.starts_with(DASHES)));
        let (body, used) = match ended {
            Some(at) => (decode(&content[..at]), at + END.len()),
            None => (Err(BlockFault::Truncated), next),
        };
        blocks.push(Block { label, body });
        rest = &content[used..];
    }
    blocks
}

/// One block of 64 columns, with a final newline (RFC 7468 section 3).
pub(crate) fn write(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(Base64::encode_string(der));
    // No growing, which would leave copies of a private key behind.
    let mut pem = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40);
    pem.push_str(&format!("{BEGIN}{label}{DASHES}\n"));
    for start in (0..body.len()).step_by(64) {
        pem.push_str(&body[start..body.len().min(start + 64)]);
        pem.push('\n');
    }
    pem.push_str(&format!("{END}{label}{DASHES}\n"));
    pem
}

fn decode(content: &str) -> Result<Vec<u8>, BlockFault> {
    let (headers, body) = split_headers(content);
    if headers.lines().any(|line| line.trim_start().starts_with("Proc-Type:") && line.contains("ENCRYPTED")) {
        return Err(BlockFault::Encrypted);
    }
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    if body.is_empty() {
        return Err(BlockFault::NotBase64);
    }
    Base64::decode_vec(&body).map_err(|_| BlockFault::NotBase64)
}

/// `Key: value` lines before the first line without a colon (RFC 1421 section 4.4); base64 has no colon.
fn split_headers(content: &str) -> (&str, &str) {
    match content.rfind(':') {
        None => ("", content),
        Some(colon) => {
            let end = content[colon..].find(['\n', '\r']).map_or(content.len(), |at| colon + at);
            content.split_at(end)
        }
    }
}

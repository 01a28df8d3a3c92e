//! What a file is that has no key in a form that is read.

use crate::{Content, Error, KeyFault};

/// What is often given by mistake.
pub(crate) fn recognize(bytes: &[u8], text: &str) -> Error {
    let not = |what| Error::NotAKey { what };
    let start: String = text.chars().take(512).collect::<String>().to_ascii_lowercase();
    let parts = text.split('.').count();
    if let [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] = bytes {
        return not(Content::JavaKeystore);
    }
    if is_compressed(bytes) {
        return not(Content::Archive);
    }
    if let Some(what) = error_answer(text) {
        return Error::ErrorAnswer { what };
    }
    if is_ini(text) {
        return not(Content::Ini);
    }
    if start.starts_with('<') {
        return not(Content::Markup);
    }
    if text.starts_with("eyJ") && (parts == 3 || parts == 5) {
        return not(Content::Token);
    }
    if ["ssh-rsa ", "ssh-ed25519 ", "ssh-dss ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|p| text.starts_with(p))
        || start.contains("begin ssh2 public key")
    {
        return not(Content::OpenSshPublicKey);
    }
    if start.starts_with("putty-user-key-file") {
        return not(Content::PuttyKey);
    }
    if start.starts_with("$ansible_vault") || start.starts_with("age-encryption.org/") {
        return not(Content::Encrypted);
    }
    if start.contains("apiversion:") || start.contains("kind:") {
        return not(Content::KubernetesObject);
    }
    if !text.contains('\n')
        && text.len() < 4096
        && (text.starts_with('/') || text.starts_with("./"))
    {
        return not(Content::Path);
    }
    Error::Unrecognized
}

/// Whether bytes are those of gzip, ZIP, bzip2, xz or Zstandard.
#[must_use]
pub fn is_compressed(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0x1f, 0x8b, ..]
            | [b'P', b'K', 3, 4, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..]
            | [0xfd, b'7', b'z', b'X', b'Z', 0, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
    )
}

/// Whether a text begins with a section, `[name]` on a line of its own, and has `name = value` in
/// the next lines.
pub(crate) fn is_ini(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let section = lines.next().and_then(|line| line.strip_prefix('[')?.strip_suffix(']'));
    let of_name = |c: char| c.is_ascii_alphanumeric() || "-_.: /".contains(c);
    section.is_some_and(|name| !name.is_empty() && name.chars().all(of_name))
        && lines.next().is_some_and(|line| line.contains('=') || line.starts_with('['))
}

/// What a PEM block is that is never a key, by its label.
pub(crate) fn of_label(label: &str) -> Option<KeyFault> {
    let (what, convert) = match label {
        "PGP PUBLIC KEY BLOCK" | "PGP PRIVATE KEY BLOCK" | "PGP MESSAGE" => {
            ("an OpenPGP file", "use the API server's sa.pub")
        }
        "AGE ENCRYPTED FILE" => {
            ("a file that is encrypted with age", "decrypt it first: age --decrypt FILE")
        }
        "PKCS7" | "CMS" => {
            ("a PKCS#7 file", "extract the certificate: openssl pkcs7 -print_certs -in FILE")
        }
        _ => return None,
    };
    Some(KeyFault::Container { what, convert })
}

/// The answer or output of something that failed; only the message of an API server, which is for
/// people, is repeated.
pub(crate) fn error_answer(text: &str) -> Option<String> {
    let text = text.trim_start();
    if text.starts_with('<') {
        let (_, rest) = text.split_once("<Code>")?;
        let code = rest.split_once("</Code>")?.0;
        let is_code = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return is_code.then(|| format!("an error answer of a store ({code})"));
    }
    let outputs = [
        "Error from server",
        "error: ",
        "Error: ",
        "Unable to connect to the server",
        "The connection to the server",
        "An error occurred (",
        "aws: error",
        "Unable to locate credentials",
        "curl: (",
    ];
    let output = text.lines().take(3).any(|line| outputs.iter().any(|out| line.starts_with(out)));
    output.then(|| "the error message of a command".to_owned())
}

/// The message of a Kubernetes `Status` (apimachinery `meta/v1`).
pub(crate) fn status(message: &str) -> String {
    const LONGEST: usize = 300;
    let message: String = message.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    format!("an error answer of an API server: {message}")
}

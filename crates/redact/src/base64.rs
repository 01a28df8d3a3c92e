//! Base64 (RFC 4648) of what is registered.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The forms of a text, and of the text with the line break that `echo` appends.
pub(crate) fn forms_of_text(text: &str) -> Vec<String> {
    [forms(text.as_bytes()), forms(format!("{text}\n").as_bytes())].concat()
}

/// Both alphabets, with and without padding.
pub(crate) fn forms(bytes: &[u8]) -> [String; 4] {
    let (standard, url_safe) = (encode(bytes, STANDARD), encode(bytes, URL_SAFE));
    let padding = "=".repeat((3 - bytes.len() % 3) % 3);
    [format!("{standard}{padding}"), format!("{url_safe}{padding}"), standard, url_safe]
}

fn encode(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| {
            bits << 8 | usize::from(three.get(at).copied().unwrap_or_default())
        });
        let chars = [18, 12, 6, 0].map(|shift| char::from(alphabet[bits >> shift & 63]));
        out.extend(&chars[..=three.len()]);
    }
    out
}

//! Private keys in base64 without the lines of PEM around them.

use std::ops::Range;

/// A shorter run has no private key in it: that of Ed25519, the smallest, has 64 characters.
const SHORTEST: usize = 60;

/// A line of base64. Shorter words after a key are words of the message, unless the key ends there.
const LINE: usize = 40;

/// A character of base64 and where it is in the text.
struct Symbol {
    start: usize,
    end: usize,
    bits: u8,
}

/// Where the private keys are: DER (PKCS#1, PKCS#8 or SEC1) in either alphabet of base64.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let run = run(bytes, at);
        let Some(last) = run.last() else {
            at += 1;
            continue;
        };
        at = last.end;
        // A certificate request has a version in it as well, behind a second SEQUENCE.
        if run.len() < SHORTEST || element(&run).is_some_and(|(_, content)| content[0] == 0x30) {
            continue;
        }
        // An option or a path can be before the key: `-kMIIE`.
        let key = (0..=run.len() - SHORTEST)
            .find_map(|skip| Some((skip, private_key_chars(&run[skip..])?)));
        if let Some((skip, whole)) = key {
            at = end_of(bytes, at, run.len() - skip, whole);
            found.push(run[skip].start..at);
        }
    }
    found
}

fn run(bytes: &[u8], mut at: usize) -> Vec<Symbol> {
    let mut run = Vec::new();
    while let Some((bits, length)) = symbol(&bytes[at..]) {
        run.push(Symbol { start: at, end: at + length, bits });
        at += length;
    }
    run
}

fn symbol(bytes: &[u8]) -> Option<(u8, usize)> {
    Some(match bytes {
        [byte @ b'A'..=b'Z', ..] => (byte - b'A', 1),
        [byte @ b'a'..=b'z', ..] => (byte - b'a' + 26, 1),
        [byte @ b'0'..=b'9', ..] => (byte - b'0' + 52, 1),
        [b'+' | b'-', ..] => (62, 1),
        [b'/' | b'_', ..] => (63, 1),
        // In a URL, and in JSON.
        [b'%', b'2', b'B' | b'b', ..] => (62, 3),
        [b'%', b'2', b'F' | b'f', ..] => (63, 3),
        [b'\\', b'/', ..] => (63, 2),
        _ => return None,
    })
}

/// The length of a SEQUENCE, and the first 4 bytes of its content.
fn element(run: &[Symbol]) -> Option<(usize, [u8; 4])> {
    let mut head = [0; 9];
    for (three, four) in head.chunks_exact_mut(3).zip(run.chunks_exact(4)) {
        let bits = four.iter().fold(0, |bits, symbol| bits << 6 | u32::from(symbol.bits));
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    let (length, content) = match head {
        [0x30, length @ ..=0x7f, ..] => (usize::from(length), 2),
        [0x30, 0x81, length, ..] => (usize::from(length), 3),
        [0x30, 0x82, high, low, ..] => (usize::from(high) << 8 | usize::from(low), 4),
        [0x30, 0x83, 0, high, low, ..] => (usize::from(high) << 8 | usize::from(low), 5),
        _ => return None,
    };
    Some((content + length, head[content..content + 4].try_into().ok()?))
}

/// How many characters the private key has that begins here. A public key and a certificate begin
/// with a second SEQUENCE, and the modulus of an RSA key is a longer INTEGER.
fn private_key_chars(run: &[Symbol]) -> Option<usize> {
    let (length, content) = element(run)?;
    // The version, and the modulus (PKCS#1), the algorithm (PKCS#8) or the scalar (SEC1).
    matches!(content, [0x02, 0x01, 0 | 1, 0x02 | 0x30 | 0x04]).then(|| (length * 4).div_ceil(3))
}

/// Where a key ends whose first line ends at `at`: the lines after it belong to it.
fn end_of(bytes: &[u8], mut at: usize, mut known: usize, whole: usize) -> usize {
    while known < whole {
        let next = at + line_break(&bytes[at..]);
        let line = run(bytes, next);
        let Some(last) = line.last() else { break };
        let ends_it = known + line.len() == whole;
        if next == at || (line.len() < LINE && !ends_it) {
            break;
        }
        (at, known) = (last.end, known + line.len());
    }
    for _ in 0..2 {
        at += match &bytes[at..] {
            [b'=', ..] => 1,
            [b'%', b'3', b'D' | b'd', ..] => 3,
            _ => 0,
        };
    }
    at
}

/// The length of the white space here, also as it is written in JSON.
fn line_break(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += match &bytes[at..] {
            [b'\\', b'n' | b'r', ..] => 2,
            [byte, ..] if byte.is_ascii_whitespace() => 1,
            _ => return at,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::base64::forms;
    use crate::{is_secret, redact};

    /// A DER element.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut out = vec![tag];
        match length {
            0..0x80 => out.push(length as u8),
            0x80..0x100 => out.extend([0x81, length as u8]),
            _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        out.extend(content);
        out
    }

    fn key(version: u8, tag: u8, rest: &[u8]) -> Vec<u8> {
        der(0x30, &[vec![2, 1, version], der(tag, rest)].concat())
    }

    #[test]
    fn a_private_key_without_pem_is_recognized_in_each_format() {
        for key in [
            "MIIEogIBAAKCAQEA33ZHp0hCMn/d8twu7RqN2V5wPSDDvBmLyy60cfty5+Ul8i+OzZbA/ND2UkJZXOJG",
            "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDUiOnmbwwOjbdHvP3muTEjxLRm9gaV",
            "MHcCAQEEIAS6pr9s3S8Alp3DzOxDGmsUIN26OodOajxjyfb6QT3FoAoGCCqGSM49AwEHoUQDQgAEKdRpkDaW==",
            "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghQfDUD3r5JGuUN0V7cm5nkVxOjOJmqLXPVGa",
            "MIGkAgEBBDCIXC1zTiD0MQUR6723c1P0VxH6-dMmfLjlBb7yCVrkVB2LmxcNbFzn45lVyOyVd4KgBwYFK4EE",
            "MC4CAQAwBQYDK2VwBCIEIMPHOvOsBogW0YrrHn_-E5VuncozLOr-1jHOebYVkr2J",
            "MC4CAQAwBQYDK2VwBCIEIMPHOvOsBogW0YrrHn%2F%2bE5VuncozLOr%2B1jHOebYVkr2J",
        ] {
            for argument in [key.to_owned(), format!("--key={key}"), format!("-k{key}")] {
                assert!(is_secret(&argument), "{argument}");
            }
            assert_eq!(redact(&format!("no file '{key}' here")), "no file '[redacted]' here");
        }
    }

    #[test]
    fn public_keys_certificates_and_names_are_not_taken_for_private_keys() {
        let thumbprints = "zDfnUpPbHHMbBGsDCzvTyNJpSRsbnHGqrHFUGdGzLJE.".repeat(3);
        for text in [
            // SPKI of Ed25519, PKCS#1 of a public RSA key, a request with a P-256 key.
            "MCowBQYDK2VwAyEATi6gLxyq5zNXT+FBBdw6S1773+LwFbksRVVq3/l9bN0=",
            "MIIBCgKCAQEA1MwYfTKbTFtJlwTLsyRapO7oDUOULdGlZz1HsupoSJ2w+u9iu3tODWplDjBPJC0PD0kUWizE",
            "MIHwMIGXAgEAMDUxCzAJBgNVBAYTAlVTMRAwDgYDVQQKDAdleGFtcGxlMRQwEgYDVQQDDAtleGFtcGxl",
            &thumbprints,
            "a-long/path/to/a/file/in/a/bucket/that/has/more/than/sixty/characters/My.pub",
        ] {
            assert!(!is_secret(text), "{text}");
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn the_lines_after_the_first_line_of_a_private_key_are_not_shown() {
        let [base64, ..] = forms(&key(0, 0x30, &[0xa5; 128]));
        let lines: Vec<String> =
            base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into()).collect();
        for line_break in ["\n", "\r\n  ", "\\n"] {
            let text = format!("not {} a file", lines.join(line_break));
            assert_eq!(redact(&text), "not [redacted] a file");
        }
        assert_eq!(redact(&format!("{} is not a file", lines[0])), "[redacted] is not a file");
    }

    proptest! {
        // Each case searches long texts, which is slow without optimization.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_private_key_is_recognized_and_no_public_one_is(
            rest in proptest::collection::vec(any::<u8>(), 60..400),
            version in 0_u8..=1,
            tag in prop::sample::select(vec![0x02, 0x30, 0x04]),
        ) {
            for form in forms(&key(version, tag, &rest)) {
                prop_assert!(is_secret(&form), "{}", form);
                prop_assert_eq!(redact(&format!("a {form} b")), "a [redacted] b");
            }
            let algorithm = der(0x30, &[6, 3, 0x2b, 0x65, 0x70]);
            let public = der(0x30, &[algorithm, der(3, &rest)].concat());
            // Also the modulus in a JWK, which is base64 of random bytes.
            for form in forms(&public).into_iter().chain(forms(&rest)) {
                prop_assert!(!is_secret(&form) || form.contains("eyJ"), "{}", form);
            }
        }
    }
}

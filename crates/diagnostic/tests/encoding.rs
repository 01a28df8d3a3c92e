//! Text in the encodings and with the characters that Windows, editors and web pages produce.

use issuer_diagnostic::{Encoding, EncodingFault, Unexpected, deceptive_in, decode, stray_in_json};
use proptest::prelude::*;

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn utf16_is_read_in_both_byte_orders_with_and_without_a_mark() {
    let text = "{\"keys\": []}\r\n";
    for marked in ["", "\u{feff}"] {
        let text16 = format!("{marked}{text}");
        for bytes in [utf16(&text16, u16::to_le_bytes), utf16(&text16, u16::to_be_bytes)] {
            let decoded = decode(&bytes).expect("UTF-16");
            assert_eq!((decoded.text.as_ref(), decoded.encoding), (text, Encoding::Utf16));
        }
    }
    let marked = format!("\u{feff}{text}");
    let decoded = decode(marked.as_bytes()).expect("UTF-8");
    assert_eq!((decoded.text.as_ref(), decoded.encoding), (text, Encoding::Utf8));
}

#[test]
fn utf32_is_read_in_both_byte_orders_if_it_has_a_mark() {
    let text = "{\"keys\": [\u{1f511}]}\r\n";
    let units: [fn(u32) -> [u8; 4]; 2] = [u32::to_le_bytes, u32::to_be_bytes];
    for unit in units {
        let utf32 = |text: &str| text.chars().map(u32::from).flat_map(unit).collect::<Vec<u8>>();
        let bytes = utf32(&format!("\u{feff}{text}"));
        let decoded = decode(&bytes).expect("UTF-32");
        assert_eq!((decoded.text.as_ref(), decoded.encoding), (text, Encoding::Utf32));
        let damaged = EncodingFault::DamagedUtf32 { line: 2 };
        assert_eq!(
            decode(&bytes[..bytes.len() - 1]).unwrap_err(),
            EncodingFault::DamagedUtf32 { line: 1 }
        );
        let surrogate = [bytes, unit(0xd800).to_vec()].concat();
        assert_eq!(decode(&surrogate).unwrap_err(), damaged);
    }
}

#[test]
fn what_is_not_text_is_named_without_repeating_it() {
    let latin1 = decode(b"ab\nc\xe9").unwrap_err();
    assert_eq!(latin1, EncodingFault::NotUtf8 { line: 2, column: 2 });
    let half = [&[0xff, 0xfe][..], &utf16("a\nb", u16::to_le_bytes), &[0x00, 0xd8]].concat();
    assert_eq!(decode(&half).unwrap_err(), EncodingFault::DamagedUtf16 { line: 2 });
}

#[test]
fn zeros_alone_do_not_make_utf16() {
    let padded = decode(b"eyJhbGciOiJSUzI1NiJ9\0\0").expect("UTF-8");
    assert_eq!(padded.encoding, Encoding::Utf8);
}

#[test]
fn json_faults_are_named_with_their_position() {
    let cases = [
        ("{\"a\": 1, // why\n\"b\": 2}", "a comment (//) at line 1, column 10"),
        ("{\n/* why */ \"a\": 1}", "a comment (/*) at line 2, column 1"),
        ("{\n# why\n}", "a comment (#) at line 2, column 1"),
        (
            "{\"a\": 1,\u{2028}\"b\": 2}",
            "the character U+2028 (line separator) at line 1, column 9",
        ),
        ("{\n\u{a0}\"a\": 1}", "the character U+00A0 (no-break space) at line 2, column 1"),
        (
            "{\u{201c}a\": 1}",
            "the character U+201C (typographic quotation mark) at line 1, column 2",
        ),
        (
            "{\"a\u{201d}: 1,\n\"b\": 2}",
            "the character U+201D (typographic quotation mark) at line 1, column 4",
        ),
        ("{'a': 1}", "the character U+0027 (apostrophe) at line 1, column 2"),
        ("{\"a\": [1,\n]}", "a trailing comma at line 1, column 9"),
        ("{\"a\": \"b\nc\"}", "a line break within a string at line 1, column 9"),
        ("{\"a\": \"b\u{1}\"}", "the character U+0001 (control character) at line 1, column 9"),
    ];
    for (text, said) in cases {
        let stray = stray_in_json(text).map(|stray| stray.to_string());
        assert_eq!(stray.as_deref(), Some(said), "{text:?}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text:?}");
    }
}

#[test]
fn deceptive_characters_are_found_wherever_they_are() {
    let found: Vec<_> = deceptive_in("sub: \u{200b}a\nb:\u{a0}c").collect();
    let at: Vec<_> = found.iter().map(|stray| (stray.what, stray.line, stray.column)).collect();
    let character = Unexpected::Character;
    assert_eq!(at, [(character('\u{200b}'), 1, 6), (character('\u{a0}'), 2, 3)]);
}

proptest! {
    /// Explaining an error of valid JSON would be wrong.
    #[test]
    fn nothing_is_stray_in_valid_json(text in ".*", number in any::<i32>()) {
        let json = serde_json::json!({ text.clone(): [text, number, null, {}] });
        prop_assert_eq!(stray_in_json(&json.to_string()), None);
        prop_assert_eq!(stray_in_json(&format!("{json:#}")), None);
    }

    #[test]
    fn any_text_survives_any_encoding(text in "[^\u{0}\u{feff}].*") {
        prop_assume!(!text.contains('\0'));
        for encoded in [
            utf16(&format!("\u{feff}{text}"), u16::to_le_bytes),
            utf16(&format!("\u{feff}{text}"), u16::to_be_bytes),
            text.clone().into_bytes(),
        ] {
            let decoded = decode(&encoded).unwrap();
            prop_assert_eq!(decoded.text.as_ref(), text.as_str());
        }
    }

    #[test]
    fn no_bytes_and_no_text_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let _ = decode(&bytes);
        let _ = stray_in_json(&text);
    }
}

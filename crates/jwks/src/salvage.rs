//! The keys of a damaged document, for a document that replaces it.

mod members;
mod tree;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use issuer_diagnostic::{deceptive, decode};
use serde_json::{Map, Value, json};

use self::members::looks_like_a_key;
use self::tree::Tree;

use crate::{Curve, Error, Jwk, JwkSet, KeyId, Note, PRIVATE_MEMBERS, WeakKeys, read};

/// What a damaged document still holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Salvage {
    /// The keys that can be read, each under one kid.
    pub set: JwkSet,
    /// What else looks like a key, in the order of the document.
    pub lost: Vec<LostKey>,
    /// The kids of the keys in [`Salvage::set`] whose private part is in the document, too.
    pub exposed: Vec<KeyId>,
}

/// A key that is not in [`Salvage::set`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostKey {
    /// Its kid, if it has one that is a string.
    pub kid: Option<String>,
    /// Why.
    pub reason: String,
}

/// Finds every JWK in `bytes`, at any depth and also in text that is not JSON at all; if there is
/// none, the keys that [`read()`] finds. Only the members that make up a public key are used, so
/// that a wrong `use` or `alg`, or a private member, does not cost the key; without a valid kid, it
/// gets the one that kube-apiserver uses.
#[must_use]
pub fn salvage(bytes: &[u8], weak: WeakKeys) -> Salvage {
    let text = decode(bytes).map_or_else(
        |_| String::from_utf8_lossy(bytes).into_owned(),
        |text| text.text.into_owned(),
    );
    let mut objects = objects(&text);
    if objects.is_empty() {
        objects = inner(&text).map(|inner| self::objects(&inner)).unwrap_or_default();
    }
    if objects.is_empty() {
        let blocks = || read(blocks(&text).as_bytes(), weak);
        let Ok(reading) = read(bytes, weak).or_else(|_| blocks()) else {
            return Salvage::default();
        };
        let private =
            |note: &Note| matches!(note, Note::PrivateKey { .. } | Note::PrivateKeyWithin { .. });
        // Which of several blocks is private is not known here; then all of them are suspect.
        let exposed = match reading.notes.iter().any(private) {
            true => reading.set.keys().iter().map(|jwk| jwk.kid.clone()).collect(),
            false => Vec::new(),
        };
        return Salvage { set: reading.set, lost: Vec::new(), exposed };
    }
    let mut found: Vec<Jwk> = Vec::new();
    let (mut lost, mut private) = (Vec::new(), Vec::new());
    for object in objects {
        let kid = object.get("kid").and_then(Value::as_str).map(str::to_owned);
        match key(&object, weak) {
            Ok(jwk) => {
                if PRIVATE_MEMBERS.iter().any(|name| object.contains_key(*name)) {
                    private.push(jwk.key.clone());
                }
                found.push(jwk);
            }
            Err(error) => lost.push(LostKey { kid, reason: reason(&error) }),
        }
    }
    let mut salvage = Salvage { set: JwkSet::default(), lost, exposed: Vec::new() };
    for jwk in &found {
        salvage.keep(jwk, &found);
    }
    let is_exposed = |jwk: &&Jwk| private.contains(&jwk.key);
    salvage.exposed =
        salvage.set.keys().iter().filter(is_exposed).map(|jwk| jwk.kid.clone()).collect();
    salvage
}

impl Salvage {
    /// Of several keys under one kid, the one that the kid is the hash of is right; otherwise the
    /// last, which AWS STS uses. The others get the kid that kube-apiserver uses.
    fn keep(&mut self, jwk: &Jwk, all: &[Jwk]) {
        let mut rivals = all.iter().filter(|other| other.kid == jwk.kid);
        let right = rivals.clone().find(|other| other.key.kid() == jwk.kid);
        let right = right.or_else(|| rivals.next_back());
        let jwk = match right.is_some_and(|right| right.key != jwk.key) {
            true => Jwk { kid: jwk.key.kid(), key: jwk.key.clone() },
            false => jwk.clone(),
        };
        match self.set.union(&JwkSet::single(jwk.clone())) {
            Ok(set) => self.set = set,
            Err(error) => self.lost.push(LostKey {
                kid: Some(jwk.kid.as_str().to_owned()),
                reason: error.to_string(),
            }),
        }
    }
}

/// The PEM blocks of a text, without the indentation that they have in YAML.
fn blocks(text: &str) -> String {
    let mut blocks = String::new();
    let mut within = false;
    for line in text.lines().map(str::trim) {
        within |= line.starts_with("-----BEGIN ");
        if within {
            blocks.extend([line, "\n"]);
        }
        within &= !line.starts_with("-----END ");
    }
    blocks
}

/// Every JWK in JSON, the outermost ones first, then those in the rest of the text.
fn objects(text: &str) -> Vec<Map<String, Value>> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut at = 0;
    let mut seen = 0;
    while let Some(next) = text[at..].find('{') {
        at += next;
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Tree>();
        match values.next() {
            Some(Ok(value)) => {
                collect(value, &mut found);
                // The place of an object is still the end of what precedes it.
                rest.push_str(&text[seen..at]);
                rest.push_str("{}");
                at += values.byte_offset();
                seen = at;
            }
            _ => at += 1,
        }
    }
    rest.push_str(&text[seen..]);
    found.extend(members::groups(&rest));
    found.extend(encoded(&rest));
    found
}

/// Every JWK in JSON that a part of the text encodes in base64, such as the `binaryData` of a ConfigMap
/// or the `data` of a Secret, also in several lines.
fn encoded(text: &str) -> Vec<Map<String, Value>> {
    // `{"`, `{` and a line break, `{` and a space.
    const STARTS: [&str; 4] = ["eyJ", "ewo", "ew0K", "eyA"];
    let of_base64 = |c: char| c.is_ascii_alphanumeric() || "-_+/".contains(c);
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let word = &text[at..];
        let mut length = word.find(|c| !of_base64(c)).unwrap_or(word.len());
        if !STARTS.iter().any(|start| word.starts_with(start)) {
            let next = word[length..].find(of_base64);
            at = next.map_or(text.len(), |next| at + length + next);
            continue;
        }
        // The lines of a block scalar. What follows the value may be taken for a part of it, which does
        // not matter behind the end of the JSON.
        while word[length..].starts_with(['\n', '\r']) {
            let line = word[length..].trim_start_matches(['\n', '\r', ' ']);
            let next = line.find(|c| !of_base64(c)).unwrap_or(line.len());
            if next == 0 {
                break;
            }
            length = word.len() - line.len() + next;
        }
        let digits = url_alphabet(&word[..length]);
        let whole = digits.len() - usize::from(digits.len() % 4 == 1);
        let bytes = digits.get(..whole).map(Base64UrlUnpadded::decode_vec);
        // Padding that is not zero, of what was taken for a part of it.
        let bytes = bytes.and_then(|bytes| match bytes {
            Ok(bytes) => Some(bytes),
            Err(_) => Base64UrlUnpadded::decode_vec(digits.get(..digits.len() / 4 * 4)?).ok(),
        });
        let inner = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if let Some(inner) = inner.filter(|inner| inner.contains("\"kty\"")) {
            found.extend(objects(&inner));
        }
        at += length;
    }
    found
}

fn collect(value: Tree, into: &mut Vec<Map<String, Value>>) {
    match value {
        Tree::Object(members) => {
            let object: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), value.text())).collect();
            let is_jwk = object.contains_key("kty");
            if is_jwk || looks_like_a_key(&object) {
                into.push(object);
            }
            if !is_jwk {
                members.into_iter().for_each(|(_, value)| collect(value, into));
            }
        }
        Tree::Array(items) => items.into_iter().for_each(|value| collect(value, into)),
        // JSON that was encoded twice.
        Tree::Text(text) if text.contains('{') => into.extend(objects(&text)),
        Tree::Text(_) | Tree::Other => {}
    }
}

/// What a text encodes: base64, or a JSON string.
fn inner(text: &str) -> Option<String> {
    if let Ok(inner) = serde_json::from_str::<String>(text) {
        return Some(inner);
    }
    let bytes = Base64UrlUnpadded::decode_vec(&url_alphabet(text)).ok()?;
    String::from_utf8(bytes).ok()
}

/// The public key of an entry.
fn key(object: &Map<String, Value>, weak: WeakKeys) -> Result<Jwk, Error> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let mut public = Map::new();
    let kty = match text("kty") {
        None if text("n").is_some() => "RSA".to_owned(),
        None if text("x").is_some() => "EC".to_owned(),
        kty => kty.unwrap_or_default().to_ascii_uppercase(),
    };
    public.insert("kty".into(), json!(kty));
    for name in ["n", "e", "x", "y"] {
        if let Some(value) = text(name) {
            public.insert(name.into(), json!(url_alphabet(value)));
        }
    }
    let width = |name: &str| {
        let value = public.get(name).and_then(Value::as_str)?;
        Base64UrlUnpadded::decode_vec(value).ok().map(|bytes| bytes.len())
    };
    let of_width = |curve: &Curve| width("x") == Some(curve.width()) && width("y") == width("x");
    let curve = [Curve::P256, Curve::P384, Curve::P521].into_iter().find(of_width);
    if let Some(curve) = curve.map(Curve::as_str).or(text("crv")) {
        public.insert("crv".into(), json!(curve));
    }
    let kid = object.get("kid").filter(|kid| kid.is_string());
    public.insert("kid".into(), kid.cloned().unwrap_or_else(|| json!("none")));
    let document = json!({"keys": [public]}).to_string();
    let mut jwk = match JwkSet::entries(document.as_bytes(), weak)?.pop() {
        Some(entry) => entry.jwk?,
        None => return Err(Error::EmptySet),
    };
    if kid.is_none() {
        jwk.kid = jwk.key.kid();
    }
    Ok(jwk)
}

/// Standard base64 as base64url without padding and without what no base64 has.
fn url_alphabet(text: &str) -> String {
    let kept = text.chars().filter(|c| is_dash(*c) || !(is_filler(*c) || *c == '='));
    kept.map(|c| match c {
        '+' => '-',
        '/' => '_',
        c if is_dash(c) => '-',
        c => c,
    })
    .collect()
}

/// White space, and what editors and web pages put between letters.
fn is_filler(c: char) -> bool {
    c.is_whitespace() || deceptive(c).is_some()
}

/// A dash in the place of a hyphen.
fn is_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')
}

impl LostKey {
    /// A key that is not kept.
    #[must_use]
    pub fn new(kid: Option<String>, reason: String) -> Self {
        Self { kid, reason }
    }
}

/// What is wrong with an entry, without its number and kid.
#[must_use]
pub fn reason(error: &Error) -> String {
    match error {
        Error::Entry { fault, .. } => fault.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOLDEN: &str = include_str!("../../../fixtures/golden/cases/multi-all-six/jwks.json");

    fn set() -> JwkSet {
        JwkSet::parse(GOLDEN.as_bytes(), WeakKeys::Refuse).unwrap()
    }

    fn with(change: impl Fn(&mut Value)) -> String {
        let mut document: Value = serde_json::from_str(GOLDEN).unwrap();
        document["keys"].as_array_mut().unwrap().iter_mut().for_each(change);
        document.to_string()
    }

    fn pretty() -> String {
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(GOLDEN).unwrap()).unwrap()
    }

    /// The set in YAML, with the value of each long member written by `value`, indented by 4.
    fn yaml_with(value: impl Fn(&str) -> String) -> String {
        let document: Value = serde_json::from_str(GOLDEN).unwrap();
        let mut text = String::from("keys:\n");
        for key in document["keys"].as_array().unwrap() {
            text.push_str("- use: sig\n");
            for (name, member) in key.as_object().unwrap() {
                let member = member.as_str().unwrap();
                let long = matches!(name.as_str(), "n" | "x" | "y");
                let member = if long { value(member) } else { member.to_owned() };
                text.push_str(&format!("  {name}: {member}\n"));
            }
            text.push_str("  alg: X\n");
        }
        text.replacen("  use: sig\n", "", 99)
    }

    fn folded(text: &str, width: usize, indent: &str) -> String {
        let lines = text.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap());
        lines.map(|line| format!("\n{indent}{line}")).collect()
    }

    fn config_map(name: &str, value: &str) -> Vec<u8> {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
        format!("{text}{name}:\n  keys.json: {value}\n  other: text\n").into_bytes()
    }

    fn yaml() -> String {
        let document: Value = serde_json::from_str(GOLDEN).unwrap();
        let mut text = String::from("keys:\n");
        for key in document["keys"].as_array().unwrap() {
            for (number, (name, value)) in key.as_object().unwrap().iter().enumerate() {
                let start = if number == 0 { "- " } else { "  " };
                text.push_str(&format!("{start}{name}: {}\n", value.as_str().unwrap()));
            }
        }
        text
    }

    #[test]
    fn a_key_that_is_cut_off_is_named_and_no_part_of_it_is_a_key() {
        let last = set().keys().last().unwrap().kid.clone();
        let start = GOLDEN.rfind("{\"use\"").unwrap();
        let whole = salvage(GOLDEN.as_bytes(), WeakKeys::Refuse).set;
        for end in start + 1..GOLDEN.len() {
            let found = salvage(&GOLDEN.as_bytes()[..end], WeakKeys::Refuse);
            assert!(found.set.difference(&whole).is_empty(), "{}", &GOLDEN[..end]);
            let named = found.lost.iter().any(|lost| lost.kid.as_deref() == Some(last.as_str()));
            let kid_is_there = GOLDEN[start..end].contains(&format!("\"{}\"", last.as_str()));
            let kept = found.set.keys().len() == 6;
            assert!(kept || named || !kid_is_there, "{}: {found:?}", &GOLDEN[start..end]);
            assert!(found.set.keys().len() >= 5);
        }
    }

    #[test]
    fn whatever_is_around_a_key_the_key_is_found() {
        let bare = serde_json::from_str::<Value>(GOLDEN).unwrap()["keys"].to_string();
        let utf16: Vec<u8> = GOLDEN.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let base64 = base64ct::Base64::encode_string(GOLDEN.as_bytes());
        let marked = format!("<<<<<<< a\n{GOLDEN}\n=======\n{GOLDEN}\n>>>>>>> b\n");
        for bytes in [
            GOLDEN.as_bytes().to_vec(),
            format!("\u{feff}{GOLDEN}").into_bytes(),
            utf16,
            bare.into_bytes(),
            json!(GOLDEN).to_string().into_bytes(),
            base64.into_bytes(),
            marked.into_bytes(),
            format!("{GOLDEN},").into_bytes(),
            GOLDEN.trim_end_matches(['}', ']']).to_owned().into_bytes(),
            json!({"data": {"keys.json": GOLDEN}}).to_string().into_bytes(),
            with(|key| key["use"] = json!("enc")).into_bytes(),
            with(|key| key["alg"] = json!("RS512")).into_bytes(),
            with(|key| key["d"] = json!("AA")).into_bytes(),
            with(|key| key["key_ops"] = json!(["verify"])).into_bytes(),
            with(|key| key["kid"] = json!(7)).into_bytes(),
            with(|key| key["crv"] = json!("prime256v1")).into_bytes(),
            with(|key| drop(key.as_object_mut().unwrap().remove("kty"))).into_bytes(),
            GOLDEN.replace('"', "'").into_bytes(),
            GOLDEN.replace('"', "&quot;").into_bytes(),
            GOLDEN.replace('"', "\\\"").into_bytes(),
            GOLDEN.replace("\":\"", "\u{201d}:\u{201c}").replace('"', "\u{201d}").into_bytes(),
            GOLDEN.replace("\"n\":\"", "\"n\":\"\n").into_bytes(),
            GOLDEN.replace("\"n\":\"", "\"n\":\"\u{200b}").into_bytes(),
            GOLDEN.replace("\"x\":\"", "\"x\":\"\u{feff}").into_bytes(),
            yaml().into_bytes(),
            GOLDEN.replacen("},{", "}],\"keys\":[{", 1).into_bytes(),
            GOLDEN.replacen("},{", "}],\"keys\":[{", 3).into_bytes(),
            with(|key| key["kty"] = json!(key["kty"].as_str().unwrap().to_lowercase()))
                .into_bytes(),
            yaml_with(|value| format!("|{}", folded(value, 64, "    "))).into_bytes(),
            yaml_with(|value| format!(">-{}", folded(value, 40, "      "))).into_bytes(),
            yaml_with(|value| folded(value, 50, "    ").trim_start().to_owned()).into_bytes(),
            config_map(
                "data",
                &format!("|{}", yaml().replace('\n', "\n    ").replacen("keys", "\n    keys", 1)),
            ),
            config_map("data", &format!("|\n    {GOLDEN}")),
            config_map("data", &format!("{GOLDEN:?}")),
            config_map("data", &format!("'{GOLDEN}'")),
            config_map("binaryData", &base64ct::Base64::encode_string(GOLDEN.as_bytes())),
            config_map(
                "binaryData",
                &format!(
                    "|{}",
                    folded(&base64ct::Base64::encode_string(GOLDEN.as_bytes()), 76, "    ")
                ),
            ),
            config_map("data", &base64ct::Base64::encode_string(pretty().as_bytes())),
        ] {
            let found = salvage(&bytes, WeakKeys::Refuse);
            assert!(found.lost.is_empty(), "{found:?}");
            let mut kids: Vec<_> = found.set.keys().to_vec();
            let mut expected = set().keys().to_vec();
            kids.sort_by(|one, other| one.kid.as_str().cmp(other.kid.as_str()));
            expected.sort_by(|one, other| one.kid.as_str().cmp(other.kid.as_str()));
            assert_eq!(kids, expected, "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_value_in_several_lines_that_are_cut_off_is_no_key() {
        let whole = salvage(GOLDEN.as_bytes(), WeakKeys::Allow).set;
        for text in [
            yaml_with(|value| format!("|{}", folded(value, 64, "    "))),
            yaml_with(|value| folded(value, 64, "    ").trim_start().to_owned()),
        ] {
            for end in (1..text.len()).step_by(5) {
                let found = salvage(&text.as_bytes()[..end], WeakKeys::Allow).set;
                assert!(found.difference(&whole).is_empty(), "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn pem_in_a_config_map_is_found_also_beside_other_text() {
        let pem = include_str!("../../../fixtures/golden/encodings/rsa2048.spki.pem");
        let block = format!("|\n    {}", pem.trim().replace('\n', "\n    "));
        assert_eq!(salvage(&config_map("data", &block), WeakKeys::Refuse).set.keys().len(), 1);
    }

    #[test]
    fn a_key_whose_private_part_is_published_is_named() {
        let first = set().keys()[0].kid.clone();
        let document = with(|key| {
            if key["kid"] == json!(first.as_str()) {
                key["d"] = json!("AA");
            }
        });
        assert_eq!(salvage(document.as_bytes(), WeakKeys::Refuse).exposed, [first]);
        let pem = include_bytes!("../../../fixtures/golden/encodings/rsa2048.pkcs8.pem");
        let found = salvage(pem, WeakKeys::Refuse);
        assert_eq!(found.exposed, [found.set.keys()[0].kid.clone()]);
    }

    #[test]
    fn pem_in_the_place_of_the_set_is_read_and_other_text_holds_nothing() {
        let pem = include_bytes!("../../../fixtures/golden/encodings/rsa2048.spki.pem");
        assert_eq!(salvage(pem, WeakKeys::Refuse).set.keys().len(), 1);
        for text in [
            "",
            "<html></html>",
            "open sa.pub: no such file",
            "{}",
            "{\"keys\":[",
            "<style>p { x: 1; y: 2; n: 3; e: 4 }</style>",
            "use: the sa.pub of e: and n=1",
        ] {
            assert_eq!(salvage(text.as_bytes(), WeakKeys::Refuse), Salvage::default(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let mut document: Value = serde_json::from_str(GOLDEN).unwrap();
        document["keys"][1]["kid"] = document["keys"][0]["kid"].clone();
        document["keys"][2] = json!({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "AA"});
        let found = salvage(document.to_string().as_bytes(), WeakKeys::Refuse);
        let kids: Vec<_> = found.lost.iter().filter_map(|lost| lost.kid.as_deref()).collect();
        assert_eq!(kids, ["ed"]);
        // A key that had the kid of another one has its own again.
        let kept = [0, 1, 3, 4, 5].map(|index| set().keys()[index].clone());
        assert_eq!(found.set.keys(), kept);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,ktyRSA x]{0,80}") {
            let _ = salvage(&bytes, WeakKeys::Refuse);
            let _ = salvage(text.as_bytes(), WeakKeys::Refuse);
        }
    }
}

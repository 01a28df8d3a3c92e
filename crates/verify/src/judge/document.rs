//! Checks of the discovery document.

use issuer_discovery::{IssuerUrl, IssuerUrlError, KEYS_NAME, Ports, REQUIRED};
use serde_json::{Map, Value};

use crate::judge::answer::fault;
use crate::judge::subject::Document;
use crate::judge::url::{difference, host, internal};
use crate::judge::{exposed, json};
use crate::text::{kind, quote, show};
use crate::verdict::{Fault, Remedy, replacing};
use crate::{Check, Fetched, Observation, Vantage, sts};

/// What later checks need from the document.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Its `issuer`.
    pub(super) issuer: Option<String>,
    /// `id_token_signing_alg_values_supported`.
    pub(super) algorithms: Option<Vec<String>>,
    /// Whether STS can fetch its `jwks_uri`; the keys are judged only then.
    pub(super) keys_follow: bool,
}

const NAME: &str = "the discovery document";

/// Judges `<issuer>/.well-known/openid-configuration`.
pub(super) fn judge(
    observation: &Observation,
    asked: Option<&str>,
    checks: &mut Vec<Check>,
) -> Judged {
    let object = match read(observation, checks) {
        Ok(object) => object,
        Err(failed) => {
            for id in ["required-members", "issuer-match", "jwks-uri"] {
                checks.push(Check::skip(id, format!("follows from {failed}")));
            }
            return Judged::default();
        }
    };
    checks.push(required_members(&object));
    let issuer = object.get("issuer").and_then(Value::as_str).map(str::to_owned);
    checks.push(issuer_match(issuer.as_deref(), asked));
    let base = asked.or(issuer.as_deref());
    let uri = jwks_uri(&object, base, observation);
    let keys_follow = !uri.failed() && uri.status != crate::Status::Skip;
    checks.push(uri);
    let names = object.get("id_token_signing_alg_values_supported").and_then(Value::as_array);
    let algorithms =
        names.map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    Judged { issuer, algorithms, keys_follow }
}

fn read(
    observation: &Observation,
    checks: &mut Vec<Check>,
) -> Result<Map<String, Value>, &'static str> {
    let fetched = &observation.discovery;
    let extra_roots = matches!(observation.vantage, Vantage::Network { extra_roots: true, .. });
    if let Some((mut fault, sts_error)) = fault(fetched, Document::Discovery, extra_roots) {
        fault.cause.push_str(&beside(observation.keys.as_ref()));
        checks.push(Check::fail("discovery-reachable", sts_error, fault));
        checks.push(Check::skip("discovery-json", "follows from discovery-reachable"));
        return Err("discovery-reachable");
    }
    checks.push(Check::pass(
        "discovery-reachable",
        format!("{NAME} is at {}", quote(&fetched.location)),
    ));
    let answer = fetched.outcome.as_ref().ok();
    let body = fetched.document().unwrap_or_default();
    let encoding = answer.and_then(|a| a.header("content-encoding"));
    let parsed = match exposed::in_document(body, Document::Discovery) {
        Some(fault) => Err(fault),
        None => json::object(body, encoding, Document::Discovery),
    };
    let parsed = parsed.and_then(|object| match json::other_object(&object, Document::Discovery) {
        Some(fault) => Err(fault),
        None => Ok(object),
    });
    match parsed {
        Ok(object) => {
            checks.push(Check::pass("discovery-json", format!("{NAME} is a JSON object")));
            checks.extend(content_type("discovery-content-type", fetched, &["application/json"]));
            checks.extend(content_encoding("discovery-content-encoding", fetched));
            Ok(object)
        }
        Err(fault) => {
            checks.push(Check::fail("discovery-json", sts::NO_KEY, fault));
            Err("discovery-json")
        }
    }
}

/// The status of `keys.json`: it distinguishes denied access from a document that was not uploaded.
fn beside(keys: Option<&Fetched>) -> String {
    match keys.map(|keys| (&keys.location, &keys.outcome)) {
        Some((url, Ok(answer))) if url.starts_with("https://") => {
            format!(" ({} returned status {})", quote(url), answer.status)
        }
        _ => String::new(),
    }
}

/// STS is not known to check Content-Type; browsers and strict clients do.
pub(super) fn content_type(id: &'static str, fetched: &Fetched, wanted: &[&str]) -> Option<Check> {
    let answer = fetched.outcome.as_ref().ok()?;
    if answer.headers.is_empty() {
        return None;
    }
    let found = answer.header("content-type").unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if wanted.contains(&essence.as_str()) {
        return None;
    }
    let shown = if found.is_empty() {
        "no Content-Type".to_owned()
    } else {
        format!("Content-Type {}", quote(found))
    };
    Some(Check::warn(
        id,
        format!(
            "{} is served with {shown}, not application/json; STS accepts it, strict clients may \
             not",
            quote(&fetched.location)
        ),
        "set Content-Type: application/json on the object, as issuerctl publish does",
    ))
}

/// The same for Content-Encoding, if the document could be read despite it.
pub(super) fn content_encoding(id: &'static str, fetched: &Fetched) -> Option<Check> {
    let found =
        json::pointless_encoding(fetched.outcome.as_ref().ok()?.header("content-encoding"))?;
    Some(Check::warn(
        id,
        format!(
            "{} is served with Content-Encoding {}, which is not a content coding, and a plain \
             body; strict clients may refuse it",
            quote(&fetched.location),
            quote(found)
        ),
        "remove Content-Encoding from the object; a character set belongs in Content-Type",
    ))
}

fn required_members(object: &Map<String, Value>) -> Check {
    const ID: &str = "required-members";
    let missing: Vec<_> = REQUIRED.into_iter().filter(|name| !object.contains_key(*name)).collect();
    if !missing.is_empty() {
        let alike: Vec<_> = missing.iter().filter_map(|name| misspelled(object, name)).collect();
        let instead = if alike.is_empty() {
            String::new()
        } else {
            format!("; there is {} instead", alike.join(", "))
        };
        let plural = if missing.len() > 1 { "members are" } else { "member is" };
        let list = missing.join(", ");
        let fault = replacing(
            format!("{NAME} has no {list}: the required {plural} missing{instead}"),
            format!(
                "add {list}: issuerctl publish (or issuerctl discovery) writes a document with all \
                 required members"
            ),
        );
        return Check::fail(ID, sts::NO_KEY, fault);
    }
    let wrong = REQUIRED.iter().find_map(|name| member_fault(name, object.get(*name)?));
    wrong.map_or_else(
        || Check::pass(ID, format!("{NAME} has the five required members")),
        |fault| Check::fail(ID, sts::NO_KEY, fault),
    )
}

fn misspelled(object: &Map<String, Value>, wanted: &str) -> Option<String> {
    let plain = |name: &str| {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        letters.to_ascii_lowercase().replace("url", "uri").trim_end_matches('s').to_owned()
    };
    object.keys().find(|name| plain(name) == plain(wanted)).map(|name| quote(name))
}

fn member_fault(name: &str, value: &Value) -> Option<Fault> {
    let publish = "write the document again with issuerctl publish (or issuerctl discovery)";
    if matches!(name, "issuer" | "jwks_uri") {
        return match value {
            Value::String(text) if text.is_empty() => {
                Some(replacing(format!("the member {name} of {NAME} is empty"), publish))
            }
            Value::String(_) => None,
            other => Some(replacing(
                format!(
                    "the member {name} of {NAME} is {}, not a string{}",
                    kind(other),
                    shown(other)
                ),
                publish,
            )),
        };
    }
    let Some(items) = value.as_array().filter(|items| items.iter().all(Value::is_string)) else {
        let cause = format!(
            "the member {name} of {NAME} must be an array of strings, but is {}{}",
            kind(value),
            shown(value)
        );
        return Some(replacing(cause, publish));
    };
    let mut names = items.iter().filter_map(Value::as_str);
    let (fits, wanted) = match name {
        "response_types_supported" => {
            (names.any(|n| n.split(' ').any(|word| word == "id_token")), "\"id_token\"")
        }
        "subject_types_supported" => (names.any(|n| n == "public"), "\"public\""),
        // Whether the names match the keys is what algorithms-listed checks.
        _ => (!items.is_empty(), "any algorithm"),
    };
    let added = if wanted.starts_with('"') {
        wanted
    } else {
        "the algorithms of the keys (\"RS256\" for an RSA key)"
    };
    (!fits).then(|| {
        replacing(
            format!("the member {name} of {NAME} is {} and does not contain {wanted}", show(value)),
            format!(
                "add {added} to {name}: issuerctl publish (or issuerctl discovery) writes the \
                 correct value"
            ),
        )
    })
}

fn shown(value: &Value) -> String {
    if value.is_null() { String::new() } else { format!(": {}", show(value)) }
}

fn issuer_match(issuer: Option<&str>, asked: Option<&str>) -> Check {
    const ID: &str = "issuer-match";
    let Some(issuer) = issuer else { return Check::skip(ID, "follows from required-members") };
    if issuer.is_empty() {
        return Check::skip(ID, "follows from required-members");
    }
    let Some(asked) = asked else {
        return match IssuerUrl::parse(issuer, Ports::Allow) {
            Ok(_) => Check::pass(ID, format!("the issuer in {NAME} is {}", quote(issuer))),
            Err(error) => Check::fail(
                ID,
                sts::NO_KEY,
                Fault::new(
                    format!("the issuer in {NAME} is not valid: {error}"),
                    "publish the documents again with a valid issuer URL (issuerctl publish)",
                )
                .with_remedy(Remedy::ReplaceOther),
            ),
        };
    };
    if issuer == asked {
        return Check::pass(ID, format!("the issuer in {NAME} is {}, as expected", quote(issuer)));
    }
    let fault = Fault::new(
        format!(
            "the issuer in {NAME} is {}, but {} is expected, byte for byte: {}",
            quote(issuer),
            quote(asked),
            difference(asked, issuer)
        ),
        format!(
            "publish the documents again for the issuer {asked} (issuerctl publish), so that \
             document, API server (--service-account-issuer) and IAM provider agree byte for byte; \
             or verify the other issuer"
        ),
    );
    Check::fail(ID, sts::NO_KEY, fault.with_remedy(Remedy::ReplaceOther))
}

fn jwks_uri(object: &Map<String, Value>, issuer: Option<&str>, observation: &Observation) -> Check {
    const ID: &str = "jwks-uri";
    let Some(uri) = object.get("jwks_uri").and_then(Value::as_str).filter(|uri| !uri.is_empty())
    else {
        return Check::skip(ID, "follows from required-members");
    };
    let issuer = issuer.unwrap_or_default();
    let standard = format!("{issuer}/{KEYS_NAME}");
    let wrong = |what: String| {
        Check::fail(
            ID,
            sts::NO_KEY,
            Fault::new(
                format!("jwks_uri in {NAME} is {}: {what}", quote(uri)),
                format!(
                    "set jwks_uri to the full public https URL of the keys, such as {standard}; \
                     issuerctl publish writes it"
                ),
            )
            .with_remedy(Remedy::ReplaceOther),
        )
    };
    let doubt = |what: String, fix: String| {
        Check::warn_of(ID, Fault::new(what, fix).with_remedy(Remedy::ReplaceOther))
    };
    if let Some(c) = uri.chars().find(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        return wrong(format!(
            "it contains the character U+{:04X}, which is not allowed in a URL",
            u32::from(c)
        ));
    }
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        None => return wrong("it is a relative path, not an absolute https URL".to_owned()),
        Some(https) if https.eq_ignore_ascii_case("https") => {}
        Some(other) => {
            return wrong(format!("its scheme is {}, and STS fetches only https", quote(other)));
        }
    }
    if matches!(IssuerUrl::parse(uri, Ports::Allow), Err(IssuerUrlError::Placeholder { .. })) {
        return wrong("it contains a placeholder, a variable that was not substituted".to_owned());
    }
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    if rest.starts_with("https://") || rest.starts_with("http://") {
        return wrong("it has a scheme twice, such as https://https://".to_owned());
    }
    if rest.starts_with(['/', '?', '#', ':']) || rest.is_empty() {
        return wrong("it has no host".to_owned());
    }
    if reqwest::Url::parse(uri).is_err() {
        return wrong("it is not a valid URL".to_owned());
    }
    if uri.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
        return wrong("it contains user information, and STS fetches anonymously".to_owned());
    }
    let (own, other) = (host(issuer), host(uri));
    if own != other
        && let Some(why) = internal(other)
    {
        return Check::fail(
            ID,
            sts::NO_KEY,
            Fault::new(
                format!(
                    "jwks_uri in {NAME} is {}: {} is {why}, which STS cannot reach from the \
                     internet",
                    quote(uri),
                    quote(other)
                ),
                format!(
                    "publish the keys at a public URL and set jwks_uri to it, such as {standard} \
                     (issuerctl publish does both; if the API server serves the document, set \
                     --service-account-jwks-uri)"
                ),
            )
            .with_remedy(Remedy::ReplaceOther),
        );
    }
    if matches!(observation.vantage, Vantage::Folder(_)) && uri != standard {
        return doubt(
            format!(
                "jwks_uri is {}, so the keys.json of this folder is not what STS will read",
                quote(uri)
            ),
            format!(
                "serve this keys.json at that URL, or set jwks_uri to {standard}, which issuerctl \
                 publish writes"
            ),
        );
    }
    if !uri.starts_with("https://") {
        return doubt(
            format!(
                "jwks_uri is {}: its scheme is not in lower case, which strict clients do not \
                 accept",
                quote(uri)
            ),
            format!("write it in lower case, such as {standard}, which issuerctl publish writes"),
        );
    }
    let elsewhere =
        if own == other { "" } else { ", on another host than the issuer, which is allowed" };
    Check::pass(ID, format!("jwks_uri is {}{elsewhere}", quote(uri)))
}

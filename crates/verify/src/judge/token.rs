//! A token, claim by claim, in the order in which STS checks them.

use issuer_jwks::Token;
use serde_json::{Map, Value, json};

use crate::judge::expected::Expected;
use crate::judge::keys::Published;
use crate::judge::token_text::FRESH;
use crate::judge::url::difference;
use crate::judge::{signature, token_text};
use crate::text::{date, kind, quote, show};
use crate::verdict::Fault;
use crate::{Check, sts};

/// The clock skew that STS tolerates, in seconds.
const TOLERANCE: u64 = 300;
/// Beyond this age, in seconds, STS may call a token too old although `exp` is not reached; AWS
/// does not document the limit.
const OLD: u64 = 86_400;
/// Beyond this age it certainly does.
const TOO_OLD: u64 = 7 * OLD;
/// Seconds since 1970 in the year 5138; more are milliseconds.
const MILLISECONDS: f64 = 1e11;

const STS_AUDIENCE: &str = "sts.amazonaws.com";

/// What the token is compared with.
pub(super) struct Site<'a> {
    /// The expected issuer.
    pub(super) issuer: Option<&'a str>,
    /// The issuer in the discovery document.
    pub(super) documented_issuer: Option<&'a str>,
    /// The keys it may be signed with.
    pub(super) keys: &'a Published,
}

const AFTER_FORMAT: [&str; 7] = [
    "token-alg",
    "token-iss",
    "token-aud",
    "token-sub",
    "token-time",
    "token-kid",
    "token-signature",
];

/// Judges a token; a text that is not a token is a failed check too.
pub(super) fn judge(text: &str, expected: &Expected, site: &Site<'_>, checks: &mut Vec<Check>) {
    let token = match token_text::parse(text) {
        Ok(token) => token,
        Err(fault) => {
            checks.push(Check::fail("token-format", sts::NOT_A_JWT, fault));
            checks.extend(AFTER_FORMAT.map(|id| Check::skip(id, "follows from token-format")));
            return;
        }
    };
    checks.push(Check::pass("token-format", details(&token)));
    let alg = alg(&token);
    let iss = iss(token.claims(), site);
    let legacy = is_legacy(token.claims());
    let follows = |check: Check| {
        if legacy && check.failed() {
            Check::skip(check.id, "follows from token-iss")
        } else {
            check
        }
    };
    let root = [&alg, &iss].into_iter().find(|check| check.failed()).map(|check| check.id);
    checks.push(alg);
    checks.push(iss);
    checks.push(follows(aud(token.claims(), &expected.audiences)));
    checks.push(follows(sub(token.claims())));
    checks.push(follows(time(token.claims(), expected.now_secs)));
    let root = root.or(site.keys.failed_check);
    checks.extend(signature::judge(&token, site.keys, expected.keys.as_ref(), root));
}

fn details(token: &Token) -> String {
    let claim = |name: &str| match token.claims().get(name) {
        None => "none".to_owned(),
        Some(value) => match (name, value.as_u64()) {
            ("iat" | "exp", Some(secs)) => format!("{secs} ({})", date(secs)),
            _ => show(value),
        },
    };
    let header = |name: &str| token.header().get(name).map_or_else(|| "none".to_owned(), show);
    format!(
        "iss {}, sub {}, aud {}, azp {}, kid {}, alg {}, iat {}, exp {}",
        claim("iss"),
        claim("sub"),
        claim("aud"),
        claim("azp"),
        header("kid"),
        header("alg"),
        claim("iat"),
        claim("exp")
    )
}

fn alg(token: &Token) -> Check {
    const ID: &str = "token-alg";
    let use_other = "use a token that the API server signed, with an RSA or EC key (RS256, ES256, \
                     ES384, ES512) in --service-account-signing-key-file";
    let fail = |cause: String| Check::fail(ID, sts::NO_KEY, Fault::new(cause, use_other));
    match token.header().get("alg") {
        None => fail("the token's header has no alg".to_owned()),
        Some(Value::String(alg)) => match alg.as_str() {
            "RS256" | "RS384" | "RS512" | "ES256" | "ES384" | "ES512" => {
                Check::pass(ID, format!("signed with alg {}", quote(alg)))
            }
            "none" => fail(
                "the token's alg is \"none\": it is unsigned, and anyone could have written it"
                    .to_owned(),
            ),
            "HS256" | "HS384" | "HS512" => fail(format!(
                "the token's alg is {}: HMAC, a symmetric algorithm with a shared secret; STS does \
                 not accept it",
                quote(alg)
            )),
            _ => fail(format!(
                "the token's alg is {}, which STS does not accept (supported: RS256, RS384, RS512, \
                 ES256, ES384, ES512)",
                quote(alg)
            )),
        },
        Some(other) => fail(format!("the token's alg is {}, not a string", kind(other))),
    }
}

fn is_legacy(claims: &Map<String, Value>) -> bool {
    claims.get("iss").and_then(Value::as_str) == Some("kubernetes/serviceaccount")
}

fn iss(claims: &Map<String, Value>, site: &Site<'_>) -> Check {
    const ID: &str = "token-iss";
    let iss = match claims.get("iss") {
        None => {
            let fault = Fault::new("the token has no iss: the claim is missing", FRESH);
            return Check::fail(ID, sts::missing_claim("iss"), fault);
        }
        Some(Value::String(iss)) => iss.as_str(),
        Some(other) => {
            let fault =
                Fault::new(format!("the token's iss is {}, not a string", kind(other)), FRESH);
            return Check::fail(ID, sts::NOT_A_JWT, fault);
        }
    };
    if is_legacy(claims) {
        let fault = Fault::new(
            "the token's iss is \"kubernetes/serviceaccount\": a legacy token from a Secret, which \
             never expires and has no audience; STS cannot use it",
            FRESH,
        );
        return Check::fail(ID, sts::no_provider(iss), fault);
    }
    let Some(issuer) = site.issuer else {
        return Check::skip(
            ID,
            format!("the token's iss is {}; no issuer is known to compare it with", quote(iss)),
        );
    };
    if iss == issuer {
        return Check::pass(ID, format!("iss is {}, the issuer", quote(iss)));
    }
    if site.documented_issuer == Some(iss) {
        return Check::skip(
            ID,
            "follows from issuer-match: iss is the issuer in the discovery document",
        );
    }
    let cause = format!(
        "the token's iss is {}, but the issuer is {}, byte for byte: {}",
        quote(iss),
        quote(issuer),
        difference(issuer, iss)
    );
    let host = crate::judge::url::host(iss);
    let fix = if host == "kubernetes.default.svc" || host.starts_with("kubernetes.default") {
        format!(
            "the cluster signs with its default issuer: make {issuer} the first \
             --service-account-issuer of every API server (EKS Anywhere: \
             podIamConfig.serviceAccountIssuer) and restart the pods"
        )
    } else {
        format!(
            "set the API server's first --service-account-issuer to {issuer}, byte for byte, and \
             use a token issued after that; or verify the issuer that this token has as iss"
        )
    };
    Check::fail(ID, sts::no_provider(iss), Fault::new(cause, fix))
}

fn aud(claims: &Map<String, Value>, audiences: &[String]) -> Check {
    const ID: &str = "token-aud";
    let default = [STS_AUDIENCE.to_owned()];
    let accepted = if audiences.is_empty() { &default[..] } else { audiences };
    let first = accepted.first().map_or(STS_AUDIENCE, String::as_str);
    let wanted = accepted.iter().map(|a| quote(a)).collect::<Vec<_>>().join(" or ");
    let ask = format!(
        "request the audience {first}: audience in the pod's projected serviceAccountToken volume \
         (annotation eks.amazonaws.com/audience), or kubectl create token SERVICEACCOUNT \
         --audience {first}"
    );
    let fail = |cause: String| Check::fail(ID, sts::AUDIENCE, Fault::new(cause, ask.clone()));
    let found: Vec<&str> = match claims.get("aud") {
        None | Some(Value::Null) => {
            return Check::fail(
                ID,
                sts::missing_claim("aud"),
                Fault::new("the token has no aud: the audience is missing", ask),
            );
        }
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
            many.iter().filter_map(Value::as_str).collect()
        }
        Some(other) => {
            return fail(format!(
                "the token's aud is {}, neither a string nor an array of strings",
                show(other)
            ));
        }
    };
    if found.is_empty() {
        let fault = Fault::new("the token's aud is an empty array: it has no audience", ask);
        return Check::fail(ID, sts::missing_claim("aud"), fault);
    }
    let shown = show(&json!(found));
    let is_accepted =
        |value: &Value| value.as_str().is_some_and(|value| accepted.iter().any(|a| a == value));
    if let Some(azp) = claims.get("azp").filter(|azp| !azp.is_null() && !is_accepted(azp)) {
        return fail(format!(
            "the token's azp is {}, which STS uses as the audience, not {wanted} (aud is {shown})",
            show(azp)
        ));
    }
    if !found.iter().any(|aud| accepted.iter().any(|a| a == aud)) {
        return fail(format!("the token's audience (aud) is {shown}, not {wanted}"));
    }
    if found.len() > 1 && claims.get("azp").is_none_or(Value::is_null) {
        return Check::fail(
            ID,
            sts::AUDIENCE,
            Fault::new(
                format!(
                    "the token has several audiences (aud {shown}) and no azp; STS needs azp to \
                     choose one"
                ),
                format!(
                    "request a token with only the audience {first}: kubectl create token \
                     SERVICEACCOUNT --audience {first}"
                ),
            ),
        );
    }
    Check::pass(ID, format!("aud is {shown}"))
}

fn sub(claims: &Map<String, Value>) -> Check {
    const ID: &str = "token-sub";
    let fail = |cause: &str| Check::fail(ID, sts::missing_claim("sub"), Fault::new(cause, FRESH));
    match claims.get("sub") {
        None | Some(Value::Null) => fail("the token has no sub: the subject claim is missing"),
        Some(Value::String(sub)) if sub.is_empty() => {
            fail("the token's sub is empty: the subject is missing")
        }
        Some(Value::String(sub)) => {
            match sub.strip_prefix("system:serviceaccount:").map(|rest| rest.split(':').count()) {
                Some(2) => {
                    Check::pass(ID, format!("sub is {}; the trust policy must name it", quote(sub)))
                }
                _ => Check::warn(
                    ID,
                    format!(
                        "sub is {}, not system:serviceaccount:NAMESPACE:NAME, the form that \
                         Kubernetes uses",
                        quote(sub)
                    ),
                    "compare it with the condition on sub in the role's trust policy",
                ),
            }
        }
        Some(other) => fail(&format!("the token's sub is {}, not a string", kind(other))),
    }
}

fn time(claims: &Map<String, Value>, now: u64) -> Check {
    const ID: &str = "token-time";
    let fresh = "use a fresh token: read the mounted file again (the kubelet renews it), or \
                 kubectl create token; if the token is fresh, correct the clocks";
    let fail = |sts_error: String, cause: String, fix: &str| {
        Check::fail(ID, sts_error, Fault::new(cause, fix))
    };
    let exp = match seconds(claims, "exp") {
        Ok(Some(exp)) => exp,
        Ok(None) => {
            return fail(
                sts::missing_claim("exp"),
                "the token has no exp: the claim is missing, and the token never expires"
                    .to_owned(),
                FRESH,
            );
        }
        Err(cause) => return fail(sts::NOT_A_JWT.to_owned(), cause, FRESH),
    };
    let (nbf, iat) = match (seconds(claims, "nbf"), seconds(claims, "iat")) {
        (Ok(nbf), Ok(Some(iat))) => (nbf, iat),
        (_, Ok(None)) => {
            return fail(
                sts::missing_claim("iat"),
                "the token has no iat: the claim is missing".to_owned(),
                FRESH,
            );
        }
        (Err(cause), _) | (_, Err(cause)) => return fail(sts::NOT_A_JWT.to_owned(), cause, FRESH),
    };
    let at = |secs: u64| format!("{secs} ({})", date(secs));
    if exp.saturating_add(TOLERANCE) <= now {
        let cause = format!(
            "the token has expired: exp is {}, {} ago; now is {}",
            at(exp),
            span(now - exp),
            at(now)
        );
        return fail(sts::expired(now, exp), cause, fresh);
    }
    for (name, value) in [("nbf", nbf), ("iat", Some(iat))] {
        if let Some(value) = value.filter(|value| *value > now.saturating_add(TOLERANCE)) {
            let what = if name == "nbf" { "is not valid yet" } else { "is issued in the future" };
            let cause = format!(
                "the token {what}: {name} is {}, {} ahead; now is {}",
                at(value),
                span(value - now),
                at(now)
            );
            let fix = "correct the clocks of the control plane and of this machine (NTP), and use \
                       a fresh token";
            return fail("InvalidIdentityToken: Token is not valid yet".to_owned(), cause, fix);
        }
    }
    let age = now.saturating_sub(iat);
    if age > TOO_OLD {
        let cause = format!(
            "the token is too old: iat is {}, {} ago, although exp is not reached",
            at(iat),
            span(age)
        );
        return fail(
            sts::too_old(iat),
            cause,
            "use a fresh token with a lifetime of at most 24 h: kubectl create token, or the \
             mounted file",
        );
    }
    if exp <= now {
        return Check::warn(
            ID,
            format!(
                "the token has expired: exp is {}, {} ago; STS allows 5 minutes",
                at(exp),
                span(now - exp)
            ),
            fresh,
        );
    }
    if age > OLD + TOLERANCE {
        return Check::warn(
            ID,
            format!(
                "the token is old: iat is {}, {} ago; STS may return \"Token too old\"",
                at(iat),
                span(age)
            ),
            "use a fresh token with a lifetime of at most 24 h",
        );
    }
    Check::pass(ID, format!("valid now, and until {}", date(exp)))
}

/// A NumericDate (RFC 7519 section 2) in whole seconds.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let Some(number) = value.as_f64() else {
        return Err(format!(
            "the token's {name} is {}: {}, not a number of seconds",
            kind(value),
            show(value)
        ));
    };
    if number >= MILLISECONDS {
        return Err(format!(
            "the token's {name} is {value}: probably milliseconds, where seconds since 1970 are \
             expected"
        ));
    }
    if number < 0.0 {
        return Err(format!("the token's {name} is {value}, before 1970"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1e11"
    )]
    Ok(Some(number as u64))
}

fn span(secs: u64) -> String {
    match secs {
        0..=119 => format!("{secs} s"),
        120..=7199 => format!("{} min", secs / 60),
        7200..=172_799 => format!("{} h", secs / 3600),
        _ => format!("{} days", secs / 86_400),
    }
}

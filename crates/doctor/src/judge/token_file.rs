//! The token file: where it is mounted, and whom its token is for.

use issuer_diagnostic::{Fault, listed, quote};
use serde_json::Value;

use super::case::{AUDIENCE, Case};
use super::containers::{
    FILE, ROLE, is_expanded, is_of_template, of_manifest, place, removal, value, with_role,
};
use super::pod::Finding;
use super::role;
use crate::kubernetes::{items, name, named, text};

/// Where every pod has its API token.
const API_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const NOT_FOUND: &str = "the SDK finds no token, and does not use the role";

const AUDIENCE_SO: &str = "InvalidIdentityToken: Incorrect token audience";

pub(super) fn judge(case: &Case<'_>, pod: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in with_role(pod) {
        let path = value(container, FILE).filter(|path| !path.is_empty() && !is_expanded(path));
        let Some(path) = path else { continue };
        findings.extend(of_form(case, pod, container, path));
        findings.extend(of_container(case, pod, container, path));
    }
    findings
}

/// A path that may lead to no file whatever is mounted.
fn of_form(case: &Case<'_>, pod: &Value, container: &Value, path: &str) -> Option<Finding> {
    let what = format!(
        "{FILE} of the container {} of the pod {} is {}",
        text(container, "name"),
        name(pod),
        quote(path)
    );
    let fix = |right: &str| {
        format!("set it to {} in {}, and {}", quote(right), place(case), case.recreate())
    };
    if path.ends_with(['/', '\\']) {
        let right = path.trim_end_matches(['/', '\\']);
        let cause =
            format!("{what}: with a slash at the end it names a folder, and the token is a file");
        return Some(Finding::Fault(NOT_FOUND, Fault::new(cause, fix(right))));
    }
    // `C:\\` on Windows.
    let is_absolute = path.starts_with(['/', '\\']) || path.get(1..2) == Some(":");
    (!is_absolute).then(|| {
        let cause = format!(
            "{what}, a relative path: the SDK looks for it in the working directory of the program"
        );
        Finding::Doubt(Fault::new(cause, fix(&format!("/{path}"))))
    })
}

fn of_container(case: &Case<'_>, pod: &Value, container: &Value, path: &str) -> Option<Finding> {
    let (pod_name, own) = (name(pod), text(container, "name"));
    let by_hand = is_of_template(case, container, FILE);
    let mend = match by_hand {
        true => format!(
            "let the webhook set it and mount a token of its own: {}",
            removal(case, container, &["AWS_ROLE_ARN", FILE])
        ),
        false => of_manifest(case, &[ROLE, FILE]) + &case.recreate(),
    };
    let without_audience = |volume: Option<&Value>| {
        let token = match volume {
            Some(_) => "a token without an audience of its own",
            None => "the API token of the ServiceAccount",
        };
        let what = format!(
            "{FILE} of the container {own} of the pod {pod_name} is {}, {token}: its audience is the API server (its \
             issuer), and not {}",
            quote(path),
            quote(&case.audience)
        );
        let (so, cause) = match of_api_token(case) {
            ApiToken::Accepted => return None,
            ApiToken::Unknown => (AUDIENCE_SO, what),
            ApiToken::Refused(audience) => (
                "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
                format!(
                    "{what}; the provider knows {}, and the trust policy of the role does not allow it",
                    quote(&audience)
                ),
            ),
        };
        let fix = match volume {
            Some(volume) => format!(
                "set audience: {} of the token in the volume {} of {}, and {}",
                case.audience,
                text(volume, "name"),
                place(case),
                case.recreate()
            ),
            None => {
                format!("{mend}; or mount a projected token with the audience {}", case.audience)
            }
        };
        Some(Finding::Fault(so, Fault::new(cause, fix)))
    };
    let Some((mount, rest)) = mount_of(container, path) else {
        if unix(path) == unix(API_TOKEN) {
            return without_audience(None);
        }
        let mounts: Vec<&str> =
            items(container, "volumeMounts").iter().map(|own| text(own, "mountPath")).collect();
        let token = items(container, "volumeMounts")
            .iter()
            .find(|own| text(own, "name") == "aws-iam-token");
        let there = match token {
            Some(mount) => format!("the token is mounted at {}", quote(text(mount, "mountPath"))),
            None if mounts.is_empty() => "nothing is mounted in it".to_owned(),
            None => format!("volumes are mounted at {}", listed(&mounts)),
        };
        return Some(Finding::Fault(
            NOT_FOUND,
            Fault::new(
                format!(
                    "{FILE} of the container {own} of the pod {pod_name} is {}, a path at which no volume is mounted \
                     ({there})",
                    quote(path)
                ),
                format!("{mend}; or mount a projected token at this path"),
            ),
        ));
    };
    let volume = named(&pod["spec"], "volumes", text(mount, "name"))?;
    let sources = volume.get("projected").map_or(&[][..], |projected| items(projected, "sources"));
    let tokens: Vec<&Value> =
        sources.iter().filter_map(|source| source.get("serviceAccountToken")).collect();
    if tokens.is_empty() {
        let kind = match (volume.get("secret"), volume.get("projected")) {
            (Some(secret), _) => format!("the Secret {}", text(secret, "secretName")),
            (None, Some(_)) => "a projected volume without a token".to_owned(),
            _ => format!(
                "a volume of another kind ({})",
                volume["kind"].as_str().unwrap_or("configMap")
            ),
        };
        // Something else may put a token there.
        return Some(match volume.get("secret") {
            Some(_) => Finding::Fault(
                AUDIENCE_SO,
                Fault::new(
                    format!(
                        "{FILE} of the container {own} of the pod {pod_name} is {} in {kind}: tokens in Secrets have no \
                         audience, and STS refuses them",
                        quote(path)
                    ),
                    format!(
                        "{mend}; or mount a projected token with the audience {}",
                        case.audience
                    ),
                ),
            ),
            None => Finding::Unknown(format!(
                "{FILE} of the container {own} of the pod {pod_name} is in {kind}"
            )),
        });
    }
    let named_so = tokens.iter().find(|token| text(token, "path").trim_start_matches('/') == rest);
    let Some(token) = named_so else {
        let paths: Vec<String> = tokens
            .iter()
            .map(|token| {
                quote(&format!(
                    "{}/{}",
                    text(mount, "mountPath").trim_end_matches('/'),
                    text(token, "path")
                ))
            })
            .collect();
        return Some(Finding::Fault(
            NOT_FOUND,
            Fault::new(
                format!(
                    "{FILE} of the container {own} of the pod {pod_name} is {}, and the token in the volume {} is {}",
                    quote(path),
                    text(volume, "name"),
                    listed(&paths)
                ),
                mend,
            ),
        ));
    };
    let audience = text(token, "audience");
    if audience.is_empty() {
        let is_own = unix(path) != unix(API_TOKEN);
        return without_audience(is_own.then_some(volume));
    }
    let provider = case.seen.aws.provider.known().and_then(Option::as_ref);
    let accepted = provider.map(|own| own.audiences.clone());
    let is_right = match &accepted {
        Some(list) => list.iter().any(|own| own == audience),
        None => {
            audience == AUDIENCE || (audience == case.audience && !case.is_refused_for("audience"))
        }
    };
    if is_right || (provider.is_some_and(|own| own.audiences.is_empty())) {
        return None;
    }
    // The provider is what is wrong if it does not know the usual audience.
    if audience == AUDIENCE {
        return None;
    }
    // Without the provider, another audience that is named, or the usual one.
    let usual =
        if case.audience == audience { AUDIENCE } else { case.audience.as_str() }.to_owned();
    let wanted = accepted.as_ref().and_then(|list| list.first()).unwrap_or(&usual);
    let needed = match &accepted {
        Some(list) => {
            let quoted: Vec<String> = list.iter().map(|own| quote(own)).collect();
            format!("the provider's client IDs are {}", listed(&quoted))
        }
        None if case.is_refused_for("audience") => "STS does not accept it".to_owned(),
        None => format!(
            "SDKs and trust policies expect {} (the client IDs of the provider are not known)",
            quote(wanted)
        ),
    };
    let fault = Fault::new(
        format!(
            "the token of the container {own} of the pod {pod_name} has the audience {}, and {needed}",
            quote(audience)
        ),
        format!(
            "set the audience of the token to {wanted}: in the volume {} of {}, or the annotation {} of the \
             ServiceAccount, or the webhook's --token-audience; then {}",
            text(volume, "name"),
            place(case),
            case.settings.annotation("audience"),
            case.recreate()
        ),
    );
    let is_sure = accepted.is_some()
        || (audience.contains("sts.") && audience.contains("amazonaws.com"))
        || case.is_refused_for("audience");
    Some(if is_sure { Finding::Fault(AUDIENCE_SO, fault) } else { Finding::Doubt(fault) })
}

/// What STS makes of a token without an audience of its own.
enum ApiToken {
    /// It accepts it, as far as provider and trust policy are known.
    Accepted,
    /// The provider does not know its audience.
    Unknown,
    /// The provider knows this audience, and the role refuses it.
    Refused(String),
}

/// Such a token has the API server's own audiences: `--api-audiences`, or else its issuers.
fn of_api_token(case: &Case<'_>) -> ApiToken {
    let flags = case.seen.cluster.flagz.known().and_then(Option::as_ref);
    let manifests = case.seen.cluster.static_pods.known();
    let flags = flags.or_else(|| manifests.and_then(|own| Some(&own.first()?.1)));
    let set = flags.map_or(&[][..], |flags| flags.get("api-audiences"));
    let issuers = flags.map_or(&[][..], |flags| flags.issuers());
    let mut own: Vec<&str> = set.iter().flat_map(|list| list.split(',')).collect();
    if own.is_empty() {
        own = issuers.iter().map(String::as_str).chain(case.signs.as_deref()).collect();
    }
    let provider = case.seen.aws.provider.known().and_then(Option::as_ref);
    let is_known = |audience: &&str| match provider {
        Some(provider) => provider.audiences.iter().any(|known| known == audience),
        None => *audience == case.audience,
    };
    let known: Vec<&str> = own.into_iter().filter(is_known).collect();
    match known.first() {
        None => ApiToken::Unknown,
        Some(first) if role::refuses_audiences(case, &known) => {
            ApiToken::Refused((*first).to_owned())
        }
        Some(_) => ApiToken::Accepted,
    }
}

/// The projected token at a path of a container, if there is one.
pub(super) fn token_at<'a>(pod: &'a Value, container: &'a Value, path: &str) -> Option<&'a Value> {
    let (mount, rest) = mount_of(container, path)?;
    let volume = named(&pod["spec"], "volumes", text(mount, "name"))?;
    let sources = items(volume.get("projected")?, "sources").iter();
    let mut tokens = sources.filter_map(|source| source.get("serviceAccountToken"));
    tokens.find(|token| text(token, "path").trim_start_matches('/') == rest)
}

/// The mount that a path is in, and the path within it.
fn mount_of<'a>(container: &'a Value, path: &str) -> Option<(&'a Value, String)> {
    let path = unix(path);
    let within = items(container, "volumeMounts").iter().filter_map(|mount| {
        let at = unix(text(mount, "mountPath"));
        let rest = path.strip_prefix(at.trim_end_matches('/'))?;
        // With subPath the mount is the file itself.
        if rest.is_empty() {
            let sub = text(mount, "subPath").to_owned();
            return (!sub.is_empty()).then_some((mount, sub, at.len()));
        }
        Some((mount, rest.strip_prefix('/')?.to_owned(), at.len()))
    });
    within.max_by_key(|(.., length)| *length).map(|(mount, rest, _)| (mount, rest))
}

/// A path without drive, with slashes; `/run` is `/var/run`.
fn unix(path: &str) -> String {
    let slashes = path.replace('\\', "/");
    let path = slashes.strip_prefix("C:").or(slashes.strip_prefix("c:")).unwrap_or(&slashes);
    let mut clean = String::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        clean.push('/');
        clean.push_str(part);
    }
    // In images it is a link.
    match clean.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => clean,
    }
}

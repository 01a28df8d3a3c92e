//! CloudFront: the REST API of an in-memory account (CloudFront API reference, version 2020-05-31), as far
//! as distributions, origin access controls and cache policies go. A configuration is kept as it was
//! sent, and sent back so.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};

use crate::server::Server;

/// The part of all paths.
const VERSION: &str = "/2020-05-31/";

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

/// CloudFront of the account 111122223333.
pub struct CloudFrontServer {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// A distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestDistribution {
    /// The inner text of `DistributionConfig`.
    pub config: String,
    /// How often it is asked for until its last change is everywhere.
    pub pending: usize,
    version: usize,
}

#[derive(Debug, Default)]
struct State {
    distributions: BTreeMap<String, TestDistribution>,
    /// The inner texts of `OriginAccessControlConfig`.
    controls: BTreeMap<String, String>,
    /// The inner texts of `CachePolicyConfig`.
    policies: BTreeMap<String, String>,
    count: usize,
    log: Vec<String>,
    denied: Vec<String>,
}

/// Status, body and ETag; or status and error code.
type Answer = Result<(u16, String, Option<String>), (u16, &'static str)>;

impl CloudFrontServer {
    /// Starts one without any distribution.
    pub fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let of_service = state.clone();
        let service =
            hyper::service::service_fn(move |request| answer(of_service.clone(), request));
        Self { server: Server::start(None, service), state }
    }

    /// For `AWS_ENDPOINT_URL_CLOUDFRONT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.address.port())
    }

    /// The distributions by ID.
    pub fn distributions(&self) -> BTreeMap<String, TestDistribution> {
        self.state().distributions.clone()
    }

    /// Changes the configuration of a distribution without a request.
    pub fn change(&self, id: &str, from: &str, to: &str) {
        let mut state = self.state();
        let there = state.distributions.get_mut(id).unwrap();
        assert!(there.config.contains(from), "{}", there.config);
        there.config = there.config.replace(from, to);
        there.version += 1;
    }

    /// The last change of every distribution is everywhere.
    pub fn deploy_everything(&self) {
        self.state().distributions.values_mut().for_each(|there| there.pending = 0);
    }

    /// The last change of every distribution is not everywhere, however often it is asked for.
    pub fn deploy_nothing(&self) {
        self.state().distributions.values_mut().for_each(|there| there.pending = usize::MAX);
    }

    /// How many origin access controls and cache policies there are.
    pub fn others(&self) -> (usize, usize) {
        let state = self.state();
        (state.controls.len(), state.policies.len())
    }

    /// Denies a request, such as `POST distribution`, from now on.
    pub fn deny(&self, request: &str) {
        self.state().denied.push(request.to_owned());
    }

    /// Reverts every [`CloudFrontServer::deny`].
    pub fn allow_everything(&self) {
        self.state().denied.clear();
    }

    /// The requests since the last time this was called: `PUT distribution/E1/config`.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl TestDistribution {
    /// The text of the first element of this name.
    pub fn element(&self, name: &str) -> String {
        element(&self.config, name).unwrap_or_default().to_owned()
    }
}

impl State {
    fn id(&mut self) -> String {
        self.count += 1;
        format!("E{:013}", self.count)
    }

    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        if_match: Option<&str>,
        body: &str,
    ) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        let ok = |text: String| Ok((200, text, None));
        match (method.as_str(), &parts[..]) {
            ("GET", ["distribution"]) => {
                let each = self.distributions.iter().map(|(id, there)| {
                    format!("<DistributionSummary>{}</DistributionSummary>", there.members(id))
                });
                ok(list("DistributionList", each.collect()))
            }
            ("POST", ["distribution"]) => {
                let config = inner(body, "DistributionConfig");
                self.check(&config, None)?;
                let id = self.id();
                let there = TestDistribution { config, pending: 2, version: 1 };
                let text = there.whole(&id);
                self.distributions.insert(id, there);
                Ok((201, text, Some("v1".to_owned())))
            }
            ("GET", ["distribution", id]) => {
                let there = self.distributions.get_mut(*id).ok_or((404, "NoSuchDistribution"))?;
                there.pending = there.pending.saturating_sub(1);
                Ok((200, there.whole(id), Some(there.tag())))
            }
            ("GET", ["distribution", id, "config"]) => {
                let there = self.distributions.get(*id).ok_or((404, "NoSuchDistribution"))?;
                let text = tag("DistributionConfig", &there.config);
                Ok((200, text, Some(there.tag())))
            }
            ("PUT", ["distribution", id, "config"]) => {
                let config = inner(body, "DistributionConfig");
                self.check(&config, Some(id))?;
                let there = self.distributions.get_mut(*id).ok_or((404, "NoSuchDistribution"))?;
                there.expect(if_match)?;
                (there.config, there.pending, there.version) = (config, 2, there.version + 1);
                Ok((200, there.whole(id), Some(there.tag())))
            }
            ("DELETE", ["distribution", id]) => {
                let there = self.distributions.get(*id).ok_or((404, "NoSuchDistribution"))?;
                there.expect(if_match)?;
                if there.element("Enabled") == "true" || there.pending > 0 {
                    return Err((409, "DistributionNotDisabled"));
                }
                self.distributions.remove(*id);
                Ok((204, String::new(), None))
            }
            ("GET", ["origin-access-control"]) => {
                let each = self.controls.iter().map(|(id, config)| {
                    let members = format!("{}{config}", tag("Id", id));
                    tag("OriginAccessControlSummary", &members)
                });
                ok(list("OriginAccessControlList", each.collect()))
            }
            ("POST", ["origin-access-control"]) => {
                let config = inner(body, "OriginAccessControlConfig");
                let id = self.id();
                let text = control(&id, &config);
                self.controls.insert(id, config);
                Ok((201, text, Some("v1".to_owned())))
            }
            ("GET", ["origin-access-control", id]) => {
                let config = self.controls.get(*id).ok_or((404, "NoSuchOriginAccessControl"))?;
                Ok((200, control(id, config), Some("v1".to_owned())))
            }
            ("DELETE", ["origin-access-control", id]) => match self.uses(id) {
                true => Err((409, "OriginAccessControlInUse")),
                false => {
                    self.controls.remove(*id);
                    Ok((204, String::new(), None))
                }
            },
            ("GET", ["cache-policy"]) => {
                let each = self.policies.iter().map(|(id, config)| {
                    let members = format!("{}{}", tag("Type", "custom"), policy(id, config));
                    tag("CachePolicySummary", &members)
                });
                ok(list("CachePolicyList", each.collect()))
            }
            ("POST", ["cache-policy"]) => {
                let config = inner(body, "CachePolicyConfig");
                let name = element(&config, "Name");
                if self.policies.values().any(|there| element(there, "Name") == name) {
                    return Err((409, "CachePolicyAlreadyExists"));
                }
                let id = self.id();
                let text = policy(&id, &config);
                self.policies.insert(id, config);
                Ok((201, text, Some("v1".to_owned())))
            }
            ("GET", ["cache-policy", id]) => {
                let config = self.policies.get(*id).ok_or((404, "NoSuchCachePolicy"))?;
                Ok((200, policy(id, config), Some("v1".to_owned())))
            }
            ("DELETE", ["cache-policy", id]) => match self.uses(id) {
                true => Err((409, "CachePolicyInUse")),
                false => {
                    self.policies.remove(*id);
                    Ok((204, String::new(), None))
                }
            },
            _ => Err((400, "NotImplementedHere")),
        }
    }

    /// Whether a distribution refers to this ID.
    fn uses(&self, id: &str) -> bool {
        self.distributions.values().any(|there| there.config.contains(&format!(">{id}<")))
    }

    /// What CloudFront checks of a configuration.
    fn check(&self, config: &str, own: Option<&str>) -> Result<(), (u16, &'static str)> {
        let control = element(config, "OriginAccessControlId").unwrap_or_default();
        if !control.is_empty() && !self.controls.contains_key(control) {
            return Err((404, "NoSuchOriginAccessControl"));
        }
        let policy = element(config, "CachePolicyId").unwrap_or_default();
        if !self.policies.contains_key(policy) {
            return Err((404, "NoSuchCachePolicy"));
        }
        let alias = element(config, "CNAME").unwrap_or_default();
        let others = self.distributions.iter().filter(|(id, _)| own != Some(id.as_str()));
        if !alias.is_empty() {
            if others.into_iter().any(|(_, there)| there.element("CNAME") == alias) {
                return Err((409, "CNAMEAlreadyExists"));
            }
            if element(config, "ACMCertificateArn").is_none() {
                return Err((400, "InvalidViewerCertificate"));
            }
        }
        Ok(())
    }
}

impl TestDistribution {
    fn tag(&self) -> String {
        format!("v{}", self.version)
    }

    fn expect(&self, if_match: Option<&str>) -> Result<(), (u16, &'static str)> {
        if if_match == Some(&self.tag()) { Ok(()) } else { Err((412, "PreconditionFailed")) }
    }

    fn head(&self, id: &str) -> String {
        let arn = format!("arn:aws:cloudfront::111122223333:distribution/{id}");
        let status = if self.pending == 0 { "Deployed" } else { "InProgress" };
        [
            tag("Id", id),
            tag("ARN", &arn),
            tag("Status", status),
            tag("LastModifiedTime", "2026-11-26T12:00:00Z"),
            tag("DomainName", &format!("{}.cloudfront.net", id.to_lowercase())),
        ]
        .concat()
    }

    /// The members of a summary: those of the configuration are among them.
    fn members(&self, id: &str) -> String {
        format!("{}{}", self.head(id), self.config)
    }

    fn whole(&self, id: &str) -> String {
        let config = tag("DistributionConfig", &self.config);
        let batches = tag("InProgressInvalidationBatches", "0");
        tag("Distribution", &format!("{}{batches}{config}", self.head(id)))
    }
}

fn control(id: &str, config: &str) -> String {
    let config = tag("OriginAccessControlConfig", config);
    tag("OriginAccessControl", &format!("{}{config}", tag("Id", id)))
}

fn policy(id: &str, config: &str) -> String {
    let modified = tag("LastModifiedTime", "2026-11-26T12:00:00Z");
    let config = tag("CachePolicyConfig", config);
    tag("CachePolicy", &format!("{}{modified}{config}", tag("Id", id)))
}

fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{text}</{name}>")
}

fn list(name: &str, items: Vec<String>) -> String {
    let members = [
        tag("Marker", ""),
        tag("MaxItems", "100"),
        tag("IsTruncated", "false"),
        tag("Quantity", &items.len().to_string()),
        tag("Items", &items.concat()),
    ];
    tag(name, &members.concat())
}

/// The text of the root element.
fn inner(body: &str, name: &str) -> String {
    let start = body.find(&format!("<{name}")).unwrap();
    let start = start + body[start..].find('>').unwrap() + 1;
    let end = body.rfind(&format!("</{name}>")).unwrap();
    body[start..end].to_owned()
}

/// The text of the first element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let method = request.method().clone();
    let path = request.uri().path().strip_prefix(VERSION).unwrap_or_default().to_owned();
    let if_match = request.headers().get("if-match").and_then(|value| value.to_str().ok());
    let if_match = if_match.map(str::to_owned);
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut state = state.lock().unwrap();
    let line = format!("{method} {path}");
    let answer = match state.denied.contains(&line) {
        true => Err((403, "AccessDenied")),
        false => state.answer(&method, &path, if_match.as_deref(), &body),
    };
    state.log.push(line);
    let (status, text, e_tag) = match answer {
        Ok(answer) => answer,
        Err((status, code)) => {
            let error = [tag("Type", "Sender"), tag("Code", code), tag("Message", "no")].concat();
            let error = tag("Error", &error);
            let text = format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}</ErrorResponse>");
            (status, text, None)
        }
    };
    let mut response = Response::builder().status(status).header("content-type", "text/xml");
    if let Some(e_tag) = e_tag {
        response = response.header("etag", e_tag);
    }
    response.body(Full::new(Bytes::from(text))).map_err(io::Error::other)
}

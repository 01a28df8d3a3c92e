//! IAM and STS: the query API of an in-memory account (IAM API reference, version 2010-05-08; STS
//! API reference, version 2011-06-15).

mod access;
mod account;
mod actions;
mod query;
mod xml;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use serde_json::Value;

pub(crate) use self::access::matches;
pub use self::account::{Account, AccountPolicy, AccountProvider, AccountRole};
use self::actions::Call;
use self::query::{Query, Refusal};
use crate::server::Server;

/// XML namespaces of the two services.
const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The only action without a signature.
const WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

/// The access key ID that STS gives for a token.
pub const SESSION_ACCESS_KEY: &str = "ASIAXSESSIONOFATOKEN";
/// Its secret access key.
pub const SESSION_SECRET_KEY: &str = "a-secret-key-of-the-session-0123456789";

/// IAM and STS of one account, on one endpoint.
pub struct IamServer {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// A request that was answered or whose connection was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IamRequest {
    /// `CreateRole`.
    pub action: String,
    /// Its resource: the name of a role, the ARN of a policy or provider; the name or URL of a new
    /// one; `*` for lists of everything.
    pub resource: String,
    /// Its second parameter: the policy of a role, a client ID, a version.
    pub detail: Option<String>,
    /// When it was received.
    pub start: Instant,
    /// When its answer was ready.
    pub end: Instant,
    /// The error code of the answer; `cut off` if there was no answer.
    pub error: Option<String>,
}

struct State {
    account: Account,
    log: Vec<IamRequest>,
    delay: Duration,
    page_size: Option<usize>,
    /// Actions that are denied.
    denied: BTreeSet<String>,
    /// The policy of the caller, if it is limited.
    policy: Option<Value>,
    /// The error code of the next request of an action.
    failures: Vec<(String, String)>,
    /// The error, code and message, of every exchange of a token.
    token_refusal: Option<(String, String)>,
    hooks: Vec<Hook>,
    /// Number of changing requests until no request is answered any more.
    writes_left: Option<usize>,
    requests: usize,
}

/// A concurrent change.
struct Hook {
    action: String,
    /// Number of requests of the action until it happens.
    countdown: usize,
    is_before: bool,
    run: Box<dyn FnOnce(&mut Account) + Send>,
}

impl IamServer {
    /// Starts one with the empty account 111122223333 of the partition `aws`.
    pub fn start() -> Self {
        Self::start_in("aws", "111122223333")
    }

    /// Starts one with an empty account.
    pub fn start_in(partition: &str, account: &str) -> Self {
        let state = Arc::new(Mutex::new(State {
            account: Account::new(partition, account),
            log: Vec::new(),
            delay: Duration::ZERO,
            page_size: None,
            denied: BTreeSet::new(),
            policy: None,
            failures: Vec::new(),
            token_refusal: None,
            hooks: Vec::new(),
            writes_left: None,
            requests: 0,
        }));
        let of_service = state.clone();
        let service =
            hyper::service::service_fn(move |request| answer(of_service.clone(), request));
        Self { server: Server::start(None, service), state }
    }

    /// For `--endpoint-url`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.address.port())
    }

    /// How many connections were open at the same time, at most.
    pub fn peak_connections(&self) -> usize {
        self.server.peak_connections()
    }

    /// The account as it is now.
    pub fn account(&self) -> Account {
        self.state().account.clone()
    }

    /// Changes the account without a request.
    pub fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.state().account)
    }

    /// The requests so far, in the order in which they were received.
    pub fn log(&self) -> Vec<IamRequest> {
        let mut log = self.state().log.clone();
        log.sort_by_key(|request| request.start);
        log
    }

    /// The changing requests, as lines: `AttachRolePolicy app arn:…`, with an error after `->`.
    pub fn writes(&self) -> Vec<String> {
        let writes = self.log().into_iter().filter(IamRequest::is_write);
        writes.map(|request| request.to_string()).collect()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    /// The number of round trips: the longest chain of requests each of which began after the
    /// previous one was answered. Concurrent requests are only recognized with an
    /// [`IamServer::delay`].
    pub fn sequential_round_trips(&self) -> usize {
        let mut log = self.log();
        // Greedy: the request that ends first allows the most others after it.
        log.sort_by_key(|request| request.end);
        let mut last: Option<Instant> = None;
        let mut length = 0;
        for request in log {
            if last.is_none_or(|end| request.start >= end) {
                last = Some(request.end);
                length += 1;
            }
        }
        length
    }

    /// Delays every answer.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Limits the number of items per page of a list.
    pub fn page_size(&self, items: usize) {
        self.state().page_size = Some(items);
    }

    /// Denies an action (`TagRole`) from now on, also where another action requires it.
    pub fn deny(&self, action: &str) {
        self.state().denied.insert(format!("iam:{action}"));
    }

    /// Limits the caller to what this policy allows. Supported are Effect, Action, Resource and
    /// Condition with the operators ArnEquals, ArnLike, StringEquals and StringLike; the test fails
    /// if the policy has anything else.
    pub fn allow_only(&self, policy: Value) {
        access::assert_understood(&policy);
        self.state().policy = Some(policy);
    }

    /// Reverts every [`IamServer::deny`] and [`IamServer::allow_only`].
    pub fn allow_everything(&self) {
        let mut state = self.state();
        state.denied.clear();
        state.policy = None;
    }

    /// Lets the next request of an action fail with this error code without changing anything.
    /// Several calls let several requests fail.
    pub fn fail_once(&self, action: &str, code: &str) {
        self.state().failures.push((action.to_owned(), code.to_owned()));
    }

    /// Refuses every token with this code and message.
    pub fn refuse_tokens(&self, code: &str, message: &str) {
        self.state().token_refusal = Some((code.to_owned(), message.to_owned()));
    }

    /// Judges tokens again.
    pub fn accept_tokens(&self) {
        self.state().token_refusal = None;
    }

    /// Simulates a concurrent change just before the next request of an action is executed.
    pub fn before(&self, action: &str, change: impl FnOnce(&mut Account) + Send + 'static) {
        self.before_nth(action, 1, change);
    }

    /// The same for the n-th request from now, counting from 1.
    pub fn before_nth(
        &self,
        action: &str,
        n: usize,
        change: impl FnOnce(&mut Account) + Send + 'static,
    ) {
        self.hook(action, n, true, Box::new(change));
    }

    /// Simulates a concurrent change just after the next request of an action was executed; its
    /// answer does not show that yet.
    pub fn after(&self, action: &str, change: impl FnOnce(&mut Account) + Send + 'static) {
        self.after_nth(action, 1, change);
    }

    /// The same for the n-th request from now, counting from 1.
    pub fn after_nth(
        &self,
        action: &str,
        n: usize,
        change: impl FnOnce(&mut Account) + Send + 'static,
    ) {
        self.hook(action, n, false, Box::new(change));
    }

    /// Interrupts the run: after this number of changing requests, the connection of every further
    /// request is closed, also of those that only read.
    pub fn cut_after(&self, writes: usize) {
        self.state().writes_left = Some(writes);
    }

    /// Reverts [`IamServer::cut_after`].
    pub fn heal(&self) {
        self.state().writes_left = None;
    }

    fn hook(
        &self,
        action: &str,
        countdown: usize,
        is_before: bool,
        run: Box<dyn FnOnce(&mut Account) + Send>,
    ) {
        assert!(countdown > 0, "the first request is number 1");
        let action = action.to_owned();
        self.state().hooks.push(Hook { action, countdown, is_before, run });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl IamRequest {
    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        !self.action.starts_with("Get")
            && !self.action.starts_with("List")
            && self.action != WEB_IDENTITY
    }

    fn new(query: &Query, start: Instant) -> Self {
        let names = [
            "RoleName",
            "OpenIDConnectProviderArn",
            "Url",
            "PolicyArn",
            "PolicyName",
            "ClientID",
            "VersionId",
        ];
        let mut named = names.iter().filter_map(|name| query.get(name)).map(str::to_owned);
        Self {
            action: query.action().to_owned(),
            resource: named.next().unwrap_or_else(|| "*".to_owned()),
            detail: named.next(),
            start,
            end: start,
            error: None,
        }
    }
}

impl fmt::Display for IamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.resource)?;
        self.detail.iter().try_for_each(|detail| write!(f, " {detail}"))?;
        self.error.iter().try_for_each(|error| write!(f, " -> {error}"))
    }
}

impl State {
    /// The elements of the result, unless the request is to fail.
    fn carry_out(&mut self, query: &Query) -> Result<Option<xml::Xml>, Refusal> {
        let action = query.action();
        let mut due = Vec::new();
        for mut hook in std::mem::take(&mut self.hooks) {
            if hook.action == action {
                hook.countdown -= 1;
            }
            if hook.countdown > 0 { self.hooks.push(hook) } else { due.push(hook) }
        }
        let (before, after): (Vec<Hook>, Vec<Hook>) =
            due.into_iter().partition(|hook| hook.is_before);
        before.into_iter().for_each(|hook| (hook.run)(&mut self.account));
        let result = self.check(query).and_then(|()| {
            Call { account: &mut self.account, query, page_size: self.page_size }.carry_out()
        });
        after.into_iter().for_each(|hook| (hook.run)(&mut self.account));
        result
    }

    fn check(&mut self, query: &Query) -> Result<(), Refusal> {
        let failure = self.failures.iter().position(|(action, _)| action == query.action());
        if let Some(index) = failure {
            let (_, code) = self.failures.remove(index);
            return Err(Refusal::new(&code, "as the test wants it"));
        }
        if let Some((code, message)) =
            self.token_refusal.as_ref().filter(|_| query.action() == WEB_IDENTITY)
        {
            return Err(Refusal::new(code, message.clone()));
        }
        // Neither requires a permission.
        if ["GetCallerIdentity", WEB_IDENTITY].contains(&query.action()) {
            return Ok(());
        }
        for need in access::needs(&self.account, query) {
            if self.denied.contains(&need.action) {
                return Err(need.refusal(&self.account, false));
            }
            if let Some(policy) = &self.policy {
                need.check(&self.account, policy)?;
            }
        }
        Ok(())
    }
}

/// An error of this type closes the connection.
async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let is_signed = request.headers().contains_key("authorization");
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let query = Query::parse(&body);
    let mut logged = IamRequest::new(&query, Instant::now());
    let delay = state.lock().unwrap().delay;
    tokio::time::sleep(delay).await;
    let mut state = state.lock().unwrap();
    let is_cut = match &mut state.writes_left {
        Some(0) => true,
        Some(left) if logged.is_write() => {
            *left -= 1;
            false
        }
        _ => false,
    };
    let result = if is_cut {
        Err(Refusal::new("cut off", ""))
    } else if is_signed || query.action() == WEB_IDENTITY {
        state.carry_out(&query)
    } else {
        let message = "Request is missing Authentication Token";
        Err(Refusal::new("MissingAuthenticationToken", message))
    };
    state.requests += 1;
    let id = format!("00000000-0000-4000-8000-{:012}", state.requests);
    logged.error = result.as_ref().err().map(|refusal| refusal.code.clone());
    logged.end = Instant::now();
    state.log.push(logged);
    if is_cut {
        return Err(io::Error::other("cut off"));
    }
    let namespace = if query.get("Version") == Some("2011-06-15") { STS } else { IAM };
    let (status, text) = match &result {
        Ok(result) => (200, xml::answer(query.action(), namespace, &id, result.as_ref())),
        Err(refusal) => (refusal.status(), xml::error(namespace, &id, refusal)),
    };
    let response = Response::builder().status(status).header("content-type", "text/xml");
    response
        .header("x-amzn-requestid", id)
        .body(Full::new(Bytes::from(text)))
        .map_err(io::Error::other)
}

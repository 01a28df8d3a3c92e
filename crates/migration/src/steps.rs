//! The steps, judged by what was read.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use issuer_distribution::Distribution;

use crate::commands::{DEFAULT_AUDIENCE, Options, spaced};
use crate::{ApiServer, Cluster, Facts, Known, Providers, Status, Step, TokenPod, TrustedRole};

/// kubelet renews a token after 80 % of its life, at the latest after this time (kubelet,
/// `token_manager.go`).
const RENEWED_SECS: u64 = 24 * 60 * 60;

/// How many names a finding has.
const NAMED: usize = 4;

/// A cluster on its way from one issuer to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The old issuer URL.
    pub from: String,
    /// The new issuer URL.
    pub to: String,
    /// The distribution, if it is known.
    pub distribution: Option<Distribution>,
    /// What the commands repeat.
    pub options: Options,
}

impl Migration {
    /// A migration of an unknown distribution.
    #[must_use]
    pub fn new(from: &str, to: &str) -> Self {
        let (from, to) = (from.to_owned(), to.to_owned());
        Self { from, to, distribution: None, options: Options::default() }
    }
}

/// All steps, in the order in which they are done. One of them at most is next.
#[must_use]
pub fn steps(migration: &Migration, facts: &Facts) -> Vec<Step> {
    let judge = Judge { migration, facts };
    let mut steps = vec![
        judge.documents(),
        judge.provider(),
        judge.trust(),
        judge.accept(),
        judge.sign(),
        judge.tokens(),
        judge.drop(),
        judge.old_trust(),
        judge.old_provider(),
        judge.old_documents(),
    ];
    let mut open = false;
    for step in &mut steps {
        if open && step.status == Status::Next {
            step.status = Status::Later;
        }
        open |= !step.status.is_settled();
    }
    steps
}

/// What is left of a step when its state is known.
enum State {
    Done(String),
    Open(String),
    Unknown(String),
    NotNeeded(String),
}

struct Judge<'a> {
    migration: &'a Migration,
    facts: &'a Facts,
}

impl Judge<'_> {
    fn documents(&self) -> Step {
        let to = &self.migration.to;
        let state = match &self.facts.documents {
            Known::Unknown(reason) => State::Unknown(reason.clone()),
            Known::Seen(None) => State::Done(match self.facts.cluster {
                Known::Seen(_) => {
                    "AWS STS can read them, and every key of the API server is in them".to_owned()
                }
                Known::Unknown(_) => "AWS STS can read them".to_owned(),
            }),
            Known::Seen(Some(check)) => State::Open(check.message.clone()),
        };
        let title = "the documents of the new issuer are published, with the keys of the cluster";
        let check = self.migration.line("verify", &format!("--issuer {to} --apiserver"), false);
        let check = format!("{check}{}", spaced(&self.migration.options.cluster));
        self.step("documents", title, state, vec![self.migration.publish()], check)
            .with_warning(self.is_signing().then(|| self.refused()))
    }

    fn provider(&self) -> Step {
        let to = &self.migration.to;
        let (state, audiences) = match &self.facts.providers {
            Known::Unknown(reason) => (State::Unknown(reason.clone()), self.audiences()),
            Known::Seen(Providers { new, .. }) => {
                let wanted = self.audiences();
                let state = match new {
                    None => State::Open("it does not exist".to_owned()),
                    Some(new) => {
                        let missing: Vec<_> =
                            wanted.iter().filter(|one| !new.contains(one)).cloned().collect();
                        match &missing[..] {
                            [] => State::Done(format!("its audiences: {}", new.join(", "))),
                            _ => State::Open(format!(
                                "it lacks audiences of the old provider: {}",
                                missing.join(", ")
                            )),
                        }
                    }
                };
                (state, wanted)
            }
        };
        let title = "IAM has an OIDC provider for the new issuer";
        let command = self.migration.provider(&audiences);
        let check = self.migration.line("provider show", &format!("--issuer {to}"), true);
        self.step("provider", title, state, vec![command], check)
            .with_warning(self.is_signing().then(|| self.refused()))
    }

    fn trust(&self) -> Step {
        let to = &self.migration.to;
        let title = "every role that trusts the old issuer trusts the new one, too";
        let check = self.migration.line("role list", &format!("--issuer {to}"), true);
        let (state, commands) = match &self.facts.roles {
            Known::Unknown(reason) => (
                State::Unknown(reason.clone()),
                vec![format!(
                    "issuerctl role apply NAME --issuer {to} --service-account NAMESPACE/NAME --add"
                )],
            ),
            Known::Seen(roles) => {
                let roles: Vec<_> = roles.iter().filter(|role| !role.wanted().is_empty()).collect();
                let open: Vec<_> = roles.iter().filter(|role| !role.missing().is_empty()).collect();
                let lacks = |role: &&&TrustedRole| {
                    format!("{} (for {})", role.name, role.missing().join(", "))
                };
                let commands = match &self.migration.options.new_file {
                    Some(_) => vec![self.migration.publish()],
                    None => open
                        .iter()
                        .map(|role| self.migration.role(role, &self.audiences()))
                        .collect(),
                };
                let state = match (roles.len(), open.len()) {
                    (0, _) => State::NotNeeded("no role trusts the old issuer".to_owned()),
                    (count, 0) => State::Done(format!("{count} of {count} do")),
                    (count, _) => State::Open(format!(
                        "{} of {count} do not yet: {}",
                        open.len(),
                        named(open.iter().map(lacks))
                    )),
                };
                (state, commands)
            }
        };
        self.step("trust", title, state, commands, check)
            .with_warning(self.is_signing().then(|| self.refused()))
    }

    fn accept(&self) -> Step {
        let (from, to) = (&self.migration.from, &self.migration.to);
        let title = "every API server accepts the new issuer, while the old one signs";
        let state = match (self.has_one_issuer(), self.cluster()) {
            (true, _) => State::NotNeeded(
                "EKS Anywhere holds one issuer, so there is no step in which both are accepted"
                    .to_owned(),
            ),
            (_, Err(reason)) => State::Unknown(reason),
            (_, Ok(Cluster { signing, servers, .. })) if servers.is_empty() => {
                match signing == to {
                    true => State::Done("the API server that answered signs with it".to_owned()),
                    false => State::Unknown(no_pods()),
                }
            }
            (_, Ok(cluster)) => over(&cluster.servers, "accept", |one| one.issuers.contains(to)),
        };
        let commands = self.migration.api_server(&format!("--issuer {from} --keep-issuer {to}"));
        self.step("accept", title, state, commands, self.check_flags()).with_warning(self.third())
    }

    /// A warning if the API server signs with neither issuer: the commands would make it sign with
    /// another one.
    fn third(&self) -> Option<String> {
        let (from, to) = (&self.migration.from, &self.migration.to);
        let signing = &self.cluster().ok()?.signing;
        (signing != from && signing != to).then(|| {
            format!(
                "the API server signs with {signing} now, which is neither of the two issuers: the \
                 commands would make it sign with {from}. Give --from {signing}, or another --kubeconfig \
                 or --context"
            )
        })
    }

    fn sign(&self) -> Step {
        let (from, to) = (&self.migration.from, &self.migration.to);
        let one = self.has_one_issuer();
        let (title, issuers) = match one {
            true => ("every API server signs with the new issuer", format!("--issuer {to}")),
            false => (
                "every API server signs with the new issuer, and accepts the old one",
                format!("--issuer {to} --keep-issuer {from}"),
            ),
        };
        let state = match self.cluster() {
            Err(reason) => State::Unknown(reason),
            Ok(Cluster { signing, servers, .. }) if servers.is_empty() => match signing == to {
                true => State::Done("the API server that answered does".to_owned()),
                false => State::Open(format!("the API server that answered signs with {signing}")),
            },
            Ok(cluster) => over(&cluster.servers, "sign with it", |server| signs(server, to)),
        };
        let warning = (one && matches!(state, State::Open(_))).then(|| {
            "the old issuer is refused at once: clients in the cluster get 401 until kubelet has \
             renewed their tokens (up to 48 minutes) and they have read them again"
                .to_owned()
        });
        let commands = self.migration.api_server(&issuers);
        let warning = self.third().or(warning);
        self.step("sign", title, state, commands, self.check_flags()).with_warning(warning)
    }

    fn tokens(&self) -> Step {
        let title = "every pod has a token of the new issuer";
        let (state, commands) = match self.cluster() {
            Err(reason) => (State::Unknown(reason), self.restart(&[])),
            Ok(cluster) => self.tokens_of(cluster),
        };
        let check = self.migration.kubectl(
            "get pods -A --sort-by=.metadata.creationTimestamp -o custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,CREATED:.metadata.creationTimestamp",
        );
        self.step("tokens", title, state, commands, check)
    }

    fn tokens_of(&self, cluster: &Cluster) -> (State, Vec<String>) {
        let to = &self.migration.to;
        let all_sign = match &cluster.servers[..] {
            [] => cluster.signing == *to,
            servers => servers.iter().all(|server| signs(server, to)),
        };
        if !all_sign {
            let text = "not before every API server signs with it".to_owned();
            return (State::Open(text), self.restart(&[]));
        }
        if self.is_over() {
            let text = "nothing in AWS trusts the old issuer any more".to_owned();
            return (State::Done(text), Vec::new());
        }
        // A restart since then makes this too late, never too early.
        let started: Option<Vec<u64>> =
            cluster.servers.iter().map(|one| one.started_secs).collect();
        let Some(since) = started.and_then(|started| started.into_iter().max()) else {
            let text = "when the API servers began to sign with it is not known from here";
            return (State::Unknown(text.to_owned()), self.restart(&[]));
        };
        let older: Vec<_> = cluster.pods.iter().filter(|pod| pod.created_secs < since).collect();
        let until = since.saturating_add(RENEWED_SECS);
        if older.is_empty() {
            let count = cluster.pods.len();
            let text = format!("all {count} pods with a token for AWS were created afterwards");
            return (State::Done(text), Vec::new());
        }
        if self.facts.now_secs >= until {
            let text = format!("kubelet has renewed all of them by {}", moment(until));
            return (State::Done(text), Vec::new());
        }
        let names = older.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name));
        let text = format!(
            "{} pods with a token for AWS were created before the API servers were last started \
             ({}); kubelet has renewed their tokens by {}: {}",
            older.len(),
            moment(since),
            moment(until),
            named(names)
        );
        (State::Open(text), self.restart(&older))
    }

    fn drop(&self) -> Step {
        let (from, to) = (&self.migration.from, &self.migration.to);
        let title = "no API server accepts the old issuer";
        let state = match (self.has_one_issuer(), self.cluster()) {
            (true, _) => State::NotNeeded("it is part of the step sign".to_owned()),
            (_, Err(reason)) => State::Unknown(reason),
            (_, Ok(cluster)) if cluster.servers.is_empty() && cluster.signing != *to => {
                State::Open(format!("the API server that answered signs with {}", cluster.signing))
            }
            (_, Ok(cluster)) if cluster.servers.is_empty() => State::Unknown(no_pods()),
            (_, Ok(cluster)) => {
                over(&cluster.servers, "refuse it", |one| !one.issuers.contains(from))
            }
        };
        let commands = self.migration.api_server(&format!("--issuer {to} --drop-issuer {from}"));
        self.step("drop", title, state, commands, self.check_flags())
    }

    fn old_trust(&self) -> Step {
        let from = &self.migration.from;
        let title = "no role trusts the old issuer";
        let check = self.migration.line("role list", &format!("--issuer {from}"), true);
        let (state, commands) = match &self.facts.roles {
            Known::Unknown(reason) => (State::Unknown(reason.clone()), Vec::new()),
            Known::Seen(roles) => {
                let old: Vec<_> = roles.iter().filter(|role| !role.old.is_empty()).collect();
                let commands = old.iter().map(|role| self.forget(role));
                let state = match old.len() {
                    0 => State::Done("none does".to_owned()),
                    _ => State::Open(format!(
                        "these do: {}",
                        named(old.iter().map(|r| r.name.clone()))
                    )),
                };
                (state, commands.collect())
            }
        };
        self.step("old-trust", title, state, commands, check)
    }

    fn old_provider(&self) -> Step {
        let from = &self.migration.from;
        let state = match &self.facts.providers {
            Known::Unknown(reason) => State::Unknown(reason.clone()),
            Known::Seen(Providers { old: None, .. }) => State::Done("it does not exist".to_owned()),
            Known::Seen(_) => State::Open("it exists".to_owned()),
        };
        let title = "IAM has no OIDC provider for the old issuer";
        let command = self.migration.line("provider delete", &format!("--issuer {from}"), true);
        let check = self.migration.line("provider show", &format!("--issuer {from}"), true);
        self.step("old-provider", title, state, vec![command], check)
    }

    fn old_documents(&self) -> Step {
        let from = &self.migration.from;
        let title = "the documents of the old issuer are deleted";
        let state = match &self.facts.old_documents {
            Known::Unknown(reason) => State::Unknown(reason.clone()),
            Known::Seen(false) => State::Done("there is none at its URL".to_owned()),
            Known::Seen(true) => State::Open("they are still published".to_owned()),
        };
        let command = match (&self.migration.options.new_file, self.migration.options.old_in_file) {
            (Some(file), true) => format!(
                "# move the document of {from} out of {file} into a file of its own, old.yaml; then: \
                 issuerctl delete -f old.yaml"
            ),
            _ => format!(
                "# delete keys.json and .well-known/openid-configuration where they are hosted, or \
                 issuerctl delete -f the file that declares {from}"
            ),
        };
        let check = format!("curl -sI {from}/.well-known/openid-configuration");
        self.step("old-documents", title, state, vec![command], check)
    }

    /// The statement of the old issuer is removed; the role and that of the new issuer stay.
    fn forget(&self, role: &TrustedRole) -> String {
        let from = &self.migration.from;
        if role.is_ours {
            return self.migration.line(
                "role delete",
                &format!("{} --issuer {from}", role.name),
                true,
            );
        }
        format!(
            "# {}: remove the statement that trusts {from}, which issuerctl did not create: aws iam \
             update-assume-role-policy",
            role.name
        )
    }

    /// New pods, and so new tokens, in the namespaces of these.
    fn restart(&self, pods: &[&TokenPod]) -> Vec<String> {
        let namespaces: BTreeSet<&str> = pods.iter().map(|pod| pod.namespace.as_str()).collect();
        let line = |namespace: &str| {
            self.migration.kubectl(&format!(
                "rollout restart deployment,statefulset,daemonset -n {namespace}"
            ))
        };
        match namespaces.is_empty() {
            true => vec![line("NAMESPACE")],
            false => namespaces.into_iter().map(line).collect(),
        }
    }

    fn audiences(&self) -> Vec<String> {
        match &self.facts.providers {
            Known::Seen(Providers { old: Some(old), .. }) if !old.is_empty() => old.clone(),
            _ => vec![DEFAULT_AUDIENCE.to_owned()],
        }
    }

    fn cluster(&self) -> Result<&Cluster, String> {
        match &self.facts.cluster {
            Known::Seen(cluster) => Ok(cluster),
            Known::Unknown(reason) => Err(reason.clone()),
        }
    }

    /// Whether any API server signs with the new issuer.
    fn is_signing(&self) -> bool {
        let to = &self.migration.to;
        self.cluster().is_ok_and(|cluster| {
            cluster.signing == *to || cluster.servers.iter().any(|server| signs(server, to))
        })
    }

    /// Whether no provider and no role of the old issuer is left.
    fn is_over(&self) -> bool {
        matches!(self.facts.providers, Known::Seen(Providers { old: None, new: Some(_) }))
            && matches!(&self.facts.roles, Known::Seen(roles) if roles.iter().all(|role| role.old.is_empty()))
    }

    fn has_one_issuer(&self) -> bool {
        self.migration.distribution.is_some_and(Distribution::has_one_issuer)
    }

    fn refused(&self) -> String {
        "an API server signs with it already: AWS refuses its tokens until this is done".to_owned()
    }

    fn check_flags(&self) -> String {
        self.migration.kubectl(
            "get pods -n kube-system -o yaml | grep -- --service-account-issuer  # or the configuration file on each server",
        )
    }

    fn step(
        &self,
        id: &'static str,
        title: &'static str,
        state: State,
        commands: Vec<String>,
        check: String,
    ) -> Step {
        let (status, finding) = match state {
            State::Done(finding) => (Status::Done, finding),
            State::Open(finding) => (Status::Next, finding),
            State::Unknown(finding) => (Status::Unknown, finding),
            State::NotNeeded(finding) => (Status::NotNeeded, finding),
        };
        let commands = if status.is_settled() { Vec::new() } else { commands };
        Step { id, title, status, finding, warning: None, commands, check }
    }
}

impl Step {
    /// Adds a warning to a step that is not done.
    fn with_warning(mut self, warning: Option<String>) -> Self {
        self.warning = warning.filter(|_| self.status == Status::Next);
        self
    }
}

fn signs(server: &ApiServer, issuer: &str) -> bool {
    server.issuers.first().is_some_and(|first| first == issuer)
}

/// Whether all of them do it.
fn over(servers: &[ApiServer], what: &str, does: impl Fn(&ApiServer) -> bool) -> State {
    let count = servers.len();
    let open: Vec<_> = servers.iter().filter(|server| !does(server)).collect();
    match open.len() {
        0 => State::Done(format!("{count} of {count} API servers {what}")),
        missing => State::Open(format!(
            "{} of {count} API servers {what}; not yet: {}",
            count - missing,
            named(open.iter().map(|server| server.name.clone()))
        )),
    }
}

fn no_pods() -> String {
    "the API servers of this cluster are not pods, so their flags cannot be read from here"
        .to_owned()
}

/// Some of the names, and how many more there are.
fn named(names: impl ExactSizeIterator<Item = String>) -> String {
    let count = names.len();
    let shown = names.take(NAMED).collect::<Vec<_>>().join(", ");
    match count.checked_sub(NAMED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

fn moment(secs: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs.min(MAX_SECS)))
        .to_string()
}

/// The end of the year 9999, the last that RFC 3339 has.
const MAX_SECS: u64 = 253_402_300_799;

//! Filling in what the doctor judges, in three waves: everything that can be read at once; what that named, a
//! dry run, and then a fresh token for the audience of the pods; the exchange with STS. Nothing is changed
//! anywhere.

mod account;
mod aws;
mod hosts;
mod injection;
mod learnt;
mod permissions;
mod reader;
mod server;

use std::time::Duration;

pub use permissions::{doctor_permissions, doctor_policy};

use issuer_cluster::{Cluster, ClusterName, Connection, Namespace};
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::IssuerUrl;
use issuer_doctor::{Asked, Fact, Seen, audience_of};
use issuer_publish::{S3Location, S3Options};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{Error, Reconciler};

/// For everything that is asked of AWS in one wave.
const AWS_PATIENCE: Duration = Duration::from_secs(8);

/// For one answer of an API server, and for one that is busy.
const PATIENCE: Duration = Duration::from_secs(6);

/// For all pages of a list.
const LIST_PATIENCE: Duration = Duration::from_secs(12);

/// For the exec plugins of kubeconfigs.
const PLUGIN_PATIENCE: Duration = Duration::from_secs(22);

/// For a run: what was not read by then is not known.
const WHOLE: Duration = Duration::from_secs(28);

/// Lists of pods are large; what is larger comes in pages.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What is examined, and how.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Examination {
    /// What is asked for.
    pub asked: Asked,
    /// The cluster whose pods use the issuer; if not set, `asked.no_cluster` says why.
    pub connection: Option<Connection>,
    /// Whether the connection was not given, so that there may be none.
    pub is_optional: bool,
    /// Its management cluster.
    pub management: Option<Management>,
    /// The bucket of the documents.
    pub store: Option<(S3Location, S3Options)>,
    /// Whether no pod is created by a server-side dry run.
    pub no_dry_run: bool,
    /// Whether no token is exchanged.
    pub no_exchange: bool,
}

/// A management cluster, and the cluster that is meant; any of its clusters if there is no name.
#[derive(Debug, Clone)]
pub struct Management {
    /// The connection to it.
    pub connection: Connection,
    /// The cluster.
    pub cluster: Option<ClusterName>,
    /// Its namespace.
    pub namespace: Option<Namespace>,
}

impl Reconciler<'_> {
    /// Looks at cluster, issuer and account; what cannot be seen is part of the answer.
    ///
    /// # Errors
    /// A kubeconfig that cannot be used; session options that are not valid.
    pub async fn examine(&self, request: &Examination) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        seen.asked = request.asked.clone();
        let end = Instant::now() + WHOLE;
        let (cluster, management) = tokio::join!(
            connect(request.connection.as_ref()),
            connect(request.management.as_ref().map(|own| &own.connection)),
        );
        let cluster = match cluster {
            Err(Error::Cluster(issuer_cluster::Error::NoConfiguration)) if request.is_optional => {
                seen.asked.no_cluster = Some(
                    "there is no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config)".to_owned(),
                );
                Fact::default()
            }
            connected => connected?,
        };
        let management = management?;
        let first = self.first(request, &cluster, &management, &mut seen);
        if timeout_at(end, first).await.is_err() {
            seen.cluster.version = late();
            seen.documents.observation = late();
            seen.aws.caller = late();
        }
        // A server that did not answer is not asked again.
        let cluster = cluster.known().filter(|_| !matches!(seen.cluster.version, Fact::Failed(_)));
        if timeout_at(end, self.second(request, cluster, &mut seen)).await.is_err() {
            (seen.cluster.tokens, seen.documents.token) = (late(), late());
            seen.injection.dry_run = late();
        }
        if timeout_at(end, self.third(request, &mut seen)).await.is_err() {
            seen.exchange = late();
        }
        Ok(seen)
    }

    /// Everything that depends on nothing.
    async fn first(
        &self,
        request: &Examination,
        connected: &Fact<Cluster>,
        management: &Fact<Cluster>,
        seen: &mut Seen,
    ) {
        let cluster = connected.known();
        let issuer = url(&seen.asked, seen.asked.issuer.as_deref());
        let (server, managed, workload, injection, documents, aws, bucket) = tokio::join!(
            server::first(cluster),
            server::managed(management.known(), request.management.as_ref()),
            account::first(cluster, &seen.asked),
            injection::first(cluster),
            hosts::documents(issuer.as_ref(), &self.shared.fetch),
            aws::first(self, issuer.as_ref()),
            aws::bucket(self, request),
        );
        seen.cluster = server;
        seen.cluster.managed = managed;
        if let Fact::Failed(why) = connected {
            seen.cluster.place = "the kubeconfig".to_owned();
            seen.cluster.version = Fact::Failed(why.clone());
        }
        if let Fact::Failed(why) = management {
            seen.cluster.managed = Fact::Failed(why.clone());
        }
        seen.workload = workload;
        seen.injection = injection;
        (seen.documents.observation, seen.documents.chain) = documents;
        seen.documents.issuer = issuer.map(|issuer| issuer.as_str().to_owned());
        seen.aws = aws;
        (seen.documents.bucket, seen.documents.objects) = bucket;
        learnt::subject(seen);
    }

    /// What the first wave named.
    async fn second(&self, request: &Examination, cluster: Option<&Cluster>, seen: &mut Seen) {
        let learnt = learnt::issuer(seen);
        let issuer =
            url(&seen.asked, learnt.as_deref()).filter(|_| seen.documents.issuer.is_none());
        let (named, documents, aws) = tokio::join!(
            in_cluster(cluster, request, seen.clone()),
            hosts::documents(issuer.as_ref(), &self.shared.fetch),
            aws::second(self, issuer.as_ref(), seen),
        );
        *seen = named;
        if let Some(issuer) = issuer {
            (seen.documents.observation, seen.documents.chain) = documents;
            seen.documents.issuer = Some(issuer.as_str().to_owned());
        }
        aws.into_seen(seen);
    }

    /// What needs a token, or what only a token named.
    async fn third(&self, request: &Examination, seen: &mut Seen) {
        let learnt = learnt::issuer(seen);
        let issuer =
            url(&seen.asked, learnt.as_deref()).filter(|_| seen.documents.issuer.is_none());
        let role = learnt::role(seen);
        let needs_role = matches!(seen.aws.role, Fact::NotAsked(_)) && role.is_some();
        let (exchange, documents, aws) = tokio::join!(
            aws::exchange(self, request, seen),
            hosts::documents(issuer.as_ref(), &self.shared.fetch),
            async {
                match needs_role || issuer.is_some() {
                    true => Some(aws::second(self, issuer.as_ref(), seen).await),
                    false => None,
                }
            },
        );
        seen.exchange = exchange;
        if let Some(issuer) = issuer {
            (seen.documents.observation, seen.documents.chain) = documents;
            seen.documents.issuer = Some(issuer.as_str().to_owned());
        }
        if let Some(aws) = aws {
            aws.into_seen(seen);
        }
    }
}

/// What the first wave named in the cluster, and then a fresh token for the pods' audience.
async fn in_cluster(cluster: Option<&Cluster>, request: &Examination, mut seen: Seen) -> Seen {
    let (sources, events, account, injection) = tokio::join!(
        account::sources(cluster, &seen),
        account::events(cluster, &seen),
        account::account(cluster, &seen),
        injection::second(cluster, request, &seen),
    );
    (seen.workload.secrets, seen.workload.config_maps) = sources;
    seen.workload.events = events;
    if let Some(account) = account {
        seen.workload.account = account;
    }
    seen.injection = injection;
    let audience = audience_of(&seen);
    let ((serving, called), token) = tokio::join!(
        injection::third(cluster, request, &seen),
        server::tokens(cluster, request.connection.as_ref(), &seen, &audience.text),
    );
    (seen.injection.serving, seen.injection.called) = (serving, called);
    (seen.cluster.tokens, seen.documents.token) = token;
    seen.cluster.requested = Some(audience);
    seen
}

/// A connection, if there is one; it is not known if its plugin does not end.
async fn connect(connection: Option<&Connection>) -> Result<Fact<Cluster>, Error> {
    let Some(connection) = connection else { return Ok(Fact::default()) };
    match timeout(PLUGIN_PATIENCE, Cluster::connect(connection)).await {
        Ok(connected) => {
            Ok(Fact::Known(connected?.within(PATIENCE).with_answers_up_to(MAX_ANSWER_BYTES)))
        }
        Err(_) => Ok(Fact::Failed(format!(
            "the exec plugin of the kubeconfig gave no credentials within {} s",
            PLUGIN_PATIENCE.as_secs()
        ))),
    }
}

/// What was not read in time.
fn late<T>() -> Fact<T> {
    Fact::Failed(format!("not everything could be read within {} s", WHOLE.as_secs()))
}

/// An issuer that can be read.
fn url(asked: &Asked, text: Option<&str>) -> Option<IssuerUrl> {
    IssuerUrl::parse(text?, asked.ports())
        .ok()
        .filter(|url| !url.host().starts_with("kubernetes.default"))
}

/// Why something of a cluster is not known.
fn unknown<T>(error: &issuer_cluster::Error, verb: &str, resource: &str) -> Fact<T> {
    match error.kind() {
        ErrorKind::NotPermitted => match error {
            issuer_cluster::Error::Forbidden { .. } => {
                Fact::Denied(format!("{verb} on {resource}"))
            }
            other => Fact::Denied(other.to_string()),
        },
        _ => Fact::Failed(error.to_string()),
    }
}

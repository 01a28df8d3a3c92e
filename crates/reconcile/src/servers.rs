//! Asking the API servers of a cluster which keys they accept, and which key they sign with.

use issuer_cluster::{Cluster, Connection, ServiceAccountRef};
use issuer_diagnostic::{now_secs, one_line};
use issuer_iam::DEFAULT_AUDIENCE;
use issuer_jwks::{Token, WeakKeys};
use issuer_migration::{Known, api_servers, has_external_signer};
use issuer_rotation::Server;
use serde_json::Value;

use crate::{Event, Events};

/// Which API servers are asked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServersQuery {
    /// How the cluster is reached.
    pub connection: Connection,
    /// The URL of each; without one, that of the connection is asked.
    pub urls: Vec<String>,
    /// The service account that fresh tokens are requested for; without one, which key signs is not
    /// known.
    pub account: Option<ServiceAccountRef>,
    /// How many tokens are requested at each URL, each over a connection of its own, which a load
    /// balancer may pass to another API server.
    pub tries: u8,
}

/// The answers of all API servers. What one does not say is unknown, with its reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct AskedServers {
    /// The answers, in the order of the URLs.
    pub servers: Vec<Server>,
    /// How many API servers the cluster has, if they are pods.
    pub count: usize,
    /// When the last of them was started, in seconds since 1970.
    pub started_secs: Known<u64>,
    /// A fresh token, the last one.
    pub token: Option<Token>,
}

impl Default for AskedServers {
    fn default() -> Self {
        let started_secs = Known::Unknown("no API server was asked".to_owned());
        Self { servers: Vec::new(), count: 0, started_secs, token: None }
    }
}

impl ServersQuery {
    /// Asks every API server; nothing is changed.
    pub async fn ask(&self, events: &dyn Events) -> AskedServers {
        let mut asked = AskedServers::default();
        let urls: Vec<Option<&str>> = match &self.urls[..] {
            [] => vec![None],
            urls => urls.iter().map(|url| Some(url.as_str())).collect(),
        };
        for url in &urls {
            let (server, token) = self.ask_one(*url, events).await;
            asked.servers.push(server);
            asked.token = token.or(asked.token);
        }
        events.event("", Event::Waiting("reading when the API servers were started"));
        (asked.started_secs, asked.count) = self.started(urls.first().copied().flatten()).await;
        events.event("", Event::Waited);
        asked
    }

    /// Asks one API server for its keys and for fresh tokens.
    async fn ask_one(&self, url: Option<&str>, events: &dyn Events) -> (Server, Option<Token>) {
        let mut server = Server {
            name: url.unwrap_or("the API server").to_owned(),
            accepts: Known::Unknown("it was not asked".to_owned()),
            signs: Known::Unknown("no service account was named for a fresh token".to_owned()),
            clock_secs: None,
        };
        let cluster = match self.connect(url).await {
            Ok(cluster) => cluster,
            Err(error) => {
                let reason = one_line(&error);
                server.accepts = Known::Unknown(reason.clone());
                server.signs = Known::Unknown(reason);
                return (server, None);
            }
        };
        server.name = cluster.server().to_owned();
        events.event("", Event::Waiting(&format!("asking {}", server.name)));
        server.accepts = match cluster.served(WeakKeys::Allow).await {
            Ok(served) => {
                let keys = served.keys.without_empty_kid();
                Known::Seen(keys.keys().iter().map(|jwk| jwk.kid.to_string()).collect())
            }
            Err(error) => Known::Unknown(one_line(&error)),
        };
        let mut last = None;
        if let Some(account) = &self.account {
            match self.tokens(url, account).await {
                Ok(tokens) => {
                    let mut kids: Vec<String> = Vec::new();
                    for (token, clock_secs) in tokens {
                        let kid = token.kid().unwrap_or_default().to_owned();
                        if !kids.contains(&kid) {
                            kids.push(kid);
                        }
                        server.clock_secs = clock_secs.or(server.clock_secs);
                        last = Some(token);
                    }
                    server.signs = Known::Seen(kids);
                }
                Err(error) => server.signs = Known::Unknown(one_line(&error)),
            }
        }
        events.event("", Event::Waited);
        (server, last)
    }

    /// Fresh tokens, and how far the clock of the server is ahead.
    async fn tokens(
        &self,
        url: Option<&str>,
        account: &ServiceAccountRef,
    ) -> Result<Vec<(Token, Option<i64>)>, issuer_cluster::Error> {
        let mut tokens = Vec::new();
        for _ in 0..self.tries {
            let cluster = self.connect(url).await?;
            let token = cluster.fresh_token(account, DEFAULT_AUDIENCE).await?;
            let now = i64::try_from(now_secs()).ok();
            let issued = token.claims().get("iat").and_then(Value::as_i64);
            let ahead = issued.zip(now).map(|(issued, now)| issued.saturating_sub(now));
            tokens.push((token, ahead));
        }
        Ok(tokens)
    }

    async fn connect(&self, url: Option<&str>) -> Result<Cluster, issuer_cluster::Error> {
        match url {
            Some(url) => Cluster::connect_to(&self.connection, url).await,
            None => Cluster::connect(&self.connection).await,
        }
    }

    /// When the last API server was started, and how many there are, if they are pods.
    async fn started(&self, url: Option<&str>) -> (Known<u64>, usize) {
        let pods = async {
            let cluster = self.connect(url).await?;
            cluster.list("/api/v1/namespaces/kube-system/pods", "", "pods").await
        };
        let servers = match pods.await {
            Ok(pods) if has_external_signer(&pods) => {
                let reason = "an external signer has the keys of the API servers, and changes them \
                              without a restart";
                return (Known::Unknown(reason.to_owned()), api_servers(&pods).len());
            }
            Ok(pods) => api_servers(&pods),
            Err(error) => return (Known::Unknown(one_line(&error)), 0),
        };
        let starts: Option<Vec<u64>> = servers.iter().map(|server| server.started_secs).collect();
        let last = starts.and_then(|starts| starts.into_iter().max());
        let unknown = "the API servers of this cluster are not pods, so the time of their start \
                       cannot be read from it";
        let last = last.map_or_else(|| Known::Unknown(unknown.to_owned()), Known::Seen);
        (last, servers.len())
    }
}

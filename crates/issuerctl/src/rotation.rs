//! What a rotation is judged by: the published keys, and what the API servers say.

use std::time::{SystemTime, UNIX_EPOCH};

use issuer_cluster::{Cluster, Connection, ServiceAccountRef};
use issuer_diagnostic::{for_a_shell, now_secs};
use issuer_iam::DEFAULT_AUDIENCE;
use issuer_jwks::{JwkSet, Token, WeakKeys};
use issuer_migration::{Known, api_servers};
use issuer_publish::{KeyLife, KeyRecord};
use issuer_reconcile::{Observed, Reconciler, Scope, Target};
use issuer_rotation::{Facts, Rotation, Server};

use crate::cli::{PlaceArgs, ServerArgs, WaitArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::targets;
use crate::ui::Ui;

/// The documents of an issuer, and its API servers.
pub(crate) struct Seen {
    /// What was read of the documents.
    pub(crate) observed: Observed,
    /// The published keys.
    pub(crate) published: JwkSet,
    /// What a rotation is judged by.
    pub(crate) facts: Facts,
    /// A fresh token.
    pub(crate) token: Option<Token>,
}

/// Whether API servers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// They are.
    Always,
    /// They are if one was named, or a service account.
    IfGiven,
}

/// Reads the published keys, and asks the API servers.
///
/// # Errors
/// Documents that cannot be read. What an API server does not say is unknown.
pub(crate) async fn look(
    engine: &Reconciler<'_>,
    target: &Target,
    args: &ServerArgs,
    ask: Ask,
    ui: &Ui,
) -> Result<Seen, Failure> {
    let observed = engine.observe(target, Scope::apply(false)).await.map_err(engine::failed)?;
    let stored = observed.site.as_ref().and_then(|(_, state)| state.keys.as_ref());
    let published = match stored {
        Some(stored) => JwkSet::parse_with_foreign(&stored.bytes, WeakKeys::Allow)
            .map(|(keys, _)| keys)
            .map_err(|error| {
                let place = observed.site.as_ref().map(|(store, _)| store.location());
                let place = place.unwrap_or_default();
                Failure::because(format!("{place}/keys.json cannot be read"), &error)
            })?,
        None => JwkSet::default(),
    };
    let written_secs = stored.and_then(|stored| stored.written_secs);
    let record = stored.map(|stored| stored.record.clone()).unwrap_or_default();
    let (facts, token) = facts(&published, (written_secs, &record), args, ask, ui).await?;
    Ok(Seen { observed, published, facts, token })
}

/// Asks the API servers.
///
/// # Errors
/// A time in the future.
pub(crate) async fn facts(
    published: &JwkSet,
    (written_secs, record): (Option<u64>, &KeyRecord),
    args: &ServerArgs,
    ask: Ask,
    ui: &Ui,
) -> Result<(Facts, Option<Token>), Failure> {
    let now_secs = now_secs();
    let is_given = args.check_live.is_some() || !args.server.is_empty();
    let mut asked = Asked::default();
    if ask == Ask::Always || is_given {
        asked = Asked::all(args, ui).await;
    }
    let started_secs = match args.signing_since {
        Some(since) => Known::Seen(past(since, now_secs)?),
        None => asked.started_secs,
    };
    let published: Vec<String> =
        published.without_empty_kid().keys().iter().map(|jwk| jwk.kid.to_string()).collect();
    let recorded = |time: fn(KeyLife) -> Option<u64>| {
        let times = published.iter().map(|kid| (kid.clone(), time(record.life(kid))));
        times.filter_map(|(kid, time)| Some((kid, time?))).collect()
    };
    let facts = Facts {
        first_secs: recorded(|life| life.first_secs),
        signed_secs: recorded(|life| life.signed_secs),
        published,
        written_secs,
        servers: asked.servers,
        unasked: asked.unasked,
        started_secs,
        now_secs,
    };
    Ok((facts, asked.token))
}

/// A rotation of these documents.
pub(crate) fn rotation(
    place: &PlaceArgs,
    servers: &ServerArgs,
    waits: Option<&WaitArgs>,
    target: &Target,
) -> Rotation {
    let mut rotation = Rotation::default();
    if let Some(waits) = waits {
        rotation.token_secs = waits.token_life.as_secs();
    }
    let max_age = target.s3().map_or(0, |(_, options)| u64::from(options.max_age_secs));
    rotation.cached_secs = match waits.and_then(|waits| waits.cache_life) {
        Some(life) => life.as_secs(),
        None => rotation.cached_secs.max(max_age),
    };
    rotation.place = words(&place_words(place));
    rotation.servers = words(&server_words(servers, waits));
    rotation
}

/// The words that say where the keys are published.
fn place_words(place: &PlaceArgs) -> Vec<(&'static str, Option<String>)> {
    let s3 = &place.s3;
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let flag = |is_given: bool| is_given.then(String::new);
    vec![
        ("-f", place.file.as_ref().map(path)),
        ("--to", place.to.clone()),
        ("--issuer", place.issuer.clone()),
        ("--allow-port", flag(place.document.ports.allow_port)),
        ("--region", s3.region.clone()),
        ("--profile", s3.profile.clone()),
        ("--endpoint-url", s3.endpoint_url.clone()),
        ("--path-style", flag(s3.path_style)),
        ("--expected-bucket-owner", s3.expected_bucket_owner.clone()),
        ("--ca-file", place.tls.ca_file.as_ref().map(path)),
    ]
}

/// Those that say how the API servers are asked.
fn server_words(
    args: &ServerArgs,
    waits: Option<&WaitArgs>,
) -> Vec<(&'static str, Option<String>)> {
    let kubeconfig = args.kube.kubeconfig.as_ref().map(|path| path.display().to_string());
    let account = args.check_live.as_ref().map(ToString::to_string);
    let mut words = vec![
        ("--check-live", Some(account.unwrap_or_else(|| "NS/NAME".to_owned()))),
        ("--kubeconfig", kubeconfig),
        ("--context", args.kube.context.clone()),
    ];
    words.extend(args.server.iter().map(|url| ("--server", Some(url.clone()))));
    if let Some(waits) = waits.filter(|waits| waits.token_life.as_secs() != 24 * 60 * 60) {
        let life = humantime::format_duration(waits.token_life).to_string();
        words.push(("--token-life", Some(life)));
    }
    words
}

fn words(given: &[(&str, Option<String>)]) -> String {
    let words = given.iter().filter_map(|(option, value)| {
        Some(match value.as_deref()? {
            "" => (*option).to_owned(),
            value => format!("{option} {}", for_a_shell(value)),
        })
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The answers of all API servers.
struct Asked {
    servers: Vec<Server>,
    unasked: usize,
    started_secs: Known<u64>,
    token: Option<Token>,
}

impl Default for Asked {
    fn default() -> Self {
        let started_secs = Known::Unknown("no API server was asked".to_owned());
        Self { servers: Vec::new(), unasked: 0, started_secs, token: None }
    }
}

impl Asked {
    async fn all(args: &ServerArgs, ui: &Ui) -> Self {
        let connection = targets::connection(&args.kube);
        let urls: Vec<Option<&str>> = match &args.server[..] {
            [] => vec![None],
            urls => urls.iter().map(|url| Some(url.as_str())).collect(),
        };
        let mut asked = Self::default();
        for url in &urls {
            let (server, token) = ask(&connection, *url, args, ui).await;
            asked.servers.push(server);
            asked.token = token.or(asked.token);
        }
        ui.wait("reading when the API servers were started");
        let (started_secs, count) = started(&connection, urls.first().copied().flatten()).await;
        ui.waited();
        asked.started_secs = started_secs;
        match args.server.len() {
            0 if count > 1 => ui.note(&format!(
                "the cluster has {count} API servers, and its URL was asked {} times; --server URL, once \
                 for each, asks all of them",
                args.tries
            )),
            0 => {}
            named => asked.unasked = count.saturating_sub(named),
        }
        asked
    }
}

/// Asks one API server for its keys and for fresh tokens.
async fn ask(
    connection: &Connection,
    url: Option<&str>,
    args: &ServerArgs,
    ui: &Ui,
) -> (Server, Option<Token>) {
    let mut server = Server {
        name: url.unwrap_or("the API server").to_owned(),
        accepts: Known::Unknown("it was not asked".to_owned()),
        signs: Known::Unknown("no service account was named for a fresh token".to_owned()),
        clock_secs: None,
    };
    let cluster = match connect(connection, url).await {
        Ok(cluster) => cluster,
        Err(error) => {
            let reason = engine::reason(&error.into());
            server.accepts = Known::Unknown(reason.clone());
            server.signs = Known::Unknown(reason);
            return (server, None);
        }
    };
    server.name = cluster.server().to_owned();
    ui.wait(&format!("asking {}", server.name));
    server.accepts = match cluster.served(WeakKeys::Allow).await {
        Ok(served) => {
            let keys = served.keys.without_empty_kid();
            Known::Seen(keys.keys().iter().map(|jwk| jwk.kid.to_string()).collect())
        }
        Err(error) => Known::Unknown(engine::reason(&error.into())),
    };
    let mut last = None;
    if let Some(account) = &args.check_live {
        match tokens(connection, url, account, args.tries).await {
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
            Err(error) => server.signs = Known::Unknown(engine::reason(&error.into())),
        }
    }
    ui.waited();
    (server, last)
}

/// Fresh tokens, each over a connection of its own, which a load balancer may pass to another API
/// server; and how far the clock of the server is ahead.
async fn tokens(
    connection: &Connection,
    url: Option<&str>,
    account: &ServiceAccountRef,
    tries: u8,
) -> Result<Vec<(Token, Option<i64>)>, issuer_cluster::Error> {
    let mut tokens = Vec::new();
    for _ in 0..tries {
        let cluster = connect(connection, url).await?;
        let token = cluster.fresh_token(account, DEFAULT_AUDIENCE).await?;
        let now = i64::try_from(now_secs()).ok();
        let issued = token.claims().get("iat").and_then(serde_json::Value::as_i64);
        let ahead = issued.zip(now).map(|(issued, now)| issued.saturating_sub(now));
        tokens.push((token, ahead));
    }
    Ok(tokens)
}

async fn connect(
    connection: &Connection,
    url: Option<&str>,
) -> Result<Cluster, issuer_cluster::Error> {
    match url {
        Some(url) => Cluster::connect_to(connection, url).await,
        None => Cluster::connect(connection).await,
    }
}

/// When the last API server was started, and how many there are, if they are pods.
async fn started(connection: &Connection, url: Option<&str>) -> (Known<u64>, usize) {
    let pods = async {
        let cluster = connect(connection, url).await?;
        cluster.list("/api/v1/namespaces/kube-system/pods", "", "pods").await
    };
    let servers = match pods.await {
        Ok(pods) => api_servers(&pods),
        Err(error) => return (Known::Unknown(engine::reason(&error.into())), 0),
    };
    let starts: Option<Vec<u64>> = servers.iter().map(|server| server.started_secs).collect();
    let last = starts.and_then(|starts| starts.into_iter().max());
    let unknown = "the API servers of this cluster are not pods, so the time of their start cannot be \
                   read from it";
    (last.map_or_else(|| Known::Unknown(unknown.to_owned()), Known::Seen), servers.len())
}

/// A time that is not in the future.
fn past(time: SystemTime, now_secs: u64) -> Result<u64, Failure> {
    let secs = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if secs <= now_secs {
        return Ok(secs);
    }
    Err(Failure::new(Exit::Usage, "--signing-since is in the future"))
}

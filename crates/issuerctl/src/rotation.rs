//! What a rotation is judged by: the published keys, and what the API servers say.

use std::time::{SystemTime, UNIX_EPOCH};

use issuer_diagnostic::{for_a_shell, now_secs};
use issuer_jwks::{JwkSet, Token, WeakKeys};
use issuer_migration::Known;
use issuer_publish::{KeyLife, KeyRecord};
use issuer_reconcile::{AskedServers, Observed, Reconciler, Scope, ServersQuery, Target};
use issuer_rotation::{Facts, Rotation};

use crate::cli::{PlaceArgs, ServerArgs, WaitArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::targets;
use crate::ui::Ui;

const UNREADABLE: &str = "`issuerctl publish --replace-unreadable`, with the keys of the cluster and the same \
                          place, replaces it; `issuerctl history` lists what was there before";

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
                    .with_advice(UNREADABLE)
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
    let asked = match ask == Ask::Always || is_given {
        true => asked(args, ui).await,
        false => AskedServers::default(),
    };
    // Those that were not named, if some were.
    let unasked = match args.server.len() {
        0 => 0,
        named => asked.count.saturating_sub(named),
    };
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
        unasked,
        started_secs,
        now_secs,
    };
    Ok((facts, asked.token))
}

/// The answers of the API servers.
async fn asked(args: &ServerArgs, ui: &Ui) -> AskedServers {
    let query = ServersQuery {
        connection: targets::connection(&args.kube),
        urls: args.server.clone(),
        account: args.check_live.clone(),
        tries: args.tries,
    };
    let asked = query.ask(ui).await;
    if args.server.is_empty() && asked.count > 1 {
        ui.note(&format!(
            "the cluster has {} API servers, and its URL was asked {} times; --server URL, once for \
             each, asks all of them",
            asked.count, args.tries
        ));
    }
    asked
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

/// A time that is not in the future.
fn past(time: SystemTime, now_secs: u64) -> Result<u64, Failure> {
    let secs = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if secs <= now_secs {
        return Ok(secs);
    }
    Err(Failure::new(Exit::Usage, "--signing-since is in the future"))
}

//! From key sources to one JWK Set.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use issuer_change::Notice;
use issuer_cluster::{Cluster, ClusterName, Connection, Namespace};
use issuer_diagnostic::{Diagnostic as _, Encoding};
use issuer_discovery::IssuerUrl;
use issuer_jwks::{ForeignKey, JwkSet, JwksSource, KeyId, Note, Reading, WeakKeys};
use issuer_verify::FetchOptions;

use crate::{Error, Event, Events, error};

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file in PEM or DER.
    File(PathBuf),
    /// A JWK Set.
    Jwks(JwksSource),
    /// A Secret on the management cluster.
    Secret {
        /// The cluster whose keys are in it.
        cluster: ClusterName,
        /// The namespace of the Secret.
        namespace: Namespace,
        /// The connection to the management cluster.
        connection: Connection,
    },
    /// The keys that an API server publishes.
    ApiServer(Connection),
}

/// Reads a file of limited size; the command line reads standard input for `-`.
pub type ReadFile = fn(&Path) -> std::io::Result<Vec<u8>>;

/// What the sources contain.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceKeys {
    /// Their keys, in the order of the sources and without duplicates.
    pub keys: JwkSet,
    /// The clusters among the sources.
    pub clusters: Vec<ClusterKeys>,
    /// The JWK Sets at URLs among them, each the keys of some cluster.
    pub sets: Vec<ClusterKeys>,
    /// Keys of types that AWS STS does not use, which a previous site had.
    pub foreign: Vec<ForeignKey>,
    /// Published keys that are removed, since no source has had them for long enough.
    pub retired: Vec<KeyId>,
    /// Whether a part of a source could not be used, which may have been a key.
    pub is_incomplete: bool,
    /// Warnings for the user, whatever the issuer is.
    pub notices: Vec<Notice>,
}

/// The keys of a cluster, from its API server or from a Secret on its management cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterKeys {
    /// What messages call it, with the URL of the API server that was asked and the context of the
    /// kubeconfig.
    pub place: String,
    /// Where the keys come from.
    pub source: KeySource,
    /// Its issuer, if it is known: an API server says it, a Secret does not.
    pub issuer: Option<String>,
    /// Its keys.
    pub keys: JwkSet,
}

impl ClusterKeys {
    /// Whether its issuer is known to be this one.
    pub(crate) fn is_of(&self, issuer: &IssuerUrl) -> bool {
        self.issuer.as_deref() == Some(issuer.as_str())
    }

    /// How to tell which cluster it is.
    pub(crate) fn how_to_check(&self) -> String {
        match &self.source {
            KeySource::Secret { cluster, namespace, connection } => format!(
                "check that {cluster} is the cluster of this issuer: `{} get kubeadmcontrolplanes \
                 --namespace {namespace} --output yaml` shows the service-account-issuer of each",
                connection.kubectl()
            ),
            KeySource::ApiServer(connection) => {
                format!("check that it is the right one: `{} cluster-info`", connection.kubectl())
            }
            KeySource::File(_) | KeySource::Jwks(_) => "check that it is the right one".to_owned(),
        }
    }

    /// Whether one of its keys is in a set.
    pub(crate) fn shares_a_key_with(&self, set: &JwkSet) -> bool {
        self.keys.keys().iter().any(|jwk| set.keys().iter().any(|other| other.key == jwk.key))
    }

    /// Looks for its issuer in the objects of the management cluster.
    ///
    /// # Errors
    /// Failures of the connection.
    pub(crate) async fn look_up_issuer(&mut self) -> Result<(), Error> {
        if let (None, KeySource::Secret { cluster, namespace, connection }) =
            (&self.issuer, &self.source)
        {
            let client = Cluster::connect(connection).await?;
            self.issuer = client.configured_issuer(cluster, namespace).await?;
        }
        Ok(())
    }
}

impl SourceKeys {
    /// The warnings for the user if the keys are published at this issuer, including one for each
    /// cluster that has a different issuer.
    #[must_use]
    pub fn notices_for(&self, issuer: &IssuerUrl) -> Vec<Notice> {
        let others = self
            .clusters
            .iter()
            .filter_map(|cluster| other_issuer(&cluster.place, cluster.issuer.as_deref()?, issuer));
        self.notices.iter().cloned().chain(others).collect()
    }
}

impl KeySource {
    /// Whether it is a file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_) | Self::Jwks(JwksSource::File(_)))
    }
}

/// The warning about a cluster whose tokens name another issuer.
pub(crate) fn other_issuer(place: &str, own: &str, issuer: &IssuerUrl) -> Option<Notice> {
    (own != issuer.as_str()).then(|| Notice {
        id: "other-issuer".into(),
        message: format!(
            "the issuer of {place} is {own}, not {issuer}: STS accepts its tokens only after its first \
             --service-account-issuer is {issuer}"
        ),
    })
}

/// What messages call an API server.
pub(crate) fn api_server(cluster: &Cluster) -> String {
    format!("the API server {}", cluster.place())
}

/// Reads sources that are all files; no runtime is needed.
///
/// # Errors
/// A file that cannot be read or has no usable key; two files with different keys under the same
/// kid.
pub fn read_files(
    sources: &[KeySource],
    weak: WeakKeys,
    read_file: ReadFile,
) -> Result<SourceKeys, Error> {
    let readings = sources.iter().map(|source| read_local(source, weak, read_file));
    combine(readings.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?)
}

/// Reads every source, clusters concurrently, and joins their keys in the order of the sources.
///
/// # Errors
/// A source that cannot be read or has no usable key; two sources with different keys under the
/// same kid.
pub async fn read_keys(
    sources: &[KeySource],
    weak: WeakKeys,
    read_file: ReadFile,
    fetch: &FetchOptions,
    label: &str,
    events: &dyn Events,
) -> Result<SourceKeys, Error> {
    // Files are read first, so that their errors are reported before clusters are contacted.
    let local = sources.iter().map(|source| read_local(source, weak, read_file));
    let local = local.collect::<Result<Vec<_>, _>>()?;
    let asks = sources.iter().any(|source| !source.is_file());
    if asks {
        events.event(label, Event::Waiting("reading the keys"));
    }
    let tell = &|event: Event<'_>| events.event(label, event);
    let remote =
        try_join_all(sources.iter().map(|source| read_remote(source, weak, fetch, tell))).await;
    if asks {
        events.event(label, Event::Waited);
    }
    let keys = combine(local.into_iter().zip(remote?).filter_map(|(a, b)| a.or(b)).collect())?;
    for jwk in keys.keys.keys() {
        let (kid, kind, alg) = (&jwk.kid, jwk.key.describe(), jwk.key.algorithm());
        events.event(label, Event::Detail(&format!("key {kid} ({kind}, {alg})")));
    }
    Ok(keys)
}

/// The contents of one source.
struct SourceReading {
    /// Its name in messages.
    name: String,
    reading: Reading,
    /// The cluster, unless it is a file.
    cluster: Option<ClusterKeys>,
}

fn combine(readings: Vec<SourceReading>) -> Result<SourceKeys, Error> {
    let mut all = SourceKeys::default();
    for SourceReading { name, reading, cluster } in readings {
        all.is_incomplete |= reading.notes.iter().any(is_skipped);
        all.notices.extend(reading.notes.iter().map(|note| notice(&name, note)));
        all.keys = all.keys.union(&reading.set).map_err(|source| Error::Join { source })?;
        match cluster {
            Some(set) if matches!(set.source, KeySource::Jwks(_)) => all.sets.push(set),
            cluster => all.clusters.extend(cluster),
        }
    }
    Ok(all)
}

type Parse = fn(&[u8], WeakKeys) -> Result<Reading, issuer_jwks::Error>;

/// `None` if the source is not a file.
fn read_local(
    source: &KeySource,
    weak: WeakKeys,
    read_file: ReadFile,
) -> Result<Option<SourceReading>, Error> {
    let (path, parse): (_, Parse) = match source {
        KeySource::File(path) => (path, issuer_jwks::read),
        KeySource::Jwks(JwksSource::File(path)) => (path, issuer_jwks::read_set),
        KeySource::Jwks(JwksSource::Url(_))
        | KeySource::Secret { .. }
        | KeySource::ApiServer(_) => return Ok(None),
    };
    let bytes = read_file(path).map_err(|source| Error::ReadFile { path: path.clone(), source })?;
    let reading =
        parse(&bytes, weak).map_err(|source| Error::NoUsableKey { path: path.clone(), source })?;
    Ok(Some(SourceReading { name: error::name(path), reading, cluster: None }))
}

/// `None` if the source is a file.
async fn read_remote(
    source: &KeySource,
    weak: WeakKeys,
    fetch: &FetchOptions,
    tell: &impl Fn(Event<'_>),
) -> Result<Option<SourceReading>, Error> {
    Ok(match source {
        KeySource::File(_) | KeySource::Jwks(JwksSource::File(_)) => None,
        KeySource::Jwks(JwksSource::Url(url)) => {
            let name = url.to_string();
            tell(Event::Waiting(&format!("reading {name}")));
            let document = issuer_verify::fetch_jwks(url, fetch).await.map_err(Error::KeySource)?;
            let reading = issuer_jwks::read_set(&document, weak)
                .map_err(|source| Error::NoUsableKey { path: PathBuf::from(&name), source })?;
            let keys = ClusterKeys {
                place: format!("the JWK Set {name}"),
                source: source.clone(),
                issuer: None,
                keys: reading.set.clone(),
            };
            Some(SourceReading { name, reading, cluster: Some(keys) })
        }
        KeySource::Secret { cluster, namespace, connection } => {
            let client = Cluster::connect(connection).await?;
            let name = format!("Secret {namespace}/{cluster}-sa");
            tell(Event::Using(&format!("keys: {name} at {}", client.place())));
            tell(Event::Waiting(&format!("reading {name} at {}", client.place())));
            let reading = client.secret_keys(cluster, namespace, weak).await?;
            let keys = ClusterKeys {
                place: format!("the cluster {cluster} ({name} at {})", client.place()),
                source: source.clone(),
                issuer: None,
                keys: reading.set.clone(),
            };
            Some(SourceReading { name, reading, cluster: Some(keys) })
        }
        KeySource::ApiServer(connection) => {
            let client = Cluster::connect(connection).await?;
            tell(Event::Using(&format!("keys: the API server {}", client.place())));
            tell(Event::Waiting(&format!("reading the keys of {}", client.place())));
            let served = client.served(weak).await?;
            let reading = Reading { set: served.keys.clone(), notes: Vec::new() };
            let keys = ClusterKeys {
                place: api_server(&client),
                source: source.clone(),
                issuer: Some(served.issuer),
                keys: served.keys,
            };
            let name = "the API server".to_owned();
            Some(SourceReading { name, reading, cluster: Some(keys) })
        }
    })
}

/// Whether something was left out that may have been a key.
fn is_skipped(note: &Note) -> bool {
    !matches!(
        note,
        Note::OtherEncoding(_)
            | Note::Unusual(_)
            | Note::PrivateKey { .. }
            | Note::PrivateKeyWithin { .. }
    )
}

fn notice(name: &str, note: &Note) -> Notice {
    const PUBLIC_HALF: &str =
        "a private key; only its public half is used (the API server's sa.pub is enough)";
    let (id, message) = match note {
        Note::OtherEncoding(encoding) => (
            if encoding == &Encoding::Utf32 { "utf-32" } else { "utf-16" },
            format!("{name} is {encoding} text, which other tools may not read; save it as UTF-8"),
        ),
        Note::Unusual(stray) => (
            "unusual-character",
            format!("{name} has {stray}, which API servers do not read in a PEM file"),
        ),
        Note::LooksLikePem(stray) => (
            "skipped-block",
            format!(
                "{name}: line {} looks like the first line of a PEM block, but has {stray}; the \
                 block is skipped",
                stray.line
            ),
        ),
        Note::PrivateKey { block } => {
            ("private-key", format!("{name}: block {block} is {PUBLIC_HALF}"))
        }
        Note::Skipped { block, what } => {
            ("skipped-block", format!("{name}: block {block} is skipped: {what}"))
        }
        Note::SkippedEntry { fault } => {
            let hint = fault.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            ("skipped-key", format!("{name}: skipped {fault}{hint}"))
        }
        Note::PrivateKeyWithin { place } => {
            ("private-key", format!("{name}: {place} is {PUBLIC_HALF}"))
        }
        Note::SkippedWithin { place, reason } => {
            ("skipped-key", format!("{name}: {place} is skipped: {reason}"))
        }
        _ => ("key-note", format!("{name}: {note:?}")),
    };
    Notice { id: id.into(), message }
}

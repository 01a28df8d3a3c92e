//! `KEY-SOURCE…`: from the command line or the file to one JWK Set.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use issuer_cluster::{Cluster, ClusterName, Connection, Namespace};
use issuer_discovery::IssuerUrl;
use issuer_jwks::{JwkSet, Note, Reading, WeakKeys};

use crate::cli::{KeyArgs, KubeArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::runtime::Runtime;
use crate::talk::Talk;

/// Where keys come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// `--key`: PEM or DER, or standard input.
    Key(PathBuf),
    /// `--jwks`: a JWK Set, or standard input.
    Jwks(PathBuf),
    /// `--cluster`: a Secret on the management cluster.
    Secret { cluster: ClusterName, namespace: Namespace, connection: Connection },
    /// `--apiserver`: what the API server publishes itself.
    ApiServer(Connection),
}

/// What the sources hold.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Their keys, files first, each once.
    pub(crate) keys: JwkSet,
    /// What the API server says its issuer is, where it was asked (`--apiserver`).
    issuer: Option<String>,
}

impl Given {
    /// Says so where the API server names another issuer in its tokens than the one in question.
    pub(crate) fn compare_issuer(&self, issuer: &IssuerUrl, talk: &Talk) {
        if let Some(own) = self.issuer.as_deref().filter(|own| *own != issuer.as_str()) {
            talk.warning(&format!(
                "the API server says its issuer is {own}, not {issuer}: its tokens fit only once \
                 its first --service-account-issuer is {issuer}"
            ));
        }
    }
}

impl Source {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Key(path) | Self::Jwks(path) => Some(path),
            Self::Secret { .. } | Self::ApiServer(_) => None,
        }
    }
}

/// The sources of the command line, files first.
pub(crate) fn of(args: &KeyArgs) -> Vec<Source> {
    let connection = || connection(&args.kube);
    let files = args
        .key
        .iter()
        .cloned()
        .map(Source::Key)
        .chain(args.jwks.iter().cloned().map(Source::Jwks));
    let secret = args.cluster.iter().map(|cluster| Source::Secret {
        cluster: cluster.clone(),
        namespace: args.namespace.clone(),
        connection: connection(),
    });
    files.chain(secret).chain(args.apiserver.then(|| Source::ApiServer(connection()))).collect()
}

/// Reads every source that was named and joins their keys in that order.
///
/// # Errors
/// Any source that cannot be read or has no usable key; two sources with different keys under one
/// kid.
pub(crate) fn read(args: &KeyArgs, talk: &Talk) -> Result<Given, Failure> {
    read_all(&of(args), args.weak(), talk)
}

/// The same of sources that were worked out already; a runtime starts only where a cluster is
/// asked.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_all(sources: &[Source], weak: WeakKeys, talk: &Talk) -> Result<Given, Failure> {
    let local = read_files(sources, weak)?;
    let remote = if sources.iter().any(|source| source.file().is_none()) {
        Runtime::start()?.block_on(read_clusters(sources, weak, talk))?
    } else {
        sources.iter().map(|_| None).collect()
    };
    combine(local, remote, talk)
}

/// The same within a runtime that is there already.
///
/// # Errors
/// As [`read`].
pub(crate) async fn gather(
    sources: &[Source],
    weak: WeakKeys,
    talk: &Talk,
) -> Result<Given, Failure> {
    combine(read_files(sources, weak)?, read_clusters(sources, weak, talk).await?, talk)
}

/// How the cluster is reached.
pub(crate) fn connection(args: &KubeArgs) -> Connection {
    Connection { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() }
}

/// What one source holds.
struct Found {
    /// For messages.
    name: String,
    reading: Reading,
    /// What an API server says its issuer is.
    issuer: Option<String>,
}

fn combine(
    local: Vec<Option<Found>>,
    remote: Vec<Option<Found>>,
    talk: &Talk,
) -> Result<Given, Failure> {
    let mut given = Given::default();
    for found in local.into_iter().zip(remote).filter_map(|(local, remote)| local.or(remote)) {
        say_notes(&found.name, &found.reading.notes, talk);
        given.keys = join(&given.keys, &found.reading.set)?;
        given.issuer = found.issuer.or(given.issuer);
    }
    for jwk in given.keys.keys() {
        talk.detail(&format!("key {} ({}, {})", jwk.kid, jwk.key.describe(), jwk.key.algorithm()));
    }
    Ok(given)
}

/// Nothing for what is no file.
fn read_files(sources: &[Source], weak: WeakKeys) -> Result<Vec<Option<Found>>, Failure> {
    if sources.iter().filter_map(Source::file).filter(|path| files::is_stdin(path)).count() > 1 {
        return Err(Failure::new(
            Exit::Usage,
            "standard input can be read once, and `-` was given more often",
        ));
    }
    let read = |source: &Source| match source {
        Source::Key(path) => read_file(path, |bytes| issuer_jwks::read(bytes, weak)).map(Some),
        Source::Jwks(path) => read_file(path, |bytes| read_set(bytes, weak)).map(Some),
        Source::Secret { .. } | Source::ApiServer(_) => Ok(None),
    };
    sources.iter().map(read).collect()
}

/// Nothing for what is a file; the clusters are asked together.
async fn read_clusters(
    sources: &[Source],
    weak: WeakKeys,
    talk: &Talk,
) -> Result<Vec<Option<Found>>, Failure> {
    let wait = talk.wait("reading the cluster's keys");
    let found = try_join_all(sources.iter().map(|source| read_cluster(source, weak))).await?;
    wait.finish_and_clear();
    Ok(found)
}

async fn read_cluster(source: &Source, weak: WeakKeys) -> Result<Option<Found>, Failure> {
    Ok(match source {
        Source::Key(_) | Source::Jwks(_) => None,
        Source::Secret { cluster, namespace, connection } => {
            let reading =
                Cluster::connect(connection).await?.secret_keys(cluster, namespace, weak).await?;
            Some(Found { name: format!("Secret {namespace}/{cluster}-sa"), reading, issuer: None })
        }
        Source::ApiServer(connection) => {
            let served = Cluster::connect(connection).await?.served(weak).await?;
            let reading = Reading { set: served.keys, notes: Vec::new() };
            Some(Found { name: "the API server".to_owned(), reading, issuer: Some(served.issuer) })
        }
    })
}

fn read_file(
    path: &Path,
    parse: impl Fn(&[u8]) -> Result<Reading, issuer_jwks::Error>,
) -> Result<Found, Failure> {
    let bytes = files::read(path)?;
    let name = files::name_of(path);
    match parse(&bytes) {
        Ok(reading) => Ok(Found { name, reading, issuer: None }),
        Err(error) => Err(Failure::because(format!("no usable key in {name}"), &error)),
    }
}

fn read_set(bytes: &[u8], weak: WeakKeys) -> Result<Reading, issuer_jwks::Error> {
    // Readers of a published document trip over it, and here it is only the editor's.
    let set = JwkSet::parse(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), weak)?;
    if set.is_empty() {
        Err(issuer_jwks::Error::EmptySet)
    } else {
        Ok(Reading { set, notes: Vec::new() })
    }
}

fn join(set: &JwkSet, more: &JwkSet) -> Result<JwkSet, Failure> {
    set.union(more).map_err(|error| Failure::because("the key sources conflict", &error))
}

fn say_notes(name: &str, notes: &[Note], talk: &Talk) {
    for note in notes {
        talk.warning(&match note {
            Note::PrivateKey { block } => format!(
                "{name}: block {block} is a private key; only its public half is used (the API \
                 server's sa.pub will do)"
            ),
            Note::Skipped { block, what } => format!("{name}: block {block} is left out: {what}"),
            _ => format!("{name}: {note:?}"),
        });
    }
}

//! `KEY-SOURCE…`: from the command line to one JWK Set.

use issuer_cluster::{Cluster, Connection};
use issuer_jwks::{JwkSet, Note, Reading, WeakKeys};

use crate::cli::{KeyArgs, KubeArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::runtime::Runtime;
use crate::talk::Talk;

/// Reads every source that was named, files first, and joins their keys in that order.
///
/// # Errors
/// Any source that cannot be read or has no usable key; two sources with different keys under one kid.
pub(crate) fn read(args: &KeyArgs, talk: &Talk) -> Result<JwkSet, Failure> {
    let mut set = JwkSet::default();
    for (path, reading) in read_files(args)? {
        say_notes(&files::name_of(path), &reading.notes, talk);
        set = join(set, &reading.set)?;
    }
    if args.is_remote() {
        let wait = talk.wait("reading the cluster's keys");
        let readings = Runtime::start()?.block_on(read_cluster(args))?;
        wait.finish_and_clear();
        for (name, reading) in readings {
            say_notes(&name, &reading.notes, talk);
            set = join(set, &reading.set)?;
        }
    }
    for jwk in set.keys() {
        talk.detail(&format!("key {} ({}, {})", jwk.kid, jwk.key.describe(), jwk.key.algorithm()));
    }
    Ok(set)
}

/// The same, or nothing where no source was named.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_optional(args: &KeyArgs, talk: &Talk) -> Result<Option<JwkSet>, Failure> {
    if args.is_empty() { Ok(None) } else { read(args, talk).map(Some) }
}

/// How the cluster is reached.
pub(crate) fn connection(args: &KubeArgs) -> Connection {
    Connection { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() }
}

fn read_files(args: &KeyArgs) -> Result<Vec<(&std::path::Path, Reading)>, Failure> {
    let weak = args.weak();
    let keys = args.key.iter().map(|path| read_file(path, |bytes| issuer_jwks::read(bytes, weak)));
    let sets = args.jwks.iter().map(|path| read_file(path, |bytes| read_set(bytes, weak)));
    keys.chain(sets).collect()
}

fn read_file(
    path: &std::path::Path,
    parse: impl Fn(&[u8]) -> Result<Reading, issuer_jwks::Error>,
) -> Result<(&std::path::Path, Reading), Failure> {
    let bytes = files::read(path)?;
    parse(&bytes).map(|reading| (path, reading)).map_err(|error| {
        Failure::while_doing(Exit::BadInput, format!("no usable key in {}", files::name_of(path)), &error)
            .hint(error.hint())
    })
}

fn read_set(bytes: &[u8], weak: WeakKeys) -> Result<Reading, issuer_jwks::Error> {
    let set = JwkSet::parse(bytes, weak)?;
    if set.is_empty() { Err(issuer_jwks::Error::EmptySet) } else { Ok(Reading { set, notes: Vec::new() }) }
}

async fn read_cluster(args: &KeyArgs) -> Result<Vec<(String, Reading)>, Failure> {
    let cluster = Cluster::connect(&connection(&args.kube)).await?;
    let mut readings = Vec::new();
    if let Some(name) = &args.cluster {
        let reading = cluster.secret_keys(name, &args.namespace, args.weak()).await?;
        readings.push((format!("Secret {}/{name}-sa", args.namespace), reading));
    }
    if args.apiserver {
        let served = cluster.served(args.weak()).await?;
        readings.push(("the API server".to_owned(), Reading { set: served.keys, notes: Vec::new() }));
    }
    Ok(readings)
}

fn join(set: JwkSet, more: &JwkSet) -> Result<JwkSet, Failure> {
    set.union(more).map_err(|error| {
        Failure::while_doing(Exit::BadInput, "the key sources do not fit together", &error).hint(error.hint())
    })
}

fn say_notes(name: &str, notes: &[Note], talk: &Talk) {
    for note in notes {
        talk.warning(&match note {
            Note::PrivateKey { block } => format!(
                "{name}: block {block} is a private key; only its public half is used (the API server's sa.pub will do)"
            ),
            Note::Skipped { block, what } => format!("{name}: block {block} is left out: {what}"),
            _ => format!("{name}: {note:?}"),
        });
    }
}

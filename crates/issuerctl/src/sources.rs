//! `KEY-SOURCE…`: from the command line to one JWK Set.

use issuer_cluster::{Cluster, Connection, Served};
use issuer_discovery::IssuerUrl;
use issuer_jwks::{JwkSet, Note, Reading, WeakKeys};

use crate::cli::{KeyArgs, KubeArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::runtime::Runtime;
use crate::talk::Talk;

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
                "the API server says its issuer is {own}, not {issuer}: its tokens fit only once its first \
                 --service-account-issuer is {issuer}"
            ));
        }
    }
}

/// Reads every source that was named, files first, and joins their keys in that order.
///
/// # Errors
/// Any source that cannot be read or has no usable key; two sources with different keys under one kid.
pub(crate) fn read(args: &KeyArgs, talk: &Talk) -> Result<Given, Failure> {
    let mut given = Given::default();
    let from_stdin = args.key.iter().chain(&args.jwks).filter(|path| files::is_stdin(path)).count();
    if from_stdin > 1 {
        return Err(Failure::new(Exit::Usage, "standard input can be read once, and `-` was given more often"));
    }
    for (path, reading) in read_files(args)? {
        say_notes(&files::name_of(path), &reading.notes, talk);
        given.keys = join(&given.keys, &reading.set)?;
    }
    if args.is_remote() {
        let wait = talk.wait("reading the cluster's keys");
        let (secret, served) = Runtime::start()?.block_on(read_cluster(args))?;
        wait.finish_and_clear();
        if let Some((name, reading)) = secret {
            say_notes(&name, &reading.notes, talk);
            given.keys = join(&given.keys, &reading.set)?;
        }
        if let Some(served) = served {
            given.keys = join(&given.keys, &served.keys)?;
            given.issuer = Some(served.issuer);
        }
    }
    for jwk in given.keys.keys() {
        talk.detail(&format!("key {} ({}, {})", jwk.kid, jwk.key.describe(), jwk.key.algorithm()));
    }
    Ok(given)
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
    // Readers of a published document trip over it, and here it is only the editor's.
    let set = JwkSet::parse(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), weak)?;
    if set.is_empty() { Err(issuer_jwks::Error::EmptySet) } else { Ok(Reading { set, notes: Vec::new() }) }
}

/// The Secret under the name that messages give it, and what the API server publishes itself; asked for together.
async fn read_cluster(args: &KeyArgs) -> Result<(Option<(String, Reading)>, Option<Served>), Failure> {
    let cluster = Cluster::connect(&connection(&args.kube)).await?;
    let secret = async {
        let Some(name) = &args.cluster else { return Ok(None) };
        let reading = cluster.secret_keys(name, &args.namespace, args.weak()).await?;
        Ok::<_, issuer_cluster::Error>(Some((format!("Secret {}/{name}-sa", args.namespace), reading)))
    };
    let served = async { if args.apiserver { cluster.served(args.weak()).await.map(Some) } else { Ok(None) } };
    let (secret, served) = tokio::join!(secret, served);
    Ok((secret?, served?))
}

fn join(set: &JwkSet, more: &JwkSet) -> Result<JwkSet, Failure> {
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

//! The command that publishes what another tool cannot.

use issuer_cluster::Connection;
use issuer_discovery::{IssuerUrl, Shape};
use issuer_manifest::S3Store;
use issuer_publish::AccessMode;

use crate::cli::KubeArgs;
use crate::manifest::Document;
use crate::sources::Source;

/// `issuerctl publish …` for the keys of the file, once for each cluster that they come from: keys
/// are merged.
pub(super) fn publish(document: &Document, s3: &S3Store, url: &IssuerUrl, region: &str) -> String {
    let sources = document.sources(&KubeArgs { kubeconfig: None, context: None });
    let mut files: Vec<String> = Vec::new();
    let mut clusters: Vec<Vec<String>> = Vec::new();
    for source in sources {
        match source {
            Source::Key(path) => files.extend(["--key".to_owned(), path.display().to_string()]),
            Source::Jwks(path) => files.extend(["--jwks".to_owned(), path.display().to_string()]),
            Source::Secret { cluster, namespace, connection } => {
                let given = [
                    "--cluster".to_owned(),
                    cluster.to_string(),
                    "--namespace".to_owned(),
                    namespace.to_string(),
                ];
                clusters.push(given.into_iter().chain(reached(&connection)).collect());
            }
            Source::ApiServer(connection) => {
                clusters.push(
                    std::iter::once("--apiserver".to_owned()).chain(reached(&connection)).collect(),
                );
            }
        }
    }
    let place = place(document, s3, url, region);
    if clusters.is_empty() {
        clusters.push(Vec::new());
    }
    let lines = clusters.into_iter().enumerate().map(|(number, cluster)| {
        let files = if number == 0 { std::mem::take(&mut files) } else { Vec::new() };
        let words =
            ["issuerctl".to_owned(), "publish".to_owned()].into_iter().chain(files).chain(cluster);
        words
            .chain(place.iter().cloned())
            .map(|word| for_a_shell(&word))
            .collect::<Vec<_>>()
            .join(" ")
    });
    lines.collect::<Vec<_>>().join(" && ")
}

/// Where to, and what is not usual about it.
fn place(document: &Document, s3: &S3Store, url: &IssuerUrl, region: &str) -> Vec<String> {
    let mut words = vec![format!("--to={}", s3.location()), format!("--region={region}")];
    if document.issuer.spec.issuer.is_some() {
        words.push(format!("--issuer={url}"));
    }
    match s3.access {
        AccessMode::Policy => {}
        AccessMode::Acl => words.push("--access=acl".to_owned()),
        AccessMode::None => words.push("--access=none".to_owned()),
    }
    if s3.max_age != 300 {
        words.push(format!("--max-age={}", s3.max_age));
    }
    if document.issuer.spec.shape == Shape::Kubernetes {
        words.push("--shape=kubernetes".to_owned());
    }
    if document.issuer.spec.allow_weak_keys {
        words.push("--allow-weak-keys".to_owned());
    }
    if let Some(owner) = &s3.expected_bucket_owner {
        words.push(format!("--expected-bucket-owner={owner}"));
    }
    words
}

fn reached(connection: &Connection) -> impl Iterator<Item = String> {
    let kubeconfig =
        connection.kubeconfig.iter().map(|path| format!("--kubeconfig={}", path.display()));
    let context = connection.context.iter().map(|context| format!("--context={context}"));
    kubeconfig.chain(context).collect::<Vec<_>>().into_iter()
}

/// A word as a POSIX shell takes it for one.
fn for_a_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::FileArgs;
    use issuer_discovery::Ports;
    use issuer_manifest::StoreSpec;

    #[test]
    fn keys_of_two_clusters_are_two_lines_and_odd_names_stay_one_word() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("issuer.yaml");
        let text = "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {name: \
                    prod}\nspec:\n  issuer: https://oidc.example.com\n  keys: \
                    [{file: \"it's.pub\"}, {cluster: {name: prod}}, {apiserver: {context: a \
                    b}}]\n  shape: kubernetes\n  store: {s3: {bucket: my-oidc, access: none, \
                    maxAge: 60}}\n";
        std::fs::write(&file, text).unwrap();
        let documents = crate::manifest::read(&FileArgs { file: vec![file] }).unwrap();
        let Some(StoreSpec::S3(s3)) = &documents[0].issuer.spec.store else { panic!() };
        let url = IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap();
        let line = publish(&documents[0], s3, &url, "us-west-2");
        let folder = folder.path().display();
        let place = "--to=s3://my-oidc --region=us-west-2 --issuer=https://oidc.example.com \
                     --access=none --max-age=60 --shape=kubernetes";
        let (one, other) =
            ("--cluster prod --namespace eksa-system", "--apiserver '--context=a b'");
        let expected = format!(
            r"issuerctl publish --key '{folder}/it'\''s.pub' {one} {place} && issuerctl publish {other} {place}"
        );
        assert_eq!(line, expected);
    }
}

//! The `issuerctl publish` command line, for tools that cannot publish the documents.

use issuer_cluster::Connection;
use issuer_diagnostic::for_a_shell;
use issuer_discovery::IssuerUrl;
use issuer_jwks::JwksSource;
use issuer_publish::AccessMode;
use issuer_reconcile::{KeySource, StoreTarget, Target, place_options};

/// `issuerctl publish …` for the keys of the file, one command per cluster: published keys are
/// merged.
pub(crate) fn publish_command(target: &Target, url: &IssuerUrl, region: &str) -> String {
    let sources = target.site.iter().flat_map(|site| &site.keys);
    let mut files: Vec<String> = Vec::new();
    let mut clusters: Vec<Vec<String>> = Vec::new();
    for source in sources {
        match source {
            KeySource::File(path) => files.extend(["--key".to_owned(), path.display().to_string()]),
            KeySource::Jwks(JwksSource::File(path)) => {
                files.extend(["--jwks".to_owned(), path.display().to_string()])
            }
            KeySource::Jwks(JwksSource::Url(url)) => {
                files.extend(["--jwks".to_owned(), url.to_string()])
            }
            KeySource::Secret { cluster, namespace, connection } => {
                let given = [
                    "--cluster".to_owned(),
                    cluster.to_string(),
                    "--namespace".to_owned(),
                    namespace.to_string(),
                ];
                clusters.push(given.into_iter().chain(reached(connection)).collect());
            }
            KeySource::ApiServer(connection) => {
                clusters.push(
                    std::iter::once("--apiserver".to_owned()).chain(reached(connection)).collect(),
                );
            }
        }
    }
    let options = options(target, url, region);
    if clusters.is_empty() {
        clusters.push(Vec::new());
    }
    let lines = clusters.into_iter().enumerate().map(|(number, cluster)| {
        let files = if number == 0 { std::mem::take(&mut files) } else { Vec::new() };
        let words =
            ["issuerctl".to_owned(), "publish".to_owned()].into_iter().chain(files).chain(cluster);
        words
            .chain(options.iter().cloned())
            .map(|word| for_a_shell(&word))
            .collect::<Vec<_>>()
            .join(" ")
    });
    lines.collect::<Vec<_>>().join(" && ")
}

/// The destination, and the options that differ from the defaults. A distribution, and whether the bucket is
/// created, are matters of the tool that the command is for.
fn options(target: &Target, url: &IssuerUrl, region: &str) -> Vec<String> {
    let mut target = target.clone();
    if let Some(StoreTarget::S3(_, s3)) = target.site.as_mut().map(|site| &mut site.store) {
        s3.region = Some(region.to_owned());
        s3.certificate_arn = None;
        if s3.access == AccessMode::CloudFront {
            s3.access = AccessMode::None;
        }
    }
    place_options(&target, url)
}

fn reached(connection: &Connection) -> impl Iterator<Item = String> {
    let kubeconfig =
        connection.kubeconfig.iter().map(|path| format!("--kubeconfig={}", path.display()));
    let context = connection.context.iter().map(|context| format!("--context={context}"));
    kubeconfig.chain(context).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use issuer_discovery::Ports;
    use issuer_reconcile::Defaults;

    use super::*;

    #[test]
    fn keys_of_two_clusters_are_two_lines_and_odd_names_stay_one_word() {
        let text = r#"
            apiVersion: issuerctl.dev/v1alpha1
            kind: ServiceAccountIssuer
            metadata: {name: prod}
            spec:
              issuer: https://oidc.example.com
              keys: [{file: "it's.pub"}, {cluster: {name: prod}}, {apiserver: {context: a b}}]
              shape: kubernetes
              keepHistory: 3
              store: {s3: {bucket: my-oidc, access: none, maxAge: 60}}
        "#;
        let issuer = &issuer_manifest::parse(text).unwrap()[0];
        let target = Target::from_issuer(issuer, Path::new("/deploy"), &Defaults::default());
        let url = IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap();
        let place = "--to=s3://my-oidc --region=us-west-2 --issuer=https://oidc.example.com \
                     --access=none --max-age=60 --keep-history=3 --shape=kubernetes";
        let (one, other) =
            ("--cluster prod --namespace eksa-system", "--apiserver '--context=a b'");
        let file = r"'/deploy/it'\''s.pub'";
        assert_eq!(
            publish_command(&target, &url, "us-west-2"),
            format!(
                "issuerctl publish --key {file} {one} {place} && issuerctl publish {other} {place}"
            )
        );
    }
}

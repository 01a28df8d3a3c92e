//! `issuerctl issuer change plan`

use std::collections::BTreeMap;

use issuer_cluster::Cluster;
use issuer_diagnostic::{for_a_shell, now_secs};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{DEFAULT_AUDIENCE, Iam, ProviderArn, TrustingRole, policies};
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_migration::{
    Facts, Known, Migration, Options, Providers, TrustedRole, api_servers, steps, token_pods,
};
use issuer_reconcile::{Reconciler, Target, offline_url};
use issuer_verify::Expected;

use crate::Outcome;
use crate::cli::{IssuerChangeArgs, OutputFormat, Overrides};
use crate::engine::{self, reason};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &IssuerChangeArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    // The default issuer of Talos has a port.
    let from = IssuerUrl::parse(&args.from, Ports::Allow)?;
    let to = IssuerUrl::parse(&args.to, Ports::Refuse)?;
    if from == to {
        return Err(Failure::new(Exit::Usage, "--from and --to are the same issuer"));
    }
    if args.aws.print_iam_policy {
        let make = async |iam: Option<&Iam>| {
            policies::join([
                policies::show_provider(iam, &from),
                policies::show_provider(iam, &to),
                policies::list_all_roles(),
            ])
        };
        return engine::policy(&args.aws, format, ui, make);
    }
    let declared = match args.file {
        Some(_) => {
            let overrides = Overrides::default();
            targets::of_files(&args.files(), Some(&args.kube), &args.aws, overrides)?
        }
        None => Vec::new(),
    };
    let migration = migration(args, &declared, &from, &to)?;
    let facts = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &declared, ui);
        facts(args, &engine, &declared, &from, &to).await
    })?;
    let steps = steps(&migration, &facts);
    match format {
        OutputFormat::Text => output::coloured_lines(&output::steps_text(&migration, &steps))?,
        OutputFormat::Json => output::json(&output::IssuerChange::new(&migration, &steps))?,
    }
    let is_over = steps.iter().all(|step| step.status.is_settled());
    Ok(if is_over { Exit::Done } else { Exit::Changes })
}

fn migration(
    args: &IssuerChangeArgs,
    declared: &[Target],
    from: &IssuerUrl,
    to: &IssuerUrl,
) -> Result<Migration, Failure> {
    let has = |url: &IssuerUrl| find(declared, url).is_some();
    if args.file.is_some() && !has(to) {
        let message = format!("the file does not declare {to}");
        let hint = "give the file that declares the issuer of --to, with spec.issuer or the region \
                    of its bucket; or leave out -f";
        return Err(Failure::new(Exit::BadInput, message).hint(Some(hint)));
    }
    let mut migration = Migration::new(from.as_str(), to.as_str());
    migration.distribution = args.distribution.map(|named| named.0);
    let path = |path: &std::path::Path| path.display().to_string();
    migration.options = Options {
        cluster: options(&[
            ("--kubeconfig", args.kube.kubeconfig.as_deref().map(path)),
            ("--context", args.kube.context.clone()),
        ]),
        aws: options(&[
            ("--region", args.aws.region.clone()),
            ("--profile", args.aws.profile.clone()),
            ("--endpoint-url", args.aws.endpoint_url.clone()),
            ("--ca-file", args.aws.tls.ca_file.as_deref().map(path)),
        ]),
        new_file: args.file.as_deref().map(|file| for_a_shell(&path(file))),
        old_in_file: has(from),
    };
    Ok(migration)
}

/// The target of an issuer, if its URL is known without a request.
fn find<'t>(declared: &'t [Target], url: &IssuerUrl) -> Option<&'t Target> {
    declared.iter().find(|target| offline_url(target).is_ok_and(|own| own == *url))
}

fn options(given: &[(&str, Option<String>)]) -> String {
    let words = given.iter().filter_map(|(option, value)| {
        value.as_deref().map(|value| format!("{option} {}", for_a_shell(value)))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Reads everything; what cannot be read is unknown, with its reason.
async fn facts(
    args: &IssuerChangeArgs,
    engine: &Reconciler<'_>,
    declared: &[Target],
    from: &IssuerUrl,
    to: &IssuerUrl,
) -> Result<Facts, Failure> {
    let fetch = engine::fetch_options(&args.aws.tls)?;
    let (in_cluster, in_iam, new, old) = tokio::join!(
        cluster(args),
        iam(engine, declared, from, to),
        issuer_verify::fetch(to, &fetch),
        issuer_verify::fetch(from, &fetch),
    );
    let (providers, roles) = match in_iam {
        Ok((providers, roles)) => (Known::Seen(providers), Known::Seen(roles)),
        Err(reason) => (Known::Unknown(reason.clone()), Known::Unknown(reason)),
    };
    let audiences = match &providers {
        Known::Seen(Providers { old: Some(old), .. }) => old.clone(),
        _ => vec![DEFAULT_AUDIENCE.to_owned()],
    };
    let (keys, cluster) = match in_cluster {
        Ok((keys, signing, pods)) => {
            let pods = issuer_migration::Cluster {
                signing,
                servers: api_servers(&pods),
                pods: token_pods(&pods, &audiences),
            };
            (Some(keys), Known::Seen(pods))
        }
        Err(failure) => (None, Known::Unknown(reason(&failure))),
    };
    let expected = Expected {
        issuer: Some(to.clone()),
        keys,
        now_secs: now_secs(),
        weak: WeakKeys::Allow,
        ..Expected::default()
    };
    let documents = match new {
        Ok(seen) => {
            let verdict = issuer_verify::judge(&seen, &expected);
            Known::Seen(verdict.checks.into_iter().find(issuer_diagnostic::Check::failed))
        }
        Err(error) => Known::Unknown(reason(&error.into())),
    };
    let old_documents = match old {
        Ok(seen) => is_published(from, &seen.discovery),
        Err(error) => Known::Unknown(reason(&error.into())),
    };
    let now_secs = expected.now_secs;
    Ok(Facts { documents, old_documents, providers, roles, cluster, now_secs })
}

/// Whether the old issuer still has its discovery document. Only an answer that it does not says so:
/// where its name is not resolved, or a proxy does not let it through, somebody else can read it.
fn is_published(from: &IssuerUrl, discovery: &issuer_verify::Fetched) -> Known<bool> {
    // The default issuers of distributions are names within the cluster.
    if from.host().split('.').any(|label| label == "svc") {
        return Known::Seen(false);
    }
    match &discovery.outcome {
        Ok(answer) => match answer.status {
            200 => Known::Seen(true),
            403 | 404 | 410 => Known::Seen(false),
            status => Known::Unknown(format!("its server answered {status}")),
        },
        Err(_) => Known::Unknown("its server could not be asked from here".to_owned()),
    }
}

/// The keys of the API server, its issuer, and all pods.
async fn cluster(
    args: &IssuerChangeArgs,
) -> Result<(JwkSet, String, Vec<serde_json::Value>), Failure> {
    let cluster = Cluster::connect(&targets::connection(&args.kube)).await?;
    let (served, pods) =
        tokio::join!(cluster.served(WeakKeys::Allow), cluster.list("/api/v1/pods", "", "pods"));
    let served = served?;
    Ok((served.keys, served.issuer, pods?))
}

/// The providers of both issuers, and the roles that trust one of them, or will.
async fn iam(
    engine: &Reconciler<'_>,
    declared: &[Target],
    from: &IssuerUrl,
    to: &IssuerUrl,
) -> Result<(Providers, Vec<TrustedRole>), String> {
    let read = async {
        let iam = engine.iam().await.map_err(engine::failed)?;
        let (old, new, roles) = tokio::join!(
            iam.find_provider_alone(from),
            iam.find_provider_alone(to),
            iam.list_roles()
        );
        let arn = |url| ProviderArn::new(iam.partition(), iam.account(), url);
        // IAM has no provider for a URL with a port.
        let trusting = |arn: Option<ProviderArn>| match (&roles, arn) {
            (Ok(roles), Some(arn)) => roles.trusting(Some(&arn)),
            _ => Vec::new(),
        };
        let (old_roles, new_roles) = (trusting(arn(from).ok()), trusting(Some(arn(to)?)));
        if let Err(error) = roles {
            return Err(error.into());
        }
        let audiences = |state: issuer_iam::ProviderState| state.provider.map(|one| one.audiences);
        let old = if arn(from).is_ok() { audiences(old?) } else { None };
        Ok::<_, Failure>((Providers { old, new: audiences(new?) }, old_roles, new_roles))
    };
    let (providers, old, new) = read.await.map_err(|failure| reason(&failure))?;
    Ok((providers, merged(old, new, find(declared, to))))
}

/// One entry for each role.
fn merged(
    old: Vec<TrustingRole>,
    new: Vec<TrustingRole>,
    target: Option<&Target>,
) -> Vec<TrustedRole> {
    let mut roles = BTreeMap::<String, TrustedRole>::new();
    for role in old {
        let entry = roles.entry(role.name).or_default();
        entry.old = role.subjects;
        entry.is_ours = role.is_ours;
    }
    for role in new {
        roles.entry(role.name).or_default().new = role.subjects;
    }
    for role in target.iter().flat_map(|target| &target.roles) {
        let accounts = role.service_accounts.iter().map(ToString::to_string);
        roles.entry(role.name.to_string()).or_default().requested = accounts.collect();
    }
    let named = |(name, role)| TrustedRole { name, ..role };
    roles.into_iter().map(named).collect()
}

//! `issuerctl issuer change plan`

use issuer_diagnostic::for_a_shell;
use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Iam, policies};
use issuer_migration::{Migration, Options, steps};
use issuer_reconcile::{Target, offline_url};

use crate::Outcome;
use crate::cli::{IssuerChangeArgs, OutputFormat, Overrides};
use crate::engine;
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
        let connection = targets::connection(&args.kube);
        let target = find(&declared, &to);
        Ok::<_, Failure>(engine.issuer_change(&connection, target, &from, &to).await)
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

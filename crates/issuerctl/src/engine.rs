//! Connecting the engine of a run, and its failures.

use issuer_change::Describe;
use issuer_cluster::Connection;
use issuer_diagnostic::Diagnostic;
use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::Iam;
use issuer_reconcile::{Error, IssuerPlan, KeySource, Reconciler, Scope, Silent, Target};
use issuer_session::SessionOptions;
use issuer_verify::{Authorities, FetchOptions};

use crate::Outcome;
use crate::advice::{self, Surface};
use crate::cli::{AwsArgs, OutputFormat, S3Args, TlsArgs};
use crate::failure::Failure;
use crate::files;
use crate::output;
use crate::runtime::Runtime;
use crate::ui::Ui;

/// An engine with these session options. Without a region the one of the first bucket determines
/// the partition.
pub(crate) fn start<'a>(session: SessionOptions, targets: &[Target], ui: &'a Ui) -> Reconciler<'a> {
    let of_bucket = || targets.iter().find_map(|target| target.s3()?.1.region.clone());
    let mut session = session;
    session.region = session.region.or_else(of_bucket);
    let fetch = FetchOptions::new(session.authorities.clone());
    Reconciler::new(session, fetch, files::read_bytes, ui)
}

/// An engine that reports nothing.
pub(crate) fn start_silent(session: SessionOptions, events: &Silent) -> Reconciler<'_> {
    let fetch = FetchOptions::new(session.authorities.clone());
    Reconciler::new(session, fetch, files::read_bytes, events)
}

/// The session options of commands that call IAM.
///
/// # Errors
/// Certificate authorities that cannot be read.
pub(crate) fn session(args: &AwsArgs) -> Result<SessionOptions, Failure> {
    let mut session = SessionOptions::default();
    session.region.clone_from(&args.region);
    session.profile.clone_from(&args.profile);
    session.endpoint_url.clone_from(&args.endpoint_url);
    session.authorities = fetch_options(&args.tls)?.authorities;
    Ok(session)
}

/// The session options of `publish`.
///
/// # Errors
/// Certificate authorities that cannot be read.
pub(crate) fn s3_session(args: &S3Args, tls: &TlsArgs) -> Result<SessionOptions, Failure> {
    let mut session = SessionOptions::default();
    session.region.clone_from(&args.region);
    session.profile.clone_from(&args.profile);
    session.endpoint_url.clone_from(&args.endpoint_url);
    session.authorities = fetch_options(tls)?.authorities;
    Ok(session)
}

/// Prints the IAM policy that a command needs: for the account of the credentials, or for any
/// account if there are no credentials.
///
/// # Errors
/// Session options that are not valid; standard output cannot be written to.
pub(crate) fn policy(
    args: &AwsArgs,
    format: OutputFormat,
    ui: &Ui,
    make: impl AsyncFnOnce(Option<&Iam>) -> serde_json::Value,
) -> Outcome {
    let session = session(args)?;
    Runtime::start(ui)?.block_on(async {
        let engine = start(session, &[], ui);
        let iam = match engine.iam().await {
            Err(error @ Error::Session(_)) => return Err(failed(error)),
            iam => iam.ok(),
        };
        output::policy(format, &make(iam).await, ui)
    })
}

/// Options for reading a published site.
///
/// # Errors
/// Certificate authorities that cannot be read.
pub(crate) fn fetch_options(tls: &TlsArgs) -> Result<FetchOptions, Failure> {
    let Some(path) = &tls.ca_file else { return Ok(FetchOptions::new(Authorities::default())) };
    let authorities = Authorities::parse(&files::read(path)?).map_err(|error| {
        Failure::because(
            format!("{} is not a file of CA certificates", files::name_of(path)),
            &error,
        )
    })?;
    Ok(FetchOptions::new(authorities))
}

/// Plans and applies one target in IAM; returns the last plan, and whether anything was changed, or
/// would change.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn run(
    engine: &Reconciler<'_>,
    target: &Target,
    dry_run: bool,
    ui: &Ui,
) -> Result<(IssuerPlan, bool), Failure> {
    let applied = async {
        let seen = engine.observe(target, Scope::apply(false)).await?;
        let mut plan = IssuerPlan::new(target, &seen, false)?;
        let set = plan.changes();
        ui.notices(&set.notices);
        advice::to_keep(&set.notices, Surface::Flags).iter().for_each(|hint| ui.hint(hint));
        if dry_run {
            let changed = !plan.is_empty();
            return Ok((plan, changed));
        }
        ui.plan("", &set);
        engine.apply(target, &seen, &mut plan, false).await?;
        let changed = plan.wrote();
        if changed && output::changes_iam(&plan.changes().changes) {
            ui.note(SPREADS);
        }
        Ok::<_, Error>((plan, changed))
    };
    applied.await.map_err(failed)
}

/// The service account annotation that the pod identity webhook reads.
pub(crate) const ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// Printed after changes in IAM that take effect later.
pub(crate) const SPREADS: &str =
    "IAM is eventually consistent: changes can take seconds or minutes to take effect";

/// The commands that annotate the service accounts of a role, except for patterns, in the cluster of
/// the connection.
pub(crate) fn annotations(
    accounts: &[issuer_iam::ServiceAccountPattern],
    arn: &str,
    connection: &Connection,
) -> Vec<String> {
    let kubectl = connection.kubectl();
    let literal = accounts.iter().filter(|account| account.is_literal());
    let command = |account: &issuer_iam::ServiceAccountPattern| {
        let (namespace, name) = (account.namespace(), account.name());
        format!(
            "{kubectl} annotate serviceaccount {name} --namespace {namespace} {ANNOTATION}={arn} \
             --overwrite"
        )
    };
    literal.map(command).collect()
}

/// Warns that the service accounts of an issuer are not in the cluster that its keys were read from.
pub(crate) fn warn_of_management_cluster(target: &Target, ui: &Ui) {
    let mut keys = target.site.iter().flat_map(|site| &site.keys);
    if target.workload.is_some()
        || target.roles.is_empty()
        || !keys.any(|source| matches!(source, KeySource::Secret { .. }))
    {
        return;
    }
    ui.warning(&format!(
        "{}: its keys are read from a management cluster; its service accounts are in the workload \
         cluster: give kubectl the kubeconfig of that one",
        target.name.as_deref().unwrap_or("the issuer")
    ));
}

/// The command that verifies an issuer, which has a port only for readers other than AWS.
fn verify_command(issuer: &IssuerUrl) -> String {
    let has_port = IssuerUrl::parse(issuer.as_str(), Ports::Refuse).is_err();
    format!("issuerctl verify --issuer {issuer}{}", if has_port { " --allow-port" } else { "" })
}

/// A failed reconciliation; a failed verification comes with its report.
pub(crate) fn failed(error: Error) -> Failure {
    let refused = error.refused();
    let report = refused.map(|(_, verdict)| output::verdict_text(verdict));
    let again = refused.map(|(issuer, _)| format!("`{}` checks it again", verify_command(issuer)));
    let failure = match &error {
        Error::Publish(issuer_publish::Error::Several { problems, .. }) => {
            let failure = Failure::new(error.kind().into(), error.to_string());
            problems.iter().fold(failure, Failure::and)
        }
        _ => Failure::from(error),
    };
    failure.after(report).hint(again)
}

//! One run over several issuers: connect, plan each, and collect what failed.

use issuer_change::Describe;
use issuer_iam::Iam;
use issuer_reconcile::{
    DeletionPlan, Error, IssuerPlan, Observed, Reconciler, Scope, Target, each,
};
use issuer_session::SessionOptions;
use issuer_verify::FetchOptions;

use crate::Outcome;
use crate::advice::Surface;
use crate::cli::{AwsArgs, OutputFormat, S3Args, TlsArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;
use crate::runtime::Runtime;
use crate::ui::Ui;

/// The engine with the session of these options. The region of the first bucket says the
/// partition where nothing else does.
///
/// # Errors
/// Options that do not work.
pub(crate) async fn connect<'a>(
    session: SessionOptions,
    targets: &[Target],
    ui: &'a Ui,
) -> Result<Reconciler<'a>, Failure> {
    let of_bucket = || targets.iter().find_map(|target| target.s3()?.1.region.clone());
    let mut session = session;
    session.region = session.region.or_else(of_bucket);
    let fetch = FetchOptions::new(session.extra_roots_pem.clone());
    Ok(Reconciler::connect(&session, fetch, files::read_bytes, ui).await?)
}

/// The session of commands about IAM.
///
/// # Errors
/// Certificate authorities that cannot be read.
pub(crate) fn session(args: &AwsArgs) -> Result<SessionOptions, Failure> {
    let mut session = SessionOptions::default();
    session.region.clone_from(&args.region);
    session.profile.clone_from(&args.profile);
    session.endpoint_url.clone_from(&args.endpoint_url);
    session.extra_roots_pem = fetch_options(&args.tls)?.extra_roots_pem;
    Ok(session)
}

/// The session of `publish`.
///
/// # Errors
/// Certificate authorities that cannot be read.
pub(crate) fn s3_session(args: &S3Args, tls: &TlsArgs) -> Result<SessionOptions, Failure> {
    let mut session = SessionOptions::default();
    session.region.clone_from(&args.region);
    session.profile.clone_from(&args.profile);
    session.endpoint_url.clone_from(&args.endpoint_url);
    session.extra_roots_pem = fetch_options(tls)?.extra_roots_pem;
    Ok(session)
}

/// Writes the IAM policy that a run needs: for the account of the credentials, or for any account
/// where there are none yet.
///
/// # Errors
/// Where standard output does not take it.
pub(crate) fn policy(
    args: &AwsArgs,
    format: OutputFormat,
    ui: &Ui,
    make: impl FnOnce(Option<&Iam>) -> serde_json::Value,
) -> Outcome {
    let session = session(args)?;
    Runtime::start()?.block_on(async {
        let engine = connect(session, &[], ui).await?;
        output::policy(format, &make(engine.iam().await.ok()))
    })
}

/// How a site is read.
///
/// # Errors
/// Certificate authorities that cannot be read.
pub(crate) fn fetch_options(tls: &TlsArgs) -> Result<FetchOptions, Failure> {
    Ok(FetchOptions::new(tls.ca_file.as_deref().map(files::read).transpose()?))
}

/// One issuer with its plan, or why it has none.
pub(crate) struct Planned<'t, P> {
    pub(crate) target: &'t Target,
    pub(crate) result: Result<(Observed, P), Failure>,
}

/// Reads and plans every issuer, at most `parallel` at a time. One that fails does not stop the
/// others.
///
/// # Errors
/// Two issuers of one URL.
pub(crate) async fn plan_each<'t, P>(
    engine: &Reconciler<'_>,
    targets: &'t [Target],
    parallel: usize,
    scope: impl Fn(&Target) -> Scope,
    plan: impl Fn(&Target, &Observed) -> Result<P, Error>,
) -> Result<Vec<Planned<'t, P>>, Failure> {
    let (scope, plan) = (&scope, &plan);
    let work = |target: &'t Target| async move {
        let planned = async {
            let seen = engine.observe(target, scope(target)).await?;
            let plan = plan(target, &seen)?;
            Ok::<_, Error>((seen, plan))
        };
        let result = planned.await.map_err(|error| failed(error).on(Surface::File));
        Planned { target, result }
    };
    let planned = each(targets, parallel, work).await;
    let mut urls = std::collections::BTreeMap::new();
    for Planned { target, result } in &planned {
        let Ok((seen, _)) = result else { continue };
        if let Some(other) = urls.insert(seen.url.to_string(), target.label()) {
            let issuer = seen.url.clone();
            return Err(failed(Error::SameIssuer { one: other, other: target.label(), issuer }));
        }
    }
    Ok(planned)
}

impl<P: Describe> Planned<'_, P> {
    /// Its object, without what only an execution tells.
    pub(crate) fn object(&self, details: impl Fn(&P, &mut output::Issuer)) -> output::Issuer {
        match &self.result {
            Ok((seen, plan)) => {
                let mut issuer = output::Issuer::new(self.target.label(), seen.url.as_str(), plan);
                details(plan, &mut issuer);
                issuer
            }
            Err(failure) => output::Issuer::failed(self.target.label(), failure),
        }
    }
}

/// What the object of a plan has beside its changes.
pub(crate) fn plan_details(plan: &IssuerPlan, issuer: &mut output::Issuer) {
    let orphaned = plan.orphaned.iter().map(|role| role.name.to_string());
    issuer.orphaned_roles = orphaned.collect();
    let roles = plan.roles.iter();
    let annotate = roles.map(|(spec, plan)| annotations(&spec.trust.service_accounts, &plan.arn));
    issuer.annotate = annotate.flatten().collect();
}

/// What the object of a deletion has beside its changes.
pub(crate) fn deletion_details(plan: &DeletionPlan, issuer: &mut output::Issuer) {
    let orphaned = plan.orphaned.iter().map(|role| role.name.to_string());
    issuer.orphaned_roles = orphaned.collect();
}

/// What the pod identity webhook looks for on a service account.
pub(crate) const ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// Said after every change of IAM.
pub(crate) const SPREADS: &str =
    "IAM is eventually consistent: changes take seconds, sometimes minutes, to be in effect";

/// The commands that annotate the service accounts of a role; patterns name no single one.
pub(crate) fn annotations(
    accounts: &[issuer_iam::ServiceAccountPattern],
    arn: &str,
) -> Vec<String> {
    let literal = accounts.iter().filter(|account| account.is_literal());
    let command = |account: &issuer_iam::ServiceAccountPattern| {
        let (namespace, name) = (account.namespace(), account.name());
        format!(
            "kubectl annotate serviceaccount {name} --namespace {namespace} {ANNOTATION}={arn} \
             --overwrite"
        )
    };
    literal.map(command).collect()
}

/// A failure of the engine, with the report of what was found if that is why.
pub(crate) fn failed(error: Error) -> Failure {
    let report = match &error {
        Error::NotAccepted { verdict, .. } | Error::NotVerified { verdict, .. } => {
            Some(output::verdict_text(verdict))
        }
        _ => None,
    };
    Failure::from(error).after(report)
}

/// Ends a run: writes every failure, and how many issuers failed. The exit code is that of the
/// gravest one.
pub(crate) fn finish(
    failures: Vec<(String, Failure)>,
    issuers: usize,
    ui: &Ui,
    done: Exit,
) -> Outcome {
    ui.end();
    if issuers == 1 {
        return match failures.into_iter().next() {
            Some((_, failure)) => Err(failure),
            None => Ok(done),
        };
    }
    let Some(gravest) = failures.iter().map(|(_, failure)| failure.exit).max_by_key(gravity) else {
        return Ok(done);
    };
    let count = failures.len();
    for (name, mut failure) in failures {
        failure.message = format!("{name}: {}", failure.message);
        ui.failure(&failure);
    }
    Err(Failure::new(gravest, format!("{count} of {issuers} issuers failed")))
}

/// Which of several exit codes a run ends with: a broken issuer before a conflict, and so on.
fn gravity(exit: &Exit) -> u8 {
    match exit {
        Exit::Verification => 5,
        Exit::Conflict => 4,
        Exit::NotPermitted => 3,
        Exit::BadInput => 2,
        Exit::Failure | Exit::Usage => 1,
        Exit::Done | Exit::Changes => 0,
    }
}

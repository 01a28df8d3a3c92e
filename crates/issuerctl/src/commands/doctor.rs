//! `issuerctl doctor`

use issuer_cluster::Connection;
use issuer_diagnostic::{now_secs, quote};
use issuer_discovery::IssuerUrl;
use issuer_doctor::{Declared, Diagnosis, Fact, RoleArn, Seen, Subject, judge, shorten};
use issuer_publish::{Destination, S3Location, S3Options};
use issuer_reconcile::{Examination, Management, StoreTarget, Target};
use issuer_workload::AccountsMode;

use crate::Outcome;
use crate::advice;
use crate::cli::{DoctorArgs, OutputFormat, Overrides};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;
use crate::rbac;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &DoctorArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let target = target(args)?;
    let request = request(args, target.as_ref())?;
    let mut session = engine::session(&args.aws)?;
    // As for `publish`: an object store gets no token, and is no IAM.
    if args.store.is_some()
        && let Some(endpoint) = session.endpoint_url.take()
    {
        issuer_session::check_endpoint(&endpoint)
            .map_err(|error| engine::failed(issuer_reconcile::Error::Session(error)))?;
    }
    let connection = targets::connection(&args.kube);
    let runtime = Runtime::start(ui)?;
    if args.print_rbac {
        return rbac::print_doctor(&request, &connection, format, ui);
    }
    if args.aws.print_iam_policy {
        return output::policy(format, &issuer_reconcile::doctor_policy(&request), ui);
    }
    let seen = runtime.block_on(async {
        let quiet = issuer_reconcile::Silent;
        ui.wait("looking at cluster, issuer and account");
        let engine = engine::start_silent(session, &quiet);
        let seen = engine.examine(&request).await.map_err(engine::failed);
        ui.waited();
        seen
    })?;
    missing(&seen)?;
    let mut diagnosis = judge(&seen);
    let given = advice::Given::of(args);
    for (_, check) in &mut diagnosis.checks {
        *check = advice::of_check(
            std::mem::replace(check, issuer_diagnostic::Check::skip("", "")),
            &diagnosis.issuer,
        );
        if let Some(fix) = &mut check.fix {
            *fix = given.in_commands(&connection.in_commands(fix));
        }
        shorten(check);
    }
    let again = command();
    match format {
        OutputFormat::Text => output::doctor(&diagnosis, &seen, &again, ui)?,
        OutputFormat::Json => output::json(&output::Verify::of_doctor(&diagnosis))?,
    }
    ended(&diagnosis, &seen)
}

/// How the run ends, once its report was printed.
fn ended(diagnosis: &Diagnosis, seen: &Seen) -> Outcome {
    if !diagnosis.passed() {
        return Ok(Exit::Verification);
    }
    let unreached = match &seen.cluster.version {
        Fact::Failed(why) => Some(why),
        _ => None,
    };
    if let Some(why) = unreached {
        let message = format!("nothing is known of the cluster {}", seen.cluster.place);
        let mut failure = Failure::new(Exit::Failure, message);
        failure.causes.push(why.clone());
        return Err(failure);
    }
    if diagnosis.is_useful() {
        return Ok(Exit::Done);
    }
    if let Some(why) = seen.unauthorized() {
        let message = format!("the credentials of {} are not valid", seen.cluster.place);
        let mut failure = Failure::new(Exit::NotPermitted, message).hint(Some(
            "`kubectl auth whoami` with the same kubeconfig and context shows whether they are accepted: renew \
             them (log in again, or write a new kubeconfig)",
        ));
        failure.causes.push(why.to_owned());
        return Err(failure);
    }
    if let Some(why) = seen.trouble() {
        let message = format!("nothing that matters could be read of {}", seen.cluster.place);
        let mut failure = Failure::new(Exit::Failure, message).hint(Some(
            "try again later; if it lasts, see what answers there: `kubectl get --raw /readyz` with the same kubeconfig \
             and context",
        ));
        failure.causes.push(why.to_owned());
        return Err(failure);
    }
    let message = "nothing that matters may be seen with these permissions";
    Err(Failure::new(Exit::NotPermitted, message).hint(Some(
        "`issuerctl doctor --print-rbac` prints the permissions in the cluster, --print-iam-policy those in AWS; \
         --issuer URL alone checks the documents",
    )))
}

/// Names of the command line that are not those of anything.
///
/// # Errors
/// A namespace or a pod that does not exist.
fn missing(seen: &Seen) -> Result<(), Failure> {
    let Some(subject) = &seen.asked.subject else { return Ok(()) };
    let (space, place) = (&subject.namespace, &seen.cluster.place);
    let hint = Some(
        "`kubectl get pods -A` lists the pods of a cluster: is it the right kubeconfig and context?",
    );
    if matches!(seen.workload.namespace, Fact::Known(None))
        && !matches!(seen.workload.account, Fact::Known(Some(_)))
    {
        let message = format!("the namespace {space} does not exist in {place}");
        return Err(Failure::new(Exit::BadInput, message).hint(hint));
    }
    if let (Some(pod), Some(pods)) = (&seen.asked.pod, seen.workload.pods.known())
        && !pods.iter().any(|own| own["metadata"]["name"] == pod.as_str())
    {
        let message = format!("the pod {space}/{pod} does not exist in {place}");
        return Err(Failure::new(Exit::BadInput, message).hint(hint));
    }
    Ok(())
}

/// The issuer of a file.
///
/// # Errors
/// A file that is not valid, or has several issuers.
fn target(args: &DoctorArgs) -> Result<Option<Target>, Failure> {
    let Some(file) = args.file() else { return Ok(None) };
    let mut targets = targets::of_files(&file, Some(&args.kube), &args.aws, Overrides::default())?;
    match (targets.pop(), targets.len()) {
        (Some(target), 0) => Ok(Some(target)),
        (_, others) => Err(Failure::new(
            Exit::BadInput,
            format!(
                "{} has {} issuers, and doctor asks about one",
                files::name_of(&file.file[0]),
                others + 1
            ),
        )
        .hint(Some("give --issuer URL instead of the file, or a file with one issuer"))),
    }
}

/// # Errors
/// An issuer URL or a store that is not valid.
fn request(args: &DoctorArgs, target: Option<&Target>) -> Result<Examination, Failure> {
    let ports = args.ports.ports();
    role(args)?;
    let given = args.issuer.as_deref().map(|text| IssuerUrl::parse(text, ports)).transpose()?;
    let issuer = given.or_else(|| target?.issuer.clone());
    let store = match &args.store {
        Some(text) => Some((location(text)?, options(args))),
        None => of_target(target).or_else(|| {
            let location = S3Location::of_url(issuer.as_ref()?.as_str())?;
            Some((location, options(args)))
        }),
    };
    // The issuer of a bucket of S3 follows from the bucket, if the file has its region.
    let issuer = issuer.or_else(|| {
        let (location, options) = store.as_ref().filter(|_| target.is_some())?;
        let region = options.region.as_deref()?;
        let text = location
            .issuer_url(region, options.endpoint_url.as_deref(), options.path_style)
            .ok()?;
        IssuerUrl::parse(&text, ports).ok()
    });
    let subject = args
        .service_account
        .as_ref()
        .map(|own| Subject { namespace: own.namespace().to_owned(), name: own.name().to_owned() });
    // The ServiceAccount of a pod is learnt.
    let of_pod = args
        .pod
        .as_ref()
        .map(|own| Subject { namespace: own.namespace().to_owned(), name: String::new() });
    let mut request = Examination::default();
    request.is_optional = args.kube.kubeconfig.is_none() && args.kube.context.is_none();
    request.connection = Some(of_pods(args, target));
    request.management = args.management().map(|connection| Management {
        connection,
        cluster: args.cluster.clone(),
        namespace: args.namespace.clone(),
    });
    request.no_dry_run = args.no_dry_run;
    request.no_exchange = args.no_exchange;
    let asked = &mut request.asked;
    asked.declared = target.map(|target| Declared {
        file: args.file().map(|own| files::name_of(&own.file[0])).unwrap_or_default(),
        name: target.name.clone().unwrap_or_default(),
        annotates: target.workload.as_ref().is_some_and(|own| own.accounts != AccountsMode::Leave),
        roles: declared_roles(target, subject.as_ref()),
    });
    asked.issuer = issuer.map(|issuer| issuer.as_str().to_owned());
    asked.subject = subject.or(of_pod);
    asked.pod = args.pod.as_ref().map(|own| own.name().to_owned());
    asked.role.clone_from(&args.role);
    asked.audience = args.audience.as_ref().map(ToString::to_string);
    asked.allow_port = args.ports.allow_port;
    asked.store = store.as_ref().map(|(location, _)| location.to_string());
    asked.region.clone_from(&args.aws.region);
    asked.now_secs = now_secs();
    request.store = store;
    Ok(request)
}

/// # Errors
/// A role that is not an ARN.
fn role(args: &DoctorArgs) -> Result<(), Failure> {
    let Some(given) = &args.role else { return Ok(()) };
    let Err(why) = RoleArn::parse(given) else { return Ok(()) };
    let message = format!("--role needs the ARN of a role, and is {}: {why}", quote(given));
    let hint = match RoleArn::meant(given) {
        Some(meant) => format!("--role {}", meant.text),
        None => "an ARN has the form arn:aws:iam::ACCOUNT:role/NAME: `aws iam get-role` shows it"
            .to_owned(),
    };
    Err(Failure::new(Exit::Usage, message).hint(Some(hint)))
}

/// The cluster of the pods: as given, else that of the file.
fn of_pods(args: &DoctorArgs, target: Option<&Target>) -> Connection {
    let given = targets::connection(&args.kube);
    if given != Connection::default() {
        return given;
    }
    let of_workload = target.and_then(|target| Some(target.workload.as_ref()?.connection.clone()));
    of_workload.or_else(|| target?.cluster_of_pods()).unwrap_or(given)
}

fn declared_roles(target: &Target, subject: Option<&Subject>) -> Vec<String> {
    let Some(subject) = subject else { return Vec::new() };
    let roles = target.roles.iter().filter(|role| {
        role.service_accounts.iter().any(|own| own.matches(&subject.namespace, &subject.name))
    });
    roles.map(|role| role.name.as_str().to_owned()).collect()
}

fn of_target(target: Option<&Target>) -> Option<(S3Location, S3Options)> {
    match &target?.site.as_ref()?.store {
        StoreTarget::S3(location, options) => Some((location.clone(), options.clone())),
        StoreTarget::Folder(_) => None,
    }
}

/// # Errors
/// A store that is not a bucket.
fn location(text: &str) -> Result<S3Location, Failure> {
    match text.parse() {
        Ok(Destination::S3(location)) => Ok(location),
        Ok(Destination::Folder(_)) => Err(Failure::new(
            Exit::Usage,
            format!("--store {text} is not a bucket: it has the form s3://BUCKET[/PREFIX]"),
        )),
        Err(error) => Err(error.into()),
    }
}

fn options(args: &DoctorArgs) -> S3Options {
    S3Options {
        region: args.aws.region.clone(),
        endpoint_url: args.aws.endpoint_url.clone(),
        path_style: args.path_style,
        ..S3Options::default()
    }
}

/// The same run again, with what it was given.
fn command() -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words = words.filter(|word| !["-v", "--verbose"].contains(&word.as_str()));
    let words: Vec<String> = words.map(|word| issuer_diagnostic::for_a_shell(&word)).collect();
    format!("issuerctl {}", words.join(" "))
}

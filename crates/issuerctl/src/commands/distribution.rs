//! `issuerctl render kubeadm` and the other distributions.

use std::path::Path;

use issuer_cluster::{Cluster, ClusterName, ControlPlane};
use issuer_diagnostic::{Encoding, decode};
use issuer_distribution::{Distribution, Rendered, Request, Step, merge, patch, render, rollout};
use issuer_reconcile::offline_url;

use crate::Outcome;
use crate::cli::{
    AwsArgs, DistributionArgs, DistributionCommand, FileArgs, FromClusterArgs, OutputFormat,
    Overrides,
};
use crate::edit;
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, Configuration, SCHEMA_VERSION};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;
use issuer_diagnostic::for_a_shell;

pub(crate) fn run(command: &DistributionCommand, format: OutputFormat, ui: &Ui) -> Outcome {
    let (distribution, args) = command.parts();
    let stdin = args.into.as_deref().is_some_and(files::is_stdin);
    if stdin && args.write {
        let message = "--write changes a file in place; standard input is not a file";
        return Err(Failure::new(Exit::Usage, message));
    }
    if stdin && args.source.file.as_deref().is_some_and(files::is_stdin) {
        return Err(Failure::new(Exit::Usage, "standard input can be read only once"));
    }
    let request = request(distribution, args)?;
    let (mut rendered, rollout) = match (&args.into, command.cluster()) {
        (None, None) => (render(&request)?, steps(distribution)),
        (Some(path), _) => (change(path, &request, args.write, ui)?, steps(distribution)),
        (None, Some(cluster)) => read_cluster(&request, args, cluster, ui)?,
    };
    if distribution.has_one_issuer() {
        let warning = format!(
            "{} holds one issuer: there is no step in which two are accepted, and tokens of the \
             issuer before it are refused until they are renewed",
            distribution.title()
        );
        rendered.warnings.insert(0, warning);
    }
    rendered.warnings.iter().for_each(|warning| ui.warning(warning));
    let existing = args.into.is_some() || command.cluster().is_some();
    let words = Words { request: &request, args, from_cluster: command.cluster(), existing };
    words.say(&rendered, &rollout, ui);
    let next = words.next(&rendered);
    if format == OutputFormat::Text {
        if !args.write {
            output::document(&rendered.document)?;
        }
        return Ok(Exit::Done);
    }
    output::json(&Configuration {
        schema_version: SCHEMA_VERSION,
        changed: rendered.changed,
        step: name_of(rendered.step),
        rollout,
        next,
        issuers: rendered.issuers,
        warnings: rendered.warnings,
        document: rendered.document,
    })?;
    Ok(Exit::Done)
}

fn steps(distribution: Distribution) -> Vec<String> {
    rollout(distribution).iter().map(|&step| step.to_owned()).collect()
}

fn name_of(step: Step) -> &'static str {
    match step {
        Step::Accept => "accept",
        Step::Sign => "sign",
        Step::Drop => "drop",
        Step::Unchanged => "unchanged",
        _ => "at-once",
    }
}

fn request(distribution: Distribution, args: &DistributionArgs) -> Result<Request, Failure> {
    let issuer = match (&args.source.issuer, &args.source.file) {
        (Some(issuer), _) => issuer.clone(),
        (None, Some(file)) => issuer_of(file, args.region.as_deref())?,
        (None, None) => return Err(Failure::new(Exit::Usage, "no issuer is given")),
    };
    Ok(Request {
        keep: args.keep_issuer.clone(),
        drop: args.drop_issuer.clone(),
        kubernetes_version: args.kubernetes_version.clone(),
        name: args.name.clone(),
        path: args.into.as_ref().map(|path| path.display().to_string()),
        ..Request::new(distribution, issuer)
    })
}

/// The issuer of a file with one issuer.
fn issuer_of(file: &Path, region: Option<&str>) -> Result<String, Failure> {
    let args = FileArgs { file: vec![file.to_owned()], ..FileArgs::default() };
    let aws = AwsArgs { region: region.map(str::to_owned), ..AwsArgs::default() };
    let targets = targets::of_files(&args, None, &aws, Overrides::default())?;
    match &targets[..] {
        [target] => match offline_url(target) {
            Ok(url) => Ok(url.to_string()),
            Err(issuer_reconcile::Error::NoRegion { .. }) => {
                let message = format!(
                    "{} has neither the issuer nor the region of its bucket",
                    files::name_of(file)
                );
                let hint = "set spec.issuer or spec.store.s3.region in the file, or give --region or --issuer";
                Err(Failure::new(Exit::BadInput, message).hint(Some(hint)))
            }
            Err(error) => Err(engine::failed(error)),
        },
        targets => {
            let names: Vec<String> = targets.iter().map(|target| target.label()).collect();
            let message =
                format!("{} has several issuers: {}", files::name_of(file), names.join(", "));
            Err(Failure::new(Exit::BadInput, message).hint(Some("give the URL with --issuer")))
        }
    }
}

/// The file with the change made.
fn change(path: &Path, request: &Request, write: bool, ui: &Ui) -> Result<Rendered, Failure> {
    let name = files::name_of(path);
    let bytes = files::read(path)?;
    let refused = || format!("cannot change {name}");
    let decoded = decode(&bytes).map_err(|fault| Failure::because(refused(), &fault))?;
    if decoded.encoding != Encoding::Utf8 {
        let message = format!("{}: it is UTF-16 or UTF-32 text", refused());
        let hint = "save it as UTF-8, which is what the distribution reads";
        return Err(Failure::new(Exit::BadInput, message).hint(Some(hint)));
    }
    // A byte order mark stays where it is.
    let text = std::str::from_utf8(&bytes).unwrap_or(&decoded.text);
    let rendered = merge(request, text).map_err(|error| Failure::because(refused(), &error))?;
    if rendered.changed {
        ui.note(&edit::diff(&name, text, &rendered.document));
    }
    if write && rendered.changed {
        edit::replace(path, &bytes, rendered.document.as_bytes()).map_err(|error| {
            Failure::while_doing(Exit::of_io(&error), format!("cannot write {name}"), &error)
        })?;
    }
    Ok(rendered)
}

/// The change of the object in a cluster.
fn read_cluster(
    request: &Request,
    args: &DistributionArgs,
    cluster: &FromClusterArgs,
    ui: &Ui,
) -> Result<(Rendered, Vec<String>), Failure> {
    let name = || {
        let name = args.name.as_deref().ok_or_else(|| {
            Failure::new(Exit::Usage, "--from-cluster needs the name of the cluster: --name NAME")
        })?;
        name.parse::<ClusterName>()
            .map_err(|reason| Failure::new(Exit::Usage, format!("--name: {reason}")))
    };
    let namespace = cluster.namespace.clone();
    let source = match request.distribution {
        Distribution::EksAnywhere => ControlPlane::EksAnywhere(namespace, name()?),
        Distribution::ClusterApi => ControlPlane::ClusterApi(namespace, name()?),
        _ => ControlPlane::Kubeadm,
    };
    let connection = targets::connection(&cluster.kube);
    let object = Runtime::start(ui)?.block_on(async {
        let cluster = Cluster::connect(&connection).await?;
        Ok::<_, Failure>(cluster.control_plane(&source).await?)
    })?;
    // The object was selected by its name already.
    let request = Request { name: None, ..request.clone() };
    let patch = patch(&request, &object)
        .map_err(|error| Failure::because("cannot change the object of the cluster", &error))?;
    let mut rollout = vec![patch.command];
    match request.distribution {
        Distribution::Kubeadm => rollout.extend([
            "kubectl -n kube-system get configmap kubeadm-config -o jsonpath='{.data.ClusterConfiguration}' > kubeadm.yaml"
                .to_owned(),
            "on each control-plane node, one after the other: kubeadm init phase control-plane apiserver --config kubeadm.yaml"
                .to_owned(),
        ]),
        _ => rollout.push("the control-plane machines are replaced, one by one; wait for all of them".to_owned()),
    }
    let rollout = rollout.iter().map(|step| connection.in_commands(step)).collect();
    Ok((patch.rendered, rollout))
}

/// What is said about a change.
struct Words<'a> {
    request: &'a Request,
    args: &'a DistributionArgs,
    from_cluster: Option<&'a FromClusterArgs>,
    /// Whether a configuration exists.
    existing: bool,
}

impl Words<'_> {
    /// Which of the three steps it is, how it is rolled out, and what comes next.
    fn say(&self, rendered: &Rendered, rollout: &[String], ui: &Ui) {
        let signing = rendered.issuers.first().map_or("", String::as_str);
        if self.existing && !rendered.changed {
            ui.note(&format!("nothing to change: {signing} signs already"));
            return;
        }
        let others = rendered.issuers.get(1..).unwrap_or_default().join(", ");
        let accepted =
            if others.is_empty() { String::new() } else { format!("; {others} is accepted too") };
        let one_issuer = self.request.distribution.has_one_issuer();
        let step = match rendered.step {
            Step::Accept => "step 1 of 3 (accept): ",
            Step::Sign => "step 2 of 3 (sign): ",
            Step::Drop => "step 3 of 3 (drop): ",
            Step::AtOnce if self.existing && !one_issuer => "all three steps at once: ",
            _ => "",
        };
        ui.note(&format!("{step}{signing} signs{accepted}"));
        if self.existing
            && !one_issuer
            && !rendered.prepared
            && matches!(rendered.step, Step::Sign | Step::AtOnce)
        {
            let old = rendered.before.first().map_or("OLD", String::as_str);
            let first = match &rendered.no_first_step {
                Some(reason) => format!(
                    "with more than one API server, a server that does not know {signing} yet refuses \
                     its tokens until it has been changed, too: there is no step before this one in \
                     which both are accepted, because {reason}"
                ),
                None => format!(
                    "with more than one API server, do step 1 first: a server that does not know {signing} \
                 yet refuses its tokens\n  {}",
                    self.command(old, &[signing.to_owned()], &[])
                ),
            };
            ui.note(&first);
        }
        ui.note(&format!("apply it:\n  - {}", rollout.join("\n  - ")));
        if let Some(next) = self.next(rendered) {
            let when = match rendered.step {
                Step::Sign => {
                    "when no token of the old issuer is in use (pods read theirs again within 24 \
                     hours; a client that never does may have one for up to a year)"
                }
                _ => "when all API servers have it",
            };
            ui.note(&format!("next, {when}:\n  {next}"));
        }
    }

    /// The command of the step that follows.
    fn next(&self, rendered: &Rendered) -> Option<String> {
        let next = rendered.next.as_ref()?;
        Some(self.command(&next.issuer, &next.keep, &next.drop))
    }

    /// A command line with the same file or object.
    fn command(&self, issuer: &str, keep: &[String], drop: &[String]) -> String {
        let mut words = vec![format!(
            "issuerctl render {} --issuer {}",
            self.request.distribution,
            for_a_shell(issuer)
        )];
        let mut add =
            |option: &str, value: &str| words.push(format!("{option} {}", for_a_shell(value)));
        keep.iter().for_each(|issuer| add("--keep-issuer", issuer));
        drop.iter().for_each(|issuer| add("--drop-issuer", issuer));
        let args = self.args;
        args.kubernetes_version.iter().for_each(|version| add("--kubernetes-version", version));
        args.name.iter().for_each(|name| add("--name", name));
        args.into.iter().for_each(|path| add("--into", &path.display().to_string()));
        if let Some(cluster) = self.from_cluster {
            if self.request.distribution != Distribution::Kubeadm {
                add("--namespace", &cluster.namespace.to_string());
            }
            cluster
                .kube
                .kubeconfig
                .iter()
                .for_each(|path| add("--kubeconfig", &path.display().to_string()));
            cluster.kube.context.iter().for_each(|name| add("--context", name));
            words.push("--from-cluster".to_owned());
        }
        if args.write {
            words.push("--write".to_owned());
        }
        words.join(" ")
    }
}

//! `issuerctl render policy`

use issuer_cluster::Cluster;
use issuer_pods::{Literal, PolicyApi, PolicyOptions, Roles, policy};
use issuer_reconcile::Rendered;

use crate::Outcome;
use crate::cli::{FileArgs, OutputFormat, Overrides, PolicyArgs, RenderArgs, RolesFrom};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::render_request::RenderRequest;
use crate::runtime::Runtime;
use crate::targets::{self, connection};
use crate::ui::Ui;

/// How many bytes etcd takes in one request (`--max-request-bytes`: 1.5 MiB).
const NOTE: &str = "\
# Gives pods the IAM roles of their ServiceAccounts, as the pod identity webhook does, in the API
# server itself. Change it with kubectl apply; pods that are created in the second after that may
# still be handled as before.
";

pub(crate) fn run(args: &PolicyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    if args.roles_from == RolesFrom::File && args.select_labelled {
        let message = "--select-labelled is about annotations; the roles come from the file";
        return Err(Failure::new(Exit::Usage, message));
    }
    if args.roles_from == RolesFrom::Annotations && !args.file.is_empty() {
        let message = "-f is for --roles-from file";
        return Err(Failure::new(Exit::Usage, message));
    }
    let api = match &args.kubernetes_version {
        Some(version) => PolicyApi::of_kubernetes(version)?,
        None => Runtime::start(ui)?.block_on(async {
            let cluster = Cluster::connect(&connection(&args.kube)).await?;
            served(&cluster).await
        })?,
    };
    let roles = match args.roles_from {
        RolesFrom::Annotations => Roles::Annotations { labelled: args.select_labelled },
        RolesFrom::File => Roles::Literals(literals(args, ui)?),
    };
    let options = PolicyOptions {
        settings: args.flags.settings(),
        api,
        roles,
        namespaces: args.namespace_selector.clone(),
        guard: args.guard,
    };
    let text = issuer_yaml::to_yaml(&policy(&options)?);
    let mut notes = NOTE.to_owned();
    if args.select_labelled {
        ui.warning(
            "pods of ServiceAccounts that exist already and have no label yet get no role from the \
             selecting policy: apply label.irsa.issuerctl.dev (policy and binding) first, then run \
             the `kubectl annotate` command in the comment, which labels them, and only then apply \
             the rest",
        );
        notes.push_str(
            "# ServiceAccounts that exist already get their label when they are next written; until\n\
             # then their pods get no role. Apply label.irsa.issuerctl.dev first, then run this, and\n\
             # only then apply the rest:\n\
             #   kubectl annotate serviceaccounts --all --all-namespaces issuerctl.dev/labelled=true\n",
        );
    }
    if api == PolicyApi::V1beta1 {
        notes.push_str(
            "# The API server needs --feature-gates=MutatingAdmissionPolicy=true and\n\
             # --runtime-config=admissionregistration.k8s.io/v1beta1=true.\n",
        );
    }
    output::rendered(format, connection(&args.kube).in_commands(&notes) + &text)
}

/// Which version of the policy's API the cluster serves.
async fn served(cluster: &Cluster) -> Result<PolicyApi, Failure> {
    match issuer_workload::served_policies(cluster).await? {
        Some(api) => Ok(api),
        None => Err(issuer_pods::Error::NoPolicies { version: cluster.version().await? }.into()),
    }
}

/// The roles of the issuer files.
fn literals(args: &PolicyArgs, ui: &Ui) -> Result<Vec<Literal>, Failure> {
    let render = RenderArgs {
        file: FileArgs { file: args.file.clone(), ..FileArgs::default() },
        account: args.account.clone(),
        partition: args.partition.clone(),
    };
    let request = RenderRequest {
        render: &render,
        aws: &args.aws,
        kube: None,
        for_aws: false,
        import: false,
    };
    let targets = targets::of_files(&render.file, None, &args.aws, Overrides::default())?;
    let Rendered { renderings, .. } = Runtime::start(ui)?.block_on(async {
        match render.account {
            Some(_) => request.offline(&targets, ui).await,
            None => request.online(&targets, ui).await,
        }
    })?;
    let mut literals = Vec::new();
    for role in renderings.iter().flat_map(|rendering| &rendering.roles) {
        let audience = role.trust.audiences.first().map(|audience| audience.as_str().to_owned());
        for account in &role.trust.service_accounts {
            if account.is_literal() {
                literals.push(Literal {
                    namespace: account.namespace().to_owned(),
                    name: account.name().to_owned(),
                    role: role.arn(),
                    audience: audience.clone(),
                });
            } else {
                ui.warning(&format!("{account} has wildcards: skipped"));
            }
        }
    }
    if literals.is_empty() {
        let message = "no role has a service account without wildcards; nothing to render";
        return Err(Failure::new(Exit::BadInput, message));
    }
    Ok(literals)
}

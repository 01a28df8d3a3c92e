//! `issuerctl render`

use issuer_iam::TrustPolicy;
use issuer_publish::Purpose;
use issuer_reconcile::{Rendered, permissions};
use issuer_render::Rendering;

use super::{distribution, render_policy, render_webhook};
use crate::Outcome;
use crate::cli::{OutputFormat, Overrides, RenderCommand, ResourceCommand};
use crate::engine;
use crate::failure::Failure;
use crate::output;
use crate::render_request::RenderRequest;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(command: &RenderCommand, format: OutputFormat, ui: &Ui) -> Outcome {
    match command {
        RenderCommand::Resources(command) => resources(command, format, ui),
        RenderCommand::Distribution(command) => distribution::run(command, format, ui),
        RenderCommand::Policy(args) => render_policy::run(args, format, ui),
        RenderCommand::Webhook(args) => render_webhook::run(args, format, ui),
    }
}

fn resources(command: &ResourceCommand, format: OutputFormat, ui: &Ui) -> Outcome {
    let request = RenderRequest::of(command);
    let targets =
        targets::of_files(&request.render.file, request.kube, request.aws, Overrides::default())?;
    if request.aws.print_iam_policy {
        // sts:GetCallerIdentity needs no permission.
        let targets = if request.import { &targets[..] } else { &[] };
        return Runtime::start(ui)?.block_on(async {
            let session = engine::session(request.aws)?;
            let engine = engine::start(session, targets, ui);
            let policy = permissions(&engine, targets, Purpose::Import, false).await;
            output::policy(format, &policy.map_err(engine::failed)?, ui)
        });
    }
    request.warn_of_other_stores(&targets, ui);
    let rendered = Runtime::start(ui)?.block_on(async {
        match request.render.account {
            Some(_) => request.offline(&targets, ui).await,
            None => request.online(&targets, ui).await,
        }
    })?;
    let Rendered { renderings, existing, .. } = rendered;
    if request.for_aws {
        warn_of_sizes(&renderings, ui)?;
    }
    let text = match command {
        ResourceCommand::Terraform(_) if !request.import => {
            if renderings.iter().any(|rendering| rendering.site.is_some()) {
                ui.warning(
                    "keys that are published and are not in the file are lost when this is \
                     applied: --import keeps them",
                );
            }
            issuer_render::terraform(&renderings, &existing)?
        }
        ResourceCommand::Terraform(_) => issuer_render::terraform(&renderings, &existing)?,
        ResourceCommand::Cloudformation(_) => issuer_render::cloudformation(&renderings)?,
        ResourceCommand::Kubernetes(_) => {
            let rendered = issuer_render::kubernetes(&renderings)?;
            if rendered.count == 0 {
                ui.warning("no role has a service account without wildcards; nothing to render");
            }
            targets.iter().for_each(|target| engine::warn_of_management_cluster(target, ui));
            for pattern in &rendered.left_out {
                ui.warning(&format!("{pattern} has wildcards: skipped"));
            }
            rendered.yaml
        }
    };
    output::rendered(format, text)
}

/// Other tools do not check the size of trust policies.
fn warn_of_sizes(renderings: &[Rendering], ui: &Ui) -> Result<(), Failure> {
    for role in renderings.iter().flat_map(|rendering| &rendering.roles) {
        for warning in role.trust.service_accounts.iter().filter_map(|one| one.warning()) {
            ui.warning(&warning);
        }
        let policy = TrustPolicy::default().with(&role.trust)?;
        policy.check_size()?;
        if let Some(warning) = policy.size_warning() {
            ui.warning(&format!("the trust policy of {} will have {warning}", role.name));
        }
    }
    Ok(())
}

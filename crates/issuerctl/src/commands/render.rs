//! `issuerctl render`

use issuer_discovery::Partition;
use issuer_iam::{TrustPolicy, USUAL_TRUST_POLICY};
use issuer_publish::Purpose;
use issuer_reconcile::{Rendered, Target, permissions, read_keys, render_offline};
use issuer_render::Rendering;

use crate::Outcome;
use crate::cli::{AwsArgs, KubeArgs, OutputFormat, RenderArgs, RenderCommand};
use crate::engine;
use crate::failure::Failure;
use crate::files;
use crate::output;
use crate::publish_command::publish_command;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(command: &RenderCommand, format: OutputFormat, ui: &Ui) -> Outcome {
    let request = RenderRequest::of(command);
    let targets = targets::of_files(&request.render.file, request.kube, request.aws, false)?;
    if request.aws.print_iam_policy {
        // sts:GetCallerIdentity needs no permission.
        let targets = if request.import { &targets[..] } else { &[] };
        return Runtime::start()?.block_on(async {
            let session = engine::session(request.aws)?;
            let engine = engine::connect(session, targets, ui).await?;
            let policy = permissions(&engine, targets, Purpose::Import, false).await;
            output::policy(format, &policy.map_err(engine::failed)?)
        });
    }
    request.warn_of_other_stores(&targets, ui);
    let rendered = Runtime::start()?.block_on(async {
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
        RenderCommand::Terraform(_) => issuer_render::terraform(&renderings, &existing)?,
        RenderCommand::Cloudformation(_) => issuer_render::cloudformation(&renderings)?,
        RenderCommand::Kubernetes(_) => {
            let rendered = issuer_render::kubernetes(&renderings)?;
            if rendered.count == 0 {
                ui.warning("no role has a service account without wildcards; nothing to render");
            }
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
        let size = TrustPolicy::default().with(&role.trust)?.size();
        if size > USUAL_TRUST_POLICY {
            ui.warning(&format!(
                "the trust policy of {} will have {size} characters; the default quota is \
                 {USUAL_TRUST_POLICY}",
                role.name
            ));
        }
    }
    Ok(())
}

/// The arguments of all `render` commands.
struct RenderRequest<'a> {
    render: &'a RenderArgs,
    aws: &'a AwsArgs,
    /// Connection options, if the documents themselves are rendered.
    kube: Option<&'a KubeArgs>,
    /// Whether anything but service accounts is rendered.
    for_aws: bool,
    import: bool,
}

impl<'a> RenderRequest<'a> {
    fn of(command: &'a RenderCommand) -> Self {
        let (render, aws, kube, import) = match command {
            RenderCommand::Terraform(args) => {
                (&args.render, &args.aws, Some(&args.kube), args.import)
            }
            RenderCommand::Cloudformation(args) => (&args.render, &args.aws, None, false),
            RenderCommand::Kubernetes(args) => (&args.render, &args.aws, None, false),
        };
        let for_aws = !matches!(command, RenderCommand::Kubernetes(_));
        Self { render, aws, kube, for_aws, import }
    }

    fn warn_of_other_stores(&self, targets: &[Target], ui: &Ui) {
        for target in targets.iter().filter(|_| self.for_aws) {
            if let Some((location, options)) = target.s3()
                && let Some(endpoint) = &options.endpoint_url
            {
                ui.warning(&format!(
                    "{}: the bucket {} is at {endpoint} and not in AWS: skipped",
                    target.label(),
                    location.bucket
                ));
            }
        }
    }

    /// Renders without calling AWS.
    async fn offline(&self, targets: &[Target], ui: &Ui) -> Result<Rendered, Failure> {
        let mut rendered = Rendered::default();
        let Some(account) = &self.render.account else { return Ok(rendered) };
        let partition = self.render.partition.as_deref().and_then(Partition::named);
        for target in targets {
            if self.for_aws && target.needs_top_of_chain() {
                ui.warning(
                    "thumbprint auto is skipped, because AWS and the network are not used with \
                     --account; IAM retrieves a thumbprint itself",
                );
            }
            let in_aws = target.s3().is_some_and(|(_, options)| options.endpoint_url.is_none());
            let keys = match (&target.site, self.kube) {
                (Some(site), Some(_)) if in_aws => {
                    let (weak, label) = (site.options.weak, target.label());
                    let keys = read_keys(&site.keys, weak, files::read_bytes, &label, ui);
                    Some(keys.await.map_err(engine::failed)?)
                }
                _ => None,
            };
            ui.notices(keys.as_ref().map_or(&[], |keys| &keys.notices));
            let line = self.for_aws.then_some(&publish_command as _);
            let rendering = render_offline(target, keys.as_ref(), account, partition, line);
            rendered.renderings.push(rendering.map_err(engine::failed)?);
        }
        Ok(rendered)
    }

    /// Renders for the account of the credentials, and with what exists if it is to be imported.
    async fn online(&self, targets: &[Target], ui: &Ui) -> Result<Rendered, Failure> {
        ui.wait("reading from AWS");
        let engine = engine::connect(engine::session(self.aws)?, targets, ui).await?;
        let mut rendered = Rendered::default();
        for target in targets {
            let line = self.for_aws.then_some(&publish_command as _);
            let (documents, import) = (self.kube.is_some(), self.import);
            let result = engine.render(target, documents, import, line, &mut rendered).await;
            result.map_err(engine::failed)?;
        }
        ui.waited();
        Ok(rendered)
    }
}

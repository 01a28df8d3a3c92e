//! The common part of the `render` commands.

use issuer_discovery::Partition;
use issuer_reconcile::{Rendered, Target, read_keys, render_offline};
use issuer_session::shown_endpoint;

use crate::cli::{AwsArgs, KubeArgs, RenderArgs, ResourceCommand};
use crate::engine;
use crate::failure::Failure;
use crate::files;
use crate::publish_command::publish_command;
use crate::ui::Ui;

/// The arguments of all `render` commands.
pub(crate) struct RenderRequest<'a> {
    pub(crate) render: &'a RenderArgs,
    pub(crate) aws: &'a AwsArgs,
    /// Connection options, if the documents themselves are rendered.
    pub(crate) kube: Option<&'a KubeArgs>,
    /// Whether AWS resources are rendered, and not only service accounts.
    pub(crate) for_aws: bool,
    pub(crate) import: bool,
}

impl<'a> RenderRequest<'a> {
    pub(crate) fn of(command: &'a ResourceCommand) -> Self {
        let (render, aws, kube, import) = match command {
            ResourceCommand::Terraform(args) => {
                (&args.render, &args.aws, Some(&args.kube), args.import)
            }
            ResourceCommand::Cloudformation(args) => (&args.render, &args.aws, None, false),
            ResourceCommand::Kubernetes(args) => (&args.render, &args.aws, None, false),
        };
        let for_aws = !matches!(command, ResourceCommand::Kubernetes(_));
        Self { render, aws, kube, for_aws, import }
    }

    pub(crate) fn warn_of_other_stores(&self, targets: &[Target], ui: &Ui) {
        for target in targets.iter().filter(|_| self.for_aws) {
            if let Some((location, options)) = target.s3()
                && let Some(endpoint) = &options.endpoint_url
            {
                let endpoint = shown_endpoint(endpoint);
                ui.warning(&format!(
                    "{}: the bucket {} is at {endpoint} and not in AWS: skipped",
                    target.label(),
                    location.bucket
                ));
            }
        }
    }

    /// Renders without calling AWS.
    pub(crate) async fn offline(&self, targets: &[Target], ui: &Ui) -> Result<Rendered, Failure> {
        let mut rendered = Rendered::default();
        let Some(account) = &self.render.account else { return Ok(rendered) };
        let partition = self.render.partition.as_deref().and_then(Partition::named);
        let fetch = engine::fetch_options(&self.aws.tls)?;
        for target in targets {
            if self.for_aws && target.needs_top_of_chain() {
                ui.warning(
                    "thumbprint auto is skipped, because AWS and the network are not used with \
                     --account; IAM retrieves a thumbprint itself",
                );
            }
            let keys = match (&target.site, self.kube) {
                (Some(site), Some(_)) if target.is_in_aws() => {
                    let (weak, label) = (site.options.weak, target.label());
                    let keys = read_keys(&site.keys, weak, files::read_bytes, &fetch, &label, ui);
                    Some(keys.await.map_err(engine::failed)?)
                }
                _ => None,
            };
            let line = self.for_aws.then_some(&publish_command as _);
            let rendering = render_offline(target, keys.as_ref(), account, partition, line);
            let rendering = rendering.map_err(engine::failed)?;
            if let Some(keys) = &keys {
                ui.notices(&keys.notices_for(&rendering.issuer));
            }
            rendered.renderings.push(rendering);
        }
        Ok(rendered)
    }

    /// Renders for the account of the credentials, and with what exists if it is to be imported.
    pub(crate) async fn online(&self, targets: &[Target], ui: &Ui) -> Result<Rendered, Failure> {
        ui.wait("reading from AWS");
        let engine = engine::start(engine::session(self.aws)?, targets, ui);
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

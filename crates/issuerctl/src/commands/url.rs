//! `issuerctl url`

use issuer_discovery::Ports;
use issuer_publish::{Destination, S3Options};
use issuer_reconcile::{SiteTarget, StoreTarget, Target};

use crate::Outcome;
use crate::cli::{AwsArgs, OutputFormat, Overrides, UrlArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, SCHEMA_VERSION};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &UrlArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let aws = args.aws();
    let targets = match &args.to {
        Some(to) => vec![of_bucket(args, &aws, to)?],
        None => targets::of_files(&args.file(), None, &aws, Overrides::default())?,
    };
    let engine = engine::start(engine::session(&aws)?, &targets, ui);
    let issuers = Runtime::start(ui)?.block_on(async {
        let mut issuers = Vec::new();
        for target in &targets {
            // The region of a bucket is asked for only if it is not given.
            let advice = args.to.is_some() && aws.region.is_none();
            let advice = advice.then_some("with --region REGION, AWS is not called");
            let issuer = engine.issuer(target).await;
            let issuer = issuer.map_err(|error| engine::failed(error).hint(advice))?.to_string();
            issuers.push(output::IssuerUrl { name: target.name.clone(), issuer });
        }
        Ok::<_, Failure>(issuers)
    })?;
    match format {
        OutputFormat::Text => {
            for one in &issuers {
                output::line(&one.issuer)?;
            }
        }
        OutputFormat::Json => {
            output::json(&output::Urls { schema_version: SCHEMA_VERSION, issuers })?;
        }
    }
    Ok(Exit::Done)
}

/// A bucket that need not exist yet.
fn of_bucket(args: &UrlArgs, aws: &AwsArgs, to: &str) -> Result<Target, Failure> {
    let location = match to.parse() {
        Ok(Destination::S3(location)) => location,
        Ok(Destination::Folder(_)) => {
            let message =
                "a folder does not determine the issuer URL; --to takes s3://BUCKET[/PREFIX]";
            return Err(Failure::new(Exit::Usage, message));
        }
        Err(error) => return Err(targets::destination_failure(error)),
    };
    let options = S3Options {
        region: aws.region.clone(),
        endpoint_url: aws.endpoint_url.clone(),
        path_style: args.path_style,
        access: args.access.into(),
        create_bucket: true,
        ..S3Options::default()
    };
    let site = SiteTarget::of(StoreTarget::S3(location, options));
    let (name, issuer, provider, roles, workload) = (None, None, None, Vec::new(), None);
    Ok(Target { name, issuer, ports: Ports::Allow, site: Some(site), provider, roles, workload })
}

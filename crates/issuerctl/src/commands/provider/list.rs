//! `issuerctl provider list`

use issuer_iam::{Iam, policies};

use crate::Outcome;
use crate::cli::{OutputFormat, ProviderListArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, ProviderList};
use crate::runtime::Runtime;
use crate::ui::Ui;

pub(crate) fn run(args: &ProviderListArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    if args.aws.print_iam_policy {
        let make = async |_: Option<&Iam>| policies::list_providers();
        return engine::policy(&args.aws, format, ui, make);
    }
    let arns = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &[], ui);
        let iam = engine.iam().await.map_err(engine::failed)?;
        Ok::<_, Failure>(iam.list_providers().await?)
    })?;
    let list = ProviderList::new(arns);
    match format {
        OutputFormat::Text => list.print()?,
        OutputFormat::Json => output::json(&list)?,
    }
    Ok(Exit::Done)
}

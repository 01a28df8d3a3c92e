//! `issuerctl role list`

use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Iam, ProviderArn, policies};

use crate::Outcome;
use crate::cli::{OutputFormat, RoleListArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, RoleList};
use crate::runtime::Runtime;
use crate::ui::Ui;

pub(crate) fn run(args: &RoleListArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = args.issuer.as_deref();
    let issuer = issuer.map(|text| IssuerUrl::parse(text, Ports::Refuse)).transpose()?;
    if args.aws.print_iam_policy {
        let make = async |_: Option<&Iam>| policies::list_all_roles();
        return engine::policy(&args.aws, format, ui, make);
    }
    let roles = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &[], ui);
        let iam = engine.iam().await.map_err(engine::failed)?;
        let provider = issuer
            .map(|issuer| ProviderArn::new(iam.partition(), iam.account(), &issuer))
            .transpose()?;
        Ok::<_, Failure>(iam.list_roles().await?.trusting(provider.as_ref()))
    })?;
    let list = RoleList::new(roles);
    match format {
        OutputFormat::Text => list.print()?,
        OutputFormat::Json => output::json(&list)?,
    }
    Ok(Exit::Done)
}

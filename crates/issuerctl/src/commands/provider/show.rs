//! `issuerctl provider show`

use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Iam, policies};

use crate::Outcome;
use crate::cli::{OutputFormat, ProviderShowArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, ProviderState};
use crate::runtime::Runtime;
use crate::ui::Ui;

pub(crate) fn run(args: &ProviderShowArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.aws.print_iam_policy {
        let make = async |iam: Option<&Iam>| policies::show_provider(iam, &issuer);
        return engine::policy(&args.aws, format, ui, make);
    }
    let state = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &[], ui);
        let iam = engine.iam().await.map_err(engine::failed)?;
        Ok::<_, Failure>(iam.find_provider_alone(&issuer).await?)
    })?;
    match format {
        OutputFormat::Json => {
            let provider = state.provider.as_ref();
            output::json(&ProviderState::new(issuer.as_str(), &state.arn, provider))?;
        }
        OutputFormat::Text => state.provider.iter().try_for_each(output::provider)?,
    }
    if state.provider.is_some() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::BadInput, format!("the provider {} does not exist", state.arn))
        .hint(Some(format!("`issuerctl provider apply --issuer {issuer}` creates it"))))
}

//! `issuerctl role show`

use issuer_iam::{Documents, Iam, policies};

use crate::Outcome;
use crate::cli::{OutputFormat, RoleShowArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, RoleState};
use crate::runtime::Runtime;
use crate::ui::Ui;

pub(crate) fn run(args: &RoleShowArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    if args.aws.print_iam_policy {
        let make = async |iam: Option<&Iam>| policies::show_role(iam, &args.name);
        return engine::policy(&args.aws, format, ui, make);
    }
    let state = Runtime::start(ui)?.block_on(async {
        let engine = engine::start(engine::session(&args.aws)?, &[], ui);
        let (iam, none) = (engine.iam().await.map_err(engine::failed)?, Documents::new());
        Ok::<_, Failure>(iam.find_role(&args.name, &none, &none).await?)
    })?;
    let state = RoleState::new(args.name.as_str(), state.role.as_ref());
    match format {
        OutputFormat::Json => output::json(&state)?,
        OutputFormat::Text if state.exists => output::role(&state)?,
        OutputFormat::Text => {}
    }
    if state.exists {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::BadInput, format!("the role {} does not exist", args.name)).hint(Some(
        "`issuerctl role list` prints the roles that trust an OIDC provider of the account",
    )))
}

//! `issuerctl role trust-policy`

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{Trust, TrustPolicy, USUAL_TRUST_POLICY};

use crate::Outcome;
use crate::cli::{OutputFormat, TrustPolicyArgs};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::ui::Ui;

pub(crate) fn run(args: &TrustPolicyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let unknown =
        || Failure::new(Exit::Usage, format!("the partition {} does not exist", args.partition));
    let partition = Partition::named(&args.partition).ok_or_else(unknown)?;
    let trusts: Result<Vec<Trust>, Failure> = args
        .issuer
        .iter()
        .map(|text| {
            Ok(Trust {
                partition,
                account: args.account.clone(),
                issuer: IssuerUrl::parse(text, Ports::Refuse)?,
                audiences: args.audience.clone(),
                service_accounts: args.service_account.clone(),
            })
        })
        .collect();
    let policy = TrustPolicy::new(&trusts?)?;
    let size = policy.size();
    if size > USUAL_TRUST_POLICY {
        ui.warning(&format!(
            "the policy has {size} characters without white space; the default quota \"Role trust \
             policy length\" is {USUAL_TRUST_POLICY}"
        ));
    }
    match format {
        OutputFormat::Text => output::line(&policy.to_json_pretty())?,
        OutputFormat::Json => {
            output::json(&output::Trust {
                schema_version: output::SCHEMA_VERSION,
                document: policy.to_json_pretty(),
                size,
            })?;
        }
    }
    Ok(Exit::Done)
}

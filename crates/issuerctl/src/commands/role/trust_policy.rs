//! `issuerctl role trust-policy`

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{ServiceAccountPattern, Trust, TrustPolicy};

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
    for warning in args.service_account.iter().filter_map(ServiceAccountPattern::warning) {
        ui.warning(&warning);
    }
    if !args.account.exists() {
        ui.warning(&format!(
            "the account {} exists only in emulators of AWS: IAM rejects the policy, and `issuerctl \
             role lint` accepts it only with --account {}",
            args.account, args.account
        ));
    }
    if let Some(warning) = policy.size_warning() {
        ui.warning(&format!("the policy has {warning}"));
    }
    match format {
        OutputFormat::Text => output::line(&policy.to_json_pretty())?,
        OutputFormat::Json => {
            output::json(&output::Trust {
                schema_version: output::SCHEMA_VERSION,
                document: policy.to_json_pretty(),
                size: policy.size(),
            })?;
        }
    }
    Ok(Exit::Done)
}

//! `issuerctl role`

use issuer_aws::{Trust, TrustPolicy, USUAL_TRUST_POLICY};
use issuer_discovery::{IssuerUrl, Partition, Ports};

use crate::Outcome;
use crate::cli::{OutputFormat, RoleCommand, TrustPolicyArgs};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::talk::Talk;

pub(crate) fn run(command: &RoleCommand, format: OutputFormat, talk: &Talk) -> Outcome {
    match command {
        RoleCommand::TrustPolicy(args) => trust_policy(args, format, talk),
    }
}

fn trust_policy(args: &TrustPolicyArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let unknown = || Failure::new(Exit::Usage, format!("there is no partition {}", args.partition));
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
        talk.warning(&format!(
            "the policy has {size} characters without white space; accounts whose quota \"role trust policy length\" was not \
             raised take {USUAL_TRUST_POLICY}"
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

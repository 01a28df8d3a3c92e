//! `issuerctl role trust-policy` and `issuerctl role lint`: trust policies offline.

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{LintOptions, Trust, TrustPolicy, USUAL_TRUST_POLICY};

use crate::Outcome;
use crate::cli::{LintArgs, OutputFormat, TrustPolicyArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;
use crate::ui::Ui;

pub(crate) fn create(args: &TrustPolicyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
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

pub(crate) fn lint(args: &LintArgs, format: OutputFormat) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.service_account.as_ref().is_some_and(|account| !account.is_literal()) {
        let message = "--service-account must be one service account, without wildcards";
        return Err(Failure::new(Exit::Usage, message));
    }
    let unknown =
        |name: &str| Failure::new(Exit::Usage, format!("the partition {name} does not exist"));
    let partition = |name: &String| Partition::named(name).ok_or_else(|| unknown(name));
    let bytes = files::read(&args.file)?;
    let options = LintOptions {
        issuer: issuer.clone(),
        service_account: args.service_account.clone(),
        account: args.account.clone(),
        partition: args.partition.as_ref().map(partition).transpose()?,
        audiences: args.audience.clone(),
    };
    let report = issuer_iam::lint(&String::from_utf8_lossy(&bytes), &options)?;
    match format {
        OutputFormat::Text => {
            output::coloured(&output::report(&report.findings, "so", report.passed()))?
        }
        OutputFormat::Json => output::json(&output::Lint::new(issuer.as_str(), &report))?,
    }
    Ok(if report.passed() { Exit::Done } else { Exit::Verification })
}

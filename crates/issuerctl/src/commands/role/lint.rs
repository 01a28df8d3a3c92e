//! `issuerctl role lint`

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::LintOptions;

use crate::Outcome;
use crate::cli::{LintArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;

pub(crate) fn run(args: &LintArgs, format: OutputFormat) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.service_account.as_ref().is_some_and(|account| !account.is_literal()) {
        let message = "--service-account must be one service account, without wildcards";
        return Err(Failure::new(Exit::Usage, message));
    }
    let unknown =
        |name: &str| Failure::new(Exit::Usage, format!("the partition {name} does not exist"));
    let partition = |name: &String| Partition::named(name).ok_or_else(|| unknown(name));
    let text = files::read_text(&args.file)?;
    let options = LintOptions {
        issuer: issuer.clone(),
        service_account: args.service_account.clone(),
        account: args.account.clone(),
        partition: args.partition.as_ref().map(partition).transpose()?,
        audiences: args.audience.clone(),
    };
    let report = issuer_iam::lint(&text, &options)?;
    match format {
        OutputFormat::Text => {
            output::coloured(&output::report(&report.findings, "so", report.passed()))?
        }
        OutputFormat::Json => output::json(&output::Lint::new(issuer.as_str(), &report))?,
    }
    Ok(if report.passed() { Exit::Done } else { Exit::Verification })
}

//! `issuerctl role lint`

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{LintOptions, RoleReport};

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
    let text = files::read_large_text(&args.file)?;
    let options = LintOptions {
        issuer: issuer.clone(),
        service_account: args.service_account.clone(),
        account: args.account.clone(),
        partition: args.partition.as_ref().map(partition).transpose()?,
        audiences: args.audience.clone(),
    };
    let mut reports = issuer_iam::lint_roles(&text, &options)?;
    if let Some(name) = &args.role {
        reports.retain(|report| report.role.as_deref() == Some(name));
        if reports.is_empty() {
            let message = format!("{} has no role {name}", files::name_of(&args.file));
            return Err(Failure::new(Exit::BadInput, message));
        }
    }
    let passed = passed(&reports);
    match (format, &reports[..]) {
        (OutputFormat::Text, [only]) => {
            output::coloured(&output::report(&only.report.findings, "so", passed))?
        }
        (OutputFormat::Text, _) => output::coloured(&output::roles_text(&reports, passed))?,
        (OutputFormat::Json, _) => {
            output::json(&output::Lint::new(issuer.as_str(), &reports, passed))?
        }
    }
    Ok(if passed { Exit::Done } else { Exit::Verification })
}

/// Whether some role trusts the issuer, and each role that does passes.
fn passed(reports: &[RoleReport]) -> bool {
    let mut trusting = reports.iter().filter(|report| report.trusts_issuer).peekable();
    trusting.peek().is_some() && trusting.all(|report| report.report.passed())
}

//! `issuerctl role lint`

use std::time::SystemTime;

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{LintOptions, RoleReport};

use crate::Outcome;
use crate::cli::{LintArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;
use crate::ui::Ui;

pub(crate) fn run(args: &LintArgs, format: OutputFormat, ui: &Ui) -> Outcome {
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
        now: Some(SystemTime::now()),
        allow_port: false,
    };
    let read = issuer_iam::lint_roles(&text, &options)?;
    if read.truncated {
        ui.warning(
            "the file does not have all roles: AWS says that there are more; run the command that \
             printed it again, without --max-items and --no-paginate",
        );
    }
    let mut reports = read.roles;
    if let Some(name) = &args.role {
        reports.retain(|report| report.role.as_deref() == Some(name));
        if reports.is_empty() {
            let message = format!("{} has no role {name}", files::name_of(&args.file));
            return Err(Failure::new(Exit::BadInput, message));
        }
        if let [RoleReport { unjudged: Some(error), .. }] = &reports[..] {
            return Err(error.clone().into());
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

/// Whether all roles could be judged, some role trusts the issuer, and each role that does passes.
fn passed(reports: &[RoleReport]) -> bool {
    if reports.iter().any(|report| report.unjudged.is_some()) {
        return false;
    }
    let mut trusting = reports.iter().filter(|report| report.trusts_issuer).peekable();
    trusting.peek().is_some() && trusting.all(|report| report.report.passed())
}

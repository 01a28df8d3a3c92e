//! `issuerctl plan`

use issuer_publish::Purpose;

use crate::Outcome;
use crate::cli::{OutputFormat, PlanArgs};
use crate::commands::whole::{self, All, Left, Opened, Planned};
use crate::commands::{role, verify};
use crate::failure::Exit;
use crate::manifest;
use crate::output::{self, Line, Whole, WholeIssuer};
use crate::runtime::Runtime;
use crate::talk::Talk;

pub(crate) fn run(args: &PlanArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let wanted = &args.wanted;
    let documents = manifest::read(&wanted.file)?;
    let fetch = verify::fetch_options(&wanted.aws.tls)?;
    Runtime::start()?.block_on(async {
        if wanted.aws.print_iam_policy {
            let policy =
                whole::policy(&documents, &wanted.aws, Purpose::Plan, wanted.prune).await?;
            return output::policy(format, &policy);
        }
        let All { opened, planned, .. } = whole::plan_all(documents, wanted, &fetch, talk).await?;
        for notice in planned.iter().flat_map(Planned::notices) {
            talk.warning(notice);
        }
        let changed = planned.iter().any(|planned| !planned.is_empty());
        match format {
            OutputFormat::Text => {
                let text: String = opened.iter().zip(&planned).map(|(o, p)| text(o, p)).collect();
                output::coloured(&output::coloured_plan(&text))?;
                let lines: Vec<Line> = planned.iter().flat_map(lines).collect();
                output::line(&output::summary(lines.iter()))?;
            }
            OutputFormat::Json => {
                let issuers = opened.iter().zip(&planned).map(|(o, p)| object(o, p)).collect();
                output::json(&Whole {
                    schema_version: output::SCHEMA_VERSION,
                    dry_run: true,
                    changed,
                    issuers,
                })?;
            }
        }
        Ok(if changed { Exit::Changes } else { Exit::Done })
    })
}

/// How the plans of single parts end where there is nothing to do.
const NOTHING: &str = "nothing to do\n";

/// The diff of one issuer.
pub(crate) fn text(opened: &Opened, planned: &Planned) -> String {
    opened.text(&parts(planned)) + "\n"
}

/// What happens to each part.
pub(crate) fn lines(planned: &Planned) -> Vec<Line> {
    parts(planned)
        .into_iter()
        .flat_map(|(resource, text)| output::lines_of(&resource, &text))
        .collect()
}

/// The object of one issuer.
pub(crate) fn object<'a>(opened: &'a Opened, planned: &'a Planned) -> WholeIssuer<'a> {
    WholeIssuer {
        name: opened.document.issuer.name(),
        issuer: opened.url.as_str(),
        changed: !planned.is_empty(),
        changes: lines(planned),
        left_roles: planned.left.iter().map(|left| left.name.as_str()).collect(),
        notices: planned.notices().collect(),
        annotate: annotate(planned),
        verification: None,
    }
}

/// The commands that annotate the service accounts of every role.
pub(crate) fn annotate(planned: &Planned) -> Vec<String> {
    let of_role = planned
        .roles
        .iter()
        .map(|(spec, plan)| role::annotations(&spec.trust.service_accounts, &plan.arn));
    of_role.flatten().collect()
}

/// Each part with its resource and its text.
fn parts(planned: &Planned) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    // A part says itself what is left alone, so that only the end needs to say that nothing is to
    // be done.
    let trimmed = |text: String| text.strip_suffix(NOTHING).map(str::to_owned).unwrap_or(text);
    if let Some((_, plan)) = &planned.site {
        parts.push((plan.location().to_owned(), trimmed(plan.to_string())));
    }
    if let Some((_, plan)) = &planned.provider {
        let unchanged = if plan.is_empty() { "  = provider    (unchanged)\n" } else { "" };
        parts
            .push((plan.arn.clone(), format!("provider {}{unchanged}", trimmed(plan.to_string()))));
    }
    for (spec, plan) in &planned.roles {
        let unchanged = if plan.is_empty() { "  = role        (unchanged)\n" } else { "" };
        parts.push((
            plan.arn.clone(),
            format!("role {}\n{}{unchanged}", spec.name, trimmed(plan.to_string())),
        ));
    }
    parts.extend(planned.left.iter().map(Left::part));
    parts
}

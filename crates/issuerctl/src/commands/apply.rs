//! `issuerctl apply`

use issuer_aws::Iam;
use issuer_publish::{Plan, Purpose};
use issuer_verify::{Expected, FetchOptions, Verdict};

use crate::Outcome;
use crate::cli::{ApplyArgs, OutputFormat};
use crate::commands::whole::{self, Opened, Planned};
use crate::commands::{plan, provider, publish, verify};
use crate::failure::{Exit, Failure};
use crate::manifest;
use crate::output::{self, Line, Verify, Whole, WholeIssuer};
use crate::runtime::Runtime;
use crate::talk::Talk;

pub(crate) fn run(args: &ApplyArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let wanted = &args.wanted;
    let documents = manifest::read(&wanted.file)?;
    let fetch = verify::fetch_options(&wanted.aws.tls)?;
    Runtime::start()?.block_on(async {
        if wanted.aws.print_iam_policy {
            let policy = whole::policy(&documents, &wanted.aws, Purpose::Publish, wanted.prune).await?;
            return output::policy(format, &policy);
        }
        let all = whole::plan_all(documents, wanted, &fetch, talk).await?;
        let iam = all.iam.clone();
        let (opened, planned) = all.parts();
        for (opened, planned) in opened.iter().zip(&planned) {
            for notice in planned.notices() {
                talk.warning(notice);
            }
            talk.note(plan::text(opened, planned, wanted).trim_end());
        }
        let lines: Vec<Line> = planned.iter().flat_map(|planned| plan::lines(planned, wanted)).collect();
        talk.note(&output::summary(lines.iter()));
        let mut done = Vec::new();
        for (opened, planned) in opened.iter().zip(planned) {
            done.push(carry_out(opened, planned, iam.as_ref(), args, &fetch, talk).await?);
        }
        finish(&opened, &done, args, format, talk)
    })
}

/// What was done for one issuer.
struct Done {
    planned: Planned,
    changed: bool,
    verdict: Option<Verdict>,
}

/// The site, then a look at it as STS has it, then provider and roles: nothing in IAM points to an issuer that does not work.
async fn carry_out(
    opened: &Opened,
    mut planned: Planned,
    iam: Option<&Iam>,
    args: &ApplyArgs,
    fetch: &FetchOptions,
    talk: &Talk,
) -> Result<Done, Failure> {
    let mut verdict = None;
    let mut changed = false;
    if let (Some(store), Some((site, plan))) = (&opened.store, planned.site.take()) {
        let options = opened.document.plan_options(args.wanted.change_issuer);
        let show = |plan: &Plan| {
            talk.note(plan.to_string().trim_end());
            Ok(())
        };
        let plan = publish::write(store, &site, &options, plan, show, talk).await?;
        if !args.no_verify {
            verdict = Some(read_back(opened, &plan, fetch, talk).await?);
        }
        changed |= plan.changes_anything();
        planned.site = Some((site, plan));
    }
    // What a folder's web server answers is another thing than what lies in the folder.
    let unseen = opened.document.folder().is_some() || opened.store.is_none();
    if unseen && planned.provider.is_some() && !args.no_verify {
        provider::verified(&opened.url, fetch, talk).await?;
    }
    if let Some(iam) = iam {
        changed |= in_iam(iam, opened, &mut planned, args, talk).await?;
    }
    Ok(Done { planned, changed, verdict })
}

async fn in_iam(
    iam: &Iam,
    opened: &Opened,
    planned: &mut Planned,
    args: &ApplyArgs,
    talk: &Talk,
) -> Result<bool, Failure> {
    let mut changed = false;
    let bar = talk.steps(planned.roles.len() + planned.left.len() + 1);
    if let Some((spec, plan)) = planned.provider.take() {
        bar.set_message("provider");
        let plan = iam.apply_provider(&spec, plan, |plan| talk.note(plan.to_string().trim_end())).await?;
        changed |= plan.changes_anything();
        planned.provider = Some((spec, plan));
    }
    bar.inc(1);
    for (spec, plan) in &mut planned.roles {
        bar.set_message(format!("role {}", spec.name));
        *plan = iam.apply_role(spec, plan.clone(), |plan| talk.note(plan.to_string().trim_end())).await?;
        changed |= plan.changes_anything();
        bar.inc(1);
    }
    for left in planned.left.iter_mut().filter(|_| args.wanted.prune) {
        bar.set_message(format!("role {}", left.name));
        left.deletion = iam.delete_role(&left.name, Some(&opened.url), left.deletion.clone()).await?;
        changed |= left.deletion.changes_anything();
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(changed)
}

async fn read_back(opened: &Opened, plan: &Plan, fetch: &FetchOptions, talk: &Talk) -> Result<Verdict, Failure> {
    let expected = Expected {
        issuer: Some(opened.url.clone()),
        keys: Some(plan.keys().clone()),
        now_secs: verify::now_secs(),
        weak: opened.document.weak(),
        ..Expected::default()
    };
    let verdict = publish::read_back(opened.document.folder().as_deref(), plan, fetch, &expected, talk).await?;
    if verdict.passed() {
        talk.note(publish::verified(opened.document.folder().as_deref()));
        return Ok(verdict);
    }
    talk.always(&verify::report(&verdict));
    Err(Failure::new(
        Exit::Verification,
        format!("{} is published, and would not be accepted; nothing was changed in IAM", opened.url),
    )
    .hint(Some(format!("`issuerctl verify --issuer {}` looks again; then run apply again", opened.url))))
}

fn finish(opened: &[Opened], done: &[Done], args: &ApplyArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let changed = done.iter().any(|done| done.changed);
    if changed && done.iter().any(|done| done.planned.provider.is_some() || !done.planned.roles.is_empty()) {
        talk.note(provider::SPREADS);
    }
    match format {
        OutputFormat::Text => {
            let annotate = done.iter().flat_map(|done| plan::annotate(&done.planned));
            annotate.into_iter().try_for_each(|line| output::line(&line))?;
        }
        OutputFormat::Json => {
            let issuers = opened.iter().zip(done).map(|(opened, done)| WholeIssuer {
                changed: done.changed,
                verification: done.verdict.as_ref().map(Verify::from),
                ..plan::object(opened, &done.planned, &args.wanted)
            });
            output::json(&Whole { schema_version: output::SCHEMA_VERSION, changed, issuers: issuers.collect() })?;
        }
    }
    Ok(Exit::Done)
}

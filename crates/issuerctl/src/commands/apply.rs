//! `issuerctl apply`

use issuer_iam::{Documents, Iam};
use issuer_publish::{Plan, Purpose};
use issuer_verify::{Expected, FetchOptions, Verdict};

use crate::Outcome;
use crate::cli::{ApplyArgs, OutputFormat};
use crate::commands::whole::{self, All, Left, Opened, Planned};
use crate::commands::{plan, provider, publish, role, verify};
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
            let policy =
                whole::policy(&documents, &wanted.aws, Purpose::Publish, wanted.prune).await?;
            return output::policy(format, &policy);
        }
        let All { iam, opened, planned } = whole::plan_all(documents, wanted, &fetch, talk).await?;
        for (opened, planned) in opened.iter().zip(&planned) {
            for notice in planned.notices() {
                talk.warning(notice);
            }
            talk.note(plan::text(opened, planned).trim_end());
        }
        let lines: Vec<Line> = planned.iter().flat_map(plan::lines).collect();
        talk.note(&output::summary(lines.iter()));
        let mut done = Vec::new();
        for (opened, planned) in opened.iter().zip(planned) {
            let one = carry_out(opened, planned, iam.as_ref(), args, &fetch, talk).await?;
            let refused = one.verdict.as_ref().is_some_and(|verdict| !verdict.passed());
            done.push(one);
            if refused {
                // A job reads what was found in the object.
                if format == OutputFormat::Json {
                    print(&done, format)?;
                }
                return Err(not_accepted(opened));
            }
        }
        finish(&done, format, talk)
    })
}

fn not_accepted(opened: &Opened) -> Failure {
    let url = &opened.url;
    Failure::new(
        Exit::Verification,
        format!("{url} is published, and would not be accepted; nothing was changed in IAM for it"),
    )
    .hint(Some(format!("`issuerctl verify --issuer {url}` looks again; then run apply again")))
}

/// What was done for one issuer.
struct Done<'a> {
    opened: &'a Opened,
    planned: Planned,
    changed: bool,
    verdict: Option<Verdict>,
}

/// The site, then a look at it as STS has it, then provider and roles: nothing in IAM points to an
/// issuer that does not work.
async fn carry_out<'a>(
    opened: &'a Opened,
    mut planned: Planned,
    iam: Option<&Iam>,
    args: &ApplyArgs,
    fetch: &FetchOptions,
    talk: &Talk,
) -> Result<Done<'a>, Failure> {
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
        if verdict.as_ref().is_some_and(|verdict| !verdict.passed()) {
            return Ok(Done { opened, planned, changed, verdict });
        }
    }
    // What a folder's web server answers is another thing than what lies in the folder.
    let unseen = opened.document.folder().is_some() || opened.store.is_none();
    if unseen && planned.provider.is_some() && !args.no_verify {
        provider::verified(&opened.url, fetch, talk).await?;
    }
    if let Some(iam) = iam {
        changed |= in_iam(iam, opened, &mut planned, talk).await?;
    }
    Ok(Done { opened, planned, changed, verdict })
}

async fn in_iam(
    iam: &Iam,
    opened: &Opened,
    planned: &mut Planned,
    talk: &Talk,
) -> Result<bool, Failure> {
    let mut changed = false;
    let bar = talk.steps(planned.roles.len() + planned.left.len() + 1);
    if let Some((spec, plan)) = planned.provider.take() {
        bar.set_message("provider");
        let plan =
            iam.apply_provider(&spec, plan, |plan| talk.note(plan.to_string().trim_end())).await?;
        changed |= plan.changes_anything();
        planned.provider = Some((spec, plan));
    }
    bar.inc(1);
    for (spec, plan) in &mut planned.roles {
        bar.set_message(format!("role {}", spec.name));
        *plan = iam
            .apply_role(spec, plan.clone(), |plan| talk.note(plan.to_string().trim_end()))
            .await?;
        role::say_stayed(&plan.stayed, talk);
        changed |= plan.changes_anything();
        bar.inc(1);
    }
    for Left { name, deletion, .. } in &mut planned.left {
        bar.set_message(format!("role {name}"));
        if let Some(deletion) = deletion {
            changed |=
                role::take_away(iam, name, &opened.url, &Documents::new(), deletion, talk).await?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(changed)
}

async fn read_back(
    opened: &Opened,
    plan: &Plan,
    fetch: &FetchOptions,
    talk: &Talk,
) -> Result<Verdict, Failure> {
    let expected = Expected {
        issuer: Some(opened.url.clone()),
        keys: Some(plan.keys().clone()),
        now_secs: verify::now_secs(),
        weak: opened.document.weak(),
        ..Expected::default()
    };
    let verdict =
        publish::read_back(opened.document.folder().as_deref(), plan, fetch, &expected, talk)
            .await?;
    if verdict.passed() {
        talk.note(publish::verified(opened.document.folder().as_deref()));
    } else {
        talk.always(&verify::report(&verdict));
    }
    Ok(verdict)
}

fn finish(done: &[Done<'_>], format: OutputFormat, talk: &Talk) -> Outcome {
    if done.iter().any(|done| done.changed)
        && done.iter().any(|done| done.planned.provider.is_some() || !done.planned.roles.is_empty())
    {
        talk.note(provider::SPREADS);
    }
    print(done, format)?;
    Ok(Exit::Done)
}

fn print(done: &[Done<'_>], format: OutputFormat) -> Result<(), Failure> {
    match format {
        OutputFormat::Text => {
            let annotate = done.iter().flat_map(|done| plan::annotate(&done.planned));
            annotate.into_iter().try_for_each(|line| output::line(&line))?;
        }
        OutputFormat::Json => {
            let changed = done.iter().any(|done| done.changed);
            let issuers = done.iter().map(|done| WholeIssuer {
                changed: done.changed,
                verification: done.verdict.as_ref().map(Verify::from),
                ..plan::object(done.opened, &done.planned)
            });
            let (schema_version, issuers) = (output::SCHEMA_VERSION, issuers.collect());
            output::json(&Whole { schema_version, dry_run: false, changed, issuers })?;
        }
    }
    Ok(())
}

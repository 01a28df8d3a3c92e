//! `issuerctl delete`

use std::fmt::Write;

use futures_util::future::try_join_all;
use issuer_aws::{Iam, Provider, RoleDeletion, RoleName};
use issuer_publish::{Purpose, Removal};

use crate::Outcome;
use crate::cli::{DeleteArgs, OutputFormat};
use crate::commands::provider::SPREADS;
use crate::commands::whole::{self, Left, Opened};
use crate::failure::{Exit, Failure};
use crate::manifest;
use crate::output::{self, Line, Whole, WholeIssuer};
use crate::runtime::Runtime;
use crate::talk::Talk;

pub(crate) fn run(args: &DeleteArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let documents = manifest::read(&args.file)?;
    Runtime::start()?.block_on(async {
        if args.aws.print_iam_policy {
            let policy = whole::policy(&documents, &args.aws, Purpose::Remove, args.prune).await?;
            return output::policy(format, &policy);
        }
        let wait = talk.wait("reading what is there");
        let (opened, iam) = whole::open(documents, &args.aws, talk).await?;
        let mut planned = try_join_all(opened.iter().map(|opened| plan(opened, iam.as_ref(), args))).await?;
        wait.finish_and_clear();
        for (opened, planned) in opened.iter().zip(&planned) {
            for notice in &planned.notices {
                talk.warning(notice);
            }
            talk.note(text(opened, planned, args).trim_end());
        }
        let mut changed = planned.iter().any(|planned| planned.changes(args));
        if !args.dry_run {
            for (opened, planned) in opened.iter().zip(&mut planned) {
                changed |= carry_out(opened, planned, iam.as_ref(), args, talk).await?;
            }
            if changed && iam.is_some() {
                talk.note(SPREADS);
            }
        }
        if format == OutputFormat::Json {
            let issuers = opened.iter().zip(&planned).map(|(opened, planned)| object(opened, planned, args)).collect();
            output::json(&Whole { schema_version: output::SCHEMA_VERSION, changed, issuers })?;
        }
        Ok(Exit::Done)
    })
}

/// What there is to take away of one issuer.
struct Planned {
    /// The provider, and whether it goes: of others, or not in the file, it stays unless forced.
    provider: Option<(Provider, bool)>,
    roles: Vec<(RoleName, RoleDeletion)>,
    /// Roles that were taken out of the file earlier.
    left: Vec<Left>,
    site: Option<Removal>,
    notices: Vec<String>,
}

impl Planned {
    fn changes(&self, args: &DeleteArgs) -> bool {
        self.provider.as_ref().is_some_and(|(_, goes)| *goes)
            || self.roles.iter().any(|(_, deletion)| !deletion.steps.is_empty())
            || (args.prune && self.left.iter().any(|left| !left.deletion.steps.is_empty()))
            || self.removal().is_some_and(Removal::changes_anything)
    }

    /// Whoever has the documents of an issuer that a provider still trusts has every role of it, so they stay with it.
    fn removal(&self) -> Option<&Removal> {
        self.site.as_ref().filter(|_| self.provider.as_ref().is_none_or(|(_, goes)| *goes))
    }
}

async fn plan(opened: &Opened, iam: Option<&Iam>, args: &DeleteArgs) -> Result<Planned, Failure> {
    let site = async {
        match &opened.store {
            Some(store) => issuer_publish::plan_removal(store, &opened.url, args.force).await.map(Some),
            None => Ok(None),
        }
    };
    let in_iam = async {
        let iam = iam.filter(|_| opened.document.needs_iam());
        let Some(iam) = iam else { return Ok((None, Vec::new(), (Vec::new(), None))) };
        let issuer = &opened.document.issuer;
        let roles = try_join_all(issuer.spec.roles.iter().map(|role| async {
            let deletion = iam.plan_role_deletion(&role.name, Some(&opened.url)).await?;
            Ok::<_, issuer_aws::Error>((role.name.clone(), deletion))
        }));
        let (provider, roles, left) =
            tokio::join!(iam.provider(&opened.url), roles, whole::left(opened, iam, args.prune));
        let goes = |provider: &Provider| args.force || (issuer.spec.provider.is_some() && provider.is_ours());
        let provider = provider?.map(|provider| (goes(&provider), provider)).map(|(goes, provider)| (provider, goes));
        Ok::<_, Failure>((provider, roles?, left?))
    };
    let (site, in_iam) = tokio::join!(site, in_iam);
    let (provider, roles, (left, notice)) = in_iam?;
    Ok(Planned { provider, roles, left, site: site?, notices: notice.into_iter().collect() })
}

/// Provider, roles, documents: nobody is let in any more before the keys go.
async fn carry_out(
    opened: &Opened,
    planned: &mut Planned,
    iam: Option<&Iam>,
    args: &DeleteArgs,
    talk: &Talk,
) -> Result<bool, Failure> {
    let mut changed = false;
    if let Some(iam) = iam {
        if let Some((provider, true)) = &planned.provider {
            iam.delete_provider(provider, args.force).await?;
        }
        let left = planned.left.iter_mut().filter(|_| args.prune).map(|left| (&left.name, &mut left.deletion));
        for (name, deletion) in planned.roles.iter_mut().map(|(name, deletion)| (&*name, deletion)).chain(left) {
            *deletion = iam.delete_role(name, Some(&opened.url), deletion.clone()).await?;
            changed |= deletion.changes_anything();
        }
    }
    if let (Some(store), Some(removal)) = (&opened.store, planned.removal())
        && let Some(bucket) = issuer_publish::remove(store, removal).await?
    {
        talk.note(&format!("the bucket {bucket} stays: something else is in it"));
    }
    Ok(changed)
}

fn text(opened: &Opened, planned: &Planned, args: &DeleteArgs) -> String {
    let mut text = format!("issuer {} ({})\n", opened.document.issuer.name(), opened.url);
    for (_, part) in parts(planned, args) {
        let _ = write!(text, "\n{part}");
    }
    if !planned.changes(args) {
        text.push_str("\nnothing to do\n");
    }
    text
}

fn object<'a>(opened: &'a Opened, planned: &'a Planned, args: &DeleteArgs) -> WholeIssuer<'a> {
    let lines = |(resource, text): (String, String)| -> Vec<Line> { output::lines_of(&resource, &text) };
    WholeIssuer {
        name: opened.document.issuer.name(),
        issuer: opened.url.as_str(),
        changed: planned.changes(args) || planned.roles.iter().any(|(_, deletion)| deletion.changes_anything()),
        changes: parts(planned, args).into_iter().flat_map(lines).collect(),
        left_roles: planned.left.iter().map(|left| left.name.as_str()).collect(),
        notices: planned.notices.iter().map(String::as_str).collect(),
        annotate: Vec::new(),
        verification: None,
    }
}

/// Each part with its resource and its text.
fn parts(planned: &Planned, args: &DeleteArgs) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    if let Some((provider, goes)) = &planned.provider {
        let arn = &provider.arn;
        let line = match (goes, provider.is_ours()) {
            (true, _) => format!("  - provider    {arn}\n"),
            (false, false) => format!("  = provider    {arn} (of others: kept; --force deletes it)\n"),
            (false, true) => format!("  = provider    {arn} (not in the file: kept; --force deletes it)\n"),
        };
        parts.push((arn.clone(), line));
    }
    for (name, deletion) in planned.roles.iter().filter(|(_, deletion)| !deletion.is_empty()) {
        let arn = deletion.arn.clone().unwrap_or_else(|| name.to_string());
        parts.push((arn, format!("role {name}\n{deletion}")));
    }
    for left in &planned.left {
        let text = match args.prune {
            true => left.deletion.to_string(),
            false => "  = role        left as it is; --prune takes it away\n".to_owned(),
        };
        parts.push((left.arn.clone(), format!("role {} (taken out of the file)\n{text}", left.name)));
    }
    if let Some(removal) = planned.site.as_ref().filter(|removal| !removal.is_empty()) {
        let text = match planned.removal() {
            Some(removal) => removal.to_string(),
            None => format!("{}\n  = document      both (a provider still trusts them: kept)\n", removal.location()),
        };
        parts.push((removal.location().to_owned(), text));
    }
    parts
}

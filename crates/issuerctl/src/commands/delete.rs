//! `issuerctl delete`

use futures_util::future::try_join_all;
use issuer_iam::{Documents, Iam, Provider, RoleDeletion, RoleName};
use issuer_publish::{BucketEnd, Purpose, Removal};

use crate::Outcome;
use crate::cli::{DeleteArgs, OutputFormat};
use crate::commands::provider::SPREADS;
use crate::commands::role;
use crate::commands::whole::{self, Left, Opened};
use crate::failure::{Exit, Failure};
use crate::manifest::{self, Document};
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
        let needs_iam =
            args.prune || documents.iter().any(|document| asks_for_trust(document, args));
        let (opened, iam) = whole::open(documents, &args.aws, needs_iam, talk).await?;
        let mut planned =
            try_join_all(opened.iter().map(|opened| find(opened, iam.as_ref(), args))).await?;
        wait.finish_and_clear();
        for (opened, planned) in opened.iter().zip(&planned) {
            for notice in &planned.notices {
                talk.warning(notice);
            }
            talk.note(text(opened, planned).trim_end());
        }
        let mut changed = planned.iter().any(Planned::changes);
        if !args.dry_run {
            for (opened, planned) in opened.iter().zip(&mut planned) {
                changed |= carry_out(opened, planned, iam.as_ref(), args, talk).await?;
            }
            if changed && iam.is_some() {
                talk.note(SPREADS);
            }
        }
        if format == OutputFormat::Json {
            let issuers = opened
                .iter()
                .zip(&planned)
                .map(|(opened, planned)| object(opened, planned))
                .collect();
            let (schema_version, dry_run) = (output::SCHEMA_VERSION, args.dry_run);
            output::json(&Whole { schema_version, dry_run, changed, issuers })?;
        }
        Ok(Exit::Done)
    })
}

/// What there is to take away of one issuer.
struct Planned {
    /// The provider, and whether it goes: of others, or not in the file, it stays unless forced.
    provider: Option<(Provider, bool)>,
    roles: Vec<InFile>,
    /// Roles that were taken out of the file earlier.
    left: Vec<Left>,
    site: Option<Removal>,
    notices: Vec<String>,
}

/// A role of the file.
struct InFile {
    name: RoleName,
    /// Policies that the file names for it.
    managed: Documents,
    deletion: RoleDeletion,
}

/// Whether IAM is asked, although the file has nothing for it, if a provider trusts the bucket's
/// name.
fn asks_for_trust(document: &Document, args: &DeleteArgs) -> bool {
    document.is_trusted_by_name() && !args.force
}

impl Planned {
    fn deletions(&self) -> impl Iterator<Item = &RoleDeletion> {
        let left = self.left.iter().filter_map(|left| left.deletion.as_ref());
        self.roles.iter().map(|role| &role.deletion).chain(left)
    }

    fn changes(&self) -> bool {
        self.provider.as_ref().is_some_and(|(_, goes)| *goes)
            || self.deletions().any(|deletion| !deletion.steps.is_empty())
            || self.removal().is_some_and(Removal::changes_anything)
    }

    /// Whoever has the documents of an issuer that a provider still trusts has every role of it, so
    /// they stay with it.
    fn removal(&self) -> Option<&Removal> {
        self.site.as_ref().filter(|_| self.provider.as_ref().is_none_or(|(_, goes)| *goes))
    }
}

async fn find(opened: &Opened, iam: Option<&Iam>, args: &DeleteArgs) -> Result<Planned, Failure> {
    let site = async {
        match &opened.store {
            Some(store) => {
                issuer_publish::plan_removal(store, &opened.url, args.force).await.map(Some)
            }
            None => Ok(None),
        }
    };
    let in_iam = async {
        let asks_iam = opened.document.needs_iam() || args.prune;
        let iam = iam.filter(|_| asks_iam || asks_for_trust(&opened.document, args));
        let Some(iam) = iam else { return Ok((None, Vec::new(), (Vec::new(), None))) };
        let issuer = &opened.document.issuer;
        let roles = try_join_all(issuer.spec.roles.iter().map(|role| async {
            let (name, managed) = (role.name.clone(), role.managed_policies.clone());
            let deletion = iam.plan_role_deletion(&name, Some(&opened.url), &managed).await?;
            Ok::<_, issuer_iam::Error>(InFile { name, managed, deletion })
        }));
        let left = async {
            if asks_iam {
                whole::left(opened, iam, args.prune).await
            } else {
                Ok((Vec::new(), None))
            }
        };
        let (provider, roles, left) = tokio::join!(iam.provider(&opened.url), roles, left);
        let goes = |provider: &Provider| {
            args.force || (issuer.spec.provider.is_some() && provider.is_ours())
        };
        let provider = provider?.map(|provider| {
            let goes = goes(&provider);
            (provider, goes)
        });
        Ok::<_, Failure>((provider, roles?, left?))
    };
    let (site, in_iam) = tokio::join!(site, in_iam);
    let (provider, roles, (left, notice)) = in_iam?;
    let site = site?;
    let notices = site.iter().flat_map(Removal::notices).map(str::to_owned).chain(notice).collect();
    Ok(Planned { provider, roles, left, site, notices })
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
        let none = Documents::new();
        let left = planned
            .left
            .iter_mut()
            .filter_map(|left| Some((&left.name, &none, left.deletion.as_mut()?)));
        let in_file =
            planned.roles.iter_mut().map(|role| (&role.name, &role.managed, &mut role.deletion));
        for (name, managed, deletion) in in_file.chain(left) {
            changed |= role::take_away(iam, name, &opened.url, managed, deletion, talk).await?;
        }
    }
    if let (Some(store), Some(removal)) = (&opened.store, planned.removal()) {
        match issuer_publish::remove(store, removal).await? {
            BucketEnd::NotOurs => {}
            BucketEnd::Deleted(bucket) if !removal.deletes_bucket() => {
                talk.note(&format!("deleted the bucket {bucket} too: nothing else is left in it"));
            }
            BucketEnd::Deleted(_) => {}
            BucketEnd::Stays(bucket) if removal.deletes_bucket() => talk.warning(&format!(
                "the bucket {bucket} stays: something else is in it, such as old versions of \
                 objects"
            )),
            BucketEnd::Stays(_) => {}
        }
    }
    Ok(changed)
}

fn text(opened: &Opened, planned: &Planned) -> String {
    let nothing = if planned.changes() { "" } else { "\nnothing to do\n" };
    opened.text(&parts(planned)) + nothing
}

fn object<'a>(opened: &'a Opened, planned: &'a Planned) -> WholeIssuer<'a> {
    let lines =
        |(resource, text): (String, String)| -> Vec<Line> { output::lines_of(&resource, &text) };
    WholeIssuer {
        name: opened.document.issuer.name(),
        issuer: opened.url.as_str(),
        changed: planned.changes() || planned.deletions().any(RoleDeletion::changes_anything),
        changes: parts(planned).into_iter().flat_map(lines).collect(),
        left_roles: planned.left.iter().map(|left| left.name.as_str()).collect(),
        notices: planned.notices.iter().map(String::as_str).collect(),
        annotate: Vec::new(),
        verification: None,
    }
}

/// Each part with its resource and its text.
fn parts(planned: &Planned) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    if let Some((provider, goes)) = &planned.provider {
        let arn = &provider.arn;
        let line = match (goes, provider.is_ours()) {
            (true, _) => format!("  - provider    {arn}\n"),
            (false, false) => {
                format!("  = provider    {arn} (of others: kept; --force deletes it)\n")
            }
            (false, true) => {
                format!("  = provider    {arn} (not in the file: kept; --force deletes it)\n")
            }
        };
        parts.push((arn.clone(), line));
    }
    for InFile { name, deletion, .. } in
        planned.roles.iter().filter(|role| !role.deletion.is_empty())
    {
        let arn = deletion.arn.clone().unwrap_or_else(|| name.to_string());
        parts.push((arn, format!("role {name}\n{deletion}")));
    }
    parts.extend(planned.left.iter().map(Left::part));
    if let Some(removal) = planned.site.as_ref().filter(|removal| !removal.is_empty()) {
        let text = match planned.removal() {
            Some(removal) => removal.to_string(),
            None => format!(
                "{}\n  = document      both (a provider still trusts them: kept)\n",
                removal.location()
            ),
        };
        parts.push((removal.location().to_owned(), text));
    }
    parts
}

//! What `plan`, `apply` and `delete` do alike: open what the file names, and compare it with what
//! is there.

use futures_util::future::try_join_all;
use issuer_discovery::IssuerUrl;
use issuer_iam::{
    Documents, Iam, ProviderPlan, ProviderSpec, RoleDeletion, RoleName, RolePlan, RoleSpec,
    Thumbprint, policies,
};
use issuer_publish::{Folder, Plan, Purpose, S3, Site, Store};
use issuer_session::SessionOptions;
use issuer_verify::FetchOptions;
use serde_json::Value;

use crate::cli::{AwsArgs, WantedArgs};
use crate::commands::provider;
use crate::failure::{Exit, Failure};
use crate::manifest::Document;
use crate::output;
use crate::sources::{self, Given};
use crate::talk::Talk;

/// One issuer of a file with the places that it names.
pub(crate) struct Opened {
    pub(crate) document: Document,
    pub(crate) url: IssuerUrl,
    pub(crate) store: Option<Store>,
}

/// What one issuer of a file needs.
pub(crate) struct Planned {
    pub(crate) site: Option<(Site, Plan)>,
    pub(crate) provider: Option<(ProviderSpec, ProviderPlan)>,
    pub(crate) roles: Vec<(RoleSpec, RolePlan)>,
    /// Roles that came from the file and are in it no more.
    pub(crate) left: Vec<Left>,
    /// What the user has to be told.
    pub(crate) notices: Vec<String>,
}

/// A role that was taken out of the file.
pub(crate) struct Left {
    pub(crate) name: RoleName,
    pub(crate) arn: String,
    /// What there is to take away, where it is to go.
    pub(crate) deletion: Option<RoleDeletion>,
}

/// Every issuer of the files with its plan.
pub(crate) struct All {
    pub(crate) iam: Option<Iam>,
    pub(crate) opened: Vec<Opened>,
    pub(crate) planned: Vec<Planned>,
}

impl Opened {
    /// What happens to it, part by part, under its name.
    pub(crate) fn text(&self, parts: &[(String, String)]) -> String {
        let parts: String = parts.iter().map(|(_, part)| format!("\n{part}")).collect();
        format!("issuer {} ({})\n{parts}", self.document.issuer.name(), self.url)
    }
}

impl Left {
    /// What happens to it, with its ARN.
    pub(crate) fn part(&self) -> (String, String) {
        let text = match &self.deletion {
            Some(deletion) => deletion.to_string(),
            None => format!("  = role        {}\n", output::LEFT),
        };
        (self.arn.clone(), format!("role {} (taken out of the file)\n{text}", self.name))
    }
}

impl Planned {
    /// What the user has to be told, of every part.
    pub(crate) fn notices(&self) -> impl Iterator<Item = &str> {
        let site = self.site.iter().flat_map(|(_, plan)| plan.access().notices());
        let provider = self.provider.iter().flat_map(|(_, plan)| &plan.notices);
        let roles = self.roles.iter().flat_map(|(_, plan)| &plan.notices);
        site.chain(provider.chain(roles).chain(&self.notices).map(String::as_str))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.site.as_ref().is_none_or(|(_, plan)| plan.is_empty())
            && self.provider.as_ref().is_none_or(|(_, plan)| plan.is_empty())
            && self.roles.iter().all(|(_, plan)| plan.is_empty())
            && self
                .left
                .iter()
                .filter_map(|left| left.deletion.as_ref())
                .all(|deletion| deletion.steps.is_empty())
    }
}

/// Connects to what the issuers of a file need; to IAM once, and only where one of them has a
/// provider or roles, or `always`.
///
/// # Errors
/// Credentials, regions and endpoints that do not work; an issuer that follows from nothing; two of
/// one URL.
pub(crate) async fn open(
    documents: Vec<Document>,
    aws: &AwsArgs,
    always: bool,
    talk: &Talk,
) -> Result<(Vec<Opened>, Option<Iam>), Failure> {
    let session = session(&documents, aws)?;
    let needs_iam = always || documents.iter().any(Document::needs_iam);
    let iam = async {
        if needs_iam { provider::connect_with(&session, talk).await.map(Some) } else { Ok(None) }
    };
    let opened = try_join_all(documents.into_iter().map(|document| open_one(document, aws)));
    let (opened, iam) = tokio::join!(opened, iam);
    let (opened, iam) = (opened?, iam?);
    for (index, one) in opened.iter().enumerate() {
        if let Some(other) = opened[..index].iter().find(|other| other.url == one.url) {
            let (a, b) = (other.document.issuer.name(), one.document.issuer.name());
            return Err(Failure::new(
                Exit::BadInput,
                format!("{a} and {b} have the same issuer, {}", one.url),
            ));
        }
    }
    Ok((opened, iam))
}

/// Reads the files' keys and whatever is there, and compares.
///
/// # Errors
/// Whatever cannot be read, or stands against what is wanted.
pub(crate) async fn plan_all(
    documents: Vec<Document>,
    args: &WantedArgs,
    fetch: &FetchOptions,
    talk: &Talk,
) -> Result<All, Failure> {
    let given = read_keys(&documents, args, talk).await?;
    let wait = talk.wait("reading what is there");
    let (opened, iam) = open(documents, &args.aws, args.prune, talk).await?;
    let plans = opened
        .iter()
        .zip(given)
        .map(|(opened, given)| plan(opened, given, iam.as_ref(), args, fetch, talk));
    let planned = try_join_all(plans).await?;
    wait.finish_and_clear();
    Ok(All { iam, opened, planned })
}

async fn read_keys(
    documents: &[Document],
    args: &WantedArgs,
    talk: &Talk,
) -> Result<Vec<Given>, Failure> {
    let read = |document: &Document| {
        let (sources, weak) = (document.sources(&args.kube), document.weak());
        async move { sources::gather(&sources, weak, talk).await }
    };
    try_join_all(documents.iter().map(read)).await
}

/// Compares what an issuer of the file wants with what is there; independent requests go out
/// together.
///
/// # Errors
/// Whatever stands against it, or cannot be read.
async fn plan(
    opened: &Opened,
    given: Given,
    iam: Option<&Iam>,
    args: &WantedArgs,
    fetch: &FetchOptions,
    talk: &Talk,
) -> Result<Planned, Failure> {
    let (document, url) = (&opened.document, &opened.url);
    given.compare_issuer(url, talk);
    let site = async {
        let Some(store) = &opened.store else { return Ok(None) };
        let site =
            Site { keys: given.keys, issuer: url.clone(), shape: document.issuer.spec.shape };
        let plan =
            issuer_publish::plan(store, &site, &document.plan_options(args.change_issuer)).await?;
        Ok::<_, Failure>(Some((site, plan)))
    };
    let (site, mut planned) = tokio::join!(site, plan_iam(opened, iam, args.prune, fetch));
    if let Ok(planned) = &mut planned {
        planned.site = site?;
    }
    planned
}

/// Roles whose tags say that they came from the file, and that are in it no more; with `prune` what
/// there is to take away. Without it a refusal is a notice: the run itself does not depend on them.
///
/// # Errors
/// A call that failed; with `prune` also one that was denied.
pub(crate) async fn left(
    opened: &Opened,
    iam: &Iam,
    prune: bool,
) -> Result<(Vec<Left>, Option<String>), Failure> {
    match find_left(opened, iam, prune).await {
        Ok(left) => Ok((left, None)),
        Err(issuer_iam::Error::Denied { action, resource, .. }) if !prune => {
            let refused = format!("{action} on {resource} is denied");
            Ok((
                Vec::new(),
                Some(format!("{refused}, so roles that were taken out of the file are not seen")),
            ))
        }
        Err(error) => Err(error.into()),
    }
}

async fn find_left(
    opened: &Opened,
    iam: &Iam,
    prune: bool,
) -> Result<Vec<Left>, issuer_iam::Error> {
    let (issuer, url) = (&opened.document.issuer, &opened.url);
    let is_in_file = |name: &RoleName| issuer.spec.roles.iter().any(|role| role.name == *name);
    let look = |name: RoleName| async move {
        let Some(arn) = iam.role_from_file(&name, url, issuer.name()).await? else {
            return Ok(None);
        };
        let deletion = match prune {
            true => Some(iam.plan_role_deletion(&name, Some(url), &Documents::new()).await?),
            false => None,
        };
        Ok::<_, issuer_iam::Error>(Some(Left { name, arn, deletion }))
    };
    let names = iam.roles_of(url).await?;
    let found = try_join_all(names.into_iter().filter(|name| !is_in_file(name)).map(look)).await?;
    Ok(found.into_iter().flatten().collect())
}

/// The policy that a run on these issuers needs.
///
/// # Errors
/// Certificates that cannot be read.
pub(crate) async fn policy(
    documents: &[Document],
    aws: &AwsArgs,
    purpose: Purpose,
    prune: bool,
) -> Result<Value, Failure> {
    let session = session(documents, aws)?;
    // Of any account, where it is not known yet whose credentials it will be.
    let asks_iam = |document: &Document| document.needs_iam() || prune;
    // Before documents go, IAM is asked whether a provider trusts them.
    let asks_for_trust =
        |document: &Document| purpose == Purpose::Remove && document.is_trusted_by_name();
    let asks = |document: &Document| asks_iam(document) || asks_for_trust(document);
    let iam = if documents.iter().any(asks) { Iam::connect(&session).await.ok() } else { None };
    let iam = iam.as_ref();
    let mut parts = Vec::new();
    for document in documents {
        let s3 = document.s3(aws)?;
        parts
            .extend(s3.as_ref().map(|(location, options)| {
                issuer_publish::permissions(location, options, purpose)
            }));
        if !asks(document) {
            continue;
        }
        let asks_iam = asks_iam(document);
        let url = match &document.issuer.spec.issuer {
            Some(url) => url.clone(),
            None => open_one_s3(document, aws).await?.1,
        };
        match (&document.issuer.spec.provider, purpose) {
            (Some(_), Purpose::Publish) => {
                parts.push(policies::apply_provider(iam, &url, &document.provider_needs()))
            }
            (_, Purpose::Remove) if asks_iam => parts.push(policies::delete_provider(iam, &url)),
            _ => parts.push(policies::show_provider(iam, &url)),
        }
        if asks_iam && purpose != Purpose::TakeOver {
            parts.push(policies::list_roles(iam));
        }
        for role in &document.issuer.spec.roles {
            parts.push(match purpose {
                Purpose::Plan | Purpose::TakeOver => policies::show_role(iam, &role.name),
                Purpose::Publish => policies::apply_role(iam, &Document::role_needs(role)),
                Purpose::Remove => policies::delete_role(iam, &role.name),
            });
        }
        if let (true, Some(iam)) = (prune, iam) {
            let opened = Opened { document: document.clone(), url, store: None };
            let (left, _) = left(&opened, iam, false).await?;
            parts.extend(left.iter().map(|left| policies::delete_role(Some(iam), &left.name)));
        }
    }
    Ok(policies::join(parts))
}

/// The region of the first bucket says the partition, where nothing else does.
fn session(documents: &[Document], aws: &AwsArgs) -> Result<SessionOptions, Failure> {
    let session = provider::session(aws)?;
    let region = session
        .region
        .clone()
        .or_else(|| documents.iter().find_map(|document| document.region(aws)));
    Ok(SessionOptions { region, ..session })
}

async fn open_one(document: Document, aws: &AwsArgs) -> Result<Opened, Failure> {
    let (store, url) = if let Some(folder) = document.folder() {
        (Some(Store::Folder(Folder::new(folder))), None)
    } else if document.issuer.spec.store.is_some() {
        let (s3, url) = open_one_s3(&document, aws).await?;
        (Some(Store::S3(Box::new(s3))), Some(url))
    } else {
        (None, None)
    };
    let needed = || {
        Failure::new(
            Exit::BadInput,
            format!("the issuer {}: spec.issuer is needed", document.issuer.name()),
        )
    };
    let url = document.issuer.spec.issuer.clone().or(url).ok_or_else(needed)?;
    Ok(Opened { document, url, store })
}

/// The store, and the issuer that the file names or that follows from the store.
async fn open_one_s3(document: &Document, aws: &AwsArgs) -> Result<(S3, IssuerUrl), Failure> {
    let missing = || {
        Failure::new(
            Exit::BadInput,
            format!("the issuer {} has no S3 store", document.issuer.name()),
        )
    };
    let (location, options) = document.s3(aws)?.ok_or_else(missing)?;
    let s3 = S3::connect(location, options).await?;
    let url = match &document.issuer.spec.issuer {
        Some(url) => url.clone(),
        None => IssuerUrl::parse(&s3.issuer_url()?, issuer_discovery::Ports::Refuse)?,
    };
    Ok((s3, url))
}

async fn plan_iam(
    opened: &Opened,
    iam: Option<&Iam>,
    prune: bool,
    fetch: &FetchOptions,
) -> Result<Planned, Failure> {
    let mut planned = Planned {
        site: None,
        provider: None,
        roles: Vec::new(),
        left: Vec::new(),
        notices: Vec::new(),
    };
    let Some(iam) = iam.filter(|_| prune || opened.document.needs_iam()) else {
        return Ok(planned);
    };
    let issuer = &opened.document.issuer;
    let top: Option<Thumbprint> = match issuer.needs_top_of_chain() {
        true => Some(issuer_verify::top_of_chain(&opened.url, fetch).await?.parse()?),
        false => None,
    };
    let wanted = issuer.wanted(&opened.url, iam.account(), iam.partition(), top.as_ref());
    let provider = async {
        match wanted.provider {
            Some(spec) => {
                let plan = iam.plan_provider(&spec).await?;
                Ok::<_, issuer_iam::Error>(Ok((spec, plan)))
            }
            None => Ok(Err(iam.provider(&opened.url).await?)),
        }
    };
    let roles = try_join_all(wanted.roles.into_iter().map(|spec| async {
        let plan = iam.plan_role(&spec).await?;
        Ok::<_, issuer_iam::Error>((spec, plan))
    }));
    let (provider, roles, left) = tokio::join!(provider, roles, left(opened, iam, prune));
    match provider? {
        Ok(provider) => planned.provider = Some(provider),
        Err(Some(_)) => {}
        Err(None) if issuer.spec.roles.is_empty() => {}
        Err(None) => planned.notices.push(format!(
            "there is no provider for {} in the account and the file has none (spec.provider): \
             nobody can assume the roles",
            opened.url
        )),
    }
    planned.roles = roles?;
    let (left, notice) = left?;
    planned.left = left;
    planned.notices.extend(notice);
    Ok(planned)
}

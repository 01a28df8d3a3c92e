//! `issuerctl publish`

use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use issuer_cluster::{Cluster, Connection, check_live};
use issuer_discovery::IssuerUrl;
use issuer_jwks::Token;
use issuer_publish::{Folder, Plan, PlanOptions, Purpose, S3, S3Options, Site, Step, Store};
use issuer_verify::{Expected, Verdict};

use crate::Outcome;
use crate::cli::{Access, OutputFormat, PublishArgs};
use crate::commands::verify;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::runtime::Runtime;
use crate::sources;
use crate::talk::Talk;

/// The audience of the tokens that AWS STS takes.
const AUDIENCE: &str = "sts.amazonaws.com";

/// How long a bucket policy that was just written may take to hold everywhere.
const SPREAD_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &PublishArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let given_issuer = args
        .issuer
        .as_deref()
        .map(|text| IssuerUrl::parse(text, args.document.ports.ports()))
        .transpose()?;
    let target = Target::parse(args, given_issuer.is_some(), talk)?;
    if let Target::S3(location) = &target
        && args.s3.print_iam_policy
    {
        return output::policy(
            format,
            &issuer_publish::permissions(location, &s3_options(args)?, Purpose::Publish),
        );
    }
    let fetch = verify::fetch_options(&args.tls)?;
    let given = sources::read(&args.keys.keys, talk)?;
    Runtime::start()?.block_on(async {
        let (store, issuer) = target.open(given_issuer, args).await?;
        given.compare_issuer(&issuer, talk);
        let live = live_token(args, talk).await?;
        let site = Site { keys: given.keys, issuer, shape: args.document.shape.into() };
        let mut plan = issuer_publish::plan(&store, &site, &plan_options(args)).await?;
        approve(&plan, live.as_ref(), talk)?;
        if !args.dry_run {
            let approve = |plan: &Plan| approve(plan, live.as_ref(), talk);
            plan = write(&store, &site, &plan_options(args), plan, approve, talk).await?;
        }
        let verdict = if args.dry_run || args.no_verify {
            None
        } else {
            let expected = expected(&plan, &site, live.as_ref(), args);
            Some(read_back(target.folder(), &plan, &fetch, &expected, talk).await?)
        };
        finish(&target, &plan, verdict.as_ref(), args, format, talk)
    })
}

/// `--to`, taken apart.
enum Target {
    Folder(std::path::PathBuf),
    S3(issuer_publish::S3Location),
}

impl Target {
    fn parse(args: &PublishArgs, has_issuer: bool, talk: &Talk) -> Result<Self, Failure> {
        if args.to.starts_with("s3:") {
            return Ok(Self::S3(args.to.parse()?));
        }
        if args.to.contains("://") {
            return Err(Failure::new(
                Exit::Usage,
                format!("--to {} is neither a folder nor s3://BUCKET[/PREFIX]", args.to),
            ));
        }
        let without_meaning = args.s3.given();
        if !args.to.starts_with("s3:") && !without_meaning.is_empty() {
            talk.warning(&format!("a folder has no use for {}", without_meaning.join(", ")));
        }
        if args.to.is_empty() {
            return Err(Failure::new(Exit::Usage, "--to is empty"));
        }
        if !has_issuer {
            return Err(Failure::new(
                Exit::Usage,
                "a folder does not say which URL it is served at; --issuer does",
            )
            .hint(Some("give --issuer https://…, as in the cluster's --service-account-issuer")));
        }
        Ok(Self::Folder(args.to.clone().into()))
    }

    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::S3(_) => None,
        }
    }

    async fn open(
        &self,
        issuer: Option<IssuerUrl>,
        args: &PublishArgs,
    ) -> Result<(Store, IssuerUrl), Failure> {
        match self {
            Self::Folder(folder) => {
                let missing = || Failure::new(Exit::Usage, "a folder needs --issuer");
                Ok((Store::Folder(Folder::new(folder)), issuer.ok_or_else(missing)?))
            }
            Self::S3(location) => {
                let s3 = S3::connect(location.clone(), s3_options(args)?).await?;
                let issuer = match issuer {
                    Some(issuer) => issuer,
                    None => IssuerUrl::parse(&s3.issuer_url()?, args.document.ports.ports())?,
                };
                Ok((Store::S3(Box::new(s3)), issuer))
            }
        }
    }
}

fn s3_options(args: &PublishArgs) -> Result<S3Options, Failure> {
    let s3 = &args.s3;
    Ok(S3Options {
        region: s3.region.clone(),
        profile: s3.profile.clone(),
        endpoint_url: s3.endpoint_url.clone(),
        path_style: s3.path_style,
        expected_bucket_owner: s3.expected_bucket_owner.clone(),
        max_age_secs: s3.max_age,
        access: match s3.access {
            Access::Policy => issuer_publish::AccessMode::Policy,
            Access::Acl => issuer_publish::AccessMode::Acl,
            Access::None => issuer_publish::AccessMode::None,
        },
        create_bucket: s3.create_bucket,
        extra_roots_pem: args.tls.ca_file.as_deref().map(crate::files::read).transpose()?,
    })
}

fn plan_options(args: &PublishArgs) -> PlanOptions {
    PlanOptions {
        prune: args.prune,
        with_empty_kid: args.with_empty_kid,
        change_issuer: args.change_issuer,
        weak: args.keys.keys.weak(),
    }
}

async fn live_token(args: &PublishArgs, talk: &Talk) -> Result<Option<Token>, Failure> {
    let Some(account) = &args.live.check_live else { return Ok(None) };
    let wait = talk.wait(format!("asking for a fresh token of {account}"));
    let here = sources::connection(&args.keys.keys.kube);
    let connection = if args.live.live_kubeconfig.is_some() || args.live.live_context.is_some() {
        Connection {
            kubeconfig: args.live.live_kubeconfig.clone().or(here.kubeconfig),
            context: args.live.live_context.clone(),
        }
    } else {
        here
    };
    let token = Cluster::connect(&connection).await?.fresh_token(account, AUDIENCE).await?;
    wait.finish_and_clear();
    Ok(Some(token))
}

/// Shows a plan, and lets it pass only if the cluster's fresh token holds with its keys.
fn approve(plan: &Plan, live: Option<&Token>, talk: &Talk) -> Result<(), Failure> {
    for notice in plan.access().notices() {
        talk.warning(notice);
    }
    talk.note(plan.to_string().trim_end());
    if let Some(token) = live {
        check_live(token, plan.keys(), plan.issuer()).map_err(|fault| {
            let mut failure = Failure::from(fault);
            failure.message.push_str("; nothing was written");
            failure
        })?;
        talk.note("a fresh token of the cluster holds with these keys and names this issuer");
    }
    Ok(())
}

/// Executes a plan under a progress bar. `approve` sees each plan that is made anew.
pub(crate) async fn write(
    store: &Store,
    site: &Site,
    options: &PlanOptions,
    plan: Plan,
    approve: impl FnMut(&Plan) -> Result<(), Failure>,
    talk: &Talk,
) -> Result<Plan, Failure> {
    let mut bar = ProgressBar::hidden();
    let progress = |step: Step| {
        if bar.is_hidden() {
            bar = talk.steps(3);
        }
        bar.set_message(match step {
            Step::Access => "public access".to_owned(),
            Step::Document(name) => name.to_owned(),
            Step::Notice(notice) => return talk.warning(notice),
        });
        bar.inc(1);
    };
    issuer_publish::publish(store, site, options, plan, approve, progress).await
}

fn expected(plan: &Plan, site: &Site, live: Option<&Token>, args: &PublishArgs) -> Expected {
    Expected {
        issuer: Some(site.issuer.clone()),
        keys: Some(plan.keys().clone()),
        token: live.map(Token::compact),
        audiences: vec![AUDIENCE.to_owned()],
        now_secs: verify::now_secs(),
        weak: args.keys.keys.weak(),
    }
}

/// Reads a folder from disk, and everything else over https as AWS STS does.
pub(crate) async fn read_back(
    folder: Option<&Path>,
    plan: &Plan,
    fetch: &issuer_verify::FetchOptions,
    expected: &Expected,
    talk: &Talk,
) -> Result<Verdict, Failure> {
    if let Some(folder) = folder {
        return Ok(issuer_verify::judge(&issuer_verify::read_folder(folder)?, expected));
    }
    let wait = talk.wait(format!("reading {} back as AWS STS does", plan.issuer()));
    let start = std::time::Instant::now();
    loop {
        let observation = issuer_verify::fetch(plan.issuer(), fetch).await?;
        let verdict = issuer_verify::judge(&observation, expected);
        // What was just allowed and written may take a moment to hold everywhere.
        if verdict.passed() || !plan.changes_anything() || start.elapsed() > SPREAD_LIMIT {
            wait.finish_and_clear();
            return Ok(verdict);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// What a verdict that passed is worth.
pub(crate) fn verified(folder: Option<&Path>) -> &'static str {
    match folder {
        Some(_) => {
            "verified: the documents are what AWS STS needs; now serve the folder at the issuer URL"
        }
        None => "verified: AWS STS can read this issuer",
    }
}

fn finish(
    target: &Target,
    plan: &Plan,
    verdict: Option<&Verdict>,
    args: &PublishArgs,
    format: OutputFormat,
    talk: &Talk,
) -> Outcome {
    match format {
        OutputFormat::Text => output::line(plan.issuer().as_str())?,
        OutputFormat::Json => output::json(&output::Publish::new(plan, verdict, args.dry_run))?,
    }
    let Some(verdict) = verdict else { return Ok(Exit::Done) };
    if verdict.passed() {
        talk.note(verified(target.folder()));
        talk.detail(&verify::report(verdict));
        return Ok(Exit::Done);
    }
    talk.always(&verify::report(verdict));
    Err(Failure::new(
        Exit::Verification,
        format!("{} is published, and would not be accepted", plan.issuer()),
    )
    .hint(Some(format!("`issuerctl verify --issuer {}` looks again", plan.issuer()))))
}

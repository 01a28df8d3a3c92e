//! `issuerctl provider`

use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{Iam, ProviderPlan, ProviderSpec, Tag, Tags, Thumbprint, policies};
use issuer_session::SessionOptions;
use issuer_verify::{Expected, FetchOptions};

use crate::Outcome;
use crate::cli::{
    AwsArgs, OutputFormat, ProviderApplyArgs, ProviderCommand, ProviderDeleteArgs, ProviderShowArgs,
};
use crate::commands::verify;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, ProviderChange, ProviderState, Step};
use crate::runtime::Runtime;
use crate::talk::Talk;

pub(crate) const SPREADS: &str =
    "changes in IAM take some seconds, at times minutes, to hold everywhere";

pub(crate) fn run(command: &ProviderCommand, format: OutputFormat, talk: &Talk) -> Outcome {
    match command {
        ProviderCommand::Apply(args) => apply(args, format, talk),
        ProviderCommand::Show(args) => show(args, format, talk),
        ProviderCommand::Delete(args) => delete(args, format, talk),
    }
}

fn apply(args: &ProviderApplyArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    let (auto, given): (Vec<_>, Vec<_>) = args.thumbprint.iter().partition(|text| *text == "auto");
    let mut spec = ProviderSpec {
        issuer,
        audiences: args.audience.clone(),
        tags: tags(&args.tag),
        thumbprints: given
            .into_iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<Thumbprint>, _>>()?,
        prune: args.prune,
    };
    let fetch = verify::fetch_options(&args.aws.tls)?;
    if args.aws.print_iam_policy {
        let needs =
            policies::ProviderNeeds { prune: args.prune, thumbprints: !args.thumbprint.is_empty() };
        return policy(
            &args.aws,
            |iam| policies::apply_provider(iam, &spec.issuer, &needs),
            format,
        );
    }
    Runtime::start()?.block_on(async {
        if !args.no_verify {
            verified(&spec.issuer, &fetch, talk).await?;
        }
        if !auto.is_empty() {
            spec.thumbprints
                .push(issuer_verify::top_of_chain(&spec.issuer, &fetch).await?.parse()?);
        }
        let iam = connect(&args.aws, talk).await?;
        let show = |plan: &ProviderPlan| {
            for notice in &plan.notices {
                talk.warning(notice);
            }
            talk.note(plan.to_string().trim_end());
        };
        let mut plan = iam.plan_provider(&spec).await?;
        show(&plan);
        if !args.dry_run {
            plan = iam.apply_provider(&spec, plan, show).await?;
            if plan.changes_anything() {
                talk.note(SPREADS);
            }
        }
        match format {
            OutputFormat::Text => output::line(&plan.arn)?,
            OutputFormat::Json => {
                output::json(&ProviderChange::new(spec.issuer.as_str(), &plan, args.dry_run))?
            }
        }
        Ok(Exit::Done)
    })
}

fn show(args: &ProviderShowArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.aws.print_iam_policy {
        return policy(&args.aws, |iam| policies::show_provider(iam, &issuer), format);
    }
    let found = Runtime::start()?.block_on(async {
        Ok::<_, Failure>(connect(&args.aws, talk).await?.find_provider(&issuer).await?)
    })?;
    match (format, &found.provider) {
        (OutputFormat::Json, provider) => {
            output::json(&ProviderState::new(issuer.as_str(), &found.arn, provider.as_ref()))?
        }
        (OutputFormat::Text, Some(provider)) => {
            output::line(&format!("arn         {}", provider.arn))?;
            output::line(&format!("audiences   {}", provider.audiences.join(", ")))?;
            let thumbprints = if provider.thumbprints.is_empty() {
                "none"
            } else {
                &provider.thumbprints.join(", ")
            };
            output::line(&format!("thumbprints {thumbprints}"))?;
            for (key, value) in &provider.tags {
                output::line(&format!("tag         {key}={value}"))?;
            }
        }
        (OutputFormat::Text, None) => {}
    }
    if found.provider.is_some() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::Failure, format!("there is no provider {}", found.arn))
        .hint(Some(format!("issuerctl provider apply --issuer {issuer} makes it"))))
}

fn delete(args: &ProviderDeleteArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.aws.print_iam_policy {
        return policy(&args.aws, |iam| policies::delete_provider(iam, &issuer), format);
    }
    let deleted = Runtime::start()?.block_on(async {
        let iam = connect(&args.aws, talk).await?;
        let Some(provider) = iam.provider(&issuer).await? else { return Ok::<_, Failure>(None) };
        match args.dry_run {
            true => provider.may_be_deleted(args.force)?,
            false => iam.delete_provider(&provider, args.force).await?,
        }
        Ok(Some(provider))
    })?;
    match &deleted {
        Some(provider) if args.dry_run => talk.note(&format!("- provider    {}", provider.arn)),
        Some(provider) => talk.note(&format!("deleted {}; {SPREADS}", provider.arn)),
        None => talk.note("there is no such provider: nothing to do"),
    }
    if format == OutputFormat::Json {
        let arn = deleted.as_ref().map(|provider| provider.arn.as_str()).unwrap_or_default();
        let steps = deleted
            .iter()
            .map(|p| Step { action: "delete", values: vec![p.arn.clone()] })
            .collect();
        output::json(&ProviderChange {
            schema_version: output::SCHEMA_VERSION,
            issuer: issuer.as_str(),
            arn,
            dry_run: args.dry_run,
            changed: deleted.is_some(),
            steps,
            kept_audiences: &[],
            notices: &[],
        })?;
    }
    Ok(Exit::Done)
}

pub(crate) fn tags(tags: &[Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// What IAM would refuse, or STS would later.
pub(crate) async fn verified(
    issuer: &IssuerUrl,
    fetch: &FetchOptions,
    talk: &Talk,
) -> Result<(), Failure> {
    let wait = talk.wait(format!("reading {issuer} as AWS STS does"));
    let observation = issuer_verify::fetch(issuer, fetch).await?;
    wait.finish_and_clear();
    let expected = Expected {
        issuer: Some(issuer.clone()),
        now_secs: verify::now_secs(),
        ..Expected::default()
    };
    let verdict = issuer_verify::judge(&observation, &expected);
    if verdict.passed() {
        return Ok(());
    }
    talk.always(&verify::report(&verdict));
    Err(Failure::new(
        Exit::Verification,
        format!("{issuer} would not be accepted; no provider was made or changed"),
    )
    .hint(Some("fix the issuer first, or use --no-verify")))
}

pub(crate) async fn connect(args: &AwsArgs, talk: &Talk) -> Result<Iam, Failure> {
    connect_with(&session(args)?, talk).await
}

pub(crate) async fn connect_with(session: &SessionOptions, talk: &Talk) -> Result<Iam, Failure> {
    let iam = Iam::connect(session).await?;
    talk.detail(&format!("account {} ({})", iam.account(), iam.partition().name));
    Ok(iam)
}

pub(crate) fn session(args: &AwsArgs) -> Result<SessionOptions, Failure> {
    Ok(SessionOptions {
        region: args.region.clone(),
        profile: args.profile.clone(),
        endpoint_url: args.endpoint_url.clone(),
        extra_roots_pem: args.tls.ca_file.as_deref().map(files::read).transpose()?,
    })
}

/// Prints a policy for the account of the credentials, or for any account where there are none yet.
pub(crate) fn policy(
    args: &AwsArgs,
    make: impl FnOnce(Option<&Iam>) -> serde_json::Value,
    format: OutputFormat,
) -> Outcome {
    let session = session(args)?;
    let iam = Runtime::start()?.block_on(Iam::connect(&session)).ok();
    output::policy(format, &make(iam.as_ref()))
}

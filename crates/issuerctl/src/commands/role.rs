//! `issuerctl role`

use issuer_cluster::{Cluster, ServiceAccountRef};
use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{
    Documents, Iam, LintOptions, RoleDeletion, RoleName, RolePlan, RoleSpec, ServiceAccountPattern,
    Trust, TrustPolicy, USUAL_TRUST_POLICY, policies,
};

use crate::Outcome;
use crate::cli::{
    LintArgs, NamedFile, OutputFormat, RoleApplyArgs, RoleCommand, RoleDeleteArgs, RoleShowArgs,
    TrustPolicyArgs,
};
use crate::commands::provider::{SPREADS, connect, policy, tags};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, RoleChange, RoleState};
use crate::runtime::Runtime;
use crate::sources;
use crate::talk::Talk;

/// What the pod identity webhook looks for on a service account.
pub(crate) const ANNOTATION: &str = "eks.amazonaws.com/role-arn";

pub(crate) fn run(command: &RoleCommand, format: OutputFormat, talk: &Talk) -> Outcome {
    match command {
        RoleCommand::Apply(args) => apply(args, format, talk),
        RoleCommand::Show(args) => show(args, format, talk),
        RoleCommand::Delete(args) => delete(args, format, talk),
        RoleCommand::TrustPolicy(args) => trust_policy(args, format, talk),
        RoleCommand::Lint(args) => lint(args, format),
    }
}

fn trust_policy(args: &TrustPolicyArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let unknown = || Failure::new(Exit::Usage, format!("there is no partition {}", args.partition));
    let partition = Partition::named(&args.partition).ok_or_else(unknown)?;
    let trusts: Result<Vec<Trust>, Failure> = args
        .issuer
        .iter()
        .map(|text| {
            Ok(Trust {
                partition,
                account: args.account.clone(),
                issuer: IssuerUrl::parse(text, Ports::Refuse)?,
                audiences: args.audience.clone(),
                service_accounts: args.service_account.clone(),
            })
        })
        .collect();
    let policy = TrustPolicy::new(&trusts?)?;
    let size = policy.size();
    if size > USUAL_TRUST_POLICY {
        talk.warning(&format!(
            "the policy has {size} characters without white space; accounts whose quota \"role \
             trust policy length\" was not raised take {USUAL_TRUST_POLICY}"
        ));
    }
    match format {
        OutputFormat::Text => output::line(&policy.to_json_pretty())?,
        OutputFormat::Json => {
            output::json(&output::Trust {
                schema_version: output::SCHEMA_VERSION,
                document: policy.to_json_pretty(),
                size,
            })?;
        }
    }
    Ok(Exit::Done)
}

fn apply(args: &RoleApplyArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    let (inline, managed) = (documents(&args.inline_policy)?, documents(&args.managed_policy)?);
    if args.aws.print_iam_policy {
        let wanted = policies::RoleNeeds {
            name: &args.name,
            inline: inline.is_some(),
            attached: !args.policy_arn.is_empty(),
            managed: managed.as_ref(),
            boundary: args.permissions_boundary.is_some(),
            session: args.max_session_duration.is_some(),
            tags: !args.tag.is_empty(),
        };
        return policy(&args.aws, |iam| policies::apply_role(iam, &wanted), format);
    }
    Runtime::start()?.block_on(async {
        let iam = connect(&args.aws, talk).await?;
        let spec = RoleSpec {
            name: args.name.clone(),
            trust: Trust {
                partition: iam.partition(),
                account: iam.account().clone(),
                issuer,
                audiences: args.audience.clone(),
                service_accounts: args.service_account.clone(),
            },
            policy_arns: (!args.policy_arn.is_empty()).then(|| args.policy_arn.clone()),
            inline,
            managed,
            boundary: args.permissions_boundary.clone(),
            path: args.path.clone(),
            max_session_secs: args.max_session_duration,
            tags: (!args.tag.is_empty()).then(|| tags(&args.tag)),
            file: None,
        };
        // Nothing is made that could then not be annotated.
        let cluster = match args.annotate && !args.dry_run {
            true => Some(Cluster::connect(&sources::connection(&args.kube)).await?),
            false => None,
        };
        let show = |plan: &RolePlan| {
            for notice in &plan.notices {
                talk.warning(notice);
            }
            talk.note(&format!("role {}", args.name));
            talk.note(plan.to_string().trim_end());
        };
        let mut plan = iam.plan_role(&spec).await?;
        show(&plan);
        if !args.dry_run {
            plan = iam.apply_role(&spec, plan, show).await?;
            say_stayed(&plan.stayed, talk);
            if plan.changes_anything() {
                talk.note(SPREADS);
            }
        }
        // Said before the cluster is asked, so that it is there to be done by hand where the
        // cluster refuses.
        finish(args, &plan, format)?;
        if let Some(cluster) = cluster {
            annotate(&cluster, args, &plan.arn, talk).await?;
        }
        Ok(Exit::Done)
    })
}

/// Executes what a file's run has planned to take away, and says what comes otherwise; whether
/// anything went.
pub(crate) async fn take_away(
    iam: &Iam,
    name: &RoleName,
    issuer: &IssuerUrl,
    managed: &Documents,
    deletion: &mut RoleDeletion,
    talk: &Talk,
) -> Result<bool, Failure> {
    let show = |deletion: &RoleDeletion| talk.note(format!("role {name}\n{deletion}").trim_end());
    *deletion = iam.delete_role(name, Some(issuer), managed, deletion.clone(), show).await?;
    say_stayed(&deletion.stayed, talk);
    Ok(deletion.changes_anything())
}

/// Policies that were to be deleted.
pub(crate) fn say_stayed(stayed: &[String], talk: &Talk) {
    for arn in stayed {
        talk.warning(&format!("{arn} was not deleted: somebody else uses it"));
    }
}

/// The commands that annotate the service accounts of a role.
pub(crate) fn annotations(service_accounts: &[ServiceAccountPattern], arn: &str) -> Vec<String> {
    literal(service_accounts)
        .map(|account| {
            let (namespace, name) = (account.namespace(), account.name());
            format!(
                "kubectl annotate serviceaccount {name} --namespace {namespace} \
                     {ANNOTATION}={arn} --overwrite"
            )
        })
        .collect()
}

fn lint(args: &LintArgs, format: OutputFormat) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?;
    if args.service_account.as_ref().is_some_and(|account| !account.is_literal()) {
        return Err(Failure::new(
            Exit::Usage,
            "--service-account names one account here, without wildcards",
        ));
    }
    let unknown = |name: &str| Failure::new(Exit::Usage, format!("there is no partition {name}"));
    let partition = |name: &String| Partition::named(name).ok_or_else(|| unknown(name));
    let bytes = files::read(&args.file)?;
    let options = LintOptions {
        issuer: issuer.clone(),
        service_account: args.service_account.clone(),
        account: args.account.clone(),
        partition: args.partition.as_ref().map(partition).transpose()?,
        audiences: args.audience.clone(),
    };
    let report = issuer_iam::lint(&String::from_utf8_lossy(&bytes), &options)?;
    match format {
        OutputFormat::Text => {
            output::coloured(&output::report(&report.findings, "so", report.passed()))?
        }
        OutputFormat::Json => output::json(&output::Lint::new(issuer.as_str(), &report))?,
    }
    Ok(if report.passed() { Exit::Done } else { Exit::Verification })
}

fn finish(args: &RoleApplyArgs, plan: &RolePlan, format: OutputFormat) -> Result<(), Failure> {
    let arn = &plan.arn;
    let annotate = annotations(&args.service_account, arn);
    match format {
        OutputFormat::Text => annotate.iter().try_for_each(|line| output::line(line))?,
        OutputFormat::Json => output::json(&RoleChange {
            schema_version: output::SCHEMA_VERSION,
            role: args.name.as_str(),
            arn,
            dry_run: args.dry_run,
            changed: plan.changes_anything(),
            steps: plan.steps.iter().map(ToString::to_string).collect(),
            notices: &plan.notices,
            annotate,
        })?,
    }
    Ok(())
}

/// Through the Kubernetes API, each literal service account.
async fn annotate(
    cluster: &Cluster,
    args: &RoleApplyArgs,
    arn: &str,
    talk: &Talk,
) -> Result<(), Failure> {
    for account in literal(&args.service_account) {
        let refuse = |reason: String| Failure::new(Exit::BadInput, format!("{account}: {reason}"));
        let reference: ServiceAccountRef = account.to_string().parse().map_err(refuse)?;
        cluster.annotate(&reference, ANNOTATION, arn).await?;
        talk.note(&format!("annotated {account}"));
    }
    Ok(())
}

fn show(args: &RoleShowArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    if args.aws.print_iam_policy {
        return policy(&args.aws, |iam| policies::show_role(iam, &args.name), format);
    }
    let found = Runtime::start()?.block_on(async {
        Ok::<_, Failure>(
            connect(&args.aws, talk).await?.find_role(&args.name, &Documents::new()).await?,
        )
    })?;
    let state = RoleState::new(args.name.as_str(), found.role.as_ref());
    match format {
        OutputFormat::Json => output::json(&state)?,
        OutputFormat::Text if state.exists => {
            output::line(&format!("arn         {}", state.arn))?;
            for arn in state.attached {
                output::line(&format!("attached    {arn}"))?;
            }
            for name in &state.inline {
                output::line(&format!("inline      {name}"))?;
            }
            if let Some(boundary) = state.permissions_boundary {
                output::line(&format!("boundary    {boundary}"))?;
            }
            output::line(&format!("session     at most {} s", state.max_session_secs))?;
            for (key, value) in &state.tags {
                output::line(&format!("tag         {key}={value}"))?;
            }
            output::line(&state.trust_policy)?;
        }
        OutputFormat::Text => {}
    }
    if state.exists {
        Ok(Exit::Done)
    } else {
        Err(Failure::new(Exit::Failure, format!("there is no role {}", args.name)))
    }
}

fn delete(args: &RoleDeleteArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let issuer =
        args.issuer.as_deref().map(|text| IssuerUrl::parse(text, Ports::Refuse)).transpose()?;
    if args.aws.print_iam_policy {
        return policy(&args.aws, |iam| policies::delete_role(iam, &args.name), format);
    }
    let deletion = Runtime::start()?.block_on(async {
        let iam: Iam = connect(&args.aws, talk).await?;
        let none = Documents::new();
        let deletion = iam.plan_role_deletion(&args.name, issuer.as_ref(), &none).await?;
        Ok::<_, Failure>(match args.dry_run {
            true => deletion,
            false => iam.delete_role(&args.name, issuer.as_ref(), &none, deletion, |_| {}).await?,
        })
    })?;
    for step in &deletion.steps {
        talk.note(&format!("  {step}"));
    }
    say_stayed(&deletion.stayed, talk);
    for reason in &deletion.kept {
        talk.note(&format!("the role {} stays: {reason}", args.name));
    }
    if deletion.steps.is_empty() {
        talk.note("nothing to do");
    } else if !args.dry_run {
        talk.note(SPREADS);
    }
    if format == OutputFormat::Json {
        output::json(&RoleChange {
            schema_version: output::SCHEMA_VERSION,
            role: args.name.as_str(),
            arn: deletion.arn.as_deref().unwrap_or_default(),
            dry_run: args.dry_run,
            changed: deletion.changes_anything(),
            steps: deletion.steps.iter().map(ToString::to_string).collect(),
            notices: &deletion.kept,
            annotate: Vec::new(),
        })?;
    }
    Ok(Exit::Done)
}

fn literal(patterns: &[ServiceAccountPattern]) -> impl Iterator<Item = &ServiceAccountPattern> {
    patterns.iter().filter(|pattern| pattern.is_literal())
}

/// Nothing where none was given.
fn documents(files: &[NamedFile]) -> Result<Option<Documents>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let read = |named: &NamedFile| {
        let bytes = files::read(&named.file)?;
        let refuse = |error: serde_json::Error| {
            Failure::while_doing(
                Exit::BadInput,
                format!("{} is no policy", files::name_of(&named.file)),
                &error,
            )
        };
        let document: serde_json::Value = serde_json::from_slice(&bytes).map_err(refuse)?;
        issuer_iam::check_permissions(&document).map_err(|error| {
            Failure::because(format!("{} cannot be used", files::name_of(&named.file)), &error)
        })?;
        Ok((named.name.to_string(), document))
    };
    let documents: Documents = files.iter().map(read).collect::<Result<_, Failure>>()?;
    if documents.len() < files.len() {
        return Err(Failure::new(Exit::Usage, "two policies were given under one name"));
    }
    Ok(Some(documents))
}

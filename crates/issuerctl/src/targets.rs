//! From issuer files or options to the targets of a run.

use std::path::{Path, PathBuf};

use issuer_cluster::Connection;
use issuer_diagnostic::explain_json;
use issuer_discovery::{DISCOVERY_NAME, IssuerUrl, Ports, Published};
use issuer_jwks::{JwksSource, Token, WeakKeys};
use issuer_publish::{
    Destination, DestinationFault, Error, KEEP_HISTORY, PlanOptions, RETIRE_SECS, S3Location,
    S3Options,
};
use issuer_reconcile::{
    Defaults, KeySource, LiveCheck, OtherCluster, ProviderTarget, RoleTarget, SiteTarget,
    StoreTarget, Target,
};

use crate::cli::{
    Access, AwsArgs, DeclaredArgs, FileArgs, KeepArgs, KeyArgs, KubeArgs, NamedFile, Overrides,
    PlaceArgs, ProviderApplyArgs, PublishArgs, RoleApplyArgs, S3Args, SyncArgs,
};
use crate::declared::{self, Declared, Refused, Valid};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::user::user;

/// The issuers of all given files, in order.
///
/// # Errors
/// A file that cannot be read or is not valid; two issuers with the same name; issuers that
/// configure a shared resource differently.
pub(crate) fn of_files(
    args: &FileArgs,
    kube: Option<&KubeArgs>,
    aws: &AwsArgs,
    overrides: Overrides,
) -> Result<Vec<Target>, Failure> {
    let (targets, refused) = of_valid_files(args, kube, aws, overrides)?;
    match refused.into_iter().next() {
        Some(refused) => Err(refused.into_failure()),
        None => Ok(targets),
    }
}

/// The issuers of all given files that are valid, in order, and the documents that are not. One document
/// that is not valid is an error, as there are no others that it could stop.
///
/// # Errors
/// A file that does not exist; the only document is not valid.
pub(crate) fn of_valid_files(
    args: &FileArgs,
    kube: Option<&KubeArgs>,
    aws: &AwsArgs,
    overrides: Overrides,
) -> Result<(Vec<Target>, Vec<Refused>), Failure> {
    if args.file.iter().filter(|path| files::is_stdin(path)).count() > 1 {
        return Err(read_twice());
    }
    let defaults = Defaults {
        connection: kube.map(connection).unwrap_or_default(),
        region: aws.region.clone(),
        change_issuer: overrides.change_issuer,
        replace_unreadable: overrides.replace_unreadable,
        drop_live_key: overrides.drop_live_key,
        retire_secs: overrides.retire.secs(),
        allow_other_cluster: overrides.allow_other_cluster,
        by: user(),
    };
    let Declared { valid, mut refused } = declared::read(args)?;
    if valid.is_empty() && refused.len() == 1 {
        return Err(refused.remove(0).into_failure());
    }
    let target = |valid: Valid| Target::from_issuer(&valid.issuer, &valid.base, &defaults);
    Ok((valid.into_iter().map(target).collect(), refused))
}

/// Gives the token of a cluster to the issuer that it names; a file with one issuer has no other.
///
/// # Errors
/// A file that is not a token; a token of none of the issuers.
pub(crate) fn with_token(
    mut targets: Vec<Target>,
    refused: &[Refused],
    args: &DeclaredArgs,
) -> Result<Vec<Target>, Failure> {
    let Some(path) = &args.token else { return Ok(targets) };
    if files::is_stdin(path) && args.file.file.iter().any(|file| files::is_stdin(file)) {
        return Err(read_twice());
    }
    let token = read_token(path)?;
    let alone = targets.len() == 1 && refused.is_empty();
    let iss = token.claims().get("iss").and_then(|iss| iss.as_str()).unwrap_or_default().to_owned();
    let names = |target: &&mut Target| {
        alone || target.issuer.as_ref().is_some_and(|issuer| issuer.as_str() == iss)
    };
    let sites = targets.iter_mut().filter(names).filter_map(|target| target.site.as_mut());
    let mut given = false;
    for site in sites {
        site.token = Some(token.clone());
        given = true;
    }
    if given {
        return Ok(targets);
    }
    let message = format!(
        "the token in {} names the issuer {iss:?}, and no issuer of the file with a store has it as \
         spec.issuer",
        files::name_of(path)
    );
    Err(Failure::new(Exit::BadInput, message))
}

pub(crate) fn read_token(path: &Path) -> Result<Token, Failure> {
    let refused = || format!("{} is not a token", files::name_of(path));
    Token::parse(&files::read_text(path)?)
        .map_err(|fault| Failure::while_doing(Exit::BadInput, refused(), &fault))
}

/// The target of `publish`.
///
/// # Errors
/// A destination that is neither a folder nor a bucket; a folder without an issuer, or with options
/// that only a bucket has.
pub(crate) fn of_publish(args: &PublishArgs) -> Result<Target, Failure> {
    let ports = args.document.ports.ports();
    let issuer = args.issuer.as_deref().map(|text| IssuerUrl::parse(text, ports)).transpose()?;
    let store = store(&args.to, &args.s3, issuer.as_ref())?;
    let live = &args.live;
    let on_stdin = |path: &PathBuf| files::is_stdin(path);
    let keys = &args.keys.keys;
    if live.token.as_ref().is_some_and(on_stdin) && keys.key.iter().chain(&keys.jwks).any(on_stdin)
    {
        return Err(read_twice());
    }
    let site = SiteTarget {
        keys: key_sources(&args.keys.keys)?,
        store,
        shape: args.document.shape.into(),
        options: PlanOptions {
            prune: args.prune,
            announces: false,
            live_check: live.check_live.is_some(),
            with_empty_kid: args.with_empty_kid,
            replace_unreadable: args.overrides.replace_unreadable,
            change_issuer: args.overrides.change_issuer,
            weak: args.keys.keys.weak(),
            keep_history: args.keep.keep_history.unwrap_or(KEEP_HISTORY),
            retire_secs: args.overrides.retire.secs().unwrap_or(RETIRE_SECS),
            drop_live_key: args.overrides.drop_live_key,
            record_missing: false,
        },
        live: live.check_live.as_ref().map(|account| LiveCheck {
            account: account.clone(),
            connection: live_connection(args),
        }),
        token: live.token.as_deref().map(read_token).transpose()?,
        other_cluster: OtherCluster::allow_if(args.overrides.allow_other_cluster),
        by: user(),
    };
    let (name, provider, roles, workload) = (None, None, Vec::new(), None);
    Ok(Target { name, issuer, ports, site: Some(site), provider, roles, workload })
}

/// The documents that `sync` follows: those of all issuers of a file that have a store, or those at a
/// destination.
///
/// # Errors
/// Those of [`of_files`] and [`of_publish`]; standard input, which can be read only once.
pub(crate) fn of_sync(args: &SyncArgs) -> Result<Vec<Target>, Failure> {
    let mut read = args.file.iter().chain(&args.keys.key).chain(&args.keys.jwks);
    if read.any(|path| files::is_stdin(path)) {
        let message = "sync reads its input in each step, and standard input can be read only once";
        return Err(Failure::new(Exit::Usage, message).hint(Some("give the name of a file")));
    }
    if let Some(file) = &args.file {
        refuse_settings_of_the_file(&args.s3)?;
        let files = FileArgs { file: vec![file.clone()], recursive: false };
        let (retire, allow_other_cluster) = (args.retire, args.allow_other_cluster);
        let overrides = Overrides { retire, allow_other_cluster, ..Overrides::default() };
        let mut targets =
            of_files(&files, Some(&args.keys.kube), &args.s3.aws(&args.tls), overrides)?;
        targets.retain(|target| target.site.is_some());
        if targets.is_empty() {
            let message = "the file has no issuer with a store, so there is nothing to follow";
            return Err(Failure::new(Exit::BadInput, message));
        }
        return Ok(targets.into_iter().map(Target::documents_only).collect());
    }
    let ports = args.document.ports.ports();
    let issuer = args.issuer.as_deref().map(|text| IssuerUrl::parse(text, ports)).transpose()?;
    let to = args.to.as_deref().unwrap_or_default();
    let mut site = SiteTarget::of(store(to, &args.s3, issuer.as_ref())?);
    site.keys = key_sources(&args.keys)?;
    site.shape = args.document.shape.into();
    site.options.weak = args.keys.weak();
    site.options.keep_history = args.keep.keep_history.unwrap_or(KEEP_HISTORY);
    site.options.retire_secs = args.retire.secs().unwrap_or(RETIRE_SECS);
    site.options.live_check = args.check_live.is_some();
    site.other_cluster = OtherCluster::allow_if(args.allow_other_cluster);
    let connection = connection(&args.keys.kube);
    site.live = args.check_live.clone().map(|account| LiveCheck { account, connection });
    site.by = user();
    Ok(vec![Target {
        name: None,
        issuer,
        ports,
        site: Some(site),
        provider: None,
        roles: Vec::new(),
        workload: None,
    }])
}

/// Only the session is that of the command line; everything else of a store is in the file.
fn refuse_settings_of_the_file(s3: &S3Args) -> Result<(), Failure> {
    let of_session = ["--region", "--profile", "--endpoint-url"];
    match s3.given().iter().find(|option| !of_session.contains(&option.name)) {
        Some(option) => {
            let option = option.name;
            let message = format!("{option} belongs to --to; with -f, the file has this setting");
            Err(Failure::new(Exit::Usage, message))
        }
        None => Ok(()),
    }
}

/// The store of a destination.
///
/// # Errors
/// A destination that is neither a folder nor a bucket; a folder without an issuer, or with options
/// that only a bucket has.
fn store(to: &str, s3: &S3Args, issuer: Option<&IssuerUrl>) -> Result<StoreTarget, Failure> {
    match to.parse() {
        Ok(Destination::S3(_)) if s3.shared_bucket && s3.access != Access::Policy => {
            Err(Failure::new(Exit::Usage, "--shared-bucket requires --access policy"))
        }
        Ok(Destination::S3(_))
            if s3.certificate_arn.is_some() && s3.access != Access::Cloudfront =>
        {
            Err(Failure::new(Exit::Usage, "--certificate-arn requires --access cloudfront"))
        }
        Ok(Destination::S3(_)) if s3.endpoint_url.is_some() && s3.access == Access::Cloudfront => {
            let message = "--access cloudfront is for a bucket in AWS, without --endpoint-url";
            Err(Failure::new(Exit::Usage, message))
        }
        Ok(Destination::S3(location)) => Ok(StoreTarget::S3(location, s3_options(s3))),
        Ok(destination @ Destination::Folder(_)) => {
            check_folder(to, s3, issuer)?;
            // A folder that is there already was given such a name on purpose.
            if let Some(issuer) = issuer.filter(|_| !Path::new(to).is_dir()) {
                destination.refuse_issuer(issuer).map_err(destination_failure)?;
            }
            Ok(StoreTarget::Folder(PathBuf::from(to)))
        }
        // The checkout of a site is often called like its host.
        Err(Error::Destination { fault: DestinationFault::WebHost, .. })
            if Path::new(to).is_dir() =>
        {
            check_folder(to, s3, issuer)?;
            Ok(StoreTarget::Folder(PathBuf::from(to)))
        }
        Err(error) => Err(destination_failure(error)),
    }
}

/// The documents whose key is rotated: the only issuer of a file that has a store, or those at a
/// destination. Their keys are not read from anywhere else, and nothing but they is changed.
///
/// # Errors
/// Those of [`of_files`] and [`of_publish`]; several issuers.
pub(crate) fn of_site(args: &PlaceArgs, keep: KeepArgs) -> Result<Target, Failure> {
    // A weak key is a reason to rotate it.
    let weak = WeakKeys::Allow;
    if let Some(to) = &args.to {
        let ports = args.document.ports.ports();
        let issuer = match &args.issuer {
            Some(text) => Some(IssuerUrl::parse(text, ports)?),
            None => published_issuer(Path::new(to), ports),
        };
        let mut site = SiteTarget::of(store(to, &args.s3, issuer.as_ref())?);
        site.shape = args.document.shape.into();
        site.options.weak = weak;
        site.options.keep_history = keep.keep_history.unwrap_or(KEEP_HISTORY);
        site.by = user();
        let (name, provider, roles, workload) = (None, None, Vec::new(), None);
        return Ok(Target { name, issuer, ports, site: Some(site), provider, roles, workload });
    }
    refuse_settings_of_the_file(&args.s3)?;
    let files = FileArgs { file: args.file.iter().cloned().collect(), recursive: false };
    let mut targets = of_files(&files, None, &args.s3.aws(&args.tls), Overrides::default())?;
    targets.retain(|target| target.site.is_some());
    match (targets.pop(), targets.is_empty()) {
        (Some(mut target), true) => {
            if let Some(site) = &mut target.site {
                site.keys.clear();
                site.options.weak = weak;
                if let Some(keep_history) = keep.keep_history {
                    site.options.keep_history = keep_history;
                }
            }
            let (provider, roles, workload) = (None, Vec::new(), None);
            Ok(Target { provider, roles, workload, ..target })
        }
        (None, _) => {
            let message = "the file has no issuer with a store, so it says nowhere where keys are \
                           published";
            Err(Failure::new(Exit::BadInput, message))
        }
        (Some(_), false) => {
            let message = "the file has several issuers; keys are rotated one issuer at a time";
            let hint = "give a file with this issuer alone, or --to and --issuer";
            Err(Failure::new(Exit::BadInput, message).hint(Some(hint)))
        }
    }
}

/// The issuer that the discovery document in a folder names, if it is valid.
fn published_issuer(folder: &Path, ports: Ports) -> Option<IssuerUrl> {
    let bytes = files::read_bytes(&folder.join(DISCOVERY_NAME)).ok()?;
    let members = Published::parse(&bytes).ok()?;
    if members.contradiction(&["issuer"]).is_some() {
        return None;
    }
    IssuerUrl::parse(members.get("issuer")?.as_str()?, ports).ok()
}

/// A destination in a form that is not valid is a fault of the command line.
pub(crate) fn destination_failure(error: Error) -> Failure {
    let is_form = matches!(error, Error::Destination { .. });
    let mut failure = Failure::from(error);
    if is_form {
        failure.exit = Exit::Usage;
    }
    failure
}

/// The target of `provider apply`.
///
/// # Errors
/// An issuer or a thumbprint that is not valid.
pub(crate) fn of_provider(args: &ProviderApplyArgs) -> Result<Target, Failure> {
    let thumbprints = args.thumbprint.iter().map(|text| text.parse());
    let provider = ProviderTarget {
        audiences: args.audience.clone(),
        tags: tags(&args.tag),
        thumbprints: thumbprints.collect::<Result<_, issuer_iam::Error>>()?,
        prune: args.prune,
    };
    let target = Target::of(IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?);
    Ok(Target { provider: Some(provider), ..target })
}

/// The target of `role apply`. Settings that are not given are left unchanged.
///
/// # Errors
/// An issuer that is not valid; a policy that cannot be read or that IAM would reject.
pub(crate) fn of_role(args: &RoleApplyArgs) -> Result<Target, Failure> {
    let role = RoleTarget {
        name: args.name.clone(),
        service_accounts: args.service_account.clone(),
        audiences: args.audience.clone(),
        policy_arns: (!args.policy_arn.is_empty()).then(|| args.policy_arn.clone()),
        inline: documents(&args.inline_policy)?,
        managed: documents(&args.managed_policy)?,
        boundary: args.permissions_boundary.clone(),
        path: args.path.clone(),
        max_session_secs: args.max_session_duration,
        tags: (!args.tag.is_empty()).then(|| tags(&args.tag)),
        add: args.add,
        shared_with: None,
    };
    let target = Target::of(IssuerUrl::parse(&args.issuer.issuer, Ports::Refuse)?);
    Ok(Target { roles: vec![role], ..target })
}

/// The key sources of the command line, files first.
///
/// # Errors
/// `-` given more than once; a URL that is not https.
pub(crate) fn key_sources(args: &KeyArgs) -> Result<Vec<KeySource>, Failure> {
    let paths = || args.key.iter().chain(&args.jwks);
    if paths().filter(|path| files::is_stdin(path)).count() > 1 {
        return Err(read_twice());
    }
    let files = args.key.iter().cloned().map(KeySource::File);
    let jwks = args.jwks.iter().map(|path| match path.to_str() {
        Some(text) => text.parse::<JwksSource>(),
        None => Ok(JwksSource::File(path.clone())),
    });
    let jwks = jwks.collect::<Result<Vec<_>, _>>()?;
    let secret = args.cluster.iter().map(|cluster| KeySource::Secret {
        cluster: cluster.clone(),
        namespace: args.namespace.clone(),
        connection: connection(&args.kube),
    });
    let server = args.apiserver.then(|| KeySource::ApiServer(connection(&args.kube)));
    Ok(files.chain(jwks.into_iter().map(KeySource::Jwks)).chain(secret).chain(server).collect())
}

/// The connection to the cluster.
pub(crate) fn connection(args: &KubeArgs) -> Connection {
    Connection { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() }
}

fn live_connection(args: &PublishArgs) -> Connection {
    let (live, here) = (&args.live, connection(&args.keys.keys.kube));
    if live.live_kubeconfig.is_none() && live.live_context.is_none() {
        return here;
    }
    Connection {
        kubeconfig: live.live_kubeconfig.clone().or(here.kubeconfig),
        context: live.live_context.clone(),
    }
}

/// A bucket without `s3://` would be taken as a folder, and the run would end well.
fn check_folder(to: &str, s3: &S3Args, issuer: Option<&IssuerUrl>) -> Result<(), Failure> {
    let bucket = format!("s3://{to}").parse::<S3Location>().ok();
    let meant = bucket.as_ref().map(|bucket| format!("did you mean --to {bucket}?"));
    let refuse = |message: &str| Failure::new(Exit::Usage, message);
    if let [first, ..] = &s3.given()[..] {
        let message = format!("{} is for a bucket, and --to names a folder", first.name);
        return Err(refuse(&message).hint(meant));
    }
    let Some(issuer) = issuer else {
        let message = "a folder does not determine the issuer URL; --issuer is required";
        return Err(refuse(message)
            .hint(Some("give --issuer https://…, as in the cluster's --service-account-issuer"))
            .hint(meant));
    };
    if bucket.is_some() && bucket == S3Location::of_url(issuer.as_str()) {
        let message = "--to names a folder, and the issuer is the bucket of the same name";
        return Err(refuse(message)
            .hint(meant)
            .hint(Some(format!("for a folder of this name, give --to ./{to}"))));
    }
    Ok(())
}

/// Default of `--max-age`.
const MAX_AGE_SECS: u32 = 300;

fn s3_options(s3: &S3Args) -> S3Options {
    S3Options {
        region: s3.region.clone(),
        endpoint_url: s3.endpoint_url.clone(),
        path_style: s3.path_style,
        expected_bucket_owner: s3.expected_bucket_owner.clone(),
        max_age_secs: s3.max_age.unwrap_or(MAX_AGE_SECS),
        access: s3.access.into(),
        certificate_arn: s3.certificate_arn.clone(),
        shared_bucket: s3.shared_bucket,
        create_bucket: s3.create_bucket,
        unconditional: s3.unconditional,
    }
}

fn tags(tags: &[issuer_iam::Tag]) -> issuer_iam::Tags {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// `None` if no file was given.
fn documents(files: &[NamedFile]) -> Result<Option<issuer_iam::Documents>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let read = |named: &NamedFile| {
        let refused = format!("{} is not a valid policy", files::name_of(&named.file));
        let text = files::read_text(&named.file)?;
        let document: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
            let mut failure = Failure::new(Exit::BadInput, refused.clone());
            failure.causes.push(explain_json(&text, &error));
            failure
        })?;
        issuer_iam::check_permissions(&document)
            .map_err(|error| Failure::while_doing(Exit::BadInput, refused, &error))?;
        Ok((named.name.to_string(), document))
    };
    let documents: issuer_iam::Documents =
        files.iter().map(read).collect::<Result<_, Failure>>()?;
    if documents.len() < files.len() {
        return Err(Failure::new(Exit::Usage, "two policies have the same name"));
    }
    Ok(Some(documents))
}

fn read_twice() -> Failure {
    Failure::new(Exit::Usage, "standard input can be read only once, and `-` was given twice")
}

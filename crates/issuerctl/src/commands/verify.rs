//! `issuerctl verify`

use std::time::{SystemTime, UNIX_EPOCH};

use issuer_discovery::IssuerUrl;
use issuer_verify::{Expected, FetchOptions, Verdict};

use crate::Outcome;
use crate::cli::{OutputFormat, TlsArgs, VerifyArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;
use crate::runtime::Runtime;
use crate::sources;
use crate::talk::Talk;

pub(crate) fn run(args: &VerifyArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let issuer = args
        .issuer
        .as_deref()
        .map(|text| IssuerUrl::parse(text, args.ports.ports()))
        .transpose()?;
    if args.token.as_deref().is_some_and(files::is_stdin)
        && args.keys.key.iter().chain(&args.keys.jwks).any(|path| files::is_stdin(path))
    {
        return Err(Failure::new(
            Exit::Usage,
            "standard input can be read once: the token and a key cannot both be `-`",
        ));
    }
    let given = if args.keys.is_empty() { None } else { Some(sources::read(&args.keys, talk)?) };
    if let (Some(given), Some(issuer)) = (&given, &issuer) {
        given.compare_issuer(issuer, talk);
    }
    let token = args.token.as_deref().map(files::read).transpose()?;
    let expected = Expected {
        issuer: issuer.clone(),
        keys: given.map(|given| given.keys),
        token: token.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        audiences: args.audience.clone(),
        now_secs: now_secs(),
        weak: args.keys.weak(),
    };
    let observation = match (&args.site, &issuer) {
        (Some(folder), _) => issuer_verify::read_folder(folder)?,
        (None, Some(issuer)) => {
            let options = fetch_options(&args.tls)?;
            let wait = talk.wait(format!("fetching {issuer} as AWS STS does"));
            let observation = Runtime::start()?.block_on(issuer_verify::fetch(issuer, &options))?;
            wait.finish_and_clear();
            observation
        }
        (None, None) => return Err(Failure::new(Exit::Usage, "give --issuer or --site")),
    };
    let verdict = issuer_verify::judge(&observation, &expected);
    match format {
        OutputFormat::Text => output::coloured(&report(&verdict))?,
        OutputFormat::Json => output::json(&output::Verify::from(&verdict))?,
    }
    Ok(exit_of(&verdict))
}

/// What a fetch is told besides the URL.
pub(crate) fn fetch_options(tls: &TlsArgs) -> Result<FetchOptions, Failure> {
    Ok(FetchOptions { extra_roots_pem: tls.ca_file.as_deref().map(files::read).transpose()? })
}

/// Now, in seconds since 1970.
pub(crate) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The exit code that a verdict means.
pub(crate) fn exit_of(verdict: &Verdict) -> Exit {
    if verdict.passed() { Exit::Done } else { Exit::Verification }
}

/// The verdict for people: a line a check, and below a failed one what STS would say and what to
/// do.
pub(crate) fn report(verdict: &Verdict) -> String {
    let issuer =
        if verdict.issuer.is_empty() { String::new() } else { format!("{}\n", verdict.issuer) };
    issuer + &output::report(&verdict.checks, "STS says", verdict.passed())
}

//! `issuerctl verify`

use std::path::Path;

use issuer_diagnostic::{Encoding, decode, now_secs};
use issuer_discovery::IssuerUrl;
use issuer_verify::{Expected, Status};

use crate::Outcome;
use crate::cli::{OutputFormat, VerifyArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::keys;
use crate::output;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &VerifyArgs, format: OutputFormat, ui: &Ui) -> Outcome {
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
            "standard input can be read only once: the token and a key cannot both be `-`",
        ));
    }
    let given =
        if args.keys.is_empty() { None } else { Some(keys::read(&args.keys, &args.tls, ui)?) };
    if let (Some(given), Some(issuer)) = (&given, &issuer) {
        ui.notices(&given.notices_for(issuer));
    }
    let token = args.token.as_deref().map(|path| read_token(path, ui)).transpose()?;
    let expected = Expected {
        issuer: issuer.clone(),
        source: given.as_ref().and_then(|given| Some(given.clusters.first()?.place.clone())),
        keys: given.map(|given| given.keys),
        token,
        audiences: args.audience.clone(),
        now_secs: now_secs(),
        weak: args.keys.weak(),
    };
    let observation = match (&args.site, &issuer) {
        (Some(folder), _) => issuer_verify::read_folder(folder)?,
        (None, Some(issuer)) => {
            let options = engine::fetch_options(&args.tls)?;
            ui.wait(&format!("fetching {issuer} the way AWS STS does"));
            let fetch = async { Ok(issuer_verify::fetch(issuer, &options).await?) };
            let observation = Runtime::start(ui)?.block_on(fetch)?;
            ui.waited();
            observation
        }
        (None, None) => return Err(Failure::new(Exit::Usage, "give --issuer or --site")),
    };
    let mut verdict = issuer_verify::judge(&observation, &expected);
    if args.keys.apiserver {
        let connection = targets::connection(&args.keys.kube);
        for fix in verdict.checks.iter_mut().filter_map(|check| check.fix.as_mut()) {
            *fix = connection.in_commands(fix);
        }
    }
    match format {
        OutputFormat::Text if ui.is_quiet() => {
            let mut faults = verdict.clone();
            faults.checks.retain(|check| matches!(check.status, Status::Fail | Status::Warn));
            output::coloured(&output::verdict_text(&faults))?;
        }
        OutputFormat::Text => output::coloured(&output::verdict_text(&verdict))?,
        OutputFormat::Json => output::json(&output::Verify::from(&verdict))?,
    }
    Ok(if verdict.passed() { Exit::Done } else { Exit::Verification })
}

/// A token. What is not one is a failed check, also if it is not even text.
fn read_token(path: &Path, ui: &Ui) -> Result<String, Failure> {
    let bytes = files::read(path)?;
    let Ok(decoded) = decode(&bytes) else {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    };
    if decoded.encoding != Encoding::Utf8 {
        let (name, encoding) = (files::name_of(path), decoded.encoding);
        ui.warning(&format!(
            "{name} is {encoding} text, which AWS SDKs do not read as a token file"
        ));
    }
    Ok(decoded.text.into_owned())
}

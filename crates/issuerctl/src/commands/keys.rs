//! `issuerctl keys`

use issuer_discovery::IssuerUrl;
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_publish::{KeyRecord, Purpose, RECORD};
use issuer_reconcile::Target;
use issuer_rotation::{Facts, fates};

use crate::Outcome;
use crate::cli::{KeepArgs, KeysArgs, OutputFormat};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::rotation::{self, Ask};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &KeysArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let place = &args.site;
    let is_stored = place.to.is_some() || place.file.is_some();
    let target = match (&place.issuer, is_stored) {
        (Some(url), false) => {
            let url = IssuerUrl::parse(url, place.document.ports.ports())?;
            Target { ports: place.document.ports.ports(), ..Target::of(url) }
        }
        _ => targets::of_site(place, KeepArgs::default())?,
    };
    if place.s3.print_iam_policy {
        return super::rotate::policy(&target, Purpose::Plan, format, ui);
    }
    let rotation =
        rotation::rotation(place, KeepArgs::default(), &args.servers, Some(&args.waits), &target);
    let engine = super::rotate::engine(place, &target, ui)?;
    let (issuer, published, facts, record) = Runtime::start(ui)?.block_on(async {
        match &target.issuer {
            Some(url) if !is_stored => served(url, args, ui).await,
            _ => {
                let seen =
                    rotation::look(&engine, &target, &args.servers, Ask::IfGiven, ui).await?;
                let stored = seen.observed.site.as_ref().and_then(|(_, state)| state.keys.as_ref());
                let record = stored.map(|stored| stored.record.clone()).unwrap_or_default();
                Ok((seen.observed.url.to_string(), seen.published, seen.facts, record))
            }
        }
    })?;
    if published.is_empty() {
        let message = format!("no key is published for {issuer}");
        return Err(Failure::new(Exit::BadInput, message));
    }
    let keys = output::Keys::new(&issuer, &published, &facts, &fates(&rotation, &facts), &record);
    match format {
        OutputFormat::Text => output::coloured_lines(&keys.text())?,
        OutputFormat::Json => output::json(&keys)?,
    }
    Ok(Exit::Done)
}

/// The keys that are served at an issuer URL.
async fn served(
    url: &IssuerUrl,
    args: &KeysArgs,
    ui: &Ui,
) -> Result<(String, JwkSet, Facts, KeyRecord), Failure> {
    ui.wait(&format!("reading {url}"));
    let seen = issuer_verify::fetch(url, &engine::fetch_options(&args.site.tls)?).await?;
    ui.waited();
    let Some(document) = seen.keys.as_ref().and_then(issuer_verify::Fetched::document) else {
        let message = format!("the keys of {url} cannot be read");
        let hint = format!("`issuerctl verify --issuer {url}` says what is wrong");
        return Err(Failure::new(Exit::Failure, message).hint(Some(hint)));
    };
    let published = JwkSet::parse_with_foreign(document, WeakKeys::Allow)
        .map(|(keys, _)| keys)
        .map_err(|error| Failure::because(format!("the keys of {url} cannot be used"), &error))?;
    let answer = seen.keys.as_ref().and_then(|keys| keys.outcome.as_ref().ok());
    let written = answer.and_then(|answer| answer.header("last-modified"));
    let written_secs = written.and_then(http_date);
    // S3 serves metadata to everybody who may read the object.
    let record = answer.and_then(|answer| answer.header(&format!("x-amz-meta-{RECORD}")));
    let record = record.map(KeyRecord::parse).unwrap_or_default();
    let known = (written_secs, &record);
    let (facts, _) = rotation::facts(&published, known, &args.servers, Ask::IfGiven, ui).await?;
    Ok((url.to_string(), published, facts, record))
}

/// The usual form of a date in HTTP (RFC 9110 section 5.6.7), `Thu, 26 Nov 2026 10:00:00 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let time = humantime::parse_rfc3339(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_is_read_and_nonsense_is_not() {
        assert_eq!(http_date("Thu, 26 Nov 2026 10:00:00 GMT"), Some(1_795_687_200));
        for text in ["", "now", "Thu, 26 Nov", "Thu, 99 Nov 2026 10:00:00 GMT", "Thu, 26 X 1 2 3"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}

//! `issuerctl rotate`

pub(super) mod abort;
pub(super) mod finish;
pub(super) mod start;
pub(super) mod status;

use std::path::Path;

use issuer_change::Notice;
use issuer_jwks::{Jwk, JwkSet, WeakKeys};
use issuer_publish::{Purpose, Sighting};
use issuer_reconcile::{IssuerPlan, KeySource, Reconciler, Target, read_files, without};
use issuer_rotation::Removal;

use crate::Outcome;
use crate::cli::{ChangeArgs, OutputFormat, PlaceArgs};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output;
use crate::rotation::Seen;
use crate::ui::Ui;

/// The only key of a file.
///
/// # Errors
/// A file that cannot be read or has no key; several keys.
fn key_of(path: &Path, ui: &Ui) -> Result<Jwk, Failure> {
    let source = KeySource::File(path.to_owned());
    let read = read_files(&[source], WeakKeys::Refuse, files::read_bytes)?;
    ui.notices(&read.notices);
    match read.keys.keys() {
        [jwk] => Ok(jwk.clone()),
        keys => {
            let message = format!("{} has {} keys", files::name_of(path), keys.len());
            let hint = "give the file of the new key alone";
            Err(Failure::new(Exit::BadInput, message).hint(Some(hint)))
        }
    }
}

/// Prints the IAM policy of a command.
///
/// # Errors
/// Standard output cannot be written to.
pub(super) fn policy(target: &Target, purpose: Purpose, format: OutputFormat, ui: &Ui) -> Outcome {
    let of_bucket = issuer_reconcile::site_permissions(target, purpose);
    output::policy(format, &issuer_iam::policies::join(of_bucket), ui)
}

/// An engine for these documents.
pub(super) fn engine<'a>(
    place: &PlaceArgs,
    target: &Target,
    ui: &'a Ui,
) -> Result<Reconciler<'a>, Failure> {
    let session = engine::s3_session(&place.s3, &place.tls)?;
    Ok(engine::start(session, std::slice::from_ref(target), ui))
}

/// How the published keys are changed.
struct Change {
    /// All keys that are published afterwards.
    keys: JwkSet,
    /// Warnings for the user.
    notices: Vec<Notice>,
    /// Whether the fresh token must still be accepted.
    keeps_live: bool,
}

impl Change {
    /// All keys but these.
    fn without(removal: &Removal, seen: &Seen) -> Self {
        let notice = |id: &'static str| {
            move |message: &String| Notice { id: id.into(), message: message.clone() }
        };
        let breaks = removal.breaks.iter().map(notice("rotation-breaks"));
        let warnings = removal.warnings.iter().map(notice("key-still-accepted"));
        Self {
            keys: without(&seen.published, &removal.kids),
            notices: breaks.chain(warnings).collect(),
            keeps_live: removal.breaks.is_empty(),
        }
    }
}

/// Publishes the changed keys.
///
/// # Errors
/// Those of the engine.
async fn publish(
    engine: &Reconciler<'_>,
    target: &mut Target,
    mut seen: Seen,
    change: Change,
    (args, format, ui): (&ChangeArgs, OutputFormat, &Ui),
) -> Result<(bool, Exit), Failure> {
    if let Some(site) = &mut target.site {
        site.options.prune = true;
    }
    seen.observed.keys.keys = change.keys;
    seen.observed.live = seen.token.filter(|_| change.keeps_live);
    let now = seen.facts.now_secs;
    let sighting = |kid: &str| Sighting { kid: kid.to_owned(), secs: now };
    seen.observed.signing = seen.facts.signing().into_iter().map(sighting).collect();
    let mut plan = IssuerPlan::new(target, &seen.observed, false).map_err(engine::failed)?;
    plan.notices.extend(change.notices);
    let how = super::publish::How { dry_run: args.dry_run, verify: !args.no_verify };
    super::publish::carry_out(engine, target, &seen.observed, plan, how, (format, ui)).await
}

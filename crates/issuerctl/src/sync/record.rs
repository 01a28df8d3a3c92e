//! What is told of a step: in the metrics, and in the log.

use std::time::Duration;

use issuer_change::Action;
use issuer_diagnostic::{Diagnostic, date, now_secs};
use issuer_jwks::JwkSet;
use issuer_reconcile::{SyncReport, Target};
use issuer_serving::{IssuerName, Metrics, Published};
use issuer_verify::Verdict;

use super::{Program, log, name_of};
use crate::cli::has_option;
use crate::engine;
use crate::failure::Exit;

/// What was known before a step.
pub(super) struct Before {
    /// Whether a step has succeeded.
    pub(super) succeeded: bool,
    /// The keys that were published when they were read last.
    pub(super) published: Option<JwkSet>,
}

/// Tells of a step.
///
/// # Errors
/// The exit code of its failure.
pub(super) fn record(
    program: &Program<'_>,
    target: &Target,
    report: SyncReport,
    took: Duration,
    before: &Before,
) -> Result<(), Exit> {
    let issuer = target.label();
    for notice in &report.changes.notices {
        program.log.notice(&issuer, notice);
    }
    // Before anything was published, nobody relied on it.
    let is_new = !before.succeeded && !report.existed;
    let refused = report.before.as_ref().filter(|_| !is_new);
    count(&program.state.metrics, &name_of(target), (&report, refused), took);
    if let Some(failed) = refused.and_then(first_failure) {
        tracing::warn!(
            issuer,
            "AWS STS would not have accepted the issuer before this step: {failed}"
        );
    }
    let lost = before.published.as_ref().zip(report.found.as_ref());
    if let Some(lost) =
        lost.map(|(then, now)| kids(&then.filtered(|jwk| !now.keys().contains(jwk))))
        && !lost.is_empty()
    {
        tracing::warn!(
            issuer,
            keys = lost,
            "no longer published, and not removed by this program: their tokens are refused"
        );
    }
    if report.wrote {
        let changes = report.changes.changes.iter().filter(|change| change.action != Action::Keep);
        let changed: Vec<&str> = changes.map(|change| change.resource.name.as_str()).collect();
        tracing::info!(
            issuer,
            changed = changed.join(", "),
            keys = report.published.as_ref().map(kids).unwrap_or_default(),
            "published"
        );
    }
    for kid in &report.dropped {
        tracing::info!(
            issuer,
            kid = kid.as_str(),
            "removed a key: every token that it signed has expired"
        );
    }
    for (kid, may_go) in &report.retiring {
        let from = may_go.map_or_else(|| "not known yet".to_owned(), date);
        tracing::debug!(
            issuer,
            kid = kid.as_str(),
            from,
            "published, and no longer a key of the cluster"
        );
    }
    match report.outcome {
        Ok(()) => {
            let (url, keys) = (report.issuer.map(|url| url.to_string()), report.published);
            let (url, keys) = (url.unwrap_or_default(), keys.map_or(0, |keys| keys.keys().len()));
            let took = took.as_secs_f64();
            let verdict = match target.folder() {
                Some(_) => "the documents in the folder are correct",
                None => "AWS STS accepts the issuer",
            };
            match before.succeeded {
                false => tracing::info!(issuer, url, keys, took, "{verdict}"),
                true => tracing::debug!(issuer, url, keys, took, "{verdict}"),
            }
            Ok(())
        }
        Err(error) => {
            let exit = error.kind().into();
            let refused = error.refused().and_then(|(_, verdict)| first_failure(verdict));
            let refused = refused.map(str::to_owned);
            let mut failure = engine::failed(error).on_command(program.surface, has_option);
            failure.causes.extend(refused);
            log::failure(&issuer, "the step failed", &failure);
            Err(exit)
        }
    }
}

fn count(
    metrics: &Metrics,
    name: &IssuerName,
    (report, before): (&SyncReport, Option<&Verdict>),
    took: Duration,
) {
    if before.is_some_and(|verdict| !verdict.passed()) {
        metrics.verified(name, false);
    }
    if let Some(verdict) = &report.verdict {
        metrics.verified(name, verdict.passed());
    }
    if let Some(published) = &report.published {
        let (keys, live_key) = (published.keys().len(), report.live_published());
        metrics.keys_published(name, Published { keys, live_key });
    }
    if report.wrote {
        metrics.documents_written(name);
    }
    if !report.dropped.is_empty() {
        metrics.keys_dropped(name, report.dropped.len());
    }
    match &report.outcome {
        Ok(()) => metrics.step_succeeded(name, took, now_secs()),
        Err(error) => metrics.step_failed(name, error.kind(), took),
    }
}

/// The message of the first check that failed.
fn first_failure(verdict: &Verdict) -> Option<&str> {
    let mut checks = verdict.checks.iter();
    checks.find(|check| check.failed()).map(|check| check.message.as_str())
}

fn kids(keys: &JwkSet) -> String {
    keys.keys().iter().map(|jwk| jwk.kid.as_str()).collect::<Vec<_>>().join(", ")
}

//! What is told of a step: in the metrics, and in the log.

use std::time::Duration;

use issuer_change::Action;
use issuer_diagnostic::{Diagnostic, date, now_secs};
use issuer_reconcile::{SyncReport, Target};
use issuer_serving::{IssuerName, Metrics, Published};
use issuer_verify::Verdict;

use super::{Program, log, name_of};
use crate::engine;
use crate::failure::Exit;

/// Tells of a step. `first` is one before which none has succeeded.
///
/// # Errors
/// The exit code of its failure.
pub(super) fn record(
    program: &Program<'_>,
    target: &Target,
    report: SyncReport,
    took: Duration,
    first: bool,
) -> Result<(), Exit> {
    let issuer = target.label();
    count(&program.state.metrics, &name_of(target), &report, took);
    if let Some(failed) = report.before.as_ref().and_then(first_failure) {
        tracing::warn!(
            issuer,
            "AWS STS would not have accepted the issuer before this step: {failed}"
        );
    }
    if report.wrote {
        let changes = report.changes.changes.iter().filter(|change| change.action != Action::Keep);
        let changed: Vec<&str> = changes.map(|change| change.resource.name.as_str()).collect();
        tracing::info!(issuer, changed = changed.join(", "), keys = kids(&report), "published");
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
            match first {
                true => tracing::info!(issuer, url, keys, took, "AWS STS accepts the issuer"),
                false => tracing::debug!(issuer, url, keys, took, "AWS STS accepts the issuer"),
            }
            Ok(())
        }
        Err(error) => {
            let exit = error.kind().into();
            let failure = engine::failed(error).on(program.surface);
            log::failure(&issuer, "the step failed", &failure);
            Err(exit)
        }
    }
}

fn count(metrics: &Metrics, name: &IssuerName, report: &SyncReport, took: Duration) {
    if report.before.as_ref().is_some_and(|verdict| !verdict.passed()) {
        metrics.verified(name, false);
    }
    if let Some(verdict) = &report.verdict {
        metrics.verified(name, verdict.passed());
    }
    if let Some((published, live_key)) = report.published.as_ref().zip(report.live_published()) {
        metrics.keys_published(name, Published { keys: published.keys().len(), live_key });
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

fn kids(report: &SyncReport) -> String {
    let published = report.published.iter().flat_map(|keys| keys.keys());
    published.map(|jwk| jwk.kid.as_str()).collect::<Vec<_>>().join(", ")
}

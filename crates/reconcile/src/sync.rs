//! Following: one step from the keys that a cluster has now to documents that AWS STS accepts.
//!
//! A program that runs all the time repeats [`Reconciler::sync`] with an engine for each step
//! ([`Reconciler::of`]) that does not wait ([`Reconciler::without_waiting`]). A step adds keys and repairs
//! what is not as declared; it never removes a key, unless that is requested and the key's time has come.

use issuer_change::{Action, ChangeSet, Describe};
use issuer_diagnostic::now_secs;
use issuer_discovery::IssuerUrl;
use issuer_jwks::{ForeignKey, Jwk, JwkSet, KeyId, WeakKeys, salvage};
use issuer_publish::{KeyRecord, Stored, signed_until_secs};
use issuer_rotation::Absence;
use issuer_verify::{Expected, Verdict};

use crate::{Error, Event, IssuerPlan, Observed, Reconciler, Scope, Target};

/// How a cluster is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncOptions {
    /// Whether a key is removed that no source has any more, once every token that it has signed has
    /// expired: as long after it was last seen as [`issuer_publish::PlanOptions::retire_secs`] says. The
    /// sources must be all clusters of the issuer.
    pub drop_retired: bool,
    /// Whether a new key is the only reason to write: what else is not as declared stays.
    pub only_new_keys: bool,
}

/// What one step found, and did.
#[derive(Debug)]
#[non_exhaustive]
pub struct SyncReport {
    /// The issuer, once it is known.
    pub issuer: Option<IssuerUrl>,
    /// The keys of the sources, if they could be read.
    pub live: Option<JwkSet>,
    /// The published keys at the end of the step, if the store could be read.
    pub published: Option<JwkSet>,
    /// The published keys at the beginning of the step, if the store could be read.
    pub found: Option<JwkSet>,
    /// Whether a document was there at the beginning of the step, whatever was in it.
    pub existed: bool,
    /// Published keys that no source has any more, and from when on each may be removed.
    pub retiring: Vec<(KeyId, Option<u64>)>,
    /// Whether AWS STS would have accepted the issuer before the step changed it; `None` if it did not.
    pub before: Option<Verdict>,
    /// Whether AWS STS would accept the issuer at the end of the step, if that could be seen.
    pub verdict: Option<Verdict>,
    /// What the step changed or, if it failed, would have changed.
    pub changes: ChangeSet,
    /// Whether it changed anything, also if it failed.
    pub wrote: bool,
    /// The keys that it removed.
    pub dropped: Vec<KeyId>,
    /// Why it failed, if it did.
    pub outcome: Result<(), Error>,
}

impl SyncReport {
    /// Whether every key of the sources is published, as far as that is known.
    #[must_use]
    pub fn live_published(&self) -> Option<bool> {
        let (live, published) = self.live.as_ref().zip(self.published.as_ref())?;
        // A token names its key by the kid.
        let is_published = |jwk: &Jwk| published.keys().contains(jwk);
        Some(live.keys().iter().all(is_published))
    }

    fn new() -> Self {
        Self {
            issuer: None,
            live: None,
            published: None,
            found: None,
            existed: false,
            retiring: Vec::new(),
            before: None,
            verdict: None,
            changes: ChangeSet::default(),
            wrote: false,
            dropped: Vec::new(),
            outcome: Ok(()),
        }
    }
}

impl Target {
    /// The documents of the target, without what is in IAM and in the cluster.
    #[must_use]
    pub fn documents_only(self) -> Self {
        Self { provider: None, roles: Vec::new(), workload: None, ..self }
    }
}

impl Reconciler<'_> {
    /// One step of following: reads the keys and the store, publishes what is missing, repairs what is not
    /// as declared, and verifies the issuer the way AWS STS does, also if the step fails before. If the keys of
    /// the sources cannot be read, what is published is kept readable. Nothing but the documents of the target,
    /// and what makes them readable, is changed.
    pub async fn sync(&self, target: &Target, options: SyncOptions) -> SyncReport {
        let mut report = SyncReport::new();
        let target = &target.clone().documents_only();
        let mended = match options.only_new_keys {
            true => Ok(()),
            false => self.mend_front(target, &mut report).await,
        };
        let of_front = std::mem::take(&mut report.changes);
        let followed = self.follow(target, options, &mut report).await;
        report.outcome = mended.and(followed);
        report.changes.changes.splice(..0, of_front.changes);
        if report.verdict.is_none() {
            report.verdict = self.verdict_of_now(target, report.issuer.as_ref(), None).await;
        }
        report
    }

    /// How AWS STS would judge the issuer as it is now; `None` if it is not known which one it is, or if it
    /// cannot be read from here at all.
    pub async fn verdict(&self, target: &Target) -> Option<Verdict> {
        self.verdict_of_now(target, None, None).await
    }

    /// The keys of the sources, and nothing else: what has changed since the last step.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub async fn live_keys(&self, target: &Target) -> Result<JwkSet, Error> {
        Ok(self.read_keys(target, Scope::apply(false)).await?.keys)
    }

    /// Makes the distribution as declared; a step never creates one. The keys do not wait for it: what fails
    /// here is reported when they are published.
    async fn mend_front(&self, target: &Target, report: &mut SyncReport) -> Result<(), Error> {
        let (Some(plan), Some((location, _))) =
            (self.front(target).await?, target.behind_cloudfront())
        else {
            return Ok(());
        };
        if plan.creates() {
            let location = location.to_string();
            return Err(issuer_publish::Error::NoDistribution { location }.into());
        }
        if plan.is_empty() {
            return Ok(());
        }
        report.changes = plan.changes();
        report.before = self.verdict_of_now(target, None, None).await;
        self.apply_front(target, &plan).await?;
        report.wrote = true;
        Ok(())
    }

    async fn follow(
        &self,
        target: &Target,
        options: SyncOptions,
        report: &mut SyncReport,
    ) -> Result<(), Error> {
        let mut target = target.clone();
        if let Some(site) = &mut target.site {
            site.options.record_missing = options.drop_retired;
        }
        let mut seen = match self.observe(&target, Scope::apply(false)).await {
            Ok(seen) => seen,
            Err(error) => {
                if error.is_of_key_source() && !options.only_new_keys {
                    // What failed first is what is reported.
                    let _ = self.keep_readable(&target, report).await;
                }
                return Err(error);
            }
        };
        report.issuer = Some(seen.url.clone());
        report.live = Some(seen.keys.keys.clone());
        let stored = seen.site.as_ref().and_then(|(_, state)| state.keys.as_ref());
        let published = stored.and_then(PublishedKeys::of);
        report.existed = has_documents(&seen);
        report.found = Some(match (stored, &published) {
            (_, Some(published)) => published.keys.clone(),
            (None, None) => JwkSet::default(),
            // What a reader may still find in a damaged document.
            (Some(stored), None) => salvage(&stored.bytes, WeakKeys::Allow).set,
        });
        report.published.clone_from(&report.found);
        if let Some(published) = &published {
            let retire_secs = target.site.as_ref().map_or(0, |site| site.options.retire_secs);
            report.retiring = published.retiring(&seen.keys.keys, retire_secs);
            // A key may be in what could not be read.
            if options.drop_retired && !seen.keys.is_incomplete {
                let read_secs = seen.site.as_ref().map_or(0, |(_, state)| state.read_secs);
                // One change at a time: while there is a new key, none is removed.
                if !published.lacks_one_of(&seen.keys.keys) {
                    seen.keys.retired = due(&report.retiring, read_secs);
                    report.dropped.clone_from(&seen.keys.retired);
                }
            }
        }
        let plan = IssuerPlan::new(&target, &seen, false);
        let mut plan = plan.inspect_err(|_| report.dropped.clear())?;
        report.changes = plan.changes();
        if options.only_new_keys && plan.added_keys().next().is_none() {
            report.dropped.clear();
            return Ok(());
        }
        if !plan.is_empty() && report.before.is_none() {
            let keys = report.found.as_ref().map(|found| expected(found, &seen.keys.keys));
            report.before = self.verdict_of_now(&target, Some(&seen.url), keys).await;
        }
        let applied = self.apply(&target, &seen, &mut plan, true).await;
        report.wrote |= plan.wrote();
        // What was planned again is what was done.
        report.changes = plan.changes();
        let written = match &applied {
            Ok(verdict) => {
                report.verdict.clone_from(verdict);
                true
            }
            // The documents are published nevertheless.
            Err(Error::NotAccepted { verdict, .. }) => {
                report.verdict = Some((**verdict).clone());
                true
            }
            // What the distribution serves until then may be right.
            Err(error) if error.is_in_progress() => {
                let keys = plan.site.as_ref().map(|site| site.plan.keys().clone());
                report.verdict = self.verdict_of_now(&target, Some(&seen.url), keys).await;
                true
            }
            Err(_) => {
                report.dropped.clear();
                false
            }
        };
        if let Some(site) = plan.site.filter(|_| written) {
            report.published = Some(site.plan.keys().clone());
            // One that another run was given meanwhile stays.
            report.dropped.retain(|kid| site.plan.keys().get(kid.as_str()).is_none());
            report.retiring.retain(|(kid, _)| !report.dropped.contains(kid));
        }
        match applied {
            Err(error) if error.is_in_progress() => {
                let is_accepted = report.verdict.as_ref().is_some_and(Verdict::passed);
                if is_accepted { Ok(()) } else { Err(error) }
            }
            applied => applied.map(drop),
        }
    }

    /// Makes what is published readable again while its sources are not: their keys are taken to be those that
    /// are published. `keys.json` itself is never written, and the plan is not made anew after a conflict: a
    /// key that somebody removes meanwhile must not come back, and nobody has given these keys now.
    async fn keep_readable(&self, target: &Target, report: &mut SyncReport) -> Result<(), Error> {
        let scope = Scope { keys: false, ..Scope::apply(false) };
        let mut seen = self.observe(target, scope).await?;
        report.issuer = Some(seen.url.clone());
        let stored = seen.site.as_ref().and_then(|(_, state)| state.keys.as_ref());
        report.existed = has_documents(&seen);
        let Some(published) = stored.and_then(PublishedKeys::of) else { return Ok(()) };
        report.found = Some(published.keys.clone());
        report.published.clone_from(&report.found);
        (seen.keys.keys, seen.keys.foreign) = (published.keys.clone(), published.foreign);
        let mut plan = IssuerPlan::new(target, &seen, false)?;
        report.changes = plan.changes();
        let (Some((store, _)), Some(planned), false) =
            (&seen.site, plan.site.as_mut(), published.keys.is_empty())
        else {
            return Ok(());
        };
        let [keys, _] = planned.plan.documents();
        if planned.plan.is_empty() || keys.action != Action::Keep {
            return Ok(());
        }
        if report.before.is_none() {
            let keys = Some(published.keys);
            report.before = self.verdict_of_now(target, Some(&seen.url), keys).await;
        }
        let _turn = self.shared.turn_at_bucket(target).await;
        let applied = issuer_publish::apply(store, &mut planned.plan, |_| {}).await;
        report.wrote |= planned.plan.wrote();
        Ok(applied?)
    }

    /// How AWS STS would judge the issuer as it is now; `None` if it is not known which one it is, or if it
    /// cannot be read from here at all. `keys` are those that must be published.
    async fn verdict_of_now(
        &self,
        target: &Target,
        url: Option<&IssuerUrl>,
        keys: Option<JwkSet>,
    ) -> Option<Verdict> {
        let url = match url {
            Some(url) => url.clone(),
            None => self.issuer(target).await.ok()?,
        };
        self.event(target, Event::Waiting(&format!("reading {url} as AWS STS does")));
        let observation = match target.folder() {
            Some(folder) => issuer_verify::read_folder(folder).ok()?,
            None => issuer_verify::fetch(&url, &self.shared.fetch).await.ok()?,
        };
        self.event(target, Event::Waited);
        let weak = target.site.as_ref().map(|site| site.options.weak).unwrap_or_default();
        let expected =
            Expected { issuer: Some(url), keys, now_secs: now_secs(), weak, ..Expected::default() };
        Some(issuer_verify::judge(&observation, &expected))
    }
}

/// Whether something is published, or was.
fn has_documents(seen: &Observed) -> bool {
    let state = seen.site.as_ref().map(|(_, state)| state);
    state.is_some_and(|state| state.keys.is_some() || state.discovery.is_some())
}

/// The keys that must be published before a step: those that are, since a new key of the cluster does not sign
/// yet; if none of them is the cluster's, those of the cluster.
fn expected(found: &JwkSet, live: &JwkSet) -> JwkSet {
    let is_live = |jwk: &Jwk| live.keys().contains(jwk);
    if found.keys().iter().any(is_live) { found.clone() } else { live.clone() }
}

/// The published keys that may be removed now.
fn due(retiring: &[(KeyId, Option<u64>)], now_secs: u64) -> Vec<KeyId> {
    let is_due = |may_go: &Option<u64>| may_go.is_some_and(|secs| secs <= now_secs);
    retiring.iter().filter(|(_, may_go)| is_due(may_go)).map(|(kid, _)| kid.clone()).collect()
}

/// The published keys, and what was recorded of them.
struct PublishedKeys {
    keys: JwkSet,
    foreign: Vec<ForeignKey>,
    record: KeyRecord,
}

impl PublishedKeys {
    /// `None` if they cannot be read: then nothing is removed, and the plan says why.
    fn of(stored: &Stored) -> Option<Self> {
        let (keys, foreign) = JwkSet::parse_with_foreign(&stored.bytes, WeakKeys::Allow).ok()?;
        Some(Self { keys, foreign, record: stored.record.clone() })
    }

    /// Those that are not among the live keys, and from when on each may be removed. A key may be published
    /// under an empty kid, too: that entry has no time of its own.
    fn retiring(&self, live: &JwkSet, token_secs: u64) -> Vec<(KeyId, Option<u64>)> {
        let is_live = |jwk: &Jwk| live.keys().iter().any(|one| one.key == jwk.key);
        let absent =
            self.keys.keys().iter().filter(|jwk| !is_live(jwk) && !jwk.kid.as_str().is_empty());
        let may_go = |kid: &KeyId| {
            let life = self.record.life(kid.as_str());
            let signed_until_secs = life.signed_secs.map(signed_until_secs);
            let (was_given, missing_secs) = (life.confirmed_secs.is_some(), life.missing_secs);
            Absence { was_given, missing_secs, signed_until_secs }.may_go_secs(token_secs)
        };
        absent.map(|jwk| (jwk.kid.clone(), may_go(&jwk.kid))).collect()
    }

    /// Whether one of these keys is not published.
    fn lacks_one_of(&self, live: &JwkSet) -> bool {
        let is_new = |jwk: &Jwk| {
            !self.keys.keys().iter().any(|one| one.key == jwk.key && one.kid == jwk.kid)
        };
        live.keys().iter().any(is_new)
    }
}

/// The set without these keys, under whatever kid they are in it.
#[must_use]
pub fn without(published: &JwkSet, kids: &[impl AsRef<str>]) -> JwkSet {
    let named = |kid: &str| kids.iter().any(|one| one.as_ref() == kid);
    let keys = published.keys().iter();
    let gone: Vec<_> = keys.filter(|jwk| named(jwk.kid.as_str())).map(|jwk| &jwk.key).collect();
    published.filtered(|jwk| !gone.contains(&&jwk.key))
}

//! What was published before, and the way back to it.

use issuer_discovery::IssuerUrl;
use issuer_publish::{HistoryEntry, Store, published_shape};

use crate::{Error, Event, Observed, Reconciler, Scope, Target};

impl Reconciler<'_> {
    /// What is published of an issuer, and at most `limit` sites that were published before, the newest
    /// first; and the issuer.
    ///
    /// # Errors
    /// A target without a store; a denied or failed call.
    pub async fn history(
        &self,
        target: &Target,
        limit: usize,
    ) -> Result<(IssuerUrl, Vec<HistoryEntry>), Error> {
        let store = self.store(target).await?;
        let url = self.url(target, store.as_ref())?;
        let Some(store) = store else { return Err(Error::NoIssuer { name: target.label() }) };
        self.using(target, &store);
        self.event(target, Event::Waiting("reading what was published before"));
        let entries = store.history(limit).await;
        self.event(target, Event::Waited);
        Ok((url, entries?))
    }

    /// Reads everything that a rollback depends on, and turns the target into one whose keys are those
    /// of a previous site: without a version, of the one before the published one. Returns its version.
    ///
    /// # Errors
    /// A version that does not exist, or cannot be read; those of [`Reconciler::observe`].
    pub async fn observe_past(
        &self,
        target: &mut Target,
        version: Option<&str>,
    ) -> Result<(Observed, String), Error> {
        if let Some(site) = &mut target.site {
            site.keys.clear();
            site.options.prune = true;
        }
        let mut seen = self.observe(target, Scope::apply(false)).await?;
        let (Some((store, state)), Some(site)) = (&seen.site, &mut target.site) else {
            return Err(Error::NoIssuer { name: target.label() });
        };
        let past = store.past(&seen.url, version).await?;
        // What is not known of a version is left as it is.
        let published = || published_shape(state.discovery.as_ref()?);
        site.shape = past.shape.or_else(published).unwrap_or(site.shape);
        seen.keys.keys = past.keys;
        seen.keys.foreign = past.foreign;
        Ok((seen, past.version))
    }

    /// Reports which bucket is used.
    pub(crate) fn using(&self, target: &Target, store: &Store) {
        if let Store::S3(s3) = store {
            let text = format!("S3: {}, region {}{}", s3.location(), s3.region(), self.profile());
            self.event(target, Event::Using(&text));
        }
    }
}

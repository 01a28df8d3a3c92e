//! The distribution of an object, which comes before everything else.

use std::ops::ControlFlow;

use issuer_cloudfront::FrontPlan;
use issuer_reconcile::{Error, Reconciler, Target};

use crate::desired::Desired;
use crate::findings::Stage;
use crate::names;
use crate::reconcile::{Converged, Run, approve};
use crate::status::Reason;

impl Run<'_> {
    /// Makes the distribution of an object as it is declared if that `is_wanted`, after everything that could
    /// refuse the object. Returns what differs, or how the run has ended.
    pub(crate) async fn front(
        &mut self,
        engine: &Reconciler<'_>,
        desired: &Desired,
        target: &Target,
        is_wanted: bool,
    ) -> Result<ControlFlow<Converged, Option<FrontPlan>>, kube::Error> {
        let failed = |error| Ok(ControlFlow::Break(Err((error, Stage::Read))));
        let front = match engine.front(target).await {
            Ok(front) => front.filter(|front| !front.is_empty()),
            Err(error) => return failed(error),
        };
        let Some(front) = front else { return Ok(ControlFlow::Continue(None)) };
        if let Some(refused) = self.other_front(engine, target).await {
            let next = self.refuse(Reason::IssuerChanged, &refused).await?;
            return Ok(ControlFlow::Break(Ok(next)));
        }
        if is_wanted {
            if let Err(error) = approved(engine, target, &front).await {
                return failed(error);
            }
            let url = names::url(&desired.issuer);
            let names = names::of_site(&desired.issuer, url.as_deref());
            if let Err(reason) = self.claim(names).await? {
                let next = self.refuse(Reason::Conflict, &reason).await?;
                return Ok(ControlFlow::Break(Ok(next)));
            }
            if let Err(error) = engine.apply_front(target, &front).await {
                return failed(error);
            }
        }
        Ok(ControlFlow::Continue(Some(front)))
    }

    /// The same before a distribution is created or changed: without a domain of one's own a new one has
    /// another domain, which nobody knows before.
    async fn other_front(&self, engine: &Reconciler<'_>, target: &Target) -> Option<String> {
        let before = self.status.issuer.as_deref()?;
        match engine.issuer(target).await {
            Ok(url) => self.other_issuer(url.as_str()),
            Err(_) => Some(format!(
                "the distribution of {before} does not exist, and a new one would have another domain and \
                 so another issuer; set spec.issuer and spec.store.s3.certificateArn to a domain of your \
                 own, or create this object anew to begin with another issuer"
            )),
        }
    }
}

/// What could refuse a target whose distribution is created.
async fn approved(
    engine: &Reconciler<'_>,
    target: &Target,
    front: &FrontPlan,
) -> Result<(), Error> {
    match engine.before_front(target, front).await? {
        Some((seen, plan)) => approve(engine, &seen, &plan).await,
        None => Ok(()),
    }
}

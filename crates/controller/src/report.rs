//! What is reported of an object: its conditions, and the Events of what changed.

use issuer_diagnostic::{date, now_secs};

use crate::cluster::Severity;
use crate::findings;
use crate::reconcile::Run;
use crate::schedule::Next;
use crate::status::{Finding, Kind, Reason, Status, Truth};

impl Run<'_> {
    /// Nothing is done: somebody must decide something first.
    pub(crate) async fn refuse(
        &mut self,
        reason: Reason,
        message: &str,
    ) -> Result<Next, kube::Error> {
        self.report(findings::refused(reason, message)).await?;
        // The end of the other object of a conflict is no event of this one.
        Ok(if reason == Reason::Conflict { Next::Retry } else { Next::Change })
    }

    /// `Ready` alone; the others stay as they were found last.
    pub(crate) async fn report_ready(&mut self, ready: Finding) -> Result<(), kube::Error> {
        let before = self.status.conditions.clone();
        let generation = self.object.metadata.generation;
        self.status.set(vec![ready], generation, &date(now_secs()));
        self.status.conditions.extend(before.into_iter().filter(|one| one.kind != Kind::Ready));
        self.write().await
    }

    pub(crate) async fn report(&mut self, findings: Vec<Finding>) -> Result<(), kube::Error> {
        let of_ready = |status: &Status| {
            status.condition(Kind::Ready).map(|ready| (ready.status, ready.reason))
        };
        let before = of_ready(&self.status);
        let generation = self.object.metadata.generation;
        self.status.set(findings, generation, &date(now_secs()));
        // An Event says what the status says, so there is none as long as that cannot be written.
        self.write().await?;
        let ready = self.status.condition(Kind::Ready).cloned();
        if let Some(ready) = ready.filter(|_| of_ready(&self.status) != before) {
            let own = &self.context.own;
            match ready.status {
                Truth::True => {
                    own.tell(self.object, Severity::Normal, "Ready", &ready.message).await
                }
                _ if ready.reason == Reason::DriftFound => {}
                _ if ready.reason == Reason::Deploying => {
                    own.tell(self.object, Severity::Normal, "Deploying", &ready.message).await;
                }
                _ => {
                    let reason = ready.reason.to_string();
                    own.tell(self.object, Severity::Warning, &reason, &ready.message).await;
                }
            }
        }
        Ok(())
    }

    /// Writes the status, if it is another one than the API server has.
    pub(crate) async fn write(&mut self) -> Result<(), kube::Error> {
        if self.status != self.written {
            self.context.own.report(self.object, &self.status).await?;
            self.written.clone_from(&self.status);
        }
        Ok(())
    }
}

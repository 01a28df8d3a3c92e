//! What somebody else has changed: it is changed back, or only reported.

use issuer_reconcile::{IssuerPlan, Reconciler};

use crate::cluster::Severity;
use crate::findings::{self, Drift};
use crate::reconcile::Run;
use crate::status::{Finding, Kind, Truth};

impl Run<'_> {
    /// Reports it before it is repaired, or instead of that.
    pub(crate) async fn drifted(
        &mut self,
        engine: &Reconciler<'_>,
        drift: Drift<'_>,
        text: &str,
    ) -> Result<(), kube::Error> {
        let repairs = drift.repairs;
        let reads = match repairs {
            true => drift.differ.site.is_some(),
            false => findings::requests(drift.target, Kind::Verified),
        };
        let verdict = if reads { engine.verdict(drift.target).await } else { None };
        self.seen.before = verdict.as_ref().map(|verdict| verdict.passed()).filter(|_| repairs);
        // What cannot be repaired is not reported as being repaired each time that this is tried.
        let ready = self.status.condition(Kind::Ready);
        if repairs && ready.is_some_and(|ready| ready.status == Truth::False) {
            return Ok(());
        }
        let accepted = verdict.filter(|_| !repairs);
        let found = findings::drifted(drift, &self.status.claims, accepted.as_ref());
        self.report_drift(found, text).await
    }

    pub(crate) async fn report_drift(
        &mut self,
        found: Vec<Finding>,
        text: &str,
    ) -> Result<(), kube::Error> {
        let is_new = findings::is_drift_new(&self.status, &found);
        self.report(found).await?;
        if is_new {
            let note = format!("changed by somebody else; the object declares: {text}");
            self.context.own.tell(self.object, Severity::Warning, "DriftFound", &note).await;
        }
        Ok(())
    }
}

/// Takes out of a plan what would change IAM or the cluster, and returns everything but its documents as it was.
pub(crate) fn leave_drift(plan: &mut IssuerPlan) -> IssuerPlan {
    let stays = IssuerPlan { site: None, ..plan.clone() };
    plan.provider.take_if(|(_, plan)| !plan.is_empty());
    plan.roles.retain(|(_, plan)| plan.is_empty());
    plan.workload.take_if(|(_, plan)| !plan.is_empty());
    stays
}

#[cfg(test)]
mod tests {
    use issuer_discovery::{IssuerUrl, Ports};
    use issuer_iam::{Provider, ProviderPlan, ProviderSpec, ProviderState};
    use issuer_reconcile::Target;

    use super::*;
    use crate::differences::Differences;
    use crate::status::Reason;

    /// The plan of an object in IAM alone; somebody has removed an audience of its provider or not.
    fn plan(is_changed: bool) -> IssuerPlan {
        let url = IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap();
        let spec = ProviderSpec {
            issuer: url.clone(),
            audiences: vec!["sts.amazonaws.com".parse().unwrap()],
            tags: issuer_iam::Tags::new(),
            thumbprints: Vec::new(),
            prune: false,
        };
        let arn = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com".to_owned();
        let audiences = if is_changed { vec![] } else { vec!["sts.amazonaws.com".to_owned()] };
        let (thumbprints, tags) = (Vec::new(), issuer_iam::Tags::new());
        let provider = Some(Provider { arn: arn.clone(), audiences, thumbprints, tags });
        let state = ProviderState { arn, provider, others: Vec::new() };
        let planned = ProviderPlan::new(&spec, &state).unwrap();
        IssuerPlan {
            url,
            site: None,
            provider: Some((spec, planned)),
            roles: Vec::new(),
            orphaned: Vec::new(),
            workload: None,
            notices: Vec::new(),
        }
    }

    #[test]
    fn drift_of_an_object_in_iam_alone_does_not_claim_what_nobody_has_read() {
        let spec = serde_json::json!({"issuer": "https://oidc.example.com", "provider": {}});
        let issuer = issuer_manifest::from_object("prod", &spec).unwrap();
        let target = Target::from_issuer(
            &issuer,
            std::path::Path::new(""),
            &issuer_reconcile::Defaults::default(),
        );
        let plan = plan(true);
        let differ = Differences::of(&plan, None);
        let observation = issuer_verify::read_folder(std::path::Path::new(".")).unwrap();
        let refused = issuer_verify::judge(&observation, &issuer_verify::Expected::default());
        let verified = |verdict| {
            let drift = Drift { target: &target, plan: &plan, differ: &differ, repairs: false };
            let found = findings::drifted(drift, &[], verdict);
            let found = found.into_iter().find(|found| found.kind == Kind::Verified).unwrap();
            (found.status, found.reason)
        };
        assert_eq!(verified(Some(&refused)), (Truth::False, Reason::NotAccepted));
        assert_eq!(verified(None), (Truth::Unknown, Reason::Unavailable));
    }

    #[test]
    fn what_only_is_reported_is_not_changed_and_what_is_right_is_still_verified() {
        for is_changed in [true, false] {
            let whole = plan(is_changed);
            let mut rest = whole.clone();
            let stays = leave_drift(&mut rest);
            assert!(rest.is_empty());
            assert_eq!((rest.provider.is_none(), &stays), (is_changed, &whole));
            assert_eq!(Differences::of(&stays, None).provider.is_some(), is_changed);
        }
    }
}

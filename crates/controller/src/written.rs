//! What a run that failed has changed, or may have changed: that is its object's, and nothing else.

use std::collections::BTreeSet;

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_manifest::Issuer;
use issuer_reconcile::{Error, IssuerPlan};

use crate::names;

/// The parts of a plan that were changed before it failed, as names, and those of which that is not known: a
/// request without an answer may have been executed.
#[must_use]
pub(crate) fn written(issuer: &Issuer, plan: &IssuerPlan, error: &Error) -> BTreeSet<String> {
    let url = plan.url.as_str();
    let (in_store, in_iam) = (may_have_published(error), is_open(error, is_of_iam));
    let mut names = BTreeSet::new();
    let site = plan.site.as_ref().map(|site| &site.plan);
    if site.is_some_and(|site| site.wrote() || in_store && !site.is_empty()) {
        names.extend(names::place(issuer));
    }
    let provider = plan.provider.as_ref().map(|(_, provider)| provider);
    if provider.is_some_and(|provider| provider.wrote() || in_iam && !provider.is_empty()) {
        names.insert(names::of_provider(url));
    }
    let roles = plan.roles.iter().zip(&issuer.spec.roles);
    let roles = roles.filter(|((_, role), _)| role.wrote() || in_iam && !role.is_empty());
    names.extend(roles.flat_map(|(_, role)| names::of_role_and_policies(role)));
    if !names.is_empty() {
        names.insert(names::of_issuer(url));
    }
    names
}

/// Whether documents or bucket may have been changed although that failed.
#[must_use]
pub(crate) fn may_have_published(error: &Error) -> bool {
    is_open(error, |error| matches!(error, Error::Publish(_)))
}

fn is_of_iam(error: &Error) -> bool {
    matches!(error, Error::Iam(_))
}

/// Whether an error of this part is no definite answer.
fn is_open(error: &Error, is_of_part: impl Fn(&Error) -> bool) -> bool {
    is_of_part(error) && error.kind() == ErrorKind::Other
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use issuer_discovery::{IssuerUrl, Partition, Ports, Shape};
    use issuer_iam::{ProviderPlan, ProviderState, RolePlan, RoleState};
    use issuer_jwks::{JwkSet, KeyKind, generate};
    use issuer_publish::{Plan, PlanOptions, Site, StoreState};
    use issuer_reconcile::{Defaults, PlannedSite, Target};
    use serde_json::json;

    use super::*;

    const URL: &str = "https://oidc.example.com";

    /// An issuer of which nothing exists.
    fn whole() -> (Issuer, IssuerPlan) {
        let statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"});
        let spec = json!({
            "keys": [{"apiserver": {}}],
            "issuer": URL,
            "store": {"s3": {"bucket": "my-oidc"}},
            "provider": {},
            "roles": [{
                "name": "App", "serviceAccounts": ["a/b"],
                "managedPolicies": {"P": {"Version": "2012-10-17", "Statement": [statement]}},
            }],
        });
        let issuer = issuer_manifest::from_object("prod", &spec).unwrap();
        let target = Target::from_issuer(&issuer, Path::new(""), &Defaults::default());
        let url = IssuerUrl::parse(URL, Ports::Refuse).unwrap();
        let key = generate(KeyKind::P256).unwrap().public;
        let keys = JwkSet::from_keys([key]).unwrap();
        let site = Site::new(keys, url.clone(), Shape::default());
        let state = StoreState::default();
        let plan = Plan::new("s3://my-oidc", &site, &state, &PlanOptions::default()).unwrap();
        let provider = target.provider_spec(&url, None).unwrap();
        let none = ProviderState { arn: "arn".to_owned(), provider: None, others: Vec::new() };
        let provider_plan = ProviderPlan::new(&provider, &none).unwrap();
        let account = "111122223333".parse().unwrap();
        let roles = target.role_specs(&url, &account, Partition::of_region("us-west-2"));
        let role = |role| {
            let plan = RolePlan::new(&role, &RoleState::default()).unwrap();
            (role, plan)
        };
        let plan = IssuerPlan {
            url,
            site: Some(PlannedSite { site, plan }),
            provider: Some((provider, provider_plan)),
            roles: roles.into_iter().map(role).collect(),
            orphaned: Vec::new(),
            workload: None,
            notices: Vec::new(),
        };
        (issuer, plan)
    }

    fn unanswered_write() -> Error {
        let (resource, message) = ("my-oidc/keys.json".to_owned(), "timed out".to_owned());
        issuer_publish::Error::Call { call: "PutObject", resource, code: None, message }.into()
    }

    fn unanswered_role() -> Error {
        let (resource, message) = ("app".to_owned(), "timed out".to_owned());
        let action = "iam:CreateRole";
        issuer_iam::Error::Call { action, resource, code: None, message }.into()
    }

    fn denied_role() -> Error {
        let (action, resource) = ("iam:CreateRole".to_owned(), "app".to_owned());
        let message = "no".to_owned();
        issuer_iam::Error::Denied { action, resource, code: None, explicit: false, message }.into()
    }

    fn names(issuer: &Issuer, plan: &IssuerPlan, error: &Error) -> Vec<String> {
        written(issuer, plan, error).into_iter().collect()
    }

    #[test]
    fn what_was_refused_or_not_reached_is_not_called_written() {
        let (issuer, plan) = whole();
        assert!(names(&issuer, &plan, &denied_role()).is_empty());
        let place = ["issuer https://oidc.example.com", "place s3://my-oidc"];
        assert_eq!(names(&issuer, &plan, &unanswered_write()), place);
    }

    #[test]
    fn a_request_without_an_answer_may_have_been_executed() {
        let (issuer, mut plan) = whole();
        let role = ["policy p", "role app"];
        let (url, provider) =
            ("issuer https://oidc.example.com", "provider https://oidc.example.com");
        let all = [url, role[0], provider, role[1]];
        assert_eq!(names(&issuer, &plan, &unanswered_role()), all);
        // What is as declared already was not sent.
        plan.provider.as_mut().unwrap().1.steps.clear();
        assert_eq!(names(&issuer, &plan, &unanswered_role()), [url, role[0], role[1]]);
        plan.roles[0].1.steps.clear();
        assert!(names(&issuer, &plan, &unanswered_role()).is_empty());
    }
}

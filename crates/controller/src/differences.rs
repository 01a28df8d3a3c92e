//! What differs from an object, in words.

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind};
use issuer_cloudfront::FrontPlan;
use issuer_reconcile::IssuerPlan;

use crate::findings::shown;
use crate::keys::KeyDrift;

/// What differs from the object, in words; `None` for a part that does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Differences {
    /// Documents, keys and bucket.
    pub(crate) site: Option<String>,
    /// The OIDC provider.
    pub(crate) provider: Option<String>,
    /// The roles.
    pub(crate) roles: Option<String>,
    /// The objects of the cluster.
    pub(crate) workload: Option<String>,
}

impl Differences {
    /// Those that a plan would change, and the one of the distribution that comes before it.
    #[must_use]
    pub(crate) fn of(plan: &IssuerPlan, front: Option<&FrontPlan>) -> Self {
        let text = |plans: &[&dyn Describe]| {
            let mut set = ChangeSet::default();
            plans.iter().for_each(|plan| plan.describe(&mut set));
            in_words(&set)
        };
        let site = plan.site.as_ref().filter(|site| !site.plan.is_empty());
        let provider = plan.provider.as_ref().filter(|(_, plan)| !plan.is_empty());
        let workload = plan.workload.as_ref().filter(|(_, plan)| !plan.is_empty());
        let roles = plan.roles.iter().filter(|(_, plan)| !plan.is_empty());
        let roles: Vec<&dyn Describe> = roles.map(|(_, plan)| plan as &dyn Describe).collect();
        let front = front.map(|front| front as &dyn Describe);
        let site = front.into_iter().chain(site.map(|site| &site.plan as &dyn Describe));
        let site: Vec<&dyn Describe> = site.collect();
        Self {
            site: text(&site),
            provider: provider.and_then(|(_, plan)| text(&[plan])),
            roles: text(&roles),
            workload: workload.and_then(|(_, plan)| text(&[plan])),
        }
    }

    /// The same with the keys that are gone, if documents are written anyway.
    #[must_use]
    pub(crate) fn with_keys(mut self, keys: &KeyDrift) -> Self {
        if let (Some(site), Some(text)) = (&mut self.site, keys.missing_text()) {
            *site = format!("{site} ({text})");
        }
        self
    }

    /// What a deletion deletes, in words.
    #[must_use]
    pub(crate) fn of_deletion(plan: &issuer_reconcile::DeletionPlan) -> Option<String> {
        in_words(&plan.changes())
    }

    /// What a deletion keeps of what the object was applied to, and why.
    #[must_use]
    pub(crate) fn kept_by_deletion(plan: &issuer_reconcile::DeletionPlan) -> Vec<String> {
        let set = plan.changes();
        let is_of_object = |change: &&Change| {
            let kind = change.resource.kind;
            change.action == Action::Keep
                && matches!(kind, Kind::OidcProvider | Kind::Role | Kind::Document)
        };
        let kept = set.changes.iter().filter(is_of_object).map(|change| {
            let why = change.reason.map(|reason| format!(" ({})", reason.as_str()));
            let resource = &change.resource;
            format!("{} {}{}", resource.kind.as_str(), resource.name, why.unwrap_or_default())
        });
        let kept: Vec<String> = kept.collect();
        let fix = (!kept.is_empty()).then(|| {
            "`issuerctl delete -f FILE --force`, with this object in FILE, deletes what nothing else uses"
                .to_owned()
        });
        kept.into_iter()
            .chain(set.notices.into_iter().map(|notice| notice.message))
            .chain(fix)
            .collect()
    }

    /// All of them in one text; `None` if nothing differs.
    #[must_use]
    pub(crate) fn text(&self) -> Option<String> {
        let parts = [&self.site, &self.provider, &self.roles, &self.workload];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| shown(&parts.join("; ")))
    }
}

/// The changes as one line: `update bucket my-oidc (policy); create role app`.
pub(crate) fn in_words(set: &ChangeSet) -> Option<String> {
    let changes = set.changes.iter().filter(|change| change.action != Action::Keep);
    let word = |change: &Change| {
        let verb = match change.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::Keep => "keep",
        };
        let mut fields: Vec<String> = Vec::new();
        for field in &change.fields {
            let text = field_name(field);
            if field.action() != Action::Keep && !fields.contains(&text) {
                fields.push(text);
            }
        }
        let fields = match fields.is_empty() {
            true => String::new(),
            false => format!(" ({})", fields.join(", ")),
        };
        format!("{verb} {} {}{fields}", change.resource.kind.as_str(), change.resource.name)
    };
    let words: Vec<String> = changes.map(word).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn field_name(field: &Field) -> String {
    let name = field.name.replace('_', " ");
    field.item.as_ref().map_or(name.clone(), |item| format!("{name} {item}"))
}

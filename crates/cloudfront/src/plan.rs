//! The steps from the observed to the desired distribution.

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Reason, Resource, Value};

use crate::spec::comment;
use crate::{Distribution, FrontSpec, FrontState, Settings};

/// The only protocol of an issuer.
pub(crate) const HTTPS_ONLY: &str = "https-only";

/// In place of an ID that is known after its creation.
const NEW: &str = "(new)";

/// One call that changes the distribution or what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrontStep {
    /// `CreateOriginAccessControl`.
    CreateAccessControl,
    /// `CreateCachePolicy`.
    CreateCachePolicy,
    /// `CreateDistribution`.
    CreateDistribution,
    /// `UpdateDistribution`, on the condition that it still is as it was read.
    UpdateDistribution,
}

/// The steps to the distribution of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontPlan {
    pub(crate) spec: FrontSpec,
    pub(crate) state: FrontState,
    steps: Vec<FrontStep>,
}

impl FrontPlan {
    /// Compares the desired with the observed distribution. Other settings are kept, and so are further
    /// domains.
    #[must_use]
    pub fn new(spec: &FrontSpec, state: &FrontState) -> Self {
        let mut steps = Vec::new();
        if state.access_control.is_none() {
            steps.push(FrontStep::CreateAccessControl);
        }
        if state.cache_policy.is_none() {
            steps.push(FrontStep::CreateCachePolicy);
        }
        match &state.distribution {
            None => steps.push(FrontStep::CreateDistribution),
            Some(there) if !steps.is_empty() || there.settings != wanted(spec, state) => {
                steps.push(FrontStep::UpdateDistribution);
            }
            Some(_) => {}
        }
        Self { spec: spec.clone(), state: state.clone(), steps }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[FrontStep] {
        &self.steps
    }

    /// Whether the distribution is created, so that its domain is not known yet.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.steps.contains(&FrontStep::CreateDistribution)
    }

    /// The distribution, if it exists.
    #[must_use]
    pub fn distribution(&self) -> Option<&Distribution> {
        self.state.distribution.as_ref()
    }
}

/// The settings of the distribution as they should be, with IDs as far as they are known.
pub(crate) fn wanted(spec: &FrontSpec, state: &FrontState) -> Settings {
    let id = |id: &Option<String>| id.clone().unwrap_or_else(|| NEW.to_owned());
    let there = state.distribution.as_ref().map(|there| &there.settings);
    let mut aliases = there.map(|there| there.aliases.clone()).unwrap_or_default();
    if let Some(domain) = spec.domain.as_ref().filter(|domain| !aliases.contains(domain)) {
        aliases.push(domain.clone());
    }
    let certificate = there.and_then(|there| there.certificate_arn.clone());
    Settings {
        enabled: true,
        origin: spec.origin(),
        origin_path: spec.origin_path.clone(),
        access_control: id(&state.access_control),
        cache_policy: id(&state.cache_policy),
        viewer_protocol: HTTPS_ONLY.to_owned(),
        aliases,
        certificate_arn: spec.certificate_arn.clone().or(certificate),
    }
}

impl Describe for FrontPlan {
    fn describe(&self, into: &mut ChangeSet) {
        let there = self.distribution();
        let name = there.map_or_else(|| comment(&self.spec.location), |there| there.id.clone());
        let locator =
            there.map_or_else(|| self.spec.location.to_string(), |there| there.arn.clone());
        let resource = Resource::new(Kind::Distribution, name, locator);
        if self.is_empty() {
            into.push(Change::keep(resource, Reason::Unchanged));
            return;
        }
        let action = if self.creates() { Action::Create } else { Action::Update };
        let before = there.map(|there| &there.settings);
        let fields = fields(before, &wanted(&self.spec, &self.state));
        let lifetime = self
            .steps
            .contains(&FrontStep::CreateCachePolicy)
            .then(|| Field::added("cache_secs", u64::from(self.spec.max_age_secs)));
        into.push(Change::new(resource, action).with_fields(fields.into_iter().chain(lifetime)));
    }
}

/// The settings that differ.
fn fields(before: Option<&Settings>, after: &Settings) -> Vec<Field> {
    let text = |text: &String| (!text.is_empty()).then(|| Value::from(text.as_str()));
    let of = |settings: &Settings| {
        [
            ("enabled", Some(Value::from(settings.enabled))),
            ("origin", text(&settings.origin)),
            ("origin_path", text(&settings.origin_path)),
            ("origin_access_control", text(&settings.access_control)),
            ("cache_policy", text(&settings.cache_policy)),
            ("viewer_protocol_policy", text(&settings.viewer_protocol)),
            (
                "aliases",
                (!settings.aliases.is_empty()).then(|| Value::List(settings.aliases.clone())),
            ),
            ("certificate", settings.certificate_arn.as_deref().map(Value::from)),
        ]
    };
    let now = before.map(of);
    let each = of(after).into_iter().enumerate().filter_map(|(index, (name, after))| {
        let before = now.as_ref().and_then(|now| now[index].1.clone());
        (before != after).then(|| Field::between(name, before, after))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(max_age_secs: u32) -> FrontSpec {
        let location = "s3://my-oidc/prod".parse().unwrap();
        FrontSpec::new(&location, "us-west-2", None, None, max_age_secs).unwrap()
    }

    /// What the plan leads to.
    fn applied(spec: &FrontSpec, state: &FrontState) -> FrontState {
        let ids = FrontState {
            access_control: Some("EOAC".to_owned()),
            cache_policy: Some(spec.cache_policy()),
            distribution: state.distribution.clone(),
        };
        let distribution = Distribution {
            id: "E1".to_owned(),
            arn: "arn:aws:cloudfront::111122223333:distribution/E1".to_owned(),
            domain: "d1.cloudfront.net".to_owned(),
            is_deployed: false,
            settings: wanted(spec, &ids),
        };
        FrontState { distribution: Some(distribution), ..ids }
    }

    #[test]
    fn what_a_plan_makes_needs_no_other_one() {
        let state = applied(&spec(300), &FrontState::default());
        assert!(FrontPlan::new(&spec(300), &state).is_empty());
        let own = FrontSpec { domain: Some("oidc.example.com".to_owned()), ..spec(300) };
        let plan = FrontPlan::new(&own, &state);
        assert_eq!(plan.steps(), [FrontStep::UpdateDistribution]);
        assert!(FrontPlan::new(&own, &applied(&own, &state)).is_empty());
    }

    #[test]
    fn every_setting_that_somebody_changed_is_mended() {
        let state = applied(&spec(300), &FrontState::default());
        let changes: [fn(&mut Settings); 6] = [
            |settings| settings.enabled = false,
            |settings| settings.origin_path = String::new(),
            |settings| settings.access_control = String::new(),
            |settings| settings.cache_policy = "other".to_owned(),
            |settings| settings.viewer_protocol = "allow-all".to_owned(),
            |settings| settings.origin = "other.s3.us-west-2.amazonaws.com".to_owned(),
        ];
        for change in changes {
            let mut changed = state.clone();
            if let Some(there) = &mut changed.distribution {
                change(&mut there.settings);
            }
            let plan = FrontPlan::new(&spec(300), &changed);
            assert_eq!(plan.steps(), [FrontStep::UpdateDistribution]);
            assert_eq!(plan.changes().changes[0].fields.len(), 1, "{plan:?}");
        }
        // A domain that somebody added is theirs.
        let mut more = state;
        if let Some(there) = &mut more.distribution {
            there.settings.aliases.push("other.example.com".to_owned());
        }
        assert!(FrontPlan::new(&spec(300), &more).is_empty());
    }

    #[test]
    fn another_lifetime_is_another_cache_policy() {
        let state = applied(&spec(300), &FrontState::default());
        let plan = FrontPlan::new(&spec(60), &FrontState { cache_policy: None, ..state });
        assert_eq!(plan.steps(), [FrontStep::CreateCachePolicy, FrontStep::UpdateDistribution]);
    }
}

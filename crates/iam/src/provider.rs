//! The provider of an issuer in IAM: observed state, desired state, and the steps in between.

use std::str::FromStr;

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Reason, Resource};
use issuer_discovery::IssuerUrl;

use crate::role::tag_fields;
use crate::tags::{self, CREATED, Tags};
use crate::{Audience, Error, Name, difference};

/// The default quota of providers in an account (IAM quotas).
const QUOTA: usize = 100;

/// Maximum number of thumbprints of a provider (IAM API, `thumbprintListType`).
const THUMBPRINTS: usize = 5;

/// The desired provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSpec {
    /// The issuer.
    pub issuer: IssuerUrl,
    /// Its audiences (client IDs), at least one.
    pub audiences: Vec<Audience>,
    /// Tags to set; other tags are kept.
    pub tags: Tags,
    /// Thumbprints to set; if empty, existing ones are kept, since AWS trusts public certificate
    /// authorities anyway.
    pub thumbprints: Vec<Thumbprint>,
    /// Remove audiences that are not desired.
    pub prune: bool,
}

/// SHA-1 of a certificate's DER in lower-case hexadecimal digits (IAM API, `thumbprintType`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbprint(String);

/// An existing provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its ARN.
    pub arn: String,
    /// Its audiences.
    pub audiences: Vec<String>,
    /// Its thumbprints.
    pub thumbprints: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

/// The observed state: the provider of one issuer, and the other providers in the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderState {
    /// The ARN that the provider has, or will have.
    pub arn: String,
    /// The provider itself.
    pub provider: Option<Provider>,
    /// ARNs of the account's other providers.
    pub others: Vec<String>,
}

/// One call that changes the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderStep {
    /// `CreateOpenIDConnectProvider`.
    Create {
        /// `https://…`.
        url: String,
        /// Client IDs.
        audiences: Vec<String>,
        /// May be empty.
        thumbprints: Vec<String>,
        /// Tags, including those of issuerctl.
        tags: Tags,
    },
    /// `AddClientIDToOpenIDConnectProvider`.
    AddAudience(String),
    /// `RemoveClientIDFromOpenIDConnectProvider`.
    RemoveAudience(String),
    /// `UpdateOpenIDConnectProviderThumbprint`, which replaces the list.
    SetThumbprints {
        /// The current value.
        from: Vec<String>,
        /// The new value.
        to: Vec<String>,
    },
    /// `TagOpenIDConnectProvider`.
    Tag {
        /// The current tags with the same keys.
        from: Tags,
        /// The new value.
        to: Tags,
    },
}

/// The steps to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPlan {
    /// The provider.
    pub arn: String,
    /// The steps, in order.
    pub steps: Vec<ProviderStep>,
    /// Audiences that are not requested, and kept.
    pub kept: Vec<String>,
    /// Warnings for the user, each with its id.
    pub(crate) notices: Vec<(&'static str, String)>,
    /// Whether the execution has changed something.
    pub(crate) wrote: bool,
}

impl ProviderState {
    /// The same provider, among all providers of its account.
    #[must_use]
    pub fn among(self, all: &[String]) -> Self {
        let others = all.iter().filter(|arn| **arn != self.arn).cloned().collect();
        Self { others, ..self }
    }

    /// The other provider whose ARN is most like that of this one, and how it differs.
    #[must_use]
    pub fn nearest(&self) -> Option<(&str, String)> {
        difference::nearest(self.others.iter().map(String::as_str), &self.arn)
    }
}

impl Thumbprint {
    /// The 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Thumbprint {
    type Err = Error;

    /// Colons between the digits, as openssl prints them, are ignored.
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.replace(':', "").to_ascii_lowercase();
        if digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(digits))
        } else {
            let reason = "it is the SHA-1 of a certificate in 40 hexadecimal digits";
            Err(Error::invalid(Name::Thumbprint, text, reason))
        }
    }
}

impl Provider {
    /// Whether issuerctl created it, according to its tags.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.tags.contains_key(CREATED)
    }

    /// Checks that it may be deleted; `force` is required if issuerctl did not create it.
    ///
    /// # Errors
    /// [`Error::Adopted`].
    pub fn may_be_deleted(&self, force: bool) -> Result<(), Error> {
        if self.is_ours() || force { Ok(()) } else { Err(Error::Adopted { arn: self.arn.clone() }) }
    }
}

impl ProviderPlan {
    /// Compares the desired with the observed state.
    ///
    /// # Errors
    /// [`Error::Nothing`] without an audience; [`Error::Thumbprints`].
    pub fn new(spec: &ProviderSpec, found: &ProviderState) -> Result<Self, Error> {
        if spec.audiences.is_empty() {
            return Err(Error::Nothing { what: "audience" });
        }
        let count = thumbprints(spec).len();
        if count > THUMBPRINTS {
            return Err(Error::Thumbprints { count, limit: THUMBPRINTS });
        }
        let mut plan = Self {
            arn: found.arn.clone(),
            steps: Vec::new(),
            kept: Vec::new(),
            notices: near(found),
            wrote: false,
        };
        match &found.provider {
            None => plan.create(spec, found),
            Some(provider) => plan.reconcile(spec, provider),
        }
        Ok(plan)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether this run changes anything, or has changed something.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.wrote || !self.is_empty()
    }

    /// Whether the execution has changed something, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.wrote
    }

    fn create(&mut self, spec: &ProviderSpec, found: &ProviderState) {
        let count = found.others.len() + 1;
        if count * 10 > QUOTA * 9 {
            let message =
                format!("this is provider {count} in the account; the default quota is {QUOTA}");
            self.notices.push(("provider-quota", message));
        }
        let mut tags = spec.tags.clone();
        tags.insert(CREATED.to_owned(), "true".to_owned());
        self.steps.push(ProviderStep::Create {
            url: spec.issuer.to_string(),
            audiences: unique(spec),
            thumbprints: thumbprints(spec),
            tags,
        });
    }

    fn reconcile(&mut self, spec: &ProviderSpec, provider: &Provider) {
        if !provider.is_ours() {
            let message =
                "issuerctl did not create the provider; only what is requested is changed";
            self.notices.push(("unmanaged-provider", message.to_owned()));
        }
        let wanted = unique(spec);
        let missing = wanted.iter().filter(|audience| !provider.audiences.contains(audience));
        self.steps.extend(missing.cloned().map(ProviderStep::AddAudience));
        let unknown =
            provider.audiences.iter().filter(|audience| !wanted.contains(audience)).cloned();
        if spec.prune {
            for audience in unknown {
                let message = format!(
                    "the provider will no longer accept tokens for the audience {audience}"
                );
                self.notices.push(("provider-audience-removed", message));
                self.steps.push(ProviderStep::RemoveAudience(audience));
            }
        } else {
            self.kept = unknown.collect();
        }
        let thumbprints = thumbprints(spec);
        let same = |a: &[String], b: &[String]| {
            a.len() == b.len()
                && a.iter().all(|one| b.iter().any(|other| one.eq_ignore_ascii_case(other)))
        };
        if !thumbprints.is_empty() && !same(&thumbprints, &provider.thumbprints) {
            let is_kept =
                |one: &&String| thumbprints.iter().any(|kept| kept.eq_ignore_ascii_case(one));
            for thumbprint in provider.thumbprints.iter().filter(|one| !is_kept(one)) {
                let message = format!(
                    "the provider loses the thumbprint {thumbprint}: AWS then refuses certificates of \
                     that CA, unless it knows the CA itself"
                );
                self.notices.push(("thumbprint-removed", message));
            }
            self.steps.push(ProviderStep::SetThumbprints {
                from: provider.thumbprints.clone(),
                to: thumbprints,
            });
        }
        let tags = tags::missing(&spec.tags, &provider.tags);
        if !tags.is_empty() {
            self.steps
                .push(ProviderStep::Tag { from: tags::before(&provider.tags, &tags), to: tags });
        }
    }
}

impl Describe for ProviderPlan {
    fn describe(&self, into: &mut ChangeSet) {
        for (id, message) in &self.notices {
            into.notice(id, message.clone());
        }
        let resource = provider_resource(&self.arn);
        let creates = self.steps.iter().any(|step| matches!(step, ProviderStep::Create { .. }));
        let change = match (creates, self.steps.is_empty()) {
            (true, _) => Change::new(resource, Action::Create),
            (false, true) => Change::keep(resource, Reason::Unchanged),
            (false, false) => Change::new(resource, Action::Update),
        };
        let kept =
            |audience: &String| Field::kept("audience", audience.as_str(), Reason::NotRequested);
        let fields = self.steps.iter().flat_map(fields);
        into.push(change.with_fields(fields).with_fields(self.kept.iter().map(kept)));
    }
}

impl Provider {
    /// Its resource in a change set.
    #[must_use]
    pub fn resource(&self) -> Resource {
        provider_resource(&self.arn)
    }
}

/// Named by its URL without the scheme, as in IAM.
fn provider_resource(arn: &str) -> Resource {
    let name = arn.split_once(":oidc-provider/").map_or(arn, |(_, name)| name);
    Resource::new(Kind::OidcProvider, name, arn)
}

fn fields(step: &ProviderStep) -> Vec<Field> {
    let list = |name: &'static str, values: &[String]| -> Vec<Field> {
        values.iter().map(|value| Field::added(name, value.as_str())).collect()
    };
    match step {
        ProviderStep::Create { audiences, thumbprints, tags, .. } => [
            list("audience", audiences),
            list("thumbprint", thumbprints),
            tag_fields(&Tags::new(), tags),
        ]
        .concat(),
        ProviderStep::AddAudience(audience) => vec![Field::added("audience", audience.as_str())],
        ProviderStep::RemoveAudience(audience) => {
            vec![Field::removed("audience", audience.as_str())]
        }
        ProviderStep::SetThumbprints { from, to } => {
            let removed = from.iter().filter(|thumbprint| !to.contains(thumbprint));
            let added: Vec<String> =
                to.iter().filter(|thumbprint| !from.contains(thumbprint)).cloned().collect();
            let removed = removed.map(|value| Field::removed("thumbprint", value.as_str()));
            removed.chain(list("thumbprint", &added)).collect()
        }
        ProviderStep::Tag { from, to } => tag_fields(from, to),
    }
}

/// Providers that differ only in letter case or a trailing slash: a token matches only one of them.
fn near(found: &ProviderState) -> Vec<(&'static str, String)> {
    let plain = |arn: &str| arn.trim_end_matches('/').to_ascii_lowercase();
    let near = found
        .others
        .iter()
        .filter(|other| **other != found.arn && plain(other) == plain(&found.arn));
    near.map(|other| {
        let message = format!(
            "there is also {other}, which differs only in letter case or a trailing slash; a token \
             matches only one of them"
        );
        ("similar-provider", message)
    })
    .collect()
}

fn unique(spec: &ProviderSpec) -> Vec<String> {
    let mut audiences: Vec<String> = Vec::new();
    for audience in &spec.audiences {
        if !audiences.iter().any(|present| present == audience.as_str()) {
            audiences.push(audience.to_string());
        }
    }
    audiences
}

/// The thumbprints without duplicates.
fn thumbprints(spec: &ProviderSpec) -> Vec<String> {
    let mut each: Vec<String> = Vec::new();
    for thumbprint in &spec.thumbprints {
        if !each.iter().any(|present| present == thumbprint.as_str()) {
            each.push(thumbprint.as_str().to_owned());
        }
    }
    each
}

#[cfg(test)]
mod tests {
    use super::*;
    use issuer_discovery::Ports;

    const ARN: &str = "arn:aws:iam::111122223333:oidc-provider/h.example/Prod";

    fn spec(audiences: &[&str]) -> ProviderSpec {
        ProviderSpec {
            issuer: IssuerUrl::parse("https://h.example/Prod", Ports::Refuse).unwrap(),
            audiences: audiences.iter().map(|text| text.parse().unwrap()).collect(),
            tags: Tags::from([("team".to_owned(), "platform".to_owned())]),
            thumbprints: Vec::new(),
            prune: false,
        }
    }

    fn found(provider: Option<Provider>, others: &[&str]) -> ProviderState {
        ProviderState {
            arn: ARN.to_owned(),
            provider,
            others: others.iter().map(|arn| (*arn).to_owned()).collect(),
        }
    }

    fn by_hand() -> Provider {
        let audiences = ["theirs", "sts.amazonaws.com"].map(str::to_owned).to_vec();
        Provider {
            arn: ARN.to_owned(),
            audiences,
            thumbprints: vec!["A".repeat(40)],
            tags: Tags::new(),
        }
    }

    #[test]
    fn a_new_provider_has_no_thumbprint_and_is_tagged() {
        let plan = ProviderPlan::new(
            &spec(&["sts.amazonaws.com", "sts.amazonaws.com"]),
            &found(None, &[]),
        )
        .unwrap();
        assert!(plan.notices.is_empty());
        let [ProviderStep::Create { url, audiences, thumbprints, tags }] = &plan.steps[..] else {
            panic!("{plan:?}")
        };
        assert_eq!(
            (url.as_str(), audiences.len(), thumbprints.len()),
            ("https://h.example/Prod", 1, 0)
        );
        assert_eq!((tags[CREATED].as_str(), tags["team"].as_str()), ("true", "platform"));
    }

    #[test]
    fn an_unmanaged_provider_keeps_its_audiences_and_thumbprints_until_pruned() {
        let mut wanted = spec(&["sts.amazonaws.com", "more"]);
        let plan = ProviderPlan::new(&wanted, &found(Some(by_hand()), &[])).unwrap();
        let tags = Tags::from([("team".to_owned(), "platform".to_owned())]);
        let tag = ProviderStep::Tag { from: Tags::new(), to: tags };
        assert_eq!(plan.steps, [ProviderStep::AddAudience("more".to_owned()), tag]);
        assert_eq!((plan.kept.as_slice(), plan.notices.len()), (&["theirs".to_owned()][..], 1));
        wanted.prune = true;
        let plan = ProviderPlan::new(&wanted, &found(Some(by_hand()), &[])).unwrap();
        assert!(plan.steps.contains(&ProviderStep::RemoveAudience("theirs".to_owned())));
        let ids = |plan: &ProviderPlan| plan.notices.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(ids(&plan), ["unmanaged-provider", "provider-audience-removed"]);
        wanted.thumbprints = vec!["aa:".repeat(20).trim_end_matches(':').parse().unwrap()];
        let plan = ProviderPlan::new(&wanted, &found(Some(by_hand()), &[])).unwrap();
        assert!(
            !plan.steps.iter().any(|step| matches!(step, ProviderStep::SetThumbprints { .. })),
            "the same in upper case"
        );
    }

    #[test]
    fn an_up_to_date_provider_needs_no_steps() {
        let mut provider = by_hand();
        provider.tags = Tags::from([
            ("team".to_owned(), "platform".to_owned()),
            ("x".to_owned(), "y".to_owned()),
        ]);
        assert!(
            ProviderPlan::new(&spec(&["sts.amazonaws.com"]), &found(Some(provider), &[]))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn similar_providers_and_a_nearly_exhausted_quota_are_reported() {
        let near = [
            "arn:aws:iam::111122223333:oidc-provider/h.example/prod",
            "arn:aws:iam::111122223333:oidc-provider/h.example/Prod/",
        ];
        let plan = ProviderPlan::new(&spec(&["a"]), &found(None, &near)).unwrap();
        assert_eq!(plan.notices.len(), 2, "{:?}", plan.notices);
        let many: Vec<String> =
            (0..95).map(|n| format!("arn:aws:iam::111122223333:oidc-provider/x/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(ProviderPlan::new(&spec(&["a"]), &found(None, &many)).unwrap().notices.len(), 1);
    }

    #[test]
    fn duplicate_thumbprints_count_once_and_too_many_are_rejected() {
        let print = |digit: char| digit.to_string().repeat(40).parse::<Thumbprint>().unwrap();
        let mut wanted = spec(&["a"]);
        wanted.thumbprints = vec![print('a'), print('a')];
        let plan = ProviderPlan::new(&wanted, &found(None, &[])).unwrap();
        assert!(
            matches!(&plan.steps[..], [ProviderStep::Create { thumbprints, .. }] if thumbprints.len() == 1)
        );
        wanted.thumbprints = "abcdef".chars().map(print).collect();
        assert!(matches!(
            ProviderPlan::new(&wanted, &found(None, &[])),
            Err(Error::Thumbprints { count: 6, .. })
        ));
    }

    #[test]
    fn thumbprints_are_forty_digits() {
        assert_eq!(
            "AA:".repeat(20).trim_end_matches(':').parse::<Thumbprint>().unwrap().as_str(),
            "a".repeat(40)
        );
        for text in ["", "aa", "auto", &"g".repeat(40), &"a".repeat(41)] {
            assert!(text.parse::<Thumbprint>().is_err(), "{text}");
        }
    }
}

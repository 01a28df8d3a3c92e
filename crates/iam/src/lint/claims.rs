//! The conditions on `aud` and `sub` (IAM user guide, "Create a role for OpenID Connect
//! federation"; STS wants both claims in every token).

use super::findings::{Findings, Topic, list};
use super::keys::{Astray, Key};
use super::operator::{Base, How};
use super::options::Wanted;
use super::statement::{Condition, Statement};
use super::subject::{Reach, reach};

/// Names what is wrong with the conditions of a statement.
pub(super) fn judge(statement: &Statement<'_>, wanted: &Wanted, findings: &mut Findings) {
    let claims = [("aud", Topic::Aud), ("sub", Topic::Sub)].map(|(name, topic)| Claim {
        name,
        topic,
        conditions: on(statement, name).collect(),
        label: &statement.label,
    });
    keys(statement, wanted, &claims, findings);
    for claim in &claims {
        claim.judge_operators(statement, wanted, findings);
        claim.judge_wildcards(wanted, findings);
    }
    others(statement, wanted, &claims, findings);
    audiences(&claims[0], wanted, findings);
    subjects(&claims[1], findings);
}

/// What a statement says of one claim.
struct Claim<'s> {
    name: &'static str,
    topic: Topic,
    /// Those under a key of this issuer.
    conditions: Vec<&'s Condition<'s>>,
    label: &'s str,
}

impl<'s> Claim<'s> {
    /// The conditions that say what the claim must be, and how they compare.
    fn bounds(&self) -> impl Iterator<Item = (&'s Condition<'s>, How)> {
        self.conditions
            .iter()
            .filter_map(|condition| Some((*condition, condition.operator.positive()?)))
    }

    /// Whether anything says what the claim must be.
    fn is_bound(&self) -> bool {
        self.bounds().next().is_some()
    }

    /// Whether a key that is not this issuer's stands where one for this claim should. One without
    /// a claim may be either.
    fn is_meant(&self, key: &Key) -> bool {
        matches!(key, Key::Astray { claim, .. } if claim == self.name || claim.is_empty())
    }

    fn judge_operators(&self, statement: &Statement<'_>, wanted: &Wanted, findings: &mut Findings) {
        let (name, label) = (self.name, self.label);
        let mut wrong = false;
        for condition in &self.conditions {
            let operator = condition.operator;
            let used = format!("{label} has {} for {name}", condition.operator_name);
            let fix =
                format!("use StringEquals, or StringLike where a value of {name} has a wildcard");
            let never = operator.base == Base::Null && !operator.holds(&condition.values, Some(""));
            if operator.base == Base::Unknown {
                // Named where the form of the policy is judged.
                wrong = true;
                findings.touch(self.topic);
            } else if operator.base == Base::Other || never {
                wrong = true;
                findings.fail(
                    self.topic,
                    "operator-wrong",
                    used,
                    "no token is let in: it compares no texts",
                    fix,
                );
            } else if operator.positive().is_some() && operator.set.is_some() {
                let consequence = "ForAnyValue and ForAllValues are for keys with several values, \
                                   and this has one; ForAllValues also holds where there is none";
                findings.warn(self.topic, "operator-set", used, consequence, fix);
            } else if operator.positive().is_some() && operator.if_exists {
                let consequence = format!(
                    "it would let tokens without {name} in; only that STS refuses them protects"
                );
                findings.warn(self.topic, "operator-if-exists", used, consequence, fix);
            } else if operator.is_negated() && !self.is_bound() {
                wrong = true;
                let consequence = format!("every token whose {name} is another one is let in");
                findings.fail(self.topic, "operator-negated", used, consequence, fix);
            }
        }
        let meant = statement.conditions.iter().any(|condition| self.is_meant(&condition.key));
        if !self.is_bound() && !wrong && !meant {
            self.missing(wanted, findings);
        }
        if self.bounds().any(|(condition, _)| condition.values.is_empty() && condition.well_formed)
        {
            findings.fail(
                self.topic,
                "condition-empty",
                format!("{label} has no value for {name}"),
                "no token is let in",
                format!("give the value that {name} must have"),
            );
        }
    }

    fn missing(&self, wanted: &Wanted, findings: &mut Findings) {
        let message = format!("{} has no condition on {}", self.label, self.name);
        let issuer = &wanted.issuer;
        if self.name == "aud" {
            findings.fail(
                self.topic,
                "aud-missing",
                message,
                "tokens that were made for another audience of the provider get the role too; sub \
                 does not replace aud",
                format!("add \"{issuer}:aud\": \"{}\" under StringEquals", wanted.audiences[0]),
            );
        } else {
            let subject =
                wanted.subject.as_deref().unwrap_or("system:serviceaccount:NAMESPACE:NAME");
            findings.fail(
                self.topic,
                "sub-missing",
                message,
                "every service account of the cluster gets the role; aud does not replace sub",
                format!("add \"{issuer}:sub\": \"{subject}\" under StringEquals"),
            );
        }
    }

    /// `*` and `?` are plain characters but under StringLike.
    fn judge_wildcards(&self, wanted: &Wanted, findings: &mut Findings) {
        for (condition, _) in self.bounds().filter(|(_, how)| *how != How::Like) {
            // An audience may have such a character itself.
            let meant = |value: &str| {
                self.name == "aud" && wanted.audiences.iter().any(|audience| audience == value)
            };
            let values = condition.values.iter().map(String::as_str);
            let values: Vec<&str> = values.filter(|value| wild(value) && !meant(value)).collect();
            if !values.is_empty() {
                findings.fail(
                    self.topic,
                    "wildcard-equals",
                    format!(
                        "{} has {} for {} under {}",
                        self.label,
                        list(&values),
                        self.name,
                        condition.operator_name
                    ),
                    "it never matches: there * and ? are plain characters",
                    if self.name == "aud" {
                        format!("write {}", list(&wanted.audiences))
                    } else {
                        "use StringLike for sub, with wildcards in the name or the namespace and \
                         not in both"
                            .to_owned()
                    },
                );
            }
        }
    }
}

/// Keys that are not this issuer's: their claims are never there.
fn keys(
    statement: &Statement<'_>,
    wanted: &Wanted,
    claims: &[Claim<'_>; 2],
    findings: &mut Findings,
) {
    let label = &statement.label;
    let fix = format!("write {0}:aud and {0}:sub", wanted.issuer);
    for (fault, id, what) in [
        (Astray::Scheme, "key-scheme", "with https:// in it"),
        (Astray::Slash, "key-slash", "with a slash behind the issuer"),
        (Astray::Issuer, "key-issuer", "which names no claim of this issuer"),
    ] {
        let (mut names, mut never) = (Vec::new(), false);
        for condition in &statement.conditions {
            if !matches!(&condition.key, Key::Astray { fault: this, .. } if *this == fault) {
                continue;
            }
            let keeps_out = !condition.operator.holds(&condition.values, None);
            let meant: Vec<&Claim<'_>> =
                claims.iter().filter(|claim| claim.is_meant(&condition.key)).collect();
            if keeps_out || meant.iter().any(|claim| !claim.is_bound()) {
                never |= keeps_out;
                names.push(condition.key_name);
                meant.iter().for_each(|claim| findings.touch(claim.topic));
            }
        }
        names.dedup();
        if !names.is_empty() {
            let topic = claims
                .iter()
                .find(|claim| !claim.is_bound())
                .map_or(Topic::Sub, |claim| claim.topic);
            let consequence = if never {
                "no token is let in: no request has such a key"
            } else {
                "it asks for nothing"
            };
            findings.fail(
                topic,
                id,
                format!("{label} has the condition key {}, {what}", list(&names)),
                consequence,
                &*fix,
            );
        }
    }
    for condition in &statement.conditions {
        match &condition.key {
            Key::Ours { claim }
                if claim != "aud"
                    && claim != "sub"
                    && condition.met("", Some("")) == Some(false) =>
            {
                findings.fail(
                    Topic::Statement,
                    "key-claim",
                    format!("{label} has a condition on {:?}", condition.key_name),
                    "no token is let in: those of service accounts have no such claim that IAM \
                     reads",
                    "take it out",
                );
            }
            Key::Context => findings.warn(
                Topic::Statement,
                "key-other",
                format!("{label} has a condition on {:?}", condition.key_name),
                "whether a token is let in depends on the request too, which is not judged here",
                "make sure that requests of the pods meet it",
            ),
            _ => {}
        }
    }
}

/// Tokens of other issuers do not have this issuer's keys, so a statement for several providers
/// needs a condition that asks for one of them.
fn others(
    statement: &Statement<'_>,
    wanted: &Wanted,
    claims: &[Claim<'_>; 2],
    findings: &mut Findings,
) {
    let mut ours = claims.iter().flat_map(|claim| &claim.conditions).peekable();
    let lax = ours.peek().is_some()
        && ours.all(|condition| condition.operator.holds(&condition.values, None));
    if lax && statement.has_other_providers(wanted) {
        findings.fail(
            Topic::Provider,
            "provider-others",
            format!(
                "{} is for other providers too, and its conditions hold where {}'s claims are not \
                 there",
                statement.label, wanted.issuer
            ),
            "every token of the other providers is let in",
            "give each provider a statement of its own, with StringEquals or StringLike",
        );
    }
}

fn audiences(claim: &Claim<'_>, wanted: &Wanted, findings: &mut Findings) {
    let label = claim.label;
    for (condition, how) in claim.bounds() {
        let taken =
            |value: &&str| wanted.audiences.iter().any(|audience| how.is_met(value, audience));
        let values: Vec<&str> = condition.values.iter().map(String::as_str).collect();
        let (wild, plain): (Vec<&str>, Vec<&str>) =
            values.iter().copied().partition(|value| wild(value));
        if how == How::Like && wild.iter().any(taken) {
            findings.warn(
                Topic::Aud,
                "aud-wildcard",
                format!("{label} has {} for aud", list(&wild)),
                "tokens for other audiences of the provider are let in too",
                format!("write {}", list(&wanted.audiences)),
            );
        }
        let foreign: Vec<&str> = plain.into_iter().filter(|value| !taken(value)).collect();
        let (case, extra): (Vec<&str>, Vec<&str>) = foreign.into_iter().partition(|value| {
            wanted.audiences.iter().any(|audience| audience.eq_ignore_ascii_case(value))
        });
        if !case.is_empty() {
            findings.fail(
                Topic::Aud,
                "aud-case",
                format!(
                    "{label} has {} for aud, which differs in case from what tokens have",
                    list(&case)
                ),
                "it never matches: values are compared letter by letter",
                format!("write {}", list(&wanted.audiences)),
            );
        }
        // Where no value is an expected one, that says it all.
        if !extra.is_empty() && values.iter().any(taken) {
            findings.warn(
                Topic::Aud,
                "aud-extra",
                format!("{label} also takes {} for aud", list(&extra)),
                "tokens that were made for others get the role too, where the provider has that \
                 audience",
                "take it out unless you use it",
            );
        }
    }
}

fn subjects(claim: &Claim<'_>, findings: &mut Findings) {
    let label = claim.label;
    let narrow = |(condition, how): (&Condition<'_>, How)| {
        condition.values.iter().all(|value| matches!(reach_of(value, how), Some(Reach::One)))
    };
    // Conditions add up: where one of them is narrow, the others are no danger.
    let is_narrow = claim.bounds().any(narrow);
    for (condition, how) in claim.bounds() {
        let that = |wanted: &[Reach]| -> Vec<&str> {
            let values = condition.values.iter().map(String::as_str);
            values
                .filter(|value| reach_of(value, how).is_some_and(|reach| wanted.contains(&reach)))
                .collect()
        };
        let (wide, some) = (that(&[Reach::Wide]), that(&[Reach::Names, Reach::Namespaces]));
        let (nobody, case) = (that(&[Reach::Nobody]), that(&[Reach::NobodyForCase]));
        if !wide.is_empty() && !is_narrow {
            findings.fail(
                Topic::Sub,
                "sub-wide",
                format!(
                    "{label} has {} for sub, a wildcard for namespace and name at once",
                    list(&wide)
                ),
                "service accounts of namespaces that anybody may have made get the role",
                "name the namespace and the colon behind it: system:serviceaccount:NAMESPACE:*",
            );
        }
        if !some.is_empty() && !is_narrow {
            findings.warn(
                Topic::Sub,
                "sub-wildcard",
                format!("{label} has {} for sub", list(&some)),
                "whoever may make a service account of such a name gets the role",
                "name the service accounts, where you know them",
            );
        }
        if !nobody.is_empty() {
            findings.fail(
                Topic::Sub,
                "sub-form",
                format!("{label} has {} for sub", list(&nobody)),
                "it never matches: no service account has such a subject",
                "write system:serviceaccount:NAMESPACE:NAME",
            );
        }
        if !case.is_empty() {
            findings.fail(
                Topic::Sub,
                "sub-case",
                format!("{label} has {} for sub, with upper case", list(&case)),
                "it never matches: values are compared letter by letter, and names in Kubernetes \
                 are in lower case",
                format!(
                    "write {}",
                    list(&case.iter().map(|text| text.to_lowercase()).collect::<Vec<_>>())
                ),
            );
        }
    }
}

/// How far a value reaches; `None` where it has wildcards that are none there.
fn reach_of(value: &str, how: How) -> Option<Reach> {
    match how {
        How::Like => Some(reach(value)),
        _ if wild(value) => None,
        How::Equals => Some(reach(value)),
        How::EqualsIgnoreCase => Some(reach(&value.to_lowercase())),
    }
}

fn on<'s>(
    statement: &'s Statement<'_>,
    name: &'static str,
) -> impl Iterator<Item = &'s Condition<'s>> {
    statement
        .conditions
        .iter()
        .filter(move |condition| matches!(&condition.key, Key::Ours { claim } if claim == name))
}

fn wild(text: &str) -> bool {
    text.contains(['*', '?'])
}

//! The conditions on `aud` and `sub` (IAM user guide, "Create a role for OpenID Connect
//! federation"; STS requires both claims in every token).

use super::context;
use super::findings::{Findings, Topic, list};
use super::keys::{Astray, Key};
use super::operator::{Base, How};
use super::options::Wanted;
use super::statement::{Condition, Statement};
use super::subject::{Reach, reach};
use super::together;
use crate::difference::{difference, invisible};

/// Reports what is wrong with the conditions of a statement.
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
    let before = findings.failures();
    audiences(&claims[0], wanted, findings);
    subjects(&claims[1], findings);
    if findings.failures() == before {
        claims.iter().for_each(|claim| claim.judge_together(findings));
    }
}

/// What a statement requires of one claim.
struct Claim<'s> {
    name: &'static str,
    topic: Topic,
    /// Those under a key of this issuer.
    conditions: Vec<&'s Condition<'s>>,
    label: &'s str,
}

impl<'s> Claim<'s> {
    /// The conditions that require a value of the claim, and how they compare.
    fn bounds(&self) -> impl Iterator<Item = (&'s Condition<'s>, How)> {
        self.conditions
            .iter()
            .filter_map(|condition| Some((*condition, condition.operator.positive()?)))
    }

    /// Whether any condition requires a value of the claim.
    fn is_bound(&self) -> bool {
        self.bounds().next().is_some()
    }

    /// Whether a key that is not this issuer's is probably meant for this claim. One without a
    /// claim may be meant for either.
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
                format!("use StringEquals, or StringLike if a value of {name} has a wildcard");
            let never = operator.base == Base::Null && !operator.holds(&condition.values, Some(""));
            if operator.base == Base::Unknown {
                // Reported by the checks of the grammar.
                wrong = true;
                findings.touch(self.topic);
            } else if matches!(operator.base, Base::Bool | Base::Other { .. }) || never {
                wrong = true;
                findings.fail(
                    self.topic,
                    "operator-wrong",
                    used,
                    "no token is allowed: it does not compare strings",
                    fix,
                );
            } else if operator.positive().is_some() && operator.set.is_some() {
                let consequence = "ForAnyValue and ForAllValues are for keys with several values, \
                                   and this has one; ForAllValues is also met if there is none";
                findings.warn(self.topic, "operator-set", used, consequence, fix);
            } else if operator.positive().is_some() && operator.if_exists {
                let consequence = format!(
                    "it would allow tokens without {name}; only STS, which refuses them, prevents \
                     that"
                );
                findings.warn(self.topic, "operator-if-exists", used, consequence, fix);
            } else if operator.is_negated() && !self.is_bound() {
                wrong = true;
                let consequence = format!("every token with another {name} is allowed");
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
                "no token is allowed",
                format!("add the value that {name} must have"),
            );
        }
    }

    fn judge_together(&self, findings: &mut Findings) {
        let named = |condition: &&Condition<'_>| {
            format!("{} {}", condition.operator_name, list(&condition.values))
        };
        if self.conditions.len() > 1 && self.is_bound() && !together::is_possible(&self.conditions)
        {
            let conditions: Vec<String> = self.conditions.iter().map(named).collect();
            findings.fail(
                self.topic,
                if self.name == "aud" { "aud-contradiction" } else { "sub-contradiction" },
                format!(
                    "{} has conditions on {} that no value meets together: {}",
                    self.label,
                    self.name,
                    conditions.join(" and ")
                ),
                "no token is allowed: all conditions of a statement must be met",
                "keep one of them, or write a statement for each",
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
                "tokens that were issued for another audience of the provider can assume the role \
                 too; sub does not replace aud",
                format!("add \"{issuer}:aud\": \"{}\" under StringEquals", wanted.audiences[0]),
            );
        } else {
            let subject =
                wanted.subject.as_deref().unwrap_or("system:serviceaccount:NAMESPACE:NAME");
            findings.fail(
                self.topic,
                "sub-missing",
                message,
                "every service account of the cluster can assume the role; aud does not replace \
                 sub",
                format!("add \"{issuer}:sub\": \"{subject}\" under StringEquals"),
            );
        }
    }

    /// `*` and `?` are wildcards only with StringLike.
    fn judge_wildcards(&self, wanted: &Wanted, findings: &mut Findings) {
        for (condition, _) in self.bounds().filter(|(_, how)| *how != How::Like) {
            // An audience may contain such a character itself.
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
                    "it never matches: * and ? are plain characters with this operator",
                    if self.name == "aud" {
                        format!("write {}", list(&wanted.audiences))
                    } else {
                        "use StringLike for sub, with wildcards in the name or in the namespace, \
                         not in both"
                            .to_owned()
                    },
                );
            }
        }
    }
}

/// Keys that are not this issuer's: tokens never have their claims.
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
        (Astray::Slash, "key-slash", "with a slash after the issuer"),
        (Astray::Issuer, "key-issuer", "which is not a claim of this issuer"),
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
                "no token is allowed: no request has such a key"
            } else {
                "it requires nothing"
            };
            let mut message = format!("{label} has the condition key {}, {what}", list(&names));
            if let (Astray::Issuer, [name]) = (fault, &names[..])
                && let Some(how) = difference_of_key(name, &wanted.issuer)
            {
                message = format!("{label} has the condition key {name:?}, {how}");
            }
            findings.fail(topic, id, message, consequence, &*fix);
        }
    }
    for condition in &statement.conditions {
        match &condition.key {
            Key::Ours { claim } if claim != "aud" && claim != "sub" => {
                other_claim(label, condition, claim, findings);
            }
            Key::Context => context::judge(label, condition, wanted, findings),
            _ => {}
        }
    }
}

/// AWS offers few claims as condition keys (IAM user guide, "IAM and AWS STS condition context
/// keys"), and a service-account token has only aud and sub of them.
fn other_claim(label: &str, condition: &Condition<'_>, claim: &str, findings: &mut Findings) {
    let kubernetes = claim.contains("kubernetes")
        || ["namespace", "serviceaccount", "pod", "node", "groups"].contains(&claim);
    let message = format!("{label} has a condition on {:?}", condition.key_name);
    let message = if kubernetes {
        format!("{message}, but AWS offers no claim of Kubernetes as a condition key")
    } else {
        message
    };
    let fix = if kubernetes {
        "remove it, and write namespace and name into sub: system:serviceaccount:NAMESPACE:NAME"
    } else {
        "remove it"
    };
    if condition.met("", Some("")) == Some(false) {
        let never = "no token is allowed: service-account tokens have no such claim that IAM \
                     evaluates";
        findings.fail(Topic::Statement, "key-claim", message, never, fix);
    } else {
        findings.warn(Topic::Statement, "key-claim", message, "it requires nothing", fix);
    }
}

/// Tokens of other issuers do not have this issuer's keys, so a statement for several providers
/// needs a condition that requires one of them.
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
                "{} is for other providers too, and its conditions are met if {}'s claims do not \
                 exist",
                statement.label, wanted.issuer
            ),
            "every token of the other providers is allowed",
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
                "tokens for other audiences of the provider are allowed too",
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
                    "{label} has {} for aud, which differs in case from the audience of the tokens",
                    list(&case)
                ),
                "it never matches: values are case-sensitive",
                format!("write {}", list(&wanted.audiences)),
            );
        }
        // If no value is an expected one, aud-mismatch is reported instead.
        if !extra.is_empty() && values.iter().any(taken) {
            findings.warn(
                Topic::Aud,
                "aud-extra",
                format!("{label} also allows {} for aud", list(&extra)),
                "tokens that were issued for other services can assume the role too, if the \
                 provider has that audience",
                "remove it unless you use it",
            );
        }
    }
}

fn subjects(claim: &Claim<'_>, findings: &mut Findings) {
    let label = claim.label;
    let narrow = |(condition, how): (&Condition<'_>, How)| {
        condition.values.iter().all(|value| matches!(reach_of(value, how), Some(Reach::One)))
    };
    // All conditions must be met: if one of them is narrow, the others do no harm.
    let is_narrow = claim.bounds().any(narrow);
    for (condition, how) in claim.bounds() {
        let that = |wanted: &[Reach]| -> Vec<&str> {
            let values = condition.values.iter().map(String::as_str);
            values
                .filter(|value| reach_of(value, how).is_some_and(|reach| wanted.contains(&reach)))
                .collect()
        };
        let (wide, some) =
            (that(&[Reach::Wide]), that(&[Reach::Names, Reach::Namespaces, Reach::Both]));
        let (nobody, case) = (that(&[Reach::Nobody]), that(&[Reach::NobodyForCase]));
        if !wide.is_empty() && !is_narrow {
            findings.fail(
                Topic::Sub,
                "sub-wide",
                format!(
                    "{label} has {} for sub, a wildcard for namespace and name at once",
                    list(&wide)
                ),
                "service accounts in namespaces of any name, whoever created them, can assume the \
                 role",
                "write the namespace and the colon after it: system:serviceaccount:NAMESPACE:*",
            );
        }
        if !some.is_empty() && !is_narrow {
            findings.warn(
                Topic::Sub,
                "sub-wildcard",
                format!("{label} has {} for sub", list(&some)),
                "anyone who can create a service account that matches can assume the role",
                "name the service accounts, if you know them",
            );
        }
        if !nobody.is_empty() {
            findings.fail(
                Topic::Sub,
                "sub-form",
                match nobody.iter().find_map(|text| invisible(text)) {
                    Some(how) => format!("{label} has {} for sub, {how}", list(&nobody)),
                    None => format!("{label} has {} for sub", list(&nobody)),
                },
                "it never matches: no service account has such a subject",
                if nobody.iter().any(|text| without_literals(text) != **text) {
                    "write * or ? without ${}, under StringLike: ${*} and ${?} are plain characters, \
                     which no name has"
                } else {
                    "write system:serviceaccount:NAMESPACE:NAME"
                },
            );
        }
        if !case.is_empty() {
            findings.fail(
                Topic::Sub,
                "sub-case",
                format!("{label} has {} for sub, with upper case", list(&case)),
                "it never matches: values are case-sensitive, and names in Kubernetes are in lower \
                 case",
                format!(
                    "write {}",
                    list(&case.iter().map(|text| text.to_lowercase()).collect::<Vec<_>>())
                ),
            );
        }
    }
}

/// What a value matches; `None` if it has wildcards that the operator takes as plain characters.
fn reach_of(value: &str, how: How) -> Option<Reach> {
    match how {
        How::Like => Some(reach(value)),
        _ if wild(value) => None,
        How::Equals => Some(reach(value)),
        How::EqualsIgnoreCase => Some(reach(&value.to_lowercase())),
    }
}

/// How a key differs from the one of this issuer for the same claim.
fn difference_of_key(name: &str, issuer: &str) -> Option<String> {
    let claim = if name.ends_with("aud") { "aud" } else { "sub" };
    difference(name, &format!("{issuer}:{claim}"))
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
    without_literals(text).contains(['*', '?'])
}

/// The text without `${*}`, `${?}` and `${$}`, which are plain characters (IAM user guide, "IAM
/// policy elements: Variables and tags", "Special characters").
fn without_literals(text: &str) -> String {
    LITERALS.iter().fold(text.to_owned(), |text, literal| text.replace(literal, ""))
}

const LITERALS: [&str; 3] = ["${*}", "${?}", "${$}"];

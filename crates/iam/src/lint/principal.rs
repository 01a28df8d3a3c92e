//! The principal of a statement (IAM user guide, "AWS JSON policy elements: Principal", "OIDC
//! federated principals").

use issuer_discovery::{PARTITIONS, Partition};
use serde_json::Value;

use super::findings::{Findings, Topic};
use super::keys::without_scheme;
use super::options::Wanted;
use crate::difference::difference;
use crate::json::{members, strings};
use crate::principals::{exists, is_account};

/// The principal of a statement.
#[derive(Debug, Default)]
pub(super) struct Principal<'a> {
    /// The identity providers.
    pub(super) federated: Vec<&'a str>,
    /// Everyone: `*` for any type.
    pub(super) everyone: bool,
    /// Everyone with AWS credentials, in any account.
    pub(super) any_account: bool,
    /// Principals that are not identity providers.
    pub(super) others: Vec<&'a str>,
}

/// One thing that is wrong with the ARN of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Arn,
    Partition,
    OtherPartition(Partition),
    AccountForm,
    Account,
    Type,
    Scheme,
    Slash,
    Case,
    Issuer,
}

impl<'a> Principal<'a> {
    /// Reads a `Principal` or `NotPrincipal`.
    pub(super) fn read(value: &'a Value) -> Self {
        let mut principal = Self::default();
        for text in strings(value) {
            principal.add(text, false);
            principal.any_account |= text == "*";
        }
        for (kind, value) in members(value) {
            for text in strings(value) {
                principal.add(text, kind == "Federated");
                principal.any_account |= kind == "AWS" && text == "*";
            }
        }
        principal
    }

    /// Whether it is meant as the provider of this issuer, even if it is not written correctly.
    pub(super) fn names(&self, issuer: &str) -> bool {
        self.federated.iter().chain(&self.others).any(|text| Self::is_like(text, issuer))
    }

    /// Whether a text is meant as the provider of this issuer.
    pub(super) fn is_like(text: &str, issuer: &str) -> bool {
        clean(tail(text)) == clean(issuer)
    }

    /// Whether it names the issuer in the right case.
    pub(super) fn names_in_case(&self, issuer: &str) -> bool {
        self.federated.iter().chain(&self.others).any(|text| trim(tail(text)) == issuer)
    }

    /// Whether it is the provider of this issuer, or everyone.
    pub(super) fn is(&self, wanted: &Wanted) -> bool {
        self.everyone || self.lists(wanted)
    }

    /// Whether the provider of this issuer is among the identity providers.
    pub(super) fn lists(&self, wanted: &Wanted) -> bool {
        self.federated.iter().any(|arn| faults(arn, wanted).is_empty())
    }

    /// Reports what is wrong with it.
    pub(super) fn judge(&self, label: &str, wanted: &Wanted, findings: &mut Findings) {
        if self.everyone {
            findings.fail(
                Topic::Provider,
                "principal-wildcard",
                format!("{label} has a wildcard as principal"),
                "it is not limited to the issuer's provider: anyone who meets its conditions can \
                 assume the role",
                format!("write \"Principal\": {{\"Federated\": \"{}\"}}", arn(None, wanted)),
            );
            return;
        }
        if self.lists(wanted) {
            return;
        }
        let meant = self.federated.iter().find(|text| Self::is_like(text, &wanted.issuer));
        let Some(text) = meant.or(self.federated.first()) else {
            findings.fail(
                Topic::Provider,
                "principal-type",
                match self.others.first() {
                    Some(other) => {
                        format!(
                            "{label} has {other:?} as principal, which is not a Federated principal"
                        )
                    }
                    None => format!("{label} has no Federated principal"),
                },
                "tokens of the issuer are not allowed",
                format!("write \"Principal\": {{\"Federated\": \"{}\"}}", arn(None, wanted)),
            );
            return;
        };
        for fault in faults(text, wanted) {
            let (id, what, consequence) = explain(fault, text, wanted);
            let mut fix = format!("write \"{}\"", arn(Some(text), wanted));
            if wanted.partition_of_host && matches!(fault, Fault::OtherPartition(_)) {
                fix.push_str(", unless the role is in a different partition than the host");
            }
            findings.fail(
                Topic::Provider,
                id,
                format!("{label} has the Federated principal {text:?}, {what}"),
                consequence,
                fix,
            );
        }
    }

    fn add(&mut self, text: &'a str, federated: bool) {
        if text == "*" {
            self.everyone = true;
        } else if federated {
            self.federated.push(text);
        } else {
            self.others.push(text);
        }
    }
}

/// Every fault of a text that should be the ARN of the issuer's provider.
fn faults(text: &str, wanted: &Wanted) -> Vec<Fault> {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", partition, "iam", "", account, resource] = fields.as_slice() else {
        return vec![Fault::Arn];
    };
    let Some((kind, path)) = resource.split_once('/') else { return vec![Fault::Arn] };
    let mut faults = Vec::new();
    match (Partition::named(partition), wanted.partition) {
        (None, _) => faults.push(Fault::Partition),
        (Some(there), Some(wanted)) if there != wanted => {
            faults.push(Fault::OtherPartition(wanted))
        }
        _ => {}
    }
    if !is_account(account) || (!exists(account) && !wanted.emulates(account)) {
        faults.push(Fault::AccountForm);
    } else if wanted.account.as_deref().is_some_and(|wanted| wanted != account) {
        faults.push(Fault::Account);
    }
    let mut case = kind != "oidc-provider";
    if case && !kind.eq_ignore_ascii_case("oidc-provider") {
        faults.push(Fault::Type);
        case = false;
    }
    let mut path = path;
    if let Some(rest) = without_scheme(path) {
        faults.push(Fault::Scheme);
        path = rest;
    }
    if path.ends_with('/') {
        faults.push(Fault::Slash);
        path = path.trim_end_matches('/');
    }
    if !path.eq_ignore_ascii_case(&wanted.issuer) {
        faults.push(Fault::Issuer);
    } else if case || path != wanted.issuer {
        faults.push(Fault::Case);
    }
    faults
}

fn explain(fault: Fault, text: &str, wanted: &Wanted) -> (&'static str, String, &'static str) {
    let never = "no token is allowed: it must be exactly the ARN of the provider";
    match fault {
        Fault::Arn => {
            ("provider-arn", "which is not the ARN of an OIDC provider".to_owned(), never)
        }
        Fault::Partition => {
            let names = PARTITIONS.map(|partition| partition.name).join(", ");
            ("provider-partition", format!("whose partition is not one of {names}"), never)
        }
        Fault::OtherPartition(partition) => {
            let whose = if wanted.partition_of_host {
                "that of the issuer's host"
            } else {
                "that of the role"
            };
            (
                "provider-partition",
                format!("whose partition is not {whose}, {}", partition.name),
                never,
            )
        }
        Fault::AccountForm => {
            ("provider-account", account_form(text.split(':').nth(4).unwrap_or_default()), never)
        }
        Fault::Account => (
            "provider-account",
            "whose account is not that of the role".to_owned(),
            "no token is allowed: role and provider must be in the same account",
        ),
        Fault::Type => (
            "provider-type",
            "which is not an oidc-provider".to_owned(),
            "no token is allowed: providers of another type do not accept OIDC tokens",
        ),
        Fault::Scheme => ("provider-scheme", "with https:// in it".to_owned(), never),
        Fault::Slash => ("provider-slash", "with a slash at the end".to_owned(), never),
        Fault::Case => ("provider-case", "which differs in case".to_owned(), never),
        Fault::Issuer => {
            let how = difference(tail(text), &wanted.issuer);
            let how = how.unwrap_or_else(|| "which is not of this issuer".to_owned());
            ("provider-issuer", how, never)
        }
    }
}

/// The ARN that is expected, as far as it is known.
fn arn(instead_of: Option<&str>, wanted: &Wanted) -> String {
    let mut fields = instead_of.unwrap_or_default().split(':').skip(1);
    let there = fields.next().and_then(Partition::named);
    let partition = wanted.partition.or(there).unwrap_or(PARTITIONS[0]).name;
    let theirs = fields.nth(2).filter(|text| is_account(text) && exists(text));
    let account = wanted.account.as_deref().or(theirs).unwrap_or("ACCOUNT");
    format!("arn:{partition}:iam::{account}:oidc-provider/{}", wanted.issuer)
}

/// What is wrong with a text that should be an account ID.
fn account_form(account: &str) -> String {
    let count = account.len();
    if account.is_empty() {
        "without an account ID".to_owned()
    } else if account.bytes().all(|b| b.is_ascii_digit()) {
        match count {
            12 => "whose account 000000000000 does not exist".to_owned(),
            _ => format!("whose account ID has {count} digits instead of 12"),
        }
    } else if account.bytes().any(|b| b.is_ascii_digit()) && !account.contains(['{', '<']) {
        format!("whose account ID {account:?} does not consist of 12 digits")
    } else {
        format!("with the placeholder {account:?} instead of an account ID")
    }
}

/// The part of a text that should be the issuer.
pub(super) fn tail(text: &str) -> &str {
    if !text.starts_with("arn:") {
        return text;
    }
    text.splitn(6, ':')
        .nth(5)
        .and_then(|resource| resource.split_once('/'))
        .map_or("", |(_, path)| path)
}

/// An issuer without a scheme, trailing slashes and upper case.
fn clean(issuer: &str) -> String {
    trim(issuer).to_ascii_lowercase()
}

fn trim(issuer: &str) -> &str {
    without_scheme(issuer).unwrap_or(issuer).trim_end_matches('/')
}

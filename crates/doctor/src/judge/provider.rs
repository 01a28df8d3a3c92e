//! The OIDC provider in IAM.

use issuer_diagnostic::{Fault, listed, quote};
use issuer_iam::ProviderState;

use super::case::{AUDIENCE, Case};
use crate::Fact;
use crate::diagnosis::Report;

const MISSING: &str = "InvalidIdentityToken: No OpenIDConnect provider found in your account";

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "provider";
    let Some(issuer) = &case.issuer else {
        return report.skip(ID, "no issuer is known");
    };
    let aws = &case.seen.aws;
    if let (Some(role), Some(caller)) = (&case.arn, aws.caller.known())
        && role.account != caller.account
    {
        let message = format!(
            "the role is in the account {}, and the credentials are of {}: provider and role cannot be read",
            role.account, caller.account
        );
        return by_evidence(case, report, issuer, &message);
    }
    let Some(found) = aws.provider.known() else {
        let why = match aws.caller.known() {
            None => aws.caller.why(),
            Some(_) => aws.provider.why(),
        };
        return by_evidence(case, report, issuer, &format!("the provider of {issuer}: {why}"));
    };
    let Some(provider) = found else {
        let account = aws.caller.known().map_or("", |caller| caller.account.as_str());
        let partition = aws.caller.known().map_or("aws", |caller| caller.partition.as_str());
        let arn = arn(partition, account, issuer);
        let others = aws.providers.known().cloned().unwrap_or_default();
        let state = ProviderState { arn: arn.clone(), provider: None, others };
        let near = state.nearest().map(|(other, how)| format!("; there is {other}, {how}"));
        let elsewhere = match &aws.providers {
            Fact::Known(all) if near.is_none() => {
                format!("; the account has {} other provider(s)", all.len())
            }
            _ => String::new(),
        };
        let cause = format!(
            "the account {account} has no OIDC provider for {issuer} ({arn} does not exist){}{elsewhere}",
            near.unwrap_or_default()
        );
        let fault =
            Fault::new(cause, format!("create it: `issuerctl provider apply --issuer {issuer}`"));
        report.doubt(ID, MISSING, fault);
        for id in ["provider-audience", "provider-thumbprint"] {
            report.follows_of(id, ID);
        }
        return;
    };
    report.pass(ID, format!("{} exists", provider.arn));
    audience(case, report, issuer, &provider.audiences);
    thumbprint(case, report, issuer, Some(&provider.thumbprints));
}

fn audience(case: &Case<'_>, report: &mut Report, issuer: &str, audiences: &[String]) {
    const ID: &str = "provider-audience";
    let wanted = &case.audience;
    if audiences.contains(wanted) {
        return report.pass(ID, format!("its client IDs have {}", quote(wanted)));
    }
    let list: Vec<String> = audiences.iter().map(|own| quote(own)).collect();
    let list = if list.is_empty() { "none".to_owned() } else { listed(&list) };
    if !case.is_audience_known && !case.is_refused_for("audience") {
        return report.warn(
            ID,
            format!(
                "the client IDs of the provider are {list}, and whether the pods' tokens have one of these audiences is not \
                 known; the usual one is {}",
                quote(wanted)
            ),
            format!(
                "say which audience they have (--audience); if it is the usual one, add it: `issuerctl provider apply \
                 --issuer {issuer} --audience {wanted}`"
            ),
        );
    }
    let fault = Fault::new(
        format!(
            "the client IDs of the provider are {list}, and the audience of the pods' tokens is {}",
            quote(wanted)
        ),
        format!(
            "add the client ID {wanted}: `issuerctl provider apply --issuer {issuer} --audience {wanted}`"
        ),
    );
    report.doubt(ID, "InvalidIdentityToken: Incorrect token audience", fault);
}

/// AWS trusts the CAs that are public; it compares thumbprints for all others.
fn thumbprint(case: &Case<'_>, report: &mut Report, issuer: &str, known: Option<&[String]>) {
    const ID: &str = "provider-thumbprint";
    const SO: &str = "InvalidIdentityToken: OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint";
    let refused = case.is_refused_for("thumbprint");
    let Some(chain) = case.seen.documents.chain.known() else {
        if refused && case.signs == case.issuer {
            let fault = Fault::new(
                format!(
                    "STS says that the certificate of {issuer} does not match the thumbprints of the provider"
                ),
                format!(
                    "set the thumbprint of the chain that is served now: `issuerctl provider apply --issuer {issuer} \
                         --thumbprint auto`"
                ),
            );
            return report.doubt(ID, SO, fault);
        }
        return report.skip(
            ID,
            format!("the certificates of the issuer: {}", case.seen.documents.chain.why()),
        );
    };
    if chain.is_public && !refused {
        return report
            .pass(ID, "the certificate is of a public CA; AWS does not compare thumbprints then");
    }
    let mut served = chain.thumbprints.iter().chain(&chain.given);
    let matches = known
        .map(|known| served.any(|own| known.iter().any(|there| there.eq_ignore_ascii_case(own))));
    let top = chain.thumbprints.last().cloned().unwrap_or_default();
    match matches {
        Some(true) if !refused => {
            report.pass(ID, "a thumbprint of the provider is of the certificates that are served")
        }
        None if !refused => report.skip(ID, "the thumbprints of the provider are not known"),
        // IAM takes that of the chain if none is given, and then shows it.
        Some(false) if !refused && known.is_some_and(<[String]>::is_empty) => report.warn(
            ID,
            format!(
                "the certificate of {issuer} is of a private CA, and the provider has no thumbprint"
            ),
            format!(
                "set that of the chain that is served: `issuerctl provider apply --issuer {issuer} --thumbprint {top}`"
            ),
        ),
        _ => {
            let list = known.map(|known| known.join(", ")).filter(|list| !list.is_empty());
            let said = if refused { "; STS says so, too" } else { "" };
            let fault = Fault::new(
                format!(
                    "the certificate of {issuer} is of a private CA, and the thumbprint of the provider ({}) matches none of \
                     the chain that is served now, whose top is {top}{said}",
                    list.unwrap_or_else(|| "not known".to_owned())
                ),
                format!(
                    "set the thumbprint of the chain that is served: `issuerctl provider apply --issuer {issuer} --thumbprint \
                     {top}`"
                ),
            );
            report.doubt(ID, SO, fault);
        }
    }
}

/// What STS says of a provider that cannot be read.
fn by_evidence(case: &Case<'_>, report: &mut Report, issuer: &str, why: &str) {
    const ID: &str = "provider";
    if case.is_proved() {
        report.pass(ID, format!("{why}; STS gave credentials, so it is right"));
        return;
    }
    let is_ours = case.signs.is_none() || case.signs == case.issuer;
    if case.is_refused_for("No OpenIDConnect provider found") && is_ours {
        let account = case.seen.role_account(case.arn.as_ref()).unwrap_or_default();
        let fault = Fault::new(
            format!(
                "STS finds no OIDC provider for {issuer} in the account {account} of the role ({why})"
            ),
            format!(
                "create it with credentials of that account: `issuerctl provider apply --issuer {issuer}`"
            ),
        );
        return report.doubt(ID, MISSING, fault);
    }
    if case.is_refused_for("audience") && is_ours {
        report.skip(ID, why);
        let fault = Fault::new(
            format!(
                "STS does not accept the audience {} of the pods' tokens: it is not among the client IDs of the provider",
                quote(&case.audience)
            ),
            format!(
                "add it with credentials of the account: `issuerctl provider apply --issuer {issuer} --audience {}`{}",
                case.audience,
                if case.audience == AUDIENCE {
                    ""
                } else {
                    ", or request the audience sts.amazonaws.com"
                }
            ),
        );
        return report.doubt(
            "provider-audience",
            "InvalidIdentityToken: Incorrect token audience",
            fault,
        );
    }
    report.skip(ID, why);
    if case.is_refused_for("thumbprint") {
        thumbprint(case, report, issuer, None);
    }
}

/// The ARN of the provider; with a port for issuers of test environments.
fn arn(partition: &str, account: &str, issuer: &str) -> String {
    let name = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    format!("arn:{partition}:iam::{account}:oidc-provider/{name}")
}

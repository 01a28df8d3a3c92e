//! What notices of a plan and fixes of checks do not say: the options.

use issuer_change::Notice;
use issuer_diagnostic::{Check, Remedy};
use issuer_verify::Verdict;

use super::Surface;

/// How to keep what a plan takes away, according to its notices: one hint for a role, and one for a
/// provider.
pub(crate) fn to_keep(notices: &[Notice], surface: Surface) -> Vec<String> {
    let given = |known: &[(&str, &str, &str)]| -> Option<String> {
        let is_there = |id: &str| notices.iter().any(|notice| notice.id == id);
        let named = known.iter().filter(|(id, ..)| is_there(id));
        let names: Vec<&str> = named
            .map(|(_, flag, field)| if surface == Surface::Flags { *flag } else { *field })
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let role = given(&[
        ("service-account-removed", "--service-account NS/NAME", "serviceAccounts"),
        ("audience-removed", "--audience AUD", "audiences"),
        (
            "policy-removed",
            "--policy-arn ARN, --inline-policy NAME=FILE or --managed-policy NAME=FILE",
            "policyArns, inlinePolicies or managedPolicies",
        ),
        ("tag-removed", "--tag K=V", "tags"),
    ]);
    let provider = given(&[
        ("provider-audience-removed", "--audience AUD", "provider.audiences"),
        ("thumbprint-removed", "--thumbprint HEX", "provider.thumbprints"),
    ]);
    let role = role.map(|names| match surface {
        Surface::Flags => format!("to keep it, give it too ({names}), or add to it with --add"),
        Surface::File => format!("to keep it, leave it in the role of the file ({names})"),
    });
    let provider = provider.map(|names| match surface {
        Surface::Flags => format!("to keep it, give it too ({names})"),
        Surface::File => format!("to keep it, name it in the file ({names})"),
    });
    role.into_iter().chain(provider).collect()
}

/// A verdict whose fixes also name the options that publishing again needs: without them it refuses
/// to overwrite what it cannot read, and what belongs to another issuer.
pub(crate) fn with_options(mut verdict: Verdict) -> Verdict {
    let checks = std::mem::take(&mut verdict.checks).into_iter();
    verdict.checks = checks.map(|check| of_check(check, &verdict.issuer)).collect();
    verdict
}

/// A check of an issuer with the options of the commands that its fix names.
pub(crate) fn of_check(mut check: Check, issuer: &str) -> Check {
    let option = match check.remedy {
        Some(Remedy::ReplaceUnreadable) => {
            "--replace-unreadable also replaces a document that cannot be read, and a kid that \
             another key has, and keeps every key that can be found"
                .to_owned()
        }
        Some(Remedy::ReplaceOther) => "--change-issuer replaces the document".to_owned(),
        Some(Remedy::AddThumbprint) => {
            format!("`issuerctl provider apply --issuer {issuer} --thumbprint auto` adds it")
        }
        _ => return check,
    };
    if let Some(fix) = &mut check.fix {
        fix.push_str("; ");
        fix.push_str(&option);
    }
    check
}

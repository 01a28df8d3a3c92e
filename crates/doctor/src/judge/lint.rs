//! The findings of `role lint` under the names that they have here.

use issuer_diagnostic::Check;

/// `role-…` of each finding; the names are part of the interface, as those of the lint are.
macro_rules! ids {
    ($($id:literal),* $(,)?) => {
        /// The id of a finding, as one of a check.
        fn role_id(id: &str) -> &'static str {
            match id {
                $($id => concat!("role-", $id),)*
                _ => "role-trust",
            }
        }
    };
}

ids!(
    "statement",
    "provider",
    "action",
    "aud",
    "sub",
    "size",
    "everybody",
    "comment",
    "action-all",
    "action-extra",
    "action-service",
    "action-unknown",
    "action-wide",
    "action-wrong",
    "aud-case",
    "aud-contradiction",
    "aud-extra",
    "aud-mismatch",
    "aud-missing",
    "aud-wildcard",
    "condition-empty",
    "condition-form",
    "condition-value",
    "deny",
    "id-form",
    "key-absent",
    "key-claim",
    "key-constant",
    "key-issuer",
    "key-other",
    "key-scheme",
    "key-slash",
    "member-both",
    "member-missing",
    "member-twice",
    "member-unknown",
    "not-an-ip",
    "operator-if-exists",
    "operator-negated",
    "operator-set",
    "operator-unknown",
    "operator-wrong",
    "policy-version",
    "principal-form",
    "principal-partition",
    "principal-rejected",
    "principal-type",
    "principal-wildcard",
    "provider-account",
    "provider-arn",
    "provider-case",
    "provider-issuer",
    "provider-others",
    "provider-partition",
    "provider-scheme",
    "provider-slash",
    "provider-type",
    "sid-form",
    "sid-twice",
    "statement-effect",
    "statement-missing",
    "statement-resource",
    "sub-case",
    "sub-contradiction",
    "sub-form",
    "sub-mismatch",
    "sub-missing",
    "sub-wide",
    "sub-wildcard",
    "time-later",
    "time-over",
    "unjudged",
    "wildcard-equals",
);

/// The same finding as a check of the role.
pub(super) fn of_role(mut finding: Check) -> Check {
    finding.id = role_id(finding.id);
    finding
}

/// Whether a finding is that more is allowed than intended.
pub(super) fn is_open(id: &str) -> bool {
    [
        "role-everybody",
        "role-action-all",
        "role-action-extra",
        "role-aud-missing",
        "role-sub-missing",
        "role-sub-wide",
        "role-provider-others",
        "role-principal-wildcard",
    ]
    .contains(&id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_a_name_of_at_most_32_characters() {
        for id in ["sub-mismatch", "principal-partition", "deny", "statement"] {
            let check = of_role(Check::pass("sub", ""));
            assert_eq!(check.id, "role-sub");
            assert!(role_id(id).len() <= 32 && role_id(id).ends_with(id), "{id}");
        }
        assert_eq!(role_id("new"), "role-trust");
    }
}

//! Names for HCL and CloudFormation, derived from names in IAM and S3.

use std::collections::BTreeSet;

/// Names that are in use.
#[derive(Debug, Default)]
pub(crate) struct Labels(BTreeSet<String>);

impl Labels {
    /// A Terraform label for a resource of this type: letters, digits and underscores.
    pub(crate) fn hcl(&mut self, kind: &str, name: &str) -> String {
        let label: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let label = if label.starts_with(|c: char| c.is_ascii_alphabetic()) {
            label
        } else {
            format!("_{label}")
        };
        let free = self.free(|suffix| match suffix {
            None => format!("{kind}.{label}"),
            Some(number) => format!("{kind}.{label}_{number}"),
        });
        free[kind.len() + 1..].to_owned()
    }

    /// A CloudFormation logical ID: letters and digits.
    pub(crate) fn logical(&mut self, kind: &str, name: &str) -> String {
        let words =
            name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let joined: String =
            words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
        self.free(|suffix| match suffix {
            None => format!("{kind}{joined}"),
            Some(number) => format!("{kind}{joined}x{number}"),
        })
    }

    fn free(&mut self, name: impl Fn(Option<u32>) -> String) -> String {
        let mut candidate = name(None);
        let mut number = 2;
        while !self.0.insert(candidate.clone()) {
            candidate = name(Some(number));
            number += 1;
        }
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_valid_and_each_is_given_once() {
        let mut labels = Labels::default();
        let names = ["a-b", "a_b", "a.b", "a_b_2", "7+=,.@", "-"];
        let hcl = names.map(|name| labels.hcl("aws_iam_role", name));
        assert_eq!(hcl, ["a_b", "a_b_2", "a_b_3", "a_b_2_2", "_7_____", "__"]);
        assert_eq!(labels.hcl("aws_iam_policy", "a-b"), "a_b", "another type has names of its own");
        let logical = ["a-b", "aB", "a_b", "@", "x2"].map(|name| labels.logical("Role", name));
        assert_eq!(logical, ["RoleAB", "RoleABx2", "RoleABx3", "Role", "RoleX2"]);
    }
}

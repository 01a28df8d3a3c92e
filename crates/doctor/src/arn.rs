//! The ARN of a role, and what is wrong with a text that should be one.

use issuer_diagnostic::{deceptive, quote};
use issuer_discovery::Partition;

/// The ARN of a role: `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    /// The text.
    pub text: String,
    /// `aws`, `aws-cn`, ….
    pub partition: String,
    /// 12 digits.
    pub account: String,
    /// The name without its path.
    pub name: String,
}

impl RoleArn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// What is wrong with it: a clause.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if let Some(c) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("it has white space (the character U+{:04X})", u32::from(c)));
        }
        if let Some(c) = text.chars().find(|c| "\"'`".contains(*c) || deceptive(*c).is_some()) {
            return Err(format!(
                "it has the character {}: quotation marks or invisible characters \
                                are part of the value",
                quote(&c.to_string())
            ));
        }
        if text.contains('\\') {
            return Err("it has a backslash, which is a character of no ARN".to_owned());
        }
        if text.contains("${") || text.contains("{{") || text.contains('<') {
            return Err("it has a placeholder that was not replaced".to_owned());
        }
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = fields[..] else {
            return Err(match text.contains("role/") || !text.contains(':') {
                true => "it is the name of a role, not an ARN".to_owned(),
                false => "it does not have the six fields of an ARN".to_owned(),
            });
        };
        if arn != "arn" {
            return Err(format!("it begins with {}, not with \"arn\"", quote(arn)));
        }
        if Partition::named(partition).is_none() && !partition.starts_with("aws-iso") {
            return Err(format!("there is no partition {}", quote(partition)));
        }
        if service == "sts" && resource.starts_with("assumed-role/") {
            return Err("it is the ARN of a session (sts, assumed-role), not of a role".to_owned());
        }
        if service != "iam" {
            return Err(format!("it is an ARN of {}, not of IAM", quote(service)));
        }
        if !region.is_empty() {
            return Err(format!("ARNs of IAM have no region, and it has {}", quote(region)));
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("the account {} does not have 12 digits", quote(account)));
        }
        let Some(path) = resource.strip_prefix("role/") else {
            let kind = resource.split(['/', ':']).next().unwrap_or_default();
            return Err(format!("it is the ARN of a {}, not of a role", quote(kind)));
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err(format!("{} is not a valid name of a role", quote(name)));
        }
        if path.starts_with('/') || path.contains("//") {
            return Err("it has a doubled slash".to_owned());
        }
        if !path.chars().all(|c| c.is_ascii_graphic()) || path.contains(':') {
            return Err(format!("{} is not a valid path and name of a role", quote(path)));
        }
        let [partition, account, name] = [partition, account, name].map(str::to_owned);
        Ok(Self { text: text.to_owned(), partition, account, name })
    }

    /// Its path, with a slash at both ends.
    #[must_use]
    pub fn path(&self) -> &str {
        let role = self.text.split_once(":role").map_or("/", |(_, role)| role);
        role.strip_suffix(&self.name).unwrap_or("/")
    }

    /// The valid ARN that a text was probably meant to be.
    #[must_use]
    pub fn meant(text: &str) -> Option<Self> {
        let dropped = |c: &char| {
            !(c.is_whitespace()
                || c.is_control()
                || "\"'`\\".contains(*c)
                || deceptive(*c).is_some())
        };
        let clean: String = text.chars().filter(dropped).collect();
        let assumed = clean.replacen(":sts:", ":iam:", 1).replacen(":assumed-role/", ":role/", 1);
        let assumed = match clean.contains(":assumed-role/") {
            true => assumed.rsplit_once('/').map_or(clean.clone(), |(role, _)| role.to_owned()),
            false => clean.clone(),
        };
        let profile = clean.replacen(":instance-profile/", ":role/", 1);
        [clean, assumed, profile].into_iter().find_map(|text| Self::parse(&text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_arn_is_named() {
        for (text, says, meant) in [
            ("arn:aws:iam::123456789012:role\\/app", "backslash", true),
            (" arn:aws:iam::123456789012:role/app", "white space", true),
            ("arn:aws:iam::123456789012:role/app\n", "white space", true),
            ("\"arn:aws:iam::123456789012:role/app\"", "quotation", true),
            ("arn:aws:iam::123456789012:user/app", "\"user\"", false),
            ("arn:aws:iam::123456789012:instance-profile/app", "instance-profile", true),
            ("arn:aws:sts::123456789012:assumed-role/app/session", "session", true),
            ("arn:aws:iam::12345678901:role/app", "12 digits", false),
            ("arn:aws:iam:us-west-2:123456789012:role/app", "region", false),
            ("arn:aws:s3:::role/app", "not of IAM", false),
            ("arn:azure:iam::123456789012:role/app", "partition", false),
            ("arn:aws:iam::${ACCOUNT}:role/app", "placeholder", false),
            ("app", "name of a role", false),
            ("role/app", "name of a role", false),
            ("", "empty", false),
            ("arn:aws:iam::123456789012:role/", "not a valid name", false),
            ("arn:aws:iam::123456789012:role//app", "doubled", false),
        ] {
            let why = RoleArn::parse(text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
            assert_eq!(RoleArn::meant(text).is_some(), meant, "{text}");
        }
        let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/team/app").unwrap();
        assert_eq!((role.name.as_str(), role.partition.as_str()), ("app", "aws-cn"));
    }
}

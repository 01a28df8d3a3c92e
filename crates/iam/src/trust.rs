//! Trust policies: which service accounts of an issuer may assume a role.

use issuer_diagnostic::explain_json;
use issuer_discovery::{IssuerUrl, Partition};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::json::strings;
use crate::{AccountId, Audience, Error, ProviderArn, ServiceAccountPattern, principals};

/// The default quota for the length of a role's trust policy, in characters without white space
/// (IAM quotas).
pub const USUAL_TRUST_POLICY: usize = 2048;

/// The same quota, raised to the maximum that AWS approves automatically.
pub const APPROVED_TRUST_POLICY: usize = 4096;

/// The same quota, raised to the maximum that any account can have.
pub const MAX_TRUST_POLICY: usize = 8192;

/// The prefix of the `Sid` of every statement that issuerctl manages; the issuer's part follows.
pub(crate) const SID: &str = "IssuerctlTrust";

/// The `Sid` of the only statement in the policy of a role that no principal may assume any more.
pub(crate) const NOBODY: &str = "IssuerctlTrustNobody";

/// Service accounts of one issuer, and the audiences of their tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Partition of role and provider.
    pub partition: Partition,
    /// Account of role and provider.
    pub account: AccountId,
    /// The issuer.
    pub issuer: IssuerUrl,
    /// The audiences, at least one.
    pub audiences: Vec<Audience>,
    /// The service accounts, at least one.
    pub service_accounts: Vec<ServiceAccountPattern>,
}

/// A role's `AssumeRolePolicyDocument`. Unmanaged members and statements are kept unchanged, in
/// their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy(Map<String, Value>);

/// The values of a statement's conditions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Claims {
    pub(crate) audiences: Vec<String>,
    pub(crate) subjects: Vec<String>,
}

impl Trust {
    /// The `Sid` of the statement, derived from the issuer, so that each issuer has its own
    /// statement.
    #[must_use]
    pub fn sid(&self) -> String {
        sid(&self.issuer)
    }

    /// The statement: the provider as principal, `sts:AssumeRoleWithWebIdentity`, and conditions on
    /// `aud` and `sub`, with `StringLike` for `sub` only if there is a wildcard (IAM user guide,
    /// "Create a role for OIDC federation").
    ///
    /// # Errors
    /// [`Error::Nothing`], [`Error::Port`].
    pub fn statement(&self) -> Result<Value, Error> {
        self.statement_for(&Claims::default())
    }

    /// The same, with more audiences and subjects.
    fn statement_for(&self, more: &Claims) -> Result<Value, Error> {
        let provider = ProviderArn::new(self.partition, &self.account, &self.issuer)?;
        let audiences = self.audiences.iter().map(Audience::to_string);
        let audiences: Vec<String> = more.audiences.iter().cloned().chain(audiences).collect();
        let subjects = self.service_accounts.iter().map(ServiceAccountPattern::subject);
        let subjects: Vec<String> = more.subjects.iter().cloned().chain(subjects).collect();
        let is_literal = !subjects.iter().any(|subject| subject.contains(['*', '?']));
        let audiences = texts(audiences).ok_or(Error::Nothing { what: "audience" })?;
        let subjects = texts(subjects).ok_or(Error::Nothing { what: "service account" })?;
        let (aud, sub) = (
            format!("{}:aud", self.issuer.without_scheme()),
            format!("{}:sub", self.issuer.without_scheme()),
        );
        let condition = if is_literal {
            json!({"StringEquals": {aud: audiences, sub: subjects}})
        } else {
            json!({"StringEquals": {aud: audiences}, "StringLike": {sub: subjects}})
        };
        Ok(json!({
            "Sid": self.sid(),
            "Effect": "Allow",
            "Principal": {"Federated": provider.as_str()},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        }))
    }
}

impl Default for TrustPolicy {
    fn default() -> Self {
        let mut members = Map::new();
        members.insert("Version".to_owned(), json!("2012-10-17"));
        members.insert("Statement".to_owned(), json!([]));
        Self(members)
    }
}

impl TrustPolicy {
    /// A policy with one statement per issuer.
    ///
    /// # Errors
    /// [`Error::Nothing`], [`Error::Port`], [`Error::TooLarge`].
    pub fn new(trusts: &[Trust]) -> Result<Self, Error> {
        if trusts.is_empty() {
            return Err(Error::Nothing { what: "issuer" });
        }
        let policy = trusts.iter().try_fold(Self::default(), |policy, trust| policy.with(trust))?;
        policy.check_size()?;
        Ok(policy)
    }

    /// Checks that some account can have a policy of this size.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn check_size(&self) -> Result<(), Error> {
        match self.size() {
            size if size > MAX_TRUST_POLICY => {
                Err(Error::TooLarge { size, limit: MAX_TRUST_POLICY })
            }
            _ => Ok(()),
        }
    }

    /// A warning if only accounts with a raised quota can have a policy of this size.
    #[must_use]
    pub fn size_warning(&self) -> Option<String> {
        let size = self.size();
        (size > USUAL_TRUST_POLICY).then(|| {
            format!(
                "{size} characters without white space; the quota \"Role trust policy length\" is \
                 {USUAL_TRUST_POLICY} by default, and {APPROVED_TRUST_POLICY} or \
                 {MAX_TRUST_POLICY} on request"
            )
        })
    }

    /// Reads a policy as it is in IAM or in a file.
    ///
    /// # Errors
    /// [`Error::NotAPolicy`], with line and column if it is not JSON.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let not = |reason: &str| Error::NotAPolicy { reason: reason.to_owned() };
        let value: Value =
            serde_json::from_str(text).map_err(|error| not(&explain_json(text, &error)))?;
        let Value::Object(mut members) = value else { return Err(not("it is not a JSON object")) };
        match members.get_mut("Statement") {
            // A single statement need not be in an array.
            Some(statement) if statement.is_object() => {
                *statement = Value::Array(vec![statement.take()]);
                Ok(Self(members))
            }
            Some(Value::Array(statements)) if statements.iter().all(Value::is_object) => {
                Ok(Self(members))
            }
            Some(_) => Err(not("its Statement is neither an object nor an array of objects")),
            None => Err(not("it has no Statement")),
        }
    }

    /// The same with the statement of `trust` in place of the one for its issuer, or as the last
    /// one.
    ///
    /// # Errors
    /// [`Error::Nothing`], [`Error::Port`].
    pub fn with(self, trust: &Trust) -> Result<Self, Error> {
        let ours = trust.statement()?;
        Ok(self.with_statement(&trust.sid(), ours))
    }

    /// The same, but the service accounts and audiences of the existing statement are kept.
    ///
    /// # Errors
    /// [`Error::Nothing`], [`Error::Port`].
    pub fn adding(self, trust: &Trust) -> Result<Self, Error> {
        let ours = trust.statement_for(&self.claims(trust))?;
        Ok(self.with_statement(&trust.sid(), ours))
    }

    /// What the statement for the issuer allows now.
    pub(crate) fn claims(&self, trust: &Trust) -> Claims {
        let sid = trust.sid();
        let ours = self.statements().iter().find(|statement| statement["Sid"] == sid.as_str());
        let of = |claim: &str| -> Vec<String> {
            let key = format!("{}:{claim}", trust.issuer.without_scheme());
            let operators = ours.and_then(|ours| ours["Condition"].as_object()).into_iter();
            let values = operators.flat_map(Map::values).filter_map(|keys| keys.get(&key));
            values.flat_map(strings).map(str::to_owned).collect()
        };
        Claims { audiences: of("aud"), subjects: of("sub") }
    }

    fn with_statement(mut self, sid: &str, ours: Value) -> Self {
        let statements = self.statements_mut();
        statements.retain(|statement| statement["Sid"] != NOBODY);
        match statements.iter_mut().find(|statement| statement["Sid"] == sid) {
            Some(statement) if says_the_same(statement, &ours) => {}
            Some(statement) => *statement = ours,
            None => statements.push(ours),
        }
        self
    }

    /// The same without the statements of these `Sid`s.
    #[must_use]
    pub fn without(mut self, sids: &[String]) -> Self {
        let statements = self.statements_mut();
        statements.retain(|statement| {
            !statement["Sid"].as_str().is_some_and(|sid| sids.iter().any(|gone| gone == sid))
        });
        if statements.is_empty() {
            // IAM rejects a policy without a statement.
            statements.push(json!({"Sid": NOBODY, "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}));
        }
        self
    }

    /// Whom the statements of issuerctl trust for other issuers than these, if there is none for `own`.
    pub(crate) fn strangers(&self, own: &IssuerUrl, known: &[IssuerUrl]) -> Vec<String> {
        let ours = || {
            let statements = self.statements().iter();
            let sid = |statement: &Value| Some(statement["Sid"].as_str()?.to_owned());
            let ours = statements.filter_map(move |one| Some((sid(one)?, one)));
            ours.filter(|(sid, _)| sid.starts_with(SID) && sid != NOBODY)
        };
        let own = sid(own);
        if ours().any(|(sid, _)| sid == own) {
            return Vec::new();
        }
        let known: Vec<String> = known.iter().map(sid).collect();
        let others = ours().filter(|(sid, _)| !known.contains(sid));
        let providers = others.flat_map(|(_, one)| strings(&one["Principal"]["Federated"]));
        providers.map(str::to_owned).collect()
    }

    /// Whether there are statements other than those with these `Sid`s.
    pub(crate) fn has_others_than(&self, sids: &[String]) -> bool {
        let among = |sid: &str| sid == NOBODY || sids.iter().any(|known| known == sid);
        self.statements().iter().any(|statement| !statement["Sid"].as_str().is_some_and(among))
    }

    /// A statement, by its `Sid` or number, with a principal that no longer exists: IAM shows it as
    /// its unique ID, and rejects every policy that contains it.
    pub(crate) fn deleted_principal(&self) -> Option<(String, String)> {
        self.statements().iter().enumerate().find_map(|(index, statement)| {
            let principal = principals::deleted(statement)?.to_owned();
            let label = match statement["Sid"].as_str().filter(|sid| !sid.is_empty()) {
                Some(sid) => format!("statement {sid}"),
                None => format!("statement {}", index + 1),
            };
            Some((label, principal))
        })
    }

    /// Its statements.
    pub fn statements(&self) -> &[Value] {
        self.0.get("Statement").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// All members, the statements as an array.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// Its `Version`, if it has one.
    pub(crate) fn version(&self) -> Option<&Value> {
        self.0.get("Version")
    }

    /// Characters without white space, as IAM counts them.
    #[must_use]
    pub fn size(&self) -> usize {
        self.to_json().chars().filter(|c| !c.is_whitespace()).count()
    }

    /// As a JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Compact JSON, as it is sent to IAM.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// The same, indented, for people and files.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        format!("{:#}", Value::Object(self.0.clone()))
    }

    fn statements_mut(&mut self) -> &mut Vec<Value> {
        let member = self.0.entry("Statement").or_insert_with(|| json!([]));
        if !member.is_array() {
            *member = json!([]);
        }
        #[expect(clippy::expect_used, reason = "it has just been made one")]
        member.as_array_mut().expect("a list")
    }
}

/// Equal but for the order of service accounts or audiences in an array.
fn says_the_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().all(|one| b.contains(one))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, one)| b.get(name).is_some_and(|other| says_the_same(one, other)))
        }
        _ => a == b,
    }
}

/// Letters and digits only, as IAM requires.
pub(crate) fn sid(issuer: &IssuerUrl) -> String {
    let digest = Sha256::digest(issuer.as_str());
    format!("{SID}{}", digest[..6].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// One text as a string, several as an array, each once.
fn texts(values: impl IntoIterator<Item = String>) -> Option<Value> {
    let mut each: Vec<String> = Vec::new();
    for value in values {
        if !each.contains(&value) {
            each.push(value);
        }
    }
    match each.len() {
        0 => None,
        1 => Some(json!(each[0])),
        _ => Some(json!(each)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use issuer_diagnostic::Diagnostic;
    use issuer_discovery::Ports;

    fn trust(issuer: &str, service_accounts: &[&str]) -> Trust {
        Trust {
            partition: Partition::of_region("us-east-1"),
            account: "111122223333".parse().unwrap(),
            issuer: IssuerUrl::parse(issuer, Ports::Refuse).unwrap(),
            audiences: vec![Audience::default()],
            service_accounts: service_accounts.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_policy_has_aud_and_sub_and_like_only_for_wildcards() {
        let policy = TrustPolicy::new(&[
            trust("https://oidc.example.com/prod", &["default/app", "default/app"]),
            trust("https://oidc.example.com/test", &["default/app", "jobs/*"]),
        ])
        .unwrap();
        insta::assert_snapshot!(policy.to_json_pretty(), @r#"
        {
          "Version": "2012-10-17",
          "Statement": [
            {
              "Sid": "IssuerctlTrust9e186c1aea34",
              "Effect": "Allow",
              "Principal": {
                "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/prod"
              },
              "Action": "sts:AssumeRoleWithWebIdentity",
              "Condition": {
                "StringEquals": {
                  "oidc.example.com/prod:aud": "sts.amazonaws.com",
                  "oidc.example.com/prod:sub": "system:serviceaccount:default:app"
                }
              }
            },
            {
              "Sid": "IssuerctlTrustbfde71dc72ca",
              "Effect": "Allow",
              "Principal": {
                "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/test"
              },
              "Action": "sts:AssumeRoleWithWebIdentity",
              "Condition": {
                "StringEquals": {
                  "oidc.example.com/test:aud": "sts.amazonaws.com"
                },
                "StringLike": {
                  "oidc.example.com/test:sub": [
                    "system:serviceaccount:default:app",
                    "system:serviceaccount:jobs:*"
                  ]
                }
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn merging_keeps_what_others_wrote_and_replaces_only_the_own_statement() {
        let theirs = r#"{"Version":"2008-10-17","Id":"theirs","Statement":{"Sid":"Ec2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
        let before = TrustPolicy::parse(theirs).unwrap();
        let (prod, test) =
            (trust("https://h.example/prod", &["a/b"]), trust("https://h.example/test", &["a/b"]));
        let both = before.clone().with(&prod).unwrap().with(&test).unwrap();
        assert_eq!(both.statements().len(), 3);
        assert_eq!(both.statements()[0], before.statements()[0]);
        let again = both.clone().with(&trust("https://h.example/prod", &["a/c"])).unwrap();
        assert_eq!(again.statements().len(), 3);
        assert!(again.to_json().contains(r#""Id":"theirs""#) && again.to_json().contains(":a:c"));
        assert_eq!(both.clone().without(&[test.sid()]).without(&[prod.sid()]), before);
        assert_eq!(both.without(&[test.sid(), prod.sid()]), before);
    }

    #[test]
    fn the_same_accounts_in_another_order_change_nothing() {
        let policy = TrustPolicy::new(&[trust("https://h.example", &["a/b", "c/d"])]).unwrap();
        assert_eq!(
            policy.clone().with(&trust("https://h.example", &["c/d", "a/b"])).unwrap(),
            policy
        );
        assert_ne!(
            policy.clone().with(&trust("https://h.example", &["c/d", "a/e"])).unwrap(),
            policy
        );
    }

    #[test]
    fn a_policy_beyond_every_quota_is_refused_with_a_way_out() {
        let many: Vec<String> =
            (0..180).map(|n| format!("namespace-{n}/service-account-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = TrustPolicy::new(&[trust("https://h.example", &many)]).unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { .. })
                && error.hint().is_some_and(|hint| hint.contains("jobs/*")),
            "{error}"
        );
        assert!(
            TrustPolicy::new(&[trust("https://h.example", &many[..40])]).unwrap().size()
                > USUAL_TRUST_POLICY
        );
    }

    #[test]
    fn what_is_no_policy_is_named_with_line_and_column() {
        let error = TrustPolicy::parse("{\"Statement\": [],\n}").unwrap_err();
        assert!(error.to_string().contains("a trailing comma at line 1"), "{error}");
        for text in ["[]", "{}", r#"{"Statement":"x"}"#, r#"{"Statement":[1]}"#, ""] {
            assert!(TrustPolicy::parse(text).is_err(), "{text}");
        }
    }
}

//! Credentials for tokens. The signature is not verified; the rest of a token is compared with
//! providers and trust policies.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;

use super::{Answer, Call, id};
use crate::iam::access::matches;
use crate::iam::query::Refusal;
use crate::iam::xml::Xml;
use crate::{SESSION_ACCESS_KEY, SESSION_SECRET_KEY};

impl Call<'_> {
    pub(super) fn assume_with_token(&mut self) -> Answer {
        let (arn, token) =
            (self.query.required("RoleArn")?, self.query.required("WebIdentityToken")?);
        let session = self.query.required("RoleSessionName")?;
        let claims = claims(token).ok_or_else(|| {
            Refusal::new("InvalidIdentityToken", "The ID Token provided is not a valid JWT")
        })?;
        let text = |name: &str| claims[name].as_str().unwrap_or_default();
        let audience = claims["aud"][0].as_str().unwrap_or_else(|| text("aud"));
        let issuer = text("iss").trim_start_matches("https://");
        let provider = self.account.providers.iter().find(|(_, provider)| provider.url == issuer);
        let Some((provider_arn, provider)) = provider else {
            let message = "No OpenIDConnect provider found in your account for ".to_owned();
            return Err(Refusal::new("InvalidIdentityToken", message + text("iss")));
        };
        if !provider.client_ids.iter().any(|id| id == audience) {
            return Err(Refusal::new("InvalidIdentityToken", "Incorrect token audience"));
        }
        let roles = self.account.roles.iter();
        let mut role = roles.filter(|(name, _)| self.account.role_arn(name) == arn);
        let trusts = role.next().is_some_and(|(_, role)| {
            let policy = role.trust_policy();
            let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
            statements.iter().any(|statement| {
                statement["Principal"]["Federated"] == provider_arn.as_str()
                    && meets(&statement["Condition"], issuer, audience, text("sub"))
            })
        });
        if !trusts && !self.account.trusts_every_token {
            let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
            return Err(Refusal::new("AccessDenied", message));
        }
        let name = arn.rsplit('/').next().unwrap_or_default();
        let whose = format!("assumed-role/{name}/{session}");
        let whose = self.account.arn("", &whose).replace(":iam:", ":sts:");
        Ok(Some(Xml::of(|xml| {
            xml.element("Credentials", |xml| {
                xml.text("AccessKeyId", SESSION_ACCESS_KEY);
                xml.text("SecretAccessKey", SESSION_SECRET_KEY);
                xml.text("SessionToken", "a-session-token-0123456789abcdef");
                xml.text("Expiration", "2099-01-01T00:00:00Z");
            });
            xml.element("AssumedRoleUser", |xml| {
                xml.text("AssumedRoleId", id("AROA", name));
                xml.text("Arn", whose);
            });
        })))
    }
}

fn claims(token: &str) -> Option<Value> {
    let bytes = Base64UrlUnpadded::decode_vec(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The conditions that issuerctl writes.
fn meets(condition: &Value, issuer: &str, audience: &str, subject: &str) -> bool {
    let operators = condition.as_object().cloned().unwrap_or_default();
    operators.iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, values)| {
            let actual = match key.strip_prefix(issuer) {
                Some(":aud") => audience,
                Some(":sub") => subject,
                _ => return false,
            };
            let values = match values {
                Value::Array(list) => list.clone(),
                one => vec![one.clone()],
            };
            values.iter().filter_map(Value::as_str).any(|value| match operator.as_str() {
                "StringEquals" => value == actual,
                _ => matches(value, actual),
            })
        })
    })
}

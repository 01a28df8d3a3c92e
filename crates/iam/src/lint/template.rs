//! Values of CloudFormation templates (template reference, "Intrinsic function reference"). A short
//! form such as `!Ref Provider` is read as its argument.

use issuer_discovery::PARTITIONS;
use serde_json::{Map, Value};

use super::options::Wanted;
use crate::Error;

/// What a template refers to.
pub(super) struct Template<'a> {
    resources: Map<String, Value>,
    parameters: Map<String, Value>,
    wanted: &'a Wanted,
}

/// A provider's account, if nobody has said which it is: the verdict does not depend on it.
const ACCOUNT: &str = "111122223333";

impl<'a> Template<'a> {
    /// The template of a document, if it is one.
    pub(super) fn of(document: &Value, wanted: &'a Wanted) -> Option<Self> {
        let object = |name: &str| document.get(name).and_then(Value::as_object).cloned();
        let resources = object("Resources")?;
        let parameters = object("Parameters").unwrap_or_default();
        resources.values().any(|resource| resource.get("Type").is_some()).then_some(Self {
            resources,
            parameters,
            wanted,
        })
    }

    /// A policy of the template with the values that it refers to.
    ///
    /// # Errors
    /// [`Error::NotAPolicy`] if the template does not contain such a value.
    pub(super) fn resolve(&self, policy: Value) -> Result<Value, Error> {
        let mut policy = self.value(policy)?;
        let statements = match policy.get_mut("Statement") {
            Some(Value::Array(statements)) => statements.as_mut_slice(),
            Some(statement) => std::slice::from_mut(statement),
            None => return Ok(policy),
        };
        for federated in statements.iter_mut().filter_map(|s| s.pointer_mut("/Principal/Federated"))
        {
            let all = match federated {
                Value::Array(all) => all.as_mut_slice(),
                one => std::slice::from_mut(one),
            };
            for one in all {
                if let Some(value) = one.as_str().and_then(|name| self.named(name)) {
                    *one = Value::String(value);
                }
            }
        }
        Ok(policy)
    }

    fn value(&self, value: Value) -> Result<Value, Error> {
        Ok(match value {
            Value::String(text) => Value::String(self.substitute(&text, &Map::new())?),
            Value::Array(values) => Value::Array(
                values.into_iter().map(|value| self.value(value)).collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => match function(&members) {
                Some((name, argument)) => Value::String(self.call(name, argument)?),
                None => Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| Ok((name, self.value(value)?)))
                        .collect::<Result<_, Error>>()?,
                ),
            },
            other => other,
        })
    }

    /// The value of an intrinsic function.
    fn call(&self, name: &str, argument: &Value) -> Result<String, Error> {
        let unknown = || unresolved(&format!("{name} {argument}"));
        match (name, argument) {
            ("Ref" | "Fn::GetAtt", Value::String(text)) => {
                self.named(text).ok_or_else(|| unresolved(text))
            }
            ("Fn::GetAtt", Value::Array(path)) => {
                let path: Vec<&str> = path.iter().filter_map(Value::as_str).collect();
                self.named(&path.join(".")).ok_or_else(|| unresolved(&path.join(".")))
            }
            ("Fn::Sub", Value::String(text)) => self.substitute(text, &Map::new()),
            ("Fn::Sub", Value::Array(parts)) => match &parts[..] {
                [Value::String(text), Value::Object(values)] => self.substitute(text, values),
                _ => Err(unknown()),
            },
            ("Fn::Join", Value::Array(parts)) => match &parts[..] {
                [Value::String(by), Value::Array(parts)] => {
                    let parts = parts.iter().map(|part| self.text(part));
                    Ok(parts.collect::<Result<Vec<_>, _>>()?.join(by))
                }
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }

    fn text(&self, value: &Value) -> Result<String, Error> {
        match self.value(value.clone())? {
            Value::String(text) => Ok(self.named(&text).unwrap_or(text)),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(unresolved(&other.to_string())),
        }
    }

    /// Replaces every `${NAME}`; `${!NAME}` is a plain `${NAME}`.
    fn substitute(&self, text: &str, values: &Map<String, Value>) -> Result<String, Error> {
        let mut all = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            all.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(unresolved(rest));
            };
            match (name.strip_prefix('!'), values.get(name.trim())) {
                (Some(literal), _) => all.push_str(&format!("${{{literal}}}")),
                (None, Some(value)) => all.push_str(&self.text(value)?),
                // A variable of the policy, such as ${aws:username}, is resolved by IAM.
                (None, None) if name.contains(':') && !name.starts_with("AWS::") => {
                    all.push_str(&format!("${{{name}}}"));
                }
                (None, None) => {
                    all.push_str(&self.named(name.trim()).ok_or_else(|| unresolved(name))?);
                }
            }
            rest = after;
        }
        Ok(all + rest)
    }

    /// The value of a pseudo parameter, of a parameter with a default, or of a provider.
    fn named(&self, name: &str) -> Option<String> {
        let partition = self.wanted.partition.unwrap_or(PARTITIONS[0]);
        let account = self.wanted.account.as_deref().unwrap_or(ACCOUNT);
        match name {
            "AWS::Partition" => return Some(partition.name.to_owned()),
            "AWS::AccountId" => return Some(account.to_owned()),
            _ => {}
        }
        if let Some(default) = self.parameters.get(name).and_then(|value| value.get("Default")) {
            return default.as_str().map(str::to_owned);
        }
        let resource = self.resources.get(name.strip_suffix(".Arn").unwrap_or(name))?;
        if resource["Type"] != "AWS::IAM::OIDCProvider" {
            return None;
        }
        let url = self.text(&resource["Properties"]["Url"]).ok()?;
        let path = url.strip_prefix("https://").unwrap_or(&url);
        Some(format!("arn:{}:iam::{account}:oidc-provider/{path}", partition.name))
    }
}

/// The only member of an object, if it is an intrinsic function.
fn function(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

fn unresolved(name: &str) -> Error {
    Error::NotAPolicy {
        reason: format!(
            "the template refers to {name}, whose value it does not contain; lint the policy of \
             the deployed role instead"
        ),
    }
}

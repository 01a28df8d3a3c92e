//! Values of CloudFormation templates (template reference, "Intrinsic function reference").

use issuer_discovery::PARTITIONS;
use serde_json::{Map, Value};

use super::options::Wanted;
use crate::Error;

/// What a template refers to. A policy that is no template has no functions to resolve, and a part
/// of one refers to nothing in it.
pub(super) struct Template<'a> {
    resources: Map<String, Value>,
    parameters: Map<String, Value>,
    mappings: Map<String, Value>,
    wanted: &'a Wanted,
}

/// A provider's account, if nobody has said which it is: the verdict does not depend on it.
const ACCOUNT: &str = "111122223333";

impl<'a> Template<'a> {
    /// The template of a document.
    pub(super) fn of(document: &Value, wanted: &'a Wanted) -> Self {
        let object =
            |name: &str| document.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        Self {
            resources: object("Resources"),
            parameters: object("Parameters"),
            mappings: object("Mappings"),
            wanted,
        }
    }

    /// A policy of the template with the values that it refers to.
    ///
    /// # Errors
    /// [`Error::NotAPolicy`] if the template does not contain such a value.
    pub(super) fn resolve(&self, policy: Value) -> Result<Value, Error> {
        Ok(match policy {
            Value::Array(values) => Value::Array(
                values.into_iter().map(|value| self.resolve(value)).collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => match function(&members) {
                Some((name, argument)) => Value::String(self.call(name, argument)?),
                None => Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| Ok((name, self.resolve(value)?)))
                        .collect::<Result<_, Error>>()?,
                ),
            },
            other => other,
        })
    }

    /// The value of an intrinsic function.
    fn call(&self, name: &str, argument: &Value) -> Result<String, Error> {
        let unknown = || match argument {
            Value::String(text) => unresolved(&format!("{name} {text}")),
            _ => unresolved(name),
        };
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
            ("Fn::FindInMap", Value::Array(path)) => match &path[..] {
                [map, first, second] => {
                    let [map, first, second] =
                        [self.text(map)?, self.text(first)?, self.text(second)?];
                    let found =
                        self.mappings.get(&map).and_then(|map| map.get(&first)?.get(&second));
                    let missing = || unresolved(&format!("{name} {map}, {first}, {second}"));
                    self.text(found.ok_or_else(missing)?)
                }
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }

    fn text(&self, value: &Value) -> Result<String, Error> {
        match self.resolve(value.clone())? {
            Value::String(text) => Ok(text),
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

/// The intrinsic function of an object: its only member, but macros and loops may be beside others.
fn function(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let is_only = members.len() == 1;
    let mut functions = members
        .iter()
        .filter(|(name, _)| name.starts_with("Fn::") || (is_only && name.as_str() == "Ref"));
    functions.next().map(|(name, argument)| (name.as_str(), argument))
}

fn unresolved(name: &str) -> Error {
    Error::NotAPolicy {
        reason: format!(
            "the template refers to {name}, whose value it does not contain; lint the policy of \
             the deployed role instead"
        ),
    }
}

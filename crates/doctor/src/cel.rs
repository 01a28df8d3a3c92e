//! Simple CEL expressions of `matchConditions`, as far as what is known of a pod decides them. Whatever
//! else they have is not known, and an expression that depends on it is not judged.

use serde_json::{Value, json};

use crate::kubernetes::{labels, name, namespace};

/// What is known of the request to create a pod.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) namespace: Option<String>,
    /// The name of the ServiceAccount.
    pub(crate) account: Option<String>,
    /// Metadata of the pod.
    pub(crate) pod: Option<Value>,
    pub(crate) namespace_labels: Option<Value>,
    /// The ServiceAccount, which a policy has as its parameter.
    pub(crate) params: Option<Value>,
}

/// Whether a condition holds; `None` if that is not known.
pub(crate) fn holds(expression: &str, request: &Request) -> Option<bool> {
    let tokens = tokens(expression)?;
    let mut reader = Reader { tokens: &tokens, at: 0, request };
    let result = reader.expression()?;
    if reader.at < tokens.len() {
        return None;
    }
    result.boolean()
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(i64),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", ".?", "[?", "!", "<", ">", "(", ")", "[", "]", "{", "}",
    ".", ",", "?", ":", "-",
];

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if first == '\'' || first == '"' {
            let (value, after) = literal(rest.get(1..)?, first)?;
            tokens.push(Token::Text(value));
            rest = after;
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end)?;
            tokens.push(match first.is_ascii_digit() {
                true => Token::Number(word.parse().ok()?),
                false => Token::Name(word.to_owned()),
            });
            // A prefix such as r of a literal.
            if after.starts_with(['\'', '"']) {
                return None;
            }
            rest = after;
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign))?;
            tokens.push(Token::Sign(sign));
            rest = rest.get(sign.len()..)?;
        }
        rest = rest.trim_start();
    }
    Some(tokens)
}

/// A literal without its first quotation mark, and what follows it.
fn literal(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                c @ ('\\' | '\'' | '"') => value.push(c),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    None
}

/// The value of a part of an expression.
#[derive(Debug, Clone)]
enum Part {
    /// Known in full.
    Known(Value),
    /// An object of which only these members are known.
    Open(Value),
    Optional(Option<Value>),
    /// A member that does not exist, which is an error in CEL.
    Absent,
    Unknown,
}

impl Part {
    fn boolean(&self) -> Option<bool> {
        self.known()?.as_bool()
    }

    fn known(&self) -> Option<&Value> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    fn of(value: Option<bool>) -> Self {
        value.map_or(Self::Unknown, |value| Self::Known(value.into()))
    }

    fn member(self, name: &str) -> Self {
        match self {
            // The objects directly below are as incomplete.
            Self::Open(value) => match value.get(name) {
                Some(inner)
                    if ["metadata", "spec", "kind", "resource"].contains(&name)
                        && inner.is_object() =>
                {
                    Self::Open(inner.clone())
                }
                Some(inner) => Self::Known(inner.clone()),
                None => Self::Unknown,
            },
            Self::Known(value) => {
                value.get(name).map_or(Self::Absent, |own| Self::Known(own.clone()))
            }
            Self::Optional(value) => {
                Self::Optional(value.as_ref().and_then(|own| own.get(name)).cloned())
            }
            other => other,
        }
    }

    fn optional(self) -> Self {
        match self {
            // An empty map is left out by the API server.
            Self::Known(value) if value.as_object().is_none_or(|own| !own.is_empty()) => {
                Self::Optional(Some(value))
            }
            Self::Known(_) | Self::Absent => Self::Optional(None),
            other => other,
        }
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    request: &'a Request,
}

impl Reader<'_> {
    fn sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.tokens.get(self.at), Some(Token::Sign(own)) if *own == sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.tokens.get(self.at), Some(Token::Name(own)) if own == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn expression(&mut self) -> Option<Part> {
        let condition = self.any()?;
        if !self.sign("?") {
            return Some(condition);
        }
        let yes = self.expression()?;
        if !self.sign(":") {
            return None;
        }
        let no = self.expression()?;
        Some(match condition.boolean() {
            Some(true) => yes,
            Some(false) => no,
            None => Part::Unknown,
        })
    }

    /// `||`, in which true absorbs what is not known.
    fn any(&mut self) -> Option<Part> {
        let mut found = self.all()?;
        while self.sign("||") {
            let other = self.all()?;
            found = Part::of(match (found.boolean(), other.boolean()) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            });
        }
        Some(found)
    }

    fn all(&mut self) -> Option<Part> {
        let mut found = self.relation()?;
        while self.sign("&&") {
            let other = self.relation()?;
            found = Part::of(match (found.boolean(), other.boolean()) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            });
        }
        Some(found)
    }

    fn relation(&mut self) -> Option<Part> {
        let left = self.unary()?;
        let is_equal = |right: &Part| Some(left.known()? == right.known()?);
        if self.sign("==") {
            return self.unary().map(|right| Part::of(is_equal(&right)));
        }
        if self.sign("!=") {
            return self.unary().map(|right| Part::of(is_equal(&right).map(|own| !own)));
        }
        if self.word("in") {
            let right = self.unary()?;
            let is_in = || match right.known()? {
                Value::Array(list) => Some(list.contains(left.known()?)),
                Value::Object(members) => Some(members.contains_key(left.known()?.as_str()?)),
                _ => None,
            };
            return Some(Part::of(is_in()));
        }
        for (sign, is) in [
            ("<=", [true, true, false]),
            (">=", [false, true, true]),
            ("<", [true, false, false]),
            (">", [false, false, true]),
        ] {
            if self.sign(sign) {
                let right = self.unary()?;
                let order = || Some(left.known()?.as_i64()?.cmp(&right.known()?.as_i64()?));
                return Some(Part::of(order().map(|order| is[(order as i8 + 1) as usize])));
            }
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Part> {
        if self.sign("!") {
            return self.unary().map(|own| Part::of(own.boolean().map(|own| !own)));
        }
        let mut part = self.primary()?;
        loop {
            if self.sign(".?") {
                part = part.member(&self.name()?).optional();
            } else if self.sign("[?") {
                part = self.index(part)?.optional();
            } else if self.sign("[") {
                part = self.index(part)?;
            } else if self.sign(".") {
                let name = self.name()?;
                part = match self.sign("(") {
                    true => call(&part, &name, &self.list(")")?),
                    false => part.member(&name),
                };
            } else {
                return Some(part);
            }
        }
    }

    fn index(&mut self, part: Part) -> Option<Part> {
        let index = self.expression()?;
        if !self.sign("]") {
            return None;
        }
        Some(match index.known().and_then(Value::as_str) {
            Some(name) => part.member(name),
            None => Part::Unknown,
        })
    }

    fn name(&mut self) -> Option<String> {
        let Token::Name(name) = self.tokens.get(self.at)? else { return None };
        self.at += 1;
        Some(name.clone())
    }

    /// Expressions with commas, and the sign at the end.
    fn list(&mut self, end: &str) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        if self.sign(end) {
            return Some(parts);
        }
        loop {
            parts.push(self.expression()?);
            if self.sign(end) {
                return Some(parts);
            }
            if !self.sign(",") {
                return None;
            }
        }
    }

    fn primary(&mut self) -> Option<Part> {
        if self.sign("(") {
            let inner = self.expression()?;
            return self.sign(")").then_some(inner);
        }
        if self.sign("[") {
            let parts = self.list("]")?;
            let values: Option<Vec<Value>> = parts.iter().map(|own| own.known().cloned()).collect();
            return Some(values.map_or(Part::Unknown, |values| Part::Known(values.into())));
        }
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        Some(match token {
            Token::Text(text) => Part::Known(text.into()),
            Token::Number(number) => Part::Known(number.into()),
            Token::Sign(_) => return None,
            Token::Name(name) if self.sign("(") => {
                let parts = self.list(")")?;
                match (name.as_str(), &parts[..]) {
                    ("has", [one]) => match one.clone().optional() {
                        Part::Optional(found) => Part::Known(found.is_some().into()),
                        _ => Part::Unknown,
                    },
                    ("size", [one]) => call(one, "size", &[]),
                    _ => Part::Unknown,
                }
            }
            Token::Name(name) => match name.as_str() {
                "true" => Part::Known(true.into()),
                "false" => Part::Known(false.into()),
                name => self.request.variable(name).map_or(Part::Unknown, Part::Open),
            },
        })
    }
}

/// A method of a value.
fn call(part: &Part, method: &str, arguments: &[Part]) -> Part {
    if let Part::Optional(found) = part {
        return match (method, arguments) {
            ("hasValue", []) => Part::Known(found.is_some().into()),
            ("orValue", [other]) => found.clone().map_or_else(|| other.clone(), Part::Known),
            _ => Part::Unknown,
        };
    }
    let Some(own) = part.known() else { return Part::Unknown };
    let argument = arguments.first().and_then(|own| own.known()?.as_str());
    Part::of(match (method, own.as_str(), argument) {
        ("startsWith", Some(text), Some(other)) => Some(text.starts_with(other)),
        ("endsWith", Some(text), Some(other)) => Some(text.ends_with(other)),
        ("contains", Some(text), Some(other)) => Some(text.contains(other)),
        ("size", ..) => {
            let size = own.as_array().map(Vec::len).or_else(|| Some(own.as_object()?.len()));
            let size = size.or_else(|| Some(own.as_str()?.chars().count()));
            return size.map_or(Part::Unknown, |size| Part::Known(size.into()));
        }
        _ => None,
    })
}

impl Request {
    /// A variable of CEL with the members that are known.
    fn variable(&self, variable: &str) -> Option<Value> {
        let space = self.namespace.as_ref();
        Some(match variable {
            "object" => {
                let metadata = self.pod.as_ref()?.get("metadata")?;
                let map = |what: &str| metadata.get(what).filter(|own| own.is_object()).cloned();
                json!({
                    "metadata": {
                        "namespace": space?,
                        "labels": map("labels").unwrap_or_else(|| json!({})),
                        "annotations": map("annotations").unwrap_or_else(|| json!({})),
                    },
                    "spec": {"serviceAccountName": self.account.as_ref()?},
                })
            }
            "request" => json!({
                "namespace": space?,
                "operation": "CREATE",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
            }),
            "namespaceObject" => {
                json!({"metadata": {"name": space?, "labels": self.namespace_labels.as_ref()?}})
            }
            "params" => {
                let own = self.params.as_ref()?;
                let map = |own: &Value| if own.is_object() { own.clone() } else { json!({}) };
                let annotations = own.pointer("/metadata/annotations").unwrap_or(&Value::Null);
                json!({"metadata": {
                    "name": name(own), "namespace": namespace(own),
                    "labels": map(labels(own)), "annotations": map(annotations),
                }})
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_conditions_are_judged_and_others_are_not() {
        let request = Request {
            namespace: Some("demo".to_owned()),
            account: Some("app".to_owned()),
            pod: Some(json!({"metadata": {"labels": {"app": "web"}}})),
            namespace_labels: Some(json!({"team": "a"})),
            params: Some(json!({"metadata": {"name": "app", "annotations": {"a/role": "arn"}}})),
        };
        for (expression, expected) in [
            ("true", Some(true)),
            ("request.namespace == 'demo'", Some(true)),
            ("request.namespace != \"kube-system\" && request.operation == 'CREATE'", Some(true)),
            ("!(request.namespace in ['kube-system', 'demo'])", Some(false)),
            ("object.metadata.namespace.startsWith('kube-')", Some(false)),
            ("object.spec.serviceAccountName != 'app'", Some(false)),
            ("'app' in object.metadata.labels", Some(true)),
            ("has(object.metadata.labels) && object.metadata.labels['app'] == 'web'", Some(true)),
            ("has(object.metadata.labels.irsa)", Some(false)),
            ("has(object.metadata.annotations)", Some(false)),
            (
                "!has(object.metadata.annotations) || !('x' in object.metadata.annotations)",
                Some(true),
            ),
            ("object.metadata.?labels[?'irsa'].orValue('off') == 'on'", Some(false)),
            ("namespaceObject.metadata.labels.team == 'b'", Some(false)),
            ("params.metadata.name == object.spec.?serviceAccountName.orValue('')", Some(true)),
            ("params.metadata.?annotations[?'a/role'].orValue('') != ''", Some(true)),
            ("size(object.metadata.labels) > 1", Some(false)),
            ("request.namespace == 'demo' ? false : true", Some(false)),
            // What is not known decides nothing, unless the rest does.
            ("request.userInfo.username == 'x'", None),
            ("request.userInfo.username == 'x' || request.namespace == 'demo'", Some(true)),
            ("request.userInfo.username == 'x' && request.namespace == 'shop'", Some(false)),
            ("object.spec.hostNetwork", None),
            ("has(object.spec.hostNetwork)", None),
            ("object.metadata.labels['irsa'] == 'on'", None),
            ("object.spec.containers.exists(c, c.image.startsWith('x'))", None),
            ("variables.ok", None),
            ("object.metadata.namespace.matches('^kube')", None),
            ("'a' + 'b' == 'ab'", None),
            ("request.namespace ==", None),
            ("", None),
        ] {
            assert_eq!(holds(expression, &request), expected, "{expression}");
        }
        assert_eq!(holds("request.namespace == 'demo'", &Request::default()), None);
    }
}

//! Requests and errors of the query protocol.

use std::collections::BTreeMap;

/// The parameters of a request.
pub(super) struct Query(BTreeMap<String, String>);

/// An error of IAM.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

impl Query {
    /// Reads a form (`application/x-www-form-urlencoded`).
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    pub(super) fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        let given = self.get(name).filter(|value| !value.is_empty());
        given.ok_or_else(|| {
            let mut letters = name.chars();
            let first = letters.next().map(|letter| letter.to_ascii_lowercase());
            let member: String = first.into_iter().chain(letters).collect();
            Refusal::new(
                "ValidationError",
                format!(
                    "1 validation error detected: Value null at '{member}' failed to satisfy \
                     constraint: Member must not be null"
                ),
            )
        })
    }

    /// `NAME.member.1` and so on.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let member = |number| self.get(&format!("{name}.member.{number}")).map(str::to_owned);
        (1..).map_while(member).collect()
    }

    /// `Tags.member.1.Key`, `Tags.member.1.Value` and so on.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        let part = |number, part| self.get(&format!("Tags.member.{number}.{part}"));
        let tag = |number| {
            let key = part(number, "Key")?.to_owned();
            Some((key, part(number, "Value").unwrap_or_default().to_owned()))
        };
        (1..).map_while(tag).collect()
    }
}

impl Refusal {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }

    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new("NoSuchEntity", message)
    }

    /// The HTTP status that belongs to the code (IAM API, "Common errors" and each action's own).
    pub(super) fn status(&self) -> u16 {
        match self.code.as_str() {
            "NoSuchEntity" => 404,
            "EntityAlreadyExists"
            | "DeleteConflict"
            | "LimitExceeded"
            | "ConcurrentModification"
            | "EntityTemporarilyUnmodifiable" => 409,
            "AccessDenied"
            | "MissingAuthenticationToken"
            | "ExpiredToken"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch" => 403,
            "ServiceFailure" | "InternalFailure" => 500,
            "ServiceUnavailable" => 503,
            _ => 400,
        }
    }
}

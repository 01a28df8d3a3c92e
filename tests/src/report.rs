//! The object that `--output json` writes, with its changes as data.

use issuer_change::{Action, Change, Field, Kind, Notice};
use serde::Deserialize;
use serde_json::Value;

use crate::Ran;

/// What a command reports that changes something, or would.
#[derive(Debug)]
pub struct Report {
    /// The whole object.
    pub object: Value,
    /// The changes, of all issuers if there are several.
    pub changes: Vec<Change>,
    /// The notices, of all issuers if there are several.
    pub notices: Vec<Notice>,
}

/// The members that `publish`, `provider` and `role` have, and each issuer of `plan`, `apply` and
/// `delete`.
#[derive(Deserialize)]
struct Members {
    changes: Vec<Change>,
    notices: Vec<Notice>,
}

impl Ran {
    /// The object on standard output.
    #[track_caller]
    pub fn report(&self) -> Report {
        let object: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.line, self.out));
        let issuers = match &object["issuers"] {
            Value::Array(issuers) => issuers.clone(),
            _ => vec![object.clone()],
        };
        let (mut changes, mut notices) = (Vec::new(), Vec::new());
        for issuer in issuers {
            let members: Members = serde_json::from_value(issuer)
                .unwrap_or_else(|error| panic!("{}: {error}: {object:#}", self.line));
            changes.extend(members.changes);
            notices.extend(members.notices);
        }
        Report { object, changes, notices }
    }
}

impl Report {
    /// Whether anything was changed, or would be.
    pub fn changed(&self) -> bool {
        self.object["changed"] == true
    }

    /// Whether a resource is among the changes.
    pub fn names(&self, kind: Kind, name: &str) -> bool {
        self.find(kind, name).is_some()
    }

    /// The change of a resource.
    #[track_caller]
    pub fn change(&self, kind: Kind, name: &str) -> &Change {
        self.find(kind, name)
            .unwrap_or_else(|| panic!("{} {name} is not in {self:#?}", kind.as_str()))
    }

    /// The only field of this name of a resource.
    #[track_caller]
    pub fn field(&self, kind: Kind, name: &str, field: &str) -> &Field {
        let fields = &self.change(kind, name).fields;
        let found: Vec<_> = fields.iter().filter(|found| found.name == field).collect();
        let [found] = found[..] else { panic!("not one {field} of {name}: {fields:#?}") };
        found
    }

    /// Fails unless these fields are among those of a resource.
    #[track_caller]
    pub fn assert_fields(&self, kind: Kind, name: &str, fields: &[Field]) {
        let change = self.change(kind, name);
        for field in fields {
            assert!(change.fields.contains(field), "no {field:?} in {change:#?}");
        }
    }

    /// Fails unless this happens to every one of these resources.
    #[track_caller]
    pub fn assert_actions(&self, action: Action, resources: &[(Kind, &str)]) {
        for (kind, name) in resources {
            assert_eq!(self.change(*kind, name).action, action, "{name}: {self:#?}");
        }
    }

    /// Whether there is a notice of this ID.
    pub fn has_notice(&self, id: &str) -> bool {
        self.notices.iter().any(|notice| notice.id == id)
    }

    fn find(&self, kind: Kind, name: &str) -> Option<&Change> {
        self.changes
            .iter()
            .find(|change| change.resource.kind == kind && change.resource.name == name)
    }
}

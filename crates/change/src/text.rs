//! The text of a change set.

use std::fmt::{self, Write as _};

use crate::difference;
use crate::{Action, Change, ChangeSet, Field, Kind, Reason, Value};

/// The maximum label width for the alignment of values, so that a value beside it fits 80 columns;
/// key IDs and names of members can be longer.
const LONGEST_ALIGNED: usize = 32;

/// The appearance of lines, and advice for reasons.
pub trait Painter {
    /// A line in the colour of an action.
    fn paint(&self, action: Action, line: &str) -> String {
        let _ = action;
        line.to_owned()
    }

    /// Advice about something that is kept, such as the option that deletes it.
    fn advice(&self, kind: Kind, field: Option<&str>, reason: Reason) -> Option<String> {
        let _ = (kind, field, reason);
        None
    }

    /// What the field belongs to, if it is shown in one line with others of the same name.
    fn together(&self, field: &Field) -> Option<&'static str> {
        let _ = field;
        None
    }
}

/// No colours, no advice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Painter for Plain {}

/// The text of changes: one line per resource, followed by the lines of its fields.
#[must_use]
pub fn render(changes: &[Change], painter: &dyn Painter) -> String {
    let mut text = String::new();
    for change in changes {
        write_change(&mut text, change, painter);
    }
    text
}

impl fmt::Display for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(&self.changes, &Plain))
    }
}

fn write_change(text: &mut String, change: &Change, painter: &dyn Painter) {
    let resource = &change.resource;
    let mut line = format!("{} {} {}", change.action.sign(), resource.kind.as_str(), resource.name);
    if resource.locator != resource.name {
        let _ = write!(line, " ({})", resource.locator);
    }
    if is_tags_only(change) {
        line.push_str(": tags only");
    }
    if let Some(reason) = change.reason {
        line.push_str(&because(painter, resource.kind, None, reason));
    }
    push(text, painter, change.action, &line);
    let (joined, alone): (Vec<&Field>, Vec<&Field>) =
        change.fields.iter().partition(|field| painter.together(field).is_some());
    let width = alone.iter().filter(|f| is_short(f)).map(|f| label(f)).map(|l| l.chars().count());
    let width = width.max().unwrap_or_default();
    for field in alone {
        write_field(text, resource.kind, field, width, painter);
    }
    write_joined(text, &joined, painter);
}

/// Whether nothing but tags is updated: what a resource does stays as it is. Those of issuerctl record
/// what it manages.
fn is_tags_only(change: &Change) -> bool {
    let mut changed = change.fields.iter().filter(|field| field.reason.is_none()).peekable();
    change.action == Action::Update
        && changed.peek().is_some()
        && changed.all(|field| field.name == "tag")
}

/// One line for all fields of a name; it is updated if not all have the same action.
fn write_joined(text: &mut String, fields: &[&Field], painter: &dyn Painter) {
    let mut names: Vec<(&str, Action)> = Vec::new();
    for field in fields {
        let (name, action) = (painter.together(field).unwrap_or_default(), field.action());
        match names.iter_mut().find(|(other, _)| *other == name) {
            Some((_, joined)) if *joined != action => *joined = Action::Update,
            Some(_) => {}
            None => names.push((name, action)),
        }
    }
    for (name, action) in names {
        push(text, painter, action, &format!("    {} {name}", action.sign()));
    }
}

fn write_field(text: &mut String, kind: Kind, field: &Field, width: usize, painter: &dyn Painter) {
    let action = field.action();
    let mut line = format!("    {} {}", action.sign(), label(field));
    let reason = field.reason.map(|reason| because(painter, kind, Some(&field.name), reason));
    match (&field.before, &field.after) {
        (Some(Value::Document(_)), _) | (_, Some(Value::Document(_))) => {
            line.push_str(&reason.unwrap_or_default());
            push(text, painter, action, &line);
            if action != Action::Keep && action != Action::Delete {
                for (action, line) in difference::documents(
                    document(field.before.as_ref()),
                    document(field.after.as_ref()),
                ) {
                    let sign = if action == Action::Keep { ' ' } else { action.sign() };
                    push(text, painter, action, &format!("        {sign} {line}"));
                }
            }
        }
        (Some(Value::List(before)), Some(Value::List(after))) if action == Action::Update => {
            push(text, painter, action, &line);
            let removed = before.iter().filter(|item| !after.contains(item));
            let added = after.iter().filter(|item| !before.contains(item));
            let removed = removed.map(|item| (Action::Delete, item));
            for (action, item) in removed.chain(added.map(|item| (Action::Create, item))) {
                push(text, painter, action, &format!("        {} {item}", action.sign()));
            }
        }
        (before, after) => {
            let values = values(field, before.as_ref(), after.as_ref());
            if !values.is_empty() {
                let used = line.chars().count() - 6;
                line.push_str(&" ".repeat(width.saturating_sub(used) + 2));
                line.push_str(&values);
            }
            line.push_str(&reason.unwrap_or_default());
            push(text, painter, action, &line);
        }
    }
}

/// `before -> after`, or the value that exists; for removed fields the name is sufficient.
fn values(field: &Field, before: Option<&Value>, after: Option<&Value>) -> String {
    let shown = |value: &Value| shown(value, is_secs(field));
    match (before, after) {
        (Some(before), Some(after)) if before != after => {
            format!("{} -> {}", shown(before), shown(after))
        }
        (_, Some(after)) => shown(after),
        (Some(before), None) => shown(before),
        (None, None) => String::new(),
    }
}

fn shown(value: &Value, secs: bool) -> String {
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) if secs => format!("{number} s"),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => one_line(text),
        Value::List(list) => list.iter().map(|item| one_line(item)).collect::<Vec<_>>().join(", "),
        Value::Document(_) => String::new(),
    }
}

/// Replaces control characters, which would break the line or the terminal.
fn one_line(text: &str) -> String {
    if text.chars().any(char::is_control) { format!("{text:?}") } else { text.to_owned() }
}

/// The name of the field in words, and which one of several it is.
fn label(field: &Field) -> String {
    let name = field.name.strip_suffix("_secs").unwrap_or(&field.name).replace('_', " ");
    match &field.item {
        Some(item) => format!("{name} {item:?}"),
        None => name,
    }
}

fn is_secs(field: &Field) -> bool {
    field.name.ends_with("_secs")
}

/// The label width for the alignment of values; longer labels are not aligned.
fn is_short(field: &Field) -> bool {
    label(field).chars().count() <= LONGEST_ALIGNED
}

fn document(value: Option<&Value>) -> Option<&serde_json::Map<String, serde_json::Value>> {
    match value {
        Some(Value::Document(document)) => Some(document),
        _ => None,
    }
}

fn because(painter: &dyn Painter, kind: Kind, field: Option<&str>, reason: Reason) -> String {
    match painter.advice(kind, field, reason) {
        Some(advice) => format!(" ({}; {advice})", reason.as_str()),
        None => format!(" ({})", reason.as_str()),
    }
}

fn push(text: &mut String, painter: &dyn Painter, action: Action, line: &str) {
    text.push_str(&painter.paint(action, line));
    text.push('\n');
}

//! `plan`, `apply` and `delete`: the object, and the diff for people.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::Verify;

/// `plan`, `apply` and `delete`.
#[derive(Debug, Serialize)]
pub(crate) struct Whole<'a> {
    pub(crate) schema_version: u32,
    /// Whether this only says what would be changed.
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would be.
    pub(crate) changed: bool,
    pub(crate) issuers: Vec<WholeIssuer<'a>>,
}

/// One issuer of the file.
#[derive(Debug, Serialize)]
pub(crate) struct WholeIssuer<'a> {
    pub(crate) name: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) changed: bool,
    /// What happens to each part, what is left alone included.
    pub(crate) changes: Vec<Line>,
    /// Roles that came from the file and are in it no more.
    pub(crate) left_roles: Vec<&'a str>,
    pub(crate) notices: Vec<&'a str>,
    /// The commands that annotate the service accounts.
    pub(crate) annotate: Vec<String>,
    pub(crate) verification: Option<Verify<'a>>,
}

/// What happens to one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// The store, or an ARN.
    pub(crate) resource: String,
    /// `create`, `update`, `delete` or `keep`.
    pub(crate) action: &'static str,
    /// Which part, and from what to what.
    pub(crate) what: String,
    /// Of a policy: the lines that differ, as `diff -u` shows them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) diff: String,
}

/// The lines of a plan's text that say what happens: two spaces and a sign begin them.
pub(crate) fn lines_of(resource: &str, plan: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for line in plan.lines() {
        let Some(line) = line.strip_prefix("  ") else { continue };
        if let (Some(diff), Some(last)) = (line.strip_prefix("    "), lines.last_mut()) {
            last.diff.push_str(diff);
            last.diff.push('\n');
            continue;
        }
        let (sign, what) = line.split_once(' ').unwrap_or((line, ""));
        let action = match sign {
            "+" => "create",
            "~" => "update",
            "-" => "delete",
            "=" => "keep",
            _ => continue,
        };
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push(Line { resource: resource.to_owned(), action, what, diff: String::new() });
    }
    lines
}

/// What happens to a role that was taken out of the file.
pub(crate) const LEFT: &str = "left as it is; --prune takes it away";

/// The last line, as people know it from `terraform plan`.
pub(crate) fn summary<'a>(lines: impl Iterator<Item = &'a Line> + Clone) -> String {
    let count = |action: &str| lines.clone().filter(|line| line.action == action).count();
    let (create, update, delete, keep) =
        (count("create"), count("update"), count("delete"), count("keep"));
    if create + update + delete == 0 {
        let left = lines.clone().any(|line| line.what.ends_with(LEFT));
        let left = if left { "; a role that was taken out of it is left" } else { "" };
        return format!("no changes: everything is as the file says{left}");
    }
    format!("{create} to create, {update} to change, {delete} to delete, {keep} left alone")
}

/// Lines in the colours of a diff.
pub(crate) fn coloured_plan(plan: &str) -> String {
    let mut text = String::new();
    for line in plan.lines() {
        let style = match line.trim_start().as_bytes() {
            [b'+', b' ', ..] if line.starts_with("  ") => AnsiColor::Green.on_default(),
            [b'-', b' ', ..] if line.starts_with("  ") => AnsiColor::Red.on_default(),
            [b'~', b' ', ..] if line.starts_with("  ") => AnsiColor::Yellow.on_default(),
            [b'=', b' ', ..] if line.starts_with("  ") => Style::new().dimmed(),
            _ => Style::new(),
        };
        text.push_str(&format!("{style}{line}{style:#}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signs_behind_two_spaces_are_changes() {
        let plan = "role app\n  + attachment  arn:x\n  ~ trust       y\n      - \"a\"\n      \
                    + \"b\"\n  = inline      z (kept)\nnothing to do\n";
        let lines = lines_of("r", plan);
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (line.action, line.what.as_str(), line.diff.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("create", "attachment arn:x", ""),
                ("update", "trust y", "- \"a\"\n+ \"b\"\n"),
                ("keep", "inline z (kept)", ""),
            ]
        );
        assert_eq!(summary(lines.iter()), "1 to create, 1 to change, 0 to delete, 1 left alone");
    }
}

//! The object of `issuer change plan`, and its text.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use issuer_migration::{Migration, Status, Step};
use issuer_redact::redact;
use serde::Serialize;

use super::{SCHEMA_VERSION, layout};

/// `issuer change plan`.
#[derive(Debug, Serialize)]
pub(crate) struct IssuerChange {
    pub(crate) schema_version: u32,
    pub(crate) from: String,
    pub(crate) to: String,
    /// The distribution, if it was given.
    pub(crate) distribution: Option<&'static str>,
    /// Whether nothing is left to do.
    pub(crate) done: bool,
    /// The step to do, or to check by hand, now.
    pub(crate) next: Option<&'static str>,
    pub(crate) steps: Vec<ListedStep>,
}

/// One step of `issuer change plan` or `rotate status`.
#[derive(Debug, Serialize)]
pub(crate) struct ListedStep {
    /// Its stable name.
    pub(crate) id: &'static str,
    /// What is true afterwards.
    pub(crate) title: &'static str,
    /// `done`, `next`, `later`, `unknown` or `not-needed`.
    pub(crate) status: &'static str,
    /// What was found.
    pub(crate) finding: String,
    /// What fails until it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<String>,
    /// The commands that do it; one that begins with `#` is done by hand.
    pub(crate) commands: Vec<String>,
    /// The command that checks it by hand.
    pub(crate) check: String,
}

impl IssuerChange {
    pub(crate) fn new(migration: &Migration, steps: &[Step]) -> Self {
        let next = steps.iter().find(|step| !step.status.is_settled());
        Self {
            schema_version: SCHEMA_VERSION,
            from: migration.from.clone(),
            to: migration.to.clone(),
            distribution: migration.distribution.map(|one| one.as_str()),
            done: next.is_none(),
            next: next.map(|step| step.id),
            steps: steps.iter().map(ListedStep::from).collect(),
        }
    }
}

impl From<&Step> for ListedStep {
    fn from(step: &Step) -> Self {
        Self {
            id: step.id,
            title: step.title,
            status: step.status.as_str(),
            // It may repeat what a server answered.
            finding: redact(&step.finding),
            warning: step.warning.as_deref().map(redact),
            commands: step.commands.iter().map(|line| redact(line)).collect(),
            check: redact(&step.check),
        }
    }
}

/// The steps as text. The one to do now has all that belongs to it; those after it have their
/// commands. Commands are not broken.
pub(crate) fn steps_text(migration: &Migration, steps: &[Step]) -> String {
    let heading = format!("from {}\nto   {}\n\n", migration.from, migration.to);
    heading + &listed(&steps.iter().collect::<Vec<_>>())
}

/// Steps as text, and which is next.
pub(super) fn listed(steps: &[&Step]) -> String {
    let columns = layout::columns();
    let mut text = String::new();
    let current = steps.iter().position(|step| !step.status.is_settled());
    for (index, step) in steps.iter().enumerate() {
        let wrapped = |indent: usize, line: &str| layout::hanging(line, indent, columns);
        let (style, status) = (style(step.status), step.status.as_str());
        let title = format!("{style}{status:10}{style:#}  {:>2}. {}", index + 1, step.title);
        let mut lines =
            vec![wrapped(16, &title), wrapped(16, &format!("{MARGIN}{}", step.finding))];
        if let Some(warning) = &step.warning {
            lines.push(wrapped(16, &format!("{MARGIN}warning: {warning}")));
        }
        let is_current = current == Some(index);
        for command in &step.commands {
            match command.starts_with('#') {
                true if is_current => lines.push(wrapped(18, &format!("{MARGIN}{command}"))),
                true => {}
                false => lines.push(format!("{MARGIN}$ {command}")),
            }
        }
        if is_current || step.status == Status::Unknown {
            lines.push(format!("{MARGIN}check: {}", step.check));
        }
        text.extend(lines.iter().map(|line| format!("{line}\n")));
    }
    let (style, last) = match current {
        None => (style(Status::Done), "nothing is left to do".to_owned()),
        Some(index) => {
            let id = steps[index].id;
            (style(Status::Next), format!("next: step {} ({id}); then run this again", index + 1))
        }
    };
    let _ = writeln!(text, "\n{style}{last}{style:#}");
    text
}

/// Below the title of a step.
const MARGIN: &str = "                ";

fn style(status: Status) -> Style {
    match status {
        Status::Done => AnsiColor::Green.on_default(),
        Status::Next => AnsiColor::Cyan.on_default().bold(),
        Status::Unknown => AnsiColor::Yellow.on_default(),
        Status::Later | Status::NotNeeded => Style::new().dimmed(),
    }
}

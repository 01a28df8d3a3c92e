//! What `plan`, `apply` and `delete` print of their issuers as these end, and the end of the run.

use std::collections::BTreeMap;

use crate::Outcome;
use crate::advice::Surface;
use crate::cli::Output;
use crate::declared::Refused;
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::output::{self, Ended, Issuer, Totals};
use crate::ui::Ui;

/// The report of a run. Of an issuer that has ended only its counts are kept, except for
/// `--output json`, which is one object.
pub(crate) struct Report<'u> {
    ui: &'u Ui,
    format: Output,
    /// Whether changes are shown and nothing is changed.
    dry_run: bool,
    /// The exit code of a run that would change something.
    changes: Exit,
    issuers: usize,
    totals: Totals,
    changes_iam: bool,
    most_severe: Option<Exit>,
    /// The failure of the only issuer.
    only: Option<Failure>,
    /// Issuers that ended before one that stands before them in the file.
    early: BTreeMap<usize, Ended>,
    next: usize,
    objects: Vec<Issuer>,
    /// Why standard output could not be written to: the issuers that are being processed end first.
    unwritten: Option<Failure>,
}

impl<'u> Report<'u> {
    /// The report of a run that executes its plans.
    pub(crate) fn of_execution(format: Output, issuers: usize, ui: &'u Ui) -> Self {
        Self::new(format, issuers, ui, false, Exit::Done)
    }

    /// The report of a run that shows its plans, and ends with `changes` if anything would change.
    pub(crate) fn of_plan(format: Output, issuers: usize, changes: Exit, ui: &'u Ui) -> Self {
        Self::new(format, issuers, ui, true, changes)
    }

    fn new(format: Output, issuers: usize, ui: &'u Ui, dry_run: bool, changes: Exit) -> Self {
        Self {
            ui,
            format,
            dry_run,
            changes,
            issuers,
            totals: Totals::new(dry_run),
            changes_iam: false,
            most_severe: None,
            only: None,
            early: BTreeMap::new(),
            next: 0,
            objects: Vec::new(),
            unwritten: None,
        }
    }

    /// Reports the documents that are not valid, which are issuers that failed before the others begin.
    pub(crate) fn refuse(mut self, refused: Vec<Refused>) -> Self {
        self.issuers += refused.len();
        for refused in refused {
            let (name, failure) = (refused.place, refused.failure.on(Surface::File));
            let issuer = Issuer::refused(name.clone(), &failure);
            self.print(Ended { index: 0, name, issuer, failure: Some(failure) });
        }
        self
    }

    /// Reports an issuer that has ended: at once as a line of JSON, else in the order of the files.
    pub(crate) fn ended(&mut self, ended: Ended) {
        if self.format == Output::Jsonl {
            return self.print(ended);
        }
        self.early.insert(ended.index, ended);
        while let Some(ended) = self.early.remove(&self.next) {
            self.next += 1;
            self.print(ended);
        }
    }

    fn print(&mut self, ended: Ended) {
        let Ended { name, issuer, failure, .. } = ended;
        self.totals.add(&issuer);
        self.changes_iam |= issuer.changed && output::changes_iam(&issuer.changes);
        if let Some(failure) = failure {
            self.most_severe =
                self.most_severe.into_iter().chain([failure.exit]).max_by_key(Exit::severity);
            self.tell(&name, failure);
        } else if !self.dry_run {
            self.ui.end_of_issuer(&issuer, self.issuers);
        }
        let written = match self.format {
            Output::Jsonl => output::json_line(&output::Line::issuer(issuer)),
            Output::Json => {
                self.objects.push(issuer);
                Ok(())
            }
            Output::Text if issuer.error.is_some() => Ok(()),
            Output::Text if self.dry_run => output::coloured(&(issuer.text() + "\n")),
            Output::Text => issuer.annotate.iter().try_for_each(|line| output::line(line)),
        };
        if let Err(failure) = written {
            self.unwritten.get_or_insert(failure);
        }
    }

    /// A failure with the name of its issuer. That of the only one ends the run.
    fn tell(&mut self, name: &str, mut failure: Failure) {
        if self.issuers == 1 {
            self.only = Some(failure);
            return;
        }
        failure.message = format!("{name}: {}", failure.message);
        self.ui.failure(&failure);
    }

    /// Ends the run: the totals, and how many issuers failed. The exit code is that of the most severe
    /// failure.
    ///
    /// # Errors
    /// The failure of the only issuer; how many issuers failed; standard output cannot be written to.
    pub(crate) fn finish(self) -> Outcome {
        let Self { ui, format, dry_run, totals, issuers, .. } = self;
        if self.changes_iam && !dry_run {
            ui.note(engine::SPREADS);
        }
        let failed = totals.failed;
        if let Some(failure) = self.unwritten {
            return Err(failure);
        }
        let changed = totals.changed;
        match format {
            // If all issuers failed, only their errors are printed.
            Output::Text if dry_run && failed < issuers => {
                output::coloured(&format!("{}\n", totals.summary()))?;
            }
            Output::Text => {
                if !dry_run && issuers > 1 && failed < issuers {
                    ui.note(&totals.done());
                }
            }
            Output::Json => output::json(&output::Plan::new(dry_run, self.objects))?,
            Output::Jsonl => output::json_line(&output::Line::summary(&totals))?,
        }
        match (self.only, self.most_severe) {
            (Some(failure), _) => Err(failure),
            (None, Some(exit)) => {
                Err(Failure::new(exit, format!("{failed} of {issuers} issuers failed")))
            }
            (None, None) if changed => Ok(self.changes),
            (None, None) => Ok(Exit::Done),
        }
    }
}

/// What a command prints for all issuers together would be wrong without those that are not valid.
///
/// # Errors
/// The first document that is not valid.
pub(crate) fn refuse_all_if(
    together: bool,
    mut refused: Vec<Refused>,
) -> Result<Vec<Refused>, Failure> {
    match together && !refused.is_empty() {
        true => Err(refused.remove(0).into_failure()),
        false => Ok(refused),
    }
}

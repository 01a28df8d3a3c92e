//! The steps, judged by what was read.

use issuer_diagnostic::date;
use issuer_migration::{Known, Status, Step};

use crate::error::duration;
use crate::{Error, Facts, Phase, Rotation, Server, phase};

/// A step, and when it may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedStep {
    /// The step.
    pub step: Step,
    /// The first time at which nothing can fail by it, in seconds since 1970, if it has to wait.
    pub not_before_secs: Option<u64>,
}

/// All steps, in the order in which they are done. One of them at most is next.
///
/// # Errors
/// Those of [`phase()`].
pub fn steps(rotation: &Rotation, facts: &Facts) -> Result<Vec<TimedStep>, Error> {
    let (new, old) = match phase(rotation, facts)? {
        Phase::Idle { kid } => (kid, Vec::new()),
        Phase::UnderWay { new, old } => (new, old),
    };
    let judge = Judge { rotation, facts, new: &new, old: &old };
    let mut steps = if old.is_empty() {
        vec![judge.idle(), judge.forget()]
    } else {
        vec![
            judge.publish(),
            judge.accept(),
            judge.caches(),
            judge.sign(),
            judge.tokens(),
            judge.drop(),
            judge.forget(),
        ]
    };
    let mut open = false;
    for TimedStep { step, .. } in &mut steps {
        if open && step.status == Status::Next {
            step.status = Status::Later;
        }
        open |= !step.status.is_settled();
    }
    Ok(steps)
}

struct Judge<'a> {
    rotation: &'a Rotation,
    facts: &'a Facts,
    new: &'a str,
    old: &'a [String],
}

impl Judge<'_> {
    fn idle(&self) -> TimedStep {
        let finding = format!("{} is the only published key; no rotation is under way", self.new);
        self.step("publish", "one key is published", Status::Done, finding)
    }

    fn publish(&self) -> TimedStep {
        let finding = format!(
            "the new key is {}, the old one {}{}",
            self.new,
            self.old.join(", "),
            match self.facts.published_by(self.new) {
                Some((secs, "published")) => format!("; published at {}", date(secs)),
                Some((secs, _)) => format!("; written at {} or before", date(secs)),
                None => String::new(),
            }
        );
        let title = "the new key is published beside the old one";
        self.step("publish", title, Status::Done, finding)
    }

    fn accept(&self) -> TimedStep {
        let title = "every API server accepts the new key, while the old one signs";
        if self.rotation.has_one_key() {
            let finding =
                "this distribution holds one key, so there is no step in which both are accepted";
            return self.step("accept", title, Status::NotNeeded, finding.to_owned());
        }
        let (status, finding) = self.over("accept it", |server| match &server.accepts {
            Known::Seen(kids) => Ok(kids.iter().any(|kid| kid == self.new)),
            Known::Unknown(reason) => Err(reason.clone()),
        });
        self.step("accept", title, status, finding).by(self.rotation.accept())
    }

    fn caches(&self) -> TimedStep {
        let title = "no reader keeps a set without the new key any more";
        let wait = duration(self.rotation.cached_secs);
        if self.signs_everywhere() {
            let finding = "every API server signs with it".to_owned();
            return self.step("caches", title, Status::Done, finding);
        }
        let Some((written, how)) = self.facts.published_by(self.new) else {
            let finding = format!(
                "the store does not say when the keys were written: wait {wait} after they were"
            );
            return self.step("caches", title, Status::Unknown, finding);
        };
        let until = written.saturating_add(self.rotation.cached_secs);
        let finding = format!("{how} at {}, and kept for {wait} at most", date(written));
        if self.facts.now_secs >= until {
            return self.step("caches", title, Status::Done, finding);
        }
        let finding = format!("{finding}: wait until {}", date(until));
        let warning = "a token of the new key fails at a reader that still has the old set: AWS does \
                       not say how long it keeps one, 24 h are safe";
        let mut step = self.step("caches", title, Status::Next, finding).until(until);
        step.step.warning = Some(warning.to_owned());
        step
    }

    fn sign(&self) -> TimedStep {
        let title = "every API server signs with the new key";
        let (status, finding) = self.over("sign with it", |server| match &server.signs {
            Known::Seen(kids) => Ok(kids.iter().all(|kid| kid == self.new)),
            Known::Unknown(reason) => Err(reason.clone()),
        });
        let mut step = self.step("sign", title, status, finding).by(self.rotation.sign());
        if self.rotation.has_one_key() && status == Status::Next {
            let warning = "the old key is refused at once: clients in the cluster get 401 until kubelet has \
                           renewed their tokens (up to 48 minutes) and they have read them again";
            step.step.warning = Some(warning.to_owned());
        }
        if let (Status::Next, Some((written, _))) = (status, self.facts.published_by(self.new)) {
            step = step.until(written.saturating_add(self.rotation.cached_secs));
        }
        step
    }

    fn tokens(&self) -> TimedStep {
        let title = "every token of the old key has expired";
        let life = duration(self.rotation.token_secs);
        if !self.signs_everywhere() {
            let finding =
                format!("{life} and 5 min after the last API server signs with the new key");
            return self.step("tokens", title, Status::Next, finding);
        }
        match self.facts.tokens_gone(self.rotation) {
            Known::Unknown(reason) => self.step("tokens", title, Status::Unknown, reason),
            Known::Seen(until) if self.facts.now_secs >= until => {
                let finding = format!("the last one expired at {} or before", date(until));
                self.step("tokens", title, Status::Done, finding)
            }
            Known::Seen(until) => {
                let finding = format!("the last one may be valid until {}: wait", date(until));
                self.step("tokens", title, Status::Next, finding).until(until)
            }
        }
    }

    fn drop(&self) -> TimedStep {
        let title = "the old key is no longer published";
        let finding = format!("published: {}", self.facts.published.join(", "));
        let finish = self.rotation.line("finish", self.signs_everywhere());
        let step = self.step("drop", title, Status::Next, finding).by(vec![finish]);
        match self.facts.tokens_gone(self.rotation) {
            Known::Seen(until) if self.signs_everywhere() => step.until(until),
            _ => step,
        }
    }

    fn forget(&self) -> TimedStep {
        let title = "no API server accepts an older key";
        let mut older: Vec<&str> = Vec::new();
        for server in &self.facts.servers {
            match &server.accepts {
                Known::Unknown(reason) => {
                    return self.step("forget", title, Status::Unknown, reason.clone());
                }
                Known::Seen(kids) => older.extend(kids.iter().map(String::as_str)),
            }
        }
        older.retain(|kid| *kid != self.new);
        older.sort_unstable();
        older.dedup();
        if self.facts.servers.is_empty() {
            return self.step(
                "forget",
                title,
                Status::Unknown,
                "no API server was asked".to_owned(),
            );
        }
        if older.is_empty() {
            let finding = "they accept no other key".to_owned();
            return self.step("forget", title, Status::Done, finding);
        }
        let finding = format!(
            "they accept {} too; tokens for the API server itself may be extended to a year, so this can \
             wait",
            older.join(", ")
        );
        self.step("forget", title, Status::Next, finding).by(self.rotation.forget())
    }

    fn signs_everywhere(&self) -> bool {
        let servers = &self.facts.servers;
        !servers.is_empty()
            && self.facts.unasked == 0
            && servers.iter().all(|server| {
                matches!(&server.signs, Known::Seen(kids)
                    if !kids.is_empty() && kids.iter().all(|kid| kid == self.new))
            })
    }

    /// Whether all API servers do it.
    fn over(&self, what: &str, does: impl Fn(&Server) -> Result<bool, String>) -> (Status, String) {
        let servers = &self.facts.servers;
        let answers: Vec<_> = servers.iter().map(|server| (&server.name, does(server))).collect();
        let named = |wanted: bool| {
            let names = answers.iter().filter(|(_, answer)| *answer == Ok(wanted));
            names.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
        };
        let unknown = answers
            .iter()
            .find_map(|(name, answer)| Some(format!("{name}: {}", answer.as_ref().err()?)));
        let (yes, no, count) = (named(true), named(false), answers.len());
        match (no.len(), unknown) {
            (_, None) if count == 0 => (Status::Unknown, "no API server was asked".to_owned()),
            (0, None) if self.facts.unasked > 0 => (
                Status::Unknown,
                format!("{count} of {} were asked: {}", count + self.facts.unasked, yes.join(", ")),
            ),
            (0, None) => (Status::Done, format!("{count} of {count} do: {}", yes.join(", "))),
            (0, Some(reason)) => (Status::Unknown, reason),
            _ => (
                Status::Next,
                format!("{} of {count} {what}; not yet: {}", yes.len(), no.join(", ")),
            ),
        }
    }

    fn step(
        &self,
        id: &'static str,
        title: &'static str,
        status: Status,
        finding: String,
    ) -> TimedStep {
        let check = self.rotation.line("status", self.signs_everywhere());
        let (warning, commands) = (None, Vec::new());
        let step = Step { id, title, status, finding, warning, commands, check };
        TimedStep { step, not_before_secs: None }
    }
}

impl TimedStep {
    /// Adds the commands of a step that is not done.
    fn by(mut self, commands: Vec<String>) -> Self {
        if !self.step.status.is_settled() {
            self.step.commands = commands;
        }
        self
    }

    fn until(mut self, secs: u64) -> Self {
        self.not_before_secs = Some(secs);
        self
    }
}

//! Which issuers an API server is to have, given those that it has.

use crate::request::shown;
use crate::{Distribution, Error, Request};

/// The issuers that an API server has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Current {
    /// Accepted issuers, each once; the first signs.
    pub(crate) accepted: Vec<String>,
    /// What the distribution would set by itself; empty if the file does not tell.
    pub(crate) defaults: Vec<String>,
}

impl Current {
    /// Those of the file, or else the default.
    pub(crate) fn new(written: Vec<String>, defaults: Vec<String>) -> Self {
        let mut accepted: Vec<String> = Vec::new();
        let default = defaults.first().cloned().filter(|_| written.is_empty());
        for issuer in written.into_iter().chain(default) {
            if !issuer.is_empty() && !accepted.contains(&issuer) {
                accepted.push(issuer);
            }
        }
        Self { accepted, defaults }
    }
}

/// Where a change stands among the three steps that lose no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Nothing changes.
    Unchanged,
    /// 1: another issuer is accepted; the old one goes on signing.
    Accept,
    /// 2: the new issuer signs; the old one stays accepted.
    Sign,
    /// 3: an old issuer is no longer accepted.
    Drop,
    /// All at once: tokens of the old issuer are refused from now on.
    AtOnce,
}

/// The issuers of the step that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The issuer that signs then.
    pub issuer: String,
    /// The issuers that are accepted then.
    pub keep: Vec<String>,
    /// The issuers that go then.
    pub drop: Vec<String>,
}

/// The issuers to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The first signs.
    pub(crate) issuers: Vec<String>,
    /// Whether the first one is the distribution's default.
    pub(crate) default_signs: bool,
    /// Every issuer that the file or the request names.
    pub(crate) known: Vec<String>,
    pub(crate) step: Step,
    /// Whether the issuer that signs now was accepted before.
    pub(crate) prepared: bool,
    pub(crate) before: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl Decision {
    pub(crate) fn signing(&self) -> &str {
        self.issuers.first().map_or("", String::as_str)
    }

    /// The issuers that do not sign.
    pub(crate) fn others(&self) -> &[String] {
        self.issuers.get(1..).unwrap_or_default()
    }

    /// The step that follows, if any.
    pub(crate) fn next(&self) -> Option<Next> {
        let signing = self.signing().to_owned();
        match self.step {
            Step::Accept => {
                let issuer = self.others().iter().find(|issuer| !self.before.contains(issuer));
                let issuer = issuer.or(self.others().first())?.clone();
                let rest = self.others().iter().filter(|other| **other != issuer).cloned();
                let keep = [signing].into_iter().chain(rest).collect();
                Some(Next { issuer, keep, drop: Vec::new() })
            }
            Step::Sign => {
                let old = self.before.first()?.clone();
                let keep = self.others().iter().filter(|other| **other != old).cloned().collect();
                Some(Next { issuer: signing, keep, drop: vec![old] })
            }
            _ => None,
        }
    }
}

/// Decides what is written.
///
/// # Errors
/// [`Error::Lost`], and requests that are not valid.
pub(crate) fn decide(current: &Current, request: &Request) -> Result<Decision, Error> {
    let known: Vec<String> = current.accepted.iter().chain(&current.defaults).cloned().collect();
    request.check(&known)?;
    let mut issuers: Vec<String> = request.accepted().cloned().collect();
    let is_default = |issuer: &String| current.defaults.contains(issuer);
    let mut warnings = Vec::new();
    for (index, issuer) in current.accepted.iter().enumerate() {
        if issuers.contains(issuer) || request.drop.contains(issuer) {
            continue;
        }
        match (index, is_default(issuer)) {
            (0, true) => {}
            (0, false) => {
                let is_variable =
                    request.distribution == Distribution::MicroK8s && issuer.contains('$');
                let only_one = request.distribution == Distribution::EksAnywhere;
                return Err(Error::Lost { issuer: shown(issuer), is_variable, only_one });
            }
            _ => {
                warnings.push(format!("{} stays accepted, because nobody named it", shown(issuer)));
                issuers.push(issuer.clone());
            }
        }
    }
    let default_signs = is_default(&request.issuer);
    if let Some(lost) =
        current.accepted.first().filter(|first| is_default(first) && !issuers.contains(first))
    {
        warnings.push(format!(
            "the default issuer {} is no longer accepted: every client in the cluster with a token \
             of it, and so every running pod, gets 401 from the API server until kubelet has \
             renewed the token (up to 48 minutes) and the client has read it again",
            shown(lost)
        ));
    } else if current.accepted.is_empty() {
        warnings.push(
            "the file does not tell the default issuer; tokens of it are no longer accepted unless \
             it is kept by its name"
                .to_owned(),
        );
    }
    let step = step(&current.accepted, &issuers, default_signs);
    let prepared = current.accepted.contains(&request.issuer);
    let mut known = known;
    known.extend(issuers.iter().chain(&request.drop).cloned());
    let before = current.accepted.clone();
    Ok(Decision { issuers, default_signs, known, step, prepared, before, warnings })
}

fn step(before: &[String], after: &[String], default_signs: bool) -> Step {
    let (Some(old), Some(new)) = (before.first(), after.first()) else { return Step::AtOnce };
    let gone = before.iter().any(|issuer| !after.contains(issuer));
    let came = after.iter().any(|issuer| !before.contains(issuer));
    match (old == new, gone, came) {
        (true, false, false) => Step::Unchanged,
        (true, true, _) => Step::Drop,
        (true, false, true) => Step::Accept,
        (false, ..) if !after.contains(old) => Step::AtOnce,
        (false, ..) if default_signs => Step::Accept,
        (false, ..) => Step::Sign,
    }
}

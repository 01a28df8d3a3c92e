//! The objects of `rotate status` and `keys`, and their text.

use std::fmt::Write as _;

use issuer_diagnostic::date;
use issuer_jwks::JwkSet;
use issuer_migration::Known;
use issuer_publish::KeyRecord;
use issuer_redact::redact;
use issuer_rotation::{Facts, Fate, Phase, Server, TimedStep};
use serde::Serialize;

use super::migration::{ListedStep, listed};
use super::{Key, SCHEMA_VERSION, layout};

/// `rotate status`.
#[derive(Debug, Serialize)]
pub(crate) struct RotateStatus {
    pub(crate) schema_version: u32,
    /// The issuer URL.
    pub(crate) issuer: String,
    /// Whether two keys or more are published.
    pub(crate) under_way: bool,
    /// The kid of the new key, or of the only one.
    pub(crate) new: String,
    /// The kids of the older ones.
    pub(crate) old: Vec<String>,
    /// The API servers that were asked.
    pub(crate) servers: Vec<AskedServer>,
    /// Whether nothing is left to do.
    pub(crate) done: bool,
    /// The step to do, or to check by hand, now.
    pub(crate) next: Option<&'static str>,
    pub(crate) steps: Vec<RotationStep>,
}

/// One step of `rotate status`.
#[derive(Debug, Serialize)]
pub(crate) struct RotationStep {
    #[serde(flatten)]
    pub(crate) step: ListedStep,
    /// The time before which it should not be done, if it has to wait.
    pub(crate) not_before: Option<String>,
}

/// One API server.
#[derive(Debug, Serialize)]
pub(crate) struct AskedServer {
    pub(crate) server: String,
    /// The kids in its `/openid/v1/jwks`; null if they are not known.
    pub(crate) accepts: Option<Vec<String>>,
    /// The kids of fresh tokens; null if they are not known.
    pub(crate) signs: Option<Vec<String>>,
    /// Why something is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown: Option<String>,
}

/// `keys`.
#[derive(Debug, Serialize)]
pub(crate) struct Keys {
    pub(crate) schema_version: u32,
    /// The issuer URL.
    pub(crate) issuer: String,
    /// The published keys, in their order.
    pub(crate) keys: Vec<ListedKey>,
}

/// One published key.
#[derive(Debug, Serialize)]
pub(crate) struct ListedKey {
    #[serde(flatten)]
    pub(crate) key: Key,
    /// When it was published first; null if that was not recorded.
    pub(crate) since: Option<String>,
    /// It has been published since then, or for longer; null if nothing says it.
    pub(crate) since_at_the_latest: Option<String>,
    /// When a run was given it last, within a day; null if that was not recorded.
    pub(crate) last_confirmed: Option<String>,
    /// Since when runs are not given it any more, within a day; null if they are, or if that was not
    /// recorded.
    pub(crate) missing_since: Option<String>,
    /// When a run saw a token that it signed, within an hour; null if none did, or if that was not
    /// recorded.
    pub(crate) last_seen_signing: Option<String>,
    /// Whether an API server signs with it; null if that is not known.
    pub(crate) signs: Option<bool>,
    /// Whether an API server accepts it; null if that is not known.
    pub(crate) accepted: Option<bool>,
    /// From when on it may be removed; null if it must stay, or if that is not known.
    pub(crate) may_be_removed_from: Option<String>,
    /// Why.
    pub(crate) why: String,
}

impl RotateStatus {
    pub(crate) fn new(issuer: &str, phase: &Phase, facts: &Facts, steps: &[TimedStep]) -> Self {
        let (new, old) = match phase {
            Phase::Idle { kid } => (kid.clone(), Vec::new()),
            Phase::UnderWay { new, old } => (new.clone(), old.clone()),
        };
        let next = steps.iter().find(|timed| !timed.step.status.is_settled());
        let step = |timed: &TimedStep| RotationStep {
            step: (&timed.step).into(),
            not_before: timed.not_before_secs.map(date),
        };
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: issuer.to_owned(),
            under_way: !old.is_empty(),
            new,
            old,
            servers: facts.servers.iter().map(AskedServer::from).collect(),
            done: next.is_none(),
            next: next.map(|timed| timed.step.id),
            steps: steps.iter().map(step).collect(),
        }
    }

    /// The same as text.
    pub(crate) fn text(issuer: &str, facts: &Facts, steps: &[TimedStep]) -> String {
        let columns = layout::columns();
        let mut text = format!("{issuer}\n");
        for server in facts.servers.iter().map(AskedServer::from) {
            let kids = |kids: &Option<Vec<String>>| match kids {
                Some(kids) => kids.join(", "),
                None => "unknown".to_owned(),
            };
            let line = format!(
                "  {}: signs with {}; accepts {}",
                server.server,
                kids(&server.signs),
                kids(&server.accepts)
            );
            let _ = writeln!(text, "{}", layout::hanging(&line, 4, columns));
        }
        let steps: Vec<_> = steps.iter().map(|timed| &timed.step).collect();
        text + "\n" + &listed(&steps)
    }
}

impl From<&Server> for AskedServer {
    fn from(server: &Server) -> Self {
        let known = |answer: &Known<Vec<String>>| match answer {
            Known::Seen(kids) => Ok(kids.clone()),
            Known::Unknown(reason) => Err(redact(reason)),
        };
        let (accepts, signs) = (known(&server.accepts), known(&server.signs));
        let unknown = accepts.clone().err().or_else(|| signs.clone().err());
        let (accepts, signs) = (accepts.ok(), signs.ok());
        Self { server: server.name.clone(), accepts, signs, unknown }
    }
}

impl ListedKey {
    /// Since when, or at the latest, it is published.
    fn published(&self) -> String {
        match (&self.since, &self.since_at_the_latest) {
            (Some(since), _) => since.clone(),
            (None, Some(latest)) => format!("by {latest}"),
            (None, None) => "not known".to_owned(),
        }
    }

    /// What runs have recorded of it, after why it stays or may go.
    fn recorded(&self) -> String {
        let said = match (&self.missing_since, &self.last_confirmed) {
            (Some(missing), _) => format!("; not given to runs since {missing}"),
            (None, Some(confirmed)) => format!("; given to a run at {confirmed}"),
            (None, None) => "; when a run was given it last is not known".to_owned(),
        };
        match &self.last_seen_signing {
            Some(signed) if !self.why.contains(signed.as_str()) => {
                format!("{said}; seen signing at {signed}")
            }
            _ => said,
        }
    }
}

impl Keys {
    pub(crate) fn new(
        issuer: &str,
        published: &JwkSet,
        facts: &Facts,
        fates: &[Fate],
        record: &KeyRecord,
    ) -> Self {
        let some = |answer: &Known<Vec<String>>| match answer {
            Known::Seen(servers) => Some(!servers.is_empty()),
            Known::Unknown(_) => None,
        };
        let listed = |fate: &Fate| {
            let life = record.life(&fate.kid);
            Some(ListedKey {
                key: published.get(&fate.kid)?.into(),
                since: life.first_secs.map(date),
                since_at_the_latest: life.first_secs.or(facts.written_secs).map(date),
                last_confirmed: life.confirmed_secs.map(date),
                missing_since: life.missing_secs.map(date),
                last_seen_signing: life.signed_secs.map(date),
                signs: some(&fate.signs),
                accepted: some(&fate.accepts),
                may_be_removed_from: fate.may_go_secs.map(date),
                why: redact(&fate.why),
            })
        };
        let keys = fates.iter().filter_map(listed).collect();
        Self { schema_version: SCHEMA_VERSION, issuer: issuer.to_owned(), keys }
    }

    /// A table: one line for each key, and below it why it stays or may go.
    pub(crate) fn text(&self) -> String {
        let columns = layout::columns();
        let answer = |known: Option<bool>| match known {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let heading = ["KID", "KEY", "PUBLISHED", "SIGNS", "ACCEPTED", "MAY GO"];
        let mut rows = vec![heading.map(str::to_owned)];
        rows.extend(self.keys.iter().map(|one| {
            [
                one.key.kid.clone(),
                format!("{} {}", one.key.kind, one.key.alg),
                one.published(),
                answer(one.signs).to_owned(),
                answer(one.accepted).to_owned(),
                one.may_be_removed_from.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        }));
        let mut text = String::new();
        for (index, line) in layout::table(&rows).iter().enumerate() {
            let _ = writeln!(text, "{line}");
            if let Some(one) = index.checked_sub(1).and_then(|index| self.keys.get(index)) {
                let why = format!("    {}{}", one.why, one.recorded());
                let _ = writeln!(text, "{}", layout::hanging(&why, 4, columns));
            }
        }
        text
    }
}

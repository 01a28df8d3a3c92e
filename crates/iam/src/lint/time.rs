//! Conditions on the time of a request (IAM user guide, "AWS global condition context keys":
//! `aws:CurrentTime`, `aws:EpochTime`).

use std::time::SystemTime;

use super::statement::Condition;
use super::values::instant;

/// When a condition on the time is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Now, or it cannot be told.
    Now,
    /// Only later.
    Later,
    /// At no time from now on.
    Never,
}

/// When a condition is met from `now` on; `None` for one that does not compare the time.
pub(super) fn outlook(condition: &Condition<'_>, now: SystemTime) -> Option<Outlook> {
    let key = condition.key_name.to_ascii_lowercase();
    if !matches!(key.as_str(), "aws:currenttime" | "aws:epochtime") {
        return None;
    }
    let since = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let now = i64::try_from(since.as_secs()).ok()?;
    // One of the values is enough.
    let values: Option<Vec<i64>> = condition.values.iter().map(|value| instant(value)).collect();
    let values = values?;
    let (first, last) = (*values.iter().min()?, *values.iter().max()?);
    let name = condition.operator_name.to_ascii_lowercase();
    let name = name.rsplit_once(':').map_or(name.as_str(), |(_, name)| name);
    let name = name.strip_suffix("ifexists").unwrap_or(name);
    let comparison = name.strip_prefix("date").or_else(|| name.strip_prefix("numeric"))?;
    Some(match comparison {
        "lessthan" | "lessthanequals" if last < now => Outlook::Never,
        "greaterthan" | "greaterthanequals" if first > now => Outlook::Later,
        "equals" if last < now => Outlook::Never,
        "equals" => Outlook::Later,
        _ => Outlook::Now,
    })
}

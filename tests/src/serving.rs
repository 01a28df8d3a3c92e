//! What a program that runs all the time answers at the address in its JSON log.

use serde_json::Value;

use crate::http;

/// Status and text of a path such as `/metrics`, once the program listens.
pub(crate) fn ask(log: &str, path: &str) -> Option<(u16, String)> {
    let mut events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let address = events.find_map(|event| Some(event["address"].as_str()?.to_owned()))?;
    http::read(&format!("http://{address}{path}"))
}

/// The value of the first series that begins so: a name, or a name with its labels.
pub fn metric(log: &str, series: &str) -> Option<f64> {
    let (_, text) = ask(log, "/metrics")?;
    let values = text.lines().filter_map(|line| line.strip_prefix(series));
    let mut values = values.filter(|rest| rest.starts_with(['{', ' ']));
    values.next()?.rsplit(' ').next()?.parse().ok()
}

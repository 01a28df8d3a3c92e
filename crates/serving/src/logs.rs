//! Logs: one line for each event, as text or as JSON, on standard error.
//!
//! Only our own events are written. Those of the libraries below quote requests at their finer levels.

use std::fmt;
use std::io::Write;

use issuer_diagnostic::{date, now_millis, source_place};
use issuer_redact::redact;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::Error;

pub use tracing::Level;

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Time, level, message and fields.
    #[default]
    Text,
    /// An object with `timestamp`, `level`, `message` and the fields.
    Json,
}

/// Writes the events of this program to standard error from now on.
///
/// # Errors
/// [`Error::LogsStarted`]
pub fn start(format: LogFormat, level: Level) -> Result<(), Error> {
    let to_stderr = |line: &str| {
        // A closed standard error must not end the program.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    };
    let registry = tracing_subscriber::registry().with(layer(format, level, to_stderr));
    registry.try_init().map_err(|_| Error::LogsStarted)
}

/// Logs a panic by its place from now on, and ends the process with exit code 1. Its text, which can quote a
/// value, is not shown; nothing is unwound, since a run may be killed at any point without losing a key.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!(" at {}", source_place(place)));
        let place = place.unwrap_or_default();
        tracing::error!("this program has a bug: it stopped{place}; please report it");
        std::process::exit(1);
    }));
}

/// As [`start`], with another receiver of the lines, each of which ends with a line break.
pub fn layer<S: Subscriber>(
    format: LogFormat,
    level: Level,
    write: impl Fn(&str) + Send + Sync + 'static,
) -> impl Layer<S> {
    // The targets of all crates of this program begin with this.
    let own = Targets::new().with_target("issuer", LevelFilter::from_level(level));
    Lines { own, format, write }
}

struct Lines<W> {
    own: Targets,
    format: LogFormat,
    write: W,
}

impl<S: Subscriber, W: Fn(&str) + Send + Sync + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if self.own.would_enable(metadata.target(), metadata.level()) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            (self.write)(&line(self.format, *metadata.level(), now_millis(), fields));
        }
    }
}

/// The fields of an event, redacted, in their order.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::String(redact(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, Value::String(redact(&format!("{value:?}"))));
    }
}

fn line(format: LogFormat, level: Level, millis: u64, fields: Fields) -> String {
    let second = date(millis / 1000);
    let timestamp = format!("{}.{:03}Z", second.trim_end_matches('Z'), millis % 1000);
    let Fields { message, others } = fields;
    match format {
        LogFormat::Json => {
            let level = level.as_str().to_ascii_lowercase();
            let mut line = Map::new();
            line.insert("timestamp".to_owned(), json!(timestamp));
            line.insert("level".to_owned(), json!(level));
            line.insert("message".to_owned(), json!(message));
            line.extend(others);
            format!("{}\n", Value::Object(line))
        }
        LogFormat::Text => {
            let others = others.iter().map(|(name, value)| format!(" {name}={value}"));
            let others: String = others.collect();
            // A message of several lines stays one event.
            format!("{timestamp} {level:5} {}{others}\n", message.replace('\n', "\\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::registry;

    use super::*;

    fn lines(format: LogFormat, work: impl FnOnce()) -> String {
        let written = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&written);
        let write = move |line: &str| into.lock().unwrap().push_str(line);
        let subscriber = registry().with(layer(format, Level::INFO, write));
        tracing::subscriber::with_default(subscriber, work);
        let written = written.lock().unwrap();
        written.clone()
    }

    #[test]
    fn a_json_line_is_one_object_whatever_the_message_says() {
        let text = lines(LogFormat::Json, || {
            tracing::warn!(target: "issuer_x", keys = 2, issuer = "a\"b", "two\nlines");
        });
        assert_eq!(text.matches('\n').count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&json!("warn"), &json!("two\nlines")));
        assert_eq!((&line["keys"], &line["issuer"]), (&json!(2), &json!("a\"b")));
        assert_eq!(line["timestamp"].as_str().unwrap().len(), "2026-11-26T10:00:00.000Z".len());
    }

    #[test]
    fn secrets_are_in_no_line_and_the_line_stays_json() {
        issuer_redact::register("a-registered-secret");
        let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJz.c2ln";
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = lines(format, || {
                let error = std::io::Error::other("a-registered-secret in an error");
                tracing::error!(target: "issuer_x", token, %error, "https://u:p@ssw0rd!!@host/ {token}");
            });
            assert!(!text.contains("registered-secret") && !text.contains("eyJ"), "{text}");
            assert!(!text.contains("p@ssw0rd"), "{text}");
            if format == LogFormat::Json {
                serde_json::from_str::<Value>(&text).unwrap();
            }
        }
    }

    #[test]
    fn events_of_libraries_and_of_finer_levels_are_not_written() {
        let text = lines(LogFormat::Text, || {
            tracing::error!(target: "aws_smithy_runtime", "a request");
            tracing::debug!(target: "issuer_x", "a detail");
            tracing::info!(target: "issuerctl::sync", step = "first", "begins\nand ends");
        });
        assert!(text.ends_with(" INFO  begins\\nand ends step=\"first\"\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}

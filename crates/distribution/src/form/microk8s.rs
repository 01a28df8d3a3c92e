//! MicroK8s: the arguments of the API server, as its patch of kubelite reads them: lines are
//! trimmed, `#` begins a comment at the start of a line, quotes are thrown away, blanks divide.

use std::ops::Range;

use issuer_yaml::position;

use super::Form;
use super::flags::{ISSUER, JWKS_URI};
use crate::align::{Change, align};
use crate::decision::{Current, Decision};
use crate::jwks_uri::jwks_uri;
use crate::{Distribution, Error, Request};

/// Files of other daemons in the same folder.
const OTHERS: [&str; 12] = [
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "kube-controller-manager",
    "kubectl",
    "kubelite",
    "containerd",
    "etcd",
    "k8s-dqlite",
    "flanneld",
    "cluster-agent",
    "apiserver-proxy",
];

pub(crate) struct Arguments {
    text: String,
    flags: Vec<Flag>,
}

/// A flag and its value.
#[derive(Debug, Clone)]
struct Flag {
    name: String,
    value: String,
    /// All of it.
    place: Range<usize>,
    /// The value, with its quotes.
    value_place: Range<usize>,
    /// Whether the value is a word of its own.
    blank: bool,
}

impl Arguments {
    pub(crate) fn read(request: &Request, text: &str) -> Result<Self, Error> {
        let name = request.path.as_deref().and_then(|path| path.rsplit(['/', '\\']).next());
        if let Some(name) = name.filter(|name| OTHERS.contains(name)) {
            let reason = format!("these are the arguments of {name}");
            return Err(Error::NoApiServer { reason, line: 1, column: 1 });
        }
        let words = words(text);
        let mut flags = Vec::new();
        let mut rest = words.iter().peekable();
        while let Some(word) = rest.next() {
            let plain = unquoted(&text[word.clone()]);
            let Some(bare) = plain
                .strip_prefix("--")
                .or_else(|| plain.strip_prefix('-'))
                .filter(|bare| !bare.is_empty() && !bare.starts_with(['-', ' ']))
            else {
                let (line, column) = position(text, word.start);
                let yaml = plain.ends_with(':')
                    || plain == "-"
                    || plain.starts_with("---")
                    || plain.starts_with('{');
                let found = if yaml {
                    "YAML, such as a launch configuration,"
                } else {
                    "text other than flags"
                };
                let distribution = Distribution::MicroK8s;
                return Err(Error::OtherKind {
                    distribution,
                    found: found.to_owned(),
                    line,
                    column,
                });
            };
            let word_text = &text[word.clone()];
            match (bare.split_once('='), word_text.find('=')) {
                (Some((name, value)), Some(equals)) => {
                    // Quotes may stand around the whole word.
                    let around =
                        word_text.starts_with(['\'', '"']) && word_text.ends_with(['\'', '"']);
                    flags.push(Flag {
                        name: name.to_owned(),
                        value: value.to_owned(),
                        place: word.clone(),
                        value_place: word.start + equals + 1..word.end - usize::from(around),
                        blank: false,
                    });
                }
                _ => {
                    let value =
                        rest.next_if(|next| !unquoted(&text[(*next).clone()]).starts_with('-'));
                    let value = value.cloned().unwrap_or(word.end..word.end);
                    flags.push(Flag {
                        name: bare.to_owned(),
                        value: unquoted(&text[value.clone()]),
                        place: word.start..value.end,
                        value_place: value,
                        blank: true,
                    });
                }
            }
        }
        if flags.is_empty() {
            let reason = "the file has no flags".to_owned();
            return Err(Error::NoApiServer { reason, line: 1, column: 1 });
        }
        Ok(Self { text: text.to_owned(), flags })
    }

    fn of(&self, name: &str) -> Vec<&Flag> {
        self.flags.iter().filter(|flag| flag.name == name).collect()
    }

    /// Changes the flags of a name so that they have the wanted values.
    fn write_flags(&mut self, name: &str, wanted: &[&str]) {
        let flags: Vec<Flag> = self.of(name).into_iter().cloned().collect();
        let existing: Vec<&str> = flags.iter().map(|flag| flag.value.as_str()).collect();
        let newline = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let Some(last) = flags.last() else {
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push_str(newline);
            }
            let blank = self.of(ISSUER).first().is_some_and(|flag| flag.blank);
            for value in wanted {
                let line =
                    if blank { format!("--{name} {value}") } else { format!("--{name}='{value}'") };
                self.text.push_str(&line);
                self.text.push_str(newline);
            }
            return;
        };
        let changes = align(&existing, wanted);
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for (flag, (before, change)) in flags.iter().zip(&changes.entries) {
            let line = self.line(flag.place.start);
            let alone = self.is_alone(flag);
            for value in before {
                let new = self.like(flag, value);
                edits.push(match alone {
                    true => {
                        (line.start..line.start, format!("{}{new}{newline}", self.indent(&line)))
                    }
                    false => (flag.place.start..flag.place.start, format!("{new} ")),
                });
            }
            match change {
                Change::Keep => {}
                Change::Replace(value) => {
                    let old = &self.text[flag.value_place.clone()];
                    let quote = old.chars().next().filter(|c| matches!(c, '\'' | '"'));
                    let quote = quote.map(String::from).unwrap_or_default();
                    edits.push((flag.value_place.clone(), format!("{quote}{value}{quote}")));
                }
                Change::Remove if alone => edits.push((line, String::new())),
                Change::Remove => {
                    let after = self.text[flag.place.end..].len()
                        - self.text[flag.place.end..].trim_start_matches([' ', '\t']).len();
                    edits.push((flag.place.start..flag.place.end + after, String::new()));
                }
            }
        }
        let line = self.line(last.place.start);
        let end = line.start + self.text[line.clone()].trim_end_matches(['\n', '\r']).len();
        for value in &changes.after {
            edits.push((
                end..end,
                format!("{newline}{}{}", self.indent(&line), self.like(last, value)),
            ));
        }
        // Later places first; edits of one place in their order.
        edits.reverse();
        edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mut text = std::mem::take(&mut self.text);
        for (place, new) in edits {
            text.replace_range(place, &new);
        }
        self.text = text;
    }

    fn like(&self, flag: &Flag, value: &str) -> String {
        let before = &self.text[flag.place.start..flag.value_place.start];
        let after = &self.text[flag.value_place.end..flag.place.end];
        let old = &self.text[flag.value_place.clone()];
        let quote = old
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))
            .map(String::from)
            .unwrap_or_default();
        format!("{before}{quote}{value}{quote}{after}")
    }

    fn line(&self, at: usize) -> Range<usize> {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |length| at + length + 1);
        start..end
    }

    fn indent(&self, line: &Range<usize>) -> &str {
        let text = &self.text[line.clone()];
        &text[..text.len() - text.trim_start_matches([' ', '\t']).len()]
    }

    /// Whether the line has this flag only.
    fn is_alone(&self, flag: &Flag) -> bool {
        let line = self.line(flag.place.start);
        self.text[line.start..flag.place.start].trim().is_empty()
            && self.text[flag.place.end..line.end.max(flag.place.end)].trim().is_empty()
    }
}

impl Form for Arguments {
    fn current(&self) -> Result<Current, Error> {
        let written = self.of(ISSUER).into_iter().map(|flag| flag.value.clone()).collect();
        Ok(Current::new(written, vec!["https://kubernetes.default.svc".to_owned()]))
    }

    fn check(&self, _: &Decision) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let mut new = Self { text: self.text.clone(), flags: self.flags.clone() };
        let wanted: Vec<&str> = decision.issuers.iter().map(String::as_str).collect();
        new.write_flags(ISSUER, &wanted);
        let uri = jwks_uri(self.of(JWKS_URI).last().map(|flag| flag.value.as_str()), decision);
        if let Some(uri) = uri {
            let request = Request::new(Distribution::MicroK8s, decision.signing());
            new = Self::read(&request, &new.text)?;
            new.write_flags(JWKS_URI, &[&uri]);
        }
        Ok(new.text)
    }
}

/// The words of all lines that are no comments.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let comment = line.trim_start().starts_with('#');
        let mut start = None;
        for (offset, c) in line.char_indices().chain([(line.len(), '\n')]) {
            if c.is_whitespace() || offset == line.len() {
                if let Some(start) = start.take().filter(|_| !comment) {
                    words.push(at + start..at + offset);
                }
            } else if start.is_none() {
                start = Some(offset);
            }
        }
        at += line.len();
    }
    words
}

fn unquoted(word: &str) -> String {
    word.replace(['\'', '"'], "")
}

//! Options as they were given, for commands that are printed: what is pasted must mean the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use issuer_diagnostic::for_a_shell;

/// An option that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Its long name, with the hyphens.
    pub(crate) name: &'static str,
    /// Its value; `None` for a flag.
    value: Option<String>,
}

impl Word {
    /// A flag, if it was given.
    pub(crate) fn flag(name: &'static str, is_given: bool) -> Option<Self> {
        is_given.then_some(Self { name, value: None })
    }

    /// An option with a value, if it was given.
    pub(crate) fn of(name: &'static str, value: Option<impl ToString>) -> Option<Self> {
        Some(Self { name, value: Some(value?.to_string()) })
    }

    /// The path of a file or folder.
    pub(crate) fn path(name: &'static str, path: Option<&PathBuf>) -> Option<Self> {
        Self::of(name, path.map(Path::new).map(Path::display))
    }

    /// One of several names, unless it is the default.
    pub(crate) fn choice<T: ValueEnum + Default + PartialEq>(
        name: &'static str,
        choice: &T,
    ) -> Option<Self> {
        let given = choice.to_possible_value().filter(|_| *choice != T::default());
        Self::of(name, given.as_ref().map(clap::builder::PossibleValue::get_name))
    }

    /// A time, unless it is the default.
    pub(crate) fn duration(
        name: &'static str,
        given: Option<Duration>,
        default: Option<Duration>,
    ) -> Option<Self> {
        let given = given.filter(|_| given != default);
        Self::of(
            name,
            given.map(|time| humantime::format_duration(time).to_string().replace(' ', "")),
        )
    }
}

/// The options as a part of a command line, quoted for a shell.
pub(crate) fn words(words: &[Word]) -> String {
    let word = |Word { name, value }: &Word| match value {
        // A value that begins with a hyphen is none without the equals sign.
        Some(value) if value.starts_with('-') => format!("{name}={}", for_a_shell(value)),
        Some(value) => format!("{name} {}", for_a_shell(value)),
        None => (*name).to_owned(),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

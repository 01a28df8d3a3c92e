//! `issuerctl` publishes the service account issuer of a Kubernetes cluster and verifies that AWS
//! accepts its tokens.

mod advice;
mod batch;
mod called;
mod cli;
mod commands;
mod deadline;
mod declared;
mod edit;
mod engine;
mod failure;
mod files;
mod front;
mod keys;
mod man_page;
mod output;
mod panics;
mod publish_command;
mod rbac;
mod render_request;
mod report;
mod rotation;
mod runtime;
mod secrets;
mod signals;
mod sync;
mod targets;
mod ui;
mod user;

use std::process::ExitCode;

use clap::FromArgMatches;

use crate::failure::{Exit, Failure};
use crate::ui::Ui;

fn main() -> ExitCode {
    secrets::register();
    panics::report(cli::Output::Text);
    run()
}

fn run() -> ExitCode {
    // A usage error quotes the argument, so a key or token given by mistake would end up in a log.
    if std::env::args_os().any(|argument| secrets::is_secret(&argument.to_string_lossy())) {
        Ui::default().failure(
            &Failure::new(
                Exit::Usage,
                "an argument is a key, a token or a document, not the name of a file",
            )
            .hint(Some("give the name of the file, or - and the contents on standard input")),
        );
        return Exit::Usage.into();
    }
    let parsed = called::command().try_get_matches();
    let cli = match parsed.and_then(|matches| cli::Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let ui = Ui::default();
            ui.usage(&error.render().ansi().to_string());
            if let Some(option) = option_for(&error) {
                ui.hint(&format!("give it with an option: {option}"));
            }
            if let Some(example) = example_for(&error) {
                ui.hint(&format!("for example: {example}"));
            }
            return Exit::Usage.into();
        }
        // Help and version go to standard output.
        Err(error) => {
            let _ = error.print();
            return Exit::Done.into();
        }
    };
    let ui = Ui::new(&cli.general);
    panics::report(cli.general.output);
    if !cli.command.has_no_end() {
        deadline::watch(&cli.general);
    }
    match commands::run(&cli, &ui) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failed(cli.general.output, &failure);
            ui.failure(&failure);
            failure.exit.into()
        }
    }
}

/// The first example of a command that lacks an argument, in one line.
fn example_for(error: &clap::Error) -> Option<String> {
    if error.kind() != clap::error::ErrorKind::MissingRequiredArgument {
        return None;
    }
    let whole = called::command();
    let command = cli::command_of_the_line(&whole);
    let examples = command.get_after_help()?.to_string();
    let (_, lines) = examples.split_once("Examples:\n")?;
    let mut example = String::new();
    for line in lines.lines() {
        let (text, goes_on) = match line.strip_suffix('\\') {
            Some(text) => (text, true),
            None => (line, line.ends_with('|')),
        };
        example.extend([text.trim(), " "]);
        if !goes_on {
            break;
        }
    }
    Some(example.trim().to_owned())
}

/// The option for a value that was given without one.
fn option_for(error: &clap::Error) -> Option<&'static str> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    if !matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand) {
        return None;
    }
    let given = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand];
    match given.into_iter().find_map(|kind| error.get(kind))? {
        ContextValue::String(value) if value.starts_with("https://") => Some("--issuer URL"),
        ContextValue::String(value) if value.starts_with("s3://") => {
            Some("--to s3://BUCKET/PREFIX")
        }
        ContextValue::String(value)
            if [".yaml", ".yml", ".json"].iter().any(|end| value.ends_with(end)) =>
        {
            Some("-f FILE")
        }
        ContextValue::String(value)
            if [".pub", ".pem", ".key", ".crt"].iter().any(|end| value.ends_with(end)) =>
        {
            Some("--key FILE")
        }
        _ => None,
    }
}

/// The result of a command.
type Outcome = Result<Exit, Failure>;

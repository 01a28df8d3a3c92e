//! The name that this program is called by: its own, or that of a plugin of kubectl.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::cli::Cli;

/// The command line by the name that was called.
pub(crate) fn command() -> Command {
    let command = Cli::command();
    match std::env::args_os().next().and_then(|program| plugin(Path::new(&program))) {
        Some(name) => as_plugin(command, &name),
        None => command,
    }
}

/// The words that make kubectl run a program of this name: kubectl looks for `kubectl-iam_issuer` when it is
/// called as `kubectl iam-issuer`.
fn plugin(program: &Path) -> Option<String> {
    let file = program.file_name()?.to_str()?;
    let words = file.strip_suffix(EXE_SUFFIX).unwrap_or(file).strip_prefix("kubectl-")?;
    (!words.is_empty()).then(|| format!("kubectl {}", words.replace('-', " ").replace('_', "-")))
}

/// Usage and examples that can be pasted where only the plugin is installed.
fn as_plugin(command: Command, name: &str) -> Command {
    let command = with_examples(command, name).bin_name(name);
    let start = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command
        .after_help(format!("{start}\nIn messages and documentation, this command is issuerctl."))
}

fn with_examples(command: Command, name: &str) -> Command {
    let command = command.mut_subcommands(|sub| with_examples(sub, name));
    let examples = command.get_after_help().map(ToString::to_string);
    match examples {
        Some(text) => command.after_help(text.replace("issuerctl ", &format!("{name} "))),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_of_kubectl_has_the_name_that_kubectl_is_called_with() {
        let of = |program: &str| plugin(Path::new(program));
        assert_eq!(of("/usr/local/bin/issuerctl"), None);
        assert_eq!(of("kubectl-"), None);
        assert_eq!(of("/k/bin/kubectl-iam_issuer").as_deref(), Some("kubectl iam-issuer"));
        let windows = format!("kubectl-iam_issuer{EXE_SUFFIX}");
        assert_eq!(of(&windows).as_deref(), Some("kubectl iam-issuer"));
    }

    #[test]
    fn usage_and_examples_of_a_plugin_call_the_plugin() {
        let mut commands = vec![as_plugin(Cli::command(), "kubectl iam-issuer")];
        commands[0].build();
        while let Some(mut command) = commands.pop() {
            let help = command.render_help().to_string();
            assert!(help.contains("Usage: kubectl iam-issuer"), "{help}");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!examples.contains("issuerctl "), "{examples}");
            let subcommands = command.get_subcommands().filter(|sub| sub.get_name() != "help");
            commands.extend(subcommands.cloned());
        }
    }
}

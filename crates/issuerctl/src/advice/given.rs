//! The options of this run in the commands of its fixes: the same account, cluster and store.

use clap::{Command, CommandFactory};
use issuer_diagnostic::for_a_shell;

use crate::cli::{Cli, DoctorArgs};

/// Options of this run, each with its value if it has one.
#[derive(Debug, Default)]
pub(crate) struct Given {
    options: Vec<(&'static str, Option<String>)>,
    /// Whether the endpoint is that of the store alone.
    is_endpoint_of_store: bool,
}

/// The options that the AWS CLI has, too.
const OF_AWS: [&str; 2] = ["profile", "region"];

impl Given {
    pub(crate) fn of(args: &DoctorArgs) -> Self {
        let path = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.display().to_string())
        };
        let values = [
            ("kubeconfig", path(&args.kube.kubeconfig)),
            ("context", args.kube.context.clone()),
            ("profile", args.aws.profile.clone()),
            ("region", args.aws.region.clone()),
            ("endpoint-url", args.aws.endpoint_url.clone()),
            ("ca-file", path(&args.aws.tls.ca_file)),
        ];
        let flags = [("path-style", args.path_style), ("allow-port", args.ports.allow_port)];
        let values = values.into_iter().filter(|(_, value)| value.is_some());
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, None));
        Self { options: values.chain(flags).collect(), is_endpoint_of_store: args.store.is_some() }
    }

    /// A text in which the commands between backticks have these options, as far as they know them.
    pub(crate) fn in_commands(&self, text: &str) -> String {
        let whole = Cli::command();
        let parts = text.split('`').enumerate().map(|(number, part)| match number % 2 {
            0 => part.to_owned(),
            _ => {
                let each = part.split(" | ").map(|one| self.with_options(one, &whole));
                each.collect::<Vec<_>>().join(" | ")
            }
        });
        parts.collect::<Vec<_>>().join("`")
    }

    fn with_options(&self, command: &str, whole: &Command) -> String {
        let mut words = command.split_whitespace();
        let knows: Box<dyn Fn(&str) -> bool> = match words.next() {
            Some("aws") => Box::new(|name| OF_AWS.contains(&name)),
            Some("issuerctl") if !command.contains("--help") => {
                let own = words.try_fold(whole, |own, word| own.find_subcommand(word).ok_or(own));
                let own = own.unwrap_or_else(|last| last).clone();
                Box::new(move |name| own.get_arguments().any(|own| own.get_long() == Some(name)))
            }
            _ => return command.to_owned(),
        };
        let is_of_store = knows("to");
        let mut line = command.to_owned();
        for (name, value) in &self.options {
            let is_there = command.split_whitespace().any(|word| word == format!("--{name}"));
            let is_foreign = *name == "endpoint-url" && self.is_endpoint_of_store && !is_of_store;
            if knows(name) && !is_there && !is_foreign {
                line += &format!(" --{name}");
                line.extend(value.iter().map(|value| format!(" {}", for_a_shell(value))));
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_the_options_that_it_knows_and_each_once() {
        let mut given = Given {
            options: [
                ("kubeconfig", Some("kc")),
                ("profile", Some("my prod")),
                ("endpoint-url", Some("https://s3.local")),
                ("ca-file", Some("ca.pem")),
                ("path-style", None),
            ]
            .map(|(name, value)| (name, value.map(str::to_owned)))
            .into(),
            is_endpoint_of_store: true,
        };
        for (text, expected) in [
            (
                "do `issuerctl provider apply --issuer u --ca-file ca.pem`, then",
                "do `issuerctl provider apply --issuer u --ca-file ca.pem --profile 'my prod'`, then",
            ),
            (
                "`issuerctl publish --apiserver --to s3://b`",
                "`issuerctl publish --apiserver --to s3://b --kubeconfig kc --profile 'my prod' --endpoint-url \
                 https://s3.local --ca-file ca.pem --path-style`",
            ),
            (
                "`issuerctl render policy --kubeconfig kc | kubectl apply -f -`",
                "`issuerctl render policy --kubeconfig kc --profile 'my prod' --ca-file ca.pem | kubectl apply -f -`",
            ),
            (
                "`issuerctl doctor --pod a/b`",
                "`issuerctl doctor --pod a/b --kubeconfig kc --profile 'my prod' \
              --ca-file ca.pem --path-style`",
            ),
            ("`aws iam list-roles`", "`aws iam list-roles --profile 'my prod'`"),
            ("`issuerctl publish --help`", "`issuerctl publish --help`"),
            ("issuerctl publish", "issuerctl publish"),
        ] {
            assert_eq!(given.in_commands(text), expected);
        }
        given.is_endpoint_of_store = false;
        let fix = given.in_commands("`issuerctl role apply app --add`");
        assert!(fix.contains(" --endpoint-url https://s3.local "), "{fix}");
    }
}

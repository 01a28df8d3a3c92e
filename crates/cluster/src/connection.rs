//! Which cluster is meant, and the same for kubectl.

use std::path::PathBuf;

use issuer_diagnostic::for_a_shell;

/// How to connect to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connection {
    /// A kubeconfig file; by default `KUBECONFIG`, `~/.kube/config`, or the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; by default the current one.
    pub context: Option<String>,
}

impl Connection {
    /// `kubectl` with the options that select the same cluster, for a POSIX shell.
    #[must_use]
    pub fn kubectl(&self) -> String {
        let mut command = "kubectl".to_owned();
        if let Some(path) = &self.kubeconfig {
            command += &format!(" --kubeconfig {}", for_a_shell(&path.display().to_string()));
        }
        if let Some(context) = &self.context {
            command += &format!(" --context {}", for_a_shell(context));
        }
        command
    }

    /// A text in which every kubectl command selects the same cluster.
    #[must_use]
    pub fn in_commands(&self, text: &str) -> String {
        // `issuerctl render policy` asks the cluster for its version.
        let options = self.kubectl().split_off("kubectl".len());
        text.replace("kubectl ", &format!("kubectl{options} "))
            .replace("issuerctl render policy", &format!("issuerctl render policy{options}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_for_kubectl_selects_the_same_cluster_and_stays_one_word_each() {
        let with = |kubeconfig: Option<&str>, context: Option<&str>| Connection {
            kubeconfig: kubeconfig.map(PathBuf::from),
            context: context.map(str::to_owned),
        };
        assert_eq!(with(None, None).kubectl(), "kubectl");
        assert_eq!(
            with(Some("a.yaml"), Some("arn:aws:eks:eu-west-1:1:cluster/x")).kubectl(),
            "kubectl --kubeconfig a.yaml --context arn:aws:eks:eu-west-1:1:cluster/x"
        );
        assert_eq!(
            with(Some("it's mine"), None).in_commands("run `kubectl get pods | kubectl x`"),
            r"run `kubectl --kubeconfig 'it'\''s mine' get pods | kubectl --kubeconfig 'it'\''s mine' x`"
        );
        assert_eq!(with(None, None).in_commands("kubectl x"), "kubectl x");
        assert_eq!(
            with(Some("a"), None).in_commands("issuerctl render policy | kubectl apply -f -"),
            "issuerctl render policy --kubeconfig a | kubectl --kubeconfig a apply -f -"
        );
    }
}

//! The command lines of the steps.

use issuer_diagnostic::for_a_shell;
use issuer_distribution::{Distribution, rollout};

use crate::{Migration, TrustedRole};

/// The audience that AWS SDKs use, and the default of the provider.
pub(crate) const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";

/// Options that the commands repeat; each one is quoted for a shell already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Those of issuerctl and kubectl that select the cluster, such as `--context prod`.
    pub cluster: String,
    /// Those that select the AWS account and region, such as `--profile prod`.
    pub aws: String,
    /// The file that declares the new issuer, such as `issuer.yaml`.
    pub new_file: Option<String>,
    /// Whether the same file declares the old issuer, too.
    pub old_in_file: bool,
}

impl Migration {
    pub(crate) fn publish(&self) -> String {
        match &self.options.new_file {
            Some(file) => self.line("apply", &format!("-f {file}"), true),
            None => {
                let to = s3_of(&self.to).unwrap_or_else(|| "s3://BUCKET/PREFIX".to_owned());
                let what = format!("--apiserver --issuer {} --to {to}", self.to);
                format!("{}{}", self.line("publish", &what, true), spaced(&self.options.cluster))
            }
        }
    }

    pub(crate) fn provider(&self, audiences: &[String]) -> String {
        match &self.options.new_file {
            Some(file) => self.line("apply", &format!("-f {file}"), true),
            None => {
                let audiences = audiences.iter().map(|one| format!(" --audience {one}"));
                let what = format!("--issuer {}{}", self.to, audiences.collect::<String>());
                self.line("provider apply", &what, true)
            }
        }
    }

    pub(crate) fn role(&self, role: &TrustedRole, audiences: &[String]) -> String {
        let mut what = format!("{} --issuer {}", role.name, self.to);
        for account in role.wanted() {
            what += &format!(" --service-account {}", for_a_shell(&account));
        }
        for audience in
            audiences.iter().filter(|one| *one != DEFAULT_AUDIENCE || audiences.len() > 1)
        {
            what += &format!(" --audience {}", for_a_shell(audience));
        }
        self.line("role apply", &format!("{what} --add"), true)
    }

    /// `render` with these issuers, and how its result is rolled out.
    pub(crate) fn api_server(&self, issuers: &str) -> Vec<String> {
        let name = self.distribution.map_or("DISTRIBUTION", Distribution::as_str);
        let file = match self.distribution {
            Some(Distribution::K3s) => "/etc/rancher/k3s/config.yaml",
            Some(Distribution::Rke2) => "/etc/rancher/rke2/config.yaml",
            Some(Distribution::MicroK8s) => "/var/snap/microk8s/current/args/kube-apiserver",
            Some(Distribution::K0s) => "/etc/k0s/k0s.yaml",
            _ => "FILE",
        };
        let render = format!("issuerctl render {name} {issuers} --into {file} --write");
        let then = self.distribution.map(rollout).unwrap_or_default();
        std::iter::once(render).chain(then.iter().map(|line| format!("# {line}"))).collect()
    }

    /// A command line with the AWS options.
    pub(crate) fn line(&self, command: &str, what: &str, aws: bool) -> String {
        let aws = if aws { spaced(&self.options.aws) } else { String::new() };
        format!("issuerctl {command} {what}{aws}")
    }

    /// A kubectl command line for the cluster.
    pub(crate) fn kubectl(&self, what: &str) -> String {
        format!("kubectl{} {what}", spaced(&self.options.cluster))
    }
}

impl TrustedRole {
    /// The subjects of the new issuer that must be able to assume it, each once.
    pub(crate) fn wanted(&self) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        for subject in self.old.iter().chain(&self.requested) {
            if !wanted.contains(subject) {
                wanted.push(subject.clone());
            }
        }
        wanted
    }

    /// Those that cannot yet.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = self.wanted();
        missing.retain(|subject| !self.new.contains(subject));
        missing
    }
}

/// `s3://BUCKET/PREFIX` of an issuer that S3 serves under the bucket's own name.
fn s3_of(issuer: &str) -> Option<String> {
    let rest = issuer.strip_prefix("https://")?;
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let (bucket, service) = host.split_once(".s3.")?;
    let is_aws = service.ends_with(".amazonaws.com") || service.ends_with(".amazonaws.com.cn");
    let slash = if prefix.is_empty() { "" } else { "/" };
    is_aws.then(|| format!("s3://{bucket}{slash}{prefix}"))
}

/// Options behind a command; nothing if there are none.
pub(crate) fn spaced(options: &str) -> String {
    if options.is_empty() { String::new() } else { format!(" {options}") }
}

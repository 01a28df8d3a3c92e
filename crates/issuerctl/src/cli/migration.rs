//! `issuer change plan`: moving a cluster to another issuer URL.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use issuer_distribution::Distribution;

use super::{AwsArgs, FileArgs, KubeArgs};

/// Work with the issuer of a running cluster
#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    #[command(subcommand)]
    Change(ChangeCommand),
}

/// Move a running cluster to another issuer URL
#[derive(Debug, Subcommand)]
pub(crate) enum ChangeCommand {
    Plan(IssuerChangeArgs),
}

/// Show the steps to another issuer URL, and which are done; exits with 7 if one is left
///
/// Reads the documents of both issuers, the providers and trust policies in IAM, the flags of the
/// API servers and the pods, and prints the steps in order, each with its commands and a check. What
/// cannot be read is marked unknown. Nothing is changed: run it again after each step.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl issuer change plan --for kubeadm \\
      --from https://kubernetes.default.svc.cluster.local \\
      --to https://my-oidc.s3.us-west-2.amazonaws.com/prod
  issuerctl issuer change plan -f issuer.yaml --context prod --output json \\
      --from https://old.example.com --to https://new.example.com")]
pub(crate) struct IssuerChangeArgs {
    /// Issuer URL that the cluster signs with now, or did before
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,
    /// Issuer URL that it is to sign with
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// File that declares the new issuer, and perhaps the old one
    #[arg(long, short, alias = "filename", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Distribution of the cluster: its commands are in the steps
    #[arg(long = "for", value_enum, value_name = "DISTRIBUTION")]
    pub(crate) distribution: Option<NamedDistribution>,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

impl IssuerChangeArgs {
    pub(crate) fn files(&self) -> FileArgs {
        FileArgs { file: self.file.iter().cloned().collect(), ..FileArgs::default() }
    }
}

/// A distribution by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamedDistribution(pub(crate) Distribution);

impl ValueEnum for NamedDistribution {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [NamedDistribution; Distribution::ALL.len()] = {
            let mut all = [NamedDistribution(Distribution::Kubeadm); Distribution::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = NamedDistribution(Distribution::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.as_str()))
    }
}

//! Commands that publish, locate and verify the two documents of an issuer.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use issuer_cluster::ServiceAccountRef;
use issuer_discovery::Ports;
use issuer_publish::AccessMode;

use super::{AwsArgs, FileArgs, KeepArgs, KeyArgs, RequiredKeyArgs, RetireArgs, TlsArgs, Word};

/// Publish keys.json and the discovery document, and verify them
///
/// Reads the published documents, merges the keys, writes only what differs, and reads the result
/// back the way AWS STS does. Writes are conditional: a concurrent change is never overwritten.
/// Published keys that are not given are kept and reported. A second run changes nothing. Prints
/// the issuer URL.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl publish --cluster prod --to s3://my-oidc/prod \\
      --region us-west-2 --create-bucket
  issuerctl publish --key sa.pub --to ./site \\
      --issuer https://oidc.example.com/prod
  ISSUER=$(issuerctl publish --key sa.pub --to s3://my-oidc/prod --quiet)
  issuerctl publish --key new-sa.pub --to s3://my-oidc/prod --dry-run")]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
    /// Destination: a folder, or s3://BUCKET[/PREFIX]
    #[arg(long, value_name = "DIR|s3://BUCKET[/PREFIX]", value_hint = ValueHint::AnyPath)]
    pub(crate) to: String,
    /// Issuer URL [default for S3: derived from bucket, region and prefix]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Remove published keys that are not given
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Skip reading the published documents back
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Repeat the first key with an empty kid, for tokens of Kubernetes versions before 1.16
    #[arg(long)]
    pub(crate) with_empty_kid: bool,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// What is published although the published documents speak against it.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Overrides {
    /// Replace a published discovery document that names a different issuer or jwks_uri
    #[arg(long)]
    pub(crate) change_issuer: bool,
    /// Publish although a key is missing that the cluster signs with now (--check-live, --token), or was
    /// seen signing lately (--retire-after)
    #[arg(long)]
    pub(crate) drop_live_key: bool,
    #[command(flatten)]
    pub(crate) retire: RetireArgs,
    /// Replace published documents that cannot be read; keys that can be found in them are kept
    #[arg(long)]
    pub(crate) replace_unreadable: bool,
    /// Publish the keys of a cluster although only keys of a different one are published
    #[arg(long)]
    pub(crate) allow_other_cluster: bool,
}

/// Print the issuer URL that a store has, before anything exists
///
/// The URL follows from the bucket, its region and the prefix. EKS Anywhere needs it in
/// podIamConfig.serviceAccountIssuer before the cluster is created. With --region, AWS is not
/// called; without it, the region of an existing bucket is looked up.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("place").required(true).args(["to", "file"]),
    after_help = "\
Examples:
  issuerctl url --to s3://my-oidc/prod --region us-west-2
  issuerctl url -f issuer.yaml"
)]
pub(crate) struct UrlArgs {
    /// Bucket and prefix: s3://BUCKET[/PREFIX]
    #[arg(long, value_name = "s3://BUCKET[/PREFIX]")]
    pub(crate) to: Option<String>,
    /// File with one or more issuers, or - for standard input (repeatable)
    #[arg(long, short, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    file: Vec<PathBuf>,
    /// How public read access is granted; with cloudfront, an existing distribution is looked up
    #[arg(long, value_enum, default_value_t, requires = "to")]
    pub(crate) access: Access,
    /// Use path-style URLs: the bucket name in the path, not in the host name
    #[arg(long, requires = "to")]
    pub(crate) path_style: bool,
    /// Region of the bucket [default: that of the existing bucket, or of the profile for a new one]
    #[arg(long, value_name = "R")]
    region: Option<String>,
    /// Named profile from the AWS config and credentials files
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    /// Endpoint URL of an S3-compatible store
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
}

impl UrlArgs {
    pub(crate) fn file(&self) -> FileArgs {
        FileArgs { file: self.file.clone(), ..FileArgs::default() }
    }

    pub(crate) fn aws(&self) -> AwsArgs {
        AwsArgs {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            print_iam_policy: false,
            tls: self.tls.clone(),
        }
    }
}

/// Check an issuer, and optionally a token, the way AWS STS does
///
/// Fetches both documents anonymously, without following redirects, within 5 seconds, and reports
/// what is wrong and how to fix it.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("site-or-issuer").required(true).multiple(true).args(["issuer", "site"]),
    after_help = "\
Examples:
  issuerctl verify --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod
  issuerctl verify --issuer https://oidc.example.com/prod --cluster prod
  kubectl create token app --audience sts.amazonaws.com |
      issuerctl verify --issuer https://oidc.example.com/prod --token -"
)]
pub(crate) struct VerifyArgs {
    /// Issuer URL, as in the cluster's --service-account-issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Folder with the two documents; nothing is fetched
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) site: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Also check this token: a file, or - for standard input
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) token: Option<PathBuf>,
    /// Audience (client ID) of the OIDC provider in IAM (repeatable)
    #[arg(long, value_name = "AUD", default_value = "sts.amazonaws.com")]
    pub(crate) audience: Vec<String>,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// Fields of the discovery document: the seven of the self-hosted IRSA guide, or the five of
    /// the API server
    #[arg(long, value_enum, default_value_t)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
}

impl DocumentArgs {
    /// What was given of them.
    pub(crate) fn given(&self) -> Vec<Word> {
        let Self { shape, ports: PortArgs { allow_port } } = self;
        let given = [Word::choice("--shape", shape), Word::flag("--allow-port", *allow_port)];
        given.into_iter().flatten().collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct PortArgs {
    /// Accept an issuer URL with a port, which IAM does not
    #[arg(long)]
    pub(crate) allow_port: bool,
}

impl PortArgs {
    pub(crate) fn ports(&self) -> Ports {
        if self.allow_port { Ports::Allow } else { Ports::Refuse }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Shape {
    #[default]
    Irsa,
    Kubernetes,
}

impl From<Shape> for issuer_discovery::Shape {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Irsa => Self::Irsa,
            Shape::Kubernetes => Self::Kubernetes,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Live check")]
pub(crate) struct LiveArgs {
    /// Request a token for this service account from the API server, and publish only if one of
    /// the keys verifies it
    #[arg(long, value_name = "NS/NAME")]
    pub(crate) check_live: Option<ServiceAccountRef>,
    /// Publish only if one of the keys verifies this token of the cluster: a file, or - for standard
    /// input
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) token: Option<PathBuf>,
    /// Kubeconfig file of the signing cluster, if the keys come from another one
    #[arg(long, value_name = "FILE", requires = "check_live", value_hint = ValueHint::FilePath)]
    pub(crate) live_kubeconfig: Option<PathBuf>,
    /// Kubeconfig context of the signing cluster
    #[arg(long, value_name = "NAME", requires = "check_live")]
    pub(crate) live_context: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct S3Args {
    /// Create the bucket if it does not exist
    #[arg(long)]
    pub(crate) create_bucket: bool,
    /// How public read access is granted: by bucket policy, by object ACLs, by a CloudFront
    /// distribution in front of a private bucket, or not by issuerctl
    #[arg(long, value_enum, default_value_t)]
    pub(crate) access: Access,
    /// Certificate (ACM, us-east-1) for an issuer with a domain of its own, with --access cloudfront
    #[arg(long, value_name = "ARN")]
    pub(crate) certificate_arn: Option<String>,
    /// Make the documents of all issuers in the bucket public by one statement of its policy
    #[arg(long)]
    pub(crate) shared_bucket: bool,
    /// Region of the bucket [default: that of the existing bucket, or of the profile for a new one]
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Named profile from the AWS config and credentials files
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Endpoint URL of an S3-compatible store
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Use path-style URLs: the bucket name in the path, not in the host name
    #[arg(long)]
    pub(crate) path_style: bool,
    /// ID of the AWS account that must own the bucket
    #[arg(long, value_name = "ID")]
    pub(crate) expected_bucket_owner: Option<String>,
    /// Write without conditions, to a store that ignores or refuses them; one writer at a time
    #[arg(long)]
    pub(crate) unconditional: bool,
    /// Print the IAM policy that this command needs, and exit
    #[arg(long)]
    pub(crate) print_iam_policy: bool,
    /// Cache lifetime of the documents (Cache-Control: max-age) [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub(crate) max_age: Option<u32>,
}

impl S3Args {
    /// The same for commands that know AWS alone.
    pub(crate) fn aws(&self, tls: &TlsArgs) -> AwsArgs {
        AwsArgs {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            print_iam_policy: self.print_iam_policy,
            tls: tls.clone(),
        }
    }
}

impl S3Args {
    /// The options that were given, none of which has a meaning for a folder.
    pub(crate) fn given(&self) -> Vec<Word> {
        let Self {
            create_bucket,
            access,
            certificate_arn,
            shared_bucket,
            region,
            profile,
            endpoint_url,
            path_style,
            expected_bucket_owner,
            unconditional,
            print_iam_policy: _,
            max_age,
        } = self;
        let given = [
            Word::flag("--create-bucket", *create_bucket),
            Word::choice("--access", access),
            Word::flag("--shared-bucket", *shared_bucket),
            Word::of("--certificate-arn", certificate_arn.as_ref()),
            Word::of("--region", region.as_ref()),
            Word::of("--profile", profile.as_ref()),
            Word::of("--endpoint-url", endpoint_url.as_ref()),
            Word::flag("--path-style", *path_style),
            Word::of("--expected-bucket-owner", expected_bucket_owner.as_ref()),
            Word::of("--max-age", *max_age),
            Word::flag("--unconditional", *unconditional),
        ];
        given.into_iter().flatten().collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Access {
    #[default]
    Policy,
    Acl,
    Cloudfront,
    None,
}

impl From<Access> for AccessMode {
    fn from(access: Access) -> Self {
        match access {
            Access::Policy => Self::Policy,
            Access::Acl => Self::Acl,
            Access::Cloudfront => Self::CloudFront,
            Access::None => Self::None,
        }
    }
}

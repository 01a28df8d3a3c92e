//! Exit codes, and the one shape in which every error reaches the user.

use std::error::Error;
use std::process::ExitCode;

/// The documented exit codes (`docs/usage.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Something failed that is none of the below: network, disk, a server's fault.
    Failure = 1,
    /// The command line itself is wrong (also clap's code).
    Usage = 2,
    /// A file, document, key or URL that was given is unusable.
    BadInput = 3,
    /// What is there already stands against what was to be written.
    Conflict = 4,
    /// The issuer or the token would not be accepted.
    Verification = 5,
    /// A server refused the call, or the bucket belongs to someone else.
    NotPermitted = 6,
    /// `plan` alone: something would change.
    Changes = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// What a failed access to the disk means.
    pub(crate) fn of_io(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            Self::NotPermitted
        } else {
            Self::Failure
        }
    }
}

/// Options of other commands, and what a file has instead; longer ones first.
const IN_A_FILE: [(&str, &str); 14] = [
    ("--policy-arn ", "policyArns: "),
    ("--policy-arn", "policyArns"),
    ("--create-bucket", "createBucket: true in the file"),
    ("--expected-bucket-owner", "expectedBucketOwner"),
    ("--access none --issuer https://…", "access: none and issuer: https://… in the file"),
    ("--access ", "access: "),
    ("--allow-weak-keys", "allowWeakKeys: true in the file"),
    ("--apiserver", "apiserver: {} among the keys"),
    ("--namespace", "namespace: in the file"),
    ("--jwks FILE", "the file's key source jwks: FILE"),
    ("--max-age", "maxAge"),
    ("--path-style", "pathStyle: true in the file"),
    ("--path", "path"),
    ("give --issuer, or spec.issuer in a file", "give spec.issuer"),
];

/// An error on its way to the user: what failed, why, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code the process ends with.
    pub(crate) exit: Exit,
    /// After `error:`.
    pub(crate) message: String,
    /// After `caused by:`, outermost first.
    pub(crate) causes: Vec<String>,
    /// After `hint:`.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// A failure without a cause behind it.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// An error and all the sources behind it.
    pub(crate) fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        failure.add_sources(error);
        failure
    }

    /// The error as the cause of `message`, which says what was being done.
    pub(crate) fn while_doing(exit: Exit, message: impl Into<String>, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, message);
        failure.causes.push(error.to_string());
        failure.add_sources(error);
        failure
    }

    /// The same with one more hint, where there is one.
    pub(crate) fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hints.extend(hint.map(Into::into));
        self
    }

    /// The same for somebody who wrote a file: what the hints name as options are members of it
    /// there.
    pub(crate) fn in_a_file(mut self) -> Self {
        for (option, member) in IN_A_FILE {
            for hint in &mut self.hints {
                *hint = hint.replace(option, member);
            }
        }
        self
    }

    fn add_sources(&mut self, error: &dyn Error) {
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Some libraries repeat the source in their own text.
            if self.causes.last().unwrap_or(&self.message) != &text {
                self.causes.push(text);
            }
            source = error.source();
        }
    }
}

impl From<issuer_discovery::IssuerUrlError> for Failure {
    fn from(error: issuer_discovery::IssuerUrlError) -> Self {
        let hint = match &error {
            issuer_discovery::IssuerUrlError::Port { .. } => Some(
                "serve it on port 443; for readers other than AWS, publish, verify and discovery \
                 take --allow-port",
            ),
            issuer_discovery::IssuerUrlError::TrailingSlash { .. } => {
                Some("leave the slash off here, in --service-account-issuer and in IAM alike")
            }
            issuer_discovery::IssuerUrlError::Placeholder { .. } => Some(
                "fill the variable in; a shell does so between double quotes, not between single \
                 ones",
            ),
            issuer_discovery::IssuerUrlError::DocumentUrl { .. } => Some(
                "leave the end off: give the issuer alone, as it stands in the iss of the tokens",
            ),
            _ => None,
        };
        Self::of(Exit::BadInput, &error).hint(hint)
    }
}

impl From<issuer_discovery::DiscoveryError> for Failure {
    fn from(error: issuer_discovery::DiscoveryError) -> Self {
        Self::of(Exit::BadInput, &error)
    }
}

impl From<issuer_cluster::Error> for Failure {
    fn from(error: issuer_cluster::Error) -> Self {
        let exit = match error.category() {
            issuer_cluster::Category::BadInput => Exit::BadInput,
            issuer_cluster::Category::NotPermitted => Exit::NotPermitted,
            _ => Exit::Failure,
        };
        Self::of(exit, &error).hint(error.hint())
    }
}

impl From<issuer_publish::Error> for Failure {
    fn from(error: issuer_publish::Error) -> Self {
        let exit = match error.category() {
            issuer_publish::Category::BadInput => Exit::BadInput,
            issuer_publish::Category::Conflict => Exit::Conflict,
            issuer_publish::Category::NotPermitted => Exit::NotPermitted,
            issuer_publish::Category::Failure => Exit::Failure,
        };
        Self::of(exit, &error).hint(error.hint())
    }
}

impl From<issuer_iam::Error> for Failure {
    fn from(error: issuer_iam::Error) -> Self {
        let exit = match error.category() {
            issuer_iam::Category::BadInput => Exit::BadInput,
            issuer_iam::Category::Conflict => Exit::Conflict,
            issuer_iam::Category::NotPermitted => Exit::NotPermitted,
            issuer_iam::Category::Failure => Exit::Failure,
        };
        Self::of(exit, &error).hint(error.hint())
    }
}

impl From<issuer_manifest::Error> for Failure {
    fn from(error: issuer_manifest::Error) -> Self {
        Self::of(Exit::BadInput, &error).hint(error.hint())
    }
}

impl From<issuer_render::Error> for Failure {
    fn from(error: issuer_render::Error) -> Self {
        match error {
            issuer_render::Error::Aws(error) => error.into(),
            issuer_render::Error::Publish(error) => error.into(),
            error => Self::of(Exit::BadInput, &error).hint(error.hint()),
        }
    }
}

impl From<issuer_verify::Error> for Failure {
    fn from(error: issuer_verify::Error) -> Self {
        let unreached = matches!(error, issuer_verify::Error::NoChain { .. });
        Self::of(if unreached { Exit::Failure } else { Exit::BadInput }, &error)
    }
}

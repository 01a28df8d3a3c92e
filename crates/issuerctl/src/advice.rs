//! Hints that name command-line options or fields of the issuer file.
//!
//! The hints of the libraries are about keys, Kubernetes and AWS. Only this module maps errors to
//! options and fields.

mod cluster;
mod given;
mod plan;
mod publish;

use std::error::Error;

use issuer_cluster::LiveFault;
use issuer_diagnostic::for_a_shell;
use issuer_discovery::IssuerUrlError;
use issuer_jwks::{Content, JwkFault, KeyFault};
use issuer_reconcile::{KeySource, MissingPolicy, PolicyField};

pub(crate) use given::Given;
pub(crate) use plan::{of_check, to_keep, with_options};

use cluster::{cluster, live};
use publish::publish;

/// Where a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Command-line options.
    Flags,
    /// An issuer file; its commands have options too, such as `--profile`.
    File,
}

/// A setting that both surfaces have, under different names.
#[derive(Debug, Clone, Copy)]
enum Setting<'a> {
    Access(&'a str),
    AllowWeakKeys,
    ApiServer,
    Cluster,
    CreateBucket,
    ExpectedBucketOwner,
    Issuer,
    NoHistory,
    Jwks(&'a str),
    Key(&'a str),
    Namespace,
    Path,
    PolicyArn(&'a str),
    Region(&'a str),
    SharedBucket,
    Unconditional,
}

impl Surface {
    /// How the setting is written on this surface.
    fn setting(self, setting: Setting<'_>) -> String {
        use Setting as S;
        let (flag, field) = match setting {
            S::Access(mode) => {
                (format!("--access {mode}"), format!("spec.store.s3.access: {mode}"))
            }
            S::Jwks(file) => (format!("--jwks {file}"), format!("jwks: {file}")),
            S::Key(file) => (format!("--key {file}"), format!("file: {file}")),
            S::PolicyArn(arn) => (format!("--policy-arn {arn}"), format!("policyArns: [{arn}]")),
            S::Region(name) => {
                (format!("--region {name}"), format!("spec.store.s3.region: {name}"))
            }
            S::AllowWeakKeys => both("--allow-weak-keys", "spec.allowWeakKeys: true"),
            S::ApiServer => both("--apiserver", "apiserver: {}"),
            S::Cluster => both("--cluster NAME", "cluster: {name: NAME}"),
            S::CreateBucket => both("--create-bucket", "spec.store.s3.createBucket: true"),
            S::ExpectedBucketOwner => {
                both("--expected-bucket-owner", "spec.store.s3.expectedBucketOwner")
            }
            S::Issuer => both("--issuer https://…", "spec.issuer: https://…"),
            S::NoHistory => both("--keep-history 0", "spec.keepHistory: 0"),
            S::Namespace => both("--namespace NAME", "cluster: {name: NAME, namespace: NAME}"),
            S::SharedBucket => both("--shared-bucket", "spec.store.s3.sharedBucket: true"),
            S::Unconditional => both("--unconditional", "spec.store.s3.unconditional: true"),
            S::Path => both("--path", "path"),
        };
        match self {
            Self::Flags => flag,
            Self::File => field,
        }
    }
}

fn both(flag: &str, field: &str) -> (String, String) {
    (flag.to_owned(), field.to_owned())
}

/// Advice for both surfaces: an error does not know which one its command has.
#[derive(Debug)]
pub(crate) struct Advice {
    flags: Option<String>,
    file: Option<String>,
}

impl Advice {
    /// Advice in addition to the error's own hint.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        Self { flags: any(error, Surface::Flags), file: any(error, Surface::File) }
    }

    /// The advice for one surface.
    pub(crate) fn on(self, surface: Surface) -> Option<String> {
        match surface {
            Surface::Flags => self.flags,
            Surface::File => self.file,
        }
    }
}

fn any(error: &(dyn Error + 'static), surface: Surface) -> Option<String> {
    if let Some(error) = error.downcast_ref() {
        jwks(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        issuer_url(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        publish(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        cluster(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        live(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        iam(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        render(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        reconcile(error, surface)
    } else if let Some(error) = error.downcast_ref() {
        distribution(error)
    } else if let Some(error) = error.downcast_ref() {
        rotation(error)
    } else {
        None
    }
}

/// What `rotate` can be told, and what shows more.
fn rotation(error: &issuer_rotation::Error) -> Option<String> {
    use issuer_rotation::Error as E;
    let advice = match error {
        E::UnderWay { .. } => {
            "`issuerctl rotate status` shows its steps; `issuerctl rotate finish` or `issuerctl rotate \
             abort` ends it"
        }
        E::Unclear { .. } | E::NotPublished { .. } => {
            "--new-kid names the new key; `issuerctl keys` lists those that are published"
        }
        E::LiveNotPublished { .. } => "`issuerctl publish --apiserver` publishes all its keys",
        E::NotAsked { .. } => {
            "--check-live NS/NAME asks for fresh tokens, --server URL each API server of several"
        }
        E::OldKey { .. } => {
            "`issuerctl rotate finish` removes it; --new-kid names the key that stays, if it is another one \
             than the first"
        }
        E::NotAll { .. } => "--server URL, once for each, asks all of them",
        E::SinceUnknown { .. } => {
            "--signing-since says when the last API server was started with the new key"
        }
        E::TooEarly { .. } => "--token-life says how long tokens live here; --now does not wait",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// The advice for the wrapped error.
fn reconcile(error: &issuer_reconcile::Error, surface: Surface) -> Option<String> {
    use issuer_reconcile::Error as E;
    match error {
        E::ReadFile { path, .. } if path.to_string_lossy().contains("://") => Some(format!(
            "{} reads a JWK Set from an https URL",
            surface.setting(Setting::Jwks("URL"))
        )),
        E::ReadFile { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            let key = "kubeadm has the public key of a cluster in /etc/kubernetes/pki/sa.pub of its \
                       control plane nodes, and `issuerctl keygen --out-dir DIR` generates a new pair";
            let place = crate::files::looked_for(path, source).map(|place| format!("{place}; "));
            Some(format!("{}{key}", place.unwrap_or_default()))
        }
        E::NoUsableKey { source, .. } | E::Join { source } => jwks(source, surface),
        E::NotLive { fault } => live(fault, surface),
        E::Cluster(error) => cluster(error, surface),
        E::Issuer(error) => issuer_url(error, surface),
        E::Publish(error) => publish(error, surface),
        E::Iam(error) => iam(error, surface),
        E::Session(error) => any(error, surface),
        E::KeySource(error) | E::Verify(error) => any(error, surface),
        E::OtherCluster { cluster, .. } => Some(other_cluster(&cluster.source, surface)),
        E::OtherIssuer { signs, issuer, distribution, .. } => {
            let kept = match distribution {
                // It has one issuer.
                Some("eks-anywhere") => String::new(),
                _ if signs.starts_with("https://") => {
                    format!(" --keep-issuer {}", for_a_shell(signs))
                }
                _ => String::new(),
            };
            let all = issuer_distribution::Distribution::ALL.map(|one| one.as_str()).join(", ");
            let which = match distribution {
                Some(_) => String::new(),
                None if kept.is_empty() => format!(", with one of {all} as DISTRIBUTION,"),
                None => format!(
                    ", with one of {all} as DISTRIBUTION (without --keep-issuer for eks-anywhere, which \
                     holds one issuer),"
                ),
            };
            Some(format!(
                "`issuerctl render {} --issuer {issuer}{kept}`{which} prints what the API server needs; \
                 then run apply again",
                distribution.unwrap_or("DISTRIBUTION")
            ))
        }
        E::Workload(issuer_workload::Error::Cluster(
            issuer_cluster::Error::Unreachable { .. } | issuer_cluster::Error::Timeout { .. },
        )) => {
            Some("if this cluster no longer exists, remove spec.workload from the file".to_owned())
        }
        E::Workload(issuer_workload::Error::Cluster(issuer_cluster::Error::Forbidden {
            ..
        })) => {
            Some("--print-rbac prints the Roles and ClusterRoles that this run needs".to_owned())
        }
        E::NotProvedLive { fault: LiveFault::WrongKey { .. }, .. } => {
            let (key, all) = (Setting::Key("FILE"), Setting::ApiServer);
            Some(format!(
                "add the key with {}, or all keys of the API server with {}; \
                 spec.workload.kubeconfig and spec.workload.context select the cluster of the token",
                surface.setting(key),
                surface.setting(all)
            ))
        }
        E::NotProvedLive { fault, .. } => live(fault, surface),
        E::NotVerified { .. } => {
            Some("fix the issuer first; --no-verify skips the check".to_owned())
        }
        E::MissingPolicies(missing) => Some(missing_policies(missing, surface)),
        E::NoRegion { .. } => Some(
            "with --account AWS is not called: set spec.store.s3.region in the file, or give \
             --region"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Which values to correct, and what creates policies.
fn missing_policies(missing: &[MissingPolicy], surface: Surface) -> String {
    let option = |policy: &MissingPolicy| match policy.field {
        PolicyField::Attached(_) => format!("--policy-arn {}", policy.arn),
        PolicyField::Boundary => format!("--permissions-boundary {}", policy.arn),
    };
    let (wrong, creates): (Vec<String>, _) = match surface {
        Surface::Flags => (missing.iter().map(option).collect(), "--managed-policy NAME=FILE"),
        Surface::File => {
            (missing.iter().map(MissingPolicy::path).collect(), "spec.roles[].managedPolicies")
        }
    };
    format!(
        "correct {}, or create the policy (`aws iam create-policy`); {creates} creates policies from their \
         documents",
        wrong.join(", ")
    )
}

/// How to select another cluster, and what publishes the keys of this one.
fn other_cluster(source: &KeySource, surface: Surface) -> String {
    let yes = "--allow-other-cluster publishes its keys";
    match (source, surface) {
        (KeySource::Secret { .. }, Surface::Flags) => format!(
            "--cluster NAME selects another cluster; --check-live NS/NAME with --live-kubeconfig and \
             --live-context proves that this is the right one; if it is, {yes}"
        ),
        (KeySource::Secret { .. }, Surface::File) => format!(
            "cluster: {{name: NAME}} selects another cluster; if this is the right one, {yes}"
        ),
        (_, Surface::Flags) => format!(
            "--kubeconfig and --context select another cluster; if this is the right one, {yes}"
        ),
        (_, Surface::File) => format!(
            "apiserver: {{kubeconfig: FILE, context: NAME}} selects another cluster; if this is the \
             right one, {yes}"
        ),
    }
}

fn jwks(error: &issuer_jwks::Error, surface: Surface) -> Option<String> {
    use issuer_jwks::Error as E;
    let setting = |setting| surface.setting(setting);
    Some(match error {
        E::Unrecognized => {
            format!("a JWK Set is given with {}", setting(Setting::Jwks("FILE")))
        }
        E::NotAKey { what: Content::Token } => {
            "`issuerctl verify --token FILE` verifies the token".to_owned()
        }
        E::NotAKey { what: Content::Path } if surface == Surface::Flags => {
            "give the path itself to --key".to_owned()
        }
        E::NotAKey { what: Content::KubernetesObject }
        | E::NotAJwkSet { what: Content::KubernetesObject } => {
            format!("{} reads the Secret from the cluster", setting(Setting::Cluster))
        }
        E::NotAJwkSet { what: Content::Archive } => return None,
        E::NotJson { .. } | E::NotAJwkSet { .. } => match surface {
            Surface::Flags => "give a key in PEM or DER with --key FILE instead; `issuerctl jwks \
                               --key FILE` writes a JWK Set"
                .to_owned(),
            Surface::File => "if it is a key in PEM or DER, write file: sa.pub instead of jwks: \
                              sa.pub"
                .to_owned(),
        },
        E::NoUsableKey { weak: true, .. } => {
            format!("{} accepts the weak RSA key", setting(Setting::AllowWeakKeys))
        }
        E::Key { fault } => key_fault(fault, surface)?,
        E::Entry { fault: JwkFault::Key(fault), .. } => key_fault(fault, surface)?,
        E::Entry { fault: JwkFault::MissingKid, .. } => "`issuerctl jwks` writes a set with the \
                                                         kid that the API server uses"
            .to_owned(),
        E::Entry {
            fault: JwkFault::Use { .. } | JwkFault::KeyOps | JwkFault::Algorithm { .. },
            ..
        } => "`issuerctl jwks` writes a new set from the keys".to_owned(),
        _ => return None,
    })
}

fn key_fault(fault: &KeyFault, surface: Surface) -> Option<String> {
    const KEYGEN: &str = "`issuerctl keygen` generates a key";
    match fault {
        fault if fault.is_allowed_weak() => {
            Some(format!("{KEYGEN}; {} accepts this one", surface.setting(Setting::AllowWeakKeys)))
        }
        KeyFault::WeakRsa { .. }
        | KeyFault::RsaPss
        | KeyFault::LargeRsa { .. }
        | KeyFault::RsaExponent
        | KeyFault::EvenModulus
        | KeyFault::NotOnCurve { .. } => Some(KEYGEN.to_owned()),
        _ => None,
    }
}

fn issuer_url(error: &IssuerUrlError, surface: Surface) -> Option<String> {
    match (error, surface) {
        (IssuerUrlError::Port { .. }, Surface::Flags) => Some(
            "`publish`, `verify` and `discovery` accept it with `--allow-port`, for consumers other than \
             AWS"
                .to_owned(),
        ),
        _ => None,
    }
}

const ALL: &str = "--print-iam-policy prints all permissions that this run needs";

const PROFILE: &str = "--profile NAME selects other credentials";

fn iam(error: &issuer_iam::Error, surface: Surface) -> Option<String> {
    use issuer_iam::Error as E;
    Some(match error {
        E::NotAPolicy { .. } if surface == Surface::Flags => {
            "`issuerctl role trust-policy` prints a trust policy".to_owned()
        }
        E::Adopted { .. } => "--force deletes it anyway".to_owned(),
        E::Path { .. } => format!("or remove {}", surface.setting(Setting::Path)),
        E::ForeignPolicy { arn } => {
            format!("or attach it unchanged with {}", surface.setting(Setting::PolicyArn(arn)))
        }
        E::Credentials { .. } => PROFILE.to_owned(),
        E::Denied { explicit: false, .. } => ALL.to_owned(),
        _ => return None,
    })
}

fn distribution(error: &issuer_distribution::Error) -> Option<String> {
    use issuer_distribution::Error as E;
    Some(match error {
        E::Lost { issuer, only_one: true, .. } => format!(
            "EKS Anywhere holds one issuer, so it cannot be kept: plan for the time in which its tokens are \
             refused (up to 48 minutes), and give it up with --drop-issuer {}",
            for_a_shell(issuer)
        ),
        E::Lost { issuer, is_variable: true, .. } => format!(
            "MicroK8s reads {issuer} as the name of a variable: give it up with --drop-issuer {}, and \
             keep the issuer that it stands for with --keep-issuer URL",
            for_a_shell(issuer)
        ),
        E::Lost { issuer, .. } => {
            let issuer = for_a_shell(issuer);
            format!(
                "keep it with --keep-issuer {issuer}, or give it up with --drop-issuer {issuer}"
            )
        }
        E::Several { .. } | E::NoSuchName { .. } => "--name NAME selects a cluster".to_owned(),
        E::Unsupported => "without --into the lines are printed alone".to_owned(),
        _ => return None,
    })
}

fn render(error: &issuer_render::Error, surface: Surface) -> Option<String> {
    match error {
        issuer_render::Error::Aws(error) => iam(error, surface),
        issuer_render::Error::Publish(error) => publish(error, surface),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use issuer_change::Notice;

    use super::*;

    fn on(error: &(dyn Error + 'static), surface: Surface) -> String {
        Advice::of(error).on(surface).unwrap_or_default()
    }

    #[test]
    fn a_setting_is_named_as_it_was_written() {
        let bucket = issuer_publish::Error::NoBucket { bucket: "b".to_owned() };
        let cases: [(&(dyn Error + 'static), &str, &str); 3] = [
            (&bucket, "--create-bucket", "spec.store.s3.createBucket: true"),
            (&issuer_jwks::Error::NotJson { reason: String::new() }, "--key", "file: sa.pub"),
            (&issuer_render::Error::from(bucket_error()), "--region eu", "region: eu"),
        ];
        for (error, flag, field) in cases {
            let (flags, file) = (on(error, Surface::Flags), on(error, Surface::File));
            assert!(flags.contains(flag), "{flags}");
            assert!(file.contains(field) && !file.contains("--"), "{file}");
        }
    }

    #[test]
    fn keys_at_another_url_are_added_from_there_if_they_can_be_read_there() {
        for (published, source) in [
            ("https://cdn.example.com/keys", "--jwks https://cdn.example.com/keys adds"),
            (
                "https://cdn.example.com/a?b=1&c=2",
                "--jwks 'https://cdn.example.com/a?b=1&c=2' adds",
            ),
            ("http://10.0.0.1/keys", "--jwks FILE adds"),
            ("/keys.json", "--jwks FILE adds"),
            ("https://u:p@h/keys", "--jwks FILE adds"),
        ] {
            let (location, standard) = (String::new(), String::new());
            let published = published.to_owned();
            let error = issuer_publish::Error::OtherKeys { location, published, standard };
            let hint = on(&error, Surface::Flags);
            assert!(hint.contains(source) && hint.contains("--change-issuer"), "{hint}");
        }
    }

    #[test]
    fn what_goes_can_be_kept_on_either_surface() {
        let notice = |id: &'static str| Notice { id: id.into(), message: String::new() };
        assert_eq!(to_keep(&[notice("unmanaged-role")], Surface::Flags), [""; 0]);
        let gone = ["policy-removed", "tag-removed", "thumbprint-removed"].map(notice);
        let flags = to_keep(&gone, Surface::Flags);
        assert_eq!(flags.len(), 2);
        for part in ["--policy-arn ARN", "--tag K=V", "--add"] {
            assert!(flags[0].contains(part), "{flags:?}");
        }
        assert!(flags[1].contains("--thumbprint HEX") && !flags[1].contains("--add"), "{flags:?}");
        let file = to_keep(&gone, Surface::File).concat();
        assert!(file.contains("policyArns") && !file.contains("--"), "{file}");
    }

    fn bucket_error() -> issuer_publish::Error {
        let (bucket, actual, asked) = ("b".to_owned(), "eu".to_owned(), "us".to_owned());
        issuer_publish::Error::OtherRegion { bucket, actual, asked }
    }
}

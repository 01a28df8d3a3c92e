//! What was seen of cluster, issuer and account, as plain values.

use std::collections::BTreeMap;
use std::fmt;

use issuer_discovery::Ports;
use issuer_distribution::ServerFlags;
use issuer_iam::Provider;
use issuer_publish::BucketState;
use issuer_verify::Observation;
use serde_json::Value;

use crate::{Controllers, Fact, RoleArn};

/// Everything that was seen. It has no token, no credential and no value of a Secret.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Seen {
    /// What was asked for.
    pub asked: Asked,
    /// The API server.
    pub cluster: ClusterSeen,
    /// The account and its pods.
    pub workload: WorkloadSeen,
    /// What gives pods their roles.
    pub injection: InjectionSeen,
    /// The documents of the issuer.
    pub documents: DocumentsSeen,
    /// IAM.
    pub aws: AwsSeen,
    /// What STS makes of a fresh token.
    pub exchange: Fact<Exchange>,
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The issuer in question, as given; learnt from the cluster otherwise.
    pub issuer: Option<String>,
    /// The ServiceAccount.
    pub subject: Option<Subject>,
    /// The name of the only pod that is looked at.
    pub pod: Option<String>,
    /// The ARN of the role, as given.
    pub role: Option<String>,
    /// The audience, as given.
    pub audience: Option<String>,
    /// Whether there is a cluster to be asked; why not otherwise.
    pub no_cluster: Option<String>,
    /// Whether the issuer may have a port.
    pub allow_port: bool,
    /// The bucket, as `s3://BUCKET[/PREFIX]`.
    pub store: Option<String>,
    /// What the file declares, if one was given.
    pub declared: Option<Declared>,
    /// The region that was given.
    pub region: Option<String>,
    /// Now, in seconds since 1970.
    pub now_secs: u64,
}

impl Asked {
    /// For the readers of issuer URLs.
    #[must_use]
    pub fn ports(&self) -> Ports {
        if self.allow_port { Ports::Allow } else { Ports::Refuse }
    }
}

/// A ServiceAccount by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What an issuer file says.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The file.
    pub file: String,
    /// The issuer's name in it.
    pub name: String,
    /// Whether `apply` annotates ServiceAccounts.
    pub annotates: bool,
    /// The roles that match the ServiceAccount, by name.
    pub roles: Vec<String>,
}

/// What was seen of the API server.
#[derive(Debug, Clone, Default)]
pub struct ClusterSeen {
    /// Its URL and the context of the kubeconfig.
    pub place: String,
    /// Its version, such as `1.36.3`.
    pub version: Fact<String>,
    /// Its own discovery document; `None` if it has none.
    pub discovery: Fact<Option<Published>>,
    /// The kids that it accepts (`/openid/v1/jwks`).
    pub kids: Fact<Vec<String>>,
    /// The flags of the running server (`/flagz`); `None` if it has none.
    pub flagz: Fact<Option<ServerFlags>>,
    /// The static pods of API servers, with the flags of their manifests.
    pub static_pods: Fact<Vec<(String, ServerFlags)>>,
    /// The API version and the issuers in kubeadm's ConfigMap; `None` if there is none.
    pub kubeadm: Fact<Option<(String, Vec<String>)>>,
    /// The clusters of the management cluster, if one was given.
    pub managed: Fact<Vec<Managed>>,
    /// The URLs of the cluster's API servers, if there are several (EndpointSlice `kubernetes`).
    pub servers: Vec<String>,
    /// `iss` and `kid` of fresh tokens, each requested by itself.
    pub tokens: Fact<Vec<TokenSeen>>,
    /// Whom they were requested for.
    pub requested: Option<Audience>,
}

/// Whom the pods' tokens are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The audience.
    pub text: String,
    /// Whether something says so; else it is the usual one.
    pub is_known: bool,
}

/// An API server's discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// `issuer`.
    pub issuer: String,
    /// `jwks_uri`.
    pub jwks_uri: String,
}

/// A cluster as its management cluster configures it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// `Cluster` of EKS Anywhere, or `KubeadmControlPlane`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The issuer that it configures.
    pub issuer: Option<String>,
}

/// A fresh token, as far as it is no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenSeen {
    /// The issuer that signed it.
    pub iss: String,
    /// The key that signed it.
    pub kid: String,
    /// The server that was asked, if it is not the one of the kubeconfig.
    pub server: Option<String>,
}

/// What was seen of the account and its pods.
#[derive(Debug, Clone, Default)]
pub struct WorkloadSeen {
    /// The namespace; `None` if it does not exist.
    pub namespace: Fact<Option<Value>>,
    /// The ServiceAccount; `None` if it does not exist.
    pub account: Fact<Option<Value>>,
    /// The other ServiceAccounts of the namespace, or all of the cluster without an account.
    pub accounts: Fact<Vec<Value>>,
    /// The pods of the namespace, or of the cluster, each as [`crate::outline`] keeps it.
    pub pods: Fact<Vec<Value>>,
    /// What makes the pods of the namespace.
    pub controllers: Controllers,
    /// The events of the namespace about pods that could not be created.
    pub events: Fact<Vec<Value>>,
    /// The keys of Secrets that variables come from, by name; `None` if one does not exist.
    pub secrets: BTreeMap<String, Fact<Option<Vec<String>>>>,
    /// The same for ConfigMaps.
    pub config_maps: BTreeMap<String, Fact<Option<Vec<String>>>>,
}

/// What was seen of what gives pods their roles.
#[derive(Debug, Clone, Default)]
pub struct InjectionSeen {
    /// The MutatingWebhookConfigurations.
    pub webhooks: Fact<Vec<Value>>,
    /// The MutatingAdmissionPolicies; none if the API server does not serve them.
    pub policies: Fact<Vec<Value>>,
    /// Their bindings.
    pub bindings: Fact<Vec<Value>>,
    /// The Services of webhooks that do not exist, by namespace and name; looked at if there are several
    /// webhooks.
    pub lost: Vec<(String, String)>,
    /// The Service of the webhook; `None` if it does not exist.
    pub service: Fact<Option<Value>>,
    /// Its EndpointSlices.
    pub slices: Fact<Vec<Value>>,
    /// The webhook's Deployment; `None` if it does not exist.
    pub deployment: Fact<Option<Value>>,
    /// The pods of the webhook.
    pub pods: Fact<Vec<Value>>,
    /// What the webhook's Service serves.
    pub serving: Fact<Serving>,
    /// What the API server would store of a pod made now.
    pub dry_run: Fact<DryRun>,
    /// What the API server's metrics say of the webhook, if a dry run gave nothing.
    pub called: Fact<Called>,
}

/// How often a webhook was called during a dry run, as the API server's metrics count it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Called {
    /// It could not be called, and was passed over (`failurePolicy: Ignore`).
    pub failed_open: f64,
    /// It answered.
    pub answered: f64,
}

impl Called {
    /// From `/metrics`, for the webhook of a name.
    #[must_use]
    pub fn of(metrics: &str, webhook: &str) -> Self {
        let label = format!("name=\"{webhook}\"");
        let count = |metric: &str, more: &str| -> f64 {
            let lines = metrics.lines().filter_map(|line| line.strip_prefix(metric));
            let ours = lines.filter(|rest| {
                rest.starts_with('{') && rest.contains(&label) && rest.contains(more)
            });
            ours.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Self {
            failed_open: count("apiserver_admission_webhook_fail_open_count", ""),
            answered: count("apiserver_admission_webhook_request_total", "code=\"200\""),
        }
    }

    /// What was counted since then.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            failed_open: self.failed_open - before.failed_open,
            answered: self.answered - before.answered,
        }
    }
}

/// The TLS side of the webhook's Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The address that was connected to.
    pub address: String,
    /// Why its certificate does not satisfy the caBundle and the name of the Service; `None` if it does.
    pub fault: Option<String>,
}

/// The answer to a dry run.
#[derive(Debug, Clone, PartialEq)]
pub enum DryRun {
    /// The pod that would be stored.
    Stored(Value),
    /// It was refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The message of the API server.
        message: String,
    },
}

/// What was seen of the documents.
#[derive(Clone, Default)]
pub struct DocumentsSeen {
    /// The issuer whose documents were read.
    pub issuer: Option<String>,
    /// The documents.
    pub observation: Fact<Observation>,
    /// A fresh token; never shown.
    pub token: Fact<String>,
    /// The certificates of the issuer's host.
    pub chain: Fact<Chain>,
    /// The bucket; `None` without one.
    pub bucket: Fact<BucketState>,
    /// How the two objects in the bucket are encrypted: the discovery document, the keys; `None` for one
    /// that does not exist.
    pub objects: Fact<[Option<String>; 2]>,
}

/// The certificates of the issuer's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// SHA-1 of each certificate that it sends, the last one being the top; in hexadecimal digits.
    pub thumbprints: Vec<String>,
    /// SHA-1 of the given CA certificates.
    pub given: Vec<String>,
    /// Whether the system trusts it without the given CA certificates.
    pub is_public: bool,
}

/// What was seen of IAM.
#[derive(Debug, Clone, Default)]
pub struct AwsSeen {
    /// Whose credentials were used.
    pub caller: Fact<Caller>,
    /// The ARNs of the account's providers.
    pub providers: Fact<Vec<String>>,
    /// The provider of the issuer; `None` if it does not exist.
    pub provider: Fact<Option<Provider>>,
    /// The role; `None` if it does not exist.
    pub role: Fact<Option<RoleSeen>>,
    /// The ARNs of the attached policies.
    pub attached: Fact<Vec<String>>,
    /// The number of inline policies.
    pub inline: Fact<usize>,
}

/// Whose credentials were used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The partition.
    pub partition: String,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSeen {
    /// Its ARN.
    pub arn: String,
    /// Its trust policy, as text.
    pub trust: String,
    /// When it was created, in seconds since 1970.
    pub created_secs: Option<u64>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
}

/// What STS answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// It gave credentials of this session; they were dropped.
    Passed {
        /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
        assumed: String,
        /// The STS that was asked.
        endpoint: String,
    },
    /// It refused.
    Refused {
        /// Its error code.
        code: Option<String>,
        /// Its message.
        message: String,
        /// The HTTP status.
        status: Option<u16>,
        /// The STS that was asked.
        endpoint: String,
    },
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl fmt::Debug for DocumentsSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentsSeen").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Seen {
    /// The pod that would be stored now, according to the dry run.
    #[must_use]
    pub fn stored(&self) -> Option<&Value> {
        match self.injection.dry_run.known() {
            Some(DryRun::Stored(pod)) => Some(pod),
            _ => None,
        }
    }

    /// Whether STS gave credentials for a fresh token.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        matches!(self.exchange, Fact::Known(Exchange::Passed { .. }))
    }

    /// What the API server says of credentials that it does not accept (401).
    #[must_use]
    pub fn unauthorized(&self) -> Option<&str> {
        match &self.cluster.version {
            Fact::Denied(why) if why.contains("(401)") => Some(why),
            _ => None,
        }
    }

    /// Why something of the cluster could not be read, other than for lack of a permission: a server that
    /// is busy, or something else in its place.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        fn failed<T>(fact: &Fact<T>) -> Option<&str> {
            match fact {
                Fact::Failed(why) => Some(why),
                _ => None,
            }
        }
        failed(&self.cluster.version)
            .or(failed(&self.workload.account))
            .or(failed(&self.workload.accounts))
            .or(failed(&self.workload.pods))
            .or(failed(&self.cluster.discovery))
            .or(failed(&self.injection.webhooks))
            .or(failed(&self.cluster.tokens))
    }

    /// The account that the role is in.
    pub(crate) fn role_account(&self, role: Option<&RoleArn>) -> Option<String> {
        let caller = || self.aws.caller.known().map(|caller| caller.account.clone());
        role.map(|role| role.account.clone()).or_else(caller)
    }
}

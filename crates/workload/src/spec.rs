//! What is requested.

use std::str::FromStr;

use issuer_discovery::IssuerUrl;
use issuer_iam::ServiceAccountPattern;

/// What must exist in a cluster so that its pods get their roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// The issuer; several can share a cluster.
    pub issuer: IssuerUrl,
    /// What gives pods their roles.
    pub injection: Injection,
    /// What happens to ServiceAccounts.
    pub accounts: AccountsMode,
    /// Whether workloads whose pods run without their role are restarted.
    pub restart: bool,
    /// kubectl for this cluster, with the flags that select it.
    pub kubectl: String,
    /// The roles, in order.
    pub roles: Vec<RoleGrant>,
    /// Whether annotations with roles that are no longer requested are removed.
    pub prune: bool,
}

/// A role, and the ServiceAccounts that may assume it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    /// The name of the role.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The audience of tokens, if it is not the default one.
    pub audience: Option<String>,
    /// The ServiceAccounts; those with wildcards are all that exist and match.
    pub accounts: Vec<ServiceAccountPattern>,
}

/// What gives pods the role of their ServiceAccount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Injection {
    /// An admission policy if the API server serves it, otherwise the webhook; nothing if something
    /// else in the cluster does it.
    #[default]
    Auto,
    /// A MutatingAdmissionPolicy.
    Policy,
    /// The pod identity webhook.
    Webhook,
    /// Something else.
    None,
}

/// What happens to ServiceAccounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountsMode {
    /// Those that exist are annotated.
    #[default]
    Annotate,
    /// Those that do not exist are created, too.
    Create,
    /// None is read or changed.
    Leave,
}

impl Injection {
    /// All values, as in a file.
    pub const NAMES: [&str; 4] = ["auto", "policy", "webhook", "none"];
}

impl AccountsMode {
    /// All values, as in a file.
    pub const NAMES: [&str; 3] = ["annotate", "create", "leave"];
}

impl FromStr for Injection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "policy" => Ok(Self::Policy),
            "webhook" => Ok(Self::Webhook),
            "none" => Ok(Self::None),
            _ => Err(format!("the values here are {}", Self::NAMES.join(", "))),
        }
    }
}

impl FromStr for AccountsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "annotate" => Ok(Self::Annotate),
            "create" => Ok(Self::Create),
            "leave" => Ok(Self::Leave),
            _ => Err(format!("the values here are {}", Self::NAMES.join(", "))),
        }
    }
}

impl WorkloadSpec {
    /// Whether ServiceAccounts are read and changed.
    pub(crate) fn has_accounts(&self) -> bool {
        self.accounts != AccountsMode::Leave
    }
}

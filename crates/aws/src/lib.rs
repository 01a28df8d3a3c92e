//! What must exist in IAM for an issuer.
//!
//! Trust policies are plain values: [`TrustPolicy`] builds one, merges its statement into whatever is there already, and takes
//! it out again.

mod error;
mod names;
mod trust;

pub use error::Error;
pub use names::{AccountId, Audience, DEFAULT_AUDIENCE, ProviderArn, ServiceAccountPattern};
pub use trust::{MAX_TRUST_POLICY, Trust, TrustPolicy, USUAL_TRUST_POLICY};

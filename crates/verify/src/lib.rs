#![doc = include_str!("../README.md")]

mod error;
mod fetch;
mod folder;
mod judge;
mod jwks_url;
mod observation;
mod proxy;
mod serving;
mod sts;
mod text;
mod tls;
mod verdict;

pub use error::Error;
pub use fetch::{FetchOptions, HostChain, fetch, host_chain, thumbprint, top_of_chain};
pub use folder::read_folder;
pub use issuer_trust::{Authorities, CertificateFault, Chain};
pub use judge::{Expected, judge};
pub use jwks_url::fetch_jwks;
pub use observation::{
    Answer, BodyFault, Fetched, FileFault, Observation, ProxyFault, TIME_LIMIT_SECS, Unreached,
    Vantage,
};
pub use serving::{ServingFault, check_serving};
pub use verdict::{Check, Status, Verdict};

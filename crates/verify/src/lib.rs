//! Would AWS STS accept this issuer and this token?
//!
//! Looking and judging are apart: [`fetch`] and [`read_folder`] look and make an [`Observation`], a
//! plain value; [`judge`] is a pure function of it, so that every kind of broken issuer can be
//! written down without a network.
//!
//! ```text
//! fetch(issuer) / read_folder(dir) ──► Observation ──► judge(…, Expected) ──► Verdict { checks }
//! ```
//!
//! A [`Verdict`] names one cause and one mend: the first failed [`Check`] is the root, and what
//! only follows from it is [`Status::Skip`], not blamed.

mod error;
mod fetch;
mod folder;
mod judge;
mod observation;
mod sts;
mod text;
mod tls;
mod verdict;

pub use error::Error;
pub use fetch::{FetchOptions, fetch, top_of_chain};
pub use folder::read_folder;
pub use judge::{Expected, judge};
pub use observation::{
    Answer, BodyFault, CertificateFault, Chain, Fetched, Observation, TIME_LIMIT_SECS, Unreached,
    Vantage,
};
pub use verdict::{Check, Status, Verdict};

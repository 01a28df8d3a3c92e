//! The issuer's host.

use issuer_discovery::IssuerUrl;
use issuer_doctor::{Chain, Fact};
use issuer_verify::{FetchOptions, Observation};

/// The documents as STS reads them, and the certificates of the host.
pub(super) async fn documents(
    issuer: Option<&IssuerUrl>,
    options: &FetchOptions,
) -> (Fact<Observation>, Fact<Chain>) {
    let Some(issuer) = issuer else {
        let why = "no issuer is known that could be read";
        return (Fact::NotAsked(why.to_owned()), Fact::NotAsked(why.to_owned()));
    };
    let (observation, chain) = tokio::join!(
        issuer_verify::fetch(issuer, options),
        issuer_verify::host_chain(issuer, options)
    );
    let observation = match observation {
        Ok(observation) => Fact::Known(observation),
        Err(error) => Fact::Failed(error.to_string()),
    };
    let given = options.authorities.certificates().iter();
    let chain = match chain {
        Ok(chain) => Fact::Known(Chain {
            thumbprints: chain.thumbprints,
            given: given.map(|one| issuer_verify::thumbprint(one)).collect(),
            is_public: chain.is_public,
        }),
        Err(error) => Fact::Failed(error.to_string()),
    };
    (observation, chain)
}

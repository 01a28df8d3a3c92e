//! The errors that AWS STS returns for `AssumeRoleWithWebIdentity`, word for word.

/// STS could not get the key: the error for everything that is wrong with documents, hosting and
/// keys.
pub(crate) const NO_KEY: &str = "InvalidIdentityToken: Couldn't retrieve verification key from \
                                 your identity provider,  please reference \
                                 AssumeRoleWithWebIdentity documentation for requirements";

/// Not an error of STS: nothing was received from the issuer.
pub(crate) const NOT_ASKED: &str = "nothing that is known here: STS does not use this proxy";

/// AWS does not trust the certificate, and no thumbprint of the provider matches.
pub(crate) const THUMBPRINT: &str = "InvalidIdentityToken: OpenIDConnect provider's HTTPS \
                                     certificate doesn't match configured thumbprint";

/// The token is not a JWT.
pub(crate) const NOT_A_JWT: &str = "InvalidIdentityToken: The ID Token provided is not a valid \
                                    JWT. (You may see this error if you sent an Access Token)";

/// `aud` or `azp` is not among the provider's client IDs.
pub(crate) const AUDIENCE: &str = "InvalidIdentityToken: Incorrect token audience";

/// There is no provider for the token's `iss`.
pub(crate) fn no_provider(iss: &str) -> String {
    format!("InvalidIdentityToken: No OpenIDConnect provider found in your account for {iss}")
}

/// A claim is missing.
pub(crate) fn missing_claim(claim: &str) -> String {
    format!("InvalidIdentityToken: Missing a required claim: {claim}")
}

/// The token has expired.
pub(crate) fn expired(now: u64, exp: u64) -> String {
    format!(
        "ExpiredTokenException: Token expired: current date/time {now} must be before the \
         expiration date/time {exp}"
    )
}

/// `iat` is too long ago.
pub(crate) fn too_old(iat: u64) -> String {
    format!("ExpiredTokenException: Token too old: {iat}")
}

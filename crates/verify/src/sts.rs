//! What AWS STS answers to `AssumeRoleWithWebIdentity`, in its own words.

/// It could not get the key: whatever is wrong with documents, hosting and keys ends here.
pub(crate) const NO_KEY: &str = "InvalidIdentityToken: Couldn't retrieve verification key from \
                                 your identity provider,  please reference \
                                 AssumeRoleWithWebIdentity documentation for requirements";

/// The certificate is none that AWS trusts, and no thumbprint of the provider fits.
pub(crate) const THUMBPRINT: &str = "InvalidIdentityToken: OpenIDConnect provider's HTTPS \
                                     certificate doesn't match configured thumbprint";

/// The token is no JWT.
pub(crate) const NOT_A_JWT: &str = "InvalidIdentityToken: The ID Token provided is not a valid \
                                    JWT. (You may see this error if you sent an Access Token)";

/// `aud` or `azp` is none of the provider's client ids.
pub(crate) const AUDIENCE: &str = "InvalidIdentityToken: Incorrect token audience";

/// No provider has the token's `iss`.
pub(crate) fn no_provider(iss: &str) -> String {
    format!("InvalidIdentityToken: No OpenIDConnect provider found in your account for {iss}")
}

/// A claim is not there.
pub(crate) fn missing_claim(claim: &str) -> String {
    format!("InvalidIdentityToken: Missing a required claim: {claim}")
}

/// `exp` is over.
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

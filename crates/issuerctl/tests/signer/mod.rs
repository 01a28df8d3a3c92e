//! A key that signs service account tokens, as an API server does.

use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use issuer_jwks::{KeyKind, generate};
use p256::ecdsa::signature::Signer as _;

pub(crate) struct Signer {
    pub(crate) public_pem: String,
    pub(crate) kid: String,
    key: p256::ecdsa::SigningKey,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let generated = generate(KeyKind::P256).unwrap();
        let body: String =
            generated.private_pem.lines().filter(|line| !line.starts_with('-')).collect();
        let secret = p256::SecretKey::from_sec1_der(&Base64::decode_vec(&body).unwrap()).unwrap();
        Self {
            public_pem: generated.public.to_spki_pem(),
            kid: generated.public.kid().to_string(),
            key: p256::ecdsa::SigningKey::from(secret),
        }
    }

    /// A token of `NAMESPACE/NAME`, valid for ten minutes.
    pub(crate) fn token(&self, issuer: &str, account: &str, audience: &str) -> String {
        let now = now();
        let part = |json: String| Base64UrlUnpadded::encode_string(json.as_bytes());
        let header = part(format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.kid));
        let subject = format!("system:serviceaccount:{}", account.replace('/', ":"));
        let claims = part(format!(
            r#"{{"aud":["{audience}"],"exp":{},"iat":{now},"nbf":{now},"iss":"{issuer}","sub":"{subject}"}}"#,
            now + 600
        ));
        let signature = self.sign(&format!("{header}.{claims}"));
        format!("{header}.{claims}.{signature}")
    }

    /// The signature of header and claims.
    pub(crate) fn sign(&self, text: &str) -> String {
        let signature: p256::ecdsa::Signature = self.key.sign(text.as_bytes());
        Base64UrlUnpadded::encode_string(&signature.to_bytes())
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

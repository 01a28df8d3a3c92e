//! A place with its options, and the two keys of an administrator.

use issuer_test_support::S3Server;

use crate::desk::{Desk, ended};
use crate::signer::Signer;

pub(crate) const ISSUER: &str = "https://oidc.example.com/prod";

/// The request for a token of `default/app`.
pub(crate) const TOKEN: &str = "POST /api/v1/namespaces/default/serviceaccounts/app/token";

/// A desk with `old.pub` and `new.pub`, and where they are published.
pub(crate) struct Place {
    pub(crate) desk: Desk,
    pub(crate) old: Signer,
    pub(crate) new: Signer,
    pub(crate) options: String,
}

impl Place {
    fn at(options: String) -> Self {
        let (desk, old, new) = (Desk::new(), Signer::new(), Signer::new());
        desk.file("old.pub", &old.public_pem);
        desk.file("new.pub", &new.public_pem);
        Self { desk, old, new, options }
    }

    pub(crate) fn folder() -> Self {
        Self::at(format!("--to site --issuer {ISSUER}"))
    }

    pub(crate) fn bucket(server: &S3Server) -> Self {
        server.make_bucket("my-oidc");
        Self::at(format!(
            "--to s3://my-oidc/prod --region us-west-2 --access none --endpoint-url {} \
             --path-style --issuer {ISSUER}",
            server.endpoint()
        ))
    }

    /// Standard output and standard error of a run at this place.
    #[track_caller]
    pub(crate) fn run(&self, line: &str, code: i32) -> (String, String) {
        ended(&self.desk.run(&format!("{line} {}", self.options)), code)
    }
}

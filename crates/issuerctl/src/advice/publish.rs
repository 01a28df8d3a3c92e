//! Errors of publishing.

use issuer_diagnostic::for_a_shell;
use issuer_jwks::{Content, JwkFault, JwksSource};
use issuer_publish::DestinationFault;

use super::{ALL, PROFILE, Setting, Surface, jwks};

const REPLACE: &str = "--replace-unreadable replaces the document, and keeps every key that can be \
                       found in it";

pub(super) fn publish(error: &issuer_publish::Error, surface: Surface) -> Option<String> {
    use issuer_publish::Error as E;
    let setting = |setting| surface.setting(setting);
    let no_access = || surface.setting(Setting::Access("none"));
    Some(match error {
        E::Unreadable { keys: Some(keys), .. } => published_keys(keys, surface),
        E::Unreadable { keys: None, .. } => REPLACE.to_owned(),
        E::UnknownOwner { .. } => "--force deletes it anyway".to_owned(),
        E::Merge { source: issuer_jwks::Error::KidConflict { .. }, .. } => {
            "--replace-unreadable publishes the given key under this kid, and the other one under its \
             own"
                .to_owned()
        }
        E::Merge { source: issuer_jwks::Error::TooManyKeys { .. }, .. } => {
            "publish the keys that the API servers sign with alone, with --prune, and the new key after \
             that"
            .to_owned()
        }
        E::Merge { source, .. } => jwks(source, surface)?,
        E::Destination { endpoint: Some(url), .. } => {
            format!("the server of a bucket of another store is --endpoint-url {url}")
        }
        E::Destination { fault: DestinationFault::ForeignStore, .. } => {
            "publish to a folder here, and upload it there".to_owned()
        }
        E::Destination { fault: DestinationFault::IssuerHost, .. } => {
            "the store behind the issuer URL is s3://BUCKET[/PREFIX]; --to ./NAME is a folder, whatever \
             its name"
                .to_owned()
        }
        E::Destination { fault: DestinationFault::WebUrl | DestinationFault::WebHost, .. } => format!(
            "the URL at which the documents are served is set with {}",
            setting(Setting::Issuer)
        ),
        E::Destination {
            fault: DestinationFault::OtherUrl | DestinationFault::Endpoint, ..
        } => "a bucket of an S3-compatible store is s3://BUCKET[/PREFIX] with --endpoint-url, which is \
              the URL of the server"
            .to_owned(),
        E::Destination { fault: DestinationFault::Remote, .. } => {
            "publish to a folder here, and copy it there; --to ./NAME is a folder, whatever its name"
                .to_owned()
        }
        E::Destination { fault: DestinationFault::Unexpanded, .. } => {
            "a shell expands variables between double quotes, not between single quotes, and cmd.exe \
             writes %NAME%; a folder with such a name is --to ./NAME"
                .to_owned()
        }
        E::NotKept { .. } => {
            format!("{} publishes without keeping what it replaces", setting(Setting::NoHistory))
        }
        E::NoVersion { .. } | E::BrokenHistory { .. } => {
            "`issuerctl history`, with the same place, lists what was kept".to_owned()
        }
        E::LatelyLive { .. } => "--drop-live-key publishes without it, and --retire-after says how long \
                                 tokens live here"
            .to_owned(),
        E::PruneWithNewKey { .. } => {
            "run once without --prune; or add --check-live NS/NAME, which \
                                      proves that the API server signs with one of these keys"
                .to_owned()
        }
        E::OtherKeys { published, .. } => {
            let source = match published.parse() {
                Ok(JwksSource::Url(_)) => for_a_shell(published),
                _ => "FILE".to_owned(),
            };
            format!(
                "{} adds them, and --change-issuer replaces the document",
                setting(Setting::Jwks(&source))
            )
        }
        E::OtherIssuer { published, .. } => format!(
            "if this is an intended change of the issuer, --change-issuer replaces the document; \
             tokens of {published} then stop working"
        ),
        E::NoConditionalWrites { .. } | E::IgnoredConditions { .. } => format!(
            "{} publishes nevertheless, as long as there is one writer at a time",
            setting(Setting::Unconditional)
        ),
        E::NoPolicies { .. } => format!(
            "use {}, or {} if the store makes the objects public by itself",
            setting(Setting::Access("acl")),
            no_access()
        ),
        E::AccountBlocks { .. } => behind_cloudfront(surface),
        E::NoDistribution { .. } => match surface {
            Surface::Flags => "`issuerctl publish` with --access cloudfront creates it, and prints the \
                               issuer"
                .to_owned(),
            Surface::File => "`issuerctl apply` creates it first".to_owned(),
        },
        E::WouldExpose { .. } => {
            format!("if something else serves the bucket, use {}", no_access())
        }
        E::WouldHide { .. } => {
            format!(
                "{} keeps the ACLs, and makes the two documents public by them",
                setting(Setting::Access("acl"))
            )
        }
        E::PolicyTooLarge { ours: 2.., .. } => format!(
            "{} makes one statement of those for single issuers",
            setting(Setting::SharedBucket)
        ),
        E::NoBucket { .. } => format!("{} creates the bucket", setting(Setting::CreateBucket)),
        E::NoRegion { .. } => format!("set {}", setting(Setting::Region("REGION"))),
        E::OtherRegion { actual, .. } => format!("set {}", setting(Setting::Region(actual))),
        E::NoAcls { .. } => format!("remove {}", setting(Setting::Access("acl"))),
        E::NoIssuer { .. } => format!("set {}", setting(Setting::Issuer)),
        E::Credentials { .. } => PROFILE.to_owned(),
        E::Denied { call: "PutBucketPolicy", .. } => behind_cloudfront(surface),
        E::Denied {
            call:
                "PutPublicAccessBlock"
                | "GetPublicAccessBlock"
                | "GetBucketPolicy"
                | "GetBucketOwnershipControls",
            ..
        } => format!(
            "if public access is managed elsewhere, use {}; {} must name the bucket's account",
            no_access(),
            setting(Setting::ExpectedBucketOwner)
        ),
        E::Denied { .. } => format!(
            "{} must name the bucket's account; {PROFILE}; {ALL}",
            setting(Setting::ExpectedBucketOwner)
        ),
        _ => return None,
    })
}

/// Ways to publish where no bucket may be public.
fn behind_cloudfront(surface: Surface) -> String {
    let setting = |setting| surface.setting(setting);
    format!(
        "{} serves a private bucket; {} and {} are for one that something else serves",
        setting(Setting::Access("cloudfront")),
        setting(Setting::Access("none")),
        setting(Setting::Issuer)
    )
}

/// Advice for a published JWK Set that is not valid.
fn published_keys(error: &issuer_jwks::Error, surface: Surface) -> String {
    match error {
        issuer_jwks::Error::Entry { fault: JwkFault::Key(fault), .. }
            if fault.is_allowed_weak() =>
        {
            format!("{} accepts it; {REPLACE}", surface.setting(Setting::AllowWeakKeys))
        }
        issuer_jwks::Error::NotAJwkSet { what: Content::Archive } => format!(
            "to keep its keys, decompress it (gzip -d) and give it with {}, too; --replace-unreadable \
             replaces the document, and finds no key in what is compressed",
            surface.setting(Setting::Jwks("FILE"))
        ),
        _ => REPLACE.to_owned(),
    }
}

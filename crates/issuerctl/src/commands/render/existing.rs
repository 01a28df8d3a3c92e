//! What is there already, for `import` blocks.

use issuer_iam::{Documents, Iam};
use issuer_manifest::StoreSpec;
use issuer_publish::{Change, Plan, Site, Store};
use issuer_render::{Existing, Rendering};

use crate::failure::Failure;
use crate::manifest::Document;

/// The bucket and the objects in it. Published keys stay, as `apply` has it.
///
/// # Errors
/// Whatever cannot be read, or stands against the file.
pub(super) async fn add_site(
    existing: &mut Existing,
    document: &Document,
    store: &Store,
    site: &Site,
) -> Result<Plan, Failure> {
    let options = document.plan_options(false);
    let (Store::S3(s3), Some(StoreSpec::S3(spec))) = (store, &document.issuer.spec.store) else {
        return Ok(issuer_publish::plan(store, site, &options).await?);
    };
    let (plan, bucket) =
        tokio::join!(issuer_publish::plan(store, site, &options), s3.find_bucket());
    let (plan, bucket) = (plan?, bucket?);
    if let Some(bucket) = bucket {
        let location = spec.location();
        let entry = existing.buckets.entry(location.bucket.to_string()).or_default();
        // Another document may have looked at less of the same bucket.
        entry.ownership |= bucket.ownership;
        entry.block |= bucket.block;
        entry.policy = entry.policy.take().or(bucket.policy);
        entry.tags.extend(bucket.tags);
        let there = plan.documents().iter().filter(|planned| planned.change != Change::Create);
        entry.objects.extend(there.map(|planned| location.object_key(planned.name)));
    }
    Ok(plan)
}

/// The provider, the roles and their policies.
///
/// # Errors
/// Whatever cannot be read.
pub(super) async fn add_iam(
    existing: &mut Existing,
    iam: &Iam,
    rendering: &Rendering,
) -> Result<(), Failure> {
    if rendering.provider.is_some() {
        existing.providers.extend(iam.provider(&rendering.issuer).await?);
    }
    let none = Documents::new();
    for role in &rendering.roles {
        let found = iam.find_role(&role.name, role.managed.as_ref().unwrap_or(&none)).await?;
        let entry = existing.roles.entry(role.name.to_string()).or_default();
        entry.role = found.role;
        entry.managed.extend(found.managed);
    }
    Ok(())
}

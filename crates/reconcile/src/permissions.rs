//! The IAM policy that a run needs.

use issuer_iam::{Iam, RoleName, policies};
use issuer_publish::Purpose;
use serde_json::Value;

use crate::{Error, Reconciler, Target, front};

/// The least-privilege policy of a run for this purpose. Without credentials it is for any account.
///
/// # Errors
/// An issuer URL that is not known.
pub async fn permissions(
    reconciler: &Reconciler<'_>,
    targets: &[Target],
    purpose: Purpose,
    prune: bool,
) -> Result<Value, Error> {
    let asks = |target: &Target| asks_iam(target, prune) || asks_for_trust(target, purpose);
    let iam = if targets.iter().any(asks) { reconciler.iam().await.ok() } else { None };
    let mut parts = Vec::new();
    for target in targets {
        parts.extend(site_permissions(target, purpose));
        if asks(target) {
            parts.extend(of_iam(reconciler, iam, target, purpose, prune).await?);
        }
    }
    Ok(policies::join(parts))
}

/// The part of it that is about the documents; `None` if they are not in a bucket.
#[must_use]
pub fn site_permissions(target: &Target, purpose: Purpose) -> Option<Value> {
    with_front(target, purpose, front::permissions(target, purpose))
}

/// The permissions of the steps of [`Reconciler::sync`], which repair a distribution and create none; `None` if
/// the documents are not in a bucket.
#[must_use]
pub fn sync_permissions(target: &Target) -> Option<Value> {
    with_front(target, Purpose::Publish, front::permissions_to_mend(target))
}

fn with_front(target: &Target, purpose: Purpose, of_front: Option<Value>) -> Option<Value> {
    let (location, options) = target.s3()?;
    let keep_history = target.site.as_ref()?.options.keep_history;
    let of_bucket = issuer_publish::permissions(location, options, purpose, keep_history);
    Some(match of_front {
        Some(of_front) => policies::join([of_bucket, of_front]),
        None => of_bucket,
    })
}

/// The customer managed policies that earlier runs created for a role; `None` if that is not known.
pub async fn made(iam: Option<&Iam>, name: &RoleName) -> Option<Vec<String>> {
    iam?.policies_made_for(name).await.ok()
}

fn asks_iam(target: &Target, prune: bool) -> bool {
    target.needs_iam() || prune
}

/// Documents are deleted only if no provider in IAM trusts them.
fn asks_for_trust(target: &Target, purpose: Purpose) -> bool {
    purpose == Purpose::Remove && target.is_in_aws()
}

async fn of_iam(
    reconciler: &Reconciler<'_>,
    iam: Option<&Iam>,
    target: &Target,
    purpose: Purpose,
    prune: bool,
) -> Result<Vec<Value>, Error> {
    let asks_iam = asks_iam(target, prune);
    let url = reconciler.issuer(target).await?;
    let mut parts = vec![match (&target.provider, purpose) {
        (Some(provider), Purpose::Publish) => {
            policies::apply_provider(iam, &url, &provider.needs())
        }
        (_, Purpose::Remove) if asks_iam => policies::delete_provider(iam, &url),
        _ => policies::show_provider(iam, &url),
    }];
    if asks_iam && target.name.is_some() && purpose != Purpose::Import {
        parts.push(policies::list_roles(iam));
    }
    for role in &target.roles {
        parts.push(match purpose {
            Purpose::Import => policies::show_role(iam, &role.name),
            Purpose::Plan | Purpose::Publish | Purpose::History | Purpose::Rollback => {
                let made = made(iam, &role.name).await.unwrap_or_default();
                let policy = policies::apply_role(iam, &role.needs(&made));
                if purpose == Purpose::Publish { policy } else { policies::reading(policy) }
            }
            Purpose::Remove => {
                let made = made(iam, &role.name).await;
                let own = made.as_deref().map(|made| role.needs(made).own);
                policies::delete_role(iam, &role.name, own)
            }
        });
    }
    if let (true, Some(iam)) = (prune, iam) {
        let (orphaned, _) = reconciler.orphaned(iam, target, &url, false).await?;
        for (name, _) in &orphaned {
            let made = made(Some(iam), name).await;
            let made = made.as_ref().map(|made| made.iter().map(String::as_str).collect());
            parts.push(policies::delete_role(Some(iam), name, made));
        }
    }
    Ok(parts)
}

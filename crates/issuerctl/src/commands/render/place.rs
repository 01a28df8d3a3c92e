//! An issuer of the file as a value that can be rendered.

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{AccountId, Thumbprint};
use issuer_manifest::StoreSpec;
use issuer_publish::{Plan, S3Options, Site};
use issuer_render::{RenderedDocuments, RenderedSite, Rendering};

use super::line;
use crate::failure::{Exit, Failure};
use crate::manifest::Document;
use crate::sources::Given;

/// A document of the file with the issuer that it is about.
pub(super) struct Place<'a> {
    pub(super) document: &'a Document,
    pub(super) url: IssuerUrl,
}

impl<'a> Place<'a> {
    /// The issuer that the file names, or that follows from its bucket and region.
    ///
    /// # Errors
    /// Where nothing says the region that it follows from.
    pub(super) fn new(document: &'a Document, region: Option<&str>) -> Result<Self, Failure> {
        if let Some(url) = &document.issuer.spec.issuer {
            return Ok(Self { document, url: url.clone() });
        }
        let Some(StoreSpec::S3(s3)) = &document.issuer.spec.store else {
            return Err(no_region(document));
        };
        // That of a compatible store does not name the region.
        let region =
            region.or(s3.endpoint_url.as_ref().map(|_| "")).ok_or_else(|| no_region(document))?;
        let url = s3.location().issuer_url(region, s3.endpoint_url.as_deref(), s3.path_style)?;
        Ok(Self { document, url: IssuerUrl::parse(&url, Ports::Refuse)? })
    }

    /// What is to be published.
    pub(super) fn given(&self, given: Given) -> Site {
        Site { keys: given.keys, issuer: self.url.clone(), shape: self.document.issuer.spec.shape }
    }

    /// Bucket and, by their plan, the two documents.
    ///
    /// # Errors
    /// A document whose store is none in S3.
    pub(super) fn site(&self, plan: Option<Plan>, region: String) -> Result<RenderedSite, Failure> {
        let Some(StoreSpec::S3(s3)) = &self.document.issuer.spec.store else {
            return Err(no_region(self.document));
        };
        let documents = plan.map(|plan| {
            let [keys, discovery] = plan.documents();
            RenderedDocuments {
                keys_json: keys.bytes.clone(),
                discovery_json: discovery.bytes.clone(),
            }
        });
        Ok(RenderedSite {
            location: s3.location(),
            publish_line: line::publish(self.document, s3, &self.url, &region),
            region,
            create_bucket: s3.create_bucket,
            access: s3.access,
            cache_control: S3Options { max_age_secs: s3.max_age, ..S3Options::default() }
                .cache_control(),
            documents,
        })
    }

    /// Everything together.
    pub(super) fn rendering(
        &self,
        account: &AccountId,
        partition: Partition,
        site: Option<RenderedSite>,
        top: Option<&Thumbprint>,
    ) -> Rendering {
        let issuer = &self.document.issuer;
        let wanted = issuer.wanted(&self.url, account, partition, top);
        Rendering {
            name: issuer.name().to_owned(),
            issuer: self.url.clone(),
            account: account.clone(),
            partition,
            site,
            provider: wanted.provider,
            roles: wanted.roles,
        }
    }
}

/// Without a region there is no issuer of a bucket, and no bucket.
pub(super) fn no_region(document: &Document) -> Failure {
    let name = document.issuer.name();
    Failure::new(
        Exit::BadInput,
        format!("the issuer {name}: neither the file nor --region says the bucket's region"),
    )
    .hint(Some(
        "with --account AWS is not asked: add spec.store.s3.region to the file, or give --region",
    ))
}

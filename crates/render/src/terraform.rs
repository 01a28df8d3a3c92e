//! Resources of the aws provider for Terraform and OpenTofu (registry documentation of
//! `hashicorp/aws`, version 6).

use std::collections::BTreeMap;

use issuer_cloudfront::FrontSpec;
use issuer_publish::{AccessMode, MEDIA_TYPE, SSE_S3};
use serde_json::Value;

use crate::hcl::{Block, comment, quoted};
use crate::labels::Labels;
use crate::merged::{
    Bucket, Merged, MergedProvider, MergedRole, Object, Site, distribution_arn, unmanaged,
};
use crate::{Error, Existing, Rendering};

/// Version 6.0 of the aws provider introduced the `region` argument of resources; the region is part
/// of the issuer URL. Optional thumbprints are older.
const PROVIDER: &str = r#"  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
"#;

/// The first version of Terraform with `import` blocks; OpenTofu has always had them.
const IMPORTS: &str = "  required_version = \">= 1.5\"\n\n";

/// HCL as formatted by `terraform fmt`: plain resources, documents byte for byte. Resources in
/// `existing` get an `import` block, and are merged with their unmanaged parts.
///
/// # Errors
/// [`Error::Conflict`], [`Error::NotText`], [`Error::Aws`], [`Error::Publish`].
pub fn terraform(documents: &[Rendering], existing: &Existing) -> Result<String, Error> {
    let merged = Merged::new(documents, existing)?;
    let mut out = Output::default();
    for site in &merged.sites {
        if let Some(front) = &site.site.front {
            out.front(site.document, front);
        }
    }
    for bucket in &merged.buckets {
        out.bucket(bucket);
    }
    for site in &merged.sites {
        out.site(site);
    }
    for provider in &merged.providers {
        out.provider(provider)?;
    }
    for role in &merged.roles {
        out.role(role);
    }
    out.outputs(documents);
    let core = if out.imports { IMPORTS } else { "" };
    Ok(format!("{}\nterraform {{\n{core}{PROVIDER}}}\n{}", header(documents, &merged), out.text))
}

/// Nothing of a request is a part of the cache key.
const CACHE_KEY: &str = "\
parameters_in_cache_key_and_forwarded_to_origin {
  cookies_config {
    cookie_behavior = \"none\"
  }

  headers_config {
    header_behavior = \"none\"
  }

  query_strings_config {
    query_string_behavior = \"none\"
  }
}";

const NO_RESTRICTION: &str = "\
restrictions {
  geo_restriction {
    restriction_type = \"none\"
  }
}";

fn pairs<'a>(members: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    members.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[derive(Default)]
struct Output {
    text: String,
    labels: Labels,
    /// References to buckets, by name.
    buckets: BTreeMap<String, String>,
    /// What the objects of a bucket depend on.
    access: BTreeMap<String, String>,
    /// Addresses of the discovery documents, by issuer.
    discovery: BTreeMap<String, String>,
    /// Addresses of the providers, by issuer.
    providers: BTreeMap<String, String>,
    /// Addresses of the roles, by name.
    roles: BTreeMap<String, String>,
    /// What stands for the ARNs of distributions, and their expressions.
    distributions: Vec<(String, String)>,
    /// Expressions for the IDs of cache policies, by name.
    cache_policies: BTreeMap<String, String>,
    note: String,
    imports: bool,
}

impl Output {
    fn bucket(&mut self, bucket: &Bucket<'_>) {
        let label = self.labels.hcl("aws_s3_bucket", bucket.name);
        let there = bucket.existing;
        let id = format!("{}@{}", bucket.name, bucket.region);
        let of_bucket =
            |kind: &str, label: &str| Block::resource(kind, label).text("region", bucket.region);
        if bucket.is_managed {
            let tags = there.map(|there| unmanaged(&there.tags)).unwrap_or_default();
            let block = of_bucket("aws_s3_bucket", &label).text("bucket", bucket.name).tags(&tags);
            self.buckets.insert(bucket.name.to_owned(), format!("aws_s3_bucket.{label}.id"));
            self.put(&block, there.map(|_| id.clone()));
        } else {
            self.buckets.insert(bucket.name.to_owned(), quoted(bucket.name));
        }
        let Some(policy) = &bucket.policy else { return };
        let name = self.buckets[bucket.name].clone();
        if !bucket.is_public {
            return self.private_bucket(bucket, policy, &label, &name);
        }
        if !bucket.is_managed {
            self.note(&format!(
                "The bucket {} is managed elsewhere. These settings apply to the whole bucket.",
                bucket.name
            ));
        }
        let ownership = of_bucket("aws_s3_bucket_ownership_controls", &label)
            .expression("bucket", &name)
            .block("rule", &[("object_ownership", "\"BucketOwnerEnforced\"")]);
        self.put(&ownership, there.filter(|there| there.ownership).map(|_| id.clone()));
        let block = of_bucket("aws_s3_bucket_public_access_block", &label)
            .expression("bucket", &name)
            .expression("block_public_acls", "true")
            .expression("ignore_public_acls", "true")
            .expression("block_public_policy", "false")
            .expression("restrict_public_buckets", "false");
        self.put(&block, there.filter(|there| there.block).map(|_| id.clone()));
        if !bucket.is_managed && there.is_none() {
            self.note(
                "This replaces the whole policy of the bucket: add its existing statements, if any.",
            );
        }
        let block = of_bucket("aws_s3_bucket_policy", &label)
            .expression("bucket", &name)
            .expression("depends_on", format!("[aws_s3_bucket_public_access_block.{label}]"))
            .policy_with("policy", policy, &self.distributions);
        self.put(&block, there.filter(|there| there.policy.is_some()).map(|_| id));
        self.access.insert(bucket.name.to_owned(), format!("aws_s3_bucket_policy.{label}"));
    }

    /// A bucket that CloudFront alone reads: everything public stays blocked.
    fn private_bucket(&mut self, bucket: &Bucket<'_>, policy: &Value, label: &str, name: &str) {
        let there = bucket.existing;
        let id = format!("{}@{}", bucket.name, bucket.region);
        let of_bucket = |kind: &str| Block::resource(kind, label).text("region", bucket.region);
        if bucket.is_managed {
            let block = of_bucket("aws_s3_bucket_public_access_block")
                .expression("bucket", name)
                .expression("block_public_acls", "true")
                .expression("ignore_public_acls", "true")
                .expression("block_public_policy", "true")
                .expression("restrict_public_buckets", "true");
            self.put(&block, there.filter(|there| there.block).map(|_| id.clone()));
        } else if there.is_none() {
            self.note(
                "This replaces the whole policy of the bucket: add its existing statements, if any.",
            );
        }
        let block = of_bucket("aws_s3_bucket_policy").expression("bucket", name).policy_with(
            "policy",
            policy,
            &self.distributions,
        );
        self.put(&block, there.filter(|there| there.policy.is_some()).map(|_| id));
        self.access.insert(bucket.name.to_owned(), format!("aws_s3_bucket_policy.{label}"));
    }

    /// The distribution in front of a private bucket. Its comment is not that of issuerctl, which did not
    /// create it.
    fn front(&mut self, document: &Rendering, spec: &FrontSpec) {
        let label = self.labels.hcl("aws_cloudfront_distribution", &document.name);
        let block = Block::resource("aws_cloudfront_origin_access_control", &label)
            .text("name", &spec.access_control())
            .text("description", &format!("Issuer {}", document.name))
            .text("origin_access_control_origin_type", "s3")
            .text("signing_behavior", "always")
            .text("signing_protocol", "sigv4");
        self.put(&block, None);
        let policy = spec.cache_policy();
        if !self.cache_policies.contains_key(&policy) {
            let secs = spec.max_age_secs.to_string();
            let label = self.labels.hcl("aws_cloudfront_cache_policy", &policy);
            let block = Block::resource("aws_cloudfront_cache_policy", &label)
                .text("name", &policy)
                .expression("min_ttl", "0")
                .expression("default_ttl", &secs)
                .expression("max_ttl", &secs)
                .lines(CACHE_KEY);
            self.cache_policies.insert(policy.clone(), format!("{}.id", block.address()));
            self.put(&block, None);
        }
        let mut origin = vec![
            ("origin_id", quoted("s3")),
            ("domain_name", quoted(&spec.origin())),
            (
                "origin_access_control_id",
                format!("aws_cloudfront_origin_access_control.{label}.id"),
            ),
        ];
        if !spec.origin_path.is_empty() {
            origin.push(("origin_path", quoted(&spec.origin_path)));
        }
        let methods = "[\"GET\", \"HEAD\"]".to_owned();
        let behavior = [
            ("target_origin_id", quoted("s3")),
            ("viewer_protocol_policy", quoted("https-only")),
            ("allowed_methods", methods.clone()),
            ("cached_methods", methods),
            ("cache_policy_id", self.cache_policies[&policy].clone()),
        ];
        let certificate = [
            ("acm_certificate_arn", quoted(spec.certificate_arn.as_deref().unwrap_or_default())),
            ("ssl_support_method", quoted("sni-only")),
            ("minimum_protocol_version", quoted("TLSv1.2_2021")),
        ];
        let block = Block::resource("aws_cloudfront_distribution", &label)
            .text("comment", &format!("Issuer {}", document.issuer))
            .expression("enabled", "true")
            .expression("is_ipv6_enabled", "true")
            .texts("aliases", spec.domain.as_deref());
        let block = block
            .block("origin", &pairs(&origin))
            .block("default_cache_behavior", &pairs(&behavior))
            .lines(NO_RESTRICTION)
            .block("viewer_certificate", &pairs(&certificate));
        self.distributions
            .push((distribution_arn(&document.name), format!("{}.arn", block.address())));
        self.put(&block, None);
    }

    /// The discovery document depends on the keys that it refers to.
    fn site(&mut self, site: &Site<'_>) {
        let Some([keys, discovery]) = &site.objects else { return };
        let before = self.access.get(site.site.location.bucket.as_str()).cloned();
        let keys = self.object(site, keys, "keys", before);
        let discovery = self.object(site, discovery, "discovery", Some(keys));
        self.discovery.insert(site.document.issuer.to_string(), discovery);
    }

    fn object(
        &mut self,
        site: &Site<'_>,
        object: &Object<'_>,
        name: &str,
        after: Option<String>,
    ) -> String {
        let label = self.labels.hcl("aws_s3_object", &format!("{}_{name}", site.document.name));
        let bucket = site.site.location.bucket.as_str();
        let mut block = Block::resource("aws_s3_object", &label)
            .text("region", &site.site.region)
            .expression("bucket", &self.buckets[bucket])
            .text("key", &object.key)
            .text("content", object.content)
            .text("content_type", MEDIA_TYPE)
            .text("cache_control", &site.site.cache_control)
            .text("server_side_encryption", SSE_S3);
        if site.site.access == AccessMode::Acl {
            block = block.text("acl", "public-read");
        }
        if let Some(after) = after {
            block = block.expression("depends_on", format!("[{after}]"));
        }
        let there = site.existing.filter(|there| there.objects.contains(&object.key));
        let id = format!("{bucket}/{}@{}", object.key, site.site.region);
        self.put(&block, there.map(|_| id));
        format!("aws_s3_object.{label}")
    }

    /// Depends on the documents, so that it is destroyed first: whoever re-creates the bucket while
    /// a provider trusts it can issue tokens.
    fn provider(&mut self, provider: &MergedProvider<'_>) -> Result<(), Error> {
        let document = provider.document;
        let label = self.labels.hcl("aws_iam_openid_connect_provider", &document.name);
        let mut block = Block::resource("aws_iam_openid_connect_provider", &label)
            .text("url", document.issuer.as_str())
            .texts("client_id_list", provider.audiences.iter().map(String::as_str));
        if !provider.thumbprints.is_empty() {
            block = block.texts("thumbprint_list", provider.thumbprints.iter().copied());
        }
        if let Some(discovery) = self.discovery.get(document.issuer.as_str()) {
            block = block.expression("depends_on", format!("[{discovery}]"));
        }
        let arn = document.provider_arn()?;
        self.providers.insert(document.issuer.to_string(), block.address());
        self.put(&block.tags(&provider.tags), provider.existing.map(|_| arn));
        Ok(())
    }

    fn role(&mut self, role: &MergedRole<'_>) {
        let (name, there) = (role.spec.name.as_str(), role.role());
        let label = self.labels.hcl("aws_iam_role", name);
        let mut block = Block::resource("aws_iam_role", &label).text("name", name);
        if let Some(path) = role.path() {
            block = block.text("path", path);
        }
        if let Some(secs) = role.max_session_secs() {
            block = block.expression("max_session_duration", secs.to_string());
        }
        if let Some(boundary) = role.boundary() {
            block = block.text("permissions_boundary", boundary);
        }
        let block = block.policy("assume_role_policy", &role.trust.to_value()).tags(&role.tags());
        self.roles.insert(name.to_owned(), block.address());
        self.put(&block, there.map(|_| name.to_owned()));
        let reference = format!("aws_iam_role.{label}.name");
        for (policy, document) in &role.inline {
            let label = self.labels.hcl("aws_iam_role_policy", &format!("{name}_{policy}"));
            let block = Block::resource("aws_iam_role_policy", &label)
                .text("name", policy)
                .expression("role", &reference)
                .policy("policy", document);
            let there = there.filter(|there| there.inline.contains_key(policy));
            self.put(&block, there.map(|_| format!("{name}:{policy}")));
        }
        for arn in &role.arns {
            let last = arn.rsplit('/').next().unwrap_or_default();
            self.attachment(role, &reference, last, quoted(arn), arn);
        }
        for (policy, document) in &role.managed {
            let label = self.labels.hcl("aws_iam_policy", policy);
            let arn = role.spec.policy_arn(policy);
            let block = Block::resource("aws_iam_policy", &label)
                .text("name", policy)
                .policy("policy", document);
            let there = role.existing.is_some_and(|found| found.managed.contains_key(policy));
            self.put(&block, there.then(|| arn.clone()));
            self.attachment(role, &reference, policy, format!("aws_iam_policy.{label}.arn"), &arn);
        }
    }

    fn attachment(
        &mut self,
        role: &MergedRole<'_>,
        reference: &str,
        policy: &str,
        expression: String,
        arn: &str,
    ) {
        let name = role.spec.name.as_str();
        let label = self.labels.hcl("aws_iam_role_policy_attachment", &format!("{name}_{policy}"));
        let block = Block::resource("aws_iam_role_policy_attachment", &label)
            .expression("role", reference)
            .expression("policy_arn", expression);
        let there =
            role.role().is_some_and(|there| there.attached.iter().any(|attached| attached == arn));
        self.put(&block, there.then(|| format!("{name}/{arn}")));
    }

    /// What a module that calls this one needs.
    fn outputs(&mut self, documents: &[Rendering]) {
        let issuers: BTreeMap<String, String> = documents
            .iter()
            .map(|document| (document.name.clone(), quoted(document.issuer.as_str())))
            .collect();
        let arns = |addresses: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let arn =
                |(name, address): (&String, &String)| (name.clone(), format!("{address}.arn"));
            addresses.iter().map(arn).collect()
        };
        let (providers, roles) = (arns(&self.providers), arns(&self.roles));
        for (name, about, values) in [
            ("issuers", "URLs of the issuers", issuers),
            ("provider_arns", "ARNs of the OIDC providers, by issuer", providers),
            ("role_arns", "ARNs of the roles, by name", roles),
        ] {
            if !values.is_empty() {
                let pairs = values.iter().map(|(key, value)| (key.as_str(), value.clone()));
                let block = Block::new(format!("output \"{name}\""))
                    .text("description", about)
                    .map("value", pairs);
                self.put(&block, None);
            }
        }
    }

    fn put(&mut self, block: &Block, import: Option<String>) {
        let note = std::mem::take(&mut self.note);
        let import =
            import.map(|id| Block::new("import").expression("to", block.address()).text("id", &id));
        self.imports |= import.is_some();
        let import = import.map(|import| format!("{import}\n")).unwrap_or_default();
        self.text.push_str(&format!("\n{note}{import}{block}"));
    }

    /// Adds a comment before the next block.
    fn note(&mut self, text: &str) {
        self.note.push_str(&comment(text));
    }
}

/// The header: accounts, regions, and what the resources replace.
fn header(documents: &[Rendering], merged: &Merged<'_>) -> String {
    let mut lines = Vec::new();
    for document in documents {
        let region = document
            .site
            .as_ref()
            .map(|site| format!(", region {}", site.region))
            .unwrap_or_default();
        let account = format!("account {} ({}){region}", document.account, document.partition.name);
        lines.push(format!(
            "{}: AWS resources of the issuer {}, {account}.",
            document.name, document.issuer
        ));
    }
    lines.push(
        "Generated by issuerctl render terraform. The provider block, with credentials and account, \
         is yours."
            .to_owned(),
    );
    if merged.buckets.iter().any(|bucket| bucket.policy.is_some()) {
        lines.push("aws_s3_bucket_policy manages the whole policy of its bucket.".to_owned());
    }
    if !merged.sites.is_empty() {
        lines.push(
            "aws_s3_object replaces the published documents, including keys that are not in it."
                .to_owned(),
        );
    }
    if !merged.roles.is_empty() {
        lines.push(
            "aws_iam_role manages the whole trust policy of its role, and all its tags.".to_owned(),
        );
    }
    lines.iter().map(|line| comment(line)).collect()
}

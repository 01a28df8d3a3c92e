//! A template of CloudFormation (template reference: `AWS::S3::Bucket`, `AWS::S3::BucketPolicy`,
//! `AWS::IAM::OIDCProvider`, `AWS::IAM::Role`, `AWS::IAM::ManagedPolicy`).

use issuer_iam::Tags;
use serde_json::{Map, Value, json};

use crate::labels::Labels;
use crate::whole::{Bucket, Whole, WholeProvider, WholeRole};
use crate::{Error, Existing, Rendering};

/// A template in JSON. CloudFormation knows no objects of S3, so the line that publishes them
/// stands in the outputs.
///
/// # Errors
/// [`Error::Conflict`], [`Error::NotText`], [`Error::Aws`], [`Error::Publish`].
pub fn cloudformation(documents: &[Rendering]) -> Result<String, Error> {
    let existing = Existing::default();
    let whole = Whole::new(documents, &existing)?;
    if let [first, others @ ..] = &whole.buckets[..]
        && let Some(other) = others.iter().find(|other| other.region != first.region)
    {
        return Err(Error::Conflict {
            what: format!("the buckets {} and {}", first.name, other.name),
            reason: "a stack has one region, and they have two".to_owned(),
        });
    }
    let mut template = Template::default();
    for bucket in &whole.buckets {
        template.bucket(bucket);
    }
    for provider in &whole.providers {
        template.provider(provider);
    }
    for document in documents {
        template.outputs_of(document);
    }
    for role in &whole.roles {
        template.role(role);
    }
    let mut metadata = json!({"Issuers": documents.iter().map(about).collect::<Vec<_>>()});
    if !template.notes.is_empty() {
        metadata["Notes"] = json!(template.notes);
    }
    let publish = if whole.sites.is_empty() { "" } else { PUBLISH };
    let text = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("{DESCRIPTION}{publish}"),
        "Metadata": metadata,
        "Resources": template.resources,
        "Outputs": template.outputs,
    });
    Ok(format!("{text:#}\n"))
}

const DESCRIPTION: &str = "Written by issuerctl render cloudformation. Deploy it with \
                           --capabilities CAPABILITY_NAMED_IAM.";

const PUBLISH: &str =
    " CloudFormation knows no objects of S3: then run the Publish line of the outputs.";

#[derive(Default)]
struct Template {
    labels: Labels,
    output_names: Labels,
    resources: Map<String, Value>,
    outputs: Map<String, Value>,
    notes: Vec<String>,
    providers: Vec<(String, String)>,
}

impl Template {
    fn bucket(&mut self, bucket: &Bucket<'_>) {
        let id = self.labels.logical("Bucket", bucket.name);
        if bucket.is_made {
            let mut properties = json!({"BucketName": bucket.name});
            if bucket.policy.is_some() {
                properties["OwnershipControls"] =
                    json!({"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]});
                properties["PublicAccessBlockConfiguration"] = json!({
                    "BlockPublicAcls": true,
                    "IgnorePublicAcls": true,
                    "BlockPublicPolicy": false,
                    "RestrictPublicBuckets": false,
                });
            }
            // Without its bucket an issuer, and every role that trusts it, is of no use.
            self.put(
                &id,
                "AWS::S3::Bucket",
                properties,
                &[("DeletionPolicy", "Retain"), ("UpdateReplacePolicy", "Retain")],
            );
        }
        let Some(policy) = &bucket.policy else { return };
        let name = if bucket.is_made { json!({"Ref": id}) } else { json!(bucket.name) };
        if !bucket.is_made {
            self.notes.push(format!(
                "The bucket {} is made elsewhere. It needs BlockPublicPolicy and \
                 RestrictPublicBuckets off, and the policy here is the whole of its policy: add \
                 the statements that it has already, if any.",
                bucket.name
            ));
        }
        let policy_id = self.labels.logical("BucketPolicy", bucket.name);
        self.put(
            &policy_id,
            "AWS::S3::BucketPolicy",
            json!({"Bucket": name, "PolicyDocument": policy}),
            &[],
        );
    }

    fn provider(&mut self, provider: &WholeProvider<'_>) {
        let id = self.labels.logical("Provider", &provider.document.name);
        let mut properties =
            json!({"Url": provider.document.issuer.as_str(), "ClientIdList": provider.audiences});
        if !provider.thumbprints.is_empty() {
            properties["ThumbprintList"] = json!(provider.thumbprints);
        }
        add_tags(&mut properties, &provider.tags);
        self.put(&id, "AWS::IAM::OIDCProvider", properties, &[]);
        self.providers.push((provider.document.issuer.to_string(), id));
    }

    fn role(&mut self, role: &WholeRole<'_>) {
        let name = role.spec.name.as_str();
        let id = self.labels.logical("Role", name);
        let mut attached: Vec<Value> = role.arns.iter().map(|arn| json!(arn)).collect();
        for (policy, document) in &role.managed {
            let id = self.labels.logical("Policy", policy);
            let properties = json!({"ManagedPolicyName": policy, "PolicyDocument": document});
            self.put(&id, "AWS::IAM::ManagedPolicy", properties, &[]);
            attached.push(json!({"Ref": id}));
        }
        let mut properties = json!({"RoleName": name});
        if let Some(path) = role.path() {
            properties["Path"] = json!(path);
        }
        properties["AssumeRolePolicyDocument"] = role.trust.to_value();
        if let Some(secs) = role.max_session_secs() {
            properties["MaxSessionDuration"] = json!(secs);
        }
        if let Some(boundary) = role.boundary() {
            properties["PermissionsBoundary"] = json!(boundary);
        }
        if !attached.is_empty() {
            properties["ManagedPolicyArns"] = Value::Array(attached);
        }
        if !role.inline.is_empty() {
            let inline = role
                .inline
                .iter()
                .map(|(name, policy)| json!({"PolicyName": name, "PolicyDocument": policy}));
            properties["Policies"] = inline.collect();
        }
        add_tags(&mut properties, &role.tags());
        self.put(&id, "AWS::IAM::Role", properties, &[]);
        self.output(
            "Role",
            name,
            &format!("ARN of the role {name}"),
            &json!({"Fn::GetAtt": [id, "Arn"]}),
        );
    }

    fn outputs_of(&mut self, document: &Rendering) {
        let name = &document.name;
        self.output("Issuer", name, &format!("Issuer {name}"), &json!(document.issuer.as_str()));
        let provider = self.providers.iter().find(|(issuer, _)| issuer == document.issuer.as_str());
        if let Some((_, id)) = provider.cloned() {
            self.output(
                "Provider",
                name,
                &format!("ARN of the provider of {name}"),
                &json!({"Ref": id}),
            );
        }
        if let Some(site) = &document.site {
            let what = format!("Publishes the documents of {name}; run it where the keys are");
            self.output("Publish", name, &what, &json!(site.publish_line));
        }
    }

    fn output(&mut self, kind: &str, name: &str, description: &str, value: &Value) {
        let id = self.output_names.logical(kind, name);
        self.outputs.insert(id, json!({"Description": description, "Value": value}));
    }

    fn put(&mut self, id: &str, kind: &str, properties: Value, attributes: &[(&str, &str)]) {
        let mut resource = json!({"Type": kind});
        for (name, value) in attributes {
            resource[*name] = json!(value);
        }
        resource["Properties"] = properties;
        self.resources.insert(id.to_owned(), resource);
    }
}

fn add_tags(properties: &mut Value, tags: &Tags) {
    if !tags.is_empty() {
        properties["Tags"] =
            tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    }
}

/// Which account and region it is for.
fn about(document: &Rendering) -> Value {
    let mut about = json!({
        "Name": document.name,
        "Issuer": document.issuer.as_str(),
        "Account": document.account.as_str(),
        "Partition": document.partition.name,
    });
    if let Some(site) = &document.site {
        about["Region"] = json!(site.region);
    }
    about
}

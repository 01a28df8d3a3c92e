//! What an examination needs in full; each check does without what it may not read.

use issuer_cluster::Connection;
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};
use issuer_workload::Rbac;
use serde_json::{Value, json};

use super::Examination;
use super::account::CONTROLLERS;
use crate::ClusterNeeds;

const READ: &[&str] = &["get", "list"];

/// The rules of RBAC, for the cluster of the pods.
#[must_use]
pub fn doctor_permissions(request: &Examination, connection: &Connection) -> ClusterNeeds {
    let mut rbac = Rbac::default();
    for path in ["/.well-known/openid-configuration", "/openid/v1/jwks", "/flagz", "/metrics"] {
        rbac.allow_path(path);
    }
    let admission = "admissionregistration.k8s.io";
    for resource in [
        "mutatingwebhookconfigurations",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    ] {
        rbac.allow(None, (admission, resource), &["list"], None);
    }
    rbac.allow(Some("kube-system"), ("", "pods"), &["list"], None);
    rbac.allow(Some("kube-system"), ("", "configmaps"), &["get"], Some("kubeadm-config"));
    // The webhook may be in any namespace.
    rbac.allow(None, ("", "services"), &["get"], None);
    rbac.allow(None, ("apps", "deployments"), &["get"], None);
    rbac.allow(None, ("discovery.k8s.io", "endpointslices"), &["list"], None);
    match &request.asked.subject {
        None => {
            rbac.allow(None, ("", "serviceaccounts"), &["list"], None);
            rbac.allow(None, ("", "pods"), &["list"], None);
        }
        Some(subject) => {
            let space = Some(subject.namespace.as_str());
            let name = Some(subject.name.as_str()).filter(|name| !name.is_empty());
            rbac.allow(None, ("", "namespaces"), &["get"], space);
            rbac.allow(None, ("", "pods"), &["list"], None);
            rbac.allow(space, ("", "serviceaccounts"), READ, None);
            rbac.allow(space, ("", "pods"), READ, None);
            for (_, group, resource) in CONTROLLERS {
                rbac.allow(space, (group, resource), &["list"], None);
            }
            rbac.allow(space, ("", "events"), &["list"], None);
            // Names of keys: requested without their values.
            rbac.allow(space, ("", "secrets"), &["get"], None);
            rbac.allow(space, ("", "configmaps"), &["get"], None);
            if !request.no_dry_run {
                rbac.allow(space, ("", "pods"), &["create"], None);
            }
            rbac.allow(space, ("", "serviceaccounts/token"), &["create"], name);
        }
    }
    ClusterNeeds { name: "doctor".to_owned(), connection: connection.clone(), rbac }
}

/// The IAM policy. The exchange with STS needs no permission.
#[must_use]
pub fn doctor_policy(request: &Examination) -> Value {
    let role = request.asked.role.as_deref().unwrap_or("arn:*:iam::*:role/*");
    let mut statements = vec![
        json!({"Effect": "Allow", "Action": "iam:ListOpenIDConnectProviders", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "iam:GetOpenIDConnectProvider",
               "Resource": "arn:*:iam::*:oidc-provider/*"}),
        json!({"Effect": "Allow",
               "Action": ["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"],
               "Resource": role}),
    ];
    if let Some((location, _)) = &request.store {
        let bucket = format!("arn:*:s3:::{}", location.bucket);
        let objects = [KEYS_NAME, DISCOVERY_NAME]
            .map(|name| format!("{bucket}/{}", location.object_key(name)));
        statements.push(json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects}));
        // Without ListBucket an object that does not exist looks like one that may not be read.
        statements.push(json!({"Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock"],
            "Resource": bucket}));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

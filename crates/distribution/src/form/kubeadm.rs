//! kubeadm: `apiServer.extraArgs` of the `ClusterConfiguration`.

use issuer_yaml::{Editor, Node};

use super::flags::{ISSUER, JWKS_URI, NameValues, write_name};
use super::{Form, objects};
use crate::decision::{Current, Decision};
use crate::jwks_uri::jwks_uri;
use crate::request::shown;
use crate::{Error, Request, version};

const ARGUMENTS: [&str; 2] = ["apiServer", "extraArgs"];

pub(crate) struct Kubeadm<'a> {
    request: &'a Request,
    editor: Editor,
    document: usize,
    /// From v1beta4 on a list, before it a mapping.
    list: bool,
}

impl<'a> Kubeadm<'a> {
    pub(crate) fn find(request: &'a Request, editor: Editor) -> Result<Self, Error> {
        let is_one =
            |document: &_| objects::is(document, "kubeadm.k8s.io", &["ClusterConfiguration"]);
        let document = objects::only(request, &editor, is_one, &["clusterName"])?;
        let list = !matches!(
            objects::version(&editor.documents()[document].root),
            "v1alpha3" | "v1beta1" | "v1beta2" | "v1beta3"
        );
        let kubeadm = Self { request, editor, document, list };
        if list {
            kubeadm.values(ISSUER).check(&kubeadm.editor)?;
        } else if let Some(node) = kubeadm.editor.documents()[document].root.at(&ARGUMENTS)
            && node.is_sequence()
        {
            return Err(objects::layout_error(
                &kubeadm.editor,
                node,
                "extraArgs is a mapping in this version",
            ));
        }
        Ok(kubeadm)
    }

    fn values(&self, name: &'static str) -> NameValues<'static> {
        NameValues { document: self.document, path: &ARGUMENTS, name }
    }

    fn flags(&self, name: &'static str) -> Vec<String> {
        if self.list {
            return self
                .values(name)
                .slots(&self.editor)
                .into_iter()
                .map(|slot| slot.value)
                .collect();
        }
        let document = &self.editor.documents()[self.document].root;
        let node = document.at(&ARGUMENTS).and_then(|node| node.get(name));
        node.and_then(Node::text).map(str::to_owned).into_iter().collect()
    }
}

impl Form for Kubeadm<'_> {
    fn current(&self) -> Result<Current, Error> {
        let domain =
            self.editor.documents()[self.document].root.text_at(&["networking", "dnsDomain"]);
        let default =
            format!("https://kubernetes.default.svc.{}", domain.unwrap_or("cluster.local"));
        Ok(Current::new(self.flags(ISSUER), vec![default]))
    }

    fn check(&self, decision: &Decision) -> Result<Vec<String>, Error> {
        if !self.list && !decision.others().is_empty() {
            let version = objects::version(&self.editor.documents()[self.document].root);
            return Err(Error::OneIssuer {
                why: format!(
                    "extraArgs of kubeadm.k8s.io/{version} is a mapping and holds one value for a flag"
                ),
                issuer: shown(decision.signing()),
                kept: decision.others().iter().map(|issuer| shown(issuer)).collect(),
                instead:
                    "`kubeadm config migrate --old-config FILE` (kubeadm 1.31 or later) writes \
                          v1beta4, which holds several; or add the kept issuer with a directory of \
                          patches"
                        .to_owned(),
            });
        }
        let file = self.editor.documents()[self.document].root.text_at(&["kubernetesVersion"]);
        sorting(version::of(file, self.request.kubernetes_version.as_deref())?, decision)
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let mut editor = self.editor.clone();
        let uri = jwks_uri(self.flags(JWKS_URI).last().map(String::as_str), decision);
        if self.list {
            let wanted: Vec<&str> = decision.issuers.iter().map(String::as_str).collect();
            self.values(ISSUER).write(&mut editor, &wanted)?;
            if let Some(uri) = uri {
                self.values(JWKS_URI).write(&mut editor, &[&uri])?;
            }
        } else {
            let [server, arguments] = ARGUMENTS;
            write_name(
                &mut editor,
                self.document,
                &[server, arguments, ISSUER],
                decision.signing(),
            )?;
            if let Some(uri) = uri {
                write_name(&mut editor, self.document, &[server, arguments, JWKS_URI], &uri)?;
            }
        }
        Ok(editor.into_text())
    }
}

/// kubeadm that sorts flags lets the alphabetically first issuer sign.
pub(crate) fn sorting(
    version: Option<version::Version>,
    decision: &Decision,
) -> Result<Vec<String>, Error> {
    let first = decision.issuers.iter().min().filter(|first| *first != decision.signing());
    match (first, version) {
        (Some(first), Some(version)) if version::sorts(version) => Err(Error::Sorted {
            version: version.to_string(),
            first: shown(first),
            issuer: shown(decision.signing()),
        }),
        (Some(first), None) => Ok(vec![format!(
            "the version of kubeadm is not known: before 1.32.12, 1.33.8, 1.34.4 and 1.35.1 it sorts \
             the flags, and {} would sign",
            shown(first)
        )]),
        _ => Ok(Vec::new()),
    }
}

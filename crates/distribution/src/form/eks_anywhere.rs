//! EKS Anywhere: `podIamConfig` of its `Cluster`.

use issuer_yaml::{Editor, Node};

use super::flags::{ISSUER, JWKS_URI, write_name};
use super::{Form, objects};
use crate::decision::{Current, Decision};
use crate::jwks_uri::jwks_uri;
use crate::request::shown;
use crate::{Error, Request};

const PLACE: [&str; 3] = ["spec", "podIamConfig", "serviceAccountIssuer"];
const ARGUMENTS: [&str; 3] = ["spec", "controlPlaneConfiguration", "apiServerExtraArgs"];

pub(crate) struct EksAnywhere {
    editor: Editor,
    document: usize,
}

impl EksAnywhere {
    pub(crate) fn find(request: &Request, editor: Editor) -> Result<Self, Error> {
        let is_one =
            |document: &_| objects::is(document, "anywhere.eks.amazonaws.com", &["Cluster"]);
        let document = objects::only(request, &editor, is_one, &["metadata", "name"])?;
        Ok(Self { editor, document })
    }

    fn argument(&self, name: &str) -> Option<&str> {
        let document = &self.editor.documents()[self.document].root;
        document.at(&ARGUMENTS).and_then(|node| node.get(name)).and_then(Node::text)
    }
}

impl Form for EksAnywhere {
    fn current(&self) -> Result<Current, Error> {
        if let Some(value) = self.argument(ISSUER) {
            return Err(Error::ExtraArgs { name: ISSUER, value: shown(value) });
        }
        let written = self.editor.documents()[self.document].root.text_at(&PLACE);
        let default = "https://kubernetes.default.svc.cluster.local".to_owned();
        Ok(Current::new(written.map(str::to_owned).into_iter().collect(), vec![default]))
    }

    fn check(&self, decision: &Decision) -> Result<Vec<String>, Error> {
        one_issuer(decision)?;
        Ok(Vec::new())
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let mut editor = self.editor.clone();
        write_name(&mut editor, self.document, &PLACE, decision.signing())?;
        if let Some(now) = self.argument(JWKS_URI)
            && let Some(uri) = jwks_uri(Some(now), decision)
        {
            let [spec, plane, arguments] = ARGUMENTS;
            write_name(&mut editor, self.document, &[spec, plane, arguments, JWKS_URI], &uri)?;
        }
        Ok(editor.into_text())
    }
}

/// EKS Anywhere has one string (`pkg/api/v1alpha1/cluster_types.go`).
pub(crate) fn one_issuer(decision: &Decision) -> Result<(), Error> {
    if decision.others().is_empty() {
        return Ok(());
    }
    Err(Error::OneIssuer {
        why: "EKS Anywhere holds one issuer (podIamConfig.serviceAccountIssuer)".to_owned(),
        issuer: shown(decision.signing()),
        kept: decision.others().iter().map(|issuer| shown(issuer)).collect(),
        instead: "leave it out and plan for the time in which its tokens are refused: up to 48 \
                  minutes, until kubelet has renewed them and the clients have read them again"
            .to_owned(),
    })
}

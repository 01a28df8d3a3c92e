//! kops: `kubeAPIServer` of its `Cluster`.

use issuer_yaml::{Editor, Node, Step, Value};

use super::flags::{Entries, Slot, write_list, write_name};
use super::{Form, objects};
use crate::decision::{Current, Decision};
use crate::jwks_uri::is_of;
use crate::request::shown;
use crate::{Error, Request};

const ISSUER: [&str; 3] = ["spec", "kubeAPIServer", "serviceAccountIssuer"];
const ADDITIONAL: [&str; 3] = ["spec", "kubeAPIServer", "additionalServiceAccountIssuers"];
const JWKS_URI: [&str; 3] = ["spec", "kubeAPIServer", "serviceAccountJWKSURI"];

pub(crate) struct Kops<'a> {
    request: &'a Request,
    editor: Editor,
    document: usize,
}

impl<'a> Kops<'a> {
    pub(crate) fn find(request: &'a Request, editor: Editor) -> Result<Self, Error> {
        let is_one = |document: &_| objects::is(document, "kops.k8s.io", &["Cluster"]);
        let document = objects::only(request, &editor, is_one, &["metadata", "name"])?;
        Ok(Self { request, editor, document })
    }

    fn document(&self) -> &Node {
        &self.editor.documents()[self.document].root
    }

    fn additional(&self) -> Result<Vec<Slot>, Error> {
        texts(&self.editor, self.document, &ADDITIONAL)
    }

    /// The issuer that kops sets by itself, in order of precedence (`pkg/model/components/discovery.go`).
    fn defaults(&self) -> Vec<String> {
        let document = self.document();
        let mut defaults = Vec::new();
        let discovery = document.at(&["spec", "serviceAccountIssuerDiscovery", "discoveryService"]);
        if let Some(url) = discovery.and_then(|node| node.get("url")).and_then(Node::text) {
            defaults.push(url.to_owned());
        }
        let spec = |path: &[&str]| document.at(path).cloned();
        let public = document
            .text_at(&["spec", "api", "publicName"])
            .or_else(|| document.text_at(&["spec", "masterPublicName"]));
        let anonymous =
            document.text_at(&["spec", "kubeAPIServer", "anonymousAuth"]) == Some("true");
        let access =
            spec(&["spec", "api", "access"]).or_else(|| spec(&["spec", "kubernetesApiAccess"]));
        let open = access.is_some_and(|access| {
            access
                .items()
                .iter()
                .any(|item| matches!(item.resolved().text(), Some("0.0.0.0/0" | "::/0")))
        });
        if let Some(public) = public.filter(|_| anonymous && open) {
            defaults.push(format!("https://{public}"));
        }
        if let Some(name) = document.text_at(&["metadata", "name"]) {
            defaults.push(format!("https://api.internal.{name}"));
        }
        defaults
    }
}

impl Form for Kops<'_> {
    fn current(&self) -> Result<Current, Error> {
        let store = ["spec", "serviceAccountIssuerDiscovery", "discoveryStore"];
        if let Some(store) = self.document().text_at(&store) {
            let issuer = shown(&self.request.issuer);
            return Err(Error::DiscoveryStore { store: shown(store), issuer });
        }
        let defaults = self.defaults();
        let main = self.document().text_at(&ISSUER).map(str::to_owned);
        let mut written: Vec<String> = main.or(defaults.first().cloned()).into_iter().collect();
        written.extend(self.additional()?.into_iter().map(|slot| slot.value));
        Ok(Current::new(written, defaults))
    }

    fn check(&self, decision: &Decision) -> Result<Vec<String>, Error> {
        let wanted = !decision.others().is_empty() && self.additional()?.is_empty();
        let warning = "additionalServiceAccountIssuers needs kops 1.28.5 or later";
        Ok(wanted.then(|| warning.to_owned()).into_iter().collect())
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let mut editor = self.editor.clone();
        write_name(&mut editor, self.document, &ISSUER, decision.signing())?;
        let others: Vec<&str> = decision.others().iter().map(String::as_str).collect();
        let texts = Texts { document: self.document, path: &ADDITIONAL };
        write_list(&mut editor, self.document, &ADDITIONAL, &self.additional()?, &others, &texts)?;
        // kops writes over it with this value.
        if let Some(now) = self.document().text_at(&JWKS_URI)
            && !decision.default_signs
            && !is_of(now, decision.signing())
            && decision.known.iter().any(|issuer| is_of(now, issuer))
        {
            let uri = format!("{}/openid/v1/jwks", decision.signing());
            write_name(&mut editor, self.document, &JWKS_URI, &uri)?;
        }
        Ok(editor.into_text())
    }
}

/// The texts of a list.
///
/// # Errors
/// [`Error::Layout`]: it is no list.
pub(crate) fn texts(editor: &Editor, document: usize, path: &[&str]) -> Result<Vec<Slot>, Error> {
    let tree = &editor.documents()[document].root;
    let Some(list) = tree.at(path).filter(|list| !list.is_empty()) else { return Ok(Vec::new()) };
    if !list.is_sequence() {
        return Err(objects::layout_error(editor, list, "a list is needed here"));
    }
    let items = list.items().iter().enumerate();
    Ok(items
        .map(|(index, item)| {
            let value = item.resolved().text().unwrap_or_default().to_owned();
            Slot { index, value }
        })
        .collect())
}

/// Entries that are the issuers themselves.
pub(crate) struct Texts<'a> {
    pub(crate) document: usize,
    pub(crate) path: &'a [&'a str],
}

impl Entries for Texts<'_> {
    fn entry(&self, editor: &Editor, neighbor: Option<usize>, value: &str) -> Value {
        styled(editor, self.document, self.path, neighbor, value)
    }

    fn replace(
        &self,
        editor: &mut Editor,
        index: usize,
        value: &str,
    ) -> Result<(), issuer_yaml::Error> {
        editor.set_text(
            self.document,
            &[&Step::names(self.path)[..], &[Step::Index(index)]].concat(),
            value,
        )
    }
}

/// A text with the quotes of its neighbor.
pub(crate) fn styled(
    editor: &Editor,
    document: usize,
    path: &[&str],
    neighbor: Option<usize>,
    value: &str,
) -> Value {
    let list = editor.node(document, &Step::names(path));
    let neighbor = neighbor.and_then(|index| list?.items().get(index));
    match neighbor.and_then(|item| item.style()) {
        Some(style) => Value::Styled(value.to_owned(), style),
        None => Value::text(value),
    }
}

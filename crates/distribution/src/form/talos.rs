//! Talos: `.cluster.apiServer` to 1.13, documents of their own from 1.14 on.

use issuer_yaml::{Editor, Node, Step, Value};

use super::flags::{ISSUER, JWKS_URI, write_list, write_name};
use super::kops::{Texts, texts};
use super::{Form, objects};
use crate::decision::{Current, Decision};
use crate::jwks_uri::jwks_uri;
use crate::version::{self, Version};
use crate::{Error, Request};

const MAIN: [&str; 3] = ["cluster", "apiServer", "extraArgs"];
const SERVER: [&str; 1] = ["extraArgs"];
const ISSUER_URL: [&str; 2] = ["issuer", "issuerURL"];
const ISSUERS: [&str; 2] = ["accepted", "issuers"];
const AUDIENCES: [&str; 2] = ["accepted", "audiences"];

/// The first version that reads a list of values.
const LISTS_SINCE: Version = Version(1, 13, 0);

/// The first version that is known to read them: 1.13.0 ends with `unexpected type for yaml sequence`.
const LISTS_READ_SINCE: Version = Version(1, 13, 3);

pub(crate) struct Talos {
    editor: Editor,
    place: Place,
}

/// What names the issuer.
enum Place {
    /// `extraArgs` of this document, at this path.
    Arguments(usize, &'static [&'static str]),
    /// `KubeServiceAccountConfig`.
    Document(usize),
    /// A `KubeServiceAccountConfig` that does not exist yet.
    New,
}

impl Talos {
    pub(crate) fn find(request: &Request, editor: Editor) -> Result<Self, Error> {
        let documents = editor.documents();
        let kind = |name: &str| editor.roots().position(|root| is_kind(root, name));
        let mains: Vec<usize> =
            (0..documents.len()).filter(|&index| is_main(&documents[index].root)).collect();
        if mains.len() > 1 {
            let line = |index: &usize| editor.position(documents[*index].root.first()).0;
            let names = mains
                .iter()
                .map(|index| format!("the machine configuration of line {}", line(index)));
            return Err(Error::Several { names: names.collect() });
        }
        let main = mains.first().copied();
        let (accounts, server) = (kind("KubeServiceAccountConfig"), kind("KubeAPIServerConfig"));
        let is_new = editor.roots().any(|document| {
            is_v1alpha1(document)
                && document
                    .text_at(&["kind"])
                    .is_some_and(|kind| kind.starts_with("Kube") && kind.ends_with("Config"))
        });
        if main.is_none() && !is_new {
            return Err(objects::other_kind(request.distribution, &editor));
        }
        let machine = main.and_then(|index| documents[index].root.at(&["machine", "type"]));
        if let Some(node) = machine.filter(|node| matches!(node.text(), Some("worker" | "join"))) {
            let (line, column) = editor.position(node.first());
            let reason = "it is the configuration of a worker".to_owned();
            return Err(Error::NoApiServer { reason, line, column });
        }
        let in_main =
            |path: &[&str]| main.is_some_and(|index| documents[index].root.at(path).is_some());
        let in_server = |name| {
            server.is_some_and(|index| documents[index].root.at(&[SERVER[0], name]).is_some())
        };
        // A flag beats the document, and both must not stand side by side.
        let place = match (server, accounts, main) {
            (Some(server), _, _) if in_server(ISSUER) => Place::Arguments(server, &SERVER),
            (None, _, Some(main)) if in_main(&["cluster", "apiServer", "extraArgs", ISSUER]) => {
                Place::Arguments(main, &MAIN)
            }
            (_, Some(accounts), _) => Place::Document(accounts),
            (Some(server), None, _) => Place::Arguments(server, &SERVER),
            (None, None, Some(main))
                if !is_new
                    || in_main(&["cluster", "apiServer"])
                    || in_main(&["cluster", "serviceAccount"]) =>
            {
                Place::Arguments(main, &MAIN)
            }
            _ => Place::New,
        };
        if let Place::Arguments(index, path) = place
            && let Some(node) = documents[index].root.at(path)
            && !node.is_empty()
            && !node.is_mapping()
        {
            return Err(objects::layout_error(&editor, node, "extraArgs is a mapping"));
        }
        Ok(Self { editor, place })
    }

    /// The control-plane endpoint, which is Talos's default.
    fn endpoint(&self) -> Option<&str> {
        self.editor.roots().find_map(|document| match () {
            () if is_main(document) => document.text_at(&["cluster", "controlPlane", "endpoint"]),
            () if is_kind(document, "KubeClusterConfig") => document.text_at(&["endpoint"]),
            () => None,
        })
    }

    /// Values of a flag: one text, or a list of them.
    fn values(&self, document: usize, path: &[&str], name: &str) -> Vec<String> {
        let tree = &self.editor.documents()[document].root;
        let Some(node) = tree.at(path).and_then(|node| node.get(name)) else {
            return Vec::new();
        };
        let items = node.items().iter().filter_map(|item| item.resolved().text());
        node.text().into_iter().chain(items).map(str::to_owned).collect()
    }

    /// The version of Talos, if the installer's image names it.
    fn version(&self) -> Option<Version> {
        let mut documents = self.editor.roots();
        let image =
            documents.find_map(|document| document.text_at(&["machine", "install", "image"]))?;
        let name = image.split('@').next()?;
        let (_, tag) = name.rsplit_once(':')?;
        version::parse(tag)
    }

    fn write_flag(
        &self,
        editor: &mut Editor,
        document: usize,
        path: &[&str],
        decision: &Decision,
    ) -> Result<(), Error> {
        let now = self.values(document, path, ISSUER);
        if now == decision.issuers {
            return Ok(());
        }
        let flag = [path, &[ISSUER]].concat();
        let node = self.editor.documents()[document].root.at(&flag);
        let is_list = node.is_some_and(|node| node.is_sequence() && !node.is_empty());
        match (&decision.issuers[..], is_list) {
            ([issuer], false) => write_name(editor, document, &flag, issuer)?,
            ([issuer], true) => editor.collapse(document, &Step::names(&flag), issuer)?,
            (issuers, true) => {
                let wanted: Vec<&str> = issuers.iter().map(String::as_str).collect();
                let slots = texts(&self.editor, document, &flag)?;
                let entries = Texts { document, path: &flag };
                write_list(editor, document, &flag, &slots, &wanted, &entries)?;
            }
            (issuers, false) => {
                let list = Value::List(
                    issuers.iter().map(|issuer| Value::text(issuer.as_str())).collect(),
                );
                editor.put(document, &flag, list)?;
            }
        }
        Ok(())
    }

    /// `api-audiences` of the API server: without a list of its own, that of the first issuer.
    fn write_document(
        &self,
        editor: &mut Editor,
        document: usize,
        decision: &Decision,
    ) -> Result<(), Error> {
        let issuers = texts(&self.editor, document, &ISSUERS)?;
        let audiences = texts(&self.editor, document, &AUDIENCES)?;
        let first = self.editor.documents()[document].root.text_at(&ISSUER_URL).or(self.endpoint());
        let now: Vec<&str> = audiences.iter().map(|slot| slot.value.as_str()).collect();
        let mut wanted = now.clone();
        if wanted.is_empty() {
            wanted.push(decision.signing());
            let kept = first.filter(|first| decision.issuers.iter().any(|issuer| issuer == first));
            wanted.extend(kept.filter(|kept| *kept != decision.signing()));
        }
        for issuer in &decision.issuers {
            if !wanted.contains(&issuer.as_str()) {
                wanted.push(issuer);
            }
        }
        write_name(editor, document, &ISSUER_URL, decision.signing())?;
        let others: Vec<&str> = decision.others().iter().map(String::as_str).collect();
        let entries = Texts { document, path: &ISSUERS };
        write_list(editor, document, &ISSUERS, &issuers, &others, &entries)?;
        if wanted.len() > 1 || !now.is_empty() {
            let slots = texts(editor, document, &AUDIENCES)?;
            let entries = Texts { document, path: &AUDIENCES };
            write_list(editor, document, &AUDIENCES, &slots, &wanted, &entries)?;
        }
        let accepted = editor.node(document, &Step::names(&["accepted"]));
        if accepted.is_some_and(|node| node.is_null() || node.is_mapping() && node.is_empty())
            && self.editor.documents()[document].root.at(&ISSUERS).is_some()
        {
            editor.remove(document, &Step::names(&["accepted"]))?;
        }
        Ok(())
    }
}

impl Form for Talos {
    fn current(&self) -> Result<Current, Error> {
        let default: Vec<String> = self.endpoint().map(str::to_owned).into_iter().collect();
        let written = match self.place {
            Place::Arguments(document, path) => self.values(document, path, ISSUER),
            Place::Document(document) => {
                let first =
                    self.editor.documents()[document].root.text_at(&ISSUER_URL).map(str::to_owned);
                let first = first.or(default.first().cloned());
                let accepted = texts(&self.editor, document, &ISSUERS)?;
                first.into_iter().chain(accepted.into_iter().map(|slot| slot.value)).collect()
            }
            Place::New => Vec::new(),
        };
        Ok(Current::new(written, default))
    }

    fn check(&self, decision: &Decision) -> Result<Vec<String>, Error> {
        let list = matches!(self.place, Place::Arguments(..)) && !decision.others().is_empty();
        if !list {
            return Ok(Vec::new());
        }
        list_of_values(
            self.version(),
            matches!(self.place, Place::Arguments(_, path) if path == SERVER),
        )
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let mut editor = self.editor.clone();
        match self.place {
            Place::Arguments(document, path) => {
                self.write_flag(&mut editor, document, path, decision)?
            }
            Place::Document(document) => self.write_document(&mut editor, document, decision)?,
            Place::New => {
                editor.append(&format!("---\n{}", crate::fragment::talos_document(decision)))?;
            }
        }
        for (index, document) in self.editor.roots().enumerate() {
            let path: &[&str] = match () {
                () if is_main(document) => &MAIN,
                () if is_kind(document, "KubeAPIServerConfig") => &SERVER,
                () => continue,
            };
            let now = self.values(index, path, JWKS_URI);
            if let Some(now) = now.last()
                && let Some(uri) = jwks_uri(Some(now), decision)
            {
                write_name(&mut editor, index, &[path, &[JWKS_URI]].concat(), &uri)?;
            }
        }
        Ok(editor.into_text())
    }
}

/// Talos reads a list of values from 1.13 on.
pub(crate) fn list_of_values(
    version: Option<Version>,
    new_form: bool,
) -> Result<Vec<String>, Error> {
    match version {
        Some(version) if version < LISTS_SINCE => Err(Error::TooOld {
            what: "Talos",
            version: version.to_string(),
            needed: "a list of issuers",
            since: "1.13",
        }),
        Some(version) if version < LISTS_READ_SINCE => Ok(vec![format!(
            "Talos {version} may refuse a list of issuers, and with it the whole machine configuration \
             (1.13.0 does); 1.13.3 reads it"
        )]),
        None if !new_form => {
            Ok(vec!["a list of issuers needs Talos 1.13 or later: before it, the whole machine configuration is refused".to_owned()])
        }
        _ => Ok(Vec::new()),
    }
}

fn is_v1alpha1(document: &Node) -> bool {
    document.text_at(&["apiVersion"]) == Some("v1alpha1")
}

fn is_kind(document: &Node, kind: &str) -> bool {
    is_v1alpha1(document) && document.text_at(&["kind"]) == Some(kind)
}

/// The machine configuration, or a patch of it; not the bundle of secrets.
fn is_main(document: &Node) -> bool {
    let has = |name: &str| document.at(&[name]).is_some();
    let mapping = |name: &str| {
        document.at(&[name]).is_some_and(|node| Node::is_mapping(node) || node.is_null())
    };
    !has("kind")
        && !has("apiVersion")
        && !has("trustdinfo")
        && !has("certs")
        && (mapping("cluster") || mapping("machine"))
}

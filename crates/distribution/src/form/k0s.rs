//! k0s: `spec.api` of its `ClusterConfig`.

use issuer_yaml::{Editor, Node, Step, Value};

use super::flags::{Entries, ISSUER, JWKS_URI, Slot, write_list, write_name};
use super::kops::styled;
use super::{Form, objects};
use crate::decision::{Current, Decision};
use crate::jwks_uri::jwks_uri;
use crate::version::{self, Version};
use crate::{Error, Request};

const ARGUMENTS: [&str; 3] = ["spec", "api", "extraArgs"];
const RAW: [&str; 3] = ["spec", "api", "rawArgs"];

/// The first release with `rawArgs` (k0s#6354).
const RAW_SINCE: Version = Version(1, 34, 1);

pub(crate) struct K0s<'a> {
    request: &'a Request,
    editor: Editor,
    document: usize,
}

impl<'a> K0s<'a> {
    pub(crate) fn find(request: &'a Request, editor: Editor) -> Result<Self, Error> {
        let is_one = |document: &_| objects::is(document, "k0s.k0sproject.io", &["ClusterConfig"]);
        let document = objects::only(request, &editor, is_one, &["metadata", "name"])?;
        for path in [&ARGUMENTS, &RAW] {
            if let Some(node) = editor.documents()[document].root.at(path)
                && !node.is_empty()
                && node.is_sequence() != (path == &RAW)
            {
                return Err(objects::layout_error(
                    &editor,
                    node,
                    "extraArgs is a mapping, and rawArgs a list",
                ));
            }
        }
        Ok(Self { request, editor, document })
    }

    fn argument(&self, name: &str) -> Option<&str> {
        let document = &self.editor.documents()[self.document].root;
        document.at(&ARGUMENTS).and_then(|node| node.get(name)).and_then(Node::text)
    }

    /// Values of a flag in `rawArgs`, as one item or as name and value.
    fn raw(&self, name: &str) -> Vec<Slot> {
        let document = &self.editor.documents()[self.document].root;
        let items = document.at(&RAW).map_or(&[][..], Node::items);
        let texts: Vec<&str> =
            items.iter().map(|item| item.resolved().text().unwrap_or_default()).collect();
        let mut slots = Vec::new();
        for (index, item) in texts.iter().enumerate() {
            let Some(rest) = item.trim_start_matches('-').strip_prefix(name) else { continue };
            let value = match rest.trim_start().strip_prefix('=') {
                Some(value) => value.trim(),
                None if rest.trim().is_empty() => texts.get(index + 1).copied().unwrap_or_default(),
                None if rest.starts_with(' ') => rest.trim(),
                None => continue,
            };
            slots.push(Slot { index, value: value.to_owned() });
        }
        slots
    }
}

impl Form for K0s<'_> {
    fn current(&self) -> Result<Current, Error> {
        // Without an issuer in extraArgs the default stays first, and signs.
        let default = "https://kubernetes.default.svc".to_owned();
        let first = self.argument(ISSUER).map_or_else(|| default.clone(), str::to_owned);
        let raw = self.raw(ISSUER).into_iter().map(|slot| slot.value);
        Ok(Current::new([first].into_iter().chain(raw).collect(), vec![default]))
    }

    fn check(&self, decision: &Decision) -> Result<Vec<String>, Error> {
        if decision.others().is_empty() {
            return Ok(Vec::new());
        }
        raw_arguments(self.request, self.raw(ISSUER).is_empty())
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let mut editor = self.editor.clone();
        let [spec, api, arguments] = ARGUMENTS;
        write_name(
            &mut editor,
            self.document,
            &[spec, api, arguments, ISSUER],
            decision.signing(),
        )?;
        let raw = self.raw(JWKS_URI);
        let now = raw.last().map(|slot| slot.value.as_str()).or(self.argument(JWKS_URI));
        if let Some(uri) = jwks_uri(now, decision) {
            if raw.is_empty() {
                let path = [spec, api, arguments, JWKS_URI];
                write_name(&mut editor, self.document, &path, &uri)?;
            } else {
                let flag = Raw { document: self.document, name: JWKS_URI };
                write_list(&mut editor, self.document, &RAW, &raw, &[&uri], &flag)?;
            }
        }
        let others: Vec<&str> = decision.others().iter().map(String::as_str).collect();
        let flag = Raw { document: self.document, name: ISSUER };
        // The places of the issuers after a change of the other flag.
        let here = K0s { request: self.request, editor: editor.clone(), document: self.document };
        write_list(&mut editor, self.document, &RAW, &here.raw(ISSUER), &others, &flag)?;
        Ok(editor.into_text())
    }
}

/// `rawArgs` exists in newer releases only.
pub(crate) fn raw_arguments(request: &Request, new: bool) -> Result<Vec<String>, Error> {
    match version::of(None, request.kubernetes_version.as_deref())? {
        Some(version) if version < RAW_SINCE => Err(Error::TooOld {
            what: "k0s",
            version: version.to_string(),
            needed: "rawArgs, which holds the kept issuers",
            since: "1.34.1+k0s.0",
        }),
        None if new => Ok(vec!["rawArgs needs k0s 1.34.1+k0s.0 or later".to_owned()]),
        _ => Ok(Vec::new()),
    }
}

struct Raw {
    document: usize,
    name: &'static str,
}

impl Entries for Raw {
    fn entry(&self, editor: &Editor, neighbor: Option<usize>, value: &str) -> Value {
        styled(editor, self.document, &RAW, neighbor, &format!("--{}={value}", self.name))
    }

    fn replace(
        &self,
        editor: &mut Editor,
        index: usize,
        value: &str,
    ) -> Result<(), issuer_yaml::Error> {
        let at = |index| [&Step::names(&RAW)[..], &[Step::Index(index)]].concat();
        if self.width(editor, index) == 2 {
            return editor.set_text(self.document, &at(index + 1), value);
        }
        editor.set_text(self.document, &at(index), &format!("--{}={value}", self.name))
    }

    fn width(&self, editor: &Editor, index: usize) -> usize {
        let item =
            editor.node(self.document, &[&Step::names(&RAW)[..], &[Step::Index(index)]].concat());
        let text = item.and_then(Node::text).unwrap_or_default();
        if text.trim().trim_start_matches('-') == self.name { 2 } else { 1 }
    }
}

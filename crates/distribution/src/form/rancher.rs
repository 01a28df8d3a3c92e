//! k3s and RKE2: `kube-apiserver-arg` of `config.yaml` and its drop-ins.

use issuer_yaml::{Editor, Node, ScalarStyle, Step, Value};

use super::flags::{Entries, ISSUER, JWKS_URI, Slot, write_list};
use super::{Form, objects};
use crate::decision::{Current, Decision};
use crate::jwks_uri::jwks_uri;
use crate::version::{self, Version};
use crate::{Error, Request};

const REPLACES: &str = "kube-apiserver-arg";
const APPENDS: &str = "kube-apiserver-arg+";

pub(crate) struct Rancher<'a> {
    request: &'a Request,
    editor: Editor,
    /// The name under which the file has, or gets, the arguments.
    name: &'static str,
}

/// An argument: `--service-account-issuer+=https://…`.
struct Argument<'a> {
    hyphens: &'a str,
    name: &'a str,
    /// `+` appends to the default, `-` goes before it, and nothing replaces it.
    sign: Option<char>,
    value: &'a str,
}

impl<'a> Rancher<'a> {
    pub(crate) fn find(request: &'a Request, editor: Editor) -> Result<Self, Error> {
        if let Some(error) = editor.duplicate(Some(&[REPLACES, APPENDS])) {
            return Err(error.into());
        }
        let drop_in = request.path.as_deref().is_some_and(|path| path.contains("config.yaml.d/"));
        let mut name = if drop_in { APPENDS } else { REPLACES };
        if let Some(document) = editor.documents().first() {
            let root = document.root.resolved();
            let has = |name: &str| root.get(name);
            // A JWK is a mapping, too, and the whole file is printed.
            let others = ["kind", "apiVersion", "machine", "kty", "keys"];
            let other = others.into_iter().any(|name| has(name).is_some());
            if !(root.is_mapping() || root.is_null()) || other {
                return Err(objects::other_kind(request.distribution, &editor));
            }
            if let Some(node) = has("disable-apiserver").filter(|node| node.text() == Some("true"))
            {
                let (line, column) = editor.position(node.first());
                let reason = "disable-apiserver is set".to_owned();
                return Err(Error::NoApiServer { reason, line, column });
            }
            if let (Some(_), Some(node)) = (has(REPLACES), has(APPENDS)) {
                let reason =
                    "kube-apiserver-arg and kube-apiserver-arg+ stand in one file: merge them";
                return Err(objects::layout_error(&editor, node, reason));
            }
            name = [REPLACES, APPENDS].into_iter().find(|name| has(name).is_some()).unwrap_or(name);
            if let Some(node) = has(name).filter(|node| node.is_mapping() && !node.is_empty()) {
                return Err(objects::layout_error(
                    &editor,
                    node,
                    "a list of arguments is needed here",
                ));
            }
        }
        Ok(Self { request, editor, name })
    }

    fn document(&self) -> Option<&Node> {
        self.editor.roots().next()
    }

    /// The arguments, of a list or a single text.
    fn arguments(&self) -> Vec<&str> {
        let Some(document) = self.document() else { return Vec::new() };
        let Some(node) = document.at(&[self.name]) else { return Vec::new() };
        if let Some(text) = node.text() {
            return vec![text];
        }
        let texts = node.items().iter().map(|item| item.resolved().text());
        texts.map(Option::unwrap_or_default).collect()
    }

    fn slots(&self, name: &str) -> Vec<(Slot, bool)> {
        let arguments = self.arguments().into_iter().enumerate();
        arguments
            .filter_map(|(index, text)| {
                let argument = parse(text).filter(|argument| argument.name == name)?;
                let value = argument.value.to_owned();
                Some((Slot { index, value }, argument.sign.is_none()))
            })
            .collect()
    }

    /// How k3s joins the default and the arguments (`pkg/util/args.go`).
    fn effective(&self, default: &str) -> Vec<String> {
        let mut default = Some(default.to_owned());
        let mut values: Vec<String> = Vec::new();
        for text in self.arguments() {
            let Some(argument) = parse(text).filter(|argument| argument.name == ISSUER) else {
                continue;
            };
            let value = argument.value.to_owned();
            let initial = default.take();
            match argument.sign {
                None => values.push(value),
                Some('+') => {
                    values.splice(0..0, initial);
                    values.push(value);
                }
                Some(_) => {
                    values.splice(0..0, initial);
                    values.insert(0, value);
                }
            }
        }
        values.extend(default);
        values
    }
}

impl Form for Rancher<'_> {
    fn current(&self) -> Result<Current, Error> {
        let domain = self.document().and_then(|document| document.text_at(&["cluster-domain"]));
        let default =
            format!("https://kubernetes.default.svc.{}", domain.unwrap_or("cluster.local"));
        Ok(Current::new(self.effective(&default), vec![default]))
    }

    fn check(&self, decision: &Decision) -> Result<Vec<String>, Error> {
        let mut warnings = old_releases(self.request, decision)?;
        if self.name == APPENDS {
            warnings.push(format!(
                "a drop-in adds to the arguments of the files before it: if config.yaml or an \
                 earlier drop-in names an issuer, that one goes on signing, so change it there; a \
                 later drop-in with {REPLACES} and no + replaces the arguments"
            ));
        }
        Ok(warnings)
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let wanted: Vec<&str> = decision.issuers.iter().map(String::as_str).collect();
        let issuers = self.slots(ISSUER);
        let uris = self.slots(JWKS_URI);
        let uri = jwks_uri(uris.last().map(|(slot, _)| slot.value.as_str()), decision);
        if self.document().is_none_or(|document| document.is_null()) {
            return self.write_new(&wanted, uri.as_deref());
        }
        let mut editor = self.editor.clone();
        let plain = issuers.iter().all(|(_, plain)| *plain);
        let same =
            plain && issuers.iter().map(|(slot, _)| slot.value.as_str()).eq(wanted.iter().copied());
        if !same || uri.is_some() {
            self.make_list(&mut editor)?;
        }
        let path = [self.name];
        let flag = Flag { path: &path, name: ISSUER };
        if !same {
            // What appends or goes before is written plainly: then the order is that of the lines.
            for (slot, _) in issuers.iter().filter(|(_, plain)| !*plain) {
                flag.replace(&mut editor, slot.index, &slot.value)?;
            }
            let slots: Vec<Slot> = issuers.into_iter().map(|(slot, _)| slot).collect();
            write_list(&mut editor, 0, &path, &slots, &wanted, &flag)?;
        }
        if let Some(uri) = uri {
            let here = Rancher { request: self.request, editor: editor.clone(), name: self.name };
            let slots: Vec<Slot> = here.slots(JWKS_URI).into_iter().map(|(slot, _)| slot).collect();
            write_list(
                &mut editor,
                0,
                &path,
                &slots,
                &[&uri],
                &Flag { path: &path, name: JWKS_URI },
            )?;
        }
        Ok(editor.into_text())
    }
}

impl Rancher<'_> {
    /// A single text becomes a list with it.
    fn make_list(&self, editor: &mut Editor) -> Result<(), Error> {
        let node = self.document().and_then(|document| document.at(&[self.name]));
        if let Some(text) = node.and_then(Node::text) {
            let style = node.and_then(Node::style).unwrap_or(ScalarStyle::Plain);
            let list = Value::List(vec![Value::Styled(text.to_owned(), style)]);
            editor.set_value(0, &Step::names(&[self.name]), &list)?;
        }
        Ok(())
    }

    /// A file that has only comments, or nothing.
    fn write_new(&self, wanted: &[&str], uri: Option<&str>) -> Result<String, Error> {
        let mut editor = self.editor.clone();
        let mut lines = format!("{}:\n", self.name);
        for issuer in wanted {
            lines.push_str(&format!("- \"{ISSUER}={issuer}\"\n"));
        }
        if let Some(uri) = uri {
            lines.push_str(&format!("- \"{JWKS_URI}={uri}\"\n"));
        }
        editor.append(&lines)?;
        Ok(editor.into_text())
    }
}

/// Releases that passed only the last of a repeated flag (k3s#4162, k3s#5374).
pub(crate) fn old_releases(request: &Request, decision: &Decision) -> Result<Vec<String>, Error> {
    let version = version::of(None, request.kubernetes_version.as_deref())?;
    let old = version.is_some_and(|version| version < Version(1, 24, 0));
    let warning = "releases before 1.24 passed only the last of a repeated flag, so the last kept \
                   issuer would sign";
    Ok((old && !decision.others().is_empty()).then(|| warning.to_owned()).into_iter().collect())
}

fn parse(text: &str) -> Option<Argument<'_>> {
    let bare = text.strip_prefix("--").unwrap_or(text);
    let hyphens = &text[..text.len() - bare.len()];
    let (name, value) = bare.split_once('=')?;
    let sign = name.chars().last().filter(|c| matches!(c, '+' | '-'));
    Some(Argument { hyphens, name: name.trim_end_matches(['+', '-']), sign, value })
}

struct Flag<'a> {
    path: &'a [&'a str],
    name: &'static str,
}

impl Flag<'_> {
    fn item<'a>(&self, editor: &'a Editor, index: usize) -> Option<&'a Node> {
        let document = &editor.documents()[0].root;
        document.at(self.path)?.items().get(index).map(Node::resolved)
    }
}

impl Entries for Flag<'_> {
    fn entry(&self, editor: &Editor, neighbor: Option<usize>, value: &str) -> Value {
        let neighbor = neighbor.and_then(|index| self.item(editor, index));
        let hyphens =
            neighbor.and_then(Node::text).and_then(parse).map_or("", |argument| argument.hyphens);
        let text = format!("{hyphens}{}={value}", self.name);
        match neighbor.and_then(Node::style) {
            Some(style) => Value::Styled(text, style),
            None => Value::Styled(text, ScalarStyle::DoubleQuoted),
        }
    }

    fn replace(
        &self,
        editor: &mut Editor,
        index: usize,
        value: &str,
    ) -> Result<(), issuer_yaml::Error> {
        let now = self.item(editor, index).and_then(Node::text);
        let hyphens = now.and_then(parse).map_or("", |argument| argument.hyphens).to_owned();
        let text = format!("{hyphens}{}={value}", self.name);
        editor.set_text(0, &[&Step::names(self.path)[..], &[Step::Index(index)]].concat(), &text)
    }
}

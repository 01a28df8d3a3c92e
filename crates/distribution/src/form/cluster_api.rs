//! Cluster API: `KubeadmControlPlane`. Each flag can be set once, so kept issuers are added by a
//! patch of the static Pod, on the first machine (init) and on every other one (join).

use issuer_yaml::{At, Editor, Node, Step, Value};

use super::flags::{ISSUER, JWKS_URI, NameValues, write_name};
use super::patches::{self, DIRECTORY, Patch};
use super::{Form, objects};
use crate::decision::{Current, Decision};
use crate::jwks_uri::jwks_uri;
use crate::{Error, Request};

const GROUP: &str = "controlplane.cluster.x-k8s.io";
const NODES: [&str; 2] = ["initConfiguration", "joinConfiguration"];

pub(crate) struct ClusterApi {
    editor: Editor,
    document: usize,
    /// The path of `kubeadmConfigSpec`.
    base: &'static [&'static str],
    /// From v1beta2 on a list, before it a mapping.
    list: bool,
}

/// A file of `files` that adds issuers.
struct PatchFile {
    index: usize,
    directory: String,
    patch: Patch,
}

impl ClusterApi {
    pub(crate) fn find(request: &Request, editor: Editor) -> Result<Self, Error> {
        let kinds = ["KubeadmControlPlane", "KubeadmControlPlaneTemplate"];
        let is_one = |document: &Node| objects::is(document, GROUP, &kinds);
        let document = objects::only(request, &editor, is_one, &["metadata", "name"])?;
        let tree = &editor.documents()[document].root;
        let base: &[&str] = match tree.text_at(&["kind"]) {
            Some("KubeadmControlPlaneTemplate") => {
                &["spec", "template", "spec", "kubeadmConfigSpec"]
            }
            _ => &["spec", "kubeadmConfigSpec"],
        };
        let list = !matches!(objects::version(tree), "v1alpha3" | "v1alpha4" | "v1beta1");
        let found = Self { editor, document, base, list };
        let path = found.path(&["clusterConfiguration", "apiServer", "extraArgs"]);
        if list {
            NameValues { document, path: &path, name: ISSUER }.check(&found.editor)?;
        } else if let Some(node) = found.tree().at(&path).filter(|node| node.is_sequence()) {
            return Err(objects::layout_error(
                &found.editor,
                node,
                "extraArgs is a mapping in this version",
            ));
        }
        Ok(found)
    }

    fn tree(&self) -> &Node {
        &self.editor.documents()[self.document].root
    }

    fn path<'a>(&self, rest: &[&'a str]) -> Vec<&'a str> {
        self.base.iter().copied().chain(rest.iter().copied()).collect()
    }

    fn flags(&self, name: &'static str) -> Vec<String> {
        let path = self.path(&["clusterConfiguration", "apiServer", "extraArgs"]);
        if self.list {
            let values = NameValues { document: self.document, path: &path, name };
            return values.slots(&self.editor).into_iter().map(|slot| slot.value).collect();
        }
        let node = self.tree().at(&path).and_then(|node| node.get(name));
        node.and_then(Node::text).map(str::to_owned).into_iter().collect()
    }

    fn directory(&self, node: &str) -> Option<&str> {
        self.tree().text_at(&self.path(&[node, "patches", "directory"])).map(trimmed)
    }

    /// Names and places of the machine's files.
    fn files<'a>(&'a self) -> Vec<(usize, &'a str)> {
        let items = self.tree().at(&self.path(&["files"])).map_or(&[][..], Node::items);
        let path = |(index, item): (usize, &'a Node)| Some((index, item.text_at(&["path"])?));
        items.iter().enumerate().filter_map(path).collect()
    }

    /// The files that add issuers, in directories that are in use.
    fn patch_files(&self) -> Vec<PatchFile> {
        let used: Vec<&str> = NODES.iter().filter_map(|node| self.directory(node)).collect();
        let list = self.tree().at(&self.path(&["files"]));
        let read = |(index, path): (usize, &str)| {
            let (directory, name) = path.rsplit_once('/')?;
            if !used.contains(&trimmed(directory)) || !patches::is_patch(name) {
                return None;
            }
            let item = list?.items().get(index)?;
            if item.get("encoding").is_some_and(|encoding| !encoding.is_empty()) {
                return None;
            }
            let patch = Patch::read(item.get("content").and_then(Node::text)?)?;
            let directory = trimmed(directory).to_owned();
            (!patch.slots().is_empty()).then_some(PatchFile { index, directory, patch })
        };
        self.files().into_iter().filter_map(read).collect()
    }

    /// The DNS domain of the cluster, which may be another object of the file.
    fn domain(&self) -> &str {
        let own =
            self.tree().text_at(&self.path(&["clusterConfiguration", "networking", "dnsDomain"]));
        let name = self.tree().text_at(&["metadata", "name"]);
        let clusters = || {
            let is_one = |root: &&Node| objects::is(root, "cluster.x-k8s.io", &["Cluster"]);
            self.editor.roots().filter(is_one)
        };
        let mine = clusters()
            .find(|cluster| cluster.text_at(&["spec", "controlPlaneRef", "name"]) == name);
        let mine = mine.or_else(|| clusters().next().filter(|_| clusters().count() == 1));
        let theirs =
            mine.and_then(|cluster| cluster.text_at(&["spec", "clusterNetwork", "serviceDomain"]));
        own.or(theirs).unwrap_or("cluster.local")
    }

    fn write_flag(
        &self,
        editor: &mut Editor,
        name: &'static str,
        value: &str,
    ) -> Result<(), issuer_yaml::Error> {
        let path = self.path(&["clusterConfiguration", "apiServer", "extraArgs"]);
        if self.list {
            return NameValues { document: self.document, path: &path, name }
                .write(editor, &[value]);
        }
        write_name(editor, self.document, &[&path[..], &[name]].concat(), value)
    }

    /// Sets the directories of both kinds of machines, and returns each of them once.
    fn write_directories(&self, editor: &mut Editor) -> Result<Vec<String>, Error> {
        let known: Vec<Option<&str>> = NODES.iter().map(|node| self.directory(node)).collect();
        let default =
            known.iter().flatten().next().map_or_else(|| self.unused(), |name| (*name).to_owned());
        let mut directories: Vec<String> = Vec::new();
        for (node, known) in NODES.iter().zip(known) {
            let directory = known.map_or_else(|| default.clone(), str::to_owned);
            if known.is_none() {
                let path = self.path(&[node, "patches", "directory"]);
                write_name(editor, self.document, &path, &directory)?;
            }
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
        Ok(directories)
    }

    /// A directory whose files, if it has any, were not meant to be patches yet.
    fn unused(&self) -> String {
        let taken = |directory: &str| {
            self.files().iter().any(|(_, path)| {
                path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
            })
        };
        let names = [DIRECTORY, "/etc/kubernetes/issuer-patches"];
        names.into_iter().find(|name| !taken(name)).unwrap_or(DIRECTORY).to_owned()
    }

    fn free_name(&self, directory: &str) -> String {
        let names = ["kube-apiserver", "kube-apiserver-issuers", "kube-apiserver-kept-issuers"];
        let paths = names.map(|name| format!("{directory}/{name}+json.yaml"));
        let taken = |path: &String| self.files().iter().any(|(_, other)| trimmed(other) == path);
        paths.into_iter().find(|path| !taken(path)).unwrap_or_default()
    }

    fn write_patches(&self, editor: &mut Editor, others: &[String]) -> Result<(), Error> {
        let existing = self.patch_files();
        if others.is_empty() && existing.is_empty() {
            return Ok(());
        }
        let directories = match others {
            [] => Vec::new(),
            _ => self.write_directories(editor)?,
        };
        let files = self.path(&["files"]);
        let wanted: Vec<&str> = others.iter().map(String::as_str).collect();
        let mut written: Vec<String> = Vec::new();
        let mut gone: Vec<usize> = Vec::new();
        for file in existing {
            let mine = if written.contains(&file.directory) { &[][..] } else { &wanted[..] };
            written.push(file.directory.clone());
            let place = [&Step::names(&files)[..], &[Step::Index(file.index)]].concat();
            match file.patch.write(mine)? {
                None => gone.push(file.index),
                Some(content) => {
                    let content_at = [&place[..], &[Step::Name("content")]].concat();
                    editor.own(self.document, &content_at)?;
                    let now = editor.node(self.document, &content_at).and_then(Node::text);
                    if now != Some(content.as_str()) {
                        editor.set_lines(self.document, &content_at, &content)?;
                    }
                }
            }
        }
        for index in gone.iter().rev() {
            super::flags::remove_item(editor, self.document, &Step::names(&files), *index)?;
        }
        for directory in directories.iter().filter(|directory| !written.contains(directory)) {
            let file = Value::map([
                ("path", Value::text(self.free_name(directory))),
                ("owner", Value::text("root:root")),
                ("permissions", Value::text("0644")),
                ("content", Value::Lines(patches::content(others))),
            ]);
            let list = editor.documents()[self.document].root.at(&files);
            match list.filter(|list| !list.is_empty()) {
                None => editor.put(self.document, &files, Value::List(vec![file]))?,
                Some(_) => editor.insert(self.document, &Step::names(&files), At::End, &[file])?,
            }
        }
        if others.is_empty() && !gone.is_empty() {
            self.remove_directories(editor)?;
        }
        Ok(())
    }

    /// kubeadm stops if a directory of patches does not exist, so the one that the last patch lay in
    /// is no longer named.
    fn remove_directories(&self, editor: &mut Editor) -> Result<(), Error> {
        let here = Self {
            editor: editor.clone(),
            document: self.document,
            base: self.base,
            list: self.list,
        };
        for node in NODES {
            if here.directory(node) != Some(DIRECTORY)
                || here.files().iter().any(|(_, path)| path.starts_with(DIRECTORY))
            {
                continue;
            }
            // A command may make the directory and fill it.
            let mentions = here.editor.text().matches(DIRECTORY).count();
            let named = NODES.iter().filter(|node| here.directory(node) == Some(DIRECTORY)).count();
            if mentions > named {
                continue;
            }
            let mut path = here.path(&[node, "patches", "directory"]);
            // What held only this goes with it.
            while path.len() > here.base.len() + 1 {
                let parent = editor.node(self.document, &Step::names(&path[..path.len() - 1]));
                if parent.is_none_or(|parent| parent.entries().len() != 1) {
                    break;
                }
                path.pop();
            }
            editor.remove(self.document, &Step::names(&path))?;
        }
        Ok(())
    }
}

impl Form for ClusterApi {
    fn current(&self) -> Result<Current, Error> {
        let default = format!("https://kubernetes.default.svc.{}", self.domain());
        let mut written = self.flags(ISSUER);
        if written.is_empty() {
            written.push(default.clone());
        }
        for file in self.patch_files() {
            written.extend(file.patch.slots().into_iter().map(|slot| slot.value));
        }
        Ok(Current::new(written, vec![default]))
    }

    fn check(&self, _: &Decision) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn write(&self, decision: &Decision) -> Result<String, Error> {
        let mut editor = self.editor.clone();
        self.write_patches(&mut editor, decision.others())?;
        self.write_flag(&mut editor, ISSUER, decision.signing())?;
        if let Some(uri) = jwks_uri(self.flags(JWKS_URI).last().map(String::as_str), decision) {
            self.write_flag(&mut editor, JWKS_URI, &uri)?;
        }
        Ok(editor.into_text())
    }
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

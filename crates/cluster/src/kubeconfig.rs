//! The kubeconfig format (client-go `tools/clientcmd/api/v1`), and which of its entries are used.
//!
//! Nothing here implements `Debug`: the entries are credentials.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use issuer_diagnostic::{Stray, deceptive_in};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A kubeconfig file, or several merged ones.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Kubeconfig {
    #[serde(default)]
    current_context: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    clusters: Vec<NamedCluster>,
    #[serde(default, deserialize_with = "or_default")]
    contexts: Vec<NamedContext>,
    #[serde(default, deserialize_with = "or_default")]
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    #[serde(skip)]
    file: PathBuf,
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    cluster: Server,
}

#[derive(Deserialize)]
struct NamedContext {
    #[serde(skip)]
    file: PathBuf,
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    context: Context,
}

#[derive(Deserialize)]
struct NamedUser {
    #[serde(skip)]
    file: PathBuf,
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    user: User,
}

#[derive(Default, Clone, Deserialize)]
struct Context {
    #[serde(default, deserialize_with = "or_default")]
    cluster: String,
    #[serde(default)]
    user: Option<String>,
}

/// An API server.
#[derive(Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Server {
    #[serde(default)]
    pub(crate) server: Option<String>,
    #[serde(default)]
    pub(crate) tls_server_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) insecure_skip_tls_verify: bool,
    #[serde(default)]
    pub(crate) certificate_authority: Option<String>,
    #[serde(default)]
    pub(crate) certificate_authority_data: Option<String>,
    #[serde(default)]
    pub(crate) proxy_url: Option<String>,
}

/// Credentials.
#[derive(Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) token: Option<Zeroizing<String>>,
    #[serde(default, rename = "tokenFile")]
    pub(crate) token_file: Option<String>,
    #[serde(default)]
    pub(crate) username: Option<String>,
    #[serde(default)]
    pub(crate) password: Option<Zeroizing<String>>,
    #[serde(default)]
    pub(crate) client_certificate: Option<String>,
    #[serde(default)]
    pub(crate) client_certificate_data: Option<String>,
    #[serde(default)]
    pub(crate) client_key: Option<String>,
    #[serde(default)]
    pub(crate) client_key_data: Option<Zeroizing<String>>,
    #[serde(default, rename = "as")]
    pub(crate) impersonate: Option<String>,
    #[serde(default, rename = "as-uid")]
    pub(crate) impersonate_uid: Option<String>,
    #[serde(default, rename = "as-groups", deserialize_with = "or_default")]
    pub(crate) impersonate_groups: Vec<String>,
    #[serde(default, rename = "as-user-extra", deserialize_with = "or_default")]
    pub(crate) impersonate_extra: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) auth_provider: Option<AuthProvider>,
    #[serde(default)]
    pub(crate) exec: Option<Exec>,
}

/// Credentials of a provider that client-go had built in.
#[derive(Clone, Deserialize)]
pub(crate) struct AuthProvider {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) config: BTreeMap<String, String>,
}

/// An exec plugin.
#[derive(Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exec {
    #[serde(default)]
    pub(crate) api_version: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) command: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) args: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) env: Vec<Variable>,
    #[serde(default)]
    pub(crate) install_hint: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) provide_cluster_info: bool,
}

/// A variable of an exec plugin's environment.
#[derive(Clone, Deserialize)]
pub(crate) struct Variable {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) value: String,
}

/// A name in one of the files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) name: String,
}

/// The entries of one context.
pub(crate) struct Selection {
    pub(crate) context: Place,
    pub(crate) cluster: Place,
    pub(crate) server: Server,
    /// `None` for anonymous requests.
    pub(crate) user: Option<(Place, User)>,
}

/// Why no entries can be selected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SelectFault {
    /// There is no current context, and none was named.
    Current { known: Vec<String> },
    /// The context does not exist.
    Context { context: String, known: Vec<String> },
    /// The context has no cluster.
    NoCluster { context: Place },
    /// The cluster of the context does not exist.
    Cluster { context: Place, cluster: String, known: Vec<String> },
    /// The user of the context does not exist.
    User { context: Place, user: String, known: Vec<String> },
}

/// Where a text is not a kubeconfig. The text itself is never repeated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParseFault {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// A character that is invisible, or looks like one of ASCII, in an indentation or a name, or after
/// its colon: YAML takes it for a letter of the name, so that the field counts as absent. Those within
/// values and comments are left to their readers.
pub(crate) fn stray_in_structure(text: &str) -> Option<Stray> {
    deceptive_in(text).find(|stray| {
        let line = text.split('\n').nth(stray.line - 1).unwrap_or_default();
        let before: String = line.chars().take(stray.column - 1).collect();
        let start = before.trim_start();
        let is_item = start.starts_with("- ") && !line.contains(':');
        !start.starts_with('#') && !before.contains(": ") && !before.contains(" #") && !is_item
    })
}

/// The same anywhere but in a comment.
pub(crate) fn stray_in(text: &str) -> Option<Stray> {
    deceptive_in(text).find(|stray| {
        let line = text.split('\n').nth(stray.line - 1).unwrap_or_default();
        let before: String = line.chars().take(stray.column - 1).collect();
        !before.trim_start().starts_with('#') && !before.contains(" #")
    })
}

/// Parses the YAML documents of a file and merges them.
pub(crate) fn parse(text: &str) -> Result<Kubeconfig, ParseFault> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    // As in kubectl, whose JSON decoder takes the last of two values.
    options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::LastWins;
    let documents: Vec<Kubeconfig> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| {
            // Its message may quote a value.
            let location = error.location();
            let (line, column) = location.map_or((1, 1), |place| (place.line(), place.column()));
            ParseFault { line, column }
        })?;
    Ok(documents.into_iter().fold(Kubeconfig::default(), Kubeconfig::merge))
}

impl Kubeconfig {
    /// Merges as kubectl does: the first definition of a name wins.
    pub(crate) fn merge(mut self, next: Self) -> Self {
        self.current_context =
            self.current_context.filter(|name| !name.is_empty()).or(next.current_context);
        append(&mut self.clusters, next.clusters, |one| &one.name);
        append(&mut self.contexts, next.contexts, |one| &one.name);
        append(&mut self.users, next.users, |one| &one.name);
        self
    }

    /// Records the file of each entry, and makes its paths relative to the folder of the file.
    pub(crate) fn of_file(&mut self, file: &Path) {
        self.clusters.iter_mut().for_each(|named| file.clone_into(&mut named.file));
        self.contexts.iter_mut().for_each(|named| file.clone_into(&mut named.file));
        self.users.iter_mut().for_each(|named| file.clone_into(&mut named.file));
        let folder = file.parent().unwrap_or(Path::new(""));
        let anchor = |path: &mut Option<String>| {
            if let Some(path) = path.as_mut().filter(|path| !path.is_empty()) {
                *path = folder.join(&path).to_string_lossy().into_owned();
            }
        };
        for NamedCluster { cluster, .. } in &mut self.clusters {
            anchor(&mut cluster.certificate_authority);
        }
        for NamedUser { user, .. } in &mut self.users {
            anchor(&mut user.client_certificate);
            anchor(&mut user.client_key);
            anchor(&mut user.token_file);
            // A command without a separator is looked up in PATH.
            if let Some(exec) =
                user.exec.as_mut().filter(|exec| exec.command.contains(std::path::is_separator))
            {
                exec.command = folder.join(&exec.command).to_string_lossy().into_owned();
            }
        }
    }

    /// The entries of a context, by default of the current one.
    pub(crate) fn select(self, context: Option<&str>) -> Result<Selection, SelectFault> {
        let known = || self.contexts.iter().map(|named| named.name.clone()).collect();
        let current = self.current_context.as_deref().filter(|name| !name.is_empty());
        let Some(name) = context.or(current) else {
            return Err(SelectFault::Current { known: known() });
        };
        let Some(found) = self.contexts.iter().find(|named| named.name == name) else {
            return Err(SelectFault::Context { context: name.to_owned(), known: known() });
        };
        let context = Place { file: found.file.clone(), name: found.name.clone() };
        let Context { cluster, user } = found.context.clone();
        if cluster.is_empty() {
            return Err(SelectFault::NoCluster { context });
        }
        let clusters: Vec<_> = self.clusters.iter().map(|named| named.name.clone()).collect();
        let users: Vec<_> = self.users.iter().map(|named| named.name.clone()).collect();
        let Some(server) = self.clusters.into_iter().find(|named| named.name == cluster) else {
            return Err(SelectFault::Cluster { context, cluster, known: clusters });
        };
        // As in kubectl, requests are anonymous if the context has no user, and only then.
        let user = match user.filter(|user| !user.is_empty()) {
            None => None,
            Some(user) => match self.users.into_iter().find(|named| named.name == user) {
                Some(NamedUser { file, name, user }) => Some((Place { file, name }, user)),
                None => return Err(SelectFault::User { context, user, known: users }),
            },
        };
        let NamedCluster { file, name, cluster: server } = server;
        Ok(Selection { context, cluster: Place { file, name }, server, user })
    }
}

fn append<T>(list: &mut Vec<T>, next: Vec<T>, name: impl Fn(&T) -> &String) {
    for one in next {
        if !list.iter().any(|known| name(known) == name(&one)) {
            list.push(one);
        }
    }
}

/// A member that is `null` counts as absent.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str = "\
apiVersion: v1
kind: Config
preferences: {}
current-context: c
clusters:
- name: k
  cluster: {server: 'https://10.0.0.1:6443', certificate-authority: ca.pem, extensions: [{name: x, extension: {}}]}
contexts:
- name: c
  context: {cluster: k, user: u, namespace: default}
- name: lost
  context: {cluster: gone, user: u}
- name: anonymous
  context: {cluster: k, user: ''}
users:
- name: u
  user: {tokenFile: token, exec: {command: ./plugin, args: null, env: [{name: A, value: b}], interactiveMode: IfAvailable}}
";

    fn selected(text: &str, context: Option<&str>) -> Result<Selection, SelectFault> {
        parse(text).map_err(|fault| format!("{fault:?}")).unwrap().select(context)
    }

    #[test]
    fn paths_are_relative_to_the_file_and_plain_commands_are_looked_up() {
        let mut kubeconfig = parse(WHOLE).map_err(|_| ()).unwrap();
        kubeconfig.of_file(Path::new("/etc/k/config"));
        let Ok(selection) = kubeconfig.select(None) else { panic!() };
        let (_, user) = selection.user.unwrap();
        assert_eq!(selection.server.certificate_authority.as_deref(), Some("/etc/k/ca.pem"));
        assert_eq!(user.token_file.as_deref(), Some("/etc/k/token"));
        assert_eq!(user.exec.unwrap().command, "/etc/k/./plugin");
    }

    #[test]
    fn a_context_without_its_entries_is_named() {
        let fault = |text: &str, context| selected(text, context).err().unwrap();
        let known = || vec!["c".to_owned(), "lost".to_owned(), "anonymous".to_owned()];
        assert_eq!(
            fault(WHOLE, Some("prod")),
            SelectFault::Context { context: "prod".into(), known: known() }
        );
        let place = |name: &str| Place { file: PathBuf::new(), name: name.into() };
        let (u, k) = (vec!["u".to_owned()], vec!["k".to_owned()]);
        assert_eq!(
            fault(WHOLE, Some("lost")),
            SelectFault::Cluster { context: place("lost"), cluster: "gone".into(), known: k }
        );
        let nobody = WHOLE.replace("cluster: gone, user: u", "cluster: k, user: U");
        assert_eq!(
            fault(&nobody, Some("lost")),
            SelectFault::User { context: place("lost"), user: "U".into(), known: u }
        );
        let nothing = WHOLE.replace("cluster: gone, user: u", "user: u");
        assert_eq!(
            fault(&nothing, Some("lost")),
            SelectFault::NoCluster { context: place("lost") }
        );
        for none in ["current-context: ''", "current-context: null", "current-context:", ""] {
            assert_eq!(
                fault(&WHOLE.replace("current-context: c", none), None),
                SelectFault::Current { known: known() }
            );
        }
        assert!(selected(WHOLE, Some("anonymous")).is_ok_and(|found| found.user.is_none()));
    }

    #[test]
    fn members_that_are_null_or_unknown_are_accepted_and_the_first_definition_wins() {
        let nulls = "clusters: null\ncontexts:\nusers: null\nsomething: else\n";
        assert_eq!(selected(nulls, None).err(), Some(SelectFault::Current { known: Vec::new() }));
        let other =
            "current-context: other\nclusters: [{name: k, cluster: {server: 'https://later'}}]\n";
        let merged = [WHOLE, other].map(|text| parse(text).unwrap_or_default());
        let [one, two] = merged;
        let Ok(selection) = one.merge(two).select(None) else { panic!() };
        assert_eq!(selection.server.server.as_deref(), Some("https://10.0.0.1:6443"));
        assert!(selected(&format!("{nulls}---\n{WHOLE}"), None).is_ok());
    }

    #[test]
    fn a_fault_has_a_line_and_nothing_of_the_text() {
        let indented =
            WHOLE.replace("  user: {tokenFile", "  user:\n    token: hidden\n     x: {tokenFile");
        for (text, line) in [
            (indented.as_str(), 19),
            ("clusters: hidden", 1),
            ("users:\n- name: u\n  user: {token: [hidden]}", 3),
            ("hidden", 1),
        ] {
            let fault = parse(text).err().unwrap();
            assert_eq!(fault.line, line, "{text}");
        }
    }

    #[test]
    fn a_character_that_hides_a_field_is_found_and_one_in_a_value_or_comment_is_not() {
        let user = WHOLE.split_once("users:").map(|(before, _)| before).unwrap_or_default();
        for (line, column) in [
            ("  user:\n\u{a0}\u{a0}  token: hidden", 1),
            ("  user:\n    token:\u{a0}hidden", 11),
            ("  user:\n    token\u{a0}: hidden", 10),
            ("  user:\n    \u{feff}token: hidden", 5),
            ("  user:\n    token\u{ff1a} hidden", 10),
            ("  user:\n    \u{201c}token\u{201d}: hidden", 5),
        ] {
            let text = format!("{user}users:\n- name: u\n{line}\n");
            let stray = stray_in_structure(&text).unwrap();
            assert_eq!(stray.column, column, "{line}");
            assert_eq!(text.lines().count(), stray.line);
        }
        for fine in [
            "  user: {token: hi\u{a0}den}",
            "  # \u{201c}quoted\u{201d}\n  user: {}",
            "  user: {} # a\u{a0}comment",
            "  user:\n    exec:\n      args:\n      - a\u{2013}b",
        ] {
            let text = format!("{user}users:\n- name: u\n{fine}\n");
            assert_eq!(stray_in_structure(&text), None, "{fine}");
        }
        assert!(stray_in("user: {token:\u{a0}x}").is_some());
        assert!(stray_in("user: {} # \u{a0}").is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", cut in 0..WHOLE.len(), byte in "[\\x00-\\x7f]") {
            let _ = (parse(&text), stray_in(&text), stray_in_structure(&text));
            let _ = parse(&WHOLE[..cut]);
            if let Ok(kubeconfig) = parse(&format!("{}{byte}{}", &WHOLE[..cut], &WHOLE[cut..])) {
                let _ = kubeconfig.select(None);
            }
        }
    }
}

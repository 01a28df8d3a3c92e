//! What a user of the kubeconfig presents to the API server.

use std::path::Path;

use base64ct::{Base64, Encoding};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use issuer_diagnostic::{deceptive_in, decode};
use issuer_redact::{register, register_passing};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::configuration::{Configuration, read};
use crate::kubeconfig::{Exec, User};
use crate::plugin;
use crate::tls::Identity;
use crate::{Doubt, Error};

/// Headers of every request, and the client certificate of the connection.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) headers: HeaderMap,
    pub(crate) identity: Option<Identity>,
    /// Whether reading them again can give others: a plugin, or a file.
    pub(crate) renewable: bool,
    /// Why the server may refuse them.
    pub(crate) doubt: Option<Doubt>,
}

impl Credentials {
    /// Reads files and runs the plugin, with the precedence of client-go.
    pub(crate) async fn of(configuration: &Configuration) -> Result<Self, Error> {
        let user = &configuration.user;
        let mut credentials = Self::default();
        credentials.impersonate(configuration)?;
        let entry = &configuration.user_name;
        let chain = configuration.pem(
            entry,
            "client-certificate",
            user.client_certificate_data.as_deref(),
            user.client_certificate.as_deref(),
        )?;
        let key = configuration.pem(
            entry,
            "client-key",
            user.client_key_data.as_ref().map(|data| data.as_str()),
            user.client_key.as_deref(),
        )?;
        match (chain, key) {
            (Some(chain), Some(key)) => credentials.identify(entry, &chain, &key)?,
            (Some(_), None) => {
                return Err(refuse(entry, "it has a client certificate and no client-key"));
            }
            (None, Some(_)) => {
                return Err(refuse(entry, "it has a client key and no client-certificate"));
            }
            (None, None) => {}
        }
        if let Some(token) = token(configuration)? {
            credentials.renewable = user.token_file.is_some();
            credentials.bear(entry, &token)?;
        } else if let (Some(name), Some(password)) = (&user.username, &user.password) {
            credentials.authorize_basic(name, password);
        } else if let Some(exec) = &user.exec {
            credentials.renewable = true;
            credentials.run(configuration, exec).await?;
        } else if let Some(password) = configuration.server.password() {
            credentials.authorize_basic(configuration.server.username(), password);
        }
        if !credentials.headers.contains_key(AUTHORIZATION) && credentials.identity.is_none() {
            let (user, stray) = (entry.clone(), configuration.stray.clone());
            let command = configuration.log_in.clone();
            credentials.doubt = Some(Doubt::NoCredentials { user, stray, command });
        }
        Ok(credentials)
    }

    async fn run(&mut self, configuration: &Configuration, exec: &Exec) -> Result<(), Error> {
        let entry = &configuration.user_name;
        if exec.command.trim().is_empty() {
            return Err(refuse(entry, "its exec plugin has no command"));
        }
        let version = plugin::version(exec)
            .map_err(|reason| Error::PluginVersion { user: entry.clone(), reason })?;
        let cluster: Option<Value> =
            exec.provide_cluster_info.then(|| configuration.for_plugin()).transpose()?;
        let status = plugin::run(exec, version, cluster).await.map_err(|fault| Error::Plugin {
            command: exec.command.clone(),
            user: entry.clone(),
            fault: Box::new(fault),
            connection: Box::new(configuration.connection.clone()),
            install_hint: exec.install_hint.clone().filter(|hint| !hint.trim().is_empty()),
        })?;
        if let (Some(chain), Some(key)) = (&status.client_certificate_data, &status.client_key_data)
        {
            self.identify(entry, chain.as_bytes(), key.as_bytes())?;
        }
        if let Some(token) = status.token.as_ref().filter(|token| !token.trim().is_empty()) {
            self.bear(entry, token)?;
        }
        let expired = status.expiration_timestamp.as_deref();
        let expired = expired.and_then(|timestamp| Doubt::of_plugin(entry, timestamp));
        self.doubt = expired.or(self.doubt.take());
        Ok(())
    }

    fn identify(&mut self, entry: &str, chain: &[u8], key: &[u8]) -> Result<(), Error> {
        register(&String::from_utf8_lossy(key));
        let identity = Identity::parse(chain, key).map_err(|reason| refuse(entry, reason))?;
        self.doubt = Doubt::of_certificate(entry, identity.not_after());
        self.identity = Some(identity);
        Ok(())
    }

    fn bear(&mut self, entry: &str, token: &str) -> Result<(), Error> {
        let token = token.trim();
        register_passing(token);
        if let Some(stray) = deceptive_in(token).next() {
            return Err(refuse(entry, &format!("its token has {}", stray.what)));
        }
        self.doubt = self.doubt.take().or_else(|| Doubt::of_token(entry, token));
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            refuse(entry, "its token has a line break or another control character in it")
        })?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    fn authorize_basic(&mut self, name: &str, password: &str) {
        let encoded = Base64::encode_string(format!("{name}:{password}").as_bytes());
        register(password);
        register(&encoded);
        if let Ok(mut value) = HeaderValue::try_from(format!("Basic {encoded}")) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
    }

    /// Kubernetes "User impersonation".
    fn impersonate(&mut self, configuration: &Configuration) -> Result<(), Error> {
        let User { impersonate, impersonate_uid, impersonate_groups, impersonate_extra, .. } =
            &configuration.user;
        let one = |name: &'static str, value: &Option<String>| {
            value.clone().filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value))
        };
        let groups =
            impersonate_groups.iter().map(|group| ("impersonate-group".to_owned(), group.clone()));
        let extra = impersonate_extra.iter().flat_map(|(key, values)| {
            let key = utf8_percent_encode(&key.to_ascii_lowercase(), TOKEN).to_string();
            values.iter().map(move |value| (format!("impersonate-extra-{key}"), value.clone()))
        });
        let headers = one("impersonate-user", impersonate)
            .into_iter()
            .chain(one("impersonate-uid", impersonate_uid))
            .chain(groups)
            .chain(extra);
        for (name, value) in headers {
            let invalid = || {
                refuse(
                    &configuration.user_name,
                    "a value of as, as-uid, as-groups or as-user-extra is not valid in a header",
                )
            };
            let name = HeaderName::try_from(name).map_err(|_| invalid())?;
            self.headers.append(name, HeaderValue::try_from(value).map_err(|_| invalid())?);
        }
        Ok(())
    }
}

/// A token of a file wins over one in the kubeconfig (client-go `rest.Config.BearerTokenFile`).
fn token(configuration: &Configuration) -> Result<Option<Zeroizing<String>>, Error> {
    let (user, entry) = (&configuration.user, &configuration.user_name);
    let inline = user.token.as_ref().filter(|token| !token.trim().is_empty());
    if let Some(path) = user.token_file.as_deref().filter(|path| !path.is_empty()) {
        let read = read(entry, "tokenFile", Path::new(path));
        let text = match read {
            Ok(bytes) => match decode(&bytes) {
                Ok(decoded) => decoded.text.into_owned(),
                Err(_) => return Err(refuse(entry, "its tokenFile is not text")),
            },
            Err(_) if inline.is_some() => String::new(),
            Err(error) => return Err(error),
        };
        let text = Zeroizing::new(text);
        if !text.trim().is_empty() {
            return Ok(Some(text));
        }
        if inline.is_none() {
            return Err(refuse(entry, "its tokenFile is empty"));
        }
    }
    if let Some(token) = inline {
        return Ok(Some(token.clone()));
    }
    let Some(provider) = &user.auth_provider else { return Ok(None) };
    match provider.config.get("id-token") {
        Some(token) => Ok(Some(Zeroizing::new(token.clone()))),
        None => Err(Error::AuthProvider { user: entry.clone(), provider: provider.name.clone() }),
    }
}

fn refuse(entry: &str, reason: &str) -> Error {
    Error::Entry { entry: entry.to_owned(), reason: reason.to_owned() }
}

/// What client-go leaves in the name of a header (`headerKeyEscape`).
const TOKEN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

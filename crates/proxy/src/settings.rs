//! The variables of the environment.

use url::Url;

use crate::no_proxy::NoProxy;
use crate::{Error, Proxy};

/// The proxy variables of an environment.
#[derive(Clone, Default)]
pub struct Settings {
    https: Option<Variable>,
    http: Option<Variable>,
    all: Option<Variable>,
    no_proxy: NoProxy,
}

/// Its name and its value, which can hold a password.
type Variable = (&'static str, String);

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [&self.https, &self.http, &self.all];
        f.debug_struct("Settings")
            .field("set", &names.map(|variable| variable.as_ref().map(|(name, _)| *name)))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

impl Settings {
    /// Those of this process.
    #[must_use]
    pub fn from_env() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Those that `get` returns by name. Upper case wins over lower case, as in Go, and a variable
    /// that is empty counts as not set.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                get(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value))
            })
        };
        let no_proxy = first(["NO_PROXY", "no_proxy"]);
        Self {
            https: first(["HTTPS_PROXY", "https_proxy"]),
            http: first(["HTTP_PROXY", "http_proxy"]),
            all: first(["ALL_PROXY", "all_proxy"]),
            no_proxy: no_proxy.map(|(_, value)| NoProxy::parse(&value)).unwrap_or_default(),
        }
    }

    /// The same without `ALL_PROXY`, which kubectl does not know.
    #[must_use]
    pub fn without_all_proxy(self) -> Self {
        Self { all: None, ..self }
    }

    /// The proxy that `url` is requested through, if any.
    ///
    /// # Errors
    /// [`Error`] if a proxy is set for this URL and cannot be used.
    pub fn proxy_for(&self, url: &Url) -> Result<Option<Proxy>, Error> {
        let of_scheme = match url.scheme() {
            "https" => &self.https,
            "http" => &self.http,
            _ => return Ok(None),
        };
        let Some((setting, value)) = of_scheme.as_ref().or(self.all.as_ref()) else {
            return Ok(None);
        };
        if self.no_proxy.matches(url) {
            return Ok(None);
        }
        Proxy::parse(setting, value).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(environment: &[(&str, &str)], url: &str) -> Option<String> {
        let settings = Settings::read(|name| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        });
        let proxy = settings.proxy_for(&Url::parse(url).unwrap()).unwrap();
        proxy.map(|proxy| format!("{}={}", proxy.setting(), proxy.url()))
    }

    #[test]
    fn each_scheme_has_its_variable_and_upper_case_wins() {
        let all = [
            ("HTTPS_PROXY", "http://s:1"),
            ("https_proxy", "http://lower:1"),
            ("http_proxy", "http://h:1"),
            ("ALL_PROXY", "http://a:1"),
        ];
        assert_eq!(asked(&all, "https://x.example").unwrap(), "HTTPS_PROXY=http://s:1/");
        assert_eq!(asked(&all[1..], "https://x.example").unwrap(), "https_proxy=http://lower:1/");
        assert_eq!(asked(&all[2..], "https://x.example").unwrap(), "ALL_PROXY=http://a:1/");
        assert_eq!(asked(&all, "http://x.example").unwrap(), "http_proxy=http://h:1/");
        assert_eq!(asked(&all[..2], "http://x.example"), None);
        assert_eq!(asked(&[("HTTPS_PROXY", " ")], "https://x.example"), None);
    }

    #[test]
    fn kubectl_knows_no_all_proxy() {
        let settings = Settings::read(|name| (name == "ALL_PROXY").then(|| "http://a:1".into()));
        let url = Url::parse("https://x.example").unwrap();
        assert!(settings.proxy_for(&url).unwrap().is_some());
        assert!(settings.without_all_proxy().proxy_for(&url).unwrap().is_none());
    }

    #[test]
    fn a_proxy_that_is_not_asked_is_not_judged() {
        let environment = [("HTTPS_PROXY", "socks5://127.0.0.1:1080"), ("NO_PROXY", "x.example")];
        assert_eq!(asked(&environment, "https://x.example"), None);
        let settings =
            Settings::read(|name| (name == environment[0].0).then(|| environment[0].1.into()));
        assert!(settings.proxy_for(&Url::parse("https://x.example").unwrap()).is_err());
    }

    #[test]
    fn debug_shows_no_value() {
        let settings = Settings::read(|name| {
            (name == "https_proxy").then(|| "http://user:hidden@proxy".to_owned())
        });
        let shown = format!("{settings:?}");
        assert!(shown.contains("https_proxy") && !shown.contains("hidden"), "{shown}");
    }
}

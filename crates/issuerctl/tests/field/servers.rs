//! The servers that cases need, each started by the first that does.

use std::sync::OnceLock;

use issuer_test_support::Refusal;

#[derive(Default)]
pub(crate) struct Servers {
    busy: OnceLock<Refusal>,
    proxy: OnceLock<Refusal>,
}

impl Servers {
    /// The placeholder that a case uses for its server, and the server's URL.
    pub(crate) fn of(&self, need: &str) -> Option<(&'static str, String)> {
        match need {
            "time" => None,
            "api busy" => Some(("@API@", self.busy.get_or_init(Refusal::busy_api_server).url())),
            "proxy" => Some(("@PROXY@", self.proxy.get_or_init(Refusal::proxy).url())),
            _ => panic!("no server plays {need:?}"),
        }
    }
}

//! The servers that cases need, each started by the first that does.

use std::sync::{Mutex, OnceLock};

use issuer_test_support::{Refusal, S3Server};

#[derive(Default)]
pub(crate) struct Servers {
    busy: OnceLock<Refusal>,
    proxy: OnceLock<Refusal>,
    /// Each case has its own: it changes the bucket.
    s3: Mutex<Vec<S3Server>>,
}

impl Servers {
    /// The placeholder that a case uses for its server, and the server's URL.
    pub(crate) fn of(&self, need: &str) -> Option<(&'static str, String)> {
        match need {
            "time" => None,
            "api busy" => Some(("@API@", self.busy.get_or_init(Refusal::busy_api_server).url())),
            "proxy" => Some(("@PROXY@", self.proxy.get_or_init(Refusal::proxy).url())),
            _ => match need.strip_prefix("s3 ") {
                Some(quirk) => Some(("@S3@", self.s3(quirk))),
                None => panic!("no server plays {need:?}"),
            },
        }
    }

    fn s3(&self, quirk: &str) -> String {
        let server = S3Server::start_quirky(quirk);
        let url = server.endpoint();
        self.s3.lock().unwrap().push(server);
        url
    }
}

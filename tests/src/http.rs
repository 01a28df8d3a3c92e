//! Anonymous HTTP requests.

use std::time::Duration;

use issuer_test_support::Authority;

/// The body of an anonymous request, or nothing if the status is not 200.
pub fn get(url: &str, authority: &Authority) -> Option<String> {
    block_on(async {
        let response = client(Some(authority.pem())).get(url).send().await.ok()?;
        if response.status() == 200 { response.text().await.ok() } else { None }
    })
}

/// Status and body of an anonymous request without TLS, if there is an answer.
pub(crate) fn read(url: &str) -> Option<(u16, String)> {
    block_on(async {
        let response = client(None).get(url).send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    })
}

/// The status of an anonymous request, if there is an answer.
pub(crate) fn status(url: &str, authority: Option<&Authority>) -> Option<u16> {
    block_on(async {
        let authority = authority.map(Authority::pem);
        Some(client(authority).get(url).send().await.ok()?.status().as_u16())
    })
}

/// Posts a form; returns status and body.
pub(crate) fn post(url: &str, form: &[(&str, &str)]) -> (u16, String) {
    let body: String =
        form.iter().map(|(name, value)| format!("{name}={}&", percent(value))).collect();
    post_body(url, None, body)
}

/// Posts the encoded body of a form, also to a server with a certificate of this authority.
pub(crate) fn post_body(url: &str, authority_pem: Option<&str>, body: String) -> (u16, String) {
    send(url, authority_pem, "application/x-www-form-urlencoded", body)
}

/// Posts a body of any media type; returns status and body.
pub(crate) fn post_as(url: &str, media_type: &str, body: String) -> (u16, String) {
    send(url, None, media_type, body)
}

fn send(url: &str, authority_pem: Option<&str>, media_type: &str, body: String) -> (u16, String) {
    block_on(async {
        let client = client(authority_pem);
        let request = client.post(url).header("content-type", media_type).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

/// Runs a future to completion.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn client(authority_pem: Option<&str>) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy();
    if let Some(pem) = authority_pem {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        builder = builder.tls_certs_merge([certificate]);
    }
    builder.build().unwrap()
}

pub(crate) fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }
        })
        .collect()
}

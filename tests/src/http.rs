//! Anonymous HTTP requests.

use std::time::Duration;

use issuer_test_support::Authority;

/// The body of an anonymous request, or nothing if the status is not 200.
pub fn get(url: &str, authority: &Authority) -> Option<String> {
    block_on(async {
        let response = client(Some(authority)).get(url).send().await.ok()?;
        if response.status() == 200 { response.text().await.ok() } else { None }
    })
}

/// The status of an anonymous request, if there is an answer.
pub(crate) fn status(url: &str, authority: Option<&Authority>) -> Option<u16> {
    block_on(async { Some(client(authority).get(url).send().await.ok()?.status().as_u16()) })
}

/// Posts a form; returns status and body.
pub(crate) fn post(url: &str, form: &[(&str, &str)]) -> (u16, String) {
    let body: String =
        form.iter().map(|(name, value)| format!("{name}={}&", percent(value))).collect();
    post_body(url, body)
}

/// Posts the encoded body of a form.
pub(crate) fn post_body(url: &str, body: String) -> (u16, String) {
    post_as(url, "application/x-www-form-urlencoded", body)
}

/// Posts a body of any media type; returns status and body.
pub(crate) fn post_as(url: &str, media_type: &str, body: String) -> (u16, String) {
    block_on(async {
        let request = client(None).post(url).header("content-type", media_type).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

/// Runs a future to completion.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn client(authority: Option<&Authority>) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy();
    if let Some(authority) = authority {
        let certificate = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        builder = builder.tls_certs_merge([certificate]);
    }
    builder.build().unwrap()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }
        })
        .collect()
}

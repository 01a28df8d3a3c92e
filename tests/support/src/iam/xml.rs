//! Answers of the query protocol.

use std::fmt::Display;

use super::query::Refusal;

/// A sequence of elements.
#[derive(Default)]
pub(super) struct Xml(String);

impl Xml {
    /// The elements that `fill` writes.
    pub(super) fn of(fill: impl FnOnce(&mut Self)) -> Self {
        let mut xml = Self::default();
        fill(&mut xml);
        xml
    }

    /// An element with a text.
    pub(super) fn text(&mut self, name: &str, value: impl Display) {
        let text = value.to_string();
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.0 += &format!("<{name}>{text}</{name}>");
    }

    /// An element with child elements.
    pub(super) fn element(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.0 += &format!("<{name}>");
        fill(self);
        self.0 += &format!("</{name}>");
    }

    /// A list: a `member` for each item.
    pub(super) fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        each: impl Fn(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| each(xml, item));
            }
        });
    }

    /// A list of texts.
    pub(super) fn texts<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        self.element(name, |xml| items.into_iter().for_each(|item| xml.text("member", item)));
    }
}

/// A complete answer; actions without a result have no `…Result`.
pub(super) fn answer(
    action: &str,
    namespace: &str,
    request_id: &str,
    result: Option<&Xml>,
) -> String {
    let mut xml = Xml::default();
    if let Some(result) = result {
        xml.element(&format!("{action}Result"), |xml| xml.0 += &result.0);
    }
    xml.element("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    format!("<{action}Response xmlns=\"{namespace}\">{}</{action}Response>\n", xml.0)
}

/// A complete error.
pub(super) fn error(namespace: &str, request_id: &str, refusal: &Refusal) -> String {
    let of = if refusal.status() < 500 { "Sender" } else { "Receiver" };
    let xml = Xml::of(|xml| {
        xml.element("Error", |xml| {
            xml.text("Type", of);
            xml.text("Code", &refusal.code);
            xml.text("Message", &refusal.message);
        });
        xml.text("RequestId", request_id);
    });
    format!("<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>\n", xml.0)
}

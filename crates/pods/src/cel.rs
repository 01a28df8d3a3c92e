//! Parts of CEL expressions.

/// A string literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// The first of the texts that is a decimal 64-bit integer, at least 600, else the default.
///
/// What is beyond 2^53 becomes 2^32 + 1, which the API server refuses alike.
pub(crate) fn number_or_default(texts: &[String], default: i64) -> String {
    format!(
        "\
([{}]
  .filter(t, t.matches('^[+-]?[0-9]+$') && (size(t.find('[1-9][0-9]*$')) < 19 || (size(t.find('[1-9][0-9]*$')) == 19 && t.find('[1-9][0-9]*$') <= '9223372036854775807')))
  .map(t, size(t.find('[1-9][0-9]*$')) < 16 ? int(t) : t.startsWith('-') ? 0 : 4294967297)
  .map(n, n < 600 ? 600 : n) + [{default}])[0]",
        texts.join(", ")
    )
}

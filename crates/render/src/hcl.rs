//! HCL, formatted as by `terraform fmt` (HCL native syntax specification; Terraform style
//! guide).

use std::fmt;

use issuer_iam::Tags;
use serde_json::Value;

/// A block, with labels (`resource`) or without (`import`).
#[derive(Debug)]
pub(crate) struct Block {
    head: String,
    members: Vec<Member>,
}

#[derive(Debug)]
enum Member {
    Line {
        name: &'static str,
        value: String,
    },
    /// Several lines, not aligned with other members.
    Lines(String),
}

impl Block {
    pub(crate) fn new(head: impl Into<String>) -> Self {
        Self { head: head.into(), members: Vec::new() }
    }

    pub(crate) fn resource(kind: &str, label: &str) -> Self {
        Self::new(format!("resource \"{kind}\" \"{label}\""))
    }

    /// Adds an expression.
    pub(crate) fn expression(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.members.push(Member::Line { name, value: value.into() });
        self
    }

    /// The address of a resource.
    pub(crate) fn address(&self) -> String {
        let labels: Vec<&str> = self.head.split('"').skip(1).step_by(2).collect();
        labels.join(".")
    }

    /// Adds a nested block with expressions.
    pub(crate) fn block(mut self, name: &str, lines: &[(&str, &str)]) -> Self {
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let lines: String =
            lines.iter().map(|(name, value)| format!("    {name:width$} = {value}\n")).collect();
        self.members.push(Member::Lines(format!("  {name} {{\n{lines}  }}\n")));
        self
    }

    /// Nested blocks, as they are written.
    pub(crate) fn lines(mut self, lines: &str) -> Self {
        let indented = |line: &str| match line.is_empty() {
            true => "\n".to_owned(),
            false => format!("  {line}\n"),
        };
        self.members.push(Member::Lines(lines.lines().map(indented).collect()));
        self
    }

    pub(crate) fn text(self, name: &'static str, value: &str) -> Self {
        let value = quoted(value);
        self.expression(name, value)
    }

    pub(crate) fn texts<'a>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let values: Vec<String> = values.into_iter().map(quoted).collect();
        self.expression(name, format!("[{}]", values.join(", ")))
    }

    /// Adds tags, if any.
    pub(crate) fn tags(self, tags: &Tags) -> Self {
        if tags.is_empty() {
            return self;
        }
        self.map("tags", tags.iter().map(|(key, value)| (key.as_str(), quoted(value))))
    }

    /// Adds an object of expressions.
    pub(crate) fn map<'k>(
        mut self,
        name: &str,
        pairs: impl IntoIterator<Item = (&'k str, String)>,
    ) -> Self {
        let pairs: Vec<(String, String)> =
            pairs.into_iter().map(|(key, value)| (quoted_key(key), value)).collect();
        let width = pairs.iter().map(|(key, _)| key.chars().count()).max().unwrap_or_default();
        let lines = pairs.iter().map(|(key, value)| format!("    {key:width$} = {value}\n"));
        self.members
            .push(Member::Lines(format!("  {name} = {{\n{}  }}\n", lines.collect::<String>())));
        self
    }

    /// Adds a policy as a heredoc: `jsonencode` would sort its members.
    pub(crate) fn policy(self, name: &'static str, policy: &Value) -> Self {
        self.policy_with(name, policy, &[])
    }

    /// The same with expressions in place of strings.
    pub(crate) fn policy_with(
        mut self,
        name: &'static str,
        policy: &Value,
        expressions: &[(String, String)],
    ) -> Self {
        let text = in_heredoc(&format!("{policy:#}"));
        let text = expressions.iter().fold(text, |text, (string, expression)| {
            text.replace(&format!("\"{string}\""), &format!("\"${{{expression}}}\""))
        });
        let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
        self.members.push(Member::Lines(format!("  {name} = <<-EOT\n{lines}  EOT\n")));
        self
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {{", self.head)?;
        let is_line = |member: &Member| matches!(member, Member::Line { .. });
        for (number, group) in self.members.chunk_by(|a, b| is_line(a) && is_line(b)).enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let names = group
                .iter()
                .map(|member| if let Member::Line { name, .. } = member { name.len() } else { 0 });
            let width = names.max().unwrap_or_default();
            for member in group {
                match member {
                    Member::Line { name, value } => writeln!(f, "  {name:width$} = {value}")?,
                    Member::Lines(text) => f.write_str(text)?,
                }
            }
        }
        writeln!(f, "}}")
    }
}

/// A comment; control characters are replaced.
pub(crate) fn comment(text: &str) -> String {
    format!("# {}\n", text.replace(char::is_control, " "))
}

/// A string literal with exactly this text.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    each(text, |c, opens| match (c, opens) {
        (_, Opens::Template) => out.extend([c, c]),
        (_, Opens::Escape) => out.push_str(&escaped(c)),
        ('"' | '\\', _) => out.extend(['\\', c]),
        ('\n', _) => out.push_str("\\n"),
        ('\r', _) => out.push_str("\\r"),
        ('\t', _) => out.push_str("\\t"),
        _ if c.is_alphanumeric() || c == ' ' || c.is_ascii_graphic() => out.push(c),
        _ => out.push_str(&escaped(c)),
    });
    out.push('"');
    out
}

/// The same for an aligned key: `terraform fmt` aligns by grapheme clusters.
fn quoted_key(text: &str) -> String {
    quoted(text).chars().map(|c| if c <= '\u{2ff}' { c.to_string() } else { escaped(c) }).collect()
}

/// JSON as the text of a heredoc, which has no escape sequences; JSON's own are used instead.
fn in_heredoc(json: &str) -> String {
    let mut out = String::new();
    let mut units = [0; 2];
    each(json, |c, opens| match opens {
        Opens::Template => out.extend([c, c]),
        // HCL normalises text to Unicode NFC, which does not change Latin-1.
        Opens::No if c <= '\u{ff}' => out.push(c),
        _ => out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"))),
    });
    out
}

/// What a character starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    No,
    /// A template sequence, unless it is doubled.
    Template,
    /// A template sequence that cannot be doubled, because it follows another `$` or `%`.
    Escape,
}

fn each(text: &str, mut take: impl FnMut(char, Opens)) {
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let opens = match (c, chars.peek()) {
            ('$' | '%', Some('{')) if matches!(before, Some('$' | '%')) => Opens::Escape,
            ('$' | '%', Some('{')) => Opens::Template,
            _ => Opens::No,
        };
        take(c, opens);
        before = Some(c);
    }
}

fn escaped(c: char) -> String {
    match u32::from(c) {
        code @ ..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64ct::Encoding;
    use serde_json::json;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    const NASTY: [&str; 14] = [
        "${a}",
        "$${a}",
        "$$${a}",
        "%{if a}",
        "%%{a}",
        "$%{a}",
        "%${a}",
        "$",
        "${",
        "\\${a}\"\\",
        "a\nb\r\tc",
        "\u{1}\u{7f}\u{2028}\u{feff}",
        "é한𝄞😀",
        "\\u0041 ~ EOT",
    ];

    #[test]
    fn template_sequences_are_escaped() {
        assert_eq!(quoted("${a} %{b} $c 100% \"\\\n"), r#""$${a} %%{b} $c 100% \"\\\n""#);
        assert_eq!(in_heredoc(r#"{"a":"${b}"}"#), r#"{"a":"$${b}"}"#);
        assert_eq!(comment("a\nresource \"x\" {"), "# a resource \"x\" {\n");
    }

    #[test]
    fn terraform_itself_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let policy = json!({"Statement": NASTY});
        let tags =
            NASTY.iter().map(|text| (format!("k{text}"), (*text).to_owned())).collect::<Tags>();
        let block = Block::new("locals")
            .text("all", &NASTY.join("|"))
            .tags(&tags)
            .policy("policy", &policy);
        std::fs::write(folder.path().join("main.tf"), block.to_string()).unwrap();
        let format =
            Command::new("terraform").args(["fmt", "-check", "-diff"]).arg(folder.path()).output();
        let Ok(format) = format else {
            println!("skipped: there is no terraform");
            return;
        };
        assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stdout));
        let mut console = Command::new("terraform")
            .arg("console")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asked = "base64encode(jsonencode([local.all, local.tags, local.policy]))\n";
        console.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
        let output = console.wait_with_output().unwrap();
        let encoded = String::from_utf8(output.stdout).unwrap().trim().trim_matches('"').to_owned();
        let decoded = base64ct::Base64::decode_vec(&encoded).unwrap();
        let [all, seen, text]: [Value; 3] = serde_json::from_slice(&decoded).unwrap();
        assert_eq!(all, NASTY.join("|"));
        assert_eq!(seen, json!(tags));
        assert_eq!(serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap(), policy);
        assert_eq!(text.as_str().unwrap().lines().next(), Some("{"), "no indentation is left");
    }
}

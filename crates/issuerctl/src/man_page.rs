//! Man pages of all commands: what clap knows, and the sections that it has no place for.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::cli::EXIT_CODES;

/// The variables that the commands read.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("KUBECONFIG", "kubeconfig files, if --kubeconfig is not given"),
    (
        "AWS_PROFILE, AWS_DEFAULT_PROFILE",
        "profile of the AWS config and credentials files, if --profile is not given",
    ),
    ("AWS_REGION, AWS_DEFAULT_REGION", "region, if neither --region nor the file gives one"),
    (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
        "credentials; all other sources of the AWS SDKs are read too",
    ),
    ("AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3", "endpoint, if --endpoint-url is not given"),
    (
        "AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE",
        "paths of these two files, if they are not in ~/.aws",
    ),
    ("AWS_CA_BUNDLE", "file with CA certificates to trust in addition to those of the system"),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "proxies, and the hosts that are reached without one; also in lower case",
    ),
    ("NO_COLOR", "no colors, also on a terminal"),
];

/// The files that the commands read or write.
const FILES: [(&str, &str); 4] = [
    ("~/.kube/config", "kubeconfig, if neither --kubeconfig nor KUBECONFIG is given"),
    ("~/.aws/config, ~/.aws/credentials", "AWS profiles"),
    ("keys.json", "JWK Set: the public keys that tokens are verified with (RFC 7517)"),
    (".well-known/openid-configuration", "discovery document (OpenID Connect Discovery 1.0)"),
];

/// Every page with its file name, the command's own first.
///
/// # Errors
/// None in practice: pages are written to memory.
pub(crate) fn pages(mut command: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    command.build();
    let mut pages = Vec::new();
    add(&command, "issuerctl", &[], &mut pages)?;
    Ok(pages)
}

/// Adds the page of a command, which refers to `above` (its parent and that one's other commands),
/// and those of its subcommands.
fn add(
    command: &Command,
    name: &str,
    above: &[String],
    pages: &mut Vec<(String, Vec<u8>)>,
) -> io::Result<()> {
    let page_of = |sub: &Command| format!("{name}-{}", sub.get_name());
    let subcommands =
        || command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    let family: Vec<String> =
        std::iter::once(name.to_owned()).chain(subcommands().map(page_of)).collect();
    let mut related: Vec<String> = above.iter().chain(&family).cloned().collect();
    related.retain(|page| page != name);
    related.dedup();
    pages.push((format!("{name}.1"), page(command, &related)?));
    subcommands().try_for_each(|sub| add(sub, &page_of(sub), &family, pages))
}

fn page(command: &Command, related: &[String]) -> io::Result<Vec<u8>> {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples = examples.strip_prefix("Examples:\n").unwrap_or_default();
    // The examples have their own section.
    let command = command.clone().after_help("").after_long_help("");
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|sub| sub.get_name() != "help") {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = String::new();
    if !examples.is_empty() {
        roff += ".SH EXAMPLES\n.nf\n";
        roff.extend(examples.lines().map(|line| format!("{}\n", literal(line))));
        roff += ".fi\n";
    }
    roff += &section("EXIT STATUS", &exit_codes());
    roff += &section("ENVIRONMENT", &ENVIRONMENT);
    roff += &section("FILES", &FILES);
    let mut also: Vec<String> =
        related.iter().map(|page| format!("\\fB{}\\fR(1)", literal(page))).collect();
    also.extend(["kubectl(1)", "aws(1)"].map(str::to_owned));
    roff += &format!(".SH SEE ALSO\n{}\n.PP\n", also.join(", "));
    roff += &format!("{}\n", literal(concat!(env!("CARGO_PKG_REPOSITORY"), "/tree/main/docs")));
    page.extend(roff.into_bytes());
    Ok(page)
}

/// Codes and meanings.
fn exit_codes() -> Vec<(&'static str, &'static str)> {
    EXIT_CODES.lines().filter_map(|line| line.trim_start().split_once("  ")).collect()
}

fn section(title: &str, entries: &[(&str, &str)]) -> String {
    let entries = entries
        .iter()
        .map(|(name, text)| format!(".TP\n\\fB{}\\fR\n{}\n", literal(name), literal(text)));
    std::iter::once(format!(".SH {title}\n")).chain(entries).collect()
}

/// Text that roff does not interpret, to be copied as it is.
fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_page_has_the_sections_of_a_man_page() {
        let pages = pages(Cli::command()).expect("in memory");
        assert!(pages.iter().any(|(name, _)| name == "issuerctl-role-apply.1"));
        for (name, page) in pages {
            let page = String::from_utf8(page).expect("UTF-8");
            for section in ["NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"] {
                let heading = |line: &str| line.trim_matches('"') == format!(".SH {section}");
                assert!(page.lines().any(heading), "{name}: {section}");
            }
            assert!(!page.contains("EXTRA"), "{name}");
        }
    }
}

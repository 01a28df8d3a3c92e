//! What a rotation is judged by: the published keys, and what the API servers say.

use std::time::{SystemTime, UNIX_EPOCH};

use issuer_diagnostic::now_secs;
use issuer_jwks::{JwkSet, Token, WeakKeys};
use issuer_migration::Known;
use issuer_publish::{KeyLife, KeyRecord};
use issuer_reconcile::{AskedServers, Observed, Reconciler, Scope, ServersQuery, Target};
use issuer_rotation::{Facts, Rotation};

use crate::cli::{KeepArgs, PlaceArgs, ServerArgs, WaitArgs, words};
use crate::engine;
use crate::failure::{Exit, Failure};
use crate::targets;
use crate::ui::Ui;

const UNREADABLE: &str = "`issuerctl publish --replace-unreadable`, with the keys of the cluster and the same \
                          place, replaces it; `issuerctl history` lists what was there before";

/// The documents of an issuer, and its API servers.
pub(crate) struct Seen {
    /// What was read of the documents.
    pub(crate) observed: Observed,
    /// The published keys.
    pub(crate) published: JwkSet,
    /// What a rotation is judged by.
    pub(crate) facts: Facts,
    /// A fresh token.
    pub(crate) token: Option<Token>,
}

/// Whether API servers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// They are.
    Always,
    /// They are if one was named, or a service account.
    IfGiven,
}

/// Reads the published keys, and asks the API servers.
///
/// # Errors
/// Documents that cannot be read. What an API server does not say is unknown.
pub(crate) async fn look(
    engine: &Reconciler<'_>,
    target: &Target,
    args: &ServerArgs,
    ask: Ask,
    ui: &Ui,
) -> Result<Seen, Failure> {
    let observed = engine.observe(target, Scope::apply(false)).await.map_err(engine::failed)?;
    let stored = observed.site.as_ref().and_then(|(_, state)| state.keys.as_ref());
    let published = match stored {
        Some(stored) => JwkSet::parse_with_foreign(&stored.bytes, WeakKeys::Allow)
            .map(|(keys, _)| keys)
            .map_err(|error| {
                let place = observed.site.as_ref().map(|(store, _)| store.location());
                let place = place.unwrap_or_default();
                Failure::because(format!("{place}/keys.json cannot be read"), &error)
                    .with_advice(UNREADABLE)
            })?,
        None => JwkSet::default(),
    };
    let written_secs = stored.and_then(|stored| stored.written_secs);
    let record = stored.map(|stored| stored.record.clone()).unwrap_or_default();
    let (facts, token) = facts(&published, (written_secs, &record), args, ask, ui).await?;
    Ok(Seen { observed, published, facts, token })
}

/// Asks the API servers.
///
/// # Errors
/// A time in the future.
pub(crate) async fn facts(
    published: &JwkSet,
    (written_secs, record): (Option<u64>, &KeyRecord),
    args: &ServerArgs,
    ask: Ask,
    ui: &Ui,
) -> Result<(Facts, Option<Token>), Failure> {
    let now_secs = now_secs();
    let is_given = args.check_live.is_some() || !args.server.is_empty();
    let asked = match ask == Ask::Always || is_given {
        true => asked(args, ui).await,
        false => AskedServers::default(),
    };
    // Those that were not named, if some were.
    let unasked = match args.server.len() {
        0 => 0,
        named => asked.count.saturating_sub(named),
    };
    let started_secs = match args.signing_since {
        Some(since) => Known::Seen(past(since, now_secs)?),
        None => asked.started_secs,
    };
    let published: Vec<String> =
        published.without_empty_kid().keys().iter().map(|jwk| jwk.kid.to_string()).collect();
    let recorded = |time: fn(KeyLife) -> Option<u64>| {
        let times = published.iter().map(|kid| (kid.clone(), time(record.life(kid))));
        times.filter_map(|(kid, time)| Some((kid, time?))).collect()
    };
    let facts = Facts {
        first_secs: recorded(|life| life.first_secs),
        signed_secs: recorded(|life| life.signed_secs),
        published,
        written_secs,
        servers: asked.servers,
        unasked,
        started_secs,
        now_secs,
    };
    Ok((facts, asked.token))
}

/// The answers of the API servers.
async fn asked(args: &ServerArgs, ui: &Ui) -> AskedServers {
    let query = ServersQuery {
        connection: targets::connection(&args.kube),
        urls: args.server.clone(),
        account: args.check_live.clone(),
        tries: args.tries,
    };
    let asked = query.ask(ui).await;
    if args.server.is_empty() && asked.count > 1 {
        ui.note(&format!(
            "the cluster has {} API servers, and its URL was asked {} times; --server URL, once for \
             each, asks all of them",
            asked.count, args.tries
        ));
    }
    asked
}

/// A rotation of these documents, whose commands repeat the options that were given.
pub(crate) fn rotation(
    place: &PlaceArgs,
    keep: KeepArgs,
    servers: &ServerArgs,
    waits: Option<&WaitArgs>,
    target: &Target,
) -> Rotation {
    let mut rotation = Rotation::default();
    if let Some(waits) = waits {
        rotation.token_secs = waits.token_life.as_secs();
    }
    let max_age = target.s3().map_or(0, |(_, options)| u64::from(options.max_age_secs));
    rotation.cached_secs = match waits.and_then(|waits| waits.cache_life) {
        Some(life) => life.as_secs(),
        None => rotation.cached_secs.max(max_age),
    };
    let waits = waits.map(WaitArgs::given).unwrap_or_default();
    rotation.place = words(&[place.given(), keep.given().into_iter().collect()].concat());
    rotation.servers = words(&[servers.given(), waits].concat());
    rotation.since = servers.since().map(|since| words(&[since])).unwrap_or_default();
    rotation
}

/// A time that is not in the future.
fn past(time: SystemTime, now_secs: u64) -> Result<u64, Failure> {
    let secs = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if secs <= now_secs {
        return Ok(secs);
    }
    Err(Failure::new(Exit::Usage, "--signing-since is in the future"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use clap::{CommandFactory, Parser};
    use issuer_discovery::{IssuerUrl, Ports};
    use issuer_rotation::{Server, steps};

    use super::*;
    use crate::cli::{Cli, Command, RotateCommand};

    /// Every option of `status` and `finish` that says how, and not what.
    const OPTIONS: &str = "--shape kubernetes --allow-port --create-bucket --access none --shared-bucket \
        --certificate-arn arn:aws:acm:us-east-1:111122223333:certificate/a --region us-west-2 --profile \
        a'b --endpoint-url https://s3.example.com --path-style --expected-bucket-owner 111122223333 \
        --max-age 60 --unconditional --ca-file=-ca.pem --keep-history 0 --check-live default/app \
        --kubeconfig admin.conf --context prod --tries 3 --server https://10.0.0.1:6443 \
        --server https://10.0.0.2:6443 --token-life 1h30m --cache-life 0s \
        --signing-since 2026-11-26T10:00:00.5Z";

    /// What they do, and what is for one run alone.
    const OTHERS: [&str; 15] = [
        "to",
        "file",
        "issuer",
        "new-kid",
        "now",
        "dry-run",
        "no-verify",
        "for",
        "print-iam-policy",
        "output",
        "quiet",
        "verbose",
        "timeout",
        "help",
        "version",
    ];

    fn parse(line: &str) -> RotateCommand {
        // As a shell reads the quoted word.
        let line = line.replace(r"'a'\''b'", "a'b");
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Rotate(command) => command,
            command => panic!("{command:?}"),
        }
    }

    /// Everything that a command was given, but for what it does.
    fn given(command: &RotateCommand) -> String {
        match command {
            RotateCommand::Status(args) => {
                let (place, keep) = (&args.site.place, args.keep);
                format!("{place:?} {keep:?} {:?} {:?} {:?}", args.new_kid, args.servers, args.waits)
            }
            RotateCommand::Finish(args) => {
                let (change, kid) = (&args.change, &args.new_kid);
                let (place, keep) = (&change.site.place, change.keep);
                format!("{place:?} {keep:?} {kid:?} {:?} {:?}", change.servers, args.waits)
            }
            command => panic!("{command:?}"),
        }
    }

    /// The commands that `status` prints while these keys sign.
    fn printed(line: &str, signs: &str) -> Vec<String> {
        let RotateCommand::Status(args) = parse(line) else { panic!("{line}") };
        let place = &args.site.place;
        let issuer = IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap();
        let target = Target::of(issuer);
        let mut rotation = rotation(place, args.keep, &args.servers, Some(&args.waits), &target);
        rotation.new_kid.clone_from(&args.new_kid);
        let kids = ["-new".to_owned(), "old".to_owned()];
        let server = Server {
            name: "a".to_owned(),
            accepts: Known::Seen(kids.to_vec()),
            signs: Known::Seen(vec![signs.to_owned()]),
            clock_secs: None,
        };
        let facts = Facts {
            published: kids.to_vec(),
            written_secs: None,
            first_secs: BTreeMap::new(),
            signed_secs: BTreeMap::new(),
            servers: vec![server],
            unasked: 0,
            started_secs: Known::Seen(0),
            now_secs: now_secs(),
        };
        let steps = steps(&rotation, &facts).unwrap();
        let checks = steps.iter().map(|timed| timed.step.check.clone());
        let commands = steps.iter().flat_map(|timed| timed.step.commands.clone());
        checks.chain(commands.filter(|line| line.starts_with("issuerctl "))).collect()
    }

    /// Without `--access none`, a private bucket would become public.
    #[test]
    fn a_printed_command_means_the_same_place_and_the_same_api_servers() {
        for place in ["--to s3://my-oidc/prod --issuer https://oidc.example.com", "-f issuer.yaml"]
        {
            // The file has settings of its own.
            let options = match place.starts_with("-f") {
                true => OPTIONS.replace("--shape kubernetes --allow-port ", ""),
                false => OPTIONS.to_owned(),
            };
            let line = format!("issuerctl rotate status {place} --new-kid=-new {options}");
            let wanted = given(&parse(&line));
            let commands = printed(&line, "-new");
            assert!(commands.iter().any(|line| line.starts_with("issuerctl rotate finish ")));
            for command in commands {
                assert_eq!(given(&parse(&command)), wanted, "{command}");
            }
        }
    }

    /// The time is that of a step that is not done yet.
    #[test]
    fn a_printed_command_does_not_repeat_since_when_the_new_key_signs_while_it_does_not() {
        let line = format!("issuerctl rotate status --to s3://my-oidc/prod {OPTIONS}");
        let commands = printed(&line, "old");
        assert!(commands.iter().all(|line| !line.contains("--signing-since")), "{commands:#?}");
    }

    #[test]
    fn no_option_is_missing_from_what_printed_commands_repeat() {
        let whole = Cli::command();
        let rotate = whole.find_subcommand("rotate").unwrap();
        let named = ["status", "finish"].map(|name| rotate.find_subcommand(name).unwrap());
        let options = named.iter().flat_map(|command| command.get_arguments());
        let options: BTreeSet<&str> = options.filter_map(clap::Arg::get_long).collect();
        let repeated = OPTIONS.split([' ', '=']).filter_map(|word| word.strip_prefix("--"));
        let known: BTreeSet<&str> = repeated.chain(OTHERS).collect();
        let missing: Vec<_> = options.difference(&known).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

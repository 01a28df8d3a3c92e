//! `issuerctl sync`

use std::sync::Arc;

use issuer_iam::policies;
use issuer_reconcile::{Shared, SyncOptions, sync_permissions};
use issuer_serving::{Endpoints, Health, Metrics, State, logs};
use issuer_session::Fallback;

use crate::Outcome;
use crate::advice::Surface;
use crate::cli::{GeneralArgs, LogFormat, Output, SyncArgs};
use crate::engine;
use crate::failure::Exit;
use crate::files;
use crate::output;
use crate::runtime::Runtime;
use crate::sync::{HANGS, Log, Program, Times};
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &SyncArgs, general: &GeneralArgs, ui: &Ui) -> Outcome {
    let load = || targets::of_sync(args);
    let targets = load()?;
    if args.s3.print_iam_policy {
        let parts = targets.iter().filter_map(sync_permissions);
        return output::policy(general.output.format(), &policies::join(parts), ui);
    }
    let mut session = engine::s3_session(&args.s3, &args.tls)?;
    let fallback = args.fallback_profile.clone().map(Fallback::new);
    session.fallback.clone_from(&fallback);
    let fetch = engine::fetch_options(&args.tls)?;
    let shared = Arc::new(Shared::new(session, fetch, files::read_bytes));
    let options = SyncOptions { drop_retired: args.drop_retired, ..SyncOptions::default() };
    let times = Times { interval: args.interval, key_interval: args.key_interval };
    let health = Arc::new(Health::new(HANGS + args.interval));
    let state = State { metrics: Arc::new(Metrics::new()), health };
    let surface = if args.file.is_some() { Surface::File } else { Surface::Flags };
    let log = Log::default();
    let program = Program::new((shared, fallback), options, state.clone(), times, (surface, &log));
    let level = match (general.quiet, general.verbose) {
        (true, _) => logs::Level::WARN,
        (_, true) => logs::Level::DEBUG,
        _ => logs::Level::INFO,
    };
    Runtime::start(ui)?.run_steps(async |signals| {
        let endpoints = match args.listen {
            Some(address) => Some(Endpoints::bind(address).await?),
            None => None,
        };
        logs::start(format(args, general), level)?;
        if let Some(endpoints) = endpoints {
            tracing::info!(address = %endpoints.address(), "serving /metrics, /livez and /readyz");
            tokio::spawn(endpoints.serve(state));
        }
        if args.once {
            return Ok(program.once(&targets).await);
        }
        program.follow(targets, args.file.as_deref(), load, signals).await;
        Ok(Exit::Done)
    })
}

fn format(args: &SyncArgs, general: &GeneralArgs) -> logs::LogFormat {
    match args.log_format {
        Some(LogFormat::Json) => logs::LogFormat::Json,
        Some(LogFormat::Text) => logs::LogFormat::Text,
        None if general.output == Output::Text => logs::LogFormat::Text,
        None => logs::LogFormat::Json,
    }
}

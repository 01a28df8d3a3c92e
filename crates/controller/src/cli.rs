//! The command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use issuer_controller::controller::{self, Settings};
use issuer_controller::crd;
use issuer_controller::desired::Permitted;
use issuer_controller::lease::LeaseName;
use issuer_redact::redact;
use issuer_serving::logs::{self, LogFormat};
use issuer_serving::{Endpoints, Health, Metrics, State};
use issuer_session::{Fallback, SessionOptions};
use issuer_verify::Authorities;

/// The loop must go on within this.
const HANGS: Duration = Duration::from_secs(120);

/// How often is looked whether a write that has begun has ended.
const POLL: Duration = Duration::from_millis(50);

/// How long an end waits for writes.
const LONGEST_END: Duration = Duration::from_secs(20);

/// The namespace of the pod.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

#[derive(Parser)]
#[command(version, about = "Keeps the issuers of a cluster as their objects declare them")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reconciles ServiceAccountIssuer objects
    Run(Box<RunArgs>),
    /// Prints the CustomResourceDefinition
    Crd,
}

#[derive(Args)]
struct RunArgs {
    /// Namespace whose objects are reconciled; can be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    namespace: Vec<String>,
    /// How often each object is looked at, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(5..))]
    interval: u64,
    /// How many objects are reconciled at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Endpoint URL that spec.store.s3.endpointUrl may have; can be repeated
    #[arg(long, value_name = "URL")]
    allow_endpoint: Vec<String>,
    /// Reconcile without a Lease: there must be no second replica
    #[arg(long)]
    no_leader_election: bool,
    /// Namespace of the Lease [default: that of the pod]
    #[arg(long, value_name = "NAME")]
    lease_namespace: Option<String>,
    /// Name of the Lease
    #[arg(long, value_name = "NAME", default_value = "issuer-controller")]
    lease_name: String,
    /// Name of this replica in the Lease and in Events
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: Option<String>,
    /// AWS region, if an object does not name one
    #[arg(long)]
    region: Option<String>,
    /// Endpoint URL of the AWS services
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Profile whose credentials are used while AWS STS refuses the web identity token of this pod, such
    /// as before its issuer is published
    #[arg(long, value_name = "NAME")]
    fallback_profile: Option<String>,
    /// Certificate authorities to trust in addition to those of the system, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Form of the log
    #[arg(long, value_enum, default_value_t = Log::Json)]
    log_format: Log,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Log {
    Text,
    Json,
}

/// Why the program ends.
type Failure = Box<dyn std::error::Error>;

pub(crate) fn run() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Crd => print_definition(),
        Command::Run(arguments) => start(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = redact(&error.to_string());
            // A closed standard error must not end the program in another way.
            let _ = writeln!(std::io::stderr(), "error: {text}");
            ExitCode::FAILURE
        }
    }
}

fn print_definition() -> Result<(), Failure> {
    std::io::stdout().write_all(crd::yaml()?.as_bytes())?;
    Ok(())
}

fn start(arguments: &RunArgs) -> Result<(), Failure> {
    let format = match arguments.log_format {
        Log::Text => LogFormat::Text,
        Log::Json => LogFormat::Json,
    };
    logs::start(format, tracing::Level::INFO)?;
    logs::report_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: &RunArgs) -> Result<(), Failure> {
    let mut ends = Ends::catch()?;
    let settings = settings(arguments)?;
    let mut config = kube::Config::infer().await?;
    // The API server of its own cluster is reached directly; proxies are for AWS.
    config.proxy_url = None;
    let state = State { metrics: Arc::new(Metrics::new()), health: Arc::new(Health::new(HANGS)) };
    let endpoints = Endpoints::bind(arguments.listen).await?;
    tracing::info!(address = %endpoints.address(), "serving /metrics, /livez and /readyz");
    tokio::spawn(endpoints.serve(state.clone()));
    let held = match arguments.no_leader_election {
        true => None,
        false => {
            let lease = LeaseName {
                namespace: lease_namespace(arguments)?,
                name: arguments.lease_name.clone(),
                identity: settings.identity.clone(),
            };
            // A replica that waits is ready to take over, if it may read the lease. The one that has it is ready
            // once it has listed all objects.
            let health = Arc::clone(&state.health);
            let (held, is_taken) = lease.hold(config.clone(), move || health.ready(), lost)?;
            let beat = state.health.clone();
            let waits = async {
                let mut is_taken = is_taken;
                loop {
                    beat.beat();
                    let pause = tokio::time::sleep(Duration::from_secs(5));
                    tokio::select! {
                        _ = &mut is_taken => return beat.not_ready(),
                        () = pause => {}
                    }
                }
            };
            tokio::select! {
                () = waits => {}
                () = ends.wait() => {
                    held.release();
                    return Ok(());
                }
            }
            Some(held)
        }
    };
    tokio::select! {
        ended = controller::run(settings, config, state) => match ended? {},
        () = async {
            ends.wait().await;
            tracing::info!("ends, after the writes that have begun");
            let stop = async {
                while issuer_diagnostic::stop_writing() {
                    tokio::time::sleep(POLL).await;
                }
            };
            let _ = tokio::time::timeout(LONGEST_END, stop).await;
        } => {}
    }
    if let Some(held) = held {
        held.release();
    }
    Ok(())
}

/// Another replica works from now on: this one must not write anything more.
fn lost(reason: &str) {
    tracing::error!("this replica is no longer the leader, and ends: {reason}");
    std::process::exit(1);
}

fn settings(arguments: &RunArgs) -> Result<Settings, Failure> {
    let mut session = SessionOptions::default();
    session.region.clone_from(&arguments.region);
    session.endpoint_url.clone_from(&arguments.endpoint_url);
    session.fallback = arguments.fallback_profile.clone().map(Fallback::new);
    if let Some(file) = &arguments.ca_file {
        let pem = std::fs::read(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        session.authorities = Authorities::parse(&pem)?;
    }
    let identity = arguments.identity.clone().or_else(|| std::env::var("HOSTNAME").ok());
    let identity = identity.unwrap_or_else(|| format!("pid-{}", std::process::id()));
    Ok(Settings {
        namespaces: arguments.namespace.clone(),
        period: Duration::from_secs(arguments.interval),
        parallel: arguments.parallel.into(),
        permitted: Permitted { endpoints: arguments.allow_endpoint.clone() },
        session,
        identity,
    })
}

fn lease_namespace(arguments: &RunArgs) -> Result<String, Failure> {
    if let Some(namespace) = &arguments.lease_namespace {
        return Ok(namespace.clone());
    }
    let text = std::fs::read_to_string(POD_NAMESPACE).map_err(|_| {
        "the namespace of the Lease is not known outside of a pod: give --lease-namespace NAME, or \
         --no-leader-election if there is one replica"
    })?;
    Ok(text.trim().to_owned())
}

/// SIGTERM, as a kubelet sends it, and Ctrl-C.
struct Ends {
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
}

impl Ends {
    fn catch() -> std::io::Result<Self> {
        #[cfg(unix)]
        let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        Ok(Self {
            #[cfg(unix)]
            terminated,
        })
    }

    async fn wait(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

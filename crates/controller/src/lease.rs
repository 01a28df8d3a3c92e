//! One of several replicas works: the one that holds a Lease.
//!
//! The lease has a thread and a client of its own, so that neither a busy event loop nor a slow request
//! delays it. Whoever cannot renew it ends at once, well before another replica may take it, and begins no
//! write meanwhile: a process that was stopped for a while may go on before its lease is looked at. A write
//! that is on its way then is harmless: all of them are conditional.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Config};

use crate::clock;
use crate::cluster::words;

/// How long after its last renewal a lease may be taken.
const DURATION: Duration = Duration::from_secs(10);

/// How long after its last renewal the holder ends.
const DEADLINE: Duration = Duration::from_secs(7);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(2);

/// How often others look whether it is free.
const LOOK: Duration = Duration::from_secs(1);

/// The limit for one request.
const REQUEST: Duration = Duration::from_secs(3);

/// Which lease, and who asks for it.
#[derive(Debug, Clone)]
pub struct LeaseName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who holds it.
    pub identity: String,
}

/// A lease that is held, until it is released or the process ends.
#[derive(Debug)]
pub struct Held {
    stops: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

/// The lease as somebody else wrote it, and when that was seen: clocks of machines are not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    version: Option<String>,
    at: Instant,
}

/// When the last request began that renewed the lease, in milliseconds; 0 before the first one.
#[derive(Debug, Default)]
struct Renewal(AtomicU64);

impl Renewal {
    fn set(&self, now: Duration) {
        self.0.store(now.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }

    /// Whether no other replica can have taken the lease yet.
    fn permits(&self, now: Duration) -> bool {
        self.0.load(Ordering::Relaxed) > 0 && self.age(now) < DEADLINE
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Take,
    Wait,
}

impl LeaseName {
    /// Waits until the lease is free, and takes it; nothing is written before that. `waits` is called
    /// whenever the lease was read and is that of another replica, and `lost` ends the process when it can no
    /// longer be renewed.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn hold(
        self,
        config: Config,
        waits: impl Fn() + Send + 'static,
        lost: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<(Held, tokio::sync::oneshot::Receiver<()>)> {
        let stops = Arc::new(AtomicBool::new(false));
        let (taken, is_taken) = tokio::sync::oneshot::channel();
        let flag = Arc::clone(&stops);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let renewal = Arc::new(Renewal::default());
        let renewed = Arc::clone(&renewal);
        issuer_diagnostic::write_only_while(move || renewed.permits(clock::now()));
        let keep = async move { self.keep(config, &flag, taken, &renewal, waits).await };
        let work = move || match runtime.block_on(keep) {
            Ok(()) => {}
            Err(reason) => lost(&reason),
        };
        let thread = std::thread::Builder::new().name("lease".to_owned()).spawn(work)?;
        Ok((Held { stops, thread }, is_taken))
    }

    /// Takes the lease, renews it until `stops`, and releases it.
    async fn keep(
        self,
        config: Config,
        stops: &AtomicBool,
        taken: tokio::sync::oneshot::Sender<()>,
        renewal: &Renewal,
        waits: impl Fn(),
    ) -> Result<(), String> {
        let client = Client::try_from(config).map_err(|error| words(&error))?;
        let leases: Api<Lease> = Api::namespaced(client, &self.namespace);
        let (mut taken, mut seen) = (Some(taken), None);
        loop {
            if stops.load(Ordering::Relaxed) {
                if taken.is_none() {
                    self.release(&leases).await;
                }
                return Ok(());
            }
            let began = clock::now();
            // Writes are held back since then, so there is no way back.
            if taken.is_none() && renewal.age(began) >= DEADLINE {
                return Err("the lease was not renewed in time".to_owned());
            }
            let attempt = tokio::time::timeout(REQUEST, self.attempt(&leases, &mut seen)).await;
            let (holds, problem) = match attempt {
                Ok(Ok(holds)) => (holds, None),
                Ok(Err(error)) => (false, Some(words(&error))),
                Err(_) => (false, Some("the API server does not answer".to_owned())),
            };
            if holds {
                if taken.is_none() && renewal.age(clock::now()) >= DEADLINE {
                    return Err("the lease was not renewed in time".to_owned());
                }
                renewal.set(began);
                if let Some(taken) = taken.take() {
                    tracing::info!(lease = self.name, "this replica is the leader");
                    let _ = taken.send(());
                }
            } else if taken.is_none() {
                match problem {
                    None => return Err("another replica has taken the lease".to_owned()),
                    Some(problem) if renewal.age(clock::now()) + RENEWAL >= DEADLINE => {
                        return Err(format!("the lease cannot be renewed: {problem}"));
                    }
                    Some(_) => {}
                }
            } else if let Some(problem) = problem {
                tracing::warn!(lease = self.name, "the lease cannot be read or taken: {problem}");
            } else {
                waits();
            }
            tokio::time::sleep(if holds { RENEWAL } else { LOOK }).await;
        }
    }

    /// One look at the lease; whether this replica has it afterwards.
    async fn attempt(
        &self,
        leases: &Api<Lease>,
        seen: &mut Option<Seen>,
    ) -> Result<bool, kube::Error> {
        let there = leases.get_opt(&self.name).await?;
        let step = step(there.as_ref(), &self.identity, seen, Instant::now());
        let written = match (step, there) {
            (Step::Wait, _) => return Ok(false),
            (Step::Take, Some(there)) => {
                let lease = self.renewed(Some(there));
                leases.replace(&self.name, &PostParams::default(), &lease).await
            }
            _ => leases.create(&PostParams::default(), &self.renewed(None)).await,
        };
        match written {
            Ok(_) => Ok(true),
            // Somebody else was faster; the next look says who.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The lease as this replica writes it. Its version makes the write conditional.
    fn renewed(&self, there: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let (metadata, before) = match there {
            Some(there) => (there.metadata, there.spec),
            None => {
                let (name, namespace) = (Some(self.name.clone()), Some(self.namespace.clone()));
                (ObjectMeta { name, namespace, ..ObjectMeta::default() }, None)
            }
        };
        let before = before.unwrap_or_default();
        let is_mine = before.holder_identity.as_ref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before.acquire_time.filter(|_| is_mine).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if is_mine { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    /// Lets another replica take it at once.
    async fn release(&self, leases: &Api<Lease>) {
        let work = async {
            let mut there = leases.get(&self.name).await?;
            let spec = there.spec.get_or_insert_default();
            if spec.holder_identity.as_ref() == Some(&self.identity) {
                spec.holder_identity = None;
                leases.replace(&self.name, &PostParams::default(), &there).await?;
            }
            Ok::<_, kube::Error>(())
        };
        // Whoever ends anyway has nothing to do about a failure: the lease expires.
        let _ = tokio::time::timeout(REQUEST, work).await;
    }
}

impl Held {
    /// Releases the lease.
    pub fn release(self) {
        self.stops.store(true, Ordering::Relaxed);
        // The thread ends after its present pause.
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = self.thread.join();
            let _ = done.send(());
        });
        let _ = is_done.recv_timeout(RENEWAL + 2 * REQUEST);
    }
}

fn step(there: Option<&Lease>, me: &str, seen: &mut Option<Seen>, now: Instant) -> Step {
    let Some(there) = there else { return Step::Create };
    let holder = there.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    if holder.is_none_or(|holder| holder.is_empty() || holder == me) {
        return Step::Take;
    }
    let version = &there.metadata.resource_version;
    match seen {
        Some(seen) if seen.version == *version => match now - seen.at >= DURATION {
            true => Step::Take,
            false => Step::Wait,
        },
        _ => {
            *seen = Some(Seen { version: version.clone(), at: now });
            Step::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn lease(holder: Option<&str>, version: &str) -> Lease {
        let metadata =
            ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() };
        let holder_identity = holder.map(str::to_owned);
        let spec = LeaseSpec { holder_identity, ..LeaseSpec::default() };
        Lease { metadata, spec: Some(spec) }
    }

    /// An API server that has a lease of this holder, and lets everybody take it.
    fn server(holder: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // A request of this size arrives at once, and the body does not matter.
                let _ = stream.read(&mut [0; 1 << 16]);
                let answer = serde_json::to_string(&lease(Some(holder), "1")).unwrap();
                let length = answer.len();
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
                let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{answer}");
            }
        });
        url
    }

    #[tokio::test]
    async fn a_replica_is_ready_by_the_lease_alone_only_while_another_one_has_it() {
        for (holder, takes) in [("", true), ("b", false)] {
            let config = Config::new(server(holder).parse().unwrap());
            let me = LeaseName { namespace: "n".into(), name: "l".into(), identity: "a".into() };
            let (stops, renewal, waits) =
                (AtomicBool::new(false), Renewal::default(), AtomicBool::new(false));
            let (taken, mut is_taken) = tokio::sync::oneshot::channel();
            let is_ready = || waits.store(true, Ordering::Relaxed);
            let keep = me.keep(config, &stops, taken, &renewal, is_ready);
            let _ = tokio::time::timeout(Duration::from_millis(700), keep).await;
            assert_eq!(is_taken.try_recv().is_ok(), takes);
            assert_eq!(waits.load(Ordering::Relaxed), !takes);
        }
    }

    #[test]
    fn a_lease_is_taken_only_when_it_is_free_or_was_not_renewed_for_its_duration() {
        let (now, mut seen) = (Instant::now(), None);
        assert_eq!(step(None, "a", &mut seen, now), Step::Create);
        assert_eq!(step(Some(&lease(Some("a"), "1")), "a", &mut seen, now), Step::Take);
        assert_eq!(step(Some(&lease(Some(""), "1")), "a", &mut seen, now), Step::Take);
        assert_eq!(step(Some(&lease(None, "1")), "a", &mut seen, now), Step::Take);
        let of_b = |version| lease(Some("b"), version);
        let just_before = DURATION - Duration::from_millis(1);
        assert_eq!(step(Some(&of_b("1")), "a", &mut seen, now), Step::Wait);
        assert_eq!(step(Some(&of_b("1")), "a", &mut seen, now + just_before), Step::Wait);
        // It was renewed, so its duration begins again.
        assert_eq!(step(Some(&of_b("2")), "a", &mut seen, now + just_before), Step::Wait);
        assert_eq!(step(Some(&of_b("2")), "a", &mut seen, now + DURATION), Step::Wait);
        let later = now + just_before + DURATION;
        assert_eq!(step(Some(&of_b("2")), "a", &mut seen, later), Step::Take);
    }

    #[test]
    fn whoever_cannot_renew_ends_before_another_takes_over_and_within_fifteen_seconds() {
        assert!(DEADLINE + REQUEST <= DURATION);
        assert!(DURATION + LOOK + REQUEST < Duration::from_secs(15));
    }

    #[test]
    fn nothing_is_written_without_a_lease_or_after_a_pause() {
        let (renewal, second) = (Renewal::default(), Duration::from_secs(1));
        assert!(!renewal.permits(second));
        renewal.set(100 * second);
        assert!(renewal.permits(100 * second) && renewal.permits(100 * second + second));
        assert!(!renewal.permits(100 * second + DEADLINE));
        renewal.set(clock::now());
        assert!(renewal.permits(clock::now()));
    }

    #[test]
    fn the_number_of_transitions_counts_holders() {
        let me = LeaseName { namespace: "n".into(), name: "l".into(), identity: "a".into() };
        let of = |there| me.renewed(there).spec.unwrap().lease_transitions;
        assert_eq!(of(None), Some(1));
        let mut there = lease(Some("b"), "1");
        there.spec.as_mut().unwrap().lease_transitions = Some(4);
        assert_eq!(of(Some(there.clone())), Some(5));
        there.spec.as_mut().unwrap().holder_identity = Some("a".to_owned());
        assert_eq!(of(Some(there)), Some(4));
    }
}

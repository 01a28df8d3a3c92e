//! Every interleaving of several publishers of one site, with crashes: the real plans and the real order
//! of the writes, on a model of a store with conditional writes. A reader could come at any moment, so
//! what holds for readers is judged in every state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use issuer_discovery::{DISCOVERY_NAME, IssuerUrl, KEYS_NAME, Ports, Published, Shape};
use issuer_jwks::{JwkSet, KeyId, WeakKeys};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::confirm::{algorithms, confirm, is_stored};
use crate::protocol::{Operation, operations, planned_again};
use crate::{Error, Plan, PlanOptions, Site, StoreState, Stored, Version};

/// The contents of a document, as a number: what a store with ETags compares.
type Content = usize;

/// The two documents: the keys, and the discovery document.
type Documents = [Option<Content>; 2];

/// Everything that a moment of the model has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    documents: Documents,
    publishers: Vec<Publisher>,
    crashes: usize,
}

/// Where a publisher is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Publisher {
    /// Reads the documents, which are two requests, before it plans; after a conflict with the plan that
    /// was overtaken, and the number of conflicts.
    Reads { read: [Option<Option<Content>>; 2], before: Option<PlanId>, conflicts: usize },
    /// Executes the operation with this number; what it has written already.
    Executes { plan: PlanId, next: usize, own: Documents, conflicts: usize },
    /// Reads the documents after its last write.
    Confirms { plan: PlanId, read: [Option<Option<Content>>; 2], conflicts: usize },
    /// Has ended with success.
    Done,
    /// Has ended with an error.
    Failed,
}

type PlanId = usize;

/// More than the conflicts of a run: those of one that is started again are counted from a multiple of
/// it, so that its values differ from those before.
const AGAIN: usize = 10;

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Event {
    /// A publisher reads this document.
    Read(usize, usize),
    /// It executes its next operation.
    Execute(usize),
    /// It goes on without a check, since the answer to its write was a proof.
    Trust(usize),
    /// It is killed, and started again.
    Crash(usize),
}

/// One publisher: what it publishes, and how.
struct Job {
    site: Site,
    options: PlanOptions,
}

struct Protocol {
    jobs: Vec<Job>,
    /// The published keys at the beginning, with their issuer's document.
    before: Option<Site>,
    /// Keys that a publisher removes on request.
    removed: Vec<KeyId>,
    /// How many runs are killed, and started again.
    crashes: usize,
    /// How many conflicts a run survives: in fact it goes on for a minute.
    conflicts: usize,
    known: Mutex<Known>,
}

/// Contents and plans by their numbers: there are few of them, and many states.
#[derive(Default)]
struct Known {
    contents: Vec<(Vec<u8>, String)>,
    plans: Vec<Planned>,
    planned: HashMap<(usize, Documents, Option<PlanId>), Option<PlanId>>,
    trusts: HashMap<(PlanId, usize), bool>,
    moves: HashMap<(usize, Publisher, Documents), (Publisher, Documents)>,
    found: HashMap<Documents, Arc<Found>>,
}

/// What readers find.
struct Found {
    /// Whether the discovery document has its keys, and lists their algorithms.
    whole: bool,
    /// Whether a key is missing that was there at the beginning and that nobody removes.
    lost: bool,
    /// Whether a key is there that somebody removes.
    removable: bool,
    /// Whether the keys of each job are there.
    complete: Vec<bool>,
    /// Whether there are keys of jobs with different issuers.
    mixed: bool,
}

#[derive(Clone)]
struct Planned {
    plan: Arc<Plan>,
    /// The keys whose removal the first plan of the run announced.
    agreed: Vec<KeyId>,
}

fn keys(case: &str) -> JwkSet {
    let path =
        format!("{}/../../fixtures/golden/cases/{case}/jwks.json", env!("CARGO_MANIFEST_DIR"));
    JwkSet::parse(&std::fs::read(path).unwrap(), WeakKeys::Refuse).unwrap()
}

fn site(case: &str, issuer: &str) -> Site {
    let issuer = IssuerUrl::parse(issuer, Ports::Refuse).unwrap();
    Site::new(keys(case), issuer, Shape::Irsa)
}

/// A bound of the exploration; `CONTRIBUTING.md` has larger ones.
fn bound(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

const ISSUER: &str = "https://oidc.example.com/prod";

impl Protocol {
    fn new(jobs: &[(&str, &str, bool)], before: Option<&str>) -> Self {
        let job = |(case, issuer, prune): &(&str, &str, bool)| Job {
            site: site(case, issuer),
            options: PlanOptions { prune: *prune, live_check: *prune, ..PlanOptions::default() },
        };
        let before = before.map(|case| site(case, ISSUER));
        let jobs: Vec<Job> = jobs.iter().map(job).collect();
        let pruned = jobs.iter().filter(|job| job.options.prune);
        let removed = pruned.flat_map(|job| {
            let before =
                before.iter().flat_map(|site| site.keys.difference(&job.site.keys).keys().to_vec());
            before.map(|jwk| jwk.kid).collect::<Vec<_>>()
        });
        let removed = removed.collect();
        let [conflicts, crashes] = [bound("MODEL_CONFLICTS", 1), bound("MODEL_CRASHES", 0)];
        Self { jobs, before, removed, crashes, conflicts, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// The state of the store, as a publisher reads it.
    fn state(&self, documents: Documents) -> StoreState {
        let [keys, discovery] =
            documents.map(|content| content.map(|content| self.stored(content)));
        StoreState { keys, discovery, ..StoreState::default() }
    }

    fn stored(&self, content: Content) -> Stored {
        let (bytes, issuer) = self.known().contents[content].clone();
        Stored {
            bytes,
            version: version(content),
            attributes: Default::default(),
            issuer: Some(issuer),
            written_secs: None,
            retained: true,
            record: Default::default(),
        }
    }

    fn content(&self, bytes: &[u8], issuer: &str) -> Content {
        let known = &mut self.known().contents;
        let same = |(other, of): &(Vec<u8>, String)| other == bytes && of == issuer;
        known.iter().position(same).unwrap_or_else(|| {
            known.push((bytes.to_vec(), issuer.to_owned()));
            known.len() - 1
        })
    }

    /// The plan of a publisher that has read this; `None` if it ends with an error.
    fn plan(&self, who: usize, read: Documents, before: Option<PlanId>) -> Option<PlanId> {
        let question = (who, read, before);
        if let Some(known) = self.known().planned.get(&question) {
            return *known;
        }
        let (job, state) = (&self.jobs[who], self.state(read));
        let before = before.map(|before| self.known().plans[before].clone());
        let planned = match &before {
            None => Plan::new("s3://my-oidc/prod", &job.site, &state, &job.options),
            Some(Planned { plan, agreed }) => {
                planned_again(plan, &job.site, &state, &job.options, agreed)
            }
        };
        let planned = planned.ok().map(|plan| {
            let agreed = before.map_or_else(|| plan.dropped(), |before| before.agreed);
            self.keep(plan, agreed)
        });
        self.known().planned.insert(question, planned);
        planned
    }

    fn keep(&self, plan: Plan, agreed: Vec<KeyId>) -> PlanId {
        let plans = &mut self.known().plans;
        let same = |other: &Planned| *other.plan == plan && other.agreed == agreed;
        plans.iter().position(same).unwrap_or_else(|| {
            plans.push(Planned { plan: Arc::new(plan), agreed });
            plans.len() - 1
        })
    }

    /// A plan that has another history.
    fn changed(&self, id: PlanId, change: impl FnOnce(&mut Plan)) -> PlanId {
        let Planned { plan, agreed } = self.known().plans[id].clone();
        let mut plan = Plan::clone(&plan);
        change(&mut plan);
        self.keep(plan, agreed)
    }

    fn planned(&self, id: PlanId) -> Arc<Plan> {
        Arc::clone(&self.known().plans[id].plan)
    }

    /// A run that has read both documents.
    fn begin(
        &self,
        who: usize,
        read: Documents,
        before: Option<PlanId>,
        conflicts: usize,
    ) -> Publisher {
        match self.plan(who, read, before) {
            None => Publisher::Failed,
            Some(plan) if self.planned(plan).is_empty() => Publisher::Done,
            Some(plan) => Publisher::Executes { plan, next: 0, own: [None; 2], conflicts },
        }
    }

    /// A run after a conflict, unless there were too many.
    fn overtaken(&self, plan: PlanId, conflicts: usize) -> Publisher {
        if conflicts % AGAIN == self.conflicts {
            return Publisher::Failed;
        }
        Publisher::Reads { read: [None; 2], before: Some(plan), conflicts: conflicts + 1 }
    }

    /// The next operation of a plan on the store.
    fn execute(&self, world: &mut World, who: usize) -> Publisher {
        let Publisher::Executes { mut plan, next, mut own, conflicts } = world.publishers[who]
        else {
            return Publisher::Failed;
        };
        let planned = self.planned(plan);
        let operations = operations(&planned, &format!("{who}-{conflicts}"));
        let (document, writes) = match &operations[next] {
            Operation::Write(document) => (document, true),
            Operation::Check(document) | Operation::CheckUnlessProved(document) => {
                (document, false)
            }
        };
        let place = usize::from(document.name == DISCOVERY_NAME);
        let stored = world.documents[place].map(|content| self.stored(content));
        if writes {
            let holds = match own[place] {
                Some(own) => world.documents[place] == Some(own),
                None => document.condition.holds_for(stored.as_ref()),
            };
            if !holds {
                return self.overtaken(plan, conflicts);
            }
            let content = self.content(&document.bytes, planned.issuer().as_str());
            (world.documents[place], own[place]) = (Some(content), Some(content));
            plan = self.changed(plan, |plan| {
                plan.wrote = true;
                plan.wrote_keys |= document.name == KEYS_NAME;
            });
        } else {
            match is_stored(&planned, document, stored.as_ref()) {
                Ok(true) => {}
                Ok(false) => return self.overtaken(plan, conflicts),
                Err(_) => return Publisher::Failed,
            }
        }
        match next + 1 < operations.len() {
            true => Publisher::Executes { plan, next: next + 1, own, conflicts },
            false => Publisher::Confirms { plan, read: [None; 2], conflicts },
        }
    }

    fn confirm(&self, plan: PlanId, read: Documents, conflicts: usize) -> Publisher {
        let mut judged = Plan::clone(&self.planned(plan));
        let state = self.state(read);
        match confirm(&mut judged, &[state.keys, state.discovery]) {
            Ok(()) => Publisher::Done,
            Err(Error::Changed { .. }) => {
                let before = self.changed(plan, |plan| plan.doubted = judged.doubted);
                self.overtaken(before, conflicts)
            }
            Err(_) => Publisher::Failed,
        }
    }

    /// Whether the next operation of a plan is one that a proof replaces.
    fn may_trust(&self, plan: PlanId, next: usize) -> bool {
        if let Some(known) = self.known().trusts.get(&(plan, next)) {
            return *known;
        }
        let operation = operations(&self.planned(plan), "").into_iter().nth(next);
        let trusts = matches!(operation, Some(Operation::CheckUnlessProved(_)));
        self.known().trusts.insert((plan, next), trusts);
        trusts
    }

    /// What a publisher does next to the documents, without a read.
    fn moved(&self, world: &mut World, who: usize) -> Publisher {
        let question = (who, world.publishers[who].clone(), world.documents);
        if let Some((publisher, documents)) = self.known().moves.get(&question) {
            world.documents = *documents;
            return publisher.clone();
        }
        let publisher = self.execute(world, who);
        self.known().moves.insert(question, (publisher.clone(), world.documents));
        publisher
    }

    fn found(&self, world: &World) -> Arc<Found> {
        if let Some(found) = self.known().found.get(&world.documents) {
            return Arc::clone(found);
        }
        let found = Arc::new(self.read(world.documents));
        self.known().found.insert(world.documents, Arc::clone(&found));
        found
    }

    fn read(&self, documents: Documents) -> Found {
        let state = self.state(documents);
        let parse = |stored: &Stored| JwkSet::parse(&stored.bytes, WeakKeys::Allow).unwrap();
        let keys = state.keys.as_ref().map(parse);
        let listed =
            state.discovery.as_ref().map(|stored| Published::parse(&stored.bytes).unwrap());
        let whole = match (&keys, &listed) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(keys), Some(document)) => {
                let listed = algorithms(document);
                keys.algorithms().iter().all(|algorithm| listed.contains(&algorithm.as_str()))
            }
        };
        let keys = keys.unwrap_or_default();
        let removable = |jwk: &issuer_jwks::Jwk| self.removed.contains(&jwk.kid);
        let before = self.before.iter().flat_map(|site| site.keys.keys());
        let is_there = |jwk: &issuer_jwks::Jwk| keys.keys().contains(jwk);
        let jobs = || self.jobs.iter();
        let has_some = |job: &&Job| job.site.keys.keys().iter().any(is_there);
        let mut issuers: Vec<_> =
            jobs().filter(has_some).map(|job| job.site.issuer.as_str()).collect();
        issuers.dedup();
        Found {
            whole,
            lost: before.into_iter().any(|jwk| !removable(jwk) && !is_there(jwk)),
            removable: keys.keys().iter().any(removable),
            complete: jobs()
                .map(|job| listed.is_some() && job.site.keys.keys().iter().all(is_there))
                .collect(),
            mixed: issuers.len() > 1,
        }
    }
}

fn version(content: Content) -> Version {
    Version { tag: content.to_string(), ours: true }
}

impl Model for Protocol {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let mut documents = [None; 2];
        if let Some(site) = &self.before {
            let plan = Plan::new(
                "s3://my-oidc/prod",
                site,
                &StoreState::default(),
                &PlanOptions::default(),
            );
            let plan = plan.unwrap();
            let content = |place: usize| self.content(&plan.documents()[place].bytes, ISSUER);
            documents = [Some(content(0)), Some(content(1))];
        }
        // What a run removes was announced by a plan that was made before the others began.
        let begins = |(who, job): (usize, &Job)| match job.options.prune {
            true => self.begin(who, documents, None, 0),
            false => Publisher::Reads { read: [None; 2], before: None, conflicts: 0 },
        };
        let publishers = self.jobs.iter().enumerate().map(begins).collect();
        vec![World { documents, publishers, crashes: 0 }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        for (who, publisher) in world.publishers.iter().enumerate() {
            match publisher {
                Publisher::Reads { read, .. } | Publisher::Confirms { read, .. } => {
                    let open = (0..2).filter(|place| read[*place].is_none());
                    events.extend(open.map(|place| Event::Read(who, place)));
                }
                Publisher::Executes { plan, next, .. } => {
                    events.push(Event::Execute(who));
                    if self.may_trust(*plan, *next) {
                        events.push(Event::Trust(who));
                    }
                }
                Publisher::Done | Publisher::Failed => continue,
            }
            if world.crashes < self.crashes {
                events.push(Event::Crash(who));
            }
        }
    }

    fn next_state(&self, last: &World, event: Event) -> Option<World> {
        let mut world = last.clone();
        let (Event::Read(who, _) | Event::Execute(who) | Event::Trust(who) | Event::Crash(who)) =
            event;
        world.publishers[who] = match (event, world.publishers[who].clone()) {
            (Event::Crash(_), _) => {
                world.crashes += 1;
                // Started again by a person who has seen that the keys to remove are the same.
                match self.jobs[who].options.prune {
                    true => Publisher::Failed,
                    false => {
                        let conflicts = AGAIN * world.crashes;
                        Publisher::Reads { read: [None; 2], before: None, conflicts }
                    }
                }
            }
            (Event::Read(_, place), Publisher::Reads { mut read, before, conflicts }) => {
                read[place] = Some(world.documents[place]);
                match read {
                    [Some(keys), Some(discovery)] => {
                        self.begin(who, [keys, discovery], before, conflicts)
                    }
                    _ => Publisher::Reads { read, before, conflicts },
                }
            }
            (Event::Read(_, place), Publisher::Confirms { mut read, plan, conflicts }) => {
                read[place] = Some(world.documents[place]);
                match read {
                    [Some(keys), Some(discovery)] => {
                        self.confirm(plan, [keys, discovery], conflicts)
                    }
                    _ => Publisher::Confirms { read, plan, conflicts },
                }
            }
            (Event::Execute(_), Publisher::Executes { .. }) => self.moved(&mut world, who),
            (Event::Trust(_), Publisher::Executes { plan, next, own, conflicts }) => {
                Publisher::Executes { plan, next: next + 1, own, conflicts }
            }
            _ => return None,
        };
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no reader finds a torn site", |model: &Self, world: &World| {
                model.found(world).whole
            }),
            Property::always("a key that was published stays", |model: &Self, world: &World| {
                !model.found(world).lost
            }),
            Property::always("success means that the keys are published", |model: &Self, world| {
                let found = model.found(world);
                let mut ends = world.publishers.iter().zip(&found.complete);
                ends.all(|(publisher, complete)| *publisher != Publisher::Done || *complete)
            }),
            Property::always("a removed key does not come back", |model: &Self, world: &World| {
                let mut ends = model.jobs.iter().zip(&world.publishers);
                !ends.any(|(job, end)| job.options.prune && *end == Publisher::Done)
                    || !model.found(world).removable
            }),
            Property::always("the keys of two issuers never mix", |model: &Self, world: &World| {
                !model.found(world).mixed
            }),
            Property::sometimes("some run ends well", |_, world: &World| {
                world.publishers.contains(&Publisher::Done)
            }),
        ]
    }
}

/// Explores every state, and returns how many there are.
#[track_caller]
fn explore(protocol: Protocol) -> usize {
    let checker = protocol.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

const OTHER: &str = "https://other.example.com";

#[test]
fn three_publishers_of_a_new_site_lose_no_key_in_any_interleaving() {
    let jobs = [("rsa2048", ISSUER, false), ("p256", ISSUER, false), ("p384", ISSUER, false)];
    let states = explore(Protocol::new(&jobs, None));
    println!("{states} states");
    assert!(states > 1000, "{states}");
}

#[test]
fn two_publishers_and_one_that_prunes_keep_a_site_whole_in_any_interleaving() {
    let jobs = [("p256", ISSUER, false), ("p384", ISSUER, false), ("rsa4096", ISSUER, true)];
    let states = explore(Protocol::new(&jobs, Some("rotation-new-and-old")));
    println!("{states} states");
    assert!(states > 1000, "{states}");
}

#[test]
fn keys_of_two_issuers_never_mix_in_any_interleaving() {
    let jobs = [("rsa2048", ISSUER, false), ("p256", OTHER, false), ("p384", OTHER, false)];
    let states = explore(Protocol::new(&jobs, None));
    println!("{states} states");
    assert!(states > 1000, "{states}");
}

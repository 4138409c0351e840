//! The parts and how they act.

use std::collections::{BTreeMap, BTreeSet};

use discovery_core::endpoint::{NodeId, RegionId, ServiceId};
use discovery_core::engine::{DrainTarget, Snapshot};
use discovery_core::health::CallOutcome;
use discovery_core::pick::{LowDiscrepancy, Request};
use discovery_core::registry::{Entry, Op, Registration, RegistrationStatus};
use discovery_core::rng::{self, Xoshiro256PlusPlus};
use discovery_core::{EndpointId, EndpointSpec, Engine, Input, Picker, Registry, Timestamp};
use rand::RngExt as _;

use super::events::{Agenda, Event};
use super::setup::{Ids, fresh};

/// Chaos ends here, and everything must have settled there (milliseconds).
pub(crate) const QUIET: u64 = 40_000;
pub(crate) const END: u64 = 130_000;

pub(crate) const OWNER: &str = "berth";
pub(crate) const PODS: u64 = 10;

/// What is true of a pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) spec: EndpointSpec,
    pub(crate) well: bool,
    pub(crate) drained: bool,
}

/// A proxy: the table it read last, and when.
pub(crate) struct Proxy {
    pub(crate) names: Vec<String>,
    pub(crate) weights: Vec<u32>,
    pub(crate) picker: LowDiscrepancy,
    /// The start of the last whole sync whose result the table holds.
    pub(crate) seen_sync: Option<u64>,
}

/// A sync that is being written.
pub(crate) struct Writing {
    pub(crate) id: u64,
    pub(crate) began: u64,
    pub(crate) left: Vec<Vec<Op>>,
    /// Whether its plan leaves somebody serving.
    pub(crate) serves: bool,
}

pub(crate) struct World {
    pub(crate) rng: Xoshiro256PlusPlus,
    pub(crate) now: u64,
    pub(crate) agenda: Agenda,
    pub(crate) engine: Option<Engine>,
    pub(crate) saved: Snapshot,
    pub(crate) service: ServiceId,
    pub(crate) ids: Ids,
    pub(crate) pods: BTreeMap<String, Pod>,
    pub(crate) nodes_drained: BTreeSet<NodeId>,
    pub(crate) registry: Registry,
    pub(crate) registry_up: bool,
    pub(crate) source_up: bool,
    pub(crate) callers_up: bool,
    pub(crate) region_drained: Option<RegionId>,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) writing: Option<Writing>,
    pub(crate) syncs: u64,
    /// Writes of syncs up to this one died with the connections of a crashed engine.
    pub(crate) fence: u64,
    pub(crate) clean_sync: Option<u64>,
    /// Whether the last sync left entries that the engine does not know.
    pub(crate) withheld: bool,
    /// How far the engine's clock is ahead of the truth (milliseconds), and when it was set last.
    pub(crate) skew: i64,
    pub(crate) jumped: u64,
    /// When endpoints were probed last, or seen first.
    pub(crate) probed_at: BTreeMap<EndpointId, u64>,
    /// Since when the engine has given a name no weight.
    pub(crate) zero_since: BTreeMap<String, u64>,
    pub(crate) log: Vec<String>,
}

/// So often the time is told in one moment before it counts as a deadline that never passes; a few fall due together.
const MOST_TOLD: u32 = 10_000;
/// Enough for a clock that is set back by days.
pub(crate) const EPOCH: u64 = 100 * DAY as u64;
pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn time(ms: u64) -> Timestamp {
    Timestamp::from_millis(EPOCH + ms)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let (engine, ids) = fresh(seed);
        let empty = || Proxy {
            names: Vec::new(),
            weights: Vec::new(),
            picker: LowDiscrepancy::new(&[], 0),
            seen_sync: None,
        };
        let mut world = Self {
            rng: rng::stream(seed, "world"),
            now: 0,
            agenda: Agenda::default(),
            saved: engine.snapshot(),
            engine: Some(engine),
            service: ids.service,
            ids,
            pods: BTreeMap::new(),
            nodes_drained: BTreeSet::new(),
            registry: Registry::new(),
            registry_up: true,
            source_up: true,
            callers_up: true,
            region_drained: None,
            proxies: vec![empty(), empty()],
            writing: None,
            syncs: 0,
            fence: 0,
            clean_sync: None,
            withheld: false,
            skew: 0,
            jumped: 0,
            probed_at: BTreeMap::new(),
            zero_since: BTreeMap::new(),
            log: Vec::new(),
        };
        world.registry.insert("web", "p1", world.foreign());
        let first = 2 + world.rng.random_range(0..6);
        (0..first).for_each(|i| world.add(i + 2));
        for (i, event) in [
            Event::List,
            Event::Sync,
            Event::Poll(0),
            Event::Poll(1),
            Event::Call,
            Event::Save,
        ]
        .into_iter()
        .enumerate()
        {
            world.agenda.push(10 * i as u64, event);
        }
        world.agenda.push(3_000, Event::Chaos);
        world.agenda.push(1_000, Event::Operator);
        world
    }

    /// Another's entry, under a name that one of our pods may want.
    pub(crate) fn foreign(&self) -> Entry {
        let wanted = Registration {
            service: "web",
            name: "p1",
            node: "theirs",
            zone: "",
            region: "",
            address: ([192, 0, 2, 1], 80).into(),
            weight: 0,
            status: RegistrationStatus::Failing,
        };
        Entry::new(&wanted, "them", 0)
    }

    pub(crate) fn add(&mut self, i: u64) {
        let spec = EndpointSpec::new(
            self.service,
            self.ids.nodes[self.rng.random_range(0..4) as usize],
            self.ids.zone,
            self.ids.regions[self.rng.random_range(0..2) as usize],
            ([10, 0, 0, i as u8], 80).into(),
        )
        .with_base_weight([1, 50, 100][self.rng.random_range(0..3) as usize])
        .with_started_at(time(self.now));
        let pod = Pod {
            spec,
            well: !self.rng.random_ratio(1, 8),
            drained: false,
        };
        let name = format!("p{i}");
        self.pods.insert(name.clone(), pod);
        self.say(&name);
    }

    pub(crate) fn run(&mut self) -> Result<(), String> {
        let mut told = 0;
        while self.now < END {
            let due = self.deadline().unwrap_or(u64::MAX);
            let next = self.agenda.next_at().unwrap_or(u64::MAX);
            if due <= next {
                told = if due > self.now { 0 } else { told + 1 };
                if told > MOST_TOLD {
                    return Err(format!(
                        "at {} ms the engine waits for {due} ms for ever",
                        self.now
                    ));
                }
                self.now = self.now.max(due);
                self.tell(Input::Time)?;
                continue;
            }
            told = 0;
            let Some((at, event)) = self.agenda.pop() else {
                break;
            };
            self.now = self.now.max(at);
            self.happen(event)?;
        }
        self.settled()
    }

    pub(crate) fn chaotic(&self) -> bool {
        self.now < QUIET
    }

    /// A message: usually once and soon, in chaos now and then late, twice or never.
    pub(crate) fn send(&mut self, event: Event) {
        let delay = 1 + self.rng.random_range(0..30);
        if self.chaotic() {
            match self.rng.random_range(0..20) {
                0 => return,
                1 => self.agenda.push(
                    self.now + delay + self.rng.random_range(0..500),
                    event.clone(),
                ),
                2 => {
                    return self
                        .agenda
                        .push(self.now + self.rng.random_range(0..4_000), event);
                }
                _ => {}
            }
        }
        self.agenda.push(self.now + delay, event);
    }

    /// The source says what it knows of one pod.
    pub(crate) fn say(&mut self, name: &str) {
        if !self.source_up {
            return;
        }
        let event = match self.pods.get(name) {
            Some(pod) => Event::Upsert(name.to_owned(), pod.spec),
            None => Event::Remove(name.to_owned()),
        };
        self.send(event);
    }

    pub(crate) fn again(&mut self, after: u64, event: Event) {
        self.agenda.push(self.now + after, event);
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Chaos if self.chaotic() => {
                self.chaos();
                let wait = 200 + self.rng.random_range(0..1_500);
                self.again(wait, Event::Chaos);
            }
            Event::Chaos => self.end_chaos(),
            Event::Upsert(name, spec) => return self.tell(Input::Upsert { name: &name, spec }),
            Event::Remove(name) => return self.tell(Input::Remove { name: &name }),
            Event::List => {
                let all = self.pods.iter().map(|(n, p)| (n.clone(), p.spec)).collect();
                if self.source_up {
                    self.send(Event::Relist(all));
                }
                self.again(5_000, Event::List);
            }
            Event::Relist(all) => {
                let all: Vec<_> = all.iter().map(|(n, s)| (n.as_str(), *s)).collect();
                return self.tell(Input::Snapshot {
                    service: self.service,
                    endpoints: &all,
                });
            }
            Event::Gone(name, started) => {
                let same = |p: &Pod| p.spec.started_at.as_nanos() == started;
                if self.pods.get(&name).is_some_and(same) {
                    self.pods.remove(&name);
                    self.say(&name);
                }
            }
            Event::Probed(endpoint, attempt, outcome) => {
                return self.tell(Input::Probed {
                    endpoint,
                    attempt,
                    outcome,
                });
            }
            Event::Called(name, outcome) => return self.called(&name, outcome),
            Event::Sync => self.sync(),
            Event::Write(id, ops) => return self.write(id, &ops),
            Event::Written(id, well) => self.written(id, well),
            Event::Poll(i) => self.poll(i),
            Event::Call => return self.call(),
            Event::Jump(by) => return self.jump(by),
            Event::Save => {
                if let Some(engine) = &self.engine {
                    self.saved = engine.snapshot();
                }
                self.again(2_500, Event::Save);
            }
            Event::Crash
            | Event::Restart
            | Event::RegistryBack
            | Event::SourceBack
            | Event::CallersBack
            | Event::ProxyCrash(_)
            | Event::Undrain(_) => return self.fail_or_return(&event),
            Event::Operator => return self.operate(),
        }
        Ok(())
    }

    fn called(&mut self, name: &str, outcome: CallOutcome) -> Result<(), String> {
        match self.engine.as_ref().and_then(|e| e.find(name)) {
            Some(endpoint) => self.tell(Input::CallsEnded {
                endpoint,
                outcome,
                count: 1,
            }),
            None => Ok(()),
        }
    }

    /// Something goes down, or comes up again.
    fn fail_or_return(&mut self, event: &Event) -> Result<(), String> {
        match *event {
            Event::Crash => {
                (self.engine, self.writing) = (None, None);
                self.fence = self.syncs;
            }
            Event::Restart if self.engine.is_none() => return self.restart(),
            Event::RegistryBack => self.registry_up = true,
            Event::SourceBack => self.source_up = true,
            Event::CallersBack => self.callers_up = true,
            Event::ProxyCrash(i) => {
                self.proxies[i].names.clear();
                self.proxies[i].weights.clear();
                self.proxies[i].picker = LowDiscrepancy::new(&[], 0);
            }
            Event::Undrain(DrainTarget::Node(node)) => {
                self.nodes_drained.remove(&node);
            }
            Event::Undrain(DrainTarget::Region(_)) => self.region_drained = None,
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        self.again(100, Event::Call);
        if !self.callers_up {
            return Ok(());
        }
        let i = self.rng.random_range(0..2) as usize;
        let Some(slot) = self.proxies[i].picker.pick(&Request::default()) else {
            return Ok(());
        };
        let name = self.proxies[i].names[slot].clone();
        self.stale(i, &name)?;
        let well = self.pods.get(&name).is_some_and(|p| p.well);
        self.send(Event::Called(
            name,
            if well {
                CallOutcome::Ok
            } else {
                CallOutcome::Error
            },
        ));
        Ok(())
    }

    pub(crate) fn picks(&mut self, i: usize, n: usize) -> Vec<usize> {
        let picker = &mut self.proxies[i].picker;
        (0..n)
            .filter_map(|_| picker.pick(&Request::default()))
            .collect()
    }
}

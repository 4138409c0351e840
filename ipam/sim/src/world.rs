//! The world that is simulated: one clock, one queue of what comes next, one store, the hosts.

use crate::check::Checks;
use crate::disk::Disk;
use crate::net::{Net, Reply};
use crate::setup::{Rates, START, Setup};
use crate::view::Host;
use ipam::Timestamp;
use ipam::rng::{Xoshiro256PlusPlus, stream};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What comes next.
#[derive(Debug)]
pub(crate) enum Event {
    /// A host has slept enough.
    Wake { host: usize, life: u32 },
    /// A message reaches the store; the answer takes so long, if it ever comes.
    Arrive { ticket: u64, back: Option<Duration> },
    /// An answer reaches its host.
    Answered { ticket: u64, reply: Reply },
    /// A host has waited long enough for an answer.
    TimedOut { ticket: u64 },
    /// Something breaks.
    Fault,
    /// A host that crashed is back.
    Restart { host: usize },
    /// Faults and new work end.
    Settle,
}

/// What is to be done with a host's future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    Poll(usize),
    Crash(usize),
    Start(usize),
    /// Nothing comes any more, or all is said.
    Over,
}

/// How far a simulation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Busy,
    /// Nothing breaks, nobody starts; what was begun is ended.
    Settling,
    Over,
}

/// What a host is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operation {
    pub(crate) name: String,
    /// When it began, by the true time.
    pub(crate) began: Timestamp,
    /// Whether it may write over damaged records.
    pub(crate) repairs: bool,
}

/// One stream of numbers a purpose.
#[derive(Debug)]
pub(crate) struct Rngs {
    pub(crate) net: Xoshiro256PlusPlus,
    pub(crate) faults: Xoshiro256PlusPlus,
    pub(crate) damage: Xoshiro256PlusPlus,
}

/// All that is simulated, but for the hosts' futures.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) setup: Setup,
    /// The true time: the store's, and every host's monotonic clock.
    pub(crate) now: Timestamp,
    pub(crate) phase: Phase,
    queue: BTreeMap<(Timestamp, u64), Event>,
    order: u64,
    pub(crate) steps: u64,
    pub(crate) net: Net,
    pub(crate) disk: Disk,
    /// The hosts, and after them the operator.
    pub(crate) hosts: Vec<Host>,
    pub(crate) checks: Checks,
    pub(crate) rngs: Rngs,
    /// Workloads on their way, with the host that they go to.
    pub(crate) moves: BTreeMap<String, usize>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) trace: Option<Vec<String>>,
}

/// The world in the hands of all who are in it. Nobody ever waits for the lock: all run in one thread.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Looks at the world, or alters it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl World {
    pub(crate) fn new(setup: Setup, disk: Disk, hosts: Vec<Host>, trace: bool) -> Self {
        let of = |name| stream(setup.seed, name);
        Self {
            now: START,
            phase: Phase::Busy,
            queue: BTreeMap::new(),
            order: 0,
            steps: 0,
            net: Net::default(),
            disk,
            hosts,
            checks: Checks::new(&setup),
            rngs: Rngs {
                net: of("messages"),
                faults: of("faults"),
                damage: of("damage"),
            },
            moves: BTreeMap::new(),
            counts: BTreeMap::new(),
            trace: trace.then(Vec::new),
            setup,
        }
    }

    /// Has something happen later.
    pub(crate) fn later(&mut self, pause: Duration, event: Event) {
        self.order += 1;
        self.queue
            .insert((self.now.after(pause), self.order), event);
    }

    /// What goes wrong at present.
    pub(crate) fn rates(&self) -> Rates {
        match self.phase {
            Phase::Busy => self.setup.rates,
            _ => Rates::default(),
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Notes a line of the trace, which is only made up where somebody wants it.
    pub(crate) fn note(&mut self, who: usize, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.now.since(START);
            let who = self.hosts.get(who).map_or("-", |host| &host.name);
            trace.push(format!("{:>10.4} s  {who:<8} {}", at.as_secs_f64(), line()));
        }
    }

    /// Lets the next thing happen.
    pub(crate) fn step(&mut self) -> Next {
        if self.phase == Phase::Over || self.checks.broken.is_some() {
            return Next::Over;
        }
        let Some(((at, _), event)) = self.queue.pop_first() else {
            return Next::Over;
        };
        self.now = at;
        self.steps += 1;
        match event {
            Event::Wake { host, life } if self.hosts[host].life == life => self.awake(host),
            Event::Wake { .. } => Next::Nothing,
            Event::Arrive { ticket, back } => {
                self.arrive(ticket, back);
                Next::Nothing
            }
            Event::Answered { ticket, reply } => {
                let host = self.answered(ticket, reply);
                host.map_or(Next::Nothing, |host| self.awake(host))
            }
            Event::TimedOut { ticket } => {
                let host = self.timed_out(ticket);
                host.map_or(Next::Nothing, |host| self.awake(host))
            }
            Event::Fault => self.fault(),
            Event::Restart { host } => {
                self.note(host, || "is back".into());
                self.hosts[host].up = true;
                Next::Start(host)
            }
            Event::Settle => self.settle(),
        }
    }

    /// A host goes on, unless it is stalled.
    fn awake(&mut self, host: usize) -> Next {
        let until = self.hosts[host].stalled_until;
        if until <= self.now {
            return Next::Poll(host);
        }
        let life = self.hosts[host].life;
        self.later(until.since(self.now), Event::Wake { host, life });
        Next::Nothing
    }
}

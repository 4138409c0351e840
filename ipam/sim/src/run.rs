//! One simulation from its beginning to its end.

use crate::Bug;
use crate::agent::live;
use crate::disk::Disk;
use crate::operator::clean_up;
use crate::setup::{START, Setup};
use crate::stopwatch::Stopwatches;
use crate::view::Host;
use crate::world::{Event, Next, Shared, World};
use ipam::store::{MemoryStore, Record, Txn, ready};
use ipam::{Replica, Store as _};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What is simulated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Decides everything.
    pub seed: u64,
    /// A bug to put in.
    pub bug: Option<Bug>,
    /// Whether to note what happens.
    pub trace: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What does not hold, if anything.
    pub broken: Option<String>,
    /// Events that happened.
    pub steps: u64,
    /// Messages that were sent to the store.
    pub messages: u64,
    /// The simulated time.
    pub lasted: Duration,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// What happened, line by line, if it was to be noted.
    pub trace: Vec<String>,
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Runs one simulation: the same options give the same outcome.
///
/// ```
/// use ipam_sim::{Options, run};
///
/// let outcome = run(Options { seed: 7, ..Options::default() });
/// assert_eq!(outcome.broken, None);
/// assert!(outcome.counts["claim"] > 0);
/// ```
#[must_use]
pub fn run(options: Options) -> Outcome {
    let setup = Setup::draw(options.seed, options.bug);
    let hosts = (0..=setup.hosts).map(|number| Host::new(&setup, number));
    let hosts: Vec<Host> = hosts.collect();
    let disk = Disk {
        memory: MemoryStore::with_history(setup.history),
        clock: Stopwatches::default(),
        bug: setup.bug,
    };
    let mut world = World::new(setup, disk, hosts, options.trace);
    if let Err(line) = begin(&mut world) {
        world.checks.fail(|| line);
    }
    let busy = world.setup.busy;
    world.later(Duration::ZERO, Event::Fault);
    world.later(busy, Event::Settle);
    let world = Shared::new(world);
    drive(&world);
    world.with(|world| Outcome {
        broken: world.checks.broken.take(),
        steps: world.steps,
        messages: world.net.messages,
        lasted: world.now.since(START),
        counts: std::mem::take(&mut world.counts),
        trace: world.trace.take().unwrap_or_default(),
    })
}

/// The pools are there before the hosts.
pub(crate) fn begin(world: &mut World) -> Result<(), String> {
    let memory = std::mem::take(&mut world.disk.memory);
    let seed = world.setup.seed;
    let opened = ready(Replica::open(memory, START, seed)).ok_or("memory was waited for")?;
    let mut replica = opened.map_err(|error| error.to_string())?;
    for spec in &world.setup.pools {
        let added = replica.add_pool(START, spec.clone(), |_| std::future::ready(()));
        let added = ready(added).ok_or("memory was waited for")?;
        added.map_err(|error| error.to_string())?;
    }
    world.disk.memory = replica.into_store();
    let time = Record::Time {
        now: START,
        origin: None,
    };
    let txn = Txn {
        put: vec![(time.key(), time.encode())],
        ..Txn::default()
    };
    let written = ready(world.disk.memory.commit(txn)).ok_or("memory was waited for")?;
    written.map_err(|error| error.to_string())?;
    world.look_anew()
}

/// The futures of a simulation's hosts, then the operator's.
fn drive(world: &Shared) {
    let operator = world.with(|world| world.setup.hosts);
    let make = |host: usize| -> Task {
        match host == operator {
            true => Box::pin(clean_up(world.clone(), host)),
            false => Box::pin(live(world.clone(), host)),
        }
    };
    let mut tasks: Vec<Option<Task>> = (0..operator).map(|host| Some(make(host))).collect();
    tasks.push(None);
    poll_all(world, tasks, make);
}

/// Lets everything happen, and polls the futures that it concerns.
pub(crate) fn poll_all(world: &Shared, mut tasks: Vec<Option<Task>>, make: impl Fn(usize) -> Task) {
    let mut context = Context::from_waker(Waker::noop());
    let mut poll = |task: &mut Option<Task>| {
        if let Some(future) = task
            && let Poll::Ready(()) = future.as_mut().poll(&mut context)
        {
            *task = None;
        }
    };
    tasks.iter_mut().for_each(&mut poll);
    loop {
        match world.with(World::step) {
            Next::Nothing => {}
            Next::Poll(host) => poll(&mut tasks[host]),
            Next::Crash(host) => tasks[host] = None,
            Next::Start(host) => {
                tasks[host] = Some(make(host));
                poll(&mut tasks[host]);
            }
            Next::Over => return,
        }
    }
}

//! The simulated platform: one run of a trace under one policy.
//!
//! A second: demand is sampled; the engine probes, weighs and syncs; moves advance; demand is divided over the
//! replicas and the hosts' cores; the uplinks are divided; hosts are sampled, and where one is overloaded the
//! planner's moves begin; every invariant is checked.

mod addresses;
mod greedy;
mod moves;
mod placement;
mod said;
mod shaping;
mod shares;
mod tenant;
mod traffic;
mod watch;

use crate::error::Error;
use crate::events::Events;
use crate::figures::Figures;
use crate::host::HOST_CORES;
use crate::load::{Load, Replica};
use crate::policy::Policy;
use crate::trace::Trace;
use crate::upsample::{Between, Upsampler};
use addresses::Addresses;
use moves::Move;
use scheduler_core::live::Sample;
use scheduler_core::{NodeId, Protector, TaskId, Timestamp};
use serde_json::json;
use shaping::Shaping;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use tenant::Tenant;
use traffic::Traffic;

/// What a run is made from.
pub(super) struct Setup<'a> {
    pub(super) trace: &'a Trace,
    pub(super) hosts: usize,
    pub(super) policy: Policy,
    pub(super) warm_up: bool,
    pub(super) between: Between,
    pub(super) seed: u64,
}

impl Setup<'_> {
    /// The first second that counts, and in which anything may move: after the hour (half the trace, where that is
    /// shorter) that placement by load is made from.
    fn judged_from(&self) -> u64 {
        LEARNING.min(self.trace.seconds() / 2)
    }
}

/// Seconds whose mean load the first placement is made from.
const LEARNING: u64 = 3_600;

/// One run's state.
struct World<'a> {
    setup: &'a Setup<'a>,
    figures: Figures,
    /// Each container's service.
    of: Vec<usize>,
    protector: Protector,
    addresses: Addresses,
    traffic: Traffic,
    shaping: Vec<Shaping>,
    load: Load,
    replicas: Vec<Option<Replica>>,
    tenants: Vec<Option<Tenant>>,
    /// Starts of each container so far.
    starts: Vec<u32>,
    /// Whether the container's own address is being handed over.
    awaiting_address: Vec<bool>,
    moves: Vec<Move>,
    /// When the overload of each host began.
    hot_since: Vec<Option<u64>>,
    /// Whether something changed that the full checks look at.
    changed: bool,
    samples: Samples,
}

/// Buffers for what is measured each second.
struct Samples {
    hosts: Vec<Sample>,
    tasks: Vec<Sample>,
    events: Vec<scheduler_core::live::Event>,
}

/// The planner's number of a container.
fn task_of(container: usize) -> TaskId {
    TaskId(u32::try_from(container).unwrap_or(u32::MAX))
}

/// The planner's number of a host.
fn node_of(host: usize) -> NodeId {
    NodeId(u32::try_from(host).unwrap_or(u32::MAX))
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(second)
}

/// An invariant that broke, or a core that refused what it should take: exit 1, with the step named.
fn broken(second: u64, core: &str, problem: &dyn Display) -> Error {
    Error::invariant(second, core, problem)
}

/// The whole run.
pub(super) fn run(
    setup: &Setup<'_>,
    events: &mut Events,
    done: &AtomicU64,
) -> Result<Figures, Error> {
    let mut world = World::new(setup, events)?;
    let mut demand = vec![0.0; setup.trace.containers.len()];
    let mut upsampler = Upsampler::new(setup.trace, setup.between, setup.seed);
    let seconds = setup.trace.seconds();
    for second in 0..seconds {
        upsampler.step(second, &mut demand);
        world.step(second, second + 1 == seconds, &demand, events)?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(world.finish(seconds))
}

impl<'a> World<'a> {
    /// Places and starts every container; all are warm.
    fn new(setup: &'a Setup<'a>, events: &mut Events) -> Result<Self, Error> {
        let trace = setup.trace;
        let (containers, hosts) = (trace.containers.len(), setup.hosts);
        let names: Vec<String> = (0..hosts).map(|h| format!("host-{h:03}")).collect();
        let protector = placement::place(setup)?;
        let warm = setup.warm_up;
        let regions: Vec<usize> = (0..hosts).map(placement::region).collect();
        let mut world = Self {
            setup,
            figures: Figures::new(setup.policy, warm, setup.judged_from()),
            of: trace.containers.iter().map(|c| c.service).collect(),
            protector,
            addresses: Addresses::new(setup.seed, trace, names.clone())?,
            traffic: Traffic::new(setup.seed, &trace.services, &names, &regions, warm)?,
            shaping: (0..hosts)
                .map(|_| Shaping::new())
                .collect::<Result<_, _>>()?,
            load: Load::new(
                trace.services.len(),
                hosts,
                trace
                    .containers
                    .iter()
                    .map(crate::trace::Container::cores)
                    .collect(),
            ),
            replicas: Vec::with_capacity(containers),
            tenants: Vec::with_capacity(containers),
            starts: vec![0; containers],
            awaiting_address: vec![false; containers],
            moves: Vec::new(),
            hot_since: vec![None; hosts],
            changed: true,
            samples: Samples {
                hosts: vec![0; hosts],
                tasks: vec![0; containers],
                events: Vec::new(),
            },
        };
        let reason = match setup.policy {
            Policy::ByCount => "fewest tasks first",
            _ => "the least loaded host, largest first, by the first hour's mean",
        };
        for container in 0..containers {
            let task = task_of(container);
            let node = world
                .protector
                .cluster()
                .node_of(task)
                .map_or(0, NodeId::index);
            events.say(
                0,
                "scheduler-core",
                "place",
                &trace.containers[container].name,
                reason,
                json!({"host": node}),
            );
            let replica = world.create(0, container, node, true, events)?;
            world.claim(0, replica, events)?;
            world.serve(0, replica)?;
        }
        Ok(world)
    }

    fn step(
        &mut self,
        second: u64,
        last: bool,
        demand: &[f32],
        events: &mut Events,
    ) -> Result<(), Error> {
        self.advance(second, events)?;
        self.direct(second, events)?;
        self.traffic.pick(second, last, &mut self.figures)?;
        self.serve_demand(second, demand);
        for (host, shaping) in self.shaping.iter_mut().enumerate() {
            shaping.divide(second, host, &mut self.figures, events)?;
        }
        self.observe(second, events)?;
        if self.figures.judges(second) {
            match self.setup.policy {
                Policy::Protected => self.relieve(second, events)?,
                Policy::Greedy => self.relieve_greedily(second, events)?,
                Policy::ByCount | Policy::ByLoad => {}
            }
        }
        self.check(second)
    }

    /// The engine's second: probes, weights, sync; and what callers know from now on.
    fn direct(&mut self, second: u64, events: &mut Events) -> Result<(), Error> {
        let Self {
            traffic,
            tenants,
            replicas,
            awaiting_address,
            figures,
            ..
        } = self;
        let up = |r: usize| {
            tenants
                .get(r)
                .and_then(Option::as_ref)
                .is_some_and(|t| t.up)
        };
        traffic.step(second, figures, events, up, |replica, name, factor| {
            let tenant = tenants.get(replica).and_then(Option::as_ref);
            let endpoint = tenant.and_then(Tenant::endpoint);
            // What callers learn of a name that the replica has left says nothing about the replica.
            if endpoint.is_none_or(|(current, _)| current != name) {
                return;
            }
            if let Some(replica) = replicas.get_mut(replica).and_then(Option::as_mut) {
                replica.factor = factor;
                if factor > 0.0 {
                    awaiting_address[replica.container] = false;
                }
            }
        })
    }

    /// Divides the demand and the hosts' cores.
    fn serve_demand(&mut self, second: u64, demand: &[f32]) {
        let lost = self.load.divide(
            second,
            demand,
            &self.of,
            &self.awaiting_address,
            &mut self.replicas,
        );
        let asked = demand.iter().map(|&d| f64::from(d)).sum();
        self.figures.lost(second, asked, &lost);
        self.samples.tasks.fill(0);
        for shaping in &mut self.shaping {
            shaping.clear_demand();
        }
        for replica in self.replicas.iter().flatten() {
            // A host that is short of cores gives everybody the same share of what they ask.
            let asked = self.load.asked[replica.host];
            let share = if asked > HOST_CORES {
                HOST_CORES / asked
            } else {
                1.0
            };
            self.samples.tasks[replica.container] +=
                (f64::from(replica.need) * share * 1_000.0) as Sample;
            let served = replica.requests * share as f32;
            self.shaping[replica.host].demand(replica.container, served);
        }
    }

    /// The figures of the whole run.
    fn finish(mut self, seconds: u64) -> Figures {
        for since in self.hot_since.iter_mut().filter_map(Option::take) {
            // Still overloaded at the day's end: it lasted at least this long.
            self.figures.relief_of(Some(since), seconds);
        }
        let used = self.shaping.iter().filter(|s| s.ever_used()).count();
        self.figures.hosts_used = used as u64;
        self.figures.shared_cores = used as f64 * HOST_CORES;
        let own = self
            .setup
            .trace
            .containers
            .iter()
            .map(|c| f64::from(c.cores()));
        self.figures.dedicated_cores = own.sum();
        self.figures.finish();
        self.figures
    }
}

#[cfg(test)]
mod tests;

//! The simulated platform: one run of a trace, with or without overload protection.
//!
//! A second: demand is sampled; the engine probes, weighs and syncs; moves advance; demand is divided over the
//! replicas and the hosts' cores; the uplinks are divided; hosts are sampled, and where one is overloaded the
//! planner's moves begin; every invariant is checked.

mod addresses;
mod moves;
mod placement;
mod said;
mod shaping;
mod shares;
mod traffic;
mod watch;

use crate::error::Error;
use crate::events::Events;
use crate::figures::Figures;
use crate::host::HOST_CORES;
use crate::load::{Load, Replica};
use crate::trace::Trace;
use crate::upsample::Upsampler;
use addresses::{Addresses, Held};
use moves::Move;
use scheduler_core::live::Sample;
use scheduler_core::{NodeId, Protector, TaskId, Timestamp};
use serde_json::json;
use shaping::Shaping;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use traffic::Traffic;

/// What a run is made from.
pub(super) struct Setup<'a> {
    pub(super) trace: &'a Trace,
    pub(super) hosts: usize,
    pub(super) protect: bool,
    pub(super) warm_up: bool,
    pub(super) seed: u64,
}

/// A replica's belongings besides its load.
struct Tenant {
    /// Endpoint's name and address owner: the container's name and how often it has been started.
    name: String,
    held: Option<Held>,
    /// When it was taken out of rotation.
    draining: Option<u64>,
    /// Whether it answers probes.
    up: bool,
}

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
    let mut upsampler = Upsampler::new(setup.trace, setup.seed);
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
        let protector = placement::place(trace, hosts)?;
        let warm = setup.warm_up;
        let regions: Vec<usize> = (0..hosts).map(placement::region).collect();
        let mut world = Self {
            setup,
            figures: Figures::new(setup.protect, warm),
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
                "fewest tasks first",
                json!({"host": node}),
            );
            let replica = world.create(0, container, node, true, events)?;
            world.claim(0, replica, events)?;
            world.serve(0, replica)?;
        }
        Ok(world)
    }

    /// Makes room for a replica and plans its shaping. It has no address and no traffic yet.
    fn create(
        &mut self,
        second: u64,
        container: usize,
        host: usize,
        warm: bool,
        events: &mut Events,
    ) -> Result<usize, Error> {
        let service = self.of[container];
        self.starts[container] += 1;
        let name = format!(
            "{}#{}",
            self.setup.trace.containers[container].name, self.starts[container]
        );
        self.shaping[host].add(second, host, container, &name, &mut self.figures, events)?;
        let replica = Replica {
            container,
            service,
            host,
            factor: 0.0,
            serving_since: None,
            warm,
            need: 0.0,
            requests: 0.0,
        };
        let tenant = Tenant {
            name,
            held: None,
            draining: None,
            up: warm,
        };
        self.changed = true;
        let free = self.replicas.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.replicas.len());
        if slot == self.replicas.len() {
            self.replicas.push(None);
            self.tenants.push(None);
        }
        self.replicas[slot] = Some(replica);
        self.tenants[slot] = Some(tenant);
        Ok(slot)
    }

    fn tenant(&mut self, second: u64, replica: usize) -> Result<&mut Tenant, Error> {
        let tenant = self.tenants.get_mut(replica).and_then(Option::as_mut);
        tenant.ok_or_else(|| broken(second, "replay", &format!("no replica {replica}")))
    }

    fn place_of(&self, second: u64, replica: usize) -> Result<(usize, usize), Error> {
        let found = self.replicas.get(replica).and_then(Option::as_ref);
        let found =
            found.ok_or_else(|| broken(second, "replay", &format!("no replica {replica}")))?;
        Ok((found.container, found.host))
    }

    /// Claims an address for a replica, on its host.
    fn claim(&mut self, second: u64, replica: usize, events: &mut Events) -> Result<(), Error> {
        let (container, host) = self.place_of(second, replica)?;
        let name = self.tenant(second, replica)?.name.clone();
        let held =
            self.addresses
                .claim(second, container, &name, host, &mut self.figures, events)?;
        self.tenant(second, replica)?.held = Some(held);
        self.changed = true;
        Ok(())
    }

    /// Puts a replica that has an address into rotation.
    fn serve(&mut self, second: u64, replica: usize) -> Result<(), Error> {
        let (container, host) = self.place_of(second, replica)?;
        let warm = self.replicas[replica].as_ref().is_some_and(|r| r.warm);
        let tenant = self.tenant(second, replica)?;
        tenant.up = true;
        let (name, held) = (tenant.name.clone(), tenant.held.clone());
        let Some(held) = held else {
            return Err(broken(second, "replay", &"serving without an address"));
        };
        let place = (replica, self.of[container], host);
        self.traffic.start(second, &name, place, held.address, warm)
    }

    /// Takes a replica out of rotation.
    fn drain(&mut self, second: u64, replica: usize) -> Result<(), Error> {
        let tenant = self.tenant(second, replica)?;
        tenant.draining = Some(second);
        let name = tenant.name.clone();
        self.traffic.drain(second, &name)
    }

    /// Ends a drained replica: its address is released, its endpoint removed, its shaping taken away.
    fn end(&mut self, second: u64, replica: usize, events: &mut Events) -> Result<(), Error> {
        let (container, host) = self.place_of(second, replica)?;
        let Some(tenant) = self.tenants.get_mut(replica).and_then(Option::take) else {
            return Ok(());
        };
        self.replicas[replica] = None;
        self.changed = true;
        if let Some(held) = &tenant.held {
            self.addresses.release(second, &tenant.name, held, events)?;
        }
        self.traffic.stop(second, &tenant.name)?;
        self.shaping[host].remove(
            second,
            host,
            container,
            &tenant.name,
            &mut self.figures,
            events,
        )
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
        if self.setup.protect {
            self.relieve(second, events)?;
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
        traffic.step(second, figures, events, up, |replica, factor| {
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
        self.figures.demand_core_seconds += demand.iter().map(|&d| f64::from(d)).sum::<f64>();
        self.figures.unserved_core_seconds += lost.over + lost.own + lost.gap;
        self.figures.unserved_start_core_seconds += lost.starting;
        self.figures.unserved_gap_core_seconds += lost.gap;
        self.figures.bucket(second).unserved += lost.over + lost.own + lost.gap;
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
            self.figures.reliefs.push(seconds - since);
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

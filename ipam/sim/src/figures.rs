//! How many messages it takes.

use crate::disk::Disk;
use crate::net::{SimStore, sleep};
use crate::run::{Task, begin, poll_all};
use crate::setup::Setup;
use crate::stopwatch::Stopwatches;
use crate::view::Host;
use crate::world::{Shared, World};
use ipam::store::{HostReplica, MemoryStore, ready};
use ipam::{PoolSpec, Replica, Request};
use rand::RngExt as _;
use std::time::Duration;

/// What it took many hosts to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Messages {
    /// Claims that were made.
    pub claims: u64,
    /// Readings, listings, commits and watches that were sent to the store.
    pub messages: u64,
    /// Commits that were conflicts; each is a message too.
    pub conflicts: u64,
}

impl Messages {
    /// Messages for each claim.
    #[must_use]
    pub fn per_claim(self) -> f64 {
        self.messages as f64 / self.claims as f64
    }
}

/// Lets that many hosts, all at once, claim so many addresses each out of a /12 in blocks of /26, by their own allocators
/// ([`HostReplica`]) that know nothing at first. Messages take a few milliseconds; nothing goes wrong.
///
/// ```
/// let few = ipam_sim::messages(10, 20)?;
/// assert_eq!(few.claims, 200);
/// assert!(few.per_claim() < 3.0);
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// When a claim is refused, or the store does not hold them all in the end.
pub fn messages(hosts: usize, each: usize) -> Result<Messages, String> {
    let cidr = "10.0.0.0/12".parse().map_err(|error| format!("{error}"))?;
    let setup = Setup::large(hosts, PoolSpec::new("p", cidr));
    let all = (0..=hosts).map(|number| Host::new(&setup, number));
    let all: Vec<Host> = all.collect();
    let disk = Disk {
        memory: MemoryStore::with_history(setup.history),
        clock: Stopwatches::default(),
        bug: None,
    };
    let mut world = World::new(setup, disk, all, false);
    begin(&mut world)?;
    world.checks.watching = false;
    let world = Shared::new(world);
    let make = |host: usize| -> Task { Box::pin(claim(world.clone(), host, each)) };
    let tasks = (0..hosts).map(|host| Some(make(host)));
    poll_all(&world, tasks.collect(), make);
    world.with(|world| {
        if let Some(line) = world.checks.broken.take() {
            return Err(line);
        }
        let now = world.now;
        let memory = std::mem::take(&mut world.disk.memory);
        let opened = ready(Replica::open(memory, now, 7)).ok_or("memory was waited for")?;
        let replica = opened.map_err(|error| error.to_string())?;
        let sound = replica.ipam().check_invariants();
        sound.map_err(|broken| broken.to_string())?;
        let claims = replica.ipam().claim_count();
        if claims != hosts * each || !replica.rejected().is_empty() {
            return Err(format!("{claims} claims are stored, not {}", hosts * each));
        }
        Ok(Messages {
            claims: claims as u64,
            messages: world.net.messages,
            conflicts: world.counts.get("conflict").copied().unwrap_or(0),
        })
    })
}

/// One host's claims, one after another, with pauses of up to two seconds.
async fn claim(world: Shared, host: usize, each: usize) {
    let store = SimStore {
        world: world.clone(),
        host,
    };
    let name = world.with(|world| world.hosts[host].name.clone());
    let mut allocator = HostReplica::new(store, &name, 7);
    for number in 0..each {
        let pause = world.with(|world| world.hosts[host].rng.random_range(0..2_000));
        sleep(&world, host, Duration::from_millis(pause)).await;
        let (owner, workload) = (
            format!("{name}-{number}/eth0"),
            format!("shop/{name}-{number}"),
        );
        let request = Request::new(&owner).workload(&workload).host(&name);
        let now = world.with(|world| world.now);
        let wait = |pause| sleep(&world, host, pause);
        if let Err(error) = allocator.claim(now, &request, wait).await {
            return world.with(|world| world.checks.fail(|| format!("{owner}: {error}")));
        }
    }
}

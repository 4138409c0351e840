//! Addresses: `ipam` claims, keeps, hands over; the replay holds a ledger of its own beside it, by which no
//! address may ever stand under two names.

use super::broken;
use crate::error::Error;
use crate::events::Events;
use crate::figures::Figures;
use crate::trace::Trace;
use ipam::{Cidr, Grant, Ipam, PoolSpec, Request, Timestamp, claim::Origin};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

/// How long a released address is in quarantine: longer than any cache of a day's connections needs.
const QUARANTINE: Duration = Duration::from_secs(60);
/// How long a sticky workload finds its address again.
const STICKY: Duration = Duration::from_secs(3_600);
/// One workload in so many has a fixed address.
const FIXED_EACH: usize = 3;
/// The pool's name.
const POOL: &str = "containers";

/// An address in somebody's hands.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The address.
    pub address: IpAddr,
    /// What a release must show.
    sequence: u64,
}

/// The allocator and the ledger.
pub(super) struct Addresses {
    ipam: Ipam,
    workloads: Vec<String>,
    hosts: Vec<String>,
    /// Who holds which address.
    ledger: BTreeMap<IpAddr, String>,
    /// Addresses that somebody has held and given back.
    seen: BTreeSet<IpAddr>,
}

/// Whether the container's workload has a fixed address: a third of them.
pub(super) fn is_fixed(container: usize) -> bool {
    container.is_multiple_of(FIXED_EACH)
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(second)
}

impl Addresses {
    /// A pool with room for every container twice.
    pub(super) fn new(seed: u64, trace: &Trace, hosts: Vec<String>) -> Result<Self, Error> {
        let fault = |e: &dyn Display| broken(0, "ipam", e);
        let wanted = (2 * trace.containers.len() + 1_024).next_power_of_two();
        let prefix = 32 - wanted.trailing_zeros();
        let cidr: Cidr = format!("10.0.0.0/{prefix}")
            .parse()
            .map_err(|e: ipam::net::ParseError| fault(&e))?;
        let gateway = IpAddr::from([10, 0, 0, 1]);
        let spec = PoolSpec::new(POOL, cidr)
            .gateway(gateway)
            .quarantine(QUARANTINE)
            .vlan(120)
            .bridge("br120");
        let mut ipam = Ipam::new(seed);
        ipam.add_pool(at(0), spec).map_err(|e| fault(&e))?;
        let name =
            |c: &crate::trace::Container| format!("{}/{}", trace.services[c.service], c.name);
        let workloads = trace.containers.iter().map(name).collect();
        Ok(Self {
            ipam,
            workloads,
            hosts,
            ledger: BTreeMap::new(),
            seen: BTreeSet::new(),
        })
    }

    /// Whether the container's workload has a fixed address: a third of them.
    pub(super) fn is_fixed(&self, container: usize) -> bool {
        is_fixed(container)
    }

    /// An address for `owner`, a replica of `container` on `host`.
    pub(super) fn claim(
        &mut self,
        second: u64,
        container: usize,
        owner: &str,
        host: usize,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<Held, Error> {
        let request = Request::new(owner)
            .workload(&self.workloads[container])
            .host(&self.hosts[host]);
        let request = if self.is_fixed(container) {
            request.fixed(&[])
        } else {
            request.sticky(STICKY)
        };
        let granted = self.ipam.claim(at(second), &request);
        let grant = granted.map_err(|e| broken(second, "ipam", &format!("{owner}: {e}")))?;
        let reason = if self.is_fixed(container) {
            "fixed"
        } else {
            "sticky"
        };
        self.take(second, owner, &grant, reason, figures, events)
    }

    /// An address of the moment for `owner`, on `host`: a replica whose own address is still on another host warms up under it.
    pub(super) fn borrow(
        &mut self,
        second: u64,
        owner: &str,
        host: usize,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<Held, Error> {
        let request = Request::new(owner).host(&self.hosts[host]);
        let granted = self.ipam.claim(at(second), &request);
        let grant = granted.map_err(|e| broken(second, "ipam", &format!("{owner}: {e}")))?;
        self.take(second, owner, &grant, "to warm up under", figures, events)
    }

    /// Enters a grant into the ledger.
    fn take(
        &mut self,
        second: u64,
        owner: &str,
        grant: &Grant,
        reason: &str,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<Held, Error> {
        let Some(lease) = grant.leases.first() else {
            return Err(broken(
                second,
                "ipam",
                &format!("{owner} was granted no address"),
            ));
        };
        if let Some(other) = self.ledger.insert(lease.address, owner.to_owned()) {
            let what = format!(
                "{} is held by {other} and was granted to {owner}",
                lease.address
            );
            return Err(broken(second, "ipam", &what));
        }
        figures.address_claims += 1;
        figures.address_reuses += u64::from(self.seen.contains(&lease.address));
        if events.wants("ipam") {
            let early = matches!(lease.origin, Origin::Early { .. });
            let data =
                json!({"address": lease.address, "sequence": grant.sequence, "early": early});
            events.say(second, "ipam", "claim", owner, reason, data);
        }
        Ok(Held {
            address: lease.address,
            sequence: grant.sequence,
        })
    }

    /// Gives an address back; it is in quarantine unless its workload takes it over.
    pub(super) fn release(
        &mut self,
        second: u64,
        owner: &str,
        held: &Held,
        reason: &str,
        events: &mut Events,
    ) -> Result<(), Error> {
        let released = self.ipam.release(at(second), owner, held.sequence);
        released.map_err(|e| broken(second, "ipam", &format!("{owner}: {e}")))?;
        if self.ledger.get(&held.address).is_some_and(|o| o == owner) {
            self.ledger.remove(&held.address);
        }
        self.seen.insert(held.address);
        events.say(
            second,
            "ipam",
            "release",
            owner,
            reason,
            json!({"address": held.address}),
        );
        Ok(())
    }

    /// The fixed address of a container will move from one host to another.
    pub(super) fn begin_move(
        &mut self,
        second: u64,
        container: usize,
        from: usize,
        to: usize,
        events: &mut Events,
    ) -> Result<(), Error> {
        let workload = &self.workloads[container];
        let begun = self
            .ipam
            .begin_move(at(second), workload, &self.hosts[from], &self.hosts[to]);
        begun.map_err(|e| broken(second, "ipam", &format!("{workload}: {e}")))?;
        let data = json!({"from": self.hosts[from], "to": self.hosts[to]});
        events.say(
            second,
            "ipam",
            "begin_move",
            workload,
            "its container moves",
            data,
        );
        Ok(())
    }

    /// The old host has released the address: `owner` on the new one takes it.
    pub(super) fn finish_move(
        &mut self,
        second: u64,
        container: usize,
        owner: &str,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<Held, Error> {
        let workload = &self.workloads[container];
        let finished = self.ipam.finish_move(at(second), workload, owner);
        let grant = finished.map_err(|e| broken(second, "ipam", &format!("{workload}: {e}")))?;
        self.take(second, owner, &grant, "handed over", figures, events)
    }

    /// The allocator's own invariants, and its claims against the ledger.
    pub(super) fn check(&self, second: u64) -> Result<(), Error> {
        self.ipam
            .check_invariants()
            .map_err(|e| broken(second, "ipam", &e))?;
        let held: u64 = self.ipam.pools().map(|p| u64::from(p.usage().held)).sum();
        if held == self.ledger.len() as u64 {
            return Ok(());
        }
        Err(broken(
            second,
            "ipam",
            &format!("{held} addresses held, {} in the ledger", self.ledger.len()),
        ))
    }

    /// Writes into the ledger alone.
    #[cfg(test)]
    pub(super) fn enter_for_test(&mut self, address: IpAddr, owner: &str) {
        self.ledger.insert(address, owner.to_owned());
    }
}

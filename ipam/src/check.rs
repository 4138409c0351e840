//! What must be true at all times, checked from scratch.

use crate::index::tag;
use crate::pool::Pool;
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::state::{Ipam, NONE, Spot};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A broken invariant: a fault of this crate, or of who restored the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

macro_rules! ensure {
    ($truth:expr, $($words:tt)*) => {
        if !$truth {
            return Err(Broken(format!($($words)*)));
        }
    };
}

pub(crate) use ensure;

impl Ipam {
    /// Checks every invariant: no address is held twice, none is lost, all counts and indices agree with
    /// what they summarise. Linear in claims, workloads and touched slots.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// ipam.check_invariants()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check_invariants(&self) -> Result<(), Broken> {
        self.claims
            .iter()
            .try_for_each(|(id, _)| self.check_claim(id))?;
        self.workloads
            .ids()
            .try_for_each(|id| self.check_workload(id))?;
        for (id, pool) in self.pools.iter() {
            self.check_pool_state(id.0, pool)?;
            pool.check()?;
        }
        self.check_hosts()?;
        let state = |spot: Spot| self.pools.state(spot);
        let tags = |key: &str| tag(self.hashed(key));
        self.claims.check(tags)?;
        self.workloads
            .check(tags, state, |spot| self.pools.number(spot))?;
        Ok(())
    }

    fn check_claim(&self, id: u32) -> Result<(), Broken> {
        let owner = self.claims.owner(id);
        let Some(claim) = self.claims.get(id) else {
            return Ok(());
        };
        ensure!(!claim.spots.is_empty(), "owner `{owner}` holds nothing");
        ensure!(
            claim.sequence <= self.tokens.latest(),
            "owner `{owner}` has a token from the future"
        );
        for (family, spot) in claim.spots.iter() {
            let pool = self.pools.get(spot.pool);
            let state = pool.map(|p| p.state(spot.slot));
            ensure!(
                state == Some(State::Held(id)),
                "an address of `{owner}` is {state:?}"
            );
            let fits = pool.is_some_and(|p| p.spec().cidr.family() == family);
            ensure!(fits, "an address of `{owner}` is of the wrong family");
        }
        if claim.workload != NONE {
            let listed = self
                .claims_of(claim.workload)
                .take(self.claims.len() + 1)
                .any(|c| c == id);
            ensure!(listed, "the workload of `{owner}` does not know of it");
        }
        ensure!(
            claim.host == NONE || self.hosts.name(claim.host).is_some(),
            "`{owner}` has no host"
        );
        Ok(())
    }

    fn check_workload(&self, id: u32) -> Result<(), Broken> {
        let name = self.workloads.name(id).unwrap_or_default();
        let mine = |claim| self.claims.get(claim).is_some_and(|c| c.workload == id);
        ensure!(
            self.claims_of(id).all(mine),
            "`{name}` lists a claim of another workload"
        );
        for spot in self.workloads.retained(id) {
            let state = self.pools.state(spot);
            let fits = match state {
                Some(State::Retained(w)) => w == id,
                Some(State::Held(c)) => self.is_reserved_to(id, spot) && mine(c),
                _ => false,
            };
            ensure!(fits, "what `{name}` retains is {state:?}");
        }
        let mut pools: Vec<u16> = self
            .workloads
            .sticky(id)
            .map(|(spot, _)| spot.pool)
            .collect();
        pools.sort_unstable();
        let once = pools.windows(2).all(|two| two.first() != two.last());
        ensure!(once, "`{name}` retains two sticky addresses of a pool");
        Ok(())
    }

    /// Every cell of a pool is backed by what it refers to.
    fn check_pool_state(&self, index: u16, pool: &Pool) -> Result<(), Broken> {
        for (slot, cell) in pool.cells().iter() {
            let address = pool.address(slot);
            let spot = Spot { pool: index, slot };
            let family = pool.spec().cidr.family();
            let backed = match cell.state() {
                State::Blank => true,
                State::Held(c) => self
                    .claims
                    .get(c)
                    .is_some_and(|c| c.spots.get(family) == Some(spot)),
                State::Retained(w) => self.workloads.retained(w).any(|s| s == spot),
                State::Quarantined(id) => {
                    let released = pool.released().get(List::Quarantine, id);
                    released.is_some_and(|r| r.slot == slot)
                }
                State::Queued(id) => {
                    let released = pool.released().get(List::Queued, id);
                    released.is_some_and(|r| r.slot == slot)
                }
            };
            ensure!(backed, "{address} is {:?} without a reason", cell.state());
        }
        Ok(())
    }

    fn check_hosts(&self) -> Result<(), Broken> {
        let mut uses: BTreeMap<u32, u32> = BTreeMap::new();
        let claimed = self
            .claims
            .iter()
            .map(|(_, c)| c.host)
            .filter(|&h| h != NONE);
        let moving = self.workloads.moves().flat_map(|(_, m)| [m.from, m.to]);
        claimed
            .chain(moving)
            .for_each(|h| *uses.entry(h).or_default() += 1);
        ensure!(
            self.hosts.is_consistent(|name| tag(self.hashed(name))),
            "a host is not found by its name"
        );
        for (id, name) in self.hosts.iter() {
            let count = uses.remove(&id).unwrap_or(0);
            let uses = self.hosts.uses(id).unwrap_or(0);
            ensure!(
                count == uses,
                "host `{name}` counts {uses} uses, not {count}"
            );
        }
        ensure!(uses.is_empty(), "claims refer to hosts without a record");
        Ok(())
    }
}

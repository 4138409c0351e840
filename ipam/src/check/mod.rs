//! What must be true at all times, checked from scratch.

use crate::identity::Identity;
use crate::pool::cells::State;
use crate::retained::WHILE_MOVING;
use crate::state::{Ipam, NONE, Ttl};
use crate::time::Timestamp;
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

mod pools;

impl Ipam {
    /// Checks every invariant: no address is held twice, none is lost, all counts and indices agree with
    /// what they summarise. Linear in claims, workloads and touched slots.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check_invariants(&self) -> Result<(), Broken> {
        self.claims
            .iter()
            .try_for_each(|(id, _)| self.check_claim(id))?;
        self.workloads
            .iter()
            .try_for_each(|(id, _)| self.check_workload(id))?;
        for (index, pool) in self.pools.iter().enumerate() {
            if let Some(pool) = pool {
                self.check_pool_state(index as u16, pool)?;
                pools::check_counts(pool)?;
                pools::check_blocks(pool)?;
            }
        }
        self.check_hosts()?;
        ensure!(
            self.by_owner.len() == self.claims.len(),
            "owners and claims differ in number"
        );
        ensure!(
            self.by_workload.len() == self.workloads.len(),
            "workload index differs in number"
        );
        for (id, _) in self.sticky.iter() {
            let workload = self.workloads.get(id);
            ensure!(
                workload.is_some_and(|w| !w.fixed() && !w.spots.is_empty()),
                "workload record {id} has an expiry and retains nothing"
            );
        }
        ensure!(
            self.sticky.is_consistent() && self.apart.is_consistent(),
            "the expiry queue is not in order"
        );
        for (id, spot, until) in self.apart.iter() {
            let known = self.workloads.get(id).is_some();
            let waits = until == WHILE_MOVING;
            ensure!(
                known && (!waits || self.moves.contains_key(&id)),
                "workload record {id} keeps {spot:?} until {until}"
            );
        }
        let mut leases = BTreeMap::new();
        for (_, claim) in self
            .claims
            .iter()
            .filter(|(_, c)| c.until != Timestamp::MAX)
        {
            *leases.entry(claim.until).or_default() += 1;
        }
        ensure!(leases == self.leases, "the ends of leases are miscounted");
        for (&id, extra) in &self.extra {
            for spot in extra.iter() {
                let state = self.pool_at(spot.pool).map(|p| p.state(spot.slot));
                ensure!(
                    extra.is_idle(spot, self.number_at(spot))
                        == (state == Some(State::Retained(id))),
                    "of what is reserved to workload record {id}, {state:?} is taken for idle or is not"
                );
            }
        }
        for &id in self.odd_ttls.keys() {
            let claim = self.claims.get(id);
            ensure!(
                claim.is_some_and(|c| c.ttl == Ttl::ODD),
                "a time is kept of claim {id}, which has none"
            );
        }
        Ok(())
    }

    fn check_claim(&self, id: u32) -> Result<(), Broken> {
        let owner = self.owner_name(id);
        ensure!(
            self.owner(owner) == Some(id),
            "owner `{owner}` is not found by name"
        );
        let Some(claim) = self.claims.get(id) else {
            return Ok(());
        };
        ensure!(!claim.spots.is_empty(), "owner `{owner}` holds nothing");
        ensure!(
            claim.sequence <= self.tokens.latest(),
            "owner `{owner}` has a token from the future"
        );
        for (family, spot) in claim.spots.iter() {
            let pool = self.pool_at(spot.pool);
            let state = pool.map(|p| p.state(spot.slot));
            ensure!(
                state == Some(State::Held(id)),
                "an address of `{owner}` is {state:?}"
            );
            let fits = pool.is_some_and(|p| p.spec.cidr.family() == family);
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
            claim.host == NONE || self.hosts.get(claim.host).is_some(),
            "`{owner}` has no host"
        );
        Ok(())
    }

    fn check_workload(&self, id: u32) -> Result<(), Broken> {
        let Some(workload) = self.workloads.get(id) else {
            return Ok(());
        };
        let name = self.names.get(workload.name);
        ensure!(
            self.workload(Identity::of_key(name)) == Some(id),
            "workload `{name}` is not found by name"
        );
        let mine = |claim| self.claims.get(claim).is_some_and(|c| c.workload == id);
        ensure!(
            self.claims_of(id).all(mine),
            "`{name}` lists a claim of another workload"
        );
        for spot in self.kept_spots(id) {
            let state = self.pool_at(spot.pool).map(|p| p.state(spot.slot));
            let fits = match state {
                Some(State::Retained(w)) => w == id,
                Some(State::Held(c)) => self.is_reserved_to(id, spot) && mine(c),
                _ => false,
            };
            ensure!(fits, "what `{name}` keeps is {state:?}");
        }
        let mut pools: Vec<u16> = self.sticky_spots(id).map(|(spot, _)| spot.pool).collect();
        pools.sort_unstable();
        let once = pools.windows(2).all(|two| two.first() != two.last());
        ensure!(once, "`{name}` retains two sticky addresses of a pool");
        let reserves = self.reserved_spots(id).next().is_some();
        ensure!(
            workload.fixed() == reserves,
            "`{name}` has a reservation of nothing"
        );
        let idle = workload.head() == NONE && self.kept_spots(id).next().is_none();
        ensure!(
            !idle || self.moves.contains_key(&id),
            "`{name}` has nothing and is remembered"
        );
        let expires = self.sticky.get(id).is_some();
        let keeps = !workload.fixed() && !workload.spots.is_empty();
        ensure!(
            expires == keeps,
            "`{name}` retains {keeps}, expires {expires}"
        );
        Ok(())
    }

    fn check_hosts(&self) -> Result<(), Broken> {
        let mut uses: BTreeMap<u32, u32> = BTreeMap::new();
        let claimed = self
            .claims
            .iter()
            .map(|(_, c)| c.host)
            .filter(|&h| h != NONE);
        let moving = self.moves.values().flat_map(|m| [m.from, m.to]);
        claimed
            .chain(moving)
            .for_each(|h| *uses.entry(h).or_default() += 1);
        for (id, host) in self.hosts.iter() {
            let name = self.names.get(host.name);
            ensure!(
                self.host(name) == Some(id),
                "host `{name}` is not found by name"
            );
            let count = uses.remove(&id).unwrap_or(0);
            ensure!(
                count == host.uses,
                "host `{name}` counts {} uses, not {count}",
                host.uses
            );
        }
        ensure!(uses.is_empty(), "claims refer to hosts without a record");
        Ok(())
    }
}

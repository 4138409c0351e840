//! What must be true at all times, checked from scratch.

use crate::cidr::Family;
use crate::identity::Identity;
use crate::pool::Pool;
use crate::pool::blocks::{BlockState, NOBODY};
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::pool::spec::Affinity;
use crate::retained::WHILE_MOVING;
use crate::state::{Ipam, NONE, Spot, Ttl};
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
                check_counts(pool)?;
                self.check_blocks(pool)?;
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
            claim.sequence <= self.sequence,
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

    /// Every cell of a pool is backed by what it refers to, and its bit is right.
    fn check_pool_state(&self, index: u16, pool: &Pool) -> Result<(), Broken> {
        for (slot, cell) in pool.cells.iter() {
            let address = pool.address(slot);
            let spot = Spot { pool: index, slot };
            let family = pool.spec.cidr.family();
            let backed = match cell.state() {
                State::Blank => true,
                State::Held(c) => self
                    .claims
                    .get(c)
                    .is_some_and(|c| c.spots.get(family) == Some(spot)),
                State::Retained(w) => self.kept_spots(w).any(|s| s == spot),
                State::Quarantined(id) => {
                    let rest = pool.released.get(List::Quarantine, id);
                    rest.is_some_and(|r| r.slot == slot)
                }
                State::Queued(id) => {
                    let rest = pool.released.get(List::Queued, id);
                    rest.is_some_and(|r| r.slot == slot)
                }
            };
            ensure!(backed, "{address} is {:?} without a reason", cell.state());
            let free = matches!(cell.state(), State::Queued(_));
            ensure!(
                pool.free.is_free(slot) == free,
                "{address} is {:?}, free {}",
                cell.state(),
                !free
            );
            ensure!(
                !free || !pool.is_barred(address),
                "{address} is free but excluded, set aside or frozen"
            );
        }
        Ok(())
    }

    fn check_blocks(&self, pool: &Pool) -> Result<(), Broken> {
        if pool.spec.affinity == Affinity::Off {
            return Ok(());
        }
        let mut used: BTreeMap<u32, u32> = BTreeMap::new();
        for (slot, cell) in pool.cells.iter() {
            if matches!(
                cell.state(),
                State::Held(_) | State::Retained(_) | State::Quarantined(_)
            ) {
                *used.entry(pool.block_of(slot)).or_default() += 1;
            }
        }
        for (index, block) in pool.blocks.iter() {
            let cidr = pool.block_cidr(index);
            let count = used.remove(&index).unwrap_or(0);
            ensure!(
                count == block.used,
                "{cidr} counts {} used, not {count}",
                block.used
            );
            let host = pool.blocks.hosts.get(block.host);
            let (all, open) = host.map_or((false, false), |h| {
                (h.all.contains(index), h.open.contains(index))
            });
            ensure!(
                all == (block.host != NOBODY),
                "{cidr} is not among its host's blocks"
            );
            ensure!(
                all != pool.blocks.unclaimed.is_free(index),
                "{cidr} is claimed and is not"
            );
            let free = pool.free.first_in(pool.blocks.slots(index)).is_some();
            let takes = all && free && block.state != BlockState::Releasing;
            ensure!(
                open == block.open,
                "{cidr} is open {open}, not {}",
                block.open
            );
            ensure!(
                open == pool.blocks.open.is_free(index),
                "{cidr} is open and is not"
            );
            ensure!(open == takes, "{cidr} is open {open}, has room {free}");
            let empty = pool.blocks.empty.contains(&(block.empty_since, index));
            ensure!(
                empty == (all && count == 0),
                "{cidr} is listed empty {empty}"
            );
        }
        ensure!(used.is_empty(), "blocks without a record have used slots");
        ensure!(
            pool.blocks.open.is_consistent(),
            "the open blocks' bitmap is inconsistent"
        );
        ensure!(
            pool.blocks.unclaimed.is_consistent(),
            "the blocks' bitmap is inconsistent"
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

/// A pool's counts agree with its cells, its bitmap with what is barred.
fn check_counts(pool: &Pool) -> Result<(), Broken> {
    let name = &pool.spec.name;
    let (mut held, mut kept, mut resting, mut queued, mut barred_used) = (0, 0, 0, 0, 0);
    for (slot, cell) in pool.cells.iter() {
        match cell.state() {
            State::Held(_) => held += 1,
            State::Retained(_) => kept += 1,
            State::Quarantined(_) => resting += 1,
            State::Queued(_) => queued += 1,
            State::Blank => {}
        }
        let used = !matches!(cell.state(), State::Blank | State::Queued(_));
        barred_used += u64::from(used && pool.is_barred(pool.address(slot)));
    }
    ensure!(
        held == pool.held,
        "`{name}` counts {} held, not {held}",
        pool.held
    );
    ensure!(
        kept == pool.reserved,
        "`{name}` counts {} reserved, not {kept}",
        pool.reserved
    );
    ensure!(
        resting == pool.released.count(List::Quarantine),
        "`{name}` miscounts quarantined addresses"
    );
    ensure!(
        queued == pool.released.count(List::Queued),
        "`{name}` miscounts queued addresses"
    );
    ensure!(
        pool.free.is_consistent(),
        "the bitmap of `{name}` is inconsistent"
    );
    let mut last = None;
    for (_, rest) in pool.released.iter(List::Quarantine) {
        ensure!(
            last <= Some(rest.at),
            "`{name}` has quarantined addresses out of order"
        );
        last = Some(rest.at);
    }
    let used = u64::from(held + kept + resting) - barred_used;
    let free = u64::from(pool.layout.len()) - barred_slots(pool) - used;
    let counted = u64::from(pool.free.free_count());
    ensure!(
        free == counted,
        "`{name}` has {counted} free addresses, not {free}"
    );
    Ok(())
}

/// How many slots that exist are barred from free use.
fn barred_slots(pool: &Pool) -> u64 {
    let mut ranges: Vec<(u128, u128)> = pool
        .barred()
        .map(crate::net::AddressRange::numbers)
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    pool.layout
        .runs()
        .map(|(first, last)| {
            let parts = merged.iter().map(|&(a, b)| (a.max(first), b.min(last)));
            parts
                .filter(|(a, b)| a <= b)
                .map(|(a, b)| (b - a + 1) as u64)
                .sum::<u64>()
        })
        .sum()
}

/// Families index two-element arrays.
const _: () = assert!(Family::V6 as usize == 1);

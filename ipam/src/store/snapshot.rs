//! The state as records, and which records a change alters.

use super::record::{
    MoveRecord, Record, Rested, StickyRecord, block_key, claim_key, cursor_key, departed_key,
    departed_of, host_key, identity_of, pool_key, workload_key,
};
use crate::change::{Change, What};
use crate::cidr::{AddressRange, number};
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::pool::blocks::NOBODY;
use crate::pool::cells::State;
use crate::pool::layout::Layout;
use crate::pool::rest::List;
use crate::pool::spec::{Affinity, Order};
use crate::pool::{Pool, PoolId};
use crate::state::{Ipam, NONE, Spot};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Ipam {
    /// The whole state as records, in the order in which [`Ipam::restore`] takes them. Linear.
    #[must_use]
    pub fn records(&self) -> Vec<Record<'_>> {
        let mut out = Vec::from([Record::Meta { seed: self.seed }]);
        let ids: Vec<PoolId> = (0..self.pools.len()).map(|i| PoolId(i as u16)).collect();
        out.extend(ids.iter().filter_map(|&id| self.pool_record(id)));
        out.extend(ids.iter().filter_map(|&id| self.cursor_record(id)));
        let mut hosts: Vec<Record<'_>> = self
            .hosts
            .iter()
            .filter_map(|(id, _)| self.host_record(id))
            .collect();
        hosts.sort_by_cached_key(Record::key);
        out.extend(hosts);
        for &id in &ids {
            let Some(pool) = self.pool_at(id.0) else {
                continue;
            };
            out.extend(
                blocks_noted(pool)
                    .into_iter()
                    .filter_map(|b| self.block_record(id, pool, b)),
            );
        }
        let mut workloads: Vec<Record<'_>> = self
            .workloads
            .iter()
            .filter_map(|(id, _)| self.workload_record(id))
            .collect();
        workloads.sort_by_cached_key(Record::key);
        out.extend(workloads);
        let mut claims: Vec<Record<'_>> = self
            .claims
            .iter()
            .filter_map(|(id, _)| self.claim_record(id))
            .collect();
        claims.sort_by_cached_key(Record::key);
        out.extend(claims);
        out.extend(self.departed_records());
        out
    }

    fn pool_record(&self, id: PoolId) -> Option<Record<'_>> {
        let pool = self.pool_at(id.0)?;
        Some(Record::Pool {
            id,
            draining: pool.draining,
            spec: Box::new(pool.spec.clone()),
        })
    }

    fn cursor_record(&self, id: PoolId) -> Option<Record<'_>> {
        let pool = self.pool_at(id.0).filter(|p| p.cursor > 0)?;
        Some(Record::Cursor {
            id,
            cursor: format!("{}", pool.cursor).into(),
        })
    }

    fn host_record(&self, id: u32) -> Option<Record<'_>> {
        let host = self.hosts.get(id)?;
        let name = Cow::Borrowed(self.names.get(host.name));
        host.is_set().then(|| Record::Host {
            name,
            settings: host.settings().clone(),
        })
    }

    fn block_record(&self, id: PoolId, pool: &Pool, index: u32) -> Option<Record<'_>> {
        let block = pool.blocks.get(index);
        let slots = pool.blocks.slots(index);
        let mut rested = Vec::new();
        for slot in slots.clone() {
            let rest = match pool.state(slot) {
                State::Resting(id) => pool.rest.get(List::Resting, id),
                State::Queued(id) => pool.rest.get(List::Queued, id),
                _ => None,
            };
            rested.extend(rest.map(|rest| Rested {
                offset: slot - slots.start,
                at: rest.at,
                order: rest.order,
            }));
        }
        let host = self
            .host_name(block.host)
            .map(|name| (Cow::Borrowed(name), block.state));
        let (generation, empty_since) = match pool.spec.affinity {
            Affinity::Off => (0, Timestamp::ZERO),
            // Of a block in use it says nothing.
            _ if block.used > 0 => (block.generation, Timestamp::ZERO),
            _ => (block.generation, block.empty_since),
        };
        let block = pool.block_cidr(index);
        Some(Record::Block {
            pool: id,
            block,
            host,
            generation,
            empty_since,
            rested,
        })
    }

    fn place(&self, spot: Spot) -> Option<(PoolId, IpAddr)> {
        Some((
            PoolId(spot.pool),
            self.pool_at(spot.pool)?.address(spot.slot),
        ))
    }

    fn workload_record(&self, id: u32) -> Option<Record<'_>> {
        let workload = self.workloads.get(id)?;
        let moving = self.moves.get(&id).and_then(|m| {
            Some(MoveRecord {
                from: self.host_name(m.from)?.into(),
                to: self.host_name(m.to)?.into(),
                since: m.since,
                kept: m.kept,
                addresses: m.spots.iter().filter_map(|(_, s)| self.place(s)).collect(),
            })
        });
        let place = |spot| self.place(spot);
        let mut sticky: Vec<StickyRecord> = self
            .sticky_spots(id)
            .filter_map(|(spot, until)| {
                let (pool, address) = self.place(spot)?;
                Some(StickyRecord {
                    pool,
                    address,
                    until,
                })
            })
            .collect();
        sticky.sort_unstable_by_key(|s| (s.pool, s.address));
        let (mut kept, mut until) = (Vec::new(), Timestamp::MAX);
        if workload.fixed() {
            kept = self.reserved_spots(id).filter_map(place).collect();
        } else if let Some(shared) = shared_end(&sticky) {
            until = shared;
            kept = sticky.drain(..).map(|s| (s.pool, s.address)).collect();
        }
        // Its claims say the rest.
        if kept.is_empty() && sticky.is_empty() && moving.is_none() {
            return None;
        }
        let identity = self.identity(id)?;
        Some(Record::Workload {
            name: identity.workload.into(),
            interface: identity.interface.into(),
            since: workload.since,
            until,
            fixed: workload.fixed(),
            kept,
            sticky,
            moving,
        })
    }

    fn claim_record(&self, id: u32) -> Option<Record<'_>> {
        let claim = self.claims.get(id)?;
        let identity = self.identity(claim.workload);
        Some(Record::Claim {
            owner: self.claims.owner(id).into(),
            workload: identity.map(|i| Cow::Borrowed(i.workload)),
            interface: Cow::Borrowed(identity.map_or(DEFAULT_INTERFACE, |i| i.interface)),
            host: self.host_name(claim.host).map(Cow::Borrowed),
            sequence: claim.sequence,
            touched: claim.touched,
            until: crate::state::end(claim.until),
            kept: self.kept_of(id),
            addresses: claim
                .spots
                .iter()
                .filter_map(|(_, s)| self.place(s))
                .collect(),
            suspect: self.suspects.get(&id).copied(),
        })
    }

    /// The record under a key as the state has it now.
    pub(crate) fn record(&self, key: &str) -> Option<Record<'_>> {
        let (kind, rest) = key.split_at_checked(2)?;
        let id = || rest.get(..5).and_then(|id| id.parse().ok()).map(PoolId);
        match kind {
            "m/" => Some(Record::Meta { seed: self.seed }),
            "p/" => self.pool_record(id()?),
            "r/" => self.cursor_record(id()?),
            "h/" => self.host_record(self.host(rest)?),
            "b/" => {
                let (id, first) = (id()?, u128::from_str_radix(rest.get(6..)?, 16).ok()?);
                let pool = self.pool_at(id.0)?;
                let slot = pool.slot(pool.spec.cidr.family().address(first))?;
                self.block_record(id, pool, pool.block_of(slot))
            }
            "w/" | "x/" => self.workload_record(self.workload(identity_of(key)?)?),
            "c/" => self.claim_record(self.owner(rest)?),
            "g/" => self.departed_record(departed_of(key)?),
            _ => None,
        }
    }

    fn block_of(&self, place: (PoolId, IpAddr)) -> Option<String> {
        let pool = self.pool_at(place.0.0)?;
        let block = crate::cidr::Cidr::containing(place.1, pool.spec.block_size).ok()?;
        Some(block_key(place.0, block.first()))
    }

    /// The keys of what a change alters, asked before it is applied.
    pub(crate) fn touched(&self, change: &Change<'_>) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        match &change.what {
            What::PoolAdded { pool, spec } => {
                keys.insert(pool_key(*pool));
                self.touch_arrival(*pool, spec.cidr, spec.block_size, &mut keys);
            }
            What::PoolGrown { pool, cidr } => {
                keys.insert(pool_key(*pool));
                let block_size = self.pool_at(pool.0).map_or(0, |p| p.spec.block_size);
                self.touch_arrival(*pool, *cidr, block_size, &mut keys);
            }
            What::PoolDrained { pool, .. } | What::PoolChanged { pool, .. } => {
                keys.insert(pool_key(*pool));
            }
            What::PoolRemoved { pool } => {
                keys.extend([pool_key(*pool), cursor_key(*pool)]);
                self.touch_departure(*pool, &mut keys);
                let blocks = self.pool_at(pool.0).map(|p| (p, blocks_noted(p)));
                keys.extend(blocks.into_iter().flat_map(|(p, list)| {
                    list.into_iter()
                        .map(|b| block_key(*pool, p.block_cidr(b).first()))
                }));
            }
            What::HostSet { host, .. } => drop(keys.insert(host_key(host))),
            What::BlockTaken { pool, block, .. } | What::BlockReleased { pool, block, .. } => {
                keys.insert(block_key(*pool, block.first()));
            }
            What::Reserved {
                workload,
                interface,
                ranges,
            } => {
                self.touch_workload((&**workload, &**interface).into(), &mut keys);
                ranges
                    .iter()
                    .for_each(|&(id, range)| self.touch_range(id, range, &mut keys));
            }
            What::MoveBegun {
                workload,
                interface,
                from,
                ..
            } => {
                let identity = (&**workload, &**interface).into();
                self.touch_workload(identity, &mut keys);
                let claim = self
                    .workload(identity)
                    .zip(self.host(from))
                    .and_then(|(id, host)| self.claim_on(id, host));
                keys.extend(claim.map(|id| claim_key(self.owner_name(id))));
            }
            What::Unreserved {
                workload,
                interface,
            } => {
                let identity = (&**workload, &**interface).into();
                self.touch_workload(identity, &mut keys);
                self.touch_reserved(identity, &mut keys);
            }
            What::MoveEnded {
                workload,
                interface,
                ..
            } => self.touch_workload((&**workload, &**interface).into(), &mut keys),
            What::Claimed {
                owner,
                workload,
                interface,
                host,
                v4,
                v6,
                ..
            } => {
                keys.insert(claim_key(owner));
                if let Some(workload) = workload {
                    self.touch_workload((&**workload, &**interface).into(), &mut keys);
                }
                for place in [v4, v6].into_iter().flatten() {
                    keys.extend(self.block_of((place.pool, place.address)));
                    let order = self
                        .pool_at(place.pool.0)
                        .map(|p| (p.spec.order, p.spec.affinity));
                    let (order, affinity) = order.unwrap_or((Order::Lowest, Affinity::Off));
                    let whole = host.is_none() || affinity == Affinity::Off;
                    if order == Order::RoundRobin || (order == Order::Lru && whole) {
                        keys.insert(cursor_key(place.pool));
                    }
                }
            }
            What::Released { owner, .. } => self.touch_release(owner, &mut keys),
            What::Renewed { owner, .. }
            | What::Reissued { owner, .. }
            | What::Suspected { owner, .. }
            | What::Cleared { owner } => drop(keys.insert(claim_key(owner))),
            What::TimesCapped {
                pool: Some(pool),
                address,
            } => self.touch_address((*pool, *address), &mut keys),
            What::TimesCapped { address, .. } => {
                let chunk = crate::departed::chunk_of(*address);
                keys.extend(chunk.map(|chunk| departed_key(chunk.first())));
            }
        }
        keys
    }

    fn touch_workload(&self, identity: Identity<'_>, keys: &mut BTreeSet<String>) {
        keys.insert(workload_key(identity));
        let Some(id) = self.workload(identity) else {
            return;
        };
        // What is reserved stays so, whoever holds it: no block's record tells of it.
        let sticky = self.sticky_spots(id);
        keys.extend(sticky.filter_map(|(s, _)| self.block_of(self.place(s)?)));
    }

    /// The blocks of all that is reserved to a workload's interface: it goes to rest.
    fn touch_reserved(&self, identity: Identity<'_>, keys: &mut BTreeSet<String>) {
        let id = self.workload(identity);
        let spots = id.into_iter().flat_map(|id| self.reserved_spots(id));
        keys.extend(spots.filter_map(|s| self.block_of(self.place(s)?)));
    }

    fn touch_release(&self, owner: &str, keys: &mut BTreeSet<String>) {
        keys.insert(claim_key(owner));
        let Some(claim) = self.owner(owner).and_then(|id| self.claims.get(id)) else {
            return;
        };
        keys.extend(
            claim
                .spots
                .iter()
                .filter_map(|(_, s)| self.block_of(self.place(s)?)),
        );
        if claim.workload != NONE
            && let Some(identity) = self.identity(claim.workload)
        {
            self.touch_workload(identity, keys);
        }
    }

    /// What is stored of an address, and of what shares its times.
    fn touch_address(&self, place: (PoolId, IpAddr), keys: &mut BTreeSet<String>) {
        keys.extend(self.block_of(place));
        let state = self
            .pool_at(place.0.0)
            .and_then(|p| Some(p.state(p.slot(place.1)?)));
        let workload = match state {
            Some(State::Held(claim)) => {
                keys.insert(claim_key(self.owner_name(claim)));
                self.claims.get(claim).map(|c| c.workload)
            }
            Some(State::Kept(workload)) => Some(workload),
            _ => None,
        };
        if let Some(identity) = workload.and_then(|w| self.identity(w)) {
            self.touch_workload(identity, keys);
        }
    }

    fn touch_range(&self, id: PoolId, range: AddressRange, keys: &mut BTreeSet<String>) {
        let Some(pool) = self.pool_at(id.0) else {
            return;
        };
        let step = 1u128 << pool.blocks.shift;
        let mut at = number(range.first()) & !(step - 1);
        while at <= number(range.last()) {
            keys.insert(block_key(id, range.family().address(at)));
            let Some(next) = at.checked_add(step) else {
                break;
            };
            at = next;
        }
    }
}

/// The one time at which sticky addresses end, if that is one and there is at most one address of each family.
fn shared_end(sticky: &[StickyRecord]) -> Option<Timestamp> {
    let (first, rest) = sticky.split_first()?;
    let other =
        |s: &StickyRecord| s.until == first.until && s.address.is_ipv4() != first.address.is_ipv4();
    let shared = rest.len() <= 1 && rest.iter().all(other) && first.until != Timestamp::MAX;
    shared.then_some(first.until)
}

/// The blocks of a pool of which a record has something to say, in order of address: a sparse pool numbers
/// its blocks as they are first used, and a restored one as they are read.
fn blocks_noted(pool: &Pool) -> Vec<u32> {
    let mut blocks: BTreeSet<u32> = BTreeSet::new();
    if pool.spec.affinity != Affinity::Off {
        let noted =
            |b: &crate::pool::blocks::Block| b.host != NOBODY || b.generation > 0 || b.used > 0;
        blocks.extend(pool.blocks.iter().filter(|(_, b)| noted(b)).map(|(i, _)| i));
    }
    for list in [List::Resting, List::Queued] {
        blocks.extend(
            pool.rest
                .iter(list)
                .map(|(_, rest)| pool.block_of(rest.slot)),
        );
    }
    let mut blocks: Vec<u32> = blocks.into_iter().collect();
    if matches!(pool.layout, Layout::Sparse { .. }) {
        blocks.sort_unstable_by_key(|&b| pool.block_cidr(b).first());
    }
    blocks
}

//! Which records a change alters.

use super::record::{
    block_key, claim_key, cursor_key, departed_key, host_key, pool_key, workload_key,
};
use super::snapshot::blocks_noted;
use crate::change::{Change, ChangeKind};
use crate::cidr::{AddressRange, Cidr, number};
use crate::departed::chunk_of;
use crate::identity::Identity;
use crate::pool::PoolId;
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::pool::spec::{Affinity, Order};
use crate::state::{Ipam, NONE};
use alloc::collections::BTreeSet;
use alloc::string::String;
use core::net::IpAddr;

impl Ipam {
    fn block_of(&self, place: (PoolId, IpAddr)) -> Option<String> {
        let pool = self.pools.get(place.0.0)?;
        let block = Cidr::containing(place.1, pool.spec().block_size).ok()?;
        Some(block_key(place.0, block.first()))
    }

    /// The keys of what a change alters, asked before it is applied.
    pub(crate) fn touched(&self, change: &Change<'_>) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        match &change.kind {
            kind @ (ChangeKind::PoolAdded { .. }
            | ChangeKind::PoolDrained { .. }
            | ChangeKind::PoolGrown { .. }
            | ChangeKind::PoolChanged { .. }
            | ChangeKind::PoolRemoved { .. }) => self.touch_pool(kind, &mut keys),
            ChangeKind::HostSet { host, .. } => drop(keys.insert(host_key(host))),
            ChangeKind::BlockTaken {
                pool, block, host, ..
            } => {
                keys.insert(host_key(host));
                self.touch_host_of(*pool, block.first(), &mut keys);
            }
            ChangeKind::BlockReleased { pool, block, .. } => {
                self.touch_host_of(*pool, block.first(), &mut keys);
            }
            kind @ (ChangeKind::Reserved { .. }
            | ChangeKind::Unreserved { .. }
            | ChangeKind::MoveBegun { .. }
            | ChangeKind::MoveEnded { .. }) => self.touch_retained(kind, &mut keys),
            kind @ ChangeKind::Claimed { .. } => self.touch_claimed(kind, &mut keys),
            ChangeKind::Released { owner, .. } => self.touch_release(owner, &mut keys),
            ChangeKind::Reissued { owner, .. } => {
                keys.insert(claim_key(owner));
                self.touch_blocks_of_claim(owner, &mut keys);
            }
            ChangeKind::Renewed { owner, .. }
            | ChangeKind::Suspected { owner, .. }
            | ChangeKind::Cleared { owner } => drop(keys.insert(claim_key(owner))),
            ChangeKind::TimesCapped {
                pool: Some(pool),
                address,
            } => self.touch_address((*pool, *address), &mut keys),
            ChangeKind::TimesCapped { address, .. } => {
                keys.extend(chunk_key(*address));
            }
        }
        keys
    }

    /// What the changes of pools alter.
    fn touch_pool(&self, kind: &ChangeKind<'_>, keys: &mut BTreeSet<String>) {
        match kind {
            ChangeKind::PoolAdded { pool, spec } => {
                keys.insert(pool_key(*pool));
                self.touch_arrival(*pool, spec.cidr, spec.block_size, keys);
            }
            ChangeKind::PoolGrown { pool, cidr } => {
                keys.insert(pool_key(*pool));
                let block_size = self.pools.get(pool.0).map_or(0, |p| p.spec().block_size);
                self.touch_arrival(*pool, *cidr, block_size, keys);
            }
            ChangeKind::PoolDrained { pool, .. } | ChangeKind::PoolChanged { pool, .. } => {
                keys.insert(pool_key(*pool));
            }
            ChangeKind::PoolRemoved { pool } => {
                keys.extend([pool_key(*pool), cursor_key(*pool)]);
                self.touch_departure(*pool, keys);
                self.touch_blocks(*pool, keys);
            }
            _ => {}
        }
    }

    /// What the changes of reservations and moves alter: the workload's record, and what hangs on it.
    fn touch_retained(&self, kind: &ChangeKind<'_>, keys: &mut BTreeSet<String>) {
        let (ChangeKind::Reserved {
            workload,
            interface,
            ..
        }
        | ChangeKind::Unreserved {
            workload,
            interface,
            ..
        }
        | ChangeKind::MoveBegun {
            workload,
            interface,
            ..
        }
        | ChangeKind::MoveEnded {
            workload,
            interface,
            ..
        }) = kind
        else {
            return;
        };
        let identity = (&**workload, &**interface).into();
        self.touch_workload(identity, keys);
        match kind {
            ChangeKind::Reserved { ranges, .. } => ranges
                .iter()
                .for_each(|&(id, range)| self.touch_range(id, range, keys)),
            ChangeKind::Unreserved { ranges, .. } => self.touch_unreserved(identity, ranges, keys),
            ChangeKind::MoveBegun { from, .. } => {
                let claim = self
                    .workload(identity)
                    .zip(self.host(from))
                    .and_then(|(id, host)| self.claim_on(id, host));
                keys.extend(claim.map(|id| claim_key(self.claims.owner(id))));
            }
            _ => {}
        }
    }

    /// What a new claim alters: its own record, its workload's, its addresses' blocks, and where their pools' orders go on.
    fn touch_claimed(&self, kind: &ChangeKind<'_>, keys: &mut BTreeSet<String>) {
        let ChangeKind::Claimed {
            owner,
            workload,
            interface,
            host,
            v4,
            v6,
            ..
        } = kind
        else {
            return;
        };
        keys.insert(claim_key(owner));
        if let Some(workload) = workload {
            self.touch_workload((&**workload, &**interface).into(), keys);
        }
        for place in [v4, v6].into_iter().flatten() {
            keys.extend(self.block_of((place.pool, place.address)));
            let order = self
                .pools
                .get(place.pool.0)
                .map(|p| (p.spec().order, p.spec().affinity));
            let (order, affinity) = order.unwrap_or((Order::Lowest, Affinity::Off));
            let whole = host.is_none() || affinity == Affinity::Off;
            if order == Order::RoundRobin || (order == Order::Lru && whole) {
                keys.insert(cursor_key(place.pool));
            }
        }
    }

    /// The keys of the records that a pool's coming alters besides its own.
    fn touch_arrival(&self, id: PoolId, cidr: Cidr, block_size: u8, keys: &mut BTreeSet<String>) {
        for entry in self.departed.within(cidr, self.now()) {
            keys.extend(chunk_key(entry.address));
            let block = Cidr::containing(entry.address, block_size);
            keys.extend(block.map(|block| block_key(id, block.first())));
        }
    }

    /// The keys of the records that a pool's going alters besides its own.
    fn touch_departure(&self, id: PoolId, keys: &mut BTreeSet<String>) {
        let pool = self.pools.get(id.0);
        let entries = pool.into_iter().flat_map(|p| {
            let quarantined = p.released().iter(List::Quarantine);
            quarantined.map(|(_, entry)| p.address(entry.slot))
        });
        keys.extend(entries.filter_map(chunk_key));
    }

    /// The keys of what a change rests on without altering it: its addresses' pools, which others may be removing.
    pub(crate) fn rests_on(change: &Change<'_>) -> impl Iterator<Item = String> {
        let (claimed, reserved) = match &change.kind {
            ChangeKind::Claimed { v4, v6, .. } => ([*v4, *v6], None),
            ChangeKind::Reserved { ranges, .. } => ([None; 2], Some(ranges)),
            _ => ([None; 2], None),
        };
        let claimed = claimed.into_iter().flatten().map(|place| place.pool);
        let reserved = reserved.into_iter().flatten().map(|(pool, _)| *pool);
        claimed.chain(reserved).map(pool_key)
    }

    fn touch_workload(&self, identity: Identity<'_>, keys: &mut BTreeSet<String>) {
        keys.insert(workload_key(identity));
        let Some(id) = self.workload(identity) else {
            return;
        };
        // What is reserved stays so, whoever holds it.
        let sticky = self.workloads.sticky(id);
        keys.extend(sticky.filter_map(|(s, _)| self.block_of(self.pools.place(s)?)));
    }

    /// A block and the host that has it.
    fn touch_host_of(&self, id: PoolId, first: IpAddr, keys: &mut BTreeSet<String>) {
        keys.insert(block_key(id, first));
        let host = self.pools.get(id.0).and_then(|pool| {
            let block = pool.block_of(pool.slot(first)?);
            self.hosts.name(pool.blocks().get(block).host)
        });
        keys.extend(host.map(host_key));
    }

    /// All of a pool's blocks, and the hosts that have any.
    fn touch_blocks(&self, id: PoolId, keys: &mut BTreeSet<String>) {
        let Some(pool) = self.pools.get(id.0) else {
            return;
        };
        for block in blocks_noted(pool) {
            keys.insert(block_key(id, pool.block_cidr(block).first()));
        }
        let hosts = pool.blocks().hosts.iter();
        keys.extend(hosts.filter_map(|(host, _)| self.hosts.name(host).map(host_key)));
    }

    /// The blocks of a claim's addresses.
    fn touch_blocks_of_claim(&self, owner: &str, keys: &mut BTreeSet<String>) {
        let claim = self.owner(owner).and_then(|id| self.claims.get(id));
        let spots = claim.into_iter().flat_map(|c| c.spots.iter());
        keys.extend(spots.filter_map(|(_, s)| self.block_of(self.pools.place(s)?)));
    }

    /// What the end of a reservation, of these ranges or of all, alters besides the workload's own record: the blocks of its
    /// addresses. Claims go on as they are.
    fn touch_unreserved(
        &self,
        identity: Identity<'_>,
        ranges: &[AddressRange],
        keys: &mut BTreeSet<String>,
    ) {
        // What cannot be done alters nothing.
        let Ok((_, ending)) = self.check_unreserved(identity, ranges) else {
            return;
        };
        keys.extend(
            ending
                .into_iter()
                .filter_map(|s| self.block_of(self.pools.place(s)?)),
        );
    }

    fn touch_release(&self, owner: &str, keys: &mut BTreeSet<String>) {
        keys.insert(claim_key(owner));
        let Some(claim) = self.owner(owner).and_then(|id| self.claims.get(id)) else {
            return;
        };
        self.touch_blocks_of_claim(owner, keys);
        if claim.workload != NONE
            && let Some(identity) = self.workloads.identity(claim.workload)
        {
            self.touch_workload(identity, keys);
        }
    }

    /// What is stored of an address, and of what shares its times.
    fn touch_address(&self, place: (PoolId, IpAddr), keys: &mut BTreeSet<String>) {
        keys.extend(self.block_of(place));
        let state = self
            .pools
            .get(place.0.0)
            .and_then(|p| Some(p.state(p.slot(place.1)?)));
        let workload = match state {
            Some(State::Held(claim)) => {
                keys.insert(claim_key(self.claims.owner(claim)));
                self.claims.get(claim).map(|c| c.workload)
            }
            Some(State::Retained(workload)) => Some(workload),
            _ => None,
        };
        if let Some(identity) = workload.and_then(|w| self.workloads.identity(w)) {
            self.touch_workload(identity, keys);
        }
    }

    fn touch_range(&self, id: PoolId, range: AddressRange, keys: &mut BTreeSet<String>) {
        let Some(pool) = self.pools.get(id.0) else {
            return;
        };
        let step = 1u128 << pool.blocks().shift;
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

/// The key of the record of a removed pool's address.
fn chunk_key(address: IpAddr) -> Option<String> {
    chunk_of(address).map(|chunk| departed_key(chunk.first()))
}

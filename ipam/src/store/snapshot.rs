//! The state as records.

use super::record::{
    BlockSummary, Holder, MoveRecord, Record, ReleasedAddress, StickyRecord, UsedAddress,
    departed_of, identity_of,
};
use crate::identity::DEFAULT_INTERFACE;
use crate::pool::blocks::NOBODY;
use crate::pool::cells::State;
use crate::pool::layout::Layout;
use crate::pool::released::List;
use crate::pool::spec::Affinity;
use crate::pool::{Pool, PoolId, is_used};
use crate::state::{Ipam, Spot};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Ipam {
    /// The whole state as records, in the order in which [`Ipam::restore`] takes them. Linear.
    ///
    /// ```
    /// # use ipam::store::Record;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// for record in ipam.records() {
    ///     let (key, value) = (record.key(), record.encode()); // as stores hold it
    ///     assert_eq!(Record::decode(&key, &value)?, record);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn records(&self) -> Vec<Record<'_>> {
        let mut out = Vec::from([self.meta()]);
        let ids: Vec<PoolId> = self.pools.iter().map(|(id, _)| id).collect();
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
            let Some(pool) = self.pools.get(id.0) else {
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
            .ids()
            .filter_map(|id| self.workload_record(id))
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
        out.extend(self.departed.records(self.now()));
        out
    }

    fn pool_record(&self, id: PoolId) -> Option<Record<'_>> {
        let pool = self.pools.get(id.0)?;
        Some(Record::Pool {
            id,
            draining: pool.draining(),
            spec: Box::new(pool.spec().clone()),
        })
    }

    fn cursor_record(&self, id: PoolId) -> Option<Record<'_>> {
        let pool = self.pools.get(id.0).filter(|p| p.cursor() > 0)?;
        Some(Record::Cursor {
            id,
            cursor: format!("{}", pool.cursor()).into(),
        })
    }

    fn host_record(&self, id: u32) -> Option<Record<'_>> {
        let (name, settings) = (self.hosts.name(id)?, self.hosts.settings(id)?);
        let blocks = self.blocks_of_host(id);
        let tells = self.hosts.own_settings(id).is_some() || !blocks.is_empty();
        tells.then(|| Record::Host {
            name: Cow::Borrowed(name),
            settings: settings.clone(),
            blocks: Some(blocks),
        })
    }

    /// A host's blocks, by pool and first address, in order.
    pub(super) fn blocks_of_host(&self, id: u32) -> Vec<(PoolId, IpAddr)> {
        let mut blocks: Vec<(PoolId, IpAddr)> = self
            .pools
            .iter()
            .flat_map(|(pool, p)| {
                let all = p.blocks().hosts.get(id).into_iter();
                let all = all.flat_map(|blocks| blocks.all.iter());
                all.map(move |block| (pool, p.block_cidr(block).first()))
            })
            .collect();
        blocks.sort_unstable();
        blocks
    }

    fn block_record(&self, id: PoolId, pool: &Pool, index: u32) -> Option<Record<'_>> {
        let block = pool.blocks().get(index);
        let slots = pool.blocks().slots(index);
        let (mut released, mut used) = (Vec::new(), Vec::new());
        for slot in slots.clone() {
            let offset = slot - slots.start;
            let spot = Spot { pool: id.0, slot };
            let (lost, is) = (self.lost.get(&spot), self.used_address(spot, offset));
            used.extend(match (lost.cloned(), is) {
                // The claim is known, and perhaps goes on under another token: lost is what its workload has of it.
                (Some(lost), Some(is)) if is.holder.is_some() => Some(UsedAddress {
                    workload: lost.workload,
                    reserved: lost.reserved,
                    ..is
                }),
                (lost, is) => lost.or(is),
            });
            let entry = match pool.state(slot) {
                State::Quarantined(id) => pool.released().get(List::Quarantine, id),
                State::Queued(id) => pool.released().get(List::Queued, id),
                _ => None,
            };
            released.extend(entry.map(|entry| ReleasedAddress {
                offset,
                at: entry.at,
                order: entry.order,
            }));
        }
        let host = self
            .hosts
            .name(block.host)
            .map(|name| (Cow::Borrowed(name), block.state));
        let (generation, empty_since) = match pool.spec().affinity {
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
            released,
            used: Some(used),
        })
    }

    /// What a block's record says of an address that is held or retained.
    pub(super) fn used_address(&self, spot: Spot, offset: u32) -> Option<UsedAddress<'_>> {
        let (claim, workload) = match self.pools.get(spot.pool)?.state(spot.slot) {
            State::Held(id) => (Some(id), self.claims.get(id)?.workload),
            State::Retained(workload) => (None, workload),
            _ => return None,
        };
        let holder = claim.and_then(|id| {
            let claim = self.claims.get(id)?;
            Some(Holder {
                owner: self.claims.owner(id).into(),
                sequence: claim.sequence,
                host: self.hosts.name(claim.host).map(Cow::Borrowed),
                retention: self.claims.retention(id),
            })
        });
        let identity = self.workloads.identity(workload);
        let reserved = self.is_reserved_to(workload, spot);
        let until = (holder.is_none() && !reserved).then(|| {
            let mut sticky = self.workloads.sticky(workload);
            sticky.find(|(s, _)| *s == spot).map(|(_, until)| until)
        });
        Some(UsedAddress {
            offset,
            holder,
            workload: identity.map(|i| (i.workload.into(), i.interface.into())),
            reserved,
            until: until.flatten(),
        })
    }

    /// What a summary says of a block that has a record.
    pub(super) fn block_summary(&self, id: PoolId, index: u32) -> BlockSummary {
        let until = |workload, slot| {
            let mut sticky = self.workloads.sticky(workload);
            let spot = Spot { pool: id.0, slot };
            sticky.find(|(s, _)| *s == spot).map(|(_, until)| until)
        };
        let pool = self.pools.get(id.0);
        pool.map_or(BlockSummary::UNTOUCHED, |p| p.block_summary(index, until))
    }

    fn workload_record(&self, id: u32) -> Option<Record<'_>> {
        let moving = self.workloads.moving(id).and_then(|m| {
            Some(MoveRecord {
                from: self.hosts.name(m.from)?.into(),
                to: self.hosts.name(m.to)?.into(),
                since: m.since,
                retention: m.retention,
                addresses: m
                    .spots
                    .iter()
                    .filter_map(|(_, s)| self.pools.place(s))
                    .collect(),
            })
        });
        let place = |spot| self.pools.place(spot);
        let mut sticky: Vec<StickyRecord> = self
            .workloads
            .sticky(id)
            .filter_map(|(spot, until)| {
                let (pool, address) = self.pools.place(spot)?;
                Some(StickyRecord {
                    pool,
                    address,
                    until,
                })
            })
            .collect();
        sticky.sort_unstable_by_key(|s| (s.pool, s.address));
        let (mut retained, mut until) = (Vec::new(), Timestamp::MAX);
        let fixed = self.workloads.has_reservation(id);
        if fixed {
            retained = self.workloads.reserved(id).filter_map(place).collect();
        } else if let Some(shared) = shared_end(&sticky) {
            until = shared;
            retained = sticky.drain(..).map(|s| (s.pool, s.address)).collect();
        }
        let mut owners: Vec<Cow<'_, str>> = self
            .claims_of(id)
            .map(|claim| Cow::Borrowed(self.claims.owner(claim)))
            .collect();
        owners.sort_unstable();
        if retained.is_empty() && sticky.is_empty() && moving.is_none() && owners.is_empty() {
            return None;
        }
        let identity = self.workloads.identity(id)?;
        Some(Record::Workload {
            name: identity.workload.into(),
            interface: identity.interface.into(),
            since: self.workloads.since(id),
            until,
            fixed,
            retained,
            sticky,
            moving,
            owners: Some(owners),
        })
    }

    fn claim_record(&self, id: u32) -> Option<Record<'_>> {
        let claim = self.claims.get(id)?;
        let identity = self.workloads.identity(claim.workload);
        Some(Record::Claim {
            owner: self.claims.owner(id).into(),
            workload: identity.map(|i| Cow::Borrowed(i.workload)),
            interface: Cow::Borrowed(identity.map_or(DEFAULT_INTERFACE, |i| i.interface)),
            host: self.hosts.name(claim.host).map(Cow::Borrowed),
            sequence: claim.sequence,
            touched: claim.touched,
            until: crate::state::end(claim.until),
            retention: self.claims.retention(id),
            addresses: claim
                .spots
                .iter()
                .filter_map(|(_, s)| self.pools.place(s))
                .collect(),
            suspect: self.claims.suspected(id),
        })
    }

    /// The record of what all pools share.
    pub(crate) fn meta(&self) -> Record<'static> {
        Record::Meta {
            seed: self.seed(),
            base: self.tokens.base(),
            whole: true,
        }
    }

    /// The record under a key as the state has it now.
    pub(crate) fn record(&self, key: &str) -> Option<Record<'_>> {
        let (kind, rest) = key.split_at_checked(2)?;
        let id = || rest.get(..5).and_then(|id| id.parse().ok()).map(PoolId);
        match kind {
            "m/" => Some(self.meta()),
            "p/" => self.pool_record(id()?),
            "r/" => self.cursor_record(id()?),
            "h/" => self.host_record(self.host(rest)?),
            "b/" => {
                let (id, first) = (id()?, u128::from_str_radix(rest.get(6..)?, 16).ok()?);
                let pool = self.pools.get(id.0)?;
                let slot = pool.slot(pool.spec().cidr.family().address(first))?;
                self.block_record(id, pool, pool.block_of(slot))
            }
            "w/" | "x/" => self.workload_record(self.workload(identity_of(key)?)?),
            "c/" => self.claim_record(self.owner(rest)?),
            "g/" => self.departed.record(departed_of(key)?, self.now()),
            _ => None,
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
pub(super) fn blocks_noted(pool: &Pool) -> Vec<u32> {
    let mut blocks: BTreeSet<u32> = BTreeSet::new();
    if pool.spec().affinity != Affinity::Off {
        let noted =
            |b: &crate::pool::blocks::Block| b.host != NOBODY || b.generation > 0 || b.used > 0;
        blocks.extend(
            pool.blocks()
                .iter()
                .filter(|(_, b)| noted(b))
                .map(|(i, _)| i),
        );
    }
    let used = pool
        .cells()
        .iter()
        .filter(|(_, cell)| is_used(cell.state()));
    blocks.extend(used.map(|(slot, _)| pool.block_of(slot)));
    for list in [List::Quarantine, List::Queued] {
        blocks.extend(
            pool.released()
                .iter(list)
                .map(|(_, entry)| pool.block_of(entry.slot)),
        );
    }
    let mut blocks: Vec<u32> = blocks.into_iter().collect();
    if matches!(pool.layout(), Layout::Sparse { .. }) {
        blocks.sort_unstable_by_key(|&b| pool.block_cidr(b).first());
    }
    blocks
}

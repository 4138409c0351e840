//! Records that prove each other: what a block's record tells of its addresses stands in claims and workloads too, and
//! the other way round. Where they differ, one of them is lost, and what it held is given to nobody until it is rebuilt.

use super::codec::Writer;
use super::damage::{Frozen, RejectedRecord};
use super::record::{Beside, Record, UsedAddress, block_key, claim_key, host_key, workload_key};
use super::restore::Restorer;
use crate::cidr::Cidr;
use crate::hash::hash;
use crate::identity::Identity;
use crate::pool::PoolId;
use crate::pool::is_used;
use crate::state::{Ipam, Spot};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// What was told of other records, to be compared once those were read: hashes, since names would be as much as the state.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// By address: what its block says of it.
    used: Vec<(Spot, u64)>,
    /// By pool and number of block: how many of its addresses it tells of.
    blocks: BTreeMap<(u16, u32), u32>,
    /// By key of a workload: its owners.
    owners: Vec<(String, u64)>,
    /// By name of a host: its blocks.
    hosts: Vec<(String, u64)>,
    /// The blocks that hosts name.
    named: Vec<(PoolId, IpAddr)>,
}

/// What does not agree.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// Keys of blocks whose records tell otherwise than claims and workloads do: each to be [explained](Ipam::unproved).
    pub(crate) blocks: BTreeSet<String>,
    /// Records that lack or have too many pointers.
    pub(crate) pointers: Vec<RejectedRecord>,
}

impl Told {
    /// The addresses of which a block says that they are in use or retained.
    pub(super) fn spots(&self) -> impl Iterator<Item = Spot> {
        self.used.iter().map(|&(spot, _)| spot)
    }
}

impl Doubts {
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.pointers.is_empty()
    }
}

fn digest(used: &UsedAddress<'_>) -> u64 {
    let mut w = Writer::default();
    used.write(&mut w, Beside::default());
    hash(0, &w.0)
}

fn digest_of_owners<'a>(owners: impl Iterator<Item = &'a str>) -> u64 {
    let mut w = Writer::default();
    owners.for_each(|owner| w.text(owner));
    hash(0, &w.0)
}

fn digest_of_blocks(blocks: &[(PoolId, IpAddr)]) -> u64 {
    let mut w = Writer::default();
    for (pool, first) in blocks {
        w.number(pool.0.into());
        w.address(*first);
    }
    hash(0, &w.0)
}

impl UsedAddress<'_> {
    /// Whether time alone has made it untrue.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.holder.is_none() && self.until.is_some_and(|until| until <= now)
    }
}

impl Restorer {
    /// Notes what a block's record tells.
    pub(super) fn note_used(&mut self, id: PoolId, index: u32, used: &[UsedAddress<'_>]) {
        let Some(pool) = self.ipam.pools.get(id.0) else {
            return;
        };
        let start = pool.blocks().slots(index).start;
        let now = self.ipam.now();
        let live = used.iter().filter(|one| !one.is_over(now));
        let mut count = 0;
        for one in live {
            let slot = start.saturating_add(one.offset);
            self.told
                .used
                .push((Spot { pool: id.0, slot }, digest(one)));
            count += 1;
        }
        self.told.blocks.insert((id.0, index), count);
    }

    pub(super) fn note_owners(&mut self, key: &str, owners: &[Cow<'_, str>]) {
        let digest = digest_of_owners(owners.iter().map(|owner| &**owner));
        self.told.owners.push((key.into(), digest));
    }

    pub(super) fn note_blocks(&mut self, host: &str, blocks: &[(PoolId, IpAddr)]) {
        let digest = digest_of_blocks(blocks);
        self.told.hosts.push((host.into(), digest));
        self.told.named.extend_from_slice(blocks);
    }

    /// Blocks that hosts name, or of which pools' summaries say that they were touched, and that have no record.
    pub(crate) fn missing(&mut self, touched: &[(PoolId, IpAddr)]) {
        let named = core::mem::take(&mut self.told.named);
        let named = named.into_iter().map(|one| (one, "its host names it"));
        let touched = touched
            .iter()
            .map(|&one| (one, "its pool's summary tells of it"));
        let known: BTreeSet<String> = self.rejected.iter().map(|r| r.key.clone()).collect();
        let mut missing = BTreeMap::new();
        for ((id, first), why) in touched.chain(named) {
            let Some(pool) = self.ipam.pools.get(id.0) else {
                continue;
            };
            let block = Cidr::containing(first, pool.spec().block_size);
            let Some(block) = block
                .ok()
                .filter(|block| pool.spec().cidr.contains(block.first()))
            else {
                continue;
            };
            let index = pool.slot(block.first()).map(|slot| pool.block_of(slot));
            let read = index.is_some_and(|index| self.told.blocks.contains_key(&(id.0, index)));
            let key = block_key(id, block.first());
            if !read && !known.contains(&key) {
                missing.insert(key, (block, why));
            }
        }
        let missing = missing.into_iter().map(|(key, (block, why))| {
            RejectedRecord::new(&key, block, alloc::format!("is missing, though {why}"))
        });
        self.rejected.extend(missing);
    }

    /// What was told that is not so. With `complete` also what nobody told of, though it is.
    pub(crate) fn doubts(&self, complete: bool) -> Doubts {
        let (ipam, mut doubts) = (&self.ipam, Doubts::default());
        let mut doubtful: BTreeSet<(u16, u32)> = BTreeSet::new();
        for &(spot, told) in &self.told.used {
            let Some(pool) = ipam.pools.get(spot.pool) else {
                continue;
            };
            let block = pool.block_of(spot.slot);
            let offset = spot.slot - pool.blocks().slots(block).start;
            let is = ipam.used_address(spot, offset);
            if is.as_ref().map(digest) != Some(told) {
                doubtful.insert((spot.pool, block));
            }
        }
        for (&(id, block), &told) in &self.told.blocks {
            let Some(pool) = ipam.pools.get(id) else {
                continue;
            };
            let holds = |slot: &u32| {
                ipam.used_address(
                    Spot {
                        pool: id,
                        slot: *slot,
                    },
                    0,
                )
                .is_some()
            };
            let is = pool.blocks().slots(block).filter(holds).count();
            if is != told as usize {
                doubtful.insert((id, block));
            }
        }
        if complete {
            doubtful.extend(self.untold());
        }
        let key = |(id, block): (u16, u32)| {
            let pool = ipam.pools.get(id)?;
            Some(block_key(PoolId(id), pool.block_cidr(block).first()))
        };
        let known = |key: &String| self.rejected.iter().all(|r| r.key != *key);
        doubts.blocks = doubtful.into_iter().filter_map(key).filter(known).collect();
        if doubts.blocks.is_empty() && self.rejected.is_empty() {
            doubts.pointers = self.wrong_pointers(complete);
        }
        doubts
    }

    /// Blocks with used addresses that have no record.
    fn untold(&self) -> BTreeSet<(u16, u32)> {
        let mut untold = BTreeSet::new();
        for (id, pool) in self.ipam.pools.iter() {
            let used = pool
                .cells()
                .iter()
                .filter(|(_, cell)| is_used(cell.state()));
            let blocks = used.map(|(slot, _)| (id.0, pool.block_of(slot)));
            untold.extend(blocks.filter(|block| !self.told.blocks.contains_key(block)));
        }
        untold
    }

    /// Workloads and hosts whose records point elsewhere than they should.
    fn wrong_pointers(&self, complete: bool) -> Vec<RejectedRecord> {
        let mut wrong = Vec::new();
        let wrong_key = |key: &str, why| RejectedRecord {
            decodes: true,
            frozen: Frozen::Nothing,
            ..RejectedRecord::new(key, key, why)
        };
        for (key, told) in &self.told.owners {
            let owners = match self.ipam.record(key) {
                Some(Record::Workload { owners, .. }) => owners.unwrap_or_default(),
                _ => Vec::new(),
            };
            if digest_of_owners(owners.iter().map(|owner| &**owner)) != *told {
                wrong.push(wrong_key(key, "does not name the owners of its claims"));
            }
        }
        for (name, told) in &self.told.hosts {
            let host = self.ipam.host(name);
            let blocks = host.map_or_else(Vec::new, |id| self.ipam.blocks_of_host(id));
            if digest_of_blocks(&blocks) != *told {
                wrong.push(wrong_key(&host_key(name), "does not name its blocks"));
            }
        }
        if complete {
            let told = |(key, _): &(String, u64)| key.clone();
            let owners: BTreeSet<String> = self.told.owners.iter().map(told).collect();
            let hosts: BTreeSet<String> = self.told.hosts.iter().map(told).collect();
            let workloads = self.ipam.workloads.ids();
            let keys =
                workloads.filter_map(|id| self.ipam.workloads.identity(id).map(workload_key));
            let keys = keys.filter(|key| !owners.contains(key));
            let lost = self.ipam.hosts.iter().map(|(id, _)| id);
            let lost = lost.filter(|&id| !self.ipam.blocks_of_host(id).is_empty());
            let lost = lost.filter_map(|id| self.ipam.hosts.name(id));
            let lost = lost.filter(|name| !hosts.contains(*name)).map(host_key);
            wrong.extend(keys.chain(lost).map(|key| wrong_key(&key, "is missing")));
        }
        wrong
    }
}

/// The key of the workload that is missing as well as its claim, where a block tells of both: it is reserved by no record that is there.
fn beside(told: &UsedAddress<'_>, is: Option<&UsedAddress<'_>>) -> Option<String> {
    let both = told.reserved && told.holder.is_some() && is.is_none();
    let (name, interface) = told.workload.as_ref().filter(|_| both)?;
    Some(workload_key(Identity::from((&**name, &**interface))))
}

impl Ipam {
    /// Which records are lost or wrong where a block's record tells otherwise than the state is; the record as it was read,
    /// none where there is none. What it tells of those that are lost is kept, to be stored with the block.
    pub(crate) fn unproved(
        &mut self,
        key: &str,
        record: Option<&Record<'_>>,
    ) -> Vec<RejectedRecord> {
        let mut ghosts = Vec::new();
        let mut lost: BTreeMap<String, Vec<(PoolId, IpAddr)>> = BTreeMap::new();
        let mut wrong: Vec<IpAddr> = Vec::new();
        let (told, block) = match record {
            Some(Record::Block {
                pool, block, used, ..
            }) => (used.as_deref().unwrap_or_default(), Some((*pool, *block))),
            _ => (&[][..], self.block_named(key)),
        };
        let Some((id, block)) = block else {
            return Vec::new();
        };
        if record.is_none() {
            let why = "is missing, though its addresses are held or retained";
            return Vec::from([RejectedRecord::new(key, block, why)]);
        }
        let now = self.now();
        let told: BTreeMap<u32, &UsedAddress<'_>> = told
            .iter()
            .filter(|one| !one.is_over(now))
            .map(|one| (one.offset, one))
            .collect();
        for (offset, address) in crate::apply::workload::addresses(block.range()).enumerate() {
            let offset = offset as u32;
            let slot = self.pools.get(id.0).and_then(|pool| pool.slot(address));
            let is = slot.and_then(|slot| self.used_address(Spot { pool: id.0, slot }, offset));
            match (told.get(&offset), is) {
                (None, None) => {}
                (Some(told), Some(is)) if **told == is => {}
                (Some(told), is) => match self.blamed(told, is.as_ref()) {
                    Some(key) => {
                        if let Some(key) = beside(told, is.as_ref()) {
                            lost.entry(key).or_default().push((id, address));
                        }
                        lost.entry(key).or_default().push((id, address));
                        ghosts.push((address, (*told).clone().into_owned()));
                    }
                    None => wrong.push(address),
                },
                (None, Some(_)) => wrong.push(address),
            }
        }
        for (address, ghost) in ghosts {
            let pool = self.pools.get_mut(id.0);
            if let Some(slot) = pool.and_then(|pool| pool.materialise(address)) {
                self.lost.insert(Spot { pool: id.0, slot }, ghost);
            }
        }
        let mut out: Vec<RejectedRecord> = lost
            .into_iter()
            .map(|(key, addresses)| RejectedRecord {
                frozen: Frozen::Addresses(addresses),
                ..RejectedRecord::new(&key, block, "is told of by its block, and missing")
            })
            .collect();
        if let Some(first) = wrong.first() {
            out.push(RejectedRecord {
                frozen: Frozen::Nothing,
                decodes: true,
                ..RejectedRecord::new(key, first, "stands otherwise in its claim or workload")
            });
        }
        out
    }

    /// The key of the record that is missing, where a block tells of one that is.
    fn blamed(&self, told: &UsedAddress<'_>, is: Option<&UsedAddress<'_>>) -> Option<String> {
        let identity = told.workload.as_ref();
        let workload =
            identity.map(|(name, interface)| workload_key(Identity::from((&**name, &**interface))));
        match (&told.holder, is) {
            (Some(holder), None) => Some(claim_key(&holder.owner)),
            // Retained for the workload behind the claim: the claim is lost.
            (Some(holder), Some(is)) if is.holder.is_none() && is.workload == told.workload => {
                Some(claim_key(&holder.owner))
            }
            (Some(_), Some(is)) => workload.filter(|_| is.holder == told.holder && told.reserved),
            (None, None) => workload,
            (None, Some(_)) => None,
        }
    }

    /// The block that a key is of.
    pub(crate) fn block_named(&self, key: &str) -> Option<(PoolId, Cidr)> {
        let rest = key.strip_prefix("b/")?;
        let id: u16 = rest.get(..5)?.parse().ok()?;
        let first = u128::from_str_radix(rest.get(6..)?, 16).ok()?;
        let spec = &self.pools.get(id)?.spec();
        let block = Cidr::containing(spec.cidr.family().address(first), spec.block_size);
        Some((PoolId(id), block.ok()?))
    }
}

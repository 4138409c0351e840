//! One damaged record, made from those that say the same.

mod host;

pub(super) use host::bad_settings;

use super::clock::proved;
use super::damage::{Frozen, RejectedRecord};
use super::record::{
    COPIES, Record, ReleasedAddress, StickyRecord, TIME, UsedAddress, block_key, copied_key,
    copy_key, identity_of, pool_key,
};
use super::replica::Replica;
use super::seam::{Guard, Store, StoreError, Txn};
use crate::cidr::Cidr;
use crate::decide::STUCK;
use crate::identity::{DEFAULT_INTERFACE, Identity};
use crate::pool::PoolId;
use crate::pool::blocks::BlockState;
use crate::pool::spec::name_fits;
use crate::state::{Ipam, Spot};
use crate::time::Timestamp;
use crate::workloads::WHILE_MOVING;
use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Addresses as their blocks tell of them.
type Told = Vec<(PoolId, IpAddr, UsedAddress<'static>)>;

impl RejectedRecord {
    /// Whether only what it says of other records is wrong: the state has it right.
    pub(super) fn is_pointer(&self) -> bool {
        let kinds = ["b/", "w/", "x/", "h/", "s/"];
        let kind = kinds.iter().any(|kind| self.key.starts_with(kind));
        self.frozen == Frozen::Nothing && self.decodes && kind
    }
}

impl<S: Store> Replica<S> {
    /// Adds to a transaction what mends a rejected, if anything does.
    pub(super) async fn rebuilt(
        &mut self,
        rejected: &RejectedRecord,
        txn: &mut Txn,
    ) -> Result<(), StoreError> {
        let key = rejected.key.clone();
        let put = match &rejected.frozen {
            Frozen::Pool(id) => self.pool_copy(*id).await?,
            // It may have told of what nothing else tells of any more.
            _ if key.starts_with("b/") && self.has_untold() => None,
            Frozen::Block(_, first) if self.may_be_held_of(*first) => None,
            Frozen::Block(id, first) => {
                let host = self.host_naming(*id, *first).await?;
                self.ipam.block_anew(*id, *first, host.as_deref())
            }
            Frozen::Nothing if key.starts_with(COPIES) => {
                let own = self.ipam.record(&copied_key(&key));
                let copy = own.and_then(|record| record.copy().map(|copy| copy.encode()));
                return self.put_or_delete(key, copy, txn);
            }
            Frozen::Nothing if key == "m/" => Some(self.meta_anew()),
            Frozen::Nothing if key == TIME => {
                let now = proved(&mut self.store).await?;
                let now = now.unwrap_or(self.ipam.now());
                // What it was counted by is not known: whoever looks next counts on from there.
                Some(Record::Time { now, origin: None }.encode())
            }
            Frozen::Nothing if key.starts_with("r/") => return self.put_or_delete(key, None, txn),
            Frozen::Nothing if key.strip_prefix("h/").is_some_and(|n| name_fits(n).is_ok()) => {
                let record = self.host_anew(&key).await?;
                return self.put_or_delete(key, record, txn);
            }
            Frozen::Nothing if rejected.is_pointer() || key.starts_with("s/") => {
                let record = self.bytes_now(&key);
                return self.put_or_delete(key, record, txn);
            }
            Frozen::Nothing | Frozen::Addresses(_) if self.whole => {
                self.told_anew(rejected).await?
            }
            _ => None,
        };
        match put {
            Some(bytes) => self.put_or_delete(key, Some(bytes), txn),
            None => Ok(()),
        }
    }

    /// Has a key's record made anew, or none.
    fn put_or_delete(
        &self,
        key: String,
        bytes: Option<Vec<u8>>,
        txn: &mut Txn,
    ) -> Result<(), StoreError> {
        let guard = Guard::unchanged(&*key, self.revision);
        txn.guards.push(guard);
        match bytes {
            Some(bytes) => txn.put.push((key, bytes)),
            None => txn.delete.push(key),
        }
        Ok(())
    }

    /// Whether a claim or workload is damaged of which no block tells.
    fn has_untold(&self) -> bool {
        let untold =
            |one: &RejectedRecord| one.frozen == Frozen::Everything && one.is_told_of_by_blocks();
        self.rejected.iter().any(untold)
    }

    /// Whether a claim or workload is damaged that may hold addresses of the damaged block that begins here, though only others tell
    /// of it: a claim that none of its family is known of, and any workload.
    fn may_be_held_of(&self, first: IpAddr) -> bool {
        let mut damaged = self.rejected.iter().filter(|one| !one.decodes);
        damaged.any(|one| match &one.frozen {
            Frozen::Addresses(known) if one.key.starts_with("c/") => {
                known.iter().all(|(_, at)| at.is_ipv4() != first.is_ipv4())
            }
            Frozen::Addresses(_) => one.is_told_of_by_blocks(),
            _ => false,
        })
    }

    /// Whether a damaged block may tell of an address of this claim that no other does: one of a family of which none is known.
    fn may_hold_more(&self, told: &[(PoolId, IpAddr, UsedAddress<'_>)]) -> bool {
        let known = |v4: bool| told.iter().any(|(_, at, _)| at.is_ipv4() == v4);
        self.rejected.iter().any(|one| match one.frozen {
            Frozen::Block(_, first) => !known(first.is_ipv4()),
            Frozen::Pool(_) => !known(true) || !known(false),
            _ => false,
        })
    }

    /// The record of what all pools share. Where the others do not prove each other, the next write sees to that.
    fn meta_anew(&self) -> Vec<u8> {
        let mut meta = self.ipam.meta();
        if let Record::Meta { whole, .. } = &mut meta {
            *whole = self.whole;
        }
        meta.encode()
    }

    /// A record as the state has it.
    fn bytes_now(&self, key: &str) -> Option<Vec<u8>> {
        if key.starts_with("s/") {
            let record = self.summaries.record_of(&self.ipam, key);
            return record.map(|record| record.encode());
        }
        self.ipam.record(key).map(|record| record.encode())
    }

    /// Stores some keys' records as the state has them.
    pub(super) async fn write_anew(&mut self, keys: &BTreeSet<String>) -> Result<(), StoreError> {
        let mut txn = Txn {
            guards: keys
                .iter()
                .map(|key| Guard::unchanged(key, self.revision))
                .collect(),
            ..Txn::default()
        };
        for key in keys {
            let bytes = self.bytes_now(key);
            if let Some(copy) = copy_key(key) {
                match self.ipam.record(key).and_then(|record| record.copy()) {
                    Some(record) => txn.put.push((copy, record.encode())),
                    None => txn.delete.push(copy),
                }
            }
            match bytes {
                Some(bytes) => txn.put.push((key.clone(), bytes)),
                None => txn.delete.push(key.clone()),
            }
        }
        self.store.commit(txn).await.map(drop)
    }

    /// The keys of the blocks that tell of what a claim or workload held.
    pub(super) fn blocks_of(&self, rejected: &RejectedRecord) -> BTreeSet<String> {
        let Frozen::Addresses(list) = &rejected.frozen else {
            return BTreeSet::new();
        };
        let keys = list.iter().filter_map(|&place| self.block_key_of(place));
        keys.collect()
    }

    /// The key of an address's block.
    fn block_key_of(&self, (id, address): (PoolId, IpAddr)) -> Option<String> {
        let pool = self.ipam.pools.get(id.0)?;
        let block = Cidr::containing(address, pool.spec().block_size).ok()?;
        Some(block_key(id, block.first()))
    }

    /// A claim or a workload as its blocks tell of it.
    async fn told_anew(
        &mut self,
        rejected: &RejectedRecord,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut keys = self.blocks_of(rejected);
        // What the record says that there is, of a workload, is not all that it lacks.
        if let Some(id) = identity_of(&rejected.key).and_then(|i| self.ipam.workload(i)) {
            let spots = self.ipam.workloads.retained(id);
            let places = spots.filter_map(|spot| self.ipam.pools.place(spot));
            keys.extend(places.filter_map(|place| self.block_key_of(place)));
        }
        let keys: Vec<String> = keys.into_iter().collect();
        let (values, _) = self.store.get(&keys).await?;
        let mut told = Told::new();
        for (key, value) in keys.iter().zip(&values) {
            if let Some(value) = value
                && let Ok(Record::Block {
                    pool, block, used, ..
                }) = Record::decode(key, value)
            {
                let base = crate::cidr::number(block.first());
                for one in used.unwrap_or_default() {
                    let address = block.family().address(base + u128::from(one.offset));
                    told.push((pool, address, one.into_owned()));
                }
            }
        }
        let damaged = |m: &RejectedRecord| matches!(m.frozen, Frozen::Block(..) | Frozen::Pool(_));
        let record = match (rejected.key.strip_prefix("c/"), identity_of(&rejected.key)) {
            (Some(owner), _) => {
                told.retain(|(_, _, one)| one.holder.as_ref().is_some_and(|h| h.owner == owner));
                match self.may_hold_more(&told) {
                    true => None,
                    false => claim_told(owner, told, self.ipam.now()),
                }
            }
            // What a damaged block tells of it is unknown.
            (None, Some(_)) if self.rejected.iter().any(damaged) => None,
            (None, Some(identity)) => self.ipam.workload_told(identity, told),
            _ => None,
        };
        Ok(record.map(|record| record.encode()))
    }

    /// The copy of a pool's record, where it is sound and the pool fits beside the others.
    async fn pool_copy(&mut self, id: PoolId) -> Result<Option<Vec<u8>>, StoreError> {
        let key = pool_key(id);
        let copy = Vec::from_iter(copy_key(&key));
        let (values, _) = self.store.get(&copy).await?;
        let bytes = values.into_iter().next().flatten();
        Ok(bytes.filter(|bytes| match Record::decode(&key, bytes) {
            Ok(record @ Record::Pool { .. }) if record.has_key(&key) => {
                let Record::Pool { spec, .. } = record else {
                    return false;
                };
                self.ipam.pools.check(&spec).is_ok()
            }
            _ => false,
        }))
    }
}

/// A claim as its blocks tell of it. Only it told of its lease: without one it ends when it is released or collected.
fn claim_told(owner: &str, mut told: Told, now: Timestamp) -> Option<Record<'static>> {
    told.retain(|(_, _, one)| one.holder.as_ref().is_some_and(|h| h.owner == owner));
    let sequence = |one: &UsedAddress<'_>| one.holder.as_ref().map_or(0, |h| h.sequence);
    let latest = told.iter().map(|(_, _, one)| sequence(one)).max()?;
    told.retain(|(_, _, one)| sequence(one) == latest);
    let (_, _, first) = told.first()?.clone();
    let holder = first.holder?;
    let (workload, interface) = first.workload.unzip();
    Some(Record::Claim {
        owner: holder.owner,
        workload,
        interface: interface.unwrap_or(Cow::Borrowed(DEFAULT_INTERFACE)),
        host: holder.host,
        sequence: latest,
        touched: now,
        until: None,
        retention: holder.retention,
        addresses: told
            .iter()
            .map(|(pool, address, _)| (*pool, *address))
            .collect(),
        suspect: None,
    })
}

impl UsedAddress<'_> {
    pub(crate) fn into_owned(self) -> UsedAddress<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        UsedAddress {
            offset: self.offset,
            holder: self.holder.map(|holder| super::record::Holder {
                owner: owned(holder.owner),
                sequence: holder.sequence,
                host: holder.host.map(owned),
                retention: holder.retention,
            }),
            workload: self.workload.map(|(a, b)| (owned(a), owned(b))),
            reserved: self.reserved,
            until: self.until,
        }
    }
}

impl Ipam {
    /// What a workload retains as its blocks tell of it, and the claims that it is behind. A move of it, which only it told of,
    /// is over: the address that waited for the new host stays with the workload for [`STUCK`].
    fn workload_told(&self, identity: Identity<'_>, mut told: Told) -> Option<Record<'static>> {
        told.retain(|(_, _, one)| {
            let whose = one.workload.as_ref();
            whose.is_some_and(|(w, i)| *w == identity.workload && *i == identity.interface)
        });
        let reserved = told.iter().filter(|(_, _, one)| one.reserved);
        let retained: Vec<(PoolId, IpAddr)> = reserved.map(|&(pool, at, _)| (pool, at)).collect();
        // What waited for the end of a move, nobody knows for how long, waits for as long as a move may take.
        let ends = |until| match until {
            WHILE_MOVING => self.now().after(STUCK),
            until => until,
        };
        let sticky = told.iter().filter_map(|(pool, address, one)| {
            Some(StickyRecord {
                pool: *pool,
                address: *address,
                until: ends(one.until.filter(|_| one.holder.is_none())?),
            })
        });
        let id = self.workload(identity);
        let claims = id.into_iter().flat_map(|id| self.claims_of(id));
        let mut owners: Vec<Cow<'static, str>> = claims
            .map(|claim| Cow::Owned(self.claims.owner(claim).into()))
            .collect();
        owners.sort_unstable();
        let sticky: Vec<StickyRecord> = sticky.collect();
        let record = Record::Workload {
            name: Cow::Owned(identity.workload.into()),
            interface: Cow::Owned(identity.interface.into()),
            since: self.now(),
            until: Timestamp::MAX,
            fixed: !retained.is_empty(),
            retained,
            sticky,
            moving: None,
            owners: Some(owners),
        };
        Some(record)
    }

    /// A damaged block's record, made from the claims and workloads that hold its addresses and the host that names it:
    /// whatever else it has may have been in use until a moment ago. `None` where its pool is unknown.
    fn block_anew(&self, id: PoolId, first: IpAddr, host: Option<&str>) -> Option<Vec<u8>> {
        let pool = self.pools.get(id.0)?;
        let first = pool.spec().cidr.family().address(crate::net::number(first));
        let block = Cidr::containing(first, pool.spec().block_size).ok()?;
        if block.first() != first || !pool.spec().cidr.contains(first) {
            return None;
        }
        let (mut released, mut used_addresses) = (Vec::new(), Vec::new());
        for (offset, address) in crate::apply::workload::addresses(block.range()).enumerate() {
            let offset = offset as u32;
            let slot = pool.slot(address);
            let told = slot.and_then(|slot| self.used_address(Spot { pool: id.0, slot }, offset));
            let used = told.is_some();
            used_addresses.extend(told);
            // Also what is in quarantine by a record that no part of the state would read for this block.
            if !used && pool.spec().excludes(address).is_none() {
                released.push(ReleasedAddress {
                    offset,
                    at: self.now(),
                    order: offset.into(),
                });
            }
        }
        let record = Record::Block {
            pool: id,
            block,
            host: host.map(|name| (name.into(), BlockState::Confirmed)),
            // Above every generation that the block may have had: each of those took a commit.
            generation: self.tokens.latest().saturating_add(1 << 32),
            empty_since: self.now(),
            released,
            used: Some(used_addresses),
        };
        Some(record.encode())
    }
}

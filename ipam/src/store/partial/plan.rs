//! Which records an operation needs.

use super::build::Part;
use super::view::{Trust, View};
use crate::cidr::{AddressRange, Cidr, Family};
use crate::claim::{Request, Retention};
use crate::decide::wanted;
use crate::identity::Identity;
use crate::pool::PoolId;
use crate::store::record::{Record, block_key, claim_key, cursor_key, host_key, workload_key};
use crate::store::seam::{Store, StoreError};
use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// More pools than are read for one address.
const MOST_POOLS: usize = 4096;
/// More blocks than are read for one address.
const MOST_BLOCKS: usize = 64;
/// Rounds of reading what was told of by what was read before: claim, workload, its other claims, their blocks, and those
/// whose addresses expired there.
const ROUNDS: usize = 6;

/// What an operation is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal<'g, 'r> {
    /// An address for a request.
    Claim(&'g Request<'r>),
    /// The claim of an owner, which is ended or prolonged.
    Owner(&'g str),
    /// A host, some of its blocks, and all that holds addresses there.
    Blocks(&'g str, &'g [(PoolId, IpAddr)]),
}

impl Goal<'_, '_> {
    /// How far it may go by what is known from before: who collects looks.
    pub(super) fn trust(self) -> Trust {
        match self {
            Self::Claim(_) | Self::Owner(_) => Trust::All,
            Self::Blocks(..) => Trust::Nothing,
        }
    }

    /// Reads what it takes.
    pub(super) async fn read<S: Store>(self, view: &mut View<'_, S>) -> Result<Part, StoreError> {
        match self {
            Self::Claim(request) => for_claim(view, request).await,
            Self::Owner(owner) => for_owner(view, owner).await,
            Self::Blocks(host, blocks) => for_blocks(view, host, blocks).await,
        }
    }
}

/// Whether reading goes on: not where only the whole state tells.
pub(super) type Goes = Result<bool, StoreError>;

/// What a claim needs.
async fn for_claim<S: Store>(
    view: &mut View<'_, S>,
    request: &Request<'_>,
) -> Result<Part, StoreError> {
    let identity = request
        .workload
        .map(|w| Identity::from((w, request.interface)));
    let owner = claim_key(request.owner);
    let own = [Some(owner.clone()), identity.map(workload_key)];
    view.assume(own.iter().flatten().cloned());
    let keys = own.into_iter().chain([request.host.map(host_key)]);
    if request.after.is_some() || !view.begin(keys.flatten()).await? {
        return Ok(Part::Unknown);
    }
    // An owner that has a claim needs no other address.
    if view.record(&owner).is_none() {
        for family in [Family::V4, Family::V6] {
            if request.families.want(family) && !view.candidates(request, family).await? {
                return Ok(Part::Unknown);
            }
        }
    }
    view.end().await
}

/// What it takes to end or prolong an owner's claim.
async fn for_owner<S: Store>(view: &mut View<'_, S>, owner: &str) -> Result<Part, StoreError> {
    let key = claim_key(owner);
    if !view.begin([key.clone()]).await? || view.record(&key).is_none() {
        return Ok(Part::Unknown);
    }
    view.end().await
}

/// What it takes to give blocks up, and to end claims there.
async fn for_blocks<S: Store>(
    view: &mut View<'_, S>,
    host: &str,
    blocks: &[(PoolId, IpAddr)],
) -> Result<Part, StoreError> {
    let keys = blocks.iter().map(|&(id, first)| block_key(id, first));
    let keys: Vec<String> = keys.collect();
    let all = keys.iter().cloned().chain([host_key(host)]);
    if !view.begin(all).await? {
        return Ok(Part::Unknown);
    }
    let mut owners = BTreeSet::new();
    for key in &keys {
        if let Some(Record::Block {
            used: Some(used), ..
        }) = view.record(key)
        {
            let holders = used.into_iter().filter_map(|one| one.holder);
            owners.extend(holders.map(|holder| claim_key(&holder.owner)));
        }
    }
    view.fetch(owners).await?;
    view.end().await
}

impl<S: Store> View<'_, S> {
    /// The pools, some records by key, and what those tell of.
    async fn begin(&mut self, keys: impl IntoIterator<Item = String>) -> Goes {
        if !self.fetch_pools(MOST_POOLS).await? || !self.read_pools() {
            return Ok(false);
        }
        self.fetch(keys.into_iter().chain(["m/".to_owned()]))
            .await?;
        self.follow().await
    }

    /// What is told of by all that was read, and where blocks stand in their pools' summaries.
    async fn end(&mut self) -> Result<Part, StoreError> {
        if self.damaged || !self.follow().await? {
            return Ok(Part::Unknown);
        }
        let mut cursors = BTreeSet::new();
        for (id, block) in self.blocks() {
            let Some(pool) = self.pools.get(&id) else {
                return Ok(Part::Unknown);
            };
            cursors.insert(cursor_key(id));
            let (geometry, number) = (pool.geometry, pool.geometry.block_of(block));
            if !self.fetch_pages(&geometry, geometry.path(number)).await? {
                return Ok(Part::Unknown);
            }
        }
        self.fetch(cursors).await?;
        self.build()
    }

    /// The blocks that were read, present or not.
    fn blocks(&self) -> Vec<(PoolId, IpAddr)> {
        let block = |key: &String| {
            let rest = key.strip_prefix("b/")?;
            let id = PoolId(rest.get(..5)?.parse().ok()?);
            let family = self.pools.get(&id)?.spec.cidr.family();
            let first = u128::from_str_radix(rest.get(6..)?, 16).ok()?;
            Some((id, family.address(first)))
        };
        self.entries.keys().filter_map(block).collect()
    }

    /// Reads what is told of by what was read: claims' and workloads' blocks, workloads' claims, and the workloads of addresses
    /// that expired in a block.
    async fn follow(&mut self) -> Goes {
        for _ in 0..ROUNDS {
            let mut keys = BTreeSet::new();
            for key in self.entries.keys() {
                if let Some(record) = self.record(key) {
                    self.told_of(&record, &mut keys);
                }
            }
            keys.retain(|key| !self.entries.contains_key(key));
            if keys.is_empty() {
                return Ok(true);
            }
            let known = self.entries.keys().chain(&keys);
            if known.filter(|key| key.starts_with("b/")).count() > MOST_BLOCKS {
                return Ok(false);
            }
            self.fetch(keys).await?;
        }
        Ok(false)
    }

    fn told_of(&self, record: &Record<'_>, keys: &mut BTreeSet<String>) {
        let blocks = |places: &[(PoolId, IpAddr)]| -> Vec<String> {
            let key = |&(id, address): &(PoolId, IpAddr)| self.block_key(id, address);
            places.iter().filter_map(key).collect()
        };
        match record {
            Record::Claim {
                workload,
                interface,
                addresses,
                ..
            } => {
                keys.extend(blocks(addresses));
                let workload = workload.as_deref();
                let identity = workload.map(|w| Identity::from((w, &**interface)));
                keys.extend(identity.map(workload_key));
            }
            Record::Workload {
                retained,
                sticky,
                moving,
                owners,
                ..
            } => {
                keys.extend(blocks(retained));
                let sticky: Vec<_> = sticky.iter().map(|s| (s.pool, s.address)).collect();
                keys.extend(blocks(&sticky));
                keys.extend(moving.iter().flat_map(|m| blocks(&m.addresses)));
                keys.extend(owners.iter().flatten().map(|owner| claim_key(owner)));
            }
            Record::Block {
                used: Some(used), ..
            } => {
                let over = used.iter().filter(|one| one.is_over(self.now));
                let workloads = over.filter_map(|one| one.workload.as_ref());
                keys.extend(workloads.map(|(w, i)| workload_key(Identity::from((&**w, &**i)))));
            }
            _ => {}
        }
    }

    /// The key of an address's block.
    pub(super) fn block_key(&self, id: PoolId, address: IpAddr) -> Option<String> {
        let size = self.pools.get(&id)?.spec.block_size;
        let block = Cidr::containing(address, size).ok()?;
        Some(block_key(id, block.first()))
    }

    /// The blocks out of which a request may be answered.
    async fn candidates(&mut self, request: &Request<'_>, family: Family) -> Goes {
        let asked = wanted(request, family).map(AddressRange::from);
        let fixed: &[AddressRange] = match request.retention {
            Retention::Fixed(ranges) => ranges,
            _ => &[],
        };
        let of_family = |range: &&AddressRange| range.family() == family;
        let ranges: Vec<AddressRange> = match asked {
            Some(address) => fixed.iter().copied().chain([address]).collect(),
            None => fixed.iter().filter(of_family).copied().collect(),
        };
        match ranges.is_empty() {
            true => self.find_free(request, family).await,
            false => self.named(&ranges).await,
        }
    }

    /// The blocks of addresses that are asked for by name, and who is told to hold or retain these.
    async fn named(&mut self, ranges: &[AddressRange]) -> Goes {
        let mut keys = BTreeSet::new();
        for range in ranges {
            let pool = self
                .pools
                .iter()
                .find(|(_, p)| p.spec.cidr.contains(range.first()));
            let Some((&id, pool)) = pool else {
                return Ok(false);
            };
            let geometry = pool.geometry;
            let (from, to) = (
                geometry.block_of(range.first()),
                geometry.block_of(range.last()),
            );
            if to.saturating_sub(from) >= MOST_BLOCKS as u128 {
                return Ok(false);
            }
            keys.extend((from..=to).map(|block| block_key(id, geometry.first(block))));
        }
        self.fetch(keys.iter().cloned()).await?;
        let mut told = BTreeSet::new();
        for key in &keys {
            if let Some(Record::Block {
                block,
                used: Some(used),
                ..
            }) = self.record(key)
            {
                let base = crate::cidr::number(block.first());
                for one in used {
                    let address = block.family().address(base + u128::from(one.offset));
                    if ranges.iter().any(|range| range.contains(address)) {
                        told.extend(one.holder.map(|holder| claim_key(&holder.owner)));
                        let identity = one.workload.as_ref();
                        let identity = identity.map(|(w, i)| Identity::from((&**w, &**i)));
                        told.extend(identity.map(workload_key));
                    }
                }
            }
        }
        self.fetch(told).await?;
        self.follow().await
    }
}

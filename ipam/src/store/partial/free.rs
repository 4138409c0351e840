//! In which block a pool's next free address is.

use super::plan::Goes;
use super::view::{PoolView, View};
use crate::cidr::{Family, host_mask, number};
use crate::claim::Request;
use crate::hash::hash;
use crate::pool::PoolId;
use crate::pool::blocks::BlockState;
use crate::pool::pick::{Draw, Start};
use crate::pool::spec::{Affinity, Order};
use crate::store::record::{Record, block_key, cursor_key, host_key};
use crate::store::seam::{Store, StoreError};
use crate::store::summary::Wanted;
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::net::IpAddr;

/// A host's blocks of one pool beyond which the whole state is asked.
const MOST_OWN: usize = 1024;

/// What a look at a host's own blocks came to.
enum Own {
    /// One with a free address is read.
    Found,
    /// None has any; until when all stay so, where that is known.
    Full(Option<Timestamp>),
}

/// What a look at one pool came to.
enum Look {
    /// The block is read.
    Found,
    /// It has nothing free: the next pool is asked.
    Exhausted,
    /// Only the whole state tells.
    Unknown,
}

impl<S: Store> View<'_, S> {
    /// Reads the block out of which a request gets an address that nobody asked for by name.
    pub(super) async fn find_free(&mut self, request: &Request<'_>, family: Family) -> Goes {
        let mut ids: Vec<PoolId> = Vec::new();
        match request.pools {
            [] => {
                let mut names: Vec<_> = self
                    .pools
                    .iter()
                    .map(|(id, p)| (&p.spec.name, *id))
                    .collect();
                names.sort_unstable();
                ids.extend(names.into_iter().map(|(_, id)| id));
            }
            named => {
                for name in named {
                    match self.pools.iter().find(|(_, p)| p.spec.name == **name) {
                        Some((&id, _)) => ids.push(id),
                        None => return Ok(false),
                    }
                }
            }
        }
        for id in ids {
            let Some(pool) = self.pools.get(&id).cloned() else {
                continue;
            };
            let labels = |&(key, want): &(&str, &str)| {
                pool.spec.labels.get(key).map(|have| &**have) == Some(want)
            };
            let open = pool.spec.cidr.family() == family && !pool.draining;
            if !open || !request.labels.iter().all(labels) {
                continue;
            }
            self.looks += 1;
            let look = match request.host {
                Some(host) if pool.spec.affinity != Affinity::Off => {
                    self.look_for_host(&pool, host).await?
                }
                _ => self.look_anywhere(&pool, family).await?,
            };
            match look {
                Look::Found => return Ok(true),
                Look::Exhausted => {}
                Look::Unknown => return Ok(false),
            }
        }
        Ok(false)
    }

    /// A host's own block with a free address, else one that belongs to nobody.
    async fn look_for_host(&mut self, pool: &PoolView, host: &str) -> Result<Look, StoreError> {
        let (settings, blocks) = match self.record(&host_key(host)) {
            Some(Record::Host {
                settings, blocks, ..
            }) => (settings, blocks.unwrap_or_default()),
            _ => Default::default(),
        };
        let own = blocks.into_iter().filter(|(id, _)| *id == pool.id);
        let own: Vec<IpAddr> = own.map(|(_, first)| first).collect();
        if settings.draining || own.len() > MOST_OWN {
            return Ok(Look::Unknown);
        }
        let geometry = pool.geometry;
        let pages = own
            .iter()
            .flat_map(|&first| geometry.path(geometry.block_of(first)).next());
        if !self.fetch_pages(&geometry, pages).await? {
            return Ok(Look::Unknown);
        }
        let stays = match self.look_in_own(pool, &own).await? {
            Own::Found => return Ok(Look::Found),
            Own::Full(stays) => stays,
        };
        let mut starts = settings.starts.iter();
        let start = starts.find(|&&at| pool.spec.cidr.contains(at));
        let start = pool.spec.start_block(match start {
            Some(&at) => Start::At(at),
            None => Start::Hash(hash(self.seed(), host.as_bytes())),
        });
        let start = geometry.blocks().0 + start;
        // What others took meanwhile is not taken once more.
        if !self.renew_pages(&geometry, geometry.path(start)).await? {
            return Ok(Look::Unknown);
        }
        let limits = [settings.block_limit, pool.spec.block_limit];
        let mut limits = limits.iter().flatten();
        if limits.any(|&limit| own.len() >= limit as usize) {
            return self.look_to_borrow(pool, start).await;
        }
        if self.look_for_new(pool, start, stays).await? {
            return Ok(Look::Found);
        }
        match self.look_to_reclaim(pool, host).await? {
            Some(look) => Ok(look),
            None => self.look_to_borrow(pool, start).await,
        }
    }

    /// Reads the first of a host's own blocks that has a free address.
    async fn look_in_own(&mut self, pool: &PoolView, own: &[IpAddr]) -> Result<Own, StoreError> {
        let geometry = pool.geometry;
        let mut stays = Some(Timestamp::MAX);
        for &first in own {
            let summary = self.summaries.block(&geometry, geometry.block_of(first));
            let clock = (self.now, pool.spec.quarantine);
            let full = summary.filter(|summary| !summary.has(Wanted::Free, clock));
            if summary.is_some() && full.is_none() {
                let key = block_key(pool.id, first);
                self.fetch([key.clone()]).await?;
                let state = match self.record(&key) {
                    Some(Record::Block { host, .. }) => host.map(|(_, state)| state),
                    _ => None,
                };
                if state.is_some_and(|state| state != BlockState::Releasing) {
                    self.stays = stays.filter(|_| self.looks == 1);
                    return Ok(Own::Found);
                }
            }
            let free = full.map(|full| match full.free {
                Timestamp::MAX => Timestamp::MAX,
                since => since.after(pool.spec.quarantine),
            });
            stays = stays.zip(free).map(|(a, b)| a.min(b));
        }
        Ok(Own::Full(stays))
    }

    /// Reads the first block from `start` on that is nobody's, if there is one.
    async fn look_for_new(
        &mut self,
        pool: &PoolView,
        start: u128,
        stays: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let geometry = pool.geometry;
        for from in [start, geometry.blocks().0] {
            if let Some(block) = self.search(pool, from, Wanted::Unclaimed).await? {
                let key = block_key(pool.id, geometry.first(block));
                if self.summaries.block(&geometry, block).is_none() {
                    self.assume([key.clone()]);
                }
                self.fetch([key]).await?;
                self.stays = stays.filter(|_| self.looks == 1);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the block of another host that is empty for longest, and that host's record; nothing where none is for long enough.
    async fn look_to_reclaim(
        &mut self,
        pool: &PoolView,
        host: &str,
    ) -> Result<Option<Look>, StoreError> {
        let geometry = pool.geometry;
        let (block, since) = loop {
            match self.summaries.emptiest(&geometry) {
                Err(page) => {
                    if !self.fetch_pages(&geometry, [page]).await? {
                        return Ok(Some(Look::Unknown));
                    }
                }
                Ok(Some((_, since))) if since.after(pool.spec.reclaim_after) > self.now => {
                    return Ok(None);
                }
                Ok(None) => return Ok(None),
                Ok(Some(found)) => break found,
            }
        };
        let key = block_key(pool.id, geometry.first(block));
        self.fetch([key.clone()]).await?;
        // What its record tells otherwise, by what time alone did, only the whole state puts in order.
        let Some(Record::Block {
            host: Some((owner, _)),
            empty_since,
            released,
            used: Some(used),
            ..
        }) = self.record(&key)
        else {
            return Ok(Some(Look::Unknown));
        };
        let ends = released
            .iter()
            .map(|one| one.at.after(pool.spec.quarantine));
        let emptied = ends.fold(empty_since, Timestamp::max);
        if owner == host || !used.is_empty() || emptied != since {
            return Ok(Some(Look::Unknown));
        }
        let owner = host_key(&owner);
        self.fetch([owner]).await?;
        Ok(Some(Look::Found))
    }

    /// Reads the first block of another host, from `start` on, that has a free address.
    async fn look_to_borrow(&mut self, pool: &PoolView, start: u128) -> Result<Look, StoreError> {
        if pool.spec.affinity != Affinity::Borrow || self.damaged {
            return Ok(Look::Unknown);
        }
        for from in [start, pool.geometry.blocks().0] {
            if let Some(block) = self.search(pool, from, Wanted::Borrowed).await? {
                self.fetch([block_key(pool.id, pool.geometry.first(block))])
                    .await?;
                return Ok(Look::Found);
            }
        }
        // What a quarantine would have to give.
        Ok(Look::Unknown)
    }

    /// The pool's next address, whichever block it is in.
    async fn look_anywhere(&mut self, pool: &PoolView, family: Family) -> Result<Look, StoreError> {
        // Every host takes from the same blocks.
        self.fresh_hints = true;
        let key = cursor_key(pool.id);
        self.fetch([key.clone()]).await?;
        let cursor = match self.record(&key) {
            Some(Record::Cursor { cursor, .. }) => cursor.parse().unwrap_or(0),
            _ => 0u128,
        };
        let draw = Draw {
            seed: self.seed(),
            turn: self.counted() ^ (family as u64) << 63,
        };
        let from = match pool.spec.order {
            Order::Lowest => 0,
            Order::RoundRobin | Order::Lru => cursor,
            Order::Random => draw.offset(pool.spec.cidr.host_bits()),
        };
        let from = pool.spec.cidr.base().saturating_add(from);
        if pool.spec.order == Order::Lru {
            return self.look_for_unused(pool, from).await;
        }
        let first = pool.geometry.blocks().0;
        let block = pool.geometry.block_of_number(from);
        let mut found = Vec::from_iter(self.search(pool, block, Wanted::Free).await?);
        // Of the block in which the search begins perhaps only what is before that is free.
        if found.first() == Some(&block) {
            found.extend(self.search(pool, block + 1, Wanted::Free).await?);
        }
        if found.len() < 2 {
            found.extend(self.search(pool, first, Wanted::Free).await?);
        }
        if found.is_empty() {
            return Ok(match pool.spec.early_reuse {
                true => Look::Unknown,
                false => Look::Exhausted,
            });
        }
        let keys = found
            .iter()
            .map(|&block| block_key(pool.id, pool.geometry.first(block)));
        self.fetch(keys.collect::<Vec<_>>()).await?;
        Ok(Look::Found)
    }

    /// An address that was never used, at a number or above, else the one that was released longest ago.
    async fn look_for_unused(&mut self, pool: &PoolView, from: u128) -> Result<Look, StoreError> {
        let geometry = pool.geometry;
        let mut block = geometry.block_of_number(from);
        while let Some(found) = self.search(pool, block, Wanted::Fresh).await? {
            let key = block_key(pool.id, geometry.first(found));
            self.fetch([key.clone()]).await?;
            if self.has_unused(pool, &key, found, from) {
                return Ok(Look::Found);
            }
            block = found + 1;
        }
        if pool.spec.affinity != Affinity::Off {
            return Ok(Look::Unknown);
        }
        loop {
            match self.summaries.oldest(&geometry) {
                Err(page) => {
                    if !self.fetch_pages(&geometry, [page]).await? {
                        return Ok(Look::Unknown);
                    }
                }
                Ok(Some((block, at))) if at.after(pool.spec.quarantine) <= self.now => {
                    self.fetch([block_key(pool.id, geometry.first(block))])
                        .await?;
                    return Ok(Look::Found);
                }
                // What is free all the same was neither used nor released: below where the pool's order goes on.
                Ok(_) => return Ok(Look::Unknown),
            }
        }
    }

    /// Whether a block has an address at a number or above that was never used.
    fn has_unused(&self, pool: &PoolView, key: &str, block: u128, from: u128) -> bool {
        let first = number(pool.geometry.first(block));
        let length = 1u128 << pool.spec.block_bits();
        let mut taken: Vec<u32> = Vec::new();
        match self.record(key) {
            Some(Record::Block { released, used, .. }) => {
                taken.extend(released.iter().map(|one| one.offset));
                taken.extend(used.iter().flatten().map(|one| one.offset));
            }
            _ if self.bytes(key).is_some() => return false,
            _ => {}
        }
        taken.sort_unstable();
        let mut at = from.max(first);
        while let Some(next) = pool.spec.next_usable(at).filter(|n| *n < first + length) {
            if taken.binary_search(&((next - first) as u32)).is_err() {
                return true;
            }
            at = next + 1;
        }
        false
    }

    /// The first block from one on that has what is wanted, by the pool's summary; its pages are read on the way.
    async fn search(
        &mut self,
        pool: &PoolView,
        mut from: u128,
        wanted: Wanted,
    ) -> Result<Option<u128>, StoreError> {
        let geometry = pool.geometry;
        let clock = (self.now, pool.spec.quarantine);
        loop {
            match self.summaries.first(&geometry, from, wanted, clock) {
                Err(page) => {
                    let path = geometry.path(from.clamp(geometry.blocks().0, geometry.blocks().1));
                    if !self.fetch_pages(&geometry, path.chain([page])).await? {
                        self.damaged = true;
                        return Ok(None);
                    }
                }
                Ok(None) => return Ok(None),
                Ok(Some(block)) => {
                    // A block that was never touched may have nothing that may be given.
                    let first = number(geometry.first(block));
                    let last = first + host_mask(pool.spec.block_bits());
                    match pool.spec.next_usable(first) {
                        Some(usable) if usable <= last => return Ok(Some(block)),
                        Some(usable) => from = geometry.block_of_number(usable),
                        None => return Ok(None),
                    }
                }
            }
        }
    }
}

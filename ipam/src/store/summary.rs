//! Where a pool's free blocks are: a tree of pages over its blocks, 64 parts a page, so that one is found by a handful
//! of records whatever the size of the pool.
//!
//! A page of level 0 tells of 64 blocks, one of level 1 of 64 such pages, and so on. Blocks are numbered by their
//! addresses and not by their place in the pool: a pool that grows keeps its pages. Whatever was never touched has no
//! entry and no page, and an entry says that there is a record below it.

mod geometry;
mod search;

use geometry::{BITS, part_of};
pub(crate) use geometry::{Geometry, PageId};

use super::record::{BlockSummary, Record};
use super::snapshot::blocks_noted;
use crate::pool::PoolId;
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// A page: what it says of its parts that are not untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page(BTreeMap<u8, BlockSummary>);

impl Page {
    /// What there is at best of each in this page.
    fn best(&self) -> BlockSummary {
        let untouched = (self.0.len() < 1 << BITS).then_some(BlockSummary::UNTOUCHED);
        let all = self.0.values().copied().chain(untouched);
        all.reduce(BlockSummary::or)
            .unwrap_or(BlockSummary::UNTOUCHED)
    }

    /// What the page above says of this one: as long as it has blocks for everybody, that there may be something to borrow. Else that page,
    /// which all hosts share, would be altered whenever the only host in here has filled its block.
    fn told_above(&self) -> BlockSummary {
        let best = self.best();
        let borrowed = match best.unclaimed {
            Timestamp::ZERO => Timestamp::ZERO,
            _ => best.borrowed,
        };
        BlockSummary { borrowed, ..best }
    }

    /// Whether this, which is stored, tells the same as one that was worked out anew: what there is to borrow where there are blocks for
    /// everybody was told exactly once.
    fn is_as(&self, anew: &Self) -> bool {
        let as_anew = |(told, is): (&BlockSummary, &BlockSummary)| {
            let borrowed = match is.unclaimed {
                Timestamp::ZERO => is.borrowed,
                _ => told.borrowed,
            };
            BlockSummary { borrowed, ..*told } == *is
        };
        self.0.keys().eq(anew.0.keys()) && self.0.values().zip(anew.0.values()).all(as_anew)
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Free,
    Unclaimed,
    Fresh,
    /// A free address of another host's block.
    Borrowed,
}

impl BlockSummary {
    /// Whether this, which was written earlier, denies nothing of what is by now.
    pub(crate) fn admits(self, is: Self, clock: (Timestamp, Duration)) -> bool {
        let all = [
            Wanted::Free,
            Wanted::Unclaimed,
            Wanted::Fresh,
            Wanted::Borrowed,
        ];
        let admits = |&wanted: &Wanted| self.has(wanted, clock) || !is.has(wanted, clock);
        all.iter().all(admits)
    }

    pub(crate) fn has(self, wanted: Wanted, (now, quarantine): (Timestamp, Duration)) -> bool {
        let since = match wanted {
            Wanted::Free => self.free,
            Wanted::Unclaimed => self.unclaimed,
            Wanted::Fresh => self.fresh,
            Wanted::Borrowed => self.borrowed,
        };
        since == Timestamp::ZERO || since != Timestamp::MAX && since.after(quarantine) <= now
    }
}

/// The pages that are known: all of them, or those that were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summaries {
    pages: BTreeMap<PageId, Option<Page>>,
    /// Whether what is not among them is known to be untouched.
    whole: bool,
    /// Whether a page was altered that is not known.
    pub(crate) overreached: bool,
}

impl Summaries {
    pub(crate) fn whole() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// Notes a page that was read: its record, or that there is none. Whether the record is this page's.
    pub(crate) fn note(
        &mut self,
        geometry: &Geometry,
        page: PageId,
        record: Option<&Record<'_>>,
    ) -> bool {
        let known = match record {
            None => None,
            Some(Record::Summary {
                pool,
                level,
                first,
                parts,
            }) => {
                let own = geometry.page(*level, *first) == Some(page) && *pool == page.pool;
                if !own || parts.iter().any(|(n, _)| *n >= 1 << BITS) {
                    return false;
                }
                Some(Page(parts.iter().copied().collect()))
            }
            Some(_) => return false,
        };
        self.pages.insert(page, known);
        true
    }

    /// As [`Summaries::note`], of whichever page of a pool of this state the record is.
    pub(crate) fn take(&mut self, ipam: &Ipam, record: &Record<'_>) -> bool {
        let Record::Summary {
            pool, level, first, ..
        } = record
        else {
            return false;
        };
        let Some(known) = ipam.pools.get(pool.0) else {
            return false;
        };
        let geometry = Geometry::new(*pool, known.spec());
        let page = geometry.page(*level, *first);
        page.is_some_and(|page| self.note(&geometry, page, Some(record)))
    }

    /// Drops the page of a key, which was deleted; whether that can be one.
    pub(crate) fn drop_key(&mut self, ipam: &Ipam, key: &str) -> bool {
        let id = key.get(2..7).and_then(|id| id.parse().ok()).map(PoolId);
        let Some(id) = id else {
            return false;
        };
        let Some(pool) = ipam.pools.get(id.0) else {
            return true;
        };
        let geometry = Geometry::new(id, pool.spec());
        let page = self
            .of(id)
            .into_iter()
            .find(|&page| geometry.key(page) == key);
        if let Some(page) = page {
            self.pages.insert(page, None);
        }
        true
    }

    /// The record of the page of a key.
    pub(crate) fn record_of(&self, ipam: &Ipam, key: &str) -> Option<Record<'static>> {
        let id = key.get(2..7).and_then(|id| id.parse().ok()).map(PoolId)?;
        let geometry = Geometry::new(id, ipam.pools.get(id.0)?.spec());
        let page = self
            .of(id)
            .into_iter()
            .find(|&page| geometry.key(page) == key);
        self.record(&geometry, page?)
    }

    /// Every page's record of a state that stands nowhere yet.
    pub(crate) fn of_state(ipam: &Ipam) -> Vec<Record<'static>> {
        let (mut all, mut records) = (Self::whole(), Vec::new());
        for (id, pool) in ipam.pools.iter() {
            let geometry = Geometry::new(id, pool.spec());
            for block in blocks_noted(pool) {
                let number = geometry.block_of(pool.block_cidr(block).first());
                let summary = Some(ipam.block_summary(id, block));
                all.set(&geometry, number, summary, &mut BTreeMap::new());
            }
            let pages = all.of(id).into_iter();
            records.extend(pages.filter_map(|page| all.record(&geometry, page)));
        }
        records
    }

    /// Takes a pool's pages over as they are stored, where they tell the same; those that do not.
    pub(crate) fn differing(&mut self, stored: &Self, pool: PoolId) -> BTreeSet<PageId> {
        let both: BTreeSet<PageId> = self.of(pool).into_iter().chain(stored.of(pool)).collect();
        let mut differing = BTreeSet::new();
        for id in both {
            let own = self.pages.get(&id).and_then(Option::as_ref);
            let other = stored.pages.get(&id).and_then(Option::as_ref);
            match (own, other) {
                (own, other) if own == other => {}
                (Some(own), Some(other)) if id.level > 0 && other.is_as(own) => {
                    self.pages.insert(id, Some(other.clone()));
                }
                _ => drop(differing.insert(id)),
            }
        }
        differing
    }

    /// Whether a page need not be read.
    pub(crate) fn knows(&self, page: PageId) -> bool {
        self.whole || self.pages.contains_key(&page)
    }

    fn get(&self, page: PageId) -> Result<Option<&Page>, PageId> {
        match self.pages.get(&page) {
            Some(known) => Ok(known.as_ref()),
            None if self.whole => Ok(None),
            None => Err(page),
        }
    }

    /// What is said of a block; [`None`] where it was never touched.
    pub(crate) fn block(&self, geometry: &Geometry, block: u128) -> Option<BlockSummary> {
        let page = geometry.path(block).next()?;
        let page = self.pages.get(&page)?.as_ref()?;
        page.0.get(&part_of(block, 0)).copied()
    }

    /// Makes a block what it is now, or untouched, and with it the pages above: those that this alters are noted with what they were.
    pub(crate) fn set(
        &mut self,
        geometry: &Geometry,
        block: u128,
        summary: Option<BlockSummary>,
        before: &mut BTreeMap<PageId, Option<Page>>,
    ) {
        let mut part = summary;
        for page in geometry.path(block) {
            let number = part_of(block, page.level);
            self.overreached |= !self.knows(page);
            let known = self.pages.get(&page).cloned().flatten();
            let mut next = known.clone().unwrap_or_default();
            let was = match part {
                Some(part) => next.0.insert(number, part),
                None => next.0.remove(&number),
            };
            if was == part {
                return;
            }
            part = (!next.0.is_empty()).then(|| next.told_above());
            before.entry(page).or_insert(known);
            self.pages
                .insert(page, (!next.0.is_empty()).then_some(next));
        }
    }

    /// Takes back what [`Summaries::set`] noted.
    pub(crate) fn undo(&mut self, before: BTreeMap<PageId, Option<Page>>) {
        self.pages.extend(before);
    }

    /// A page's record; none where nothing that it tells of was touched.
    pub(crate) fn record(&self, geometry: &Geometry, page: PageId) -> Option<Record<'static>> {
        let Page(parts) = self.pages.get(&page)?.as_ref()?;
        Some(Record::Summary {
            pool: page.pool,
            level: page.level,
            first: geometry.first_of(page),
            parts: parts.iter().map(|(&n, &part)| (n, part)).collect(),
        })
    }

    /// Makes a pool's pages none; they are noted with what they were.
    pub(crate) fn clear_pool(&mut self, pool: PoolId, before: &mut BTreeMap<PageId, Option<Page>>) {
        for page in self.of(pool) {
            let known = self.pages.insert(page, None).flatten();
            before.entry(page).or_insert(known);
        }
    }

    /// Makes the pages above the lowest anew, as a pool that grew needs; those that this alters are noted with what they were.
    pub(crate) fn rebuild(
        &mut self,
        geometry: &Geometry,
        before: &mut BTreeMap<PageId, Option<Page>>,
    ) {
        let blocks = self.leaves(geometry.pool);
        let mut all = BTreeMap::new();
        self.clear_pool(geometry.pool, &mut all);
        for (block, summary) in blocks {
            self.set(geometry, block, Some(summary), &mut all);
        }
        for (page, known) in all {
            if self.pages.get(&page) != Some(&known) {
                before.entry(page).or_insert(known);
            }
        }
    }

    /// What is said of each of a pool's blocks.
    pub(crate) fn leaves(&self, pool: PoolId) -> Vec<(u128, BlockSummary)> {
        let mut leaves = Vec::new();
        for page in self.of(pool).into_iter().filter(|page| page.level == 0) {
            let parts = self.pages.get(&page).and_then(Option::as_ref);
            let parts = parts.into_iter().flat_map(|page| &page.0);
            leaves.extend(parts.map(|(&n, &part)| ((page.index << BITS) + u128::from(n), part)));
        }
        leaves
    }

    /// A pool's pages.
    pub(crate) fn of(&self, pool: PoolId) -> Vec<PageId> {
        let id = |pool, level, index| PageId { pool, level, index };
        let range = id(pool, 0, 0)..=id(pool, u8::MAX, u128::MAX);
        self.pages.range(range).map(|(&page, _)| page).collect()
    }
}

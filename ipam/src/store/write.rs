//! What changes alter of what is stored: applied to a state in memory, and put into one transaction.

use super::record::{Record, copy_key, host_key};
use super::seam::{Event, Guard, Revision, Txn};
use super::snapshot::blocks_noted;
use super::summary::{Geometry, Page, PageId, Summaries};
use crate::apply::ApplyError;
use crate::change::{Change, ChangeKind};
use crate::pool::PoolId;
use crate::state::Ipam;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What some changes altered.
#[derive(Debug, Default)]
pub(super) struct Altered {
    /// The keys of records that are other now.
    keys: BTreeSet<String>,
    /// Keys that nobody may have altered meanwhile, besides those.
    guards: BTreeSet<String>,
    /// The records as they were, unless it is a part that is dropped rather than made what it was.
    pub(super) before: Vec<Event>,
    part: bool,
    /// The keys of hosts whose settings are other now: only then their copies are.
    settings: BTreeSet<String>,
    /// Whether pools were altered.
    pub(super) structural: bool,
    /// The summaries' pages that are other now, as they were.
    pub(super) pages: BTreeMap<PageId, Option<Page>>,
    /// How the blocks of pools are numbered that were altered or removed.
    geometries: BTreeMap<PoolId, Geometry>,
    /// Where sequence numbers began, if more were given than the store will have counted.
    pub(super) base: Option<u64>,
}

impl Altered {
    /// Nothing yet, of a part of the state that nobody makes what it was before.
    pub(super) fn of_part() -> Self {
        Self {
            part: true,
            ..Self::default()
        }
    }

    /// Applies changes to a state. Also where one cannot be applied, what those before it altered is told.
    pub(super) fn apply(
        &mut self,
        ipam: &mut Ipam,
        changes: &[Change<'_>],
    ) -> Result<(), ApplyError> {
        for change in changes {
            for key in ipam.touched(change) {
                if self.keys.contains(&key) {
                    continue;
                }
                self.structural |= is_structural(&key);
                self.note_geometry(ipam, &key);
                if !self.part {
                    let value = ipam.record(&key).map(|r| r.encode());
                    let key = key.clone();
                    self.before.push(Event { key, value });
                }
                self.keys.insert(key);
            }
            if let ChangeKind::HostSet { host, .. } = &change.kind {
                self.settings.insert(host_key(host));
            }
            self.guards.extend(Ipam::rests_on(change));
            ipam.apply(change)?;
        }
        self.keys.extend(ipam.dirty.take());
        Ok(())
    }

    /// Leaves some records as they are stored, unless the changes themselves alter them: time alone writes over nothing that is
    /// damaged.
    pub(super) fn spare<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        for key in keys {
            if self.before.iter().all(|event| event.key != key) {
                self.keys.remove(key);
            }
        }
    }

    /// Has every record stored anew.
    pub(super) fn add_all(&mut self, ipam: &Ipam) {
        for record in ipam.records() {
            let key = record.key();
            if record.copy().is_some() && key.starts_with("h/") {
                self.settings.insert(key.clone());
            }
            self.keys.insert(key);
        }
    }

    /// Has one key's record stored.
    pub(super) fn add(&mut self, key: &str) {
        self.keys.insert(key.to_string());
    }

    /// Whether all that was altered is known.
    pub(super) fn is_within(&self, known: impl Fn(&str) -> bool, summaries: &Summaries) -> bool {
        self.keys.iter().all(|key| known(key)) && !summaries.overreached
    }

    /// Whether a key's record is other now.
    pub(super) fn alters(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    fn note_geometry(&mut self, ipam: &Ipam, key: &str) {
        let id = key.strip_prefix("p/").and_then(|id| id.parse().ok());
        if let Some(id) = id.map(PoolId)
            && let Some(pool) = ipam.pools.get(id.0)
        {
            let geometry = Geometry::new(id, pool.spec());
            // Whoever takes a block of a pool for the first time alters one of its pages.
            let top = geometry.path(geometry.blocks().0).last();
            self.guards.extend(top.map(|page| geometry.key(page)));
            self.geometries.insert(id, geometry);
        }
    }

    /// Sees to it that what the store counts lies before every sequence number still to be given, however many one commit gave.
    pub(super) fn count(&mut self, ipam: &mut Ipam, since: Revision) {
        self.base = ipam.tokens.begin_later(since.saturating_add(1));
        if self.base.is_some() {
            self.add("m/");
        }
    }

    /// Brings the summaries up to what the changed blocks and pools are now.
    pub(super) fn summarise(&mut self, ipam: &Ipam, summaries: &mut Summaries) {
        let keys: Vec<String> = self.keys.iter().cloned().collect();
        for key in keys.iter().filter(|k| k.starts_with("p/")) {
            let Some(id) = key.get(2..).and_then(|id| id.parse().ok()).map(PoolId) else {
                continue;
            };
            match ipam.pools.get(id.0) {
                None => summaries.clear_pool(id, &mut self.pages),
                Some(pool) => {
                    let geometry = Geometry::new(id, pool.spec());
                    self.geometries.insert(id, geometry);
                    summaries.rebuild(&geometry, &mut self.pages);
                    for block in blocks_noted(pool) {
                        let number = geometry.block_of(pool.block_cidr(block).first());
                        let summary = Some(ipam.block_summary(id, block));
                        summaries.set(&geometry, number, summary, &mut self.pages);
                    }
                }
            }
        }
        for key in keys.iter().filter(|k| k.starts_with("b/")) {
            self.summarise_block(ipam, summaries, key);
        }
    }

    fn summarise_block(&mut self, ipam: &Ipam, summaries: &mut Summaries, key: &str) {
        let Some(Record::Block {
            pool: id, block, ..
        }) = ipam.record(key)
        else {
            return;
        };
        let Some(pool) = ipam.pools.get(id.0) else {
            return;
        };
        let geometry = *self
            .geometries
            .entry(id)
            .or_insert_with(|| Geometry::new(id, pool.spec()));
        let summary = pool
            .slot(block.first())
            .map(|slot| ipam.block_summary(id, pool.block_of(slot)));
        let number = geometry.block_of(block.first());
        summaries.set(&geometry, number, summary, &mut self.pages);
    }

    /// The transaction that stores it all; `guard` says what is known of a key.
    pub(super) fn transaction(
        &self,
        ipam: &Ipam,
        summaries: &Summaries,
        guard: impl Fn(&str) -> Guard,
    ) -> Txn {
        let mut txn = Txn::default();
        let mut store = |key: &str, bytes: Option<Vec<u8>>| match bytes {
            Some(bytes) => txn.put.push((key.to_string(), bytes)),
            None => txn.delete.push(key.to_string()),
        };
        let mut unchanged: BTreeSet<&str> = self.guards.iter().map(String::as_str).collect();
        for key in &self.keys {
            let record = ipam.record(key);
            if !key.starts_with("h/") || self.settings.contains(key) {
                let copy = record.as_ref().and_then(Record::copy);
                copy_key(key).inspect(|key| store(key, copy.map(|copy| copy.encode())));
            }
            store(key, record.map(|record| record.encode()));
            // Where a pool goes on is a hint: it is nobody's ground for a conflict.
            if !key.starts_with("r/") {
                unchanged.insert(key);
            }
        }
        let mut pages = Vec::new();
        for &page in self.pages.keys() {
            if let Some(geometry) = self.geometries.get(&page.pool) {
                let record = summaries.record(geometry, page);
                let key = geometry.key(page);
                store(&key, record.map(|record| record.encode()));
                pages.push(key);
            }
        }
        let pages = pages.iter().map(String::as_str);
        let guards = unchanged.into_iter().chain(pages);
        txn.guards = guards.map(guard).collect();
        txn
    }
}

/// Whether a key's change alters the ground that others stand on.
pub(super) fn is_structural(key: &str) -> bool {
    key.starts_with("p/") || key.starts_with("m/")
}

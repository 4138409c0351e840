//! A store's records as a state: all of them, or those that changed.

use super::copy::Copy;
use super::{PAGE, Replica};
use crate::pool::PoolId;
use crate::state::Ipam;
use crate::store::clock::damaged_time;
use crate::store::codec::RecordError;
use crate::store::damage::{Frozen, RejectedRecord, WHOLE};
use crate::store::rebuild::bad_settings;
use crate::store::record::{COPIES, KINDS, Record, TIME, copied_key, is_outdated};
use crate::store::restore::{Restored, Restorer};
use crate::store::seam::{Event, Revision, Store, StoreError};
use crate::store::snapshot::blocks_noted;
use crate::store::summary::{Geometry, Summaries};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

/// Records of summaries as they were read.
type Pages = Vec<(String, Vec<u8>)>;

impl<S: Store> Replica<S> {
    /// Reads everything anew. Kinds are listed one after another: should others commit meanwhile, all is copied first.
    pub(in crate::store) async fn reload(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.read_all(now, None).await? {
            return Ok(());
        }
        let copy = self.copy_all().await?;
        // Of a copy, which is of one revision, this is always so.
        self.read_all(now, Some(&copy)).await.map(|_| ())
    }

    /// Whether nobody committed meanwhile.
    async fn read_all(&mut self, now: Timestamp, copy: Option<&Copy>) -> Result<bool, StoreError> {
        let mut ipam = Ipam::new(self.ipam.seed());
        ipam.dirty.track();
        let mut restorer = Restorer::onto(ipam, now);
        let (mut seeded, mut revision, mut empty) = (false, None, true);
        let mut tells = true;
        let mut outdated = false;
        let mut pages = Pages::new();
        for kind in KINDS {
            let mut after: Option<String> = None;
            loop {
                let page = self.list(copy, kind, after.as_deref(), PAGE).await?;
                if *revision.get_or_insert(page.revision) != page.revision {
                    return Ok(false);
                }
                empty &= page.entries.is_empty();
                after = page.entries.last().map(|(key, _)| key.clone());
                for (key, value) in page.entries {
                    seeded |= key == "m/";
                    outdated |= is_outdated(&value);
                    // Where the record of what all share is lost, the others themselves say whether they tell of each other.
                    tells &= seeded && !restorer.rejects("m/") || is_telling(&key, &value);
                    match kind {
                        "s/" => pages.push((key, value)),
                        _ => add(&mut restorer, &key, &value)?,
                    }
                }
                if !page.more {
                    break;
                }
            }
        }
        note_shared(&mut restorer, (seeded, empty), tells);
        if restorer.whole {
            let touched = touched(&restorer.ipam, &pages);
            restorer.missing(&touched);
        }
        let mut restored = restorer.finish(true);
        let revision = revision.unwrap_or(0);
        let Some(bad) = self.bad_beside(&restored, revision, copy).await? else {
            return Ok(false);
        };
        restored.rejected.extend(bad);
        if !self.explain(&mut restored, revision, copy).await? {
            return Ok(false);
        }
        let whole = self.store.damage().await?;
        let whole = whole.into_iter().map(|why| RejectedRecord {
            frozen: Frozen::Store,
            ..RejectedRecord::new(WHOLE, "the store", why)
        });
        restored.rejected.extend(whole);
        if restored.rejected.iter().any(|m| m.key == "m/") {
            restored.ipam.tokens.begin_anew();
        }
        restored.ipam.tokens.count(revision);
        self.summaries = Summaries::whole();
        if restored.whole {
            let mut bad = self.read_summaries(&restored.ipam, &pages, &restored.rejected)?;
            // Those of earlier formats tell less: the blocks were asked.
            bad.retain(|page| !outdated || !page.decodes);
            restored.rejected.extend(bad);
        }
        (self.seeded, self.whole, self.unsure) = (seeded, restored.whole, false);
        self.outdated = outdated;
        (self.ipam, self.rejected, self.revision) = (restored.ipam, restored.rejected, revision);
        Ok(true)
    }

    /// Finds out what is behind each doubt, which takes the blocks' records once more. Whether nobody committed meanwhile.
    async fn explain(
        &mut self,
        restored: &mut Restored,
        revision: Revision,
        copy: Option<&Copy>,
    ) -> Result<bool, StoreError> {
        let keys: Vec<String> = restored.doubts.blocks.iter().cloned().collect();
        for keys in keys.chunks(PAGE) {
            let (values, now) = self.get(copy, keys).await?;
            if now != revision {
                return Ok(false);
            }
            for (key, value) in keys.iter().zip(values) {
                let record = value.as_deref().and_then(|v| Record::decode(key, v).ok());
                restored.explain(key, record.as_ref());
            }
        }
        restored.settle();
        Ok(true)
    }

    /// Takes the summaries over as they are stored; those that are not what the blocks say.
    fn read_summaries(
        &mut self,
        ipam: &Ipam,
        pages: &Pages,
        rejected: &[RejectedRecord],
    ) -> Result<Vec<RejectedRecord>, StoreError> {
        let unknown_pools = rejected.iter().filter_map(|r| r.key.strip_prefix("p/"));
        let unknown_pools: Vec<&str> = unknown_pools.collect();
        let mut stored = Summaries::whole();
        let mut bad: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, value) in pages {
            known(key, value)?;
            // Of a pool whose own record is damaged it is not known what its pages are.
            if unknown_pools.iter().any(|id| key.get(2..7) == Some(id)) {
                continue;
            }
            let taken = match Record::decode(key, value) {
                Ok(record) if record.has_key(key) => stored.take(ipam, &record),
                _ => false,
            };
            if !taken {
                bad.insert(key, "is no page of a pool's summary");
            }
        }
        let mut bad: Vec<RejectedRecord> = bad
            .into_iter()
            .map(|(key, why)| RejectedRecord::new(key, key, why))
            .collect();
        for (id, pool) in ipam.pools.iter() {
            let geometry = Geometry::new(id, pool.spec());
            let clock = (ipam.now(), pool.spec().quarantine);
            let mut blocks: BTreeMap<_, _> = stored.leaves(id).into_iter().collect();
            for block in blocks_noted(pool) {
                let number = geometry.block_of(pool.block_cidr(block).first());
                let is = ipam.block_summary(id, block);
                let told = blocks.entry(number).or_insert(is);
                if !told.admits(is, clock) {
                    *told = is;
                }
            }
            for (block, summary) in blocks {
                let summary = Some(summary);
                self.summaries
                    .set(&geometry, block, summary, &mut BTreeMap::new());
            }
            for page in self.summaries.differing(&stored, id) {
                let key = geometry.key(page);
                if bad.iter().all(|r| r.key != key) {
                    let why = "tells otherwise of free blocks than they are";
                    bad.push(RejectedRecord {
                        decodes: true,
                        ..RejectedRecord::new(&key, &key, why)
                    });
                }
            }
        }
        Ok(bad)
    }

    /// What stands beside the state and is not what it should be: copies of pools' records, the pools that only those tell of, and the
    /// store's time. None where others committed meanwhile.
    async fn bad_beside(
        &mut self,
        restored: &Restored,
        revision: Revision,
        copy: Option<&Copy>,
    ) -> Result<Option<Vec<RejectedRecord>>, StoreError> {
        let mut bad = Vec::new();
        // As many as there may be pools: one page.
        let page = self.list(copy, COPIES, None, usize::MAX).await?;
        let (time, now) = self.get(copy, &[TIME.to_string()]).await?;
        if page.revision != revision || now != revision {
            return Ok(None);
        }
        for (key, value) in page.entries {
            let own = copied_key(&key);
            let copied = match Record::decode(&own, &value) {
                Err(RecordError::Version { found, known }) => {
                    return Err(StoreError::Version { key, found, known });
                }
                copied => copied.ok(),
            };
            if own.starts_with("h/") {
                bad.extend(bad_settings(restored, &key, &own, copied.as_ref()));
                continue;
            }
            match restored.ipam.record(&own) {
                Some(record) if copied.as_ref() != Some(&record) => {
                    let why = "is not the copy of its pool's record";
                    bad.push(RejectedRecord::new(&key, &own, why));
                }
                // Both go with their pool.
                None if restored.rejected.iter().all(|r| r.key != own) => {
                    let why = "is missing, though its copy is there";
                    bad.push(RejectedRecord::new(&own, &own, why));
                }
                _ => {}
            }
        }
        bad.extend(damaged_time(time.first().and_then(Option::as_deref))?);
        Ok(Some(bad))
    }

    /// Makes the records of some keys what the events say; whether they fit the rest.
    pub(in crate::store) fn overwrite(
        &mut self,
        events: &[Event],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        for (key, value) in events
            .iter()
            .filter_map(|e| Some((&e.key, e.value.as_ref()?)))
        {
            known(key, value)?;
        }
        let mut ipam = core::mem::replace(&mut self.ipam, Ipam::new(0));
        events.iter().for_each(|event| ipam.clear_key(&event.key));
        self.rejected
            .retain(|m| !events.iter().any(|e| e.key == m.key));
        let mut restorer = Restorer::onto(ipam, now);
        restorer.whole = self.whole;
        let kinds = ["s/", COPIES, TIME];
        let apart = |e: &&Event| kinds.iter().any(|kind| e.key.starts_with(kind));
        let mut present: Vec<&Event> = events.iter().filter(|e| !apart(e)).collect();
        present.sort_by_key(|e| KINDS.iter().position(|k| e.key.starts_with(k)));
        for event in present {
            if let Some(value) = &event.value {
                add(&mut restorer, &event.key, value)?;
            }
        }
        let restored = restorer.finish(false);
        self.ipam = restored.ipam;
        self.rejected.extend(restored.rejected);
        let mut fits = restored.doubts.is_empty();
        for event in events.iter().filter(|e| e.key == TIME) {
            fits &= damaged_time(event.value.as_deref())?.is_none();
        }
        for event in events.iter().filter(|e| e.key.starts_with("s/")) {
            let record = event.value.as_deref();
            let record = record.map(|v| Record::decode(&event.key, v)).transpose();
            fits &= match record {
                Ok(Some(record)) => self.summaries.take(&self.ipam, &record),
                Ok(None) => self.summaries.drop_key(&self.ipam, &event.key),
                Err(_) => false,
            };
        }
        Ok(fits)
    }
}

/// Notes that the record of what all share is gone, if it is, and whether the others prove each other where that does not say so.
fn note_shared(restorer: &mut Restorer, (seeded, empty): (bool, bool), tells: bool) {
    if !seeded && !empty {
        let why = "is missing, though there are other records";
        let lost = RejectedRecord::new("m/", "what all share", why);
        restorer.rejected.push(lost);
    }
    restorer.whole |= empty || tells && restorer.rejects("m/");
}

/// The blocks of which summaries say that they were touched, by pool and first address.
fn touched(ipam: &Ipam, pages: &Pages) -> Vec<(PoolId, IpAddr)> {
    let mut touched = Vec::new();
    let mut stored = Summaries::whole();
    for (key, value) in pages {
        if let Ok(record) = Record::decode(key, value)
            && record.has_key(key)
        {
            stored.take(ipam, &record);
        }
    }
    for (id, pool) in ipam.pools.iter() {
        let geometry = Geometry::new(id, pool.spec());
        let leaves = stored.leaves(id).into_iter();
        touched.extend(leaves.map(|(block, _)| (id, geometry.first(block))));
    }
    touched
}

/// Whether a record tells of others, as those of formats before 4 do not.
fn is_telling(key: &str, value: &[u8]) -> bool {
    match Record::decode(key, value) {
        Ok(Record::Block { used, .. }) => used.is_some(),
        Ok(Record::Host { blocks, .. }) => blocks.is_some(),
        Ok(Record::Workload { owners, .. }) => owners.is_some(),
        _ => true,
    }
}

/// Refuses what a later version wrote.
pub(in crate::store) fn known(key: &str, value: &[u8]) -> Result<(), StoreError> {
    match Record::decode(key, value) {
        Err(RecordError::Version { found, known }) => Err(StoreError::Version {
            key: key.to_string(),
            found,
            known,
        }),
        _ => Ok(()),
    }
}

pub(in crate::store) fn add(
    restorer: &mut Restorer,
    key: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    match Record::decode(key, value) {
        Ok(record) if record.has_key(key) => restorer.add(record, key, || {
            Record::decode(key, value)
                .map_or_else(|_| Frozen::of_key(key), |r| Frozen::of_record(&r))
        }),
        Ok(record) => {
            let why = alloc::format!("is the record of `{}`", record.key());
            restorer.rejected.push(RejectedRecord::new(key, key, why));
        }
        Err(RecordError::Version { .. }) => return known(key, value),
        Err(error) => restorer.rejected.push(RejectedRecord::new(key, key, error)),
    }
    Ok(())
}

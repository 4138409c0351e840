//! A part of the state, from the records that were read.

use super::strangers::Strangers;
use super::view::{Entries, View};
use crate::state::Ipam;
use crate::store::damage::Frozen;
use crate::store::record::{KINDS, Record, is_outdated};
use crate::store::replica::add;
use crate::store::restore::Restorer;
use crate::store::seam::{Revision, Store, StoreError};
use crate::store::summary::Summaries;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// What reading came to.
pub(super) enum Part {
    /// A part of the state that can be decided on.
    State(Box<Known>),
    /// Records do not fit one another, since others committed while they were read.
    Mixed,
    /// Only the whole state tells.
    Unknown,
}

/// A part of the state.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) ipam: Ipam,
    pub(super) summaries: Summaries,
    pub(super) since: Revision,
    /// All that was read: nothing else may be altered.
    pub(super) entries: Entries,
}

impl<S: Store> View<'_, S> {
    /// The state that the records are part of. Blocks that were not read give nothing; who holds the addresses of those that
    /// were, and is not known by a record of his own, is known by what the block tells.
    pub(super) fn build(&mut self) -> Result<Part, StoreError> {
        let Some(Record::Meta {
            seed, whole: true, ..
        }) = self.record("m/")
        else {
            return Ok(Part::Unknown);
        };
        // The first write to such a store writes all of it anew.
        if self.bytes("m/").is_some_and(is_outdated) {
            return Ok(Part::Unknown);
        }
        let mut ipam = Ipam::new(seed);
        ipam.dirty.track();
        let mut restorer = Restorer::onto(ipam, self.now);
        restorer.begin_part();
        let mut keys: Vec<&String> = self.entries.keys().collect();
        keys.sort_by_key(|key| KINDS.iter().position(|kind| key.starts_with(kind)));
        let mut blocks: Vec<&String> = Vec::new();
        for key in keys {
            if key.starts_with("s/") {
                continue;
            }
            if key.starts_with("b/") {
                blocks.push(key);
                restorer.open_block(key);
            }
            if let Some(bytes) = self.bytes(key) {
                add(&mut restorer, key, bytes)?;
            }
        }
        let mut strangers = Strangers::default();
        for key in blocks {
            match self.record(key) {
                Some(Record::Block {
                    pool,
                    block,
                    used: Some(used),
                    ..
                }) => {
                    let known = |key: &str| self.entries.contains_key(key);
                    strangers.note(pool, block, &used, self.now, known);
                }
                None if self.bytes(key).is_none() => {}
                _ => return Ok(Part::Unknown),
            }
        }
        for record in strangers.into_records() {
            restorer.add(record.clone(), &record.key(), || Frozen::of_record(&record));
        }
        let restored = restorer.finish(false);
        if !restored.rejected.is_empty()
            || !restored.doubts.is_empty()
            || self.is_contradicted(&restored.ipam)
        {
            return Ok(match self.is_mixed() {
                true => Part::Mixed,
                false => Part::Unknown,
            });
        }
        let mut ipam = restored.ipam;
        ipam.tokens.count(self.since);
        Ok(Part::State(Box::new(Known {
            ipam,
            summaries: core::mem::take(&mut self.summaries),
            since: self.since,
            entries: core::mem::take(&mut self.entries),
        })))
    }
}

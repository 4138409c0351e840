//! What came of restoring.

use crate::state::Ipam;
use crate::store::damage::{Frozen, RejectedRecord};
use crate::store::proof::Doubts;
use crate::store::record::Record;
use alloc::vec::Vec;

/// A state that was restored, and what did not fit it.
pub(crate) struct Restored {
    pub(crate) ipam: Ipam,
    pub(crate) rejected: Vec<RejectedRecord>,
    /// What records tell of one another that is not so; nothing where they do not prove each other.
    pub(crate) doubts: Doubts,
    pub(crate) whole: bool,
}

impl Restored {
    /// Finds out which records are lost or wrong where a block tells otherwise; its record as it was read.
    pub(crate) fn explain(&mut self, key: &str, block: Option<&Record<'_>>) {
        for one in self.ipam.unproved(key, block) {
            match self.rejected.iter_mut().find(|r| r.key == one.key) {
                None => self.rejected.push(one),
                Some(known) => known.frozen.join(one.frozen),
            }
        }
    }

    /// Sees to it that nothing is given out of what is lost, once all doubts were explained.
    pub(crate) fn settle(&mut self) {
        let pointers = core::mem::take(&mut self.doubts.pointers).into_iter();
        let known = |one: &RejectedRecord| self.rejected.iter().any(|r| r.key == one.key);
        let more: Vec<RejectedRecord> = pointers.filter(|one| !known(one)).collect();
        self.rejected.extend(more);
        let unknown = |one: &RejectedRecord| match one.key.get(..2) {
            // One that can be read has told who it tells of, right or wrong.
            Some("b/") => !one.is_pointer(),
            Some("p/") => true,
            _ => false,
        };
        if self.whole && !self.rejected.iter().any(unknown) {
            // What it held, the blocks told: all of them are known.
            for one in &mut self.rejected {
                if one.frozen == Frozen::Everything && one.is_told_of_by_blocks() {
                    one.frozen = Frozen::Nothing;
                }
            }
        }
        self.ipam.freeze(&self.rejected);
    }
}

//! What callers reported of a service's endpoints, by slot, and when it is judged.

use alloc::vec::Vec;

use crate::engine::clock::Moved;
use crate::health::{OutlierDetection, Reports};
use crate::time::Timestamp;

/// Reports by slot; empty without passive checks.
#[derive(Clone, Debug)]
pub(in crate::engine) struct CallReports {
    by_slot: Vec<Reports>,
    spare: Reports,
    /// The end of the present interval; MAX without passive checks.
    judged_at: Timestamp,
}

impl CallReports {
    pub(super) fn new() -> Self {
        Self::restore(Timestamp::MAX)
    }

    /// Of a snapshot, before its reports are put in.
    pub(super) fn restore(judged_at: Timestamp) -> Self {
        Self {
            by_slot: Vec::new(),
            spare: Reports::default(),
            judged_at,
        }
    }

    /// The reports on a slot, of a service of so many slots; room for them is made at the first.
    pub(in crate::engine) fn of(&mut self, slot: u32, slots: usize) -> &mut Reports {
        let slot = slot as usize;
        if slot >= self.by_slot.len() {
            self.by_slot.resize(slots.max(slot + 1), Reports::default());
        }
        // Resized above, so the slot is there; the spare place only satisfies the types.
        match self.by_slot.get_mut(slot) {
            Some(reports) => reports,
            None => &mut self.spare,
        }
    }

    /// The reports on a slot, if there are any.
    pub(in crate::engine) fn get(&self, slot: u32) -> Option<Reports> {
        let reports = self.by_slot.get(slot as usize).copied();
        reports.filter(|r| *r != Reports::default())
    }

    /// Drops what was reported of a slot: its next tenant has no past.
    pub(in crate::engine) fn clear(&mut self, slot: u32) {
        if let Some(reports) = self.by_slot.get_mut(slot as usize) {
            *reports = Reports::default();
        }
    }

    /// Counts calls from nothing again: an interval is over.
    pub(in crate::engine) fn end_interval(&mut self) {
        for reports in &mut self.by_slot {
            (reports.calls, reports.well) = (0, 0);
        }
    }

    /// Begins an interval; when it ends.
    pub(super) fn begin_interval(
        &mut self,
        now: Timestamp,
        config: Option<&OutlierDetection>,
    ) -> Timestamp {
        self.judged_at = config.map_or(Timestamp::MAX, |c| now.after(c.interval));
        self.judged_at
    }

    /// Follows a new configuration from now on; when the present interval now ends, if a timer for that is to be set.
    pub(super) fn rearm(
        &mut self,
        now: Timestamp,
        config: Option<&OutlierDetection>,
    ) -> Option<Timestamp> {
        let planned = self.judged_at;
        let end = self.begin_interval(now, config);
        let latest = now.after(config?.longest_ejection());
        for reports in &mut self.by_slot {
            reports.until = reports.until.min(latest);
        }
        // An interval that is under way goes on, unless the new one is over sooner.
        self.judged_at = end.min(planned);
        Some(end)
    }

    pub(in crate::engine) fn judged_at(&self) -> Timestamp {
        self.judged_at
    }

    /// Moves with a clock that was set back; when the present interval ends then.
    pub(super) fn retime(&mut self, moved: &Moved, config: &OutlierDetection) -> Timestamp {
        let latest = moved.now.after(config.longest_ejection());
        for reports in &mut self.by_slot {
            reports.until = moved.at(reports.until).min(latest);
        }
        self.judged_at = moved.wait(self.judged_at, config.interval).max(moved.now);
        self.judged_at
    }
}

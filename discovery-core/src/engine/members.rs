//! A service: its configuration, its endpoints by slot, and how they count.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::record::Class;
use crate::config::ServiceConfig;
use crate::effect::Mode;
use crate::health::Reports;
use crate::time::Timestamp;

const NOBODY: u32 = u32::MAX;

/// One service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) config: ServiceConfig,
    /// Record indices by slot; [`NOBODY`] where a slot is free.
    slots: Vec<u32>,
    free: Vec<u32>,
    pub(crate) tally: Tally,
    pub(crate) mode: Mode,
    /// Whether a call has been seen.
    pub(crate) busy: bool,
    /// The present run of losses: when it began, of how many members, how many are lost.
    pub(crate) loss: Loss,
    pub(crate) held: u32,
    /// What callers reported, by slot; empty without passive checks.
    pub(crate) reported: Vec<Reports>,
    pub(crate) spare: Reports,
    /// MAX before the first endpoint. Until then, or the first snapshot, an added endpoint may be an old one that
    /// a predecessor of this engine registered.
    pub(crate) settled_at: Timestamp,
    /// Hashed names of those that went before then, and how many went in this engine's life (all that a registry
    /// may hold, once a loss is confirmed).
    pub(crate) gone: BTreeSet<u64>,
    pub(crate) dropped: u64,
    /// The end of the present interval of passive checks.
    pub(crate) judged_at: Timestamp,
}

/// Losses that count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Loss {
    pub(crate) since: Timestamp,
    pub(crate) of: u32,
    pub(crate) lost: u32,
}

/// How many members are of which class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) failed: u32,
    pub(crate) degraded: u32,
    pub(crate) good: u32,
    pub(crate) fallback: u32,
}

impl Tally {
    fn of(&mut self, class: Class) -> Option<&mut u32> {
        match class {
            Class::Out | Class::Pending => None,
            Class::Failed => Some(&mut self.failed),
            Class::Degraded => Some(&mut self.degraded),
            Class::Good => Some(&mut self.good),
            Class::Fallback => Some(&mut self.fallback),
        }
    }

    /// Moves one member from a class to another.
    pub(crate) fn shift(&mut self, from: Class, to: Class) {
        if let Some(n) = self.of(from) {
            *n = n.saturating_sub(1);
        }
        if let Some(n) = self.of(to) {
            *n = n.saturating_add(1);
        }
    }

    /// How the service is used. Panic is Envoy's: below the threshold, all that are not excluded. Departing
    /// but healthy ones come before failing ones. Healthy ones suffice while 1.4 times their share (Envoy's
    /// overprovisioning) covers the whole.
    pub(crate) fn mode(&self, panic_percent: u8) -> Mode {
        let well = u64::from(self.good) + u64::from(self.degraded);
        let hosts = well + u64::from(self.failed);
        if well == 0 && self.fallback > 0 {
            return Mode::LastResort;
        }
        if hosts > 0 && well * 100 < hosts * u64::from(panic_percent) {
            return Mode::Panic;
        }
        match (self.good, self.degraded) {
            (0, 0) => Mode::Empty,
            (_, 0) => Mode::Normal,
            (good, _) if u64::from(good) * 140 >= hosts * 100 => Mode::Normal,
            _ => Mode::Degraded,
        }
    }
}

/// Whether a class carries traffic in a mode.
pub(crate) fn used(class: Class, mode: Mode) -> bool {
    match mode {
        Mode::Empty => false,
        Mode::Normal => class == Class::Good,
        Mode::Degraded => matches!(class, Class::Good | Class::Degraded),
        Mode::Panic => matches!(class, Class::Good | Class::Degraded | Class::Failed),
        Mode::LastResort => class == Class::Fallback,
    }
}

impl Service {
    pub(crate) fn new(config: ServiceConfig) -> Self {
        Self {
            config,
            slots: Vec::new(),
            free: Vec::new(),
            tally: Tally::default(),
            mode: Mode::Empty,
            busy: false,
            loss: Loss::default(),
            held: 0,
            reported: Vec::new(),
            spare: Reports::default(),
            settled_at: Timestamp::MAX,
            gone: BTreeSet::new(),
            dropped: 0,
            judged_at: Timestamp::MAX,
        }
    }

    /// Gives a record the lowest slot that was freed last, or a new one.
    pub(crate) fn join(&mut self, index: u32) -> u32 {
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = index;
            }
            return slot;
        }
        // There are fewer records than 2^32, so there are fewer slots.
        let slot = u32::try_from(self.slots.len()).unwrap_or(NOBODY);
        self.slots.push(index);
        slot
    }

    pub(crate) fn leave(&mut self, slot: u32) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = NOBODY;
            self.free.push(slot);
        }
        // The slot's next tenant has no past.
        self.forget(slot);
    }

    /// Forgets what callers reported of a slot.
    pub(crate) fn forget(&mut self, slot: u32) {
        if let Some(reports) = self.reported.get_mut(slot as usize) {
            *reports = Reports::default();
        }
    }

    pub(crate) fn at(&self, slot: usize) -> Option<u32> {
        self.slots.get(slot).copied().filter(|&i| i != NOBODY)
    }

    /// Record indices in order of slots.
    pub(crate) fn members(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().copied().filter(|&i| i != NOBODY)
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

//! Consistent hashing: weighted Maglev, with or without a bound on load.

use alloc::vec;
use alloc::vec::Vec;

use super::orphans::Orphans;
use super::picker::{Picker, Request};
use super::table::{Build, Slot};
use crate::hash::{high, mix};
use crate::time::Timestamp;
use core::time::Duration;

/// Places that a pick looks at for a table that is being built. A table takes about as many looks as it has places
/// times their number's logarithm, at most 14, and as many picks as it has places bring it to its end.
const LOOKS: usize = 16;

/// Maglev's lookup table (Eisenbud and others 2016), weighted as Envoy does it: each slot claims its next
/// preferred place in turn, and in proportion to its weight. A request's key always finds the same slot
/// while the slots stay; when one comes or goes few keys move.
///
/// Changes of weight are gathered: a new table is built beside the old one, a few places at each pick, and takes its
/// place after about as many picks as it has places; until then old weights decide, save that keys of a slot whose
/// weight became 0 go on to the next place's. Changes that add up to all the weight that there was, or that is left, rebuild the
/// table at once, in [`Picker::set_weight`]: O(table log slots). A pick never does.
///
/// ```
/// use discovery_core::pick::{Maglev, Request};
/// use discovery_core::{Picker, Timestamp};
///
/// // Slots by a hash of their names, with weights.
/// let mut picker = Maglev::new(&[(0xA1, 100), (0xB2, 100), (0xC3, 100)]);
/// let request = Request::new(Timestamp::ZERO).with_key(42);
/// let slot = picker.pick(&request);
/// assert!(slot.is_some());
/// assert_eq!(picker.pick(&request), slot); // one key, one slot
/// ```
#[doc(alias = "consistent hashing")]
#[doc(alias = "ring hash")]
#[derive(Clone, Debug)]
pub struct Maglev {
    /// What a slot is known by, whatever its number (a hash of its endpoint's name), and its weight.
    slots: Vec<Slot>,
    table: Vec<u32>,
    /// The next table, and whether anything changed since it was begun.
    build: Build,
    dirty: bool,
    sum: u64,
    /// How far weights have moved since the table was built, and their sum then.
    moved: u64,
    built: u64,
    /// Requests under way by slot, and in all, while load is bounded; and those to former endpoints.
    under_way: Vec<u32>,
    whole: u64,
    orphans: Orphans,
    /// Percent of the fair share that a slot may carry; `None` without a bound.
    bound: Option<u32>,
}

impl Maglev {
    /// A table over slots, each given as `(hash of its name, weight)`; about 100 places a slot, at most
    /// 655,373.
    #[must_use]
    pub fn new(slots: &[(u64, u32)]) -> Self {
        let slot = |&(name, weight): &(u64, u32)| Slot { name, weight };
        let mut maglev = Self {
            slots: slots.iter().map(slot).collect(),
            table: Vec::new(),
            build: Build::new(),
            dirty: false,
            sum: slots.iter().map(|s| u64::from(s.1)).sum(),
            moved: 0,
            built: 0,
            under_way: Vec::new(),
            whole: 0,
            orphans: Orphans::default(),
            bound: None,
        };
        maglev.settle();
        maglev
    }

    /// Bounds load (Mirrokni and others 2018): no slot has more than `percent` (at least 101) of its fair
    /// share of the requests under way; beyond it the next places' slots are asked. Every pick must then be
    /// followed by a [`Picker::done`] or [`Picker::ended`].
    #[must_use]
    pub fn bounded(mut self, percent: u32) -> Self {
        self.bound = Some(percent.max(101));
        self.under_way = vec![0; self.slots.len()];
        self
    }

    /// Names the slot that will be used for another endpoint: it inherits nothing of the present one's.
    pub fn rename(&mut self, slot: usize, name: u64) {
        if slot >= self.slots.len() {
            self.grow(slot + 1);
        }
        let Some(stored) = self.slots.get_mut(slot).filter(|s| s.name != name) else {
            return;
        };
        stored.name = name;
        let weight = stored.weight;
        self.vacate(slot, Timestamp::MAX);
        self.change(u64::from(weight));
    }

    fn grow(&mut self, slots: usize) {
        let unnamed = |slot: usize| Slot {
            name: mix(slot as u64),
            weight: 0,
        };
        self.slots.extend((self.slots.len()..slots).map(unnamed));
        // Tables are built while requests are served, and then nothing may be allocated.
        self.reserve();
        if self.bound.is_some() {
            self.under_way.resize(slots, 0);
        }
    }

    /// Both tables have room for all slots: they change places.
    fn reserve(&mut self) {
        for _ in 0..2 {
            self.build.reserve(self.slots.len());
            self.build.exchange(&mut self.table);
        }
    }

    /// So much weight moved. As much as there was, or is left, is rebuilt at once; less bit by bit.
    fn change(&mut self, moved: u64) {
        if moved == 0 {
            return;
        }
        self.dirty = true;
        self.moved = self.moved.saturating_add(moved);
        if self.moved >= self.built.min(self.sum) {
            self.settle();
        }
    }

    /// Builds the table anew, now. O(table log slots), the table at most 655,373 places.
    pub fn settle(&mut self) {
        (self.dirty, self.moved) = (false, 0);
        self.reserve();
        self.build.begin();
        self.build_on(usize::MAX);
    }

    /// Some steps towards the next table.
    fn build_on(&mut self, steps: usize) {
        if !self.build.begun() {
            self.dirty = false;
            self.moved = 0;
            self.build.begin();
        }
        if self.build.go_on(&self.slots, steps) {
            self.build.exchange(&mut self.table);
            self.built = self.sum;
        }
    }

    /// The former endpoint's requests are no longer the slot's.
    fn vacate(&mut self, slot: usize, now: Timestamp) {
        if let Some(n) = self.under_way.get_mut(slot) {
            let former = core::mem::take(n);
            self.whole = self.whole.saturating_sub(u64::from(former));
            self.orphans.add(slot, former, now);
        }
    }

    /// The first slot from the key's place on that may take the request.
    fn find(&mut self, request: &Request, tried: &[usize]) -> Option<usize> {
        if self.sum == 0 {
            return None;
        }
        if self.dirty || self.build.begun() {
            self.build_on(LOOKS);
        }
        let hashed = mix(request.key);
        let start = high(hashed, self.table.len() as u64) as usize;
        let (before, after) = self.table.split_at_checked(start)?;
        let may = |s: &usize| self.may(*s) && !tried.contains(s);
        let places = after.iter().chain(before).map(|&s| s as usize);
        // Every slot in the table was closed since it was built, or those open are not in it yet.
        let aside = || {
            let n = self.slots.len();
            let first = high(hashed, n as u64) as usize;
            (first..n).chain(0..first).find(may)
        };
        let slot = places.clone().find(may).or_else(aside)?;
        if self.bound.is_some() {
            self.whole += 1;
            if let Some(n) = self.under_way.get_mut(slot) {
                *n += 1;
            }
        }
        Some(slot)
    }

    /// Whether a slot may take one more: its weight is not 0 and its bound not reached.
    fn may(&self, slot: usize) -> bool {
        let weight = self.weight(slot);
        if weight == 0 {
            return false;
        }
        let Some(percent) = self.bound else {
            return true;
        };
        let here = self.under_way.get(slot).copied().unwrap_or(0);
        // ceil(percent / 100 * (whole + 1) * weight / sum): the bounds of all add up to more than there is,
        // so that one slot at least is below its own.
        let fair = u128::from(percent) * u128::from(self.whole + 1) * u128::from(weight);
        u128::from(here) < fair.div_ceil(u128::from(self.sum.max(1)) * 100)
    }
}

impl Picker for Maglev {
    fn pick(&mut self, request: &Request) -> Option<usize> {
        self.find(request, &[])
    }

    /// The next place's slot. With a bound, one that has reached its own is taken when nobody else is left.
    fn pick_except(&mut self, request: &Request, tried: &[usize]) -> Option<usize> {
        let found = self.find(request, tried);
        if found.is_some() || self.bound.is_none() {
            return found;
        }
        let bound = self.bound.take();
        let slot = self.find(request, tried);
        self.bound = bound;
        if let Some(n) = slot.and_then(|slot| self.under_way.get_mut(slot)) {
            (*n, self.whole) = (*n + 1, self.whole + 1);
        }
        slot
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.slots.len() {
            if weight == 0 || u32::try_from(slot).is_err() {
                return;
            }
            self.grow(slot + 1);
        }
        let Some(stored) = self.slots.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(&mut stored.weight, weight);
        self.sum = self.sum - u64::from(before) + u64::from(weight);
        self.change(u64::from(before.abs_diff(weight)));
    }

    fn weight(&self, slot: usize) -> u32 {
        self.slots.get(slot).map_or(0, |s| s.weight)
    }

    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        if self.orphans.take(slot, now, latency) {
            return;
        }
        if let Some(n) = self.under_way.get_mut(slot).filter(|n| **n > 0) {
            *n -= 1;
            self.whole = self.whole.saturating_sub(1);
        }
    }

    fn free(&mut self, slot: usize, now: Timestamp) {
        self.set_weight(slot, 0);
        self.vacate(slot, now);
    }
}

//! Earliest deadline first: the smoothest order there is, at O(log n) a pick.
//!
//! Each slot is due each `1 / weight` of virtual time; the earliest is picked, the first come on a tie, and is
//! due again one period later (Envoy's `EdfScheduler`). Unlike there, a changed weight re-keys its slot at
//! once: what is left of its present period is stretched or shrunk, so that a raised weight need not wait for
//! the end of a long old period.

use alloc::vec::Vec;

use super::picker::{Picker, Request};
use crate::rng;
use rand::RngExt as _;

/// Children of a heap node: four keep the heap shallow and share cache lines.
const FAN: usize = 4;

/// After so many picks virtual times are brought back to 0, long before they lose precision.
const REBASE: u64 = 1 << 24;

/// "Not in the heap."
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Due {
    at: f64,
    /// Ties go to the lower: who was put in first.
    order: u64,
    slot: u32,
}

impl Due {
    fn before(&self, other: &Self) -> bool {
        self.at < other.at || (self.at == other.at && self.order < other.order)
    }
}

/// A slot's pace: it was due at `base`, then each `1 / weight`, `turns` times so far.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    weight: f64,
    base: f64,
    turns: f64,
}

impl Pace {
    fn due(&self) -> f64 {
        self.base + self.turns / self.weight
    }
}

/// The part of its first period that a slot is first due at: multiples of the golden ratio, spread evenly.
fn offset(slot: u32) -> f64 {
    f64::from(slot.wrapping_add(1).wrapping_mul(0x9E37_79B9)) / 4_294_967_296.0
}

/// Earliest-deadline-first picking: every slot is picked in time, so at most 1 pick behind its share; ahead it is while
/// others are not due yet, by at most its share times the number of the others (`[1, 1, 1, 3, 3, 3, 10]` strays 2.7, one
/// slot of 500 among 500 of weight 1 strays 250). A seeded start spreads dues: within 1 more than that at worst, about
/// 1.5 as measured (`scorecard edf-deviation`).
///
/// Pick and change of weight O(log4 n), no allocation; once in 2^24 picks O(n).
///
/// ```
/// use discovery_core::Picker;
/// use discovery_core::pick::{Edf, Request};
///
/// let mut picker = Edf::new(&[2.0, 1.0]);
/// let picks: Vec<_> = (0..6).filter_map(|_| picker.pick(&Request::default())).collect();
/// assert_eq!(picks.iter().filter(|&&slot| slot == 0).count(), 4);
/// ```
#[derive(Clone, Debug)]
pub struct Edf {
    heap: Vec<Due>,
    /// Where each slot is in the heap.
    places: Vec<u32>,
    paces: Vec<Pace>,
    now: f64,
    order: u64,
    /// Times are multiplied out, so that equal ones are equal however they are reached: a start in the middle
    /// then goes on as if it had come there pick by pick. Otherwise they are added up, as Envoy does it, so that
    /// ties fall as they do there.
    exact: bool,
    /// Picks until virtual times are brought back to 0.
    left: u64,
}

impl Edf {
    /// Slots of these weights, none picked yet: Envoy's scheduler, pick for pick. Weights that are not
    /// positive numbers take no part.
    #[must_use]
    pub fn new(weights: &[f64]) -> Self {
        let mut edf = Self {
            heap: Vec::with_capacity(weights.len()),
            places: Vec::new(),
            paces: Vec::new(),
            now: 0.0,
            order: 0,
            exact: false,
            left: REBASE,
        };
        for (slot, &weight) in weights.iter().enumerate() {
            edf.set(slot, weight);
        }
        edf
    }

    /// As after a random number of picks, up to a whole cycle: schedulers that are made anew, or one a
    /// thread, do not all begin with the heaviest slots. O(n log n).
    #[must_use]
    pub fn seeded(weights: &[f64], seed: u64) -> Self {
        let mut edf = Self::new(weights);
        edf.exact = true;
        let sum: f64 = edf.paces.iter().map(|p| p.weight).sum();
        let picks = rng::stream(seed, "edf start").random_range(0..(sum.min(1e15) as u64).max(1));
        edf.skip(picks, sum);
        edf
    }

    /// Moves on by `picks` picks: in one step to a time by which at most as many are due, the rest one by
    /// one (not many more than there are slots).
    ///
    /// First dues are spread over the first period, slot by slot, rather than a whole period in: counts stray as
    /// far between any two moments wherever a slot's dues lie, but those of whole weights would all fall together
    /// at whole times, and the time itself would stray by them all.
    fn skip(&mut self, picks: u64, sum: f64) {
        if sum <= 0.0 {
            return;
        }
        // What is left of the first periods is the most that rounding may add.
        let slack: f64 = self.heap.iter().map(|d| 1.0 - offset(d.slot)).sum();
        let until = ((picks as f64 - slack) / sum).max(0.0);
        let mut made = 0u64;
        for due in &mut self.heap {
            let Some(pace) = self.paces.get_mut(due.slot as usize) else {
                continue;
            };
            let first = offset(due.slot);
            let times = libm::floor(until * pace.weight + 1.0 - first);
            made = made.saturating_add(times as u64);
            (pace.base, pace.turns) = (0.0, times + first);
            due.at = pace.due();
        }
        // On a tie the one that was put in first, at its last pick, comes first: the one with the longer
        // period. In this order the list is a heap.
        let weight = |d: &Due| self.paces.get(d.slot as usize).map_or(0.0, |p| p.weight);
        let longer = |a: &Due, b: &Due| weight(a).total_cmp(&weight(b)).then(a.order.cmp(&b.order));
        self.heap
            .sort_by(|a, b| a.at.total_cmp(&b.at).then_with(|| longer(a, b)));
        for place in 0..self.heap.len() {
            if let Some(due) = self.heap.get_mut(place) {
                due.order = place as u64;
            }
            self.note(place);
        }
        self.now = until;
        let left = picks.saturating_sub(made).min(2 * self.heap.len() as u64);
        for _ in 0..left {
            self.pick(&Request::default());
        }
    }

    /// Gives a slot a weight that need not be whole.
    pub fn set(&mut self, slot: usize, weight: f64) {
        // A weight whose period is beyond all numbers is none.
        let weight = if weight.is_finite() && (1.0 / weight).is_finite() {
            weight.max(0.0)
        } else {
            0.0
        };
        if slot >= self.paces.len() {
            let Ok(_) = u32::try_from(slot) else { return };
            self.paces.resize(slot + 1, Pace::default());
            self.places.resize(slot + 1, NOWHERE);
        }
        let Some(pace) = self.paces.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(&mut pace.weight, weight);
        if before == weight {
            return;
        }
        let place = self.places.get(slot).map_or(usize::MAX, |&p| p as usize);
        match (before > 0.0, weight > 0.0) {
            (false, true) => {
                (pace.base, pace.turns) = (self.now, 1.0);
                let at = pace.due();
                self.enter(slot as u32, at);
            }
            (true, false) => self.leave(place),
            (true, true) => {
                let Some(due) = self.heap.get_mut(place) else {
                    return;
                };
                // The part of the present period that is still to come keeps its share of the new one.
                due.at = self.now + (due.at - self.now).max(0.0) * (before / weight);
                (pace.base, pace.turns) = (due.at, 0.0);
                let place = self.rise(place);
                self.sink(place);
            }
            (false, false) => {}
        }
    }

    fn enter(&mut self, slot: u32, at: f64) {
        self.heap.push(Due {
            at,
            order: self.order,
            slot,
        });
        self.order += 1;
        let last = self.heap.len() - 1;
        self.note(last);
        self.rise(last);
    }

    fn leave(&mut self, place: usize) {
        if place >= self.heap.len() {
            return;
        }
        let gone = self.heap.swap_remove(place);
        if let Some(p) = self.places.get_mut(gone.slot as usize) {
            *p = NOWHERE;
        }
        if place < self.heap.len() {
            self.note(place);
            let place = self.rise(place);
            self.sink(place);
        }
    }

    /// Writes down where the slot at a place is.
    fn note(&mut self, place: usize) {
        if let Some(due) = self.heap.get(place)
            && let Some(p) = self.places.get_mut(due.slot as usize)
        {
            *p = place as u32;
        }
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / FAN;
            match (self.heap.get(place), self.heap.get(parent)) {
                (Some(child), Some(up)) if child.before(up) => {}
                _ => break,
            }
            self.heap.swap(place, parent);
            self.note(place);
            place = parent;
        }
        self.note(place);
        place
    }

    fn sink(&mut self, mut place: usize) {
        let Some(&moving) = self.heap.get(place) else {
            return;
        };
        loop {
            let first = place * FAN + 1;
            let children = self.heap.iter().enumerate().skip(first).take(FAN);
            let mut best: Option<(usize, Due)> = None;
            for (at, child) in children {
                if best.as_ref().is_none_or(|(_, b)| child.before(b)) {
                    best = Some((at, *child));
                }
            }
            let Some((at, child)) = best.filter(|(_, c)| c.before(&moving)) else {
                break;
            };
            if let Some(up) = self.heap.get_mut(place) {
                *up = child;
            }
            if let Some(p) = self.places.get_mut(child.slot as usize) {
                *p = place as u32;
            }
            place = at;
        }
        if let Some(end) = self.heap.get_mut(place) {
            *end = moving;
        }
        self.note(place);
    }

    /// Keeps virtual time small.
    fn rebase(&mut self) {
        for due in &mut self.heap {
            due.at -= self.now;
            if let Some(pace) = self.paces.get_mut(due.slot as usize) {
                (pace.base, pace.turns) = (due.at, 0.0);
            }
        }
        (self.now, self.left) = (0.0, REBASE);
    }
}

impl Edf {
    /// Picks the slot at a place in the heap; what is due before it stays due.
    fn take(&mut self, place: usize) -> Option<usize> {
        let due = self.heap.get_mut(place)?;
        let slot = due.slot as usize;
        if place == 0 {
            self.now = due.at;
        }
        let pace = self.paces.get_mut(slot)?;
        if self.exact {
            pace.turns += 1.0;
            due.at = pace.due();
        } else {
            due.at += 1.0 / pace.weight;
        }
        due.order = self.order;
        self.order += 1;
        self.sink(place);
        self.left -= 1;
        if self.left == 0 {
            self.rebase();
        }
        Some(slot)
    }
}

impl Picker for Edf {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        self.take(0)
    }

    /// The first due of the others; those tried stay due.
    fn pick_except(&mut self, _request: &Request, tried: &[usize]) -> Option<usize> {
        let mut first: Option<(usize, Due)> = None;
        for (place, due) in self.heap.iter().enumerate() {
            let sooner = first.as_ref().is_none_or(|(_, f)| due.before(f));
            if sooner && !tried.contains(&(due.slot as usize)) {
                first = Some((place, *due));
            }
        }
        self.take(first?.0)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        self.set(slot, f64::from(weight));
    }

    /// Rounded up: never 0 for a slot that is picked.
    fn weight(&self, slot: usize) -> u32 {
        self.paces
            .get(slot)
            .map_or(0, |p| libm::ceil(p.weight) as u32)
    }

    fn slots(&self) -> usize {
        self.paces.len()
    }
}

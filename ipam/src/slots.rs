//! Which slots are free: a bitmap with 64-ary summaries above it.
//!
//! A set bit means free. Each level's bit says whether the 64-bit word below it has any set bit, so the
//! first free slot is found with one `trailing_zeros` per level, at any fill: four levels for the
//! 16,777,216 slots of a /8, whose bitmap is 2 MiB and whose summaries add 1/63 of that. Measured against
//! ordered sets and free lists, this was the smallest and among the fastest at every fill.

use alloc::vec::Vec;
use core::ops::Range;

/// 64^5 slots are more than a `u32` of slots needs below a /8.
const LEVELS: usize = 5;

/// A set of free slots, numbered from 0.
///
/// `first`, `next_from`, `take` and `free` cost one word operation per level; `count` and range filling
/// cost one per 64 slots of the range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotTree {
    levels: [Vec<u64>; LEVELS],
    height: usize,
    len: u32,
    free: u32,
}

impl SlotTree {
    /// A tree of `len` slots, none of them free.
    #[must_use]
    pub fn new(len: u32) -> Self {
        let mut tree = Self::default();
        tree.grow(len);
        tree
    }

    /// Makes room for at least `len` slots; new ones are not free. Never shrinks.
    pub fn grow(&mut self, len: u32) {
        if len <= self.len && self.height > 0 {
            return;
        }
        self.len = self.len.max(len);
        let mut words = (self.len as usize).div_ceil(64).max(1);
        let mut height = 0;
        for level in &mut self.levels {
            if level.len() < words {
                // `resize` alone may double; a pool's size is known, so take exactly that.
                level.reserve_exact(words - level.len());
                level.resize(words, 0);
            }
            height += 1;
            if words == 1 {
                break;
            }
            words = words.div_ceil(64);
        }
        let old = self.height;
        self.height = height;
        for depth in old.max(1)..height {
            self.summarise(depth);
        }
    }

    /// Recomputes one level from the one below.
    fn summarise(&mut self, depth: usize) {
        let (below, above) = self.levels.split_at_mut(depth);
        let (Some(below), Some(above)) = (below.last(), above.first_mut()) else {
            return;
        };
        for (i, word) in above.iter_mut().enumerate() {
            let children = below.iter().skip(i * 64).take(64);
            *word = children
                .enumerate()
                .fold(0, |w, (k, &c)| w | (u64::from(c != 0) << k));
        }
    }

    /// How many slots there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no slots at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slots are free.
    #[must_use]
    pub fn free_count(&self) -> u32 {
        self.free
    }

    #[inline]
    fn word(&self, depth: usize, index: usize) -> u64 {
        self.levels
            .get(depth)
            .and_then(|l| l.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// Whether `slot` is free; false beyond the end.
    #[inline]
    #[must_use]
    pub fn is_free(&self, slot: u32) -> bool {
        self.word(0, slot as usize / 64) >> (slot % 64) & 1 == 1
    }

    /// Takes `slot`: true if it was free.
    #[inline]
    pub fn take(&mut self, slot: u32) -> bool {
        let mut index = slot as usize;
        for (depth, level) in self.levels.iter_mut().enumerate().take(self.height) {
            let Some(word) = level.get_mut(index / 64) else {
                return false;
            };
            let bit = 1u64 << (index % 64);
            if depth == 0 {
                if *word & bit == 0 {
                    return false;
                }
                self.free -= 1;
            }
            *word &= !bit;
            if *word != 0 {
                break;
            }
            index /= 64;
        }
        true
    }

    /// Gives `slot` back: true if it was not free and exists.
    #[inline]
    pub fn release(&mut self, slot: u32) -> bool {
        if slot >= self.len {
            return false;
        }
        let mut index = slot as usize;
        for (depth, level) in self.levels.iter_mut().enumerate().take(self.height) {
            let Some(word) = level.get_mut(index / 64) else {
                return false;
            };
            let bit = 1u64 << (index % 64);
            let before = *word;
            if depth == 0 {
                if before & bit != 0 {
                    return false;
                }
                self.free += 1;
            }
            *word |= bit;
            if before != 0 {
                break;
            }
            index /= 64;
        }
        true
    }

    /// The lowest free slot.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        let top = self.height.checked_sub(1)?;
        self.descend(top, 0)
    }

    /// Takes the lowest free slot.
    #[inline]
    pub fn take_first(&mut self) -> Option<u32> {
        let slot = self.first()?;
        self.take(slot);
        Some(slot)
    }

    /// The lowest free slot below the word `index` of level `depth`.
    #[inline]
    fn descend(&self, depth: usize, mut index: usize) -> Option<u32> {
        for level in self.levels.get(..=depth)?.iter().rev() {
            let word = *level.get(index)?;
            if word == 0 {
                return None;
            }
            index = index * 64 + word.trailing_zeros() as usize;
        }
        u32::try_from(index).ok()
    }

    /// The lowest free slot that is `from` or above.
    #[inline]
    #[must_use]
    pub fn next_from(&self, from: u32) -> Option<u32> {
        let mut index = from as usize;
        for depth in 0..self.height {
            let word = self.word(depth, index / 64) >> (index % 64);
            if word != 0 {
                let found = index + word.trailing_zeros() as usize;
                return match depth {
                    0 => u32::try_from(found).ok(),
                    _ => self.descend(depth - 1, found),
                };
            }
            index = index / 64 + 1;
        }
        None
    }

    /// The lowest free slot in a range.
    #[inline]
    #[must_use]
    pub fn first_in(&self, range: Range<u32>) -> Option<u32> {
        let (start, end) = (range.start, range.end);
        let rest = self.word(0, start as usize / 64) >> (start % 64);
        if rest == 0 && end <= (start | 63).saturating_add(1) {
            return None;
        }
        let slot = match rest {
            0 => self.next_from(start)?,
            rest => start + rest.trailing_zeros(),
        };
        (slot < end).then_some(slot)
    }

    /// The free slots of a range, in order: those of one word by a word operation each, the next word that has any
    /// by one per level.
    #[inline]
    pub(crate) fn free_in(&self, range: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        // Of the word at which `at` stands, those that are left.
        let (mut at, mut left) = (range.start, 0u64);
        core::iter::from_fn(move || {
            if left == 0 {
                at = self.first_in(at..range.end)?;
                left = self.word(0, at as usize / 64) & u64::MAX << (at % 64);
            }
            let slot = at / 64 * 64 + left.trailing_zeros();
            left &= left - 1;
            if left == 0 {
                at = (at | 63).saturating_add(1);
            }
            (slot < range.end).then_some(slot)
        })
    }

    /// How many slots of a range are free.
    #[must_use]
    pub fn count_in(&self, range: Range<u32>) -> u32 {
        words_of(&range)
            .map(|(i, mask)| (self.word(0, i) & mask).count_ones())
            .sum()
    }

    /// Makes a range free, or not; what lies beyond the end is passed over.
    pub fn fill(&mut self, range: Range<u32>, free: bool) {
        let range = range.start.min(self.len)..range.end.min(self.len);
        for (i, mask) in words_of(&range) {
            let Some(word) = self.levels[0].get_mut(i) else {
                continue;
            };
            let before = word.count_ones();
            *word = if free { *word | mask } else { *word & !mask };
            self.free = self.free + word.count_ones() - before;
        }
        for depth in 1..self.height {
            self.resummarise(depth, &range);
        }
    }

    /// Recomputes the words of one level that cover a range of slots.
    fn resummarise(&mut self, depth: usize, range: &Range<u32>) {
        if range.is_empty() {
            return;
        }
        let shift = 6 * (depth as u32 + 1);
        let (from, to) = (
            range.start as usize >> shift,
            (range.end - 1) as usize >> shift,
        );
        for index in from..=to {
            let word = (0..64).fold(0, |w, k| {
                w | (u64::from(self.word(depth - 1, index * 64 + k) != 0) << k)
            });
            if let Some(to) = self.levels.get_mut(depth).and_then(|l| l.get_mut(index)) {
                *to = word;
            }
        }
    }

    /// Whether the summaries and the count agree with the bitmap (for checks; linear).
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let count: u64 = self.levels[0]
            .iter()
            .map(|w| u64::from(w.count_ones()))
            .sum();
        let mut again = self.clone();
        (1..self.height).for_each(|depth| again.summarise(depth));
        count == u64::from(self.free) && again == *self && self.next_from(self.len).is_none()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.levels.iter().map(|l| l.capacity() * 8).sum()
    }
}

/// The leaf words of a range, each with the mask of the bits that are in it.
fn words_of(range: &Range<u32>) -> impl Iterator<Item = (usize, u64)> + use<> {
    let (start, end) = (range.start as usize, range.end as usize);
    let words = if start < end {
        start / 64..end.div_ceil(64)
    } else {
        0..0
    };
    words.map(move |i| {
        let (low, high) = (start.max(i * 64) - i * 64, end.min(i * 64 + 64) - i * 64);
        let mask = if high == 64 {
            u64::MAX
        } else {
            (1u64 << high) - 1
        };
        (i, mask & (u64::MAX << low))
    })
}

impl From<Range<u32>> for SlotTree {
    /// As many slots as the range's end, those of the range free.
    fn from(range: Range<u32>) -> Self {
        let mut tree = Self::new(range.end);
        tree.fill(range, true);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use alloc::collections::BTreeSet;
    use rand::RngExt as _;

    /// Against a set, at sizes about those of a word and of a level, nearly empty and nearly full.
    #[test]
    fn a_tree_is_the_set_of_its_free_slots() {
        let mut rng = stream(2, "slots");
        for len in [1u32, 63, 64, 65, 200, 4096, 5000, 70_000] {
            let (mut tree, mut set) = (SlotTree::new(len), BTreeSet::new());
            for round in 0..3000u64 {
                let slot = rng.random_range(0..u64::from(len) + 2) as u32;
                let filling = rng.random_range(0..10) < if round / 1000 % 2 == 0 { 7 } else { 2 };
                if filling {
                    assert_eq!(tree.release(slot), slot < len && set.insert(slot));
                } else {
                    assert_eq!(tree.take(slot), set.remove(&slot));
                }
                let end = slot + rng.random_range(0..300) as u32;
                if round % 500 == 499 {
                    tree.fill(slot..end, filling);
                    let range = slot.min(len)..end.min(len);
                    match filling {
                        true => set.extend(range),
                        false => set.retain(|s| !range.contains(s)),
                    }
                }
                let within = || set.range(slot..end).copied();
                assert_eq!(tree.first_in(slot..end), within().next());
                assert!(tree.free_in(slot..end).eq(within()), "{slot}..{end}");
                assert_eq!(tree.count_in(slot..end) as usize, within().count());
                assert_eq!(tree.next_from(slot), set.range(slot..).next().copied());
                assert_eq!(tree.is_free(slot), set.contains(&slot));
            }
            assert_eq!(tree.first(), set.first().copied());
            assert_eq!(tree.free_count() as usize, set.len());
            assert!(tree.is_consistent());
        }
    }
}

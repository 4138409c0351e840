//! Which slots are free: a bitmap with 64-ary summaries above it.
//!
//! A set bit means free. Each level's bit says whether the 64-bit word below it has any set bit, so the
//! first free slot is found with one `trailing_zeros` per level, at any fill: four levels for the
//! 16,777,216 slots of a /8, whose bitmap is 2 MiB and whose summaries add 1/63 of that. Measured against
//! ordered sets and free lists, this was the smallest and among the fastest at every fill.

use crate::prefetch::prefetch;
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

    /// Asks memory for what is known of `slot`.
    #[inline]
    pub(crate) fn warm(&self, slot: u32) {
        prefetch(&self.levels[0], slot as usize / 64);
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

//! Records by the hash of their names: ids in buckets of one cache line, so that a look-up touches one.
//!
//! A bucket holds seven entries, each an id beside 32 bits of its name's hash, the tag, and a mark of seven bits of
//! the tag for each: one comparison of a word says which entries may be the one. An entry stands in its home
//! bucket or, where that is full, in the first one after it with room; each bucket counts the entries that went
//! past it, and look-ups end where none did. Where one leaves, one that went past comes back: left where they
//! are, they would be more and more. Tags give homes in rising order, so growing is one pass from front to back,
//! and neither growing nor removing reads a name. A general table with its control bytes apart costs two cache
//! misses a look-up and must hash every name anew to grow.

#[cfg(test)]
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

/// Entries of a bucket.
const WIDE: usize = 7;
/// A bit for each entry's mark, the highest of its byte.
const TOPS: u64 = 0x0080_8080_8080_8080;
const ONES: u64 = 0x0001_0101_0101_0101;
/// One entry that went past, in the byte beside the marks; as many as can't be told from more.
const PASSED: u64 = 1 << 56;
const MANY: u64 = 0xff << 56;

/// The part of a hash that entries keep.
#[inline]
pub(crate) const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A cache line of entries.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// A byte for each entry, zero where there is none, and how many went past: once [`MANY`], for ever.
    marks: u64,
    entries: [u64; WIDE],
}

/// The place that a word's lowest set bit stands for.
#[inline]
fn place(tops: u64) -> usize {
    tops.trailing_zeros() as usize / 8 % WIDE
}

impl Bucket {
    #[inline]
    fn mark(tag: u32) -> u64 {
        u64::from(tag & 0x7f | 0x80)
    }

    /// The entries whose marks are a tag's, as bits of [`TOPS`].
    #[inline]
    fn candidates(&self, tag: u32) -> u64 {
        let differs = self.marks ^ Self::mark(tag) * ONES;
        // The top bit of each byte that is not zero: no carry leaves a byte.
        let other = (differs & (TOPS - ONES)) + (TOPS - ONES) | differs;
        !other & TOPS
    }

    /// The id of this tag for which `same` holds.
    #[inline]
    fn find(&self, tag: u32, same: &impl Fn(u32) -> bool) -> Option<u32> {
        let mut left = self.candidates(tag);
        while left != 0 {
            let entry = self.entries[place(left)];
            if (entry >> 32) as u32 == tag && same(entry as u32) {
                return Some(entry as u32);
            }
            left &= left - 1;
        }
        None
    }

    /// Adds an entry, or counts it where there is no room.
    #[inline]
    fn push(&mut self, tag: u32, id: u32) -> bool {
        let room = !self.marks & TOPS;
        if room == 0 {
            if self.marks < MANY {
                self.marks += PASSED;
            }
            return false;
        }
        let place = place(room);
        self.marks |= Self::mark(tag) << (place * 8);
        self.entries[place] = u64::from(tag) << 32 | u64::from(id);
        true
    }

    /// Takes an entry out, if it is here.
    #[inline]
    fn take(&mut self, tag: u32, id: u32) -> bool {
        let wanted = u64::from(tag) << 32 | u64::from(id);
        let mut left = self.candidates(tag);
        while left != 0 {
            let place = place(left);
            if self.entries[place] == wanted {
                self.marks &= !(0xff << (place * 8));
                return true;
            }
            left &= left - 1;
        }
        false
    }

    /// Takes out an entry whose tag times the homes is below a number.
    #[inline]
    fn take_before(&mut self, beyond: u64, homes: u64) -> Option<u64> {
        let mut left = self.marks & TOPS;
        while left != 0 {
            let place = place(left);
            let entry = self.entries[place];
            if (entry >> 32) * homes < beyond {
                self.marks &= !(0xff << (place * 8));
                return Some(entry);
            }
            left &= left - 1;
        }
        None
    }

    /// An entry that went past is gone.
    #[inline]
    fn forget(&mut self) {
        if self.marks < MANY {
            self.marks -= PASSED;
        }
    }

    #[inline]
    fn none_passed(&self) -> bool {
        self.marks < PASSED
    }
}

/// Ids by the hash of their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// The homes, and as many after them as went past the last.
    buckets: Vec<Bucket>,
    homes: usize,
    len: usize,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.homes as u64) >> 32) as usize
    }

    /// The id with this tag for which `same` says that it has the name.
    #[inline]
    pub(crate) fn find(&self, tag: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        for bucket in self.buckets.get(self.home(tag)..)? {
            let found = bucket.find(tag, &same);
            if found.is_some() || bucket.none_passed() {
                return found;
            }
        }
        None
    }

    /// Asks memory for the entries about a tag's home, to be there when they are looked at.
    #[inline]
    pub(crate) fn warm(&self, tag: u32) {
        black_box(self.buckets.get(self.home(tag)).map_or(0, |b| b.marks));
    }

    /// Adds an id under a tag; the caller knows that its name is not there.
    #[inline]
    pub(crate) fn insert(&mut self, tag: u32, id: u32) {
        // At most 13/16 full: two buckets a look-up at the worst, one and a half on average.
        if (self.len + 1) * 16 > self.homes * WIDE * 13 {
            self.grow();
        }
        self.len += 1;
        self.put(tag, id);
    }

    #[inline]
    fn put(&mut self, tag: u32, id: u32) {
        let home = self.home(tag);
        for bucket in self.buckets.iter_mut().skip(home) {
            if bucket.push(tag, id) {
                return;
            }
        }
        self.buckets.reserve_exact(1);
        let mut bucket = Bucket::default();
        bucket.push(tag, id);
        self.buckets.push(bucket);
    }

    /// Takes an id out.
    #[inline]
    pub(crate) fn remove(&mut self, tag: u32, id: u32) {
        let home = self.home(tag);
        let mut past = 0;
        for bucket in self.buckets.iter_mut().skip(home) {
            if bucket.take(tag, id) {
                self.len -= 1;
                let on = bucket.none_passed();
                let passed = self.buckets.iter_mut().skip(home).take(past);
                passed.for_each(Bucket::forget);
                if !on {
                    self.fill(home + past);
                }
                return;
            }
            if bucket.none_passed() {
                return;
            }
            past += 1;
        }
    }

    /// A bucket that others went past has room: the next of them comes back, and so on from where that one stood.
    fn fill(&mut self, mut hole: usize) {
        // Tags that times the homes are below this have their home at the hole or before it.
        let beyond = |hole: usize| (hole as u64 + 1) << 32;
        let mut at = hole + 1;
        while let Some(bucket) = self.buckets.get_mut(at) {
            let last = bucket.none_passed();
            if let Some(entry) = bucket.take_before(beyond(hole), self.homes as u64) {
                let passed = self.buckets.iter_mut().take(at).skip(hole);
                passed.for_each(Bucket::forget);
                if let Some(to) = self.buckets.get_mut(hole) {
                    to.push((entry >> 32) as u32, entry as u32);
                }
                hole = at;
            }
            if last {
                return;
            }
            at += 1;
        }
    }

    /// Makes room for an eighth more.
    fn grow(&mut self) {
        self.homes = (self.homes + self.homes / 8).max(self.homes + 1);
        let mut buckets = Vec::with_capacity(self.homes + 1);
        buckets.resize(self.homes + 1, Bucket::default());
        let before = core::mem::replace(&mut self.buckets, buckets);
        for bucket in before {
            let mut left = bucket.marks & TOPS;
            while left != 0 {
                let entry = bucket.entries[place(left)];
                self.put((entry >> 32) as u32, entry as u32);
                left &= left - 1;
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    /// Whether every entry is where a look-up finds it, and as near its home as there is room.
    #[cfg(test)]
    fn is_consistent(&self) -> bool {
        let mut passed = vec![0u64; self.buckets.len() + 1];
        let mut len = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            for (i, entry) in bucket.entries.iter().enumerate() {
                if bucket.marks >> (i * 8 + 7) & 1 == 0 {
                    continue;
                }
                len += 1;
                let home = self.home((entry >> 32) as u32);
                (home..at).for_each(|b| passed[b] += 1);
            }
        }
        let counts = self.buckets.iter().zip(&passed).all(|(bucket, &passed)| {
            let (count, full) = (bucket.marks >> 56, bucket.marks & TOPS == TOPS);
            (count == passed || count == 255) && (passed == 0 || full)
        });
        counts && len == self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use alloc::collections::BTreeMap;

    /// Against a map, with tags so few that most collide, at both ends of their range.
    #[test]
    fn entries_are_found_as_long_as_they_are_there() {
        let mut rng = Rng::stream(5, "index");
        for spread in [1u64, 4, 1 << 10, 1 << 32] {
            let (mut index, mut map) = (Index::default(), BTreeMap::new());
            for id in 0..6000u32 {
                let tag = match rng.below(2) {
                    0 => rng.below(spread) as u32,
                    _ => u32::MAX - rng.below(spread) as u32,
                };
                index.insert(tag, id);
                map.insert(id, tag);
                if rng.below(5) < 2 {
                    let gone = rng.below(u64::from(id) + 1) as u32;
                    if let Some(tag) = map.remove(&gone) {
                        index.remove(tag, gone);
                    }
                }
                assert_eq!(index.len(), map.len());
                if id % 100 == 0 {
                    assert!(index.is_consistent());
                }
            }
            for id in 0..6000u32 {
                let found = |tag| index.find(tag, |i| i == id);
                match map.get(&id) {
                    Some(&tag) => assert_eq!(found(tag), Some(id)),
                    None => assert_eq!(found(id), None),
                }
            }
        }
    }
}

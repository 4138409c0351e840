//! Records by the hash of their names: ids in buckets of one cache line, so that a look-up touches one.
//!
//! A bucket holds twelve ids and a mark of eight bits of the name's hash for each: one comparison of a word says
//! which ids may be the one. An entry stands in its home bucket or, where that is full, in the first one after it
//! with room; each bucket counts the entries that went past it, and look-ups end where none did. Where one leaves,
//! one that went past comes back: left where they are, they would be more and more. Growing and coming back ask
//! the records for their hashes, never for their names.

use crate::prefetch::prefetch;
use alloc::vec::Vec;

/// Entries of a bucket, and those of them whose marks are in its first word.
const WIDE: usize = 12;
const FIRST: usize = 8;
/// A bit for each mark, the highest of its byte.
const TOPS: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;
/// The low bits of an entry are its id; the others say how far it went past its home, [`FAR`] for that or more.
const ID_BITS: u32 = 29;
const ID: u32 = (1 << ID_BITS) - 1;
const FAR: usize = 7;

/// The part of a hash that decides home and mark.
#[inline]
pub(crate) const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The part of a tag that decides its home: with its mark, which the index has, the whole of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Home([u8; 3]);

impl Home {
    #[inline]
    pub(crate) const fn of(tag: u32) -> Self {
        let [_, a, b, c] = tag.to_le_bytes();
        Self([a, b, c])
    }

    /// A tag with this home.
    #[inline]
    pub(crate) const fn tag(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_le_bytes([0, a, b, c])
    }
}

/// A cache line of entries.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// A byte for each entry, zero where there is none: the first eight, and four more.
    marks: [u64; 2],
    entries: [u32; WIDE],
}

/// How many entries went past stands above the last marks.
const PASSED: u64 = 1 << 32;
const _: () = assert!(size_of::<Bucket>() == 64);

/// The highest bit of each byte of a word that is zero.
#[inline]
const fn zeros(word: u64) -> u64 {
    !(((word & !TOPS) + !TOPS) | word) & TOPS
}

/// The highest bits of the bytes that are marks, in the second word.
const LAST: u64 = TOPS & (PASSED - 1);

impl Bucket {
    #[inline]
    fn mark(tag: u32) -> u8 {
        (tag as u8).max(1)
    }

    /// The first place of a mark for which `wanted` says yes, told the entry.
    #[inline]
    fn place(&self, mark: u8, wanted: impl Fn(u32) -> bool) -> Option<usize> {
        let marks = u64::from(mark) * ONES;
        let [first, last] = self.marks;
        // One bit for each mark: those of the second word go between those of the first.
        let mut left = zeros(first ^ marks) | (zeros(last ^ marks) & LAST) >> 1;
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            let place = bit / 8 + if bit % 8 == 7 { 0 } else { FIRST };
            if wanted(self.entries[place % WIDE]) {
                return Some(place);
            }
            left &= left - 1;
        }
        None
    }

    /// Adds an entry that is so far from its home, or counts it where there is no room.
    #[inline]
    fn push(&mut self, tag: u32, id: u32, far: usize) -> bool {
        let [first, last] = self.marks;
        let (free, word) = match zeros(first) {
            0 => (zeros(last) & LAST, 1),
            free => (free, 0),
        };
        if free == 0 {
            self.marks[1] += PASSED;
            return false;
        }
        let byte = free.trailing_zeros() / 8;
        self.marks[word] |= u64::from(Self::mark(tag)) << (byte * 8);
        self.entries[(word * FIRST + byte as usize) % WIDE] =
            (far.min(FAR) as u32) << ID_BITS | id & ID;
        true
    }

    /// Makes a place free.
    #[inline]
    fn clear(&mut self, place: usize) {
        self.marks[place / FIRST] &= !(0xff << (place % FIRST * 8));
    }

    #[inline]
    fn has(&self, place: usize) -> bool {
        self.marks[place / FIRST] >> (place % FIRST * 8) & 0xff != 0
    }

    #[inline]
    fn passed(&self) -> bool {
        self.marks[1] >= PASSED
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
        ((u64::from(tag >> 8) * self.homes as u64) >> 24) as usize
    }

    /// The id with this tag's mark, not far from its home, for which `same` says that it has the name.
    #[inline]
    pub(crate) fn find(&self, tag: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        for bucket in self.buckets.get(self.home(tag)..)? {
            let place = bucket.place(Bucket::mark(tag), |entry| same(entry & ID));
            if let Some(place) = place {
                return Some(bucket.entries[place % WIDE] & ID);
            }
            if !bucket.passed() {
                return None;
            }
        }
        None
    }

    /// Prefetches the entries about a tag's home.
    #[inline]
    pub(crate) fn prefetch(&self, tag: u32) {
        prefetch(&self.buckets, self.home(tag));
    }

    /// Adds an id under a tag; the caller knows that its name is not there. `tags` gives the tag of an id.
    #[inline]
    pub(crate) fn insert(&mut self, tag: u32, id: u32, tags: impl Fn(u32) -> u32) {
        // At most four fifths full: one and a half buckets a look-up at the worst.
        if (self.len + 1) * 5 > self.homes * WIDE * 4 {
            self.grow(&tags);
        }
        self.len += 1;
        self.put(tag, id);
    }

    #[inline]
    fn put(&mut self, tag: u32, id: u32) {
        let home = self.home(tag);
        let bucket = self.buckets.get_mut(home);
        if !bucket.is_some_and(|b| b.push(tag, id, 0)) {
            self.put_far(home, tag, id);
        }
    }

    /// As [`Index::put`], of an entry for which its home has no room.
    #[inline(never)]
    fn put_far(&mut self, home: usize, tag: u32, id: u32) {
        for (far, bucket) in self.buckets.iter_mut().skip(home).enumerate().skip(1) {
            if bucket.push(tag, id, far) {
                return;
            }
        }
        let far = self.buckets.len() - home;
        self.buckets.reserve_exact(1);
        let mut bucket = Bucket::default();
        bucket.push(tag, id, far);
        self.buckets.push(bucket);
    }

    /// Takes an id out. `tags` gives the tag of another id.
    #[inline]
    pub(crate) fn remove(&mut self, tag: u32, id: u32, tags: impl Fn(u32) -> u32) {
        self.len -= 1;
        self.take(tag, id, &tags);
    }

    #[inline]
    fn take(&mut self, tag: u32, id: u32, tags: &impl Fn(u32) -> u32) {
        let home = self.home(tag);
        let mark = Bucket::mark(tag);
        let mut at = home;
        while let Some(bucket) = self.buckets.get_mut(at) {
            let passed = bucket.passed();
            if let Some(place) = bucket.place(mark, |entry| entry & ID == id) {
                bucket.clear(place);
                if at > home {
                    self.uncount(home, at);
                }
                if passed {
                    self.fill(at, tags);
                }
                return;
            }
            if !passed {
                return;
            }
            at += 1;
        }
    }

    /// An entry that went past these buckets is gone from behind them.
    #[inline]
    fn uncount(&mut self, from: usize, to: usize) {
        for bucket in self.buckets.iter_mut().take(to).skip(from) {
            bucket.marks[1] -= PASSED;
        }
    }

    /// A bucket that others went past has room: the next of them comes back, and so on from where that one stood.
    #[inline(never)]
    fn fill(&mut self, mut hole: usize, tags: &impl Fn(u32) -> u32) {
        let mut at = hole + 1;
        while let Some(bucket) = self.buckets.get(at) {
            let passed = bucket.passed();
            // The home of what went so far is at the hole or before it.
            let enough = at - hole;
            let comes = |&place: &usize| {
                let entry = bucket.entries[place];
                let far = (entry >> ID_BITS) as usize;
                bucket.has(place)
                    && match far {
                        FAR => self.home(tags(entry & ID)) <= hole,
                        far => far >= enough,
                    }
            };
            if let Some(place) = (0..WIDE).find(comes) {
                self.move_back(at, place, hole, tags);
                hole = at;
            }
            if !passed {
                return;
            }
            at += 1;
        }
    }

    /// Moves an entry to a bucket with room between its home and where it is.
    fn move_back(&mut self, at: usize, place: usize, to: usize, tags: &impl Fn(u32) -> u32) {
        let entry = self.buckets[at].entries[place];
        let mark = self.buckets[at].marks[place / FIRST] >> (place % FIRST * 8) & 0xff;
        let home = match (entry >> ID_BITS) as usize {
            FAR => self.home(tags(entry & ID)),
            far => at - far,
        };
        self.buckets[at].clear(place);
        self.uncount(to, at);
        self.buckets[to].push(mark as u32, entry & ID, to - home.min(to));
    }

    /// Makes room for a quarter more.
    fn grow(&mut self, tags: &impl Fn(u32) -> u32) {
        self.homes = (self.homes + self.homes / 4).max(self.homes + 1);
        let mut buckets = Vec::with_capacity(self.homes + 1);
        buckets.resize(self.homes + 1, Bucket::default());
        let before = core::mem::replace(&mut self.buckets, buckets);
        for bucket in before {
            // All records are asked before one is waited for.
            let homes = bucket.entries.map(|entry| tags(entry & ID) & !0xff);
            for place in (0..WIDE).filter(|&place| bucket.has(place)) {
                let id = bucket.entries[place] & ID;
                let mark = bucket.marks[place / FIRST] >> (place % FIRST * 8) & 0xff;
                self.put(homes[place] | mark as u32, id);
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    /// Whether every entry is where a look-up finds it, and as near its home as there is room.
    #[cfg(test)]
    fn is_consistent(&self, tags: impl Fn(u32) -> u32) -> bool {
        let mut passed = alloc::vec![0u64; self.buckets.len() + 1];
        let mut len = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            for place in (0..WIDE).filter(|&place| bucket.has(place)) {
                len += 1;
                let entry = bucket.entries[place];
                let home = self.home(tags(entry & ID));
                assert_eq!((at - home).min(FAR), (entry >> ID_BITS) as usize);
                (home..at).for_each(|b| passed[b] += 1);
            }
        }
        let counts = self.buckets.iter().zip(&passed).all(|(bucket, &passed)| {
            let full = (0..WIDE).all(|place| bucket.has(place));
            bucket.marks[1] >> 32 == passed && (passed == 0 || full)
        });
        counts && len == self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use alloc::collections::BTreeMap;
    use rand::RngExt as _;

    fn tag_in(map: &BTreeMap<u32, u32>, id: u32) -> u32 {
        map.get(&id).copied().unwrap_or(0)
    }

    /// Against a map, with tags so few that most collide, at both ends of their range.
    #[test]
    fn entries_are_found_as_long_as_they_are_there() {
        let mut rng = stream(5, "index");
        for spread in [1u64, 4, 1 << 10, 1 << 32] {
            let (mut index, mut map) = (Index::default(), BTreeMap::new());
            for id in 0..6000u32 {
                let tag = match rng.random_range(0..2) {
                    0 => rng.random_range(0..spread) as u32,
                    _ => u32::MAX - rng.random_range(0..spread) as u32,
                };
                map.insert(id, tag);
                index.insert(tag, id, |id| tag_in(&map, id));
                if rng.random_range(0..5) < 2 {
                    let gone = rng.random_range(0..u64::from(id) + 1) as u32;
                    if let Some(tag) = map.remove(&gone) {
                        index.remove(tag, gone, |id| tag_in(&map, id));
                    }
                }
                assert_eq!(index.len(), map.len());
                if id % 100 == 0 {
                    assert!(index.is_consistent(|id| tag_in(&map, id)));
                }
            }
            for id in 0..6000u32 {
                let found = |tag| index.find(tag, |i| i == id && map.contains_key(&i));
                match map.get(&id) {
                    Some(&tag) => assert_eq!(found(tag), Some(id)),
                    None => assert_eq!(found(id), None),
                }
            }
        }
    }
}

//! Records by the hash of their names: ids in one array, so that a look-up touches one cache line of it.
//!
//! An entry is 32 bits of hash and 32 bits of id. Entries stand in order of hash, each at its home or after it
//! with no gap between (linear probing, ordered). Since homes rise with the hash, growing is one merge from
//! front to back, and neither growing nor removing reads a name. A general table with its control bytes apart
//! costs two cache misses a look-up and must hash every name anew to grow.

use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

/// No entry: ids end far below `u32::MAX`.
const EMPTY: u64 = u64::MAX;
/// Homes at least, and entries beyond the last home at first.
const LEAST: usize = 8;

/// The part of a hash that entries keep.
#[inline]
pub(crate) const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Ids by the hash of their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    entries: Vec<u64>,
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
        let run = self.entries.get(self.home(tag)..)?;
        for &entry in run {
            let other = (entry >> 32) as u32;
            if other == tag && entry != EMPTY && same(entry as u32) {
                return Some(entry as u32);
            }
            // The empty entry's tag is above all or the highest there is.
            if other > tag || entry == EMPTY {
                return None;
            }
        }
        None
    }

    /// Asks memory for the entries about a tag's home, to be there when they are looked at.
    #[inline]
    pub(crate) fn warm(&self, tag: u32) {
        black_box(self.entries.get(self.home(tag)).copied());
    }

    /// Adds an id under a tag; the caller knows that its name is not there.
    pub(crate) fn insert(&mut self, tag: u32, id: u32) {
        // At most seven eighths full: a look-up passes four entries then, all in a cache line or two.
        if (self.len + 1) * 8 > self.homes * 7 {
            self.grow(self.homes + self.homes / 8);
        }
        self.len += 1;
        let mut carried = u64::from(tag) << 32 | u64::from(id);
        let home = self.home(tag);
        for entry in self.entries.iter_mut().skip(home) {
            if *entry == EMPTY {
                *entry = carried;
                return;
            }
            if *entry > carried {
                core::mem::swap(entry, &mut carried);
            }
        }
        self.entries.reserve_exact(LEAST);
        self.entries.push(carried);
    }

    /// Takes an id out.
    pub(crate) fn remove(&mut self, tag: u32, id: u32) {
        let wanted = u64::from(tag) << 32 | u64::from(id);
        let home = self.home(tag);
        let run = self.entries.iter().skip(home);
        let Some(found) = run.take_while(|&&e| e <= wanted).position(|&e| e == wanted) else {
            return;
        };
        self.len -= 1;
        let mut at = home + found;
        // What was pushed beyond its home moves back by one.
        while let Some(&next) = self.entries.get(at + 1) {
            if next == EMPTY || self.home((next >> 32) as u32) > at {
                break;
            }
            self.entries[at] = next;
            at += 1;
        }
        self.entries[at] = EMPTY;
    }

    fn grow(&mut self, homes: usize) {
        let homes = homes.max(LEAST).max(self.homes + LEAST);
        let before = core::mem::replace(&mut self.entries, vec![EMPTY; homes + LEAST]);
        self.homes = homes;
        let mut free = 0;
        for entry in before.into_iter().filter(|&e| e != EMPTY) {
            free = free.max(self.home((entry >> 32) as u32));
            match self.entries.get_mut(free) {
                Some(place) => *place = entry,
                None => self.entries.push(entry),
            }
            free += 1;
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<u64>()
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

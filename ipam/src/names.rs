//! Names, stored once, referred to by 32 bits.
//!
//! A million owners as boxed strings would cost 16 bytes of pointer and as much again of allocator
//! overhead each; here a name costs its bytes, one for its length, and rounding to eight.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// Bytes of one unit, units of one chunk, and the longest name (a DNS name's 253 bytes).
const UNIT: usize = 8;
const CHUNK: usize = 1 << 13;
pub(crate) const LONGEST: usize = 253;

/// A stored name: its place and one, so that a record with a name needs no byte more to be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameId(NonZeroU32);

impl NameId {
    fn at(place: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place))
    }

    fn place(self) -> u32 {
        self.0.get() - 1
    }
}

/// The store of names. Every id has one holder, who gives it back with [`Names::remove`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    chunks: Vec<Box<[u8]>>,
    used: usize,
    /// Freed places, by their number of units.
    free: Vec<Vec<u32>>,
}

impl Names {
    /// Stores a name; what is longer than [`LONGEST`] is cut there (callers refuse such names before).
    pub(crate) fn insert(&mut self, name: &str) -> NameId {
        let bytes = name.as_bytes();
        let bytes = bytes.get(..bytes.len().min(LONGEST)).unwrap_or(bytes);
        let units = (bytes.len() + 1).div_ceil(UNIT);
        let id = match self.free.get_mut(units).and_then(Vec::pop) {
            Some(id) => id,
            None => self.extend(units),
        };
        let at = id as usize % CHUNK * UNIT;
        if let Some(chunk) = self.chunks.get_mut(id as usize / CHUNK) {
            if let Some(length) = chunk.get_mut(at) {
                *length = bytes.len() as u8;
            }
            if let Some(place) = chunk.get_mut(at + 1..at + 1 + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        NameId::at(id)
    }

    /// Room for `units` at the end; never across two chunks.
    fn extend(&mut self, units: usize) -> u32 {
        let left = self.chunks.len() * CHUNK - self.used;
        if left < units {
            self.used = self.chunks.len() * CHUNK;
            self.chunks.push(vec![0; CHUNK * UNIT].into_boxed_slice());
        }
        let id = self.used as u32;
        self.used += units;
        id
    }

    pub(crate) fn remove(&mut self, id: NameId) {
        let units = (self.bytes(id).len() + 1).div_ceil(UNIT);
        if self.free.len() <= units {
            self.free.resize_with(units + 1, Vec::new);
        }
        if let Some(list) = self.free.get_mut(units) {
            list.push(id.place());
        }
    }

    #[inline]
    pub(crate) fn bytes(&self, id: NameId) -> &[u8] {
        let place = id.place() as usize;
        let at = place % CHUNK * UNIT;
        let chunk = self.chunks.get(place / CHUNK);
        let name = chunk.and_then(|c| {
            let length = usize::from(*c.get(at)?);
            c.get(at + 1..at + 1 + length)
        });
        name.unwrap_or_default()
    }

    /// Whether a stored name is this one.
    #[inline]
    pub(crate) fn is(&self, id: NameId, name: &str) -> bool {
        self.bytes(id) == name.as_bytes()
    }

    pub(crate) fn get(&self, id: NameId) -> &str {
        core::str::from_utf8(self.bytes(id)).unwrap_or_default()
    }

    /// Bytes that hold names, free places among them.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.len() * CHUNK * UNIT + self.free.iter().map(|l| l.capacity() * 4).sum::<usize>()
    }
}

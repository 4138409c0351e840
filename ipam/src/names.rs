//! Names, stored once, referred to by 32 bits.
//!
//! A million owners as boxed strings would cost 16 bytes of pointer and as much again of allocator
//! overhead each; here a name costs its bytes, one for its length, and rounding to eight.
//!
//! Each chunk holds names of one rounded length: a name that goes need not be read to know what room it leaves.

use crate::slab::grow;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// Bytes of one unit, units of one chunk at the most, and the longest name (a DNS name's 253 bytes).
pub(crate) const UNIT: usize = 8;
const CHUNK: usize = 1 << 15;
pub(crate) const LONGEST: usize = 253;
/// Rounded lengths, in units: from one to this.
pub(crate) const SIZES: usize = (LONGEST + 1).div_ceil(UNIT);

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

/// Names of one rounded length, one after another.
#[derive(Clone, Debug)]
struct Chunk {
    units: usize,
    /// A name's length, its bytes, and zeros up to the next.
    bytes: Vec<u8>,
}

/// Room for names of one rounded length.
#[derive(Clone, Debug, Default)]
struct Room {
    /// Freed places.
    free: Vec<u32>,
    /// The chunk that is not full yet, and one.
    open: usize,
}

/// The store of names. Every id has one holder, who gives it back with [`Names::remove`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    chunks: Vec<Chunk>,
    /// By number of units, from none on.
    rooms: Vec<Room>,
}

impl Names {
    /// Stores a name; what is longer than [`LONGEST`] is cut there (callers refuse such names before).
    pub(crate) fn insert(&mut self, name: &str) -> NameId {
        let bytes = name.as_bytes();
        let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
        let units = (bytes.len() + 1).div_ceil(UNIT);
        let freed = self.rooms.get_mut(units).and_then(|r| r.free.pop());
        let id = freed.unwrap_or_else(|| self.extend(units));
        let at = id as usize % CHUNK * UNIT;
        let chunk = self.chunks.get_mut(id as usize / CHUNK);
        let place = chunk.and_then(|c| c.bytes.get_mut(at..=at + bytes.len()));
        if let Some((length, place)) = place.and_then(<[u8]>::split_first_mut) {
            *length = bytes.len() as u8;
            place.copy_from_slice(bytes);
        }
        NameId::at(id)
    }

    /// A new place for a name of so many units.
    #[inline(never)]
    fn extend(&mut self, units: usize) -> u32 {
        if self.rooms.is_empty() {
            self.rooms.resize_with(SIZES + 1, Room::default);
        }
        let most = CHUNK / units * units * UNIT;
        let Some(room) = self.rooms.get_mut(units) else {
            return 0;
        };
        let open = room.open.checked_sub(1).and_then(|o| self.chunks.get(o));
        if open.is_none_or(|c| c.bytes.len() >= most) {
            let bytes = Vec::new();
            self.chunks.push(Chunk { units, bytes });
            room.open = self.chunks.len();
        }
        let chunk = room.open - 1;
        let Some(last) = self.chunks.get_mut(chunk) else {
            return 0;
        };
        let (at, size) = (last.bytes.len(), units * UNIT);
        grow(&mut last.bytes, at / size, size);
        last.bytes.resize(at + size, 0);
        (chunk * CHUNK + at / UNIT) as u32
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: NameId) {
        let place = id.place();
        let units = self.chunks.get(place as usize / CHUNK).map(|c| c.units);
        if let Some(room) = units.and_then(|u| self.rooms.get_mut(u)) {
            room.free.push(place);
        }
    }

    #[inline]
    pub(crate) fn bytes(&self, id: NameId) -> &[u8] {
        let place = id.place() as usize;
        let at = place % CHUNK * UNIT;
        let chunk = self.chunks.get(place / CHUNK);
        let name = chunk.and_then(|c| {
            let (&length, rest) = c.bytes.get(at..)?.split_first()?;
            rest.get(..usize::from(length))
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
        let chunks: usize = self.chunks.iter().map(|c| c.bytes.capacity()).sum();
        let free: usize = self.rooms.iter().map(|r| r.free.capacity() * 4).sum();
        chunks + free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use alloc::string::String;
    use rand::RngExt as _;

    /// Names of every length come and go; those there are can be read, and places are used again.
    #[test]
    fn names_are_what_was_stored() {
        let mut rng = stream(3, "names");
        let (mut names, mut there) = (Names::default(), Vec::new());
        for round in 0..40_000u32 {
            let letter = char::from(b'a' + (round % 26) as u8);
            let length = 1 + rng.random_range(0..LONGEST as u64) as usize;
            let name: String = core::iter::repeat_n(letter, length).collect();
            there.push((names.insert(&name), name));
            if there.len() > 3000 {
                let (id, name) = there.swap_remove(rng.random_range(0..3000) as usize);
                assert_eq!(names.get(id), name);
                names.remove(id);
            }
        }
        assert!(there.iter().all(|(id, name)| names.is(*id, name)));
        assert!(
            names.heap_bytes() < 3000 * 256 * 2,
            "{}",
            names.heap_bytes()
        );
    }
}

//! The arena of claims: numbered, with their owners' names at the same number.
//!
//! A claim and its owner's name are found by the claim's number alone, so that memory brings both at once. Each
//! chunk holds claims whose owners' names are of one rounded length; a name costs its bytes, one for its length,
//! and rounding to eight.

use super::record::Claim;
use crate::names::{LONGEST, SIZES, UNIT};
use crate::prefetch::prefetch;
use crate::slab::grow;
use alloc::vec::Vec;

/// Claims per chunk: of a million, the list of chunks is a few cache lines.
const CHUNK: usize = 1 << 14;

/// Claims with owners' names of one rounded length.
#[derive(Clone, Debug)]
struct Chunk {
    /// Of a name: its length, its bytes, and what is left up to the next.
    units: usize,
    claims: Vec<Option<Claim>>,
    names: Vec<u8>,
}

/// Room for claims with owners' names of one rounded length.
#[derive(Clone, Debug, Default)]
struct Room {
    /// Freed numbers.
    free: Vec<u32>,
    /// The chunk that is not full yet, and one.
    open: usize,
}

/// The claims; numbers are used again, last freed first, for names of the same rounded length.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    /// By number of units, from none on.
    rooms: Vec<Room>,
    len: usize,
}

impl Arena {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&Claim> {
        let chunk = self.chunks.get(id as usize / CHUNK)?;
        chunk.claims.get(id as usize % CHUNK)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Claim> {
        let chunk = self.chunks.get_mut(id as usize / CHUNK)?;
        chunk.claims.get_mut(id as usize % CHUNK)?.as_mut()
    }

    /// The owner's name.
    pub(super) fn owner(&self, id: u32) -> &str {
        core::str::from_utf8(self.bytes(id)).unwrap_or_default()
    }

    /// Whether a claim's owner has this name.
    #[inline]
    pub(super) fn is(&self, id: u32, name: &str) -> bool {
        self.bytes(id) == name.as_bytes()
    }

    /// Prefetches the end of an owner's name, which may stand in another cache line than its beginning.
    #[inline]
    pub(super) fn prefetch_owner(&self, id: u32) {
        if let Some(chunk) = self.chunks.get(id as usize / CHUNK) {
            let size = chunk.units * UNIT;
            prefetch(&chunk.names, id as usize % CHUNK * size + size - 1);
        }
    }

    #[inline]
    fn bytes(&self, id: u32) -> &[u8] {
        let chunk = self.chunks.get(id as usize / CHUNK);
        let name = chunk.and_then(|c| {
            let at = id as usize % CHUNK * c.units * UNIT;
            let (&length, rest) = c.names.get(at..)?.split_first()?;
            rest.get(..usize::from(length))
        });
        name.unwrap_or_default()
    }

    /// Stores a claim of an owner; what is longer than [`LONGEST`] is cut there (callers refuse such names
    /// before). Numbers run out at 2^29, which what refers to them (cells) can hold: far above the 2^24 addresses
    /// of the largest pool.
    #[inline(always)]
    pub(super) fn insert(&mut self, owner: &str, claim: Claim) -> u32 {
        let bytes = owner.as_bytes();
        let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
        let units = (bytes.len() + 1).div_ceil(UNIT);
        let freed = self.rooms.get_mut(units).and_then(|r| r.free.pop());
        let id = freed.unwrap_or_else(|| self.extend(units));
        let Some(chunk) = self.chunks.get_mut(id as usize / CHUNK) else {
            return u32::MAX;
        };
        let within = id as usize % CHUNK;
        if let Some(place) = chunk.claims.get_mut(within) {
            *place = Some(claim);
        }
        let at = within * units * UNIT;
        let name = chunk.names.get_mut(at..=at + bytes.len());
        if let Some((length, place)) = name.and_then(<[u8]>::split_first_mut) {
            *length = bytes.len() as u8;
            place.copy_from_slice(bytes);
        }
        self.len += 1;
        id
    }

    /// A new number for an owner's name of so many units.
    #[inline(never)]
    fn extend(&mut self, units: usize) -> u32 {
        if self.rooms.is_empty() {
            self.rooms.resize_with(SIZES + 1, Room::default);
        }
        let Some(room) = self.rooms.get_mut(units) else {
            return u32::MAX;
        };
        let open = room.open.checked_sub(1).and_then(|o| self.chunks.get(o));
        if open.is_none_or(|c| c.claims.len() >= CHUNK) {
            self.chunks.push(Chunk {
                units,
                claims: Vec::new(),
                names: Vec::new(),
            });
            room.open = self.chunks.len();
        }
        let chunk = room.open - 1;
        let Some(last) = self.chunks.get_mut(chunk) else {
            return u32::MAX;
        };
        let have = last.claims.len();
        grow(&mut last.claims, have, 1);
        grow(&mut last.names, have, units * UNIT);
        last.claims.push(None);
        last.names.resize((have + 1) * units * UNIT, 0);
        (chunk * CHUNK + last.claims.len() - 1) as u32
    }

    #[inline]
    pub(super) fn remove(&mut self, id: u32) -> Option<Claim> {
        let chunk = self.chunks.get_mut(id as usize / CHUNK)?;
        let claim = chunk.claims.get_mut(id as usize % CHUNK)?.take()?;
        self.len -= 1;
        if let Some(room) = self.rooms.get_mut(chunk.units) {
            room.free.push(id);
        }
        Some(claim)
    }

    /// Every claim, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Claim)> {
        self.chunks.iter().enumerate().flat_map(|(chunk, c)| {
            let claims = c.claims.iter().enumerate();
            claims.filter_map(move |(i, claim)| Some(((chunk * CHUNK + i) as u32, claim.as_ref()?)))
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        let chunks = self.chunks.iter_mut();
        chunks.flat_map(|c| c.claims.iter_mut().filter_map(Option::as_mut))
    }

    /// Bytes of the claims, but for their owners' names.
    pub(super) fn heap_bytes(&self) -> usize {
        let claims: usize = self.chunks.iter().map(|c| c.claims.capacity()).sum();
        let free: usize = self.rooms.iter().map(|r| r.free.capacity()).sum();
        claims * size_of::<Option<Claim>>() + self.chunks.capacity() * size_of::<Chunk>() + free * 4
    }

    /// Bytes of the owners' names, free places among them.
    pub(super) fn name_bytes(&self) -> usize {
        self.chunks.iter().map(|c| c.names.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Kind, Ttl};
    use super::*;
    use crate::index::Home;
    use crate::rng::stream;
    use crate::spots::Spots;
    use crate::state::NONE;
    use crate::time::Timestamp;
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use rand::RngExt as _;

    fn claim(sequence: u64) -> Claim {
        Claim {
            sequence,
            touched: Timestamp::ZERO,
            until: Timestamp::MAX,
            workload: NONE,
            workload_tag: 0,
            host: NONE,
            next: NONE,
            previous: NONE,
            spots: Spots::EMPTY,
            home: Home::of(0),
            kind: Kind::Ephemeral,
            ttl: Ttl::NONE,
        }
    }

    /// Claims of owners with names of every length come and go; each keeps its own name, and numbers are used
    /// again.
    #[test]
    fn claims_keep_their_owners_names() {
        let mut rng = stream(3, "claims");
        let (mut claims, mut there) = (Arena::default(), BTreeMap::new());
        let mut highest = 0;
        for round in 0..60_000u64 {
            let letter = char::from(b'a' + (round % 26) as u8);
            let longest = if round % 3 == 0 { LONGEST as u64 } else { 40 };
            let length = 1 + rng.random_range(0..longest) as usize;
            let name: String = core::iter::repeat_n(letter, length).collect();
            let id = claims.insert(&name, claim(round));
            highest = highest.max(id);
            assert_eq!(there.insert(id, (name, round)), None);
            if there.len() > 3000 {
                let gone = rng.random_range(0..u64::from(highest) + 1) as u32;
                let known = there.range(gone..).next().map(|(&id, _)| id);
                let gone = known.unwrap_or(id);
                let sequence = claims.remove(gone).map(|c| c.sequence);
                assert_eq!(sequence, there.remove(&gone).map(|(_, s)| s));
                assert!(claims.get(gone).is_none());
            }
        }
        assert_eq!(claims.len(), there.len());
        for (&id, (name, sequence)) in &there {
            assert!(claims.is(id, name) && claims.owner(id) == name);
            assert_eq!(claims.get(id).map(|c| c.sequence), Some(*sequence));
        }
        let listed = claims.iter().map(|(id, c)| (id, c.sequence));
        assert!(listed.eq(there.iter().map(|(&id, &(_, s))| (id, s))));
    }
}

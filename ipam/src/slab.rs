//! Dense storage with stable 32-bit ids: chunks that are never half empty by doubling.

use crate::prefetch::prefetch;
use alloc::vec::Vec;

/// Entries per chunk: of a million, the list of chunks is a few cache lines.
const CHUNK: usize = 1 << 14;
/// Entries by which a chunk grows once it has as many.
const STEP: usize = 1 << 12;

/// Makes room for one more entry, of `size` elements, in a part of a chunk that holds `len` of them.
pub(crate) fn grow<T>(part: &mut Vec<T>, len: usize, size: usize) {
    if part.len() + size > part.capacity() {
        part.reserve_exact(len.clamp(4, STEP) * size);
    }
}

/// A slab of `T`; ids are reused, last freed first.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.chunks
            .get(id as usize / CHUNK)?
            .get(id as usize % CHUNK)?
            .as_ref()
    }

    /// Prefetches an entry.
    #[inline]
    pub(crate) fn prefetch(&self, id: u32) {
        if let Some(chunk) = self.chunks.get(id as usize / CHUNK) {
            prefetch(chunk, id as usize % CHUNK);
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.chunks
            .get_mut(id as usize / CHUNK)?
            .get_mut(id as usize % CHUNK)?
            .as_mut()
    }

    /// Stores a value. Ids run out at 2^29, which what refers to them (cells) can hold: far above the
    /// 2^24 addresses of the largest pool.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(id) = self.free.pop() {
            let place = self.chunks.get_mut(id as usize / CHUNK);
            if let Some(place) = place.and_then(|c| c.get_mut(id as usize % CHUNK)) {
                *place = Some(value);
            }
            return id;
        }
        if self.chunks.last().is_none_or(|c| c.len() == CHUNK) {
            self.chunks.push(Vec::new());
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let Some(last) = self.chunks.last_mut() else {
            return u32::MAX;
        };
        grow(last, last.len(), 1);
        last.push(Some(value));
        (before + last.len() - 1) as u32
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u32) {
        let chunk = self.chunks.get_mut(id as usize / CHUNK);
        let place = chunk.and_then(|c| c.get_mut(id as usize % CHUNK));
        if let Some(place) = place.filter(|p| p.is_some()) {
            *place = None;
            self.len -= 1;
            self.free.push(id);
        }
    }

    /// Every entry, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(id, entry)| entry.as_ref().map(|e| (id as u32, e)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten().filter_map(Option::as_mut)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(Vec::capacity).sum();
        chunks * size_of::<Option<T>>() + self.chunks.capacity() * 24 + self.free.capacity() * 4
    }
}

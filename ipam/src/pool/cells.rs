//! What is known of each slot beyond "free": who holds it, which workload retains it, where it is in quarantine.

use crate::prefetch::prefetch;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// An array of `T` in chunks of `N` that exist once something is stored in them.
#[derive(Clone, Debug)]
pub(crate) struct Paged<T, const N: usize> {
    pages: Vec<Option<Box<[T; N]>>>,
    blank: T,
}

impl<T: Copy + PartialEq, const N: usize> Paged<T, N> {
    pub(crate) fn new(blank: T) -> Self {
        Self {
            pages: Vec::new(),
            blank,
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> T {
        let page = self.pages.get(index as usize / N).and_then(Option::as_ref);
        page.and_then(|p| p.get(index as usize % N))
            .copied()
            .unwrap_or(self.blank)
    }

    /// Prefetches an entry.
    #[inline]
    pub(crate) fn prefetch(&self, index: u32) {
        if let Some(Some(page)) = self.pages.get(index as usize / N) {
            prefetch(&**page, index as usize % N);
        }
    }

    /// The entry, its page made if need be. Callers check `index` against the pool's size.
    #[inline]
    pub(crate) fn entry(&mut self, index: u32) -> &mut T {
        let (page, within) = (index as usize / N, index as usize % N);
        if self.pages.len() <= page {
            self.extend(page);
        }
        let blank = self.blank;
        // Both indices are in range by the lines above.
        let page = self.pages[page].get_or_insert_with(|| Self::page(blank));
        &mut page[within]
    }

    #[cold]
    fn page(blank: T) -> Box<[T; N]> {
        Box::new([blank; N])
    }

    /// Lists pages up to one.
    #[cold]
    fn extend(&mut self, page: usize) {
        // An eighth more than asked for, not twice as much: in a large pool this list is megabytes.
        if self.pages.capacity() <= page {
            let room = page + 1 + page / 8 - self.pages.len();
            self.pages.reserve_exact(room);
        }
        self.pages.resize_with(page + 1, || None);
    }

    /// Every entry that is not blank.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, T)> + '_ {
        let pages = self
            .pages
            .iter()
            .enumerate()
            .filter_map(|(i, p)| Some((i, p.as_ref()?)));
        pages
            .flat_map(|(i, page)| {
                page.iter()
                    .enumerate()
                    .map(move |(k, &t)| ((i * N + k) as u32, t))
            })
            .filter(|(_, t)| *t != self.blank)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let full = self.pages.iter().filter(|p| p.is_some()).count();
        self.pages.capacity() * size_of::<usize>() + full * N * size_of::<T>()
    }
}

/// One slot's state, packed: a tag in the top three bits, an id below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell(u32);

/// A cell, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing was ever noted: free, excluded or set aside, as bitmap and spec say.
    Blank,
    /// Held by this claim.
    Held(u32),
    /// Retained for this workload, held by nobody.
    Retained(u32),
    /// In quarantine, at this entry of the quarantine list.
    Quarantined(u32),
    /// Free, at this entry of the list in order of release.
    Queued(u32),
}

const TAG: u32 = 29;
/// The bits of a cell's id.
pub(crate) const ID_MASK: u32 = (1 << TAG) - 1;

impl Cell {
    pub(crate) const BLANK: Self = Self(0);

    pub(crate) fn pack(state: State) -> Self {
        let (tag, id) = match state {
            State::Blank => (0, 0),
            State::Held(id) => (1, id),
            State::Retained(id) => (2, id),
            State::Quarantined(id) => (3, id),
            State::Queued(id) => (4, id),
        };
        Self(tag << TAG | id & ID_MASK)
    }

    #[inline]
    pub(crate) fn state(self) -> State {
        let id = self.0 & ID_MASK;
        match self.0 >> TAG {
            1 => State::Held(id),
            2 => State::Retained(id),
            3 => State::Quarantined(id),
            4 => State::Queued(id),
            _ => State::Blank,
        }
    }
}

/// The cells of a pool's slots.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    pages: Paged<Cell, 256>,
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self {
            pages: Paged::new(Cell::BLANK),
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Cell {
        self.pages.get(slot)
    }

    #[inline]
    pub(crate) fn set(&mut self, slot: u32, cell: Cell) {
        *self.pages.entry(slot) = cell;
    }

    /// Prefetches a cell.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        self.pages.prefetch(slot);
    }

    /// Every cell that is not blank.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Cell)> + '_ {
        self.pages.iter()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.pages.heap_bytes()
    }
}

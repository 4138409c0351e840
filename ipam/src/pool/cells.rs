//! What is known of each slot beyond "free": who holds it, whom it is kept for, where it rests.

use crate::prefetch::prefetch;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

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

    /// Asks memory for an entry.
    #[inline]
    pub(crate) fn warm(&self, index: u32) {
        self.warm_all(index, 1, 1);
    }

    /// Asks memory for so many entries of one page, this many of which share a cache line.
    #[inline]
    fn warm_all(&self, first: u32, count: usize, line: usize) {
        if let Some(Some(page)) = self.pages.get(first as usize / N) {
            let within = first as usize % N;
            for index in (within..within + count).step_by(line) {
                prefetch(&**page, index);
            }
        }
    }

    /// Asks memory for where an entry's page is.
    #[inline]
    fn warm_way(&self, index: u32) {
        prefetch(&self.pages, index as usize / N);
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
    /// Kept for this workload, held by nobody.
    Kept(u32),
    /// In quarantine, at this entry of the resting list.
    Resting(u32),
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
            State::Kept(id) => (2, id),
            State::Resting(id) => (3, id),
            State::Queued(id) => (4, id),
        };
        Self(tag << TAG | id & ID_MASK)
    }

    #[inline]
    pub(crate) fn state(self) -> State {
        let id = self.0 & ID_MASK;
        match self.0 >> TAG {
            1 => State::Held(id),
            2 => State::Kept(id),
            3 => State::Resting(id),
            4 => State::Queued(id),
            _ => State::Blank,
        }
    }
}

/// The cells of a pool's slots.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    pages: Paged<Cell, 256>,
    /// What is to be written with the next change, once memory has brought the way there; read as if it were.
    late: Option<(u32, Cell)>,
}

impl Cells {
    pub(crate) fn new() -> Self {
        Self {
            pages: Paged::new(Cell::BLANK),
            late: None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Cell {
        match self.late {
            Some((late, cell)) if late == slot => cell,
            _ => self.pages.get(slot),
        }
    }

    #[inline]
    pub(crate) fn set(&mut self, slot: u32, cell: Cell) {
        self.settle();
        *self.pages.entry(slot) = cell;
    }

    /// As [`Cells::set`], of a slot whose cell is far away.
    #[inline]
    pub(crate) fn set_later(&mut self, slot: u32, cell: Cell) {
        self.settle();
        self.pages.warm_way(slot);
        self.late = Some((slot, cell));
    }

    #[inline]
    fn settle(&mut self) {
        if let Some((slot, cell)) = self.late.take() {
            *self.pages.entry(slot) = cell;
        }
    }

    /// Asks memory for a cell.
    #[inline]
    pub(crate) fn warm(&self, slot: u32) {
        self.pages.warm_all(slot, 1, 1);
    }

    /// Asks memory for the cells of a block that is small enough, all at once.
    #[inline]
    pub(crate) fn warm_block(&self, slots: Range<u32>) {
        if slots.len() <= NEAR {
            self.pages.warm_all(slots.start, slots.len(), LINE);
        }
    }

    /// Every cell that is not blank.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Cell)> + '_ {
        let late = self
            .late
            .filter(|&(slot, _)| self.pages.get(slot) == Cell::BLANK);
        let written = self.pages.iter().map(|(slot, _)| (slot, self.get(slot)));
        let all = written.chain(late);
        all.filter(|&(_, cell)| cell != Cell::BLANK)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.pages.heap_bytes()
    }
}

/// Slots of a block that is asked for whole, and slots whose cells share a cache line.
const NEAR: usize = 64;
const LINE: usize = 16;

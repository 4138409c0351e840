//! Whose class has which minor number, in order: two levels of 256, the second only where it is used. A class number is drawn from
//! an id, so numbers come in no order, which is what a tree of maps is slowest at.

use super::slot::Slot;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Stands for nobody: slots count containers, of which there are fewer.
const NOBODY: u32 = u32::MAX;

/// Slots by minor number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Minors {
    pages: Vec<Option<Box<[u32; 256]>>>,
}

impl Minors {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new() }
    }

    pub(crate) fn get(&self, minor: u16) -> Option<Slot> {
        let [page, place] = minor.to_be_bytes().map(usize::from);
        let slot = *self.pages.get(page)?.as_ref()?.get(place)?;
        (slot != NOBODY).then_some(Slot(slot))
    }

    pub(crate) fn insert(&mut self, minor: u16, slot: Slot) {
        let [page, place] = minor.to_be_bytes().map(usize::from);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages.get_mut(page);
        let page = page.map(|p| p.get_or_insert_with(|| Box::new([NOBODY; 256])));
        if let Some(place) = page.and_then(|p| p.get_mut(place)) {
            *place = slot.0;
        }
    }

    pub(crate) fn remove(&mut self, minor: u16) {
        let [page, place] = minor.to_be_bytes().map(usize::from);
        let page = self.pages.get_mut(page).and_then(Option::as_mut);
        if let Some(place) = page.and_then(|p| p.get_mut(place)) {
            *place = NOBODY;
        }
    }

    /// All of them, in order of the numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, Slot)> {
        let pages = (0_u16..).zip(&self.pages);
        let pages = pages.filter_map(|(i, page)| Some((i << 8, page.as_ref()?)));
        pages.flat_map(|(first, page)| {
            let taken = (first..=first | 0xff).zip(page.iter());
            taken.filter_map(|(minor, slot)| (*slot != NOBODY).then_some((minor, Slot(*slot))))
        })
    }
}

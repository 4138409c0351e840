//! Records by name: the records, their names, and an index from a name to its record's number.

use crate::index::Index;
use crate::names::{NameId, Names};
use crate::slab::Slab;

/// A record and what finds it.
#[derive(Clone, Debug)]
struct Entry<T> {
    name: NameId,
    /// Its place in the index.
    tag: u32,
    record: T,
}

/// Records that are found by name and from then on known by number. Names come with their [tag](crate::index::tag): the part
/// of their hash that the index goes by, under the allocator's seed.
#[derive(Clone, Debug)]
pub(crate) struct Directory<T> {
    names: Names,
    entries: Slab<Entry<T>>,
    index: Index,
}

impl<T> Default for Directory<T> {
    fn default() -> Self {
        Self {
            names: Names::default(),
            entries: Slab::default(),
            index: Index::default(),
        }
    }
}

impl<T> Directory<T> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of the record that bears a name.
    #[inline]
    pub(crate) fn find(&self, tag: u32, name: &str) -> Option<u32> {
        self.index.find(tag, |id| {
            let entry = self.entries.get(id);
            entry.is_some_and(|e| self.names.is(e.name, name))
        })
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.entries.get(id).map(|e| &e.record)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.entries.get_mut(id).map(|e| &mut e.record)
    }

    /// A record and the tag of its name.
    #[inline]
    pub(crate) fn tagged(&self, id: u32) -> Option<(&T, u32)> {
        self.entries.get(id).map(|e| (&e.record, e.tag))
    }

    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        self.entries.get(id).map(|e| self.names.get(e.name))
    }

    /// Adds a record; the caller knows that none bears its name.
    #[inline]
    pub(crate) fn insert(&mut self, tag: u32, name: &str, record: T) -> u32 {
        let name = self.names.insert(name);
        let id = self.entries.insert(Entry { name, tag, record });
        let entries = &self.entries;
        self.index.insert(tag, id, |id| tag_of(entries, id));
        id
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(&Entry { name, tag, .. }) = self.entries.get(id) else {
            return;
        };
        let entries = &self.entries;
        self.index.remove(tag, id, |id| tag_of(entries, id));
        self.entries.remove(id);
        self.names.remove(name);
    }

    /// Prefetches a record.
    #[inline]
    pub(crate) fn prefetch(&self, id: u32) {
        self.entries.prefetch(id);
    }

    /// Prefetches what a tag's name is found by.
    #[inline]
    pub(crate) fn prefetch_tag(&self, tag: u32) {
        self.index.prefetch(tag);
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|e| &mut e.record)
    }

    /// Every record, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.entries.iter().map(|(id, e)| (id, &e.record))
    }

    /// Whether every record is found by its name, told the tag of a name.
    pub(crate) fn is_consistent(&self, tag: impl Fn(&str) -> u32) -> bool {
        let found = |(id, entry): (u32, &Entry<T>)| {
            let name = self.names.get(entry.name);
            entry.tag == tag(name) && self.find(entry.tag, name) == Some(id)
        };
        self.index.len() == self.entries.len() && self.entries.iter().all(found)
    }

    /// Bytes on the heap without names.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.heap_bytes() + self.index.heap_bytes()
    }

    /// Bytes that hold names.
    pub(crate) fn name_bytes(&self) -> usize {
        self.names.heap_bytes()
    }
}

fn tag_of<T>(entries: &Slab<Entry<T>>, id: u32) -> u32 {
    entries.get(id).map_or(0, |e| e.tag)
}

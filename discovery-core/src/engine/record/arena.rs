//! All records, found by name or by dense index.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;

use super::Record;
use crate::error::InputError;
use crate::hash::hash;
use crate::id::EndpointId;
use crate::time::Timestamp;

/// All records, with the index of their names and the places that are free.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Records {
    all: Vec<Record>,
    free: Vec<u32>,
    index: HashTable<u32>,
}

impl Records {
    pub(in crate::engine) fn get(&self, index: u32) -> Option<&Record> {
        self.all.get(index as usize).filter(|r| r.alive)
    }

    /// A member of a service, which is alive.
    pub(in crate::engine) fn member(&self, index: u32) -> Option<&Record> {
        let record = self.get(index);
        debug_assert!(record.is_some(), "members of a service are alive");
        record
    }

    pub(in crate::engine) fn get_mut(&mut self, index: u32) -> Option<&mut Record> {
        self.all.get_mut(index as usize).filter(|r| r.alive)
    }

    pub(in crate::engine) fn find(&self, name: &str) -> Option<u32> {
        let is = |&i: &u32| self.get(i).is_some_and(|r| *r.name == *name);
        self.index.find(hash(name.as_bytes()), is).copied()
    }

    pub(in crate::engine) fn by_id(&self, id: EndpointId) -> Option<&Record> {
        self.get(id.index).filter(|r| r.generation == id.generation)
    }

    /// The dense index of a living endpoint.
    pub(in crate::engine) fn living(&self, id: EndpointId) -> Result<u32, InputError> {
        let unknown = InputError::UnknownEndpoint { given: id };
        self.by_id(id).map(|_| id.index).ok_or(unknown)
    }

    pub(in crate::engine) fn id(&self, index: u32) -> EndpointId {
        let generation = self.all.get(index as usize).map_or(0, |r| r.generation);
        EndpointId { index, generation }
    }

    /// Puts a record in; an error when there are 2^32 of them. Its generation is set here.
    pub(in crate::engine) fn insert(&mut self, mut record: Record) -> Result<u32, InputError> {
        let hashed = hash(record.name.as_bytes());
        let new = || u32::try_from(self.all.len()).ok().filter(|&i| i < u32::MAX);
        let free = self.free.last().copied().or_else(new);
        let index = free.ok_or(InputError::Full { kind: "endpoints" })?;
        match self.all.get_mut(index as usize) {
            Some(place) => {
                self.free.pop();
                record.generation = place.generation;
                *place = record;
            }
            None => self.all.push(record),
        }
        let all = &self.all;
        let rehash = |&i: &u32| all.get(i as usize).map_or(0, |r| hash(r.name.as_bytes()));
        self.index.insert_unique(hashed, index, rehash);
        Ok(index)
    }

    /// Takes a record out and gives its name back.
    pub(in crate::engine) fn remove(&mut self, index: u32) -> Option<Box<str>> {
        let record = self.all.get_mut(index as usize).filter(|r| r.alive)?;
        record.alive = false;
        record.generation = record.generation.wrapping_add(1);
        record.queued = Timestamp::MAX;
        let name = core::mem::take(&mut record.name);
        if let Ok(entry) = self
            .index
            .find_entry(hash(name.as_bytes()), |&i| i == index)
        {
            entry.remove();
        }
        self.free.push(index);
        Some(name)
    }

    /// Living records with their indices, in order.
    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        (0..).zip(&self.all).filter(|(_, r)| r.alive)
    }

    /// The indices of those that are so, in order.
    pub(in crate::engine) fn indices(&self, so: impl Fn(&Record) -> bool) -> Vec<u32> {
        let found = self.iter().filter(|(_, r)| so(r));
        found.map(|(i, _)| i).collect()
    }

    pub(in crate::engine) fn count(&self, so: impl Fn(&Record) -> bool) -> usize {
        self.iter().filter(|(_, r)| so(r)).count()
    }

    pub(in crate::engine) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

//! Dense ids inside, names at the edges: a name is looked up once.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashTable;

use crate::hash::hash;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// The dense index, counted from 0 in order of first mention; once removed it is given again.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, " {}"), self.0)
            }
        }
    };
}

id!(
    /// A service of an engine.
    ServiceId,
    "service"
);
id!(
    /// A node (host machine) of an engine.
    NodeId,
    "node"
);
id!(
    /// A zone of an engine.
    ZoneId,
    "zone"
);
id!(
    /// A region (data centre) of an engine.
    RegionId,
    "region"
);

/// An endpoint of an engine: a dense index, and a generation that tells a new tenant of the index from an
/// old one, so that a late message about a removed endpoint never reaches its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EndpointId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl EndpointId {
    /// The dense index; taken again by a later endpoint once this one is removed.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// How many tenants the index had before.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for EndpointId {
    /// The index, and the generation after a dot: `endpoint 3.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "endpoint {}.{}", self.index, self.generation)
    }
}

/// Names of services, nodes, zones or regions by number, in order of first mention. The number of a removed name is
/// given to the next new one, the lowest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    names: Vec<Option<Box<str>>>,
    index: HashTable<u32>,
    free: BTreeSet<u32>,
}

impl Names {
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let is = |&i: &u32| self.name(i).is_some_and(|n| *n == *name);
        self.index.find(hash(name.as_bytes()), is).copied()
    }

    /// The number of `name`, a new one if it was not known; `None` when there are 2^32 names.
    pub(crate) fn intern(&mut self, name: &str) -> Option<u32> {
        if let Some(known) = self.find(name) {
            return Some(known);
        }
        match self.free.pop_first() {
            Some(free) => {
                self.enter(free, name);
                Some(free)
            }
            None => self.append(Some(name)),
        }
    }

    /// Gives the next number to `name`, which is not known yet; without one the number stays free.
    pub(crate) fn append(&mut self, name: Option<&str>) -> Option<u32> {
        let new = u32::try_from(self.names.len()).ok()?;
        self.names.push(None);
        match name {
            Some(name) => self.enter(new, name),
            None => drop(self.free.insert(new)),
        }
        Some(new)
    }

    fn enter(&mut self, number: u32, name: &str) {
        if let Some(place) = self.names.get_mut(number as usize) {
            *place = Some(name.into());
        }
        let names = &self.names;
        let text = |i: u32| names.get(i as usize).and_then(Option::as_deref);
        let rehash = |&i: &u32| text(i).map_or(0, |n| hash(n.as_bytes()));
        let hashed = hash(name.as_bytes());
        self.index.insert_unique(hashed, number, rehash);
    }

    /// Frees a name's number.
    pub(crate) fn remove(&mut self, number: u32) {
        let place = self.names.get_mut(number as usize);
        let Some(name) = place.and_then(Option::take) else {
            return;
        };
        let hashed = hash(name.as_bytes());
        if let Ok(entry) = self.index.find_entry(hashed, |&i| i == number) {
            entry.remove();
        }
        self.free.insert(number);
    }

    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.names.get(index as usize).and_then(Option::as_deref)
    }

    /// One more than the highest number ever given.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// All numbers' names, in order; `None` where one is free.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.names.iter().map(Option::as_deref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        assert_eq!(names.intern("a"), Some(0));
        assert_eq!(names.intern("b"), Some(1));
        assert_eq!(names.intern("a"), Some(0));
        assert_eq!(names.name(1), Some("b"));
        assert_eq!(names.find("c"), None);
        assert_eq!((names.len(), names.iter().count()), (2, 2));
    }

    #[test]
    fn removed_names_number_is_given_again() {
        let mut names = Names::default();
        for name in ["a", "b", "c"] {
            names.intern(name);
        }
        names.remove(1);
        names.remove(1);
        assert_eq!((names.find("b"), names.name(1)), (None, None));
        assert_eq!((names.find("a"), names.find("c")), (Some(0), Some(2)));
        assert_eq!((names.intern("d"), names.intern("b")), (Some(1), Some(3)));
        assert_eq!(names.find("d"), Some(1));
    }
}

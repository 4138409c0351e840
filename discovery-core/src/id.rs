//! Dense ids inside, names at the edges: a name is looked up once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use hashbrown::HashTable;

use crate::rng::hash;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// The dense index, counted from 0 in order of first mention.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A service of an engine.
    ServiceId
);
id!(
    /// A node (host machine) of an engine.
    NodeId
);
id!(
    /// A zone of an engine.
    ZoneId
);
id!(
    /// A centre (data centre, region) of an engine.
    CentreId
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

/// Names of services, nodes, zones or centres, in order of first mention. Never forgets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    names: Vec<Box<str>>,
    index: HashTable<u32>,
}

impl Names {
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let Self { names, index } = self;
        let is = |&i: &u32| names.get(i as usize).is_some_and(|n| **n == *name);
        index.find(hash(name.as_bytes()), is).copied()
    }

    /// The number of `name`, a new one if it was not known; `None` when there are 2^32 names.
    pub(crate) fn intern(&mut self, name: &str) -> Option<u32> {
        if let Some(known) = self.find(name) {
            return Some(known);
        }
        let new = u32::try_from(self.names.len()).ok()?;
        self.names.push(name.into());
        let names = &self.names;
        let rehash = |&i: &u32| names.get(i as usize).map_or(0, |n| hash(n.as_bytes()));
        self.index.insert_unique(hash(name.as_bytes()), new, rehash);
        Some(new)
    }

    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.names.get(index as usize).map(|n| &**n)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|n| &**n)
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
}

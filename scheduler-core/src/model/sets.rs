//! Lists of lists and sets of nodes, flat.

use alloc::vec;
use alloc::vec::Vec;

/// Lists of indices, one after another in one array.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    start: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// `lists` lists from pairs (list, item); within a list the pairs' order is kept.
    pub(crate) fn from_pairs(lists: usize, pairs: &[(u32, u32)]) -> Self {
        let mut start = vec![0_u32; lists + 1];
        for (list, _) in pairs {
            start[*list as usize + 1] += 1;
        }
        for i in 0..lists {
            start[i + 1] += start[i];
        }
        let mut next = start.clone();
        let mut items = vec![0_u32; pairs.len()];
        for (list, item) in pairs {
            let place = &mut next[*list as usize];
            items[*place as usize] = *item;
            *place += 1;
        }
        Self { start, items }
    }

    /// The items of one list; none for an unknown list.
    #[inline]
    pub(crate) fn of(&self, list: usize) -> &[u32] {
        match (self.start.get(list), self.start.get(list + 1)) {
            (Some(a), Some(b)) => self.items.get(*a as usize..*b as usize).unwrap_or(&[]),
            _ => &[],
        }
    }
}

/// A set of nodes, one bit each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeSet {
    words: Vec<u64>,
}

impl NodeSet {
    /// The set of those below `nodes` for which `holds` says so.
    pub(crate) fn from_fn(nodes: usize, holds: impl Fn(usize) -> bool) -> Self {
        let mut words = vec![0_u64; nodes.div_ceil(64)];
        for node in (0..nodes).filter(|n| holds(*n)) {
            words[node / 64] |= 1 << (node % 64);
        }
        Self { words }
    }

    /// What tells the set from others.
    pub(super) fn mark(&self) -> u64 {
        super::mark::of_words(&self.words)
    }

    #[inline]
    pub(crate) fn contains(&self, node: usize) -> bool {
        self.words
            .get(node / 64)
            .is_some_and(|w| w >> (node % 64) & 1 == 1)
    }
}

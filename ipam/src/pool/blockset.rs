//! A host's blocks, lowest first: most hosts have a handful, one may have all of a /8.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Blocks up to which a sorted list is quicker than a tree, and down to which a tree shrinks before it is
/// made one again.
const MANY: usize = 64;
const FEW: usize = 32;
/// As many stand in the set itself.
const TINY: usize = 6;

/// A set of block numbers.
#[derive(Clone, Debug)]
pub(crate) enum BlockSet {
    /// In order, the first so many.
    Tiny(u8, [u32; TINY]),
    /// In order.
    Few(Vec<u32>),
    Many(BTreeSet<u32>),
}

impl Default for BlockSet {
    fn default() -> Self {
        Self::Tiny(0, [0; TINY])
    }
}

impl BlockSet {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Tiny(len, _) => usize::from(*len),
            Self::Few(list) => list.len(),
            Self::Many(tree) => tree.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn contains(&self, block: u32) -> bool {
        match self {
            Self::Tiny(..) => self.iter().any(|b| b == block),
            Self::Few(list) => list.binary_search(&block).is_ok(),
            Self::Many(tree) => tree.contains(&block),
        }
    }

    pub(crate) fn insert(&mut self, block: u32) {
        match self {
            Self::Tiny(len, list) => {
                let have = usize::from(*len);
                let place = list.iter().take(have).take_while(|&&b| b < block).count();
                if list.get(place) == Some(&block) && place < have {
                    return;
                }
                if have < TINY {
                    list.copy_within(place..have, place + 1);
                    list[place] = block;
                    *len += 1;
                    return;
                }
                let mut more = Vec::with_capacity(2 * TINY);
                more.extend_from_slice(list);
                more.insert(place, block);
                *self = Self::Few(more);
            }
            Self::Few(list) => {
                if let Err(place) = list.binary_search(&block) {
                    list.insert(place, block);
                }
                if list.len() > MANY {
                    *self = Self::Many(list.iter().copied().collect());
                }
            }
            Self::Many(tree) => {
                tree.insert(block);
            }
        }
    }

    pub(crate) fn remove(&mut self, block: u32) {
        match self {
            Self::Tiny(len, list) => {
                let have = usize::from(*len);
                if let Some(place) = list.iter().take(have).position(|&b| b == block) {
                    list.copy_within(place + 1..have, place);
                    *len -= 1;
                }
            }
            Self::Few(list) => {
                if let Ok(place) = list.binary_search(&block) {
                    list.remove(place);
                }
                if list.len() < TINY / 2 {
                    let mut tiny = [0; TINY];
                    tiny.iter_mut().zip(&*list).for_each(|(to, &b)| *to = b);
                    *self = Self::Tiny(list.len() as u8, tiny);
                }
            }
            Self::Many(tree) => {
                tree.remove(&block);
                if tree.len() < FEW {
                    *self = Self::Few(tree.iter().copied().collect());
                }
            }
        }
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<u32> {
        match self {
            Self::Tiny(0, _) => None,
            Self::Tiny(_, list) => list.first().copied(),
            Self::Few(list) => list.first().copied(),
            Self::Many(tree) => tree.first().copied(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (few, many): (&[u32], _) = match self {
            Self::Tiny(len, list) => (list.get(..usize::from(*len)).unwrap_or_default(), None),
            Self::Few(list) => (list, None),
            Self::Many(tree) => (&[], Some(tree)),
        };
        let few = few.iter();
        few.chain(many.into_iter().flatten()).copied()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Tiny(..) => 0,
            Self::Few(list) => list.capacity() * 4,
            // A tree's nodes are two thirds full; pointers and lengths stand beside.
            Self::Many(tree) => tree.len() * 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;
    use rand::RngExt as _;

    #[test]
    fn few_or_many_it_is_the_same_set() {
        let mut rng = stream(1, "blocks");
        let (mut set, mut tree) = (BlockSet::default(), BTreeSet::new());
        for round in 0..4000u64 {
            let block = rng.random_range(0..200) as u32;
            // Up to beyond the limit, and down again.
            if rng.random_range(0..100) < if round / 1000 % 2 == 0 { 80 } else { 20 } {
                set.insert(block);
                tree.insert(block);
            } else {
                set.remove(block);
                tree.remove(&block);
            }
            assert_eq!(set.len(), tree.len());
            assert_eq!(set.contains(block), tree.contains(&block));
            assert!(set.iter().eq(tree.iter().copied()));
            assert_eq!(set.first(), tree.first().copied());
        }
    }
}

//! A sum over all keys and the revisions that wrote them, kept with every commit: whether records are missing, too
//! many, or older than they should be, which no record's own checksum tells.

use std::collections::BTreeMap;

/// A hash of bytes and a number; the same on every machine. Not against forgers: against decay.
pub(crate) fn hash(bytes: &[u8], number: u64) -> u64 {
    // The odd constants are those of splitmix64 (Steele, Lea, Flood 2014).
    let mix = |n: u64| {
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ n >> 31
    };
    let mut state = mix(number ^ 0x9e37_79b9_7f4a_7c15) ^ bytes.len() as u64;
    for word in bytes.chunks(8) {
        let mut eight = [0; 8];
        eight[..word.len()].copy_from_slice(word);
        state = mix(state ^ u64::from_le_bytes(eight)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
    state
}

/// Keys with their revisions, summed in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) sum: u64,
    pub(crate) keys: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, key: &str, revision: u64) {
        self.sum = self.sum.wrapping_add(hash(key.as_bytes(), revision));
        self.keys = self.keys.wrapping_add(1);
    }

    pub(crate) fn remove(&mut self, key: &str, revision: u64) {
        self.sum = self.sum.wrapping_sub(hash(key.as_bytes(), revision));
        self.keys = self.keys.wrapping_sub(1);
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.keys = self.keys.wrapping_add(other.keys);
    }

    /// A hash over the sum and the store's other counts: whether these are as they were written.
    pub(crate) fn seal(self, revision: u64, oldest: u64) -> u64 {
        let mut seal = hash(b"ipam-redb", self.sum);
        for number in [self.keys, revision, oldest] {
            seal = hash(&seal.to_le_bytes(), number);
        }
        seal
    }
}

/// What listings of one revision came by, so that nothing is read twice to be summed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    revision: u64,
    /// By prefix: the sum so far, the last key, whether it was the last of the prefix.
    prefixes: BTreeMap<String, (Sum, String, bool)>,
}

impl Listed {
    /// Notes a page: its keys with their revisions, in order.
    pub(crate) fn note(
        &mut self,
        revision: u64,
        (prefix, after): (&str, Option<&str>),
        page: Sum,
        last: Option<&str>,
        more: bool,
    ) {
        if self.revision != revision {
            (self.revision, self.prefixes) = (revision, BTreeMap::new());
        }
        let (mut sum, known) = match (after, self.prefixes.remove(prefix)) {
            (None, _) => (Sum::default(), true),
            (Some(after), Some((sum, last, false))) => (sum, last == after),
            _ => (Sum::default(), false),
        };
        if known {
            sum.join(page);
            let last = last.or(after).unwrap_or_default().to_owned();
            self.prefixes.insert(prefix.to_owned(), (sum, last, !more));
        }
    }

    /// The prefixes that were listed to their end at a revision, with their sums; in order, none within another.
    pub(crate) fn whole(&self, revision: u64) -> Vec<(&str, Sum)> {
        let mut out: Vec<(&str, Sum)> = Vec::new();
        for (prefix, (sum, _, whole)) in &self.prefixes {
            let apart = out.last().is_none_or(|(p, _)| !prefix.starts_with(p));
            if *whole && apart && !prefix.is_empty() && self.revision == revision {
                out.push((prefix, *sum));
            }
        }
        out
    }
}

//! Class numbers: a container's is drawn from its id, so that the same containers get the same classes on every run
//! and in any order (save where two ids draw one number: then who came first keeps it).

use crate::policy::ifb::hash;
use crate::policy::refusal::{Refusal, RefusalKind};
use alloc::vec;
use alloc::vec::Vec;

/// First minor number of a tier.
pub(crate) const TIER_FIRST: u16 = 0x20;
/// First minor number of a container. Leaf qdiscs take the same number as their major.
pub(crate) const FIRST: u16 = 0x100;
/// Last minor number of a container; `ffff:` is the ingress qdisc.
pub(crate) const LAST: u16 = 0xfffe;

/// Which of the 65,536 minor numbers are taken, one bit each.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    taken: Vec<u64>,
    used: usize,
}

impl Numbers {
    pub(crate) fn new() -> Self {
        Self {
            taken: vec![0; 1024],
            used: 0,
        }
    }

    /// Takes a container's number: the one it had, or else the first free one from where its id points.
    pub(crate) fn take(&mut self, id: &str, had: Option<u16>) -> Result<u16, Refusal> {
        if let Some(had) = had.filter(|h| (FIRST..=LAST).contains(h) && self.set(*h)) {
            return Ok(had);
        }
        self.take_in(id, FIRST, LAST)
    }

    /// Takes the first free number in `first..=last` from where `name` points, wrapping around.
    pub(crate) fn take_in(&mut self, name: &str, first: u16, last: u16) -> Result<u16, Refusal> {
        let limit = u32::from(last - first) + 1;
        let start = hash(name) % limit;
        for i in 0..limit {
            let offset = (start + i) % limit;
            let number = first.saturating_add(u16::try_from(offset).unwrap_or(0));
            if self.set(number) {
                return Ok(number);
            }
        }
        let kind = RefusalKind::HandlesExhausted {
            used: self.used,
            limit: limit as usize,
        };
        Err(Refusal::new("id", kind))
    }

    pub(crate) fn give_back(&mut self, number: u16) {
        if let Some(word) = self.taken.get_mut(usize::from(number >> 6)) {
            let bit = 1 << (number & 63);
            self.used -= usize::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    /// Marks a number as taken; `false` if it was.
    fn set(&mut self, number: u16) -> bool {
        let bit = 1_u64 << (number & 63);
        match self.taken.get_mut(usize::from(number >> 6)) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                self.used += 1;
                true
            }
            _ => false,
        }
    }
}

/// The number that an id draws, where nobody has it.
#[cfg(feature = "serde")]
pub(crate) fn drawn(id: &str) -> u16 {
    let limit = u32::from(LAST - FIRST) + 1;
    FIRST.saturating_add(u16::try_from(hash(id) % limit).unwrap_or(0))
}

/// A hasher that takes eight bytes at a time: fixed, so that nothing depends on the process. What is hashed are names that
/// the host's own administrator gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names(u64);

/// 2^64 divided by the golden ratio, odd.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Default for Names {
    fn default() -> Self {
        Self(SPREAD)
    }
}

impl Names {
    /// Multiplies and folds the two halves of the product.
    fn take(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(SPREAD);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl core::hash::Hasher for Names {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.take(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let last = rest.iter().rev().fold(0, |w, b| w << 8 | u64::from(*b));
            self.take(last ^ (rest.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.take(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.take(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What maps and sets of names are built with.
pub(crate) type Fixed = core::hash::BuildHasherDefault<Names>;

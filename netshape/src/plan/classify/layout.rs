//! Which bytes of an address the two levels of tables are looked up by.

use crate::object::{U32Key, U32Sel};
use crate::policy::Direction;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

/// An address in network order; an IPv4 one is the first four bytes.
pub(super) type Octets = [u8; 16];

/// Filters in one bucket that are as good as none more: each costs some 7 ns (scorecard `netshape: filters`), a lookup some 300.
const BUCKET_FINE: u32 = 8;

/// IPv4 or IPv6.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) protocol: u16,
    pub(super) prio: u16,
    /// The table of the first level, and the first of the second.
    pub(super) top: u32,
    pub(super) below: u32,
    /// Bytes of an address, and where it is behind the network header: the source's, the destination's.
    length: usize,
    at: [i32; 2],
    /// The first word of a packet of this family tells it from others by these bits.
    pub(super) version: (u32, u32),
    /// Numbers of the filters in priority 3 that lead here: a tag beside the frame, in the frame.
    pub(super) tagged: [u32; 2],
}

pub(super) const V4: Family = Family {
    protocol: 0x0800,
    prio: 1,
    top: 0x7be,
    below: 0x500,
    length: 4,
    at: [12, 16],
    version: (0x4000_0000, 0xf000_0000),
    tagged: [0xb0, 0xb1],
};

pub(super) const V6: Family = Family {
    protocol: 0x86dd,
    prio: 2,
    top: 0x7bf,
    below: 0x600,
    length: 16,
    at: [8, 24],
    version: (0x6000_0000, 0xf000_0000),
    tagged: [0xb2, 0xb3],
};

pub(super) const FAMILIES: [&Family; 2] = [&V4, &V6];

impl Family {
    pub(super) const fn of(address: IpAddr) -> &'static Self {
        match address {
            IpAddr::V4(_) => &V4,
            IpAddr::V6(_) => &V6,
        }
    }

    /// Where the address is that tells packets apart: what leaves has the container's as its source, what comes as its destination.
    pub(super) const fn start(&self, direction: Direction) -> i32 {
        let [source, destination] = self.at;
        match direction {
            Direction::Egress => source,
            Direction::Ingress => destination,
        }
    }

    /// The words of an address, as a selector compares them.
    pub(super) fn keys(&self, octets: &Octets, direction: Direction) -> Vec<U32Key> {
        let (words, _) = octets.as_chunks::<4>();
        let offsets = (self.start(direction)..).step_by(4);
        let words = words.iter().take(self.length / 4).zip(offsets);
        let key = |(word, off): (&[u8; 4], i32)| U32Key {
            mask: u32::MAX,
            val: u32::from_be_bytes(*word),
            off,
            offmask: 0,
        };
        words.map(key).collect()
    }

    /// The address that a selector compares, if it compares nothing else.
    pub(super) fn address(&self, keys: &[U32Key], direction: Direction) -> Option<IpAddr> {
        let mut octets: Octets = [0; 16];
        let (words, _) = octets.as_chunks_mut::<4>();
        for (word, key) in words.iter_mut().zip(keys) {
            *word = key.val.to_be_bytes();
        }
        let same = self.keys(&octets, direction) == keys;
        let [a, b, c, d, ..] = octets;
        let address = match self.length {
            4 => IpAddr::from([a, b, c, d]),
            _ => IpAddr::from(octets),
        };
        same.then_some(address)
    }
}

/// An address in network order.
pub(super) fn octets(address: IpAddr) -> Octets {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The bytes, counted from the address's first, that the two levels are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) first: u8,
    pub(super) second: u8,
}

impl Layout {
    /// The last two bytes.
    const fn usual(family: &Family) -> Self {
        let last = family.length as u8;
        Self {
            first: last.saturating_sub(2),
            second: last.saturating_sub(1),
        }
    }

    /// The table of the second level and the bucket that an address is in: as a handle whose node is 0.
    pub(super) fn bucket(self, family: &Family, octets: &Octets) -> u32 {
        let [first, second] = [self.first, self.second].map(|at| byte(octets, at));
        (family.below + u32::from(first)) << 20 | u32::from(second) << 12
    }

    /// How many addresses are in the fullest bucket.
    fn longest(self, family: &Family, addresses: &[Octets], counts: &mut Vec<u32>) -> u32 {
        counts.clear();
        counts.resize(1 << 16, 0);
        let mut most = 0;
        for octets in addresses {
            let bucket = self.bucket(family, octets) >> 12 & 0xffff;
            if let Some(count) = counts.get_mut(bucket as usize) {
                *count = count.saturating_add(1);
                most = most.max(*count);
            }
        }
        most
    }

    /// Bytes under which no bucket is long: those that are in use, the last two, or the pair whose fullest bucket has the fewest. What is
    /// in use stays unless that is twice as good, since every filter would move.
    pub(super) fn choose(family: &Family, addresses: &[Octets], seen: Option<Self>) -> Self {
        let usual = Self::usual(family);
        let mut counts = vec![];
        let mut longest = |layout: Self| layout.longest(family, addresses, &mut counts);
        for layout in seen.into_iter().chain([usual]) {
            if longest(layout) <= BUCKET_FINE {
                return layout;
            }
        }
        let bytes = 0..family.length as u8;
        let pairs =
            bytes.flat_map(|first| (first + 1..family.length as u8).map(move |s| (first, s)));
        let pairs = pairs.map(|(first, second)| Self { first, second });
        let best = pairs.min_by_key(|l| longest(*l)).unwrap_or(usual);
        let most = longest(best);
        match seen {
            Some(seen) if longest(seen) <= most.saturating_mul(2) => seen,
            _ if longest(usual) <= most => usual,
            _ => best,
        }
    }
}

fn byte(octets: &Octets, at: u8) -> u8 {
    octets.get(usize::from(at)).copied().unwrap_or(0)
}

/// Sets what a link is looked up by.
pub(super) fn set_hash_key(sel: &mut U32Sel, family: &Family, direction: Direction, byte: u8) {
    let word = i32::from(byte & !3);
    sel.hoff = i16::try_from(family.start(direction) + word).unwrap_or(0);
    sel.hmask = 0xff00_0000 >> (8 * u32::from(byte & 3));
}

/// The byte of the address that a link is looked up by.
pub(super) fn hash_key(sel: &U32Sel, family: &Family, direction: Direction) -> Option<u8> {
    let bytes = 0..family.length as u8;
    let mut bytes = bytes.filter(|byte| {
        let mut same = U32Sel::default();
        set_hash_key(&mut same, family, direction, *byte);
        (same.hoff, same.hmask) == (sel.hoff, sel.hmask)
    });
    bytes.next()
}

//! The filters, tables and links as the kernel has them.

use super::layout::{FAMILIES, Family, Layout, Octets, set_hash_key};
use crate::object::{Filter, FilterKind, Handle, U32, U32Key, U32Part, U32Sel};
use crate::policy::Direction;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// First hash table that the kernel makes of its own accord, one for each priority.
pub(super) const FIRST_ROOT: u32 = 0x8000_0000;
/// A handle's bucket and node; its node.
pub(super) const WITHIN: u32 = 0x000f_ffff;
pub(super) const NODE: u32 = 0xfff;
/// Ethertype of a VLAN tag, and the priority of frames that have one.
pub(super) const TAGGED: u16 = 0x8100;
pub(super) const TAGGED_PRIO: u16 = 3;
/// Buckets of a table: one for each value of a byte.
const BUCKETS: u32 = 256;
/// Number of the filter in a priority's own table that leads to ours.
const LINK: u32 = 0xbe;
/// Bytes of a tag in the frame.
const TAG: u16 = 4;
/// `TC_U32_TERMINAL`, `TC_U32_OFFSET`, `TC_U32_EAT`.
const TERMINAL: u8 = 1;
const OFFSET: u8 = 2;
const EAT: u8 = 8;

/// The priorities that are ours on a root qdisc of ours, and what each is for.
pub(super) fn protocol(prio: u16) -> Option<u16> {
    let family = FAMILIES.iter().find(|f| f.prio == prio);
    let tagged = (prio == TAGGED_PRIO).then_some(TAGGED);
    family.map(|f| f.protocol).or(tagged)
}

/// Whether a row in one of our priorities is ours by its number: in a table of ours, or one that leads there.
pub(super) fn is_ours_by_number(filter: &Filter) -> bool {
    let fits = filter.chain == 0
        && protocol(filter.prio) == Some(filter.protocol)
        && matches!(filter.kind, FilterKind::U32(_));
    let (root, node) = (filter.handle >= FIRST_ROOT, filter.handle & WITHIN);
    let family = FAMILIES.iter().find(|f| f.prio == filter.prio);
    let own = is_in_own_table(filter);
    let links = match family {
        Some(_) => node == LINK,
        None => FAMILIES.iter().any(|f| f.tagged.contains(&node)),
    };
    fits && (own || (root && links))
}

/// Whether a row is a table of ours or in one, whatever protocol its priority has: when a priority is taken off whole, the kernel keeps its tables
/// for as long as another one is there, and shows them again in the next one of that number.
pub(super) fn is_in_own_table(filter: &Filter) -> bool {
    let table = filter.handle >> 20;
    let family = FAMILIES.iter().find(|f| f.prio == filter.prio);
    let own = |f: &Family| table == f.top || (f.below..f.below + 256).contains(&table);
    filter.chain == 0 && family.is_some_and(|f| own(f))
}

/// Whether a filter of a root qdisc of ours is one that classifies by address.
pub(crate) fn is_ours(filter: &Filter) -> bool {
    filter.parent.minor() == 0 && is_ours_by_number(filter)
}

/// What all rows of one direction have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maker {
    pub(super) parent: Handle,
    pub(super) direction: Direction,
}

impl Maker {
    fn filter(self, (prio, protocol): (u16, u16), handle: u32, parts: Vec<U32Part>) -> Filter {
        Filter {
            parent: self.parent,
            chain: 0,
            prio,
            protocol,
            handle,
            kind: FilterKind::U32(Box::new(U32 { parts })),
        }
    }

    pub(super) fn table(self, family: &Family, number: u32) -> Filter {
        let parts = vec![U32Part::Divisor(BUCKETS)];
        self.filter((family.prio, family.protocol), number << 20, parts)
    }

    /// The filter of one address; `handle` is its bucket and node.
    pub(super) fn leaf(self, family: &Family, octets: &Octets, handle: u32, to: Handle) -> Filter {
        let sel = U32Sel {
            flags: TERMINAL,
            keys: family.keys(octets, self.direction),
            ..U32Sel::default()
        };
        let hash = U32Part::Hash(handle & !NODE);
        let parts = vec![U32Part::ClassId(to), hash, U32Part::Sel(sel)];
        self.filter((family.prio, family.protocol), handle, parts)
    }

    /// From the first level to a table of the second.
    pub(super) fn link(self, family: &Family, layout: Layout, number: u32) -> Filter {
        let bucket = family.top << 20 | number.saturating_sub(family.below) << 12;
        let mut sel = everything();
        set_hash_key(&mut sel, family, self.direction, layout.second);
        let (link, hash) = (U32Part::Link(number << 20), U32Part::Hash(bucket));
        let parts = vec![link, hash, U32Part::Sel(sel)];
        self.filter((family.prio, family.protocol), bucket | 1, parts)
    }

    /// From a priority's own table, whose number is given by priority, to the first level: without a tag, with one.
    pub(super) fn entries(
        self,
        family: &Family,
        layout: Layout,
        root: impl Fn(u16) -> u32,
    ) -> [Filter; 3] {
        let mut sel = everything();
        set_hash_key(&mut sel, family, self.direction, layout.first);
        let link = U32Part::Link(family.top << 20);
        let entry = |prio, protocol, node, sel| {
            let parts = vec![link.clone(), U32Part::Sel(sel)];
            self.filter((prio, protocol), root(prio) | node, parts)
        };
        let (val, mask) = family.version;
        let version = |off| U32Key {
            mask,
            val,
            off,
            offmask: 0,
        };
        // The tag is beside the frame: the network header is where it always is.
        let beside = U32Sel {
            keys: vec![version(0)],
            ..sel.clone()
        };
        // It is in the frame: the header is behind it, and the word before it ends with the family's ethertype.
        let ethertype = U32Key {
            mask: 0xffff,
            val: u32::from(family.protocol),
            off: 0,
            offmask: 0,
        };
        let within = U32Sel {
            flags: OFFSET | EAT,
            off: TAG,
            hoff: sel.hoff.saturating_add(4),
            keys: vec![ethertype, version(4)],
            ..sel.clone()
        };
        let [a, b] = family.tagged;
        [
            entry(family.prio, family.protocol, LINK, sel),
            entry(TAGGED_PRIO, TAGGED, a, beside),
            entry(TAGGED_PRIO, TAGGED, b, within),
        ]
    }
}

fn everything() -> U32Sel {
    U32Sel {
        keys: vec![U32Key::default()],
        ..U32Sel::default()
    }
}

/// The selector of an entry in a priority's own table that has no tag; what the others differ by is the tag's.
pub(super) fn selector(filter: &Filter) -> Option<&U32Sel> {
    match &filter.kind {
        FilterKind::U32(u32) => u32.sel(),
        FilterKind::Other(_) => None,
    }
}

/// Whether a row does the same as another: where packets go is compared apart.
pub(super) fn alike(seen: &Filter, wanted: &Filter) -> bool {
    let (FilterKind::U32(s), FilterKind::U32(w)) = (&seen.kind, &wanted.kind) else {
        return false;
    };
    let more = |p: &U32Part| {
        matches!(
            p,
            U32Part::Actions(_) | U32Part::Indev(_) | U32Part::Mark(_)
        )
    };
    !s.parts.iter().any(more)
        && (s.sel(), s.link(), s.divisor()) == (w.sel(), w.link(), w.divisor())
}

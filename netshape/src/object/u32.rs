//! The u32 classifier: selectors, hash tables, links, actions.

use super::action::TcAction;
use super::handle::Handle;
use alloc::string::String;
use alloc::vec::Vec;

/// One key of a selector: `(word at off & mask) == val`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct U32Key {
    /// As a number, that is in host order; network order on the wire.
    pub mask: u32,
    /// Likewise.
    pub val: u32,
    /// Byte offset, a multiple of 4.
    pub off: i32,
    /// -1 counts from the next header.
    pub offmask: i32,
}

/// `tc_u32_sel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct U32Sel {
    /// 1 terminal, 2 offset, 4 variable offset, 8 eat.
    pub flags: u8,
    /// Right shift of the variable offset.
    pub offshift: u8,
    /// Mask of the variable offset.
    pub offmask: u16,
    /// Fixed offset of the next header.
    pub off: u16,
    /// Where the variable offset is read.
    pub offoff: i16,
    /// Where the hash key is read.
    pub hoff: i16,
    /// Mask of the hash key.
    pub hmask: u32,
    /// All must match; none matches all.
    pub keys: Vec<U32Key>,
}

/// `tc_u32_mark`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct U32Mark {
    /// Wanted mark.
    pub val: u32,
    /// Bits that count.
    pub mask: u32,
    /// Hits so far, in dumps.
    pub success: u32,
}

/// One attribute of a u32 filter. The order is part of the wire form: tc sends them as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum U32Part {
    /// Class that matching packets go to.
    ClassId(Handle),
    /// Hash table and bucket that the filter is in.
    Hash(u32),
    /// Hash table to look in next.
    Link(u32),
    /// Buckets of a new hash table.
    Divisor(u32),
    /// The selector.
    Sel(U32Sel),
    /// Actions on matching packets.
    Actions(Vec<TcAction>),
    /// Device the packet came in by.
    Indev(String),
    /// Firewall mark.
    Mark(U32Mark),
    /// `TCA_CLS_FLAGS`.
    Flags(u32),
    /// Any other (policing, counters), as it came.
    Raw(u16, Vec<u8>),
}

/// A u32 filter's options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct U32 {
    /// The attributes, in order.
    pub parts: Vec<U32Part>,
}

impl U32 {
    /// The selector.
    #[must_use]
    pub fn sel(&self) -> Option<&U32Sel> {
        self.parts.iter().find_map(|p| {
            if let U32Part::Sel(s) = p {
                Some(s)
            } else {
                None
            }
        })
    }

    /// The class that packets go to: the last one said.
    #[must_use]
    pub fn classid(&self) -> Option<Handle> {
        let of = |p: &U32Part| {
            if let U32Part::ClassId(h) = p {
                Some(*h)
            } else {
                None
            }
        };
        self.parts.iter().rev().find_map(of)
    }

    /// The buckets of a hash table.
    #[must_use]
    pub fn divisor(&self) -> Option<u32> {
        let of = |p: &U32Part| {
            if let U32Part::Divisor(d) = p {
                Some(*d)
            } else {
                None
            }
        };
        self.parts.iter().rev().find_map(of)
    }

    /// The hash table that is looked in next.
    #[must_use]
    pub fn link(&self) -> Option<u32> {
        let of = |p: &U32Part| {
            if let U32Part::Link(l) = p {
                Some(*l)
            } else {
                None
            }
        };
        self.parts.iter().rev().find_map(of)
    }

    /// The hash table and bucket the filter is in.
    #[must_use]
    pub fn hash(&self) -> Option<u32> {
        let of = |p: &U32Part| {
            if let U32Part::Hash(h) = p {
                Some(*h)
            } else {
                None
            }
        };
        self.parts.iter().rev().find_map(of)
    }

    /// The actions.
    #[must_use]
    pub fn actions(&self) -> &[TcAction] {
        let found = self.parts.iter().find_map(|p| match p {
            U32Part::Actions(actions) => Some(actions.as_slice()),
            _ => None,
        });
        found.unwrap_or(&[])
    }
}

//! The u32 classifier: selectors, hash tables, links, actions.

use super::WireError;
use super::action::{self, TcAction};
use super::attr::{Attr, Attrs, Fields, Out};
use crate::handle::Handle;
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

/// A u32 length of a message, as bytes.
pub(super) fn len(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

pub(super) fn write(u32: &U32, out: &mut Out<'_>, actions: fn(&[TcAction], &mut Out<'_>)) {
    for part in &u32.parts {
        match part {
            U32Part::ClassId(id) => out.u32(1, id.raw()),
            U32Part::Hash(hash) => out.u32(2, *hash),
            U32Part::Link(link) => out.u32(3, *link),
            U32Part::Divisor(divisor) => out.u32(4, *divisor),
            U32Part::Sel(sel) => out.attr(5, &sel_bytes(sel)),
            U32Part::Actions(list) => out.nest(7, |o| actions(list, o)),
            U32Part::Indev(name) => out.text(8, name),
            U32Part::Mark(mark) => {
                let fields = [mark.val, mark.mask, mark.success];
                let bytes: Vec<u8> = fields.iter().flat_map(|f| f.to_le_bytes()).collect();
                out.attr(10, &bytes);
            }
            U32Part::Flags(flags) => out.u32(11, *flags),
            U32Part::Raw(kind, data) => out.attr(*kind, data),
        }
    }
}

fn sel_bytes(sel: &U32Sel) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + 16 * sel.keys.len());
    let keys = sel.keys.get(..sel.keys.len().min(128)).unwrap_or(&[]);
    bytes.extend_from_slice(&[
        sel.flags,
        sel.offshift,
        u8::try_from(keys.len()).unwrap_or(128),
        0,
    ]);
    bytes.extend_from_slice(&sel.offmask.to_be_bytes());
    bytes.extend_from_slice(&sel.off.to_le_bytes());
    bytes.extend_from_slice(&sel.offoff.to_le_bytes());
    bytes.extend_from_slice(&sel.hoff.to_le_bytes());
    bytes.extend_from_slice(&sel.hmask.to_be_bytes());
    for key in keys {
        bytes.extend_from_slice(&key.mask.to_be_bytes());
        bytes.extend_from_slice(&key.val.to_be_bytes());
        bytes.extend_from_slice(&key.off.to_le_bytes());
        bytes.extend_from_slice(&key.offmask.to_le_bytes());
    }
    bytes
}

fn read_sel(attr: Attr<'_>) -> Result<U32Sel, WireError> {
    let _head: [u8; 16] = attr.array()?;
    let mut fields = Fields(attr.data);
    let (flags, offshift, nkeys, _pad) = (fields.u8(), fields.u8(), fields.u8(), fields.u8());
    let offmask = fields.u16().swap_bytes();
    let (off, offoff, hoff, hmask) = (fields.u16(), fields.i16(), fields.i16(), fields.be32());
    let want = 16 + 16 * usize::from(nkeys);
    if attr.data.len() < want {
        return Err(WireError::AttrShort {
            attr: attr.kind,
            want,
            have: attr.data.len(),
        });
    }
    let mut key = || {
        let (mask, val) = (fields.be32(), fields.be32());
        U32Key {
            mask,
            val,
            off: fields.i32(),
            offmask: fields.i32(),
        }
    };
    let keys = (0..nkeys).map(|_| key()).collect();
    Ok(U32Sel {
        flags,
        offshift,
        offmask,
        off,
        offoff,
        hoff,
        hmask,
        keys,
    })
}

pub(super) fn read(attrs: Attrs<'_>) -> Result<U32, WireError> {
    let mut parts = Vec::new();
    for attr in attrs {
        let attr = attr?;
        parts.push(match attr.kind {
            1 => U32Part::ClassId(Handle::from_raw(attr.u32()?)),
            2 => U32Part::Hash(attr.u32()?),
            3 => U32Part::Link(attr.u32()?),
            4 => U32Part::Divisor(attr.u32()?),
            5 => U32Part::Sel(read_sel(attr)?),
            7 => U32Part::Actions(action::read(attr.nest())?),
            8 => U32Part::Indev(attr.text()?.into()),
            10 => {
                let bytes: [u8; 12] = attr.array()?;
                let mut fields = Fields(&bytes);
                let (val, mask, success) = (fields.u32(), fields.u32(), fields.u32());
                U32Part::Mark(U32Mark { val, mask, success })
            }
            11 => U32Part::Flags(attr.u32()?),
            other => U32Part::Raw(other, attr.data.to_vec()),
        });
    }
    Ok(U32 { parts })
}

//! The u32 classifier: selectors, hash tables, links, actions.

use super::action;
use super::attr::{Attr, Attrs, Fields, Out};
use super::error::DecodeError;
use crate::object::U32;
use crate::object::U32Key;
use crate::object::U32Mark;
use crate::object::U32Part;
use crate::object::U32Sel;
use crate::object::{Handle, TcAction};
use alloc::vec::Vec;

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
                out.u32s(10, &[mark.val, mark.mask, mark.success]);
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

fn read_sel(attr: Attr<'_>) -> Result<U32Sel, DecodeError> {
    let _head: [u8; 16] = attr.array()?;
    let mut fields = Fields(attr.data);
    let (flags, offshift, nkeys, _pad) = (fields.u8(), fields.u8(), fields.u8(), fields.u8());
    let offmask = fields.u16().swap_bytes();
    let (off, offoff, hoff, hmask) = (fields.u16(), fields.i16(), fields.i16(), fields.be32());
    let want = 16 + 16 * usize::from(nkeys);
    if attr.data.len() < want {
        return Err(DecodeError::AttrShort {
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

pub(super) fn read(attrs: Attrs<'_>) -> Result<U32, DecodeError> {
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

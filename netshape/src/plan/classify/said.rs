//! What a filter of ours does, in words.

use super::layout::{FAMILIES, hash_key};
use super::rows::{is_ours, selector};
use crate::object::{Filter, FilterKind};
use crate::policy::Direction;
use alloc::format;
use alloc::string::String;

/// What a filter that classifies by address does; nothing for any other.
pub(in crate::plan) fn said(filter: &Filter) -> Option<String> {
    let FilterKind::U32(u32) = &filter.kind else {
        return None;
    };
    if !is_ours(filter) {
        return None;
    }
    if let Some(buckets) = u32.divisor() {
        return Some(format!(
            "a hash table of {buckets} buckets, one for each value of a byte of the address"
        ));
    }
    let sel = selector(filter)?;
    let sides = [
        (Direction::Egress, "source"),
        (Direction::Ingress, "destination"),
    ];
    if let Some(to) = u32.classid() {
        let found = FAMILIES.iter().find_map(|family| {
            sides
                .iter()
                .find_map(|(direction, side)| Some((family.address(&sel.keys, *direction)?, side)))
        });
        let (address, side) = found?;
        return Some(format!("packets with {side} {address} go to class {to}"));
    }
    let untagged = crate::object::U32Sel {
        hoff: sel.hoff.saturating_sub(i16::try_from(sel.off).unwrap_or(0)),
        ..sel.clone()
    };
    let byte = FAMILIES.iter().find_map(|family| {
        sides
            .iter()
            .find_map(|(direction, side)| Some((hash_key(&untagged, family, *direction)?, side)))
    });
    let (byte, side) = byte?;
    let tagged = if sel.off > 0 {
        ", behind the VLAN tag in the frame"
    } else {
        ""
    };
    Some(format!(
        "looked up by byte {} of the {side} address{tagged}",
        byte + 1
    ))
}

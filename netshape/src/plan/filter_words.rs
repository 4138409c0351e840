//! Filters in the words of tc.

use crate::object::Filter;
use alloc::format;
use alloc::string::String;

/// A filter by the words of tc: `800::800 of prio 1 on 1:`.
pub(super) fn said(filter: &Filter) -> String {
    let (parent, prio) = (filter.parent, filter.prio);
    match filter.handle {
        0 => format!("filter of prio {prio} on {parent}"),
        handle => format!("filter {} of prio {prio} on {parent}", number(handle)),
    }
}

/// The handle that a request makes a filter under: of one in its priority's own table only the number there.
pub(super) fn made_as(handle: u32) -> u32 {
    if handle >= 0x8000_0000 && handle & 0xf_f000 == 0 {
        handle & 0xfff
    } else {
        handle
    }
}

/// A u32 handle as tc writes it.
pub(super) fn number(handle: u32) -> String {
    let (table, bucket, node) = (handle >> 20, (handle >> 12) & 0xff, handle & 0xfff);
    match (bucket, node) {
        // In the priority's own table, whatever number that has.
        (0, node) if table == 0 => format!("::{node:x}"),
        (0, 0) => format!("{table:x}:"),
        (0, node) => format!("{table:x}::{node:x}"),
        (bucket, node) => format!("{table:x}:{bucket:x}:{node:x}"),
    }
}

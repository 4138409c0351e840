//! Filters in the words of tc.

use crate::object::Filter;
pub(super) use crate::tc::u32_handle_text as number;
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

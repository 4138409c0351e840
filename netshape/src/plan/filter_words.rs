//! Filters in the words of tc.

use crate::object::{Filter, FilterKind, U32, U32Part};
pub(super) use crate::tc::u32_handle_text as number;
use alloc::boxed::Box;
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

/// A filter as a request makes it: without what the kernel counts and fills in, and without its table where that is its priority's own,
/// which may have another number the next time.
pub(super) fn plain(filter: &Filter) -> Filter {
    let FilterKind::U32(u32) = &filter.kind else {
        return filter.clone();
    };
    let in_own = filter.handle >= 0x8000_0000;
    let made = |p: &&U32Part| match p {
        U32Part::Raw(..) | U32Part::Flags(_) => false,
        U32Part::Hash(_) => !in_own,
        _ => true,
    };
    let parts = u32.parts.iter().filter(made).cloned().collect();
    Filter {
        kind: FilterKind::U32(Box::new(U32 { parts })),
        ..filter.clone()
    }
}

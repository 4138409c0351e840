//! Where a container's namespace may not be entered, what it sends is redirected from the host's end of the veth to an
//! ifb, whose tree shapes it.

use super::ownership::REDIRECT_PRIO;
use crate::object::{Filter, FilterKind, Handle, Mirred, TcAction, U32, U32Key, U32Part, U32Sel};
use alloc::boxed::Box;
use alloc::sync::Arc;

/// A filter that sends everything to another device's egress.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirect {
    /// The hook: `ffff:`, or clsact's `ffff:fff2`.
    pub parent: Handle,
    /// Its handle; where its hash table is not known before it is there, only the number in it.
    pub handle: u32,
    /// The device it sends to.
    pub to: Arc<str>,
    /// That device's number; 0 where it was not observed.
    pub ifindex: u32,
}

impl Redirect {
    /// A redirect that was observed, with the name of the device that it leads to.
    pub(super) fn of(filter: &Filter, to: Arc<str>) -> Self {
        Self {
            parent: filter.parent,
            handle: filter.handle,
            to,
            ifindex: super::ownership::redirects_to(filter).unwrap_or(0),
        }
    }

    /// As a request makes it. Its hash table is the priority's own, whose number is the kernel's to say.
    pub(crate) fn filter(&self) -> Filter {
        let mirred = Mirred {
            action: 4,
            eaction: 1,
            ifindex: self.ifindex,
            ..Mirred::default()
        };
        let sel = U32Sel {
            flags: 1,
            keys: alloc::vec![U32Key::default()],
            ..U32Sel::default()
        };
        let actions = alloc::vec![TcAction::Mirred(mirred)];
        let parts = alloc::vec![U32Part::Actions(actions), U32Part::Sel(sel)];
        let kind = FilterKind::U32(Box::new(U32 { parts }));
        Filter {
            parent: self.parent,
            chain: 0,
            prio: REDIRECT_PRIO,
            protocol: 3,
            handle: self.handle,
            kind,
        }
    }
}

//! Where a container's namespace may not be entered, what it sends is redirected from the host's end of the veth to an
//! ifb, whose tree shapes it.

use super::op::{Action, Before, Loss, Object, Op, Reason};
use super::{LeftAlone, Plan};
use crate::device::{DevName, Device};
use crate::handle::Handle;
use crate::kernel::Kernel;
use crate::object::{Filter, FilterKind, Qdisc, QdiscKind};
use crate::wire::TcAction;
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;

/// The priority of our redirecting filter.
pub(crate) const PRIO: u16 = 1;
/// First handle that the kernel gives out in a table of its own: `800::800`.
const FIRST: u32 = 0x8000_0800;

/// A filter that sends everything to another device's egress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The hook: `ffff:`, or clsact's `ffff:fff2`.
    pub parent: Handle,
    /// Its handle where it is known, else 0.
    pub handle: u32,
    /// The device it sends to.
    pub to: Arc<str>,
    /// That device's number; 0 where it was not observed.
    pub ifindex: u32,
}

/// Whether a filter redirects to this device.
fn redirects(filter: &Filter, ifindex: u32) -> bool {
    let FilterKind::U32(u32) = &filter.kind else {
        return false;
    };
    let to =
        |a: &TcAction| matches!(a, TcAction::Mirred(m) if m.eaction == 1 && m.ifindex == ifindex);
    u32.actions().iter().any(to)
}

fn hook(device: &Device) -> Option<Handle> {
    match device.qdisc_at(Handle::INGRESS)?.kind {
        QdiscKind::Clsact => Some(Handle::HOOK_INGRESS),
        _ => Some(Handle::INGRESS_QDISC),
    }
}

fn on_hook(filter: &Filter) -> bool {
    matches!(filter.parent, Handle::INGRESS_QDISC | Handle::HOOK_INGRESS)
}

/// Steps for the veth's ingress hook. The ifb's own tree comes before them, so that nothing passes it unshaped.
pub(super) fn redirect(observed: &Kernel, veth: &DevName, ifb: &DevName, plan: &mut Plan) {
    let nothing = Device::new();
    let seen = observed.device(veth).unwrap_or(&nothing);
    let known = observed.device(ifb).and_then(|d| d.ifindex);
    let ifindex = known.and_then(|i| u32::try_from(i).ok()).unwrap_or(0);
    if observed.device(ifb).is_none() && !plan.needs.contains(ifb) {
        plan.needs.push(ifb.clone());
    }
    let number = plan.device_number(veth);
    let op = |object| Op {
        device: number,
        action: Action::Add,
        loss: Loss::Free,
        reason: Reason::Missing,
        object,
        before: Before::Nothing,
    };
    let parent = hook(seen).unwrap_or_else(|| {
        let qdisc = Qdisc::new(Handle::INGRESS_QDISC, Handle::INGRESS, QdiscKind::Ingress);
        plan.ops.push(op(Object::Qdisc(qdisc)));
        Handle::INGRESS_QDISC
    });
    let mut there = false;
    for filter in seen
        .filters()
        .iter()
        .filter(|f| on_hook(f) && f.handle & 0xfff != 0)
    {
        if ifindex != 0 && redirects(filter, ifindex) {
            there = true;
            continue;
        }
        let why = format!("a filter of priority {} that is not ours", filter.prio);
        let handle = Handle::from_raw(filter.handle);
        plan.left_alone.push(LeftAlone {
            object: "filter",
            device: veth.clone(),
            handle,
            why,
        });
    }
    if !there {
        let redirect = Redirect {
            parent,
            handle: 0,
            to: ifb.dev.clone(),
            ifindex,
        };
        plan.ops.push(op(Object::Redirect(Box::new(redirect))));
    }
}

/// Takes our redirect off a veth that is shaped no more, and the hook if nothing else is on it.
pub(super) fn release(observed: &Kernel, veth: &DevName, ifb: &DevName, plan: &mut Plan) {
    let (Some(seen), Some(target)) = (observed.device(veth), observed.device(ifb)) else {
        return;
    };
    let Some(ifindex) = target.ifindex.and_then(|i| u32::try_from(i).ok()) else {
        return;
    };
    let ours = |f: &&Filter| on_hook(f) && redirects(f, ifindex);
    let number = plan.device_number(veth);
    let others = seen
        .filters()
        .iter()
        .any(|f| on_hook(f) && f.handle & 0xfff != 0 && !ours(&f));
    for filter in seen.filters().iter().filter(ours) {
        let object = Object::Redirect(Box::new(Redirect {
            parent: filter.parent,
            handle: filter.handle,
            to: ifb.dev.clone(),
            ifindex,
        }));
        let before = Before::Object(Box::new(object.clone()));
        let (action, loss, reason) = (Action::Delete, Loss::Unshaped, Reason::Stale);
        plan.ops.push(Op {
            device: number,
            action,
            loss,
            reason,
            object,
            before,
        });
    }
    let Some(qdisc) = seen
        .qdisc_at(Handle::INGRESS)
        .filter(|q| q.kind == QdiscKind::Ingress)
    else {
        return;
    };
    if !others {
        let object = Object::Qdisc(qdisc.clone());
        let before = Before::Object(Box::new(object.clone()));
        let (action, loss, reason) = (Action::Delete, Loss::Free, Reason::Stale);
        plan.ops.push(Op {
            device: number,
            action,
            loss,
            reason,
            object,
            before,
        });
    }
}

impl Redirect {
    /// As the kernel's model holds it.
    pub(crate) fn filter(&self, taken: impl Fn(u32) -> bool) -> Filter {
        use crate::wire::{Mirred, U32, U32Part, U32Sel};
        let handle = match self.handle {
            0 => (FIRST..=FIRST | 0xfff)
                .find(|h| !taken(*h))
                .unwrap_or(FIRST),
            given => given,
        };
        let mirred = Mirred {
            action: 4,
            eaction: 1,
            ifindex: self.ifindex,
            ..Mirred::default()
        };
        let key = crate::wire::U32Key::default();
        let sel = U32Sel {
            flags: 1,
            keys: alloc::vec![key],
            ..U32Sel::default()
        };
        let actions = alloc::vec![TcAction::Mirred(mirred)];
        let parts = alloc::vec![U32Part::Actions(actions), U32Part::Sel(sel)];
        let kind = FilterKind::U32(Box::new(U32 { parts }));
        Filter {
            parent: self.parent,
            chain: 0,
            prio: PRIO,
            protocol: 3,
            handle,
            kind,
        }
    }
}

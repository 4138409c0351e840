//! What Berth made, recognised from the kernel alone: any process, of any version, knows it by reserved numbers.
//!
//! - A root qdisc whose major number is in [`RESERVED_MAJORS`], with everything below it.
//! - A u32 filter of priority [`REDIRECT_PRIO`] on an ingress hook whose node number is in [`REDIRECT_NODES`].
//!
//! Versions before these numbers were reserved gave their trees the major number 1, and their redirects whatever the kernel
//! chose. Such a tree is taken over in place where a device is wanted shaped. It is removed only where a device of the policy is
//! wanted unshaped and the whole tree looks as those versions left it: `1:` is what others use too.

use crate::object::{DevName, Device, Filter, FilterKind, Handle, Htb, Qdisc, QdiscKind, TcAction};
use crate::observe::state::ObservedState;
use crate::policy::host::layout::{MAJOR, ONLY};
use crate::policy::ifb::ifb_name;
use core::ops::RangeInclusive;

/// Major numbers of root qdiscs that are ours: `be:` is in use, `bf:` is kept for later versions.
pub const RESERVED_MAJORS: RangeInclusive<u16> = 0xbe..=0xbf;
/// Priority of the filter that redirects to an ifb: the first.
pub const REDIRECT_PRIO: u16 = 1;
/// Node numbers of that filter in its hash table: `be` is in use, `bf` is kept for later versions. The kernel hands out
/// numbers from 800 on and asks filters in their order, so that this one comes before any that was given none.
pub const REDIRECT_NODES: RangeInclusive<u32> = 0xbe..=0xbf;
/// The node number that redirects are given.
pub(crate) const REDIRECT_NODE: u32 = 0xbe;
/// Major number of root qdiscs before there was a reserved one.
const EARLIER_MAJOR: u16 = 1;

/// Whether a root qdisc carries a reserved number.
pub(crate) fn reserved(root: &Qdisc) -> bool {
    RESERVED_MAJORS.contains(&root.handle.major())
}

/// Whether a root qdisc is one that an earlier version made for the same class of unclassified traffic.
pub(crate) fn earlier(root: &Qdisc, default: u32) -> bool {
    let QdiscKind::Htb(seen) = root.kind else {
        return false;
    };
    let plain = Htb {
        direct_packets: 0,
        direct_qlen: None,
        ..seen
    };
    let wanted = Htb {
        default,
        ..Htb::with_default_class(0)
    };
    root.handle == Handle::qdisc(EARLIER_MAJOR) && plain == wanted
}

/// The major number that a wanted tree has: an earlier version's root stays as it is, since it can't be changed in place.
pub(crate) fn major(seen: Option<&Device>, default: u16) -> u16 {
    let root = seen.and_then(Device::root);
    match root {
        Some(root) if earlier(root, u32::from(default)) => EARLIER_MAJOR,
        _ => MAJOR,
    }
}

/// Whether a device's whole tree is as earlier versions made a container's: one class with equal rates, one queue below it.
pub(crate) fn earlier_tree(seen: &Device) -> bool {
    let Some(root) = seen.root().filter(|r| earlier(r, u32::from(ONLY))) else {
        return false;
    };
    let id = Handle::new(EARLIER_MAJOR, ONLY);
    let class = match seen.classes() {
        [class] => class.id == id && class.htb.rate.is_equivalent(&class.htb.ceil),
        _ => false,
    };
    let leaf = seen.qdiscs().iter().all(|q| {
        let known = matches!(q.kind, QdiscKind::Bfifo(_) | QdiscKind::FqCodel(_));
        let leaf = q.parent == id && q.handle == Handle::qdisc(ONLY) && known;
        leaf || q.parent == Handle::INGRESS || q.handle == root.handle
    });
    let filters = seen.filters().iter();
    class && leaf && seen.qdisc_at(id).is_some() && filters.clone().all(on_hook)
}

/// Whether a filter is on the ingress hook.
pub(crate) fn on_hook(filter: &Filter) -> bool {
    matches!(filter.parent, Handle::INGRESS_QDISC | Handle::HOOK_INGRESS)
}

/// Whether a row of a dump is a filter, and not the row of its priority or of a hash table.
pub(crate) fn is_node(filter: &Filter) -> bool {
    match filter.kind {
        FilterKind::U32(_) => filter.handle & 0xfff != 0,
        FilterKind::Other(_) => true,
    }
}

/// Whether a filter redirects packets to another device, and to which.
pub(crate) fn redirects_to(filter: &Filter) -> Option<u32> {
    let FilterKind::U32(u32) = &filter.kind else {
        return None;
    };
    u32.actions().iter().find_map(|action| match action {
        // To another device's egress, or its ingress: either way the packet is gone from here.
        TcAction::Mirred(m) if matches!(m.eaction, 1 | 3) => Some(m.ifindex),
        _ => None,
    })
}

/// Whether a filter on a veth's hook is our redirect: by its number, or by where it leads. Only an ifb made for this veth has
/// its name from it.
pub(crate) fn redirect(filter: &Filter, veth: &DevName, observed: &ObservedState) -> bool {
    if !on_hook(filter) || filter.chain != 0 || filter.prio != REDIRECT_PRIO || !is_node(filter) {
        return false;
    }
    let FilterKind::U32(_) = filter.kind else {
        return false;
    };
    if REDIRECT_NODES.contains(&(filter.handle & 0xf_ffff)) {
        return true;
    }
    let ifb = DevName {
        netns: veth.netns.clone(),
        dev: ifb_name(&veth.dev),
    };
    let number = observed.device(&ifb).and_then(|d| d.ifindex);
    let number = number.and_then(|n| u32::try_from(n).ok());
    number.is_some_and(|n| n != 0 && redirects_to(filter) == Some(n))
}

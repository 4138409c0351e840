//! From observed to wanted, by the way that loses least.
//!
//! Order on a device: what is stale or in the way goes, deepest first; then classes shrink; then classes grow and new
//! ones come, parents first, each with its leaf. So the sum below a class is never over it on the way, and an inner
//! class exists before a leaf carries traffic.

use super::leaf;
use super::op::{Action, Before, Loss, Object, Op, Reason};
use super::redirect;
use super::work::Work;
use super::{LeftAlone, Plan};
use crate::device::{DevName, Device};
use crate::handle::Handle;
use crate::host::{Host, Slot, Touch};
use crate::kernel::Kernel;
use crate::name::Netns;
use crate::object::{Htb, Qdisc, QdiscKind};
use crate::policy::{Direction, Inside};
use crate::text::{printable, shell_line};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

/// The plan from what was observed to all that the host wants. O(n) in classes, observed and wanted.
#[must_use]
pub fn diff(observed: &Kernel, host: &Host) -> Plan {
    let mut plan = Plan::new(host.caps.era);
    plan.ops.reserve(host.device_count() * 4);
    plan.devices.reserve(host.device_count());
    if let Some(uplink) = &host.uplink {
        let name = DevName::on_host(uplink.dev.clone());
        whole_uplink(observed, &name, host, &mut plan);
    }
    let uplink = host.uplink.iter();
    let uplink = uplink.map(|u| DevName::on_host(u.dev.clone()));
    let mut found = uplink.filter(|n| observed.device(n).is_some()).count();
    let mut wanted = Device::new();
    for (slot, _) in host.containers() {
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(name) = host.device(slot, direction) {
                let seen = observed.device(&name);
                found += usize::from(seen.is_some());
                host.veth_tree(slot, direction, gso(seen), &mut wanted);
                device(seen, &wanted, &name, host, &mut plan);
                hook(observed, host, slot, direction, &name, &mut plan);
            }
        }
    }
    // What went may have gone more than once, and may have come again since.
    let gone = host.touched.iter().filter(|touch| match touch {
        Touch::Dropped(name) => !host.devices.contains(&**name),
        Touch::Unhooked(pair) => !host.devices.contains(&pair.1),
        _ => false,
    });
    for touch in gone.collect::<BTreeSet<_>>() {
        match touch {
            Touch::Dropped(name) => dropped(observed, name, &mut plan),
            Touch::Unhooked(pair) => redirect::release(observed, &pair.0, &pair.1, &mut plan),
            _ => {}
        }
    }
    if found < observed.len() {
        orphans(observed, host, &mut plan);
    }
    plan
}

/// Devices that are shaped as we do it and that nobody wants shaped: a container that left the policy between two runs, say.
/// They are only reported, unless the host itself let them go.
fn orphans(observed: &Kernel, host: &Host, plan: &mut Plan) {
    let dropped = host.touched.iter().filter_map(|touch| match touch {
        Touch::Dropped(name) => Some(&**name),
        _ => None,
    });
    let dropped: BTreeSet<&DevName> = dropped.collect();
    for (name, device) in observed.devices() {
        let Some(root) = device.root().filter(|r| is_ours(r, Htb::to_default(0x10))) else {
            continue;
        };
        if host.devices.contains(name) || dropped.contains(name) {
            continue;
        }
        let why = format!(
            "not wanted: shaped like a container's device, but no container of the policy has it; `{}` would take that off",
            remove_root(name)
        );
        plan.left_alone.push(LeftAlone {
            object: "qdisc",
            device: name.clone(),
            handle: root.handle,
            why,
        });
    }
}

/// The command that takes a root qdisc off a device, in the device's own network namespace, for a POSIX shell.
fn remove_root(name: &DevName) -> alloc::string::String {
    let mut words = name.netns.enter();
    let rest = ["tc", "qdisc", "delete", "dev", &*name.dev, "root"];
    words.extend(rest.map(Into::into));
    shell_line(&words)
}

/// The plan for one device alone, with the redirect to it where it is an ifb; nothing where the host does not want that
/// device shaped. O(n) in its classes, observed and wanted; a container's device is looked up by name in O(containers).
#[must_use]
pub fn diff_device(observed: &Kernel, host: &Host, name: &DevName) -> Plan {
    let mut plan = Plan::new(host.caps.era);
    let uplink = host.uplink.as_ref();
    if uplink.is_some_and(|u| name.netns == Netns::Host && u.dev == name.dev) {
        whole_uplink(observed, name, host, &mut plan);
        return plan;
    }
    let Some((slot, direction)) = host.shaped_by(name) else {
        return plan;
    };
    let (seen, mut wanted) = (observed.device(name), Device::new());
    host.veth_tree(slot, direction, gso(seen), &mut wanted);
    device(seen, &wanted, name, host, &mut plan);
    hook(observed, host, slot, direction, name, &mut plan);
    plan
}

/// The plan for what changed in the host since the last call, and nothing else. O(changes · log n).
#[must_use]
pub fn diff_touched(observed: &Kernel, host: &mut Host) -> Plan {
    let mut plan = Plan::new(host.caps.era);
    let mut touched = core::mem::take(&mut host.touched);
    touched.sort_unstable();
    touched.dedup();
    let host = &*host;
    let mut classes: Vec<Handle> = Vec::new();
    let whole = touched.contains(&Touch::Uplink);
    for touch in &touched {
        match touch {
            Touch::Uplink => {}
            Touch::Class(id) => classes.push(*id),
            // What went may have come again since.
            Touch::Dropped(name) if host.devices.contains(&**name) => {}
            Touch::Dropped(name) => dropped(observed, name, &mut plan),
            Touch::Unhooked(pair) if host.devices.contains(&pair.1) => {}
            Touch::Unhooked(pair) => redirect::release(observed, &pair.0, &pair.1, &mut plan),
            Touch::Device(slot, direction) => {
                let Some(name) = host.device(*slot, *direction) else {
                    continue;
                };
                let mut wanted = Device::new();
                let seen = observed.device(&name);
                host.veth_tree(*slot, *direction, gso(seen), &mut wanted);
                device(seen, &wanted, &name, host, &mut plan);
                hook(observed, host, *slot, *direction, &name, &mut plan);
            }
        }
    }
    if let Some(uplink) = host
        .uplink
        .as_ref()
        .filter(|_| whole || !classes.is_empty())
    {
        let name = DevName::on_host(uplink.dev.clone());
        if whole {
            whole_uplink(observed, &name, host, &mut plan);
            return plan;
        }
        uplink_classes(observed.device(&name), &classes, &name, host, &mut plan);
    }
    plan
}

/// The redirect to an ifb, where that is the way.
fn hook(
    observed: &Kernel,
    host: &Host,
    slot: Slot,
    direction: Direction,
    ifb: &DevName,
    plan: &mut Plan,
) {
    let Some(container) = host.container(slot) else {
        return;
    };
    if direction == Direction::Egress && container.inside == Inside::Ifb {
        let veth = DevName::on_host(container.veth.clone());
        redirect::redirect(observed, &veth, ifb, plan);
    }
}

/// Largest GSO packet of a device, where it was observed.
fn gso(seen: Option<&Device>) -> Option<u32> {
    seen.and_then(|d| d.gso_max_size)
}

fn whole_uplink(observed: &Kernel, name: &DevName, host: &Host, plan: &mut Plan) {
    let mut wanted = Device::new();
    let seen = observed.device(name);
    host.uplink_tree(gso(seen), &mut wanted);
    device(seen, &wanted, name, host, plan);
}

/// The uplink's changed classes; the whole device where its root is not yet ours.
fn uplink_classes(
    seen: Option<&Device>,
    ids: &[Handle],
    name: &DevName,
    host: &Host,
    plan: &mut Plan,
) {
    let fits = |d: &&Device| d.root().is_some_and(|r| is_ours(r, Htb::to_default(2)));
    let Some(seen) = seen.filter(fits) else {
        let mut wanted = Device::new();
        host.uplink_tree(gso(seen), &mut wanted);
        return device(seen, &wanted, name, host, plan);
    };
    let mut work = Work::new(plan.device_number(name), &host.caps);
    for id in ids {
        let (wanted, leaf) = (
            host.uplink_class(id.minor()),
            host.uplink_leaf(id.minor(), gso(Some(seen))),
        );
        work.class(seen, seen.class(*id), wanted.as_ref(), || leaf.is_some());
        if wanted.is_some() {
            leaf::leaf(&mut work, seen, seen.qdisc_at(*id), leaf.as_ref());
        }
    }
    let wanted = |id: Handle| {
        (
            host.uplink_class(id.minor()),
            host.uplink_leaf(id.minor(), gso(Some(seen))),
        )
    };
    work.finish(seen, &wanted, plan);
}

/// A device that is shaped no more: its root goes if it is ours.
fn dropped(observed: &Kernel, name: &DevName, plan: &mut Plan) {
    let Some(seen) = observed.device(name) else {
        return;
    };
    let Some(root) = seen.root().filter(|r| is_ours(r, Htb::to_default(0x10))) else {
        return;
    };
    let number = plan.device_number(name);
    plan.ops.push(whole(number, root, seen, Reason::Stale));
}

/// Whether a root qdisc is one that [`Host`] makes.
fn is_ours(root: &Qdisc, wanted: Htb) -> bool {
    let QdiscKind::Htb(seen) = root.kind else {
        return false;
    };
    root.handle == Handle::qdisc(1)
        && Htb {
            direct_packets: 0,
            direct_qlen: None,
            ..seen
        } == wanted
}

/// Deleting a root qdisc with all below it.
fn whole(number: u32, root: &Qdisc, seen: &Device, reason: Reason) -> Op {
    let mut tree = seen.clone();
    tree.retain(|q| q.parent != Handle::INGRESS, |_| true);
    tree.retain_filters(|f| f.parent.major() != Handle::INGRESS_QDISC.major());
    Op {
        device: number,
        action: Action::Delete,
        loss: Loss::Unshaped,
        reason,
        object: Object::Qdisc(root.clone()),
        before: Before::Tree(Box::new(tree)),
    }
}

/// One whole device.
fn device(seen: Option<&Device>, wanted: &Device, name: &DevName, host: &Host, plan: &mut Plan) {
    let nothing = Device::new();
    let Some(root) = wanted.root() else { return };
    let QdiscKind::Htb(options) = root.kind else {
        return;
    };
    let seen = seen.unwrap_or(&nothing);
    let before = seen.root();
    if let Some(found) = before.filter(|r| is_ours(r, options)) {
        debug_assert_eq!(found.handle, root.handle);
        return below(seen, wanted, name, host, plan);
    }
    let default = before.is_none_or(|r| r.handle.is_none());
    if !default && !host.caps.takeover {
        let handle = before.map_or(Handle::NONE, |r| r.handle);
        let kind = before.map_or("", |r| r.kind.name());
        let why = format!(
            "not ours: a root of kind {}; its device stays as it is unless told to take over",
            printable(kind)
        );
        plan.left_alone.push(LeftAlone {
            object: "qdisc",
            device: name.clone(),
            handle,
            why,
        });
        return;
    }
    let number = plan.device_number(name);
    if let Some(found) = before.filter(|_| !default) {
        plan.ops.push(whole(number, found, seen, Reason::InTheWay));
    }
    // A veth has no queue by default; on other devices what waits in the default queue is lost.
    let queueless = before.is_none_or(|r| r.kind.name() == "noqueue");
    let loss = if queueless || !default {
        Loss::Free
    } else {
        Loss::LosesAll
    };
    let (object, before) = (Object::Qdisc(root.clone()), Before::Nothing);
    plan.ops.push(Op {
        device: number,
        action: Action::Add,
        loss,
        reason: Reason::Missing,
        object,
        before,
    });
    fresh(number, wanted, plan);
}

/// Everything below a root that is new: each class, and its leaf behind it.
fn fresh(number: u32, wanted: &Device, plan: &mut Plan) {
    let mut leaves = wanted
        .qdiscs()
        .iter()
        .filter(|q| q.parent != Handle::ROOT)
        .peekable();
    let mut add = |object| {
        plan.ops.push(Op {
            device: number,
            action: Action::Add,
            loss: Loss::Free,
            reason: Reason::Missing,
            object,
            before: Before::Nothing,
        });
    };
    // Our own numbering puts parents first.
    for class in wanted.classes() {
        add(Object::Class(*class));
        while let Some(leaf) = leaves.next_if(|q| q.parent <= class.id) {
            add(Object::Qdisc(leaf.clone()));
        }
    }
}

/// What is below a root that is ours: one merge of the two sorted lists.
fn below(seen: &Device, wanted: &Device, name: &DevName, host: &Host, plan: &mut Plan) {
    let mut work = Work::new(plan.device_number(name), &host.caps);
    let major = wanted.root().map_or(0, |r| r.handle.major());
    let mut old = seen
        .classes()
        .iter()
        .filter(|c| c.id.major() == major)
        .peekable();
    for class in wanted.classes() {
        while let Some(stale) = old.next_if(|o| o.id < class.id) {
            work.class(seen, Some(stale), None, || false);
        }
        let same = old.next_if(|o| o.id == class.id);
        let leaf = || wanted.qdisc_at(class.id).is_some();
        work.class(seen, same, Some(class), leaf);
    }
    for stale in old {
        work.class(seen, Some(stale), None, || false);
    }
    let mut old = seen
        .qdiscs()
        .iter()
        .filter(|q| q.parent.major() == major)
        .peekable();
    for qdisc in wanted.qdiscs().iter().filter(|q| q.parent.major() == major) {
        // A leaf below a class that is not wanted goes with that class.
        while old.next_if(|o| o.parent < qdisc.parent).is_some() {}
        let same = old.next_if(|o| o.parent == qdisc.parent);
        leaf::leaf(&mut work, seen, same, Some(qdisc));
    }
    let wanted = |id: Handle| (wanted.class(id).copied(), wanted.qdisc_at(id).cloned());
    work.finish(seen, &wanted, plan);
}

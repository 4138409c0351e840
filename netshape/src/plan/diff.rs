//! From observed to wanted, by the way that loses least.
//!
//! Order on a device: what is stale or in the way goes, deepest first; then classes shrink; then classes grow and new
//! ones come, parents first, each with its leaf. So the sum below a class is never over it on the way, and an inner
//! class exists before a leaf carries traffic.

use super::disruption::Disruption;
use super::left_alone::KEPT;
use super::left_alone::LeftAlone;
use super::leftover::{dropped, leftovers, unhooked, whole};
use super::op::{Before, Object, Op};
use super::reason::{Action, Reason};
use super::steps::Plan;
use super::work::Work;
use super::{front, hook, leaf, ours};
use crate::netlink::ObjectKind;
use crate::object::{DevName, Device, Handle, Htb, Qdisc, QdiscKind};
use crate::observe::state::ObservedState;
use crate::policy::host::layout::{ONLY, OWN};
use crate::policy::host::member::Touch;
use crate::policy::host::tree::root;
use crate::policy::host::weight::{On, gso};
use crate::policy::{Direction, EgressPoint, Host, Refusal, RefusalKind, Slot};
use crate::text::printable;
use alloc::format;
use alloc::vec::Vec;

/// The plan from what was observed to all that the host wants, and away from all that is ours and that it does not want. O(n log n)
/// in devices, O(n) in classes, observed and wanted.
#[must_use]
pub fn diff(observed: &ObservedState, host: &Host) -> Plan {
    let mut plan = Plan::new(host.caps.tick_rounding);
    plan.ops.reserve(host.device_count() * 4);
    plan.devices.reserve(host.device_count());
    let mut found = 0;
    if let Some(name) = uplink_name(host) {
        whole_uplink(observed, &name, host, &mut plan);
        found += usize::from(observed.device(&name).is_some());
    }
    // Whether there is anything beside what is wanted; mostly there is not, and nobody need look for it.
    let mut hooked = false;
    let mut wanted = Device::new();
    for (slot, container) in host.containers() {
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(name) = host.device(slot, direction) {
                let seen = observed.device(&name);
                found += usize::from(seen.is_some());
                let by_ifb =
                    direction == Direction::Ingress && container.inside != EgressPoint::Ifb;
                hooked |= by_ifb && seen.is_some_and(|d| d.filters().iter().any(ours::on_hook));
                one_way(
                    observed,
                    host,
                    (slot, direction),
                    (&name, seen),
                    &mut wanted,
                    &mut plan,
                );
            }
        }
    }
    if hooked || found < observed.len() {
        leftovers(observed, host, &mut plan);
    }
    plan
}

/// The plan for one device alone, with the redirect to it where it is an ifb; of a device that the host does not want shaped, what
/// is ours goes. O(n) in its classes, observed and wanted; a container's device is looked up by name in O(containers).
#[must_use]
pub fn diff_device(observed: &ObservedState, host: &Host, name: &DevName) -> Plan {
    let mut plan = Plan::new(host.caps.tick_rounding);
    if uplink_name(host).as_ref() == Some(name) {
        whole_uplink(observed, name, host, &mut plan);
        return plan;
    }
    match host.shaped_by(name) {
        Some(whose) => {
            let mut wanted = Device::new();
            let place = (name, observed.device(name));
            one_way(observed, host, whose, place, &mut wanted, &mut plan);
        }
        None => dropped(observed, host, name, &mut plan),
    }
    plan
}

/// The plan for what changed in the host since the last call, and nothing else. O(changes · log n); O(n) where the smallest weight
/// changed, since all quanta follow from it.
#[must_use]
pub fn diff_touched(observed: &ObservedState, host: &mut Host) -> Plan {
    let mut plan = Plan::new(host.caps.tick_rounding);
    let mut touched = core::mem::take(&mut host.touched);
    touched.sort_unstable();
    touched.dedup();
    let host = &*host;
    let mut classes: Vec<u16> = Vec::new();
    let whole = touched.contains(&Touch::Uplink);
    let mut wanted = Device::new();
    for touch in &touched {
        match touch {
            Touch::Uplink => {}
            Touch::Class(minor) => classes.push(*minor),
            // What went may have come again since.
            Touch::Dropped(name) => dropped(observed, host, name, &mut plan),
            Touch::Unhooked(veth) => unhooked(observed, host, veth, &mut plan),
            Touch::Device(slot, direction) => {
                if let Some(name) = host.device(*slot, *direction) {
                    let (whose, place) = ((*slot, *direction), (&name, observed.device(&name)));
                    one_way(observed, host, whose, place, &mut wanted, &mut plan);
                }
            }
        }
    }
    if let Some(name) = uplink_name(host).filter(|_| whole || !classes.is_empty()) {
        if whole {
            whole_uplink(observed, &name, host, &mut plan);
        } else {
            uplink_classes(observed, &classes, &name, host, &mut plan);
        }
    }
    plan
}

fn uplink_name(host: &Host) -> Option<DevName> {
    let uplink = host.uplink.as_ref()?;
    Some(DevName::on_host(uplink.dev.clone()))
}

/// One direction of a container: its own device, and the redirect to that where it is an ifb.
fn one_way(
    observed: &ObservedState,
    host: &Host,
    (slot, direction): (Slot, Direction),
    (name, seen): (&DevName, Option<&Device>),
    wanted: &mut Device,
    plan: &mut Plan,
) {
    let Some(container) = host.container(slot) else {
        return;
    };
    let by_ifb = direction == Direction::Egress && container.inside == EgressPoint::Ifb;
    let veth = container.veth.as_ref().filter(|_| by_ifb);
    let veth = veth.map(|veth| DevName::on_host(veth.clone()));
    let takeover = host.caps.takeover && !host.held.everything();
    let redirect = veth.map(|veth| hook::steps(observed, &veth, name, takeover));
    let redirect = match redirect.transpose() {
        Ok(steps) => steps,
        Err(kind) => return refuse(host, Some((slot, direction)), kind, plan),
    };
    host.veth_tree(slot, direction, on(observed, seen, ONLY, host), wanted);
    match device(seen, wanted, name, (observed, host), plan) {
        Ok(true) => redirect.into_iter().for_each(|steps| steps.finish(plan)),
        // Nothing is sent to a device that somebody else shapes.
        Ok(false) => {}
        Err(kind) => refuse(host, Some((slot, direction)), kind, plan),
    }
}

/// What can't be had is said, with its place in the policy.
fn refuse(host: &Host, whose: Option<(Slot, Direction)>, kind: RefusalKind, plan: &mut Plan) {
    let field = match whose {
        None => "host.uplink".into(),
        Some((slot, direction)) => format!("{}.{}", host.place(slot), direction.name()),
    };
    plan.refused.push(Refusal { field, kind });
}

/// What is known of a device that a tree is made for.
fn on(observed: &ObservedState, seen: Option<&Device>, default: u16, host: &Host) -> On {
    let largest = observed.gso_max_size().unwrap_or(0);
    let gso = gso(largest.max(host.caps.gso_max_size));
    let major = ours::major(seen, default);
    let only = seen.and_then(|d| d.class(Handle::new(major, ONLY)));
    let alone = only.map_or(gso, |c| c.htb.quantum.max(1));
    On { major, gso, alone }
}

fn whole_uplink(observed: &ObservedState, name: &DevName, host: &Host, plan: &mut Plan) {
    let mut wanted = Device::new();
    let seen = observed.device(name);
    let on = on(observed, seen, OWN, host);
    host.uplink_tree(on, &mut wanted);
    if let Some(seen) = seen.filter(|_| host.held.everything()) {
        host.make_room(seen, &mut wanted);
    }
    if let Err(kind) = device(seen, &wanted, name, (observed, host), plan) {
        refuse(host, None, kind, plan);
    }
}

/// The uplink's changed classes; the whole device where its root is not yet ours.
fn uplink_classes(
    observed: &ObservedState,
    minors: &[u16],
    name: &DevName,
    host: &Host,
    plan: &mut Plan,
) {
    let seen = observed.device(name);
    let on = on(observed, seen, OWN, host);
    let root = root(on, OWN);
    let fits = |d: &&Device| d.root().is_some_and(|r| same_root(r, &root));
    let free = |d: &&Device| front::hook(d, name).is_ok() && !host.held.everything();
    let Some(seen) = seen.filter(fits).filter(free) else {
        return whole_uplink(observed, name, host, plan);
    };
    let mut work = Work::new(plan.device_number(name), name, (observed, host));
    let wanted = |id: Handle| {
        (
            host.uplink_class(id.minor(), on),
            host.uplink_leaf(id.minor(), on),
        )
    };
    for minor in minors {
        let id = Handle::new(on.major, *minor);
        let (class, leaf) = wanted(id);
        work.class(seen, seen.class(id), class.as_ref(), || leaf.is_some());
        if class.is_some() {
            leaf::leaf(&mut work, seen, seen.qdisc_at(id), leaf.as_ref());
        }
    }
    work.finish(seen, &wanted, plan);
}

/// Whether a root qdisc is the one that is wanted, save what the kernel counts and fills in.
fn same_root(seen: &Qdisc, wanted: &Qdisc) -> bool {
    let (QdiscKind::Htb(s), QdiscKind::Htb(w)) = (&seen.kind, &wanted.kind) else {
        return false;
    };
    let plain = Htb {
        direct_packets: 0,
        direct_qlen: None,
        ..*s
    };
    seen.handle == wanted.handle && plain == *w
}

/// One whole device. Says whether it is or will be shaped as wanted.
fn device(
    seen: Option<&Device>,
    wanted: &Device,
    name: &DevName,
    (observed, host): (&ObservedState, &Host),
    plan: &mut Plan,
) -> Result<bool, RefusalKind> {
    let nothing = Device::new();
    let Some(root) = wanted.root() else {
        return Ok(false);
    };
    let seen = seen.unwrap_or(&nothing);
    front::hook(seen, name)?;
    let before = seen.root();
    if before.is_some_and(|r| same_root(r, root)) {
        let may = host.caps.takeover && !host.held.everything();
        front::root(seen, (root.handle.major(), may), name, observed, plan)?;
        below(seen, wanted, name, (observed, host), plan);
        return Ok(true);
    }
    let default = before.is_none_or(|r| r.handle.is_none());
    let told = host.caps.takeover || before.is_some_and(ours::reserved);
    let major = before.map_or(0, |r| r.handle.major());
    let there = |minor| seen.class(Handle::new(major, minor)).is_some();
    let held = host.held.minors().any(|(minor, _)| there(minor))
        && uplink_name(host).as_ref() == Some(name);
    if !default && (host.held.everything() || held || !told) {
        let kind = before.map_or("", |r| r.kind.name());
        let why = match (told, held) {
            (false, _) => format!(
                "not ours: a root of kind {}; its device stays as it is unless told to take over",
                printable(kind)
            ),
            (true, true) => {
                "can't be replaced: below it is the class of a container whose section is refused"
                    .into()
            }
            (true, false) => format!("can't be replaced: {KEPT}"),
        };
        plan.left_alone.push(LeftAlone {
            object: ObjectKind::Qdisc,
            device: name.clone(),
            handle: before.map_or(Handle::NONE, |r| r.handle),
            reason: why,
        });
        return Ok(false);
    }
    let number = plan.device_number(name);
    if let Some(found) = before.filter(|_| !default) {
        plan.ops.push(whole(number, found, seen, Reason::InTheWay));
    }
    // A veth has no queue by default; on other devices what waits in the default queue is lost.
    let queueless = before.is_none_or(|r| r.kind.name() == "noqueue");
    let disruption = if queueless || !default {
        Disruption::Free
    } else {
        Disruption::LosesAll
    };
    let (object, before) = (Object::Qdisc(root.clone()), Before::Nothing);
    plan.ops.push(Op {
        device: number,
        action: Action::Add,
        disruption,
        reason: Reason::Missing,
        object,
        before,
    });
    fresh(number, wanted, plan);
    Ok(true)
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
            disruption: Disruption::Free,
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
fn below(
    seen: &Device,
    wanted: &Device,
    name: &DevName,
    (observed, host): (&ObservedState, &Host),
    plan: &mut Plan,
) {
    let major = wanted.root().map_or(0, |r| r.handle.major());
    let number = plan.device_number(name);
    let mut work = Work::new(number, name, (observed, host));
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

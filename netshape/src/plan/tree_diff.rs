//! One device's tree, observed against wanted.

use super::classify;
use super::disruption::Disruption;
use super::left_alone::KEPT;
use super::left_alone::LeftAlone;
use super::leftover::whole;
use super::op::{Before, Object, Op};
use super::reason::{Action, Reason};
use super::steps::Plan;
use super::work::Work;
use super::{front, leaf, ownership};
use crate::netlink::ObjectKind;
use crate::object::{DevName, Device, Handle, Htb, Qdisc, QdiscKind};
use crate::observe::state::ObservedState;
use crate::policy::{Host, RefusalKind};
use crate::text::printable;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Whether a root qdisc is the one that is wanted, save what the kernel counts and fills in.
pub(super) fn same_root(seen: &Qdisc, wanted: &Qdisc) -> bool {
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
pub(super) fn device(
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
        let again = match host.uplink_direction(name) {
            Some(_) => classify::make_way(seen, (root.handle, may), name, observed, plan)?,
            None => Vec::new(),
        };
        below(seen, wanted, name, (observed, host), plan);
        plan.ops.extend(again);
        return Ok(true);
    }
    let default = before.is_none_or(|r| r.handle.is_none());
    if let Some(why) = kept_root(seen, name, host).filter(|_| !default) {
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
    if let Some(direction) = host.uplink_direction(name) {
        let classes = classify::Classes {
            host,
            direction,
            major: root.handle.major(),
            going: &[],
            seen: &nothing,
        };
        let filters = classify::compare(number, classes);
        plan.refused.extend(filters.refused);
        plan.ops.extend(filters.on);
    }
    Ok(true)
}

/// Why a root qdisc that is not as wanted stays, if it has to.
fn kept_root(seen: &Device, name: &DevName, host: &Host) -> Option<String> {
    let before = seen.root();
    let told = host.caps.takeover || before.is_some_and(ownership::reserved);
    let major = before.map_or(0, |r| r.handle.major());
    let there = |minor| seen.class(Handle::new(major, minor)).is_some();
    let uplink = host.uplink_direction(name);
    let held = uplink.is_some() && host.held.minors().any(|(minor, _)| there(minor));
    let kind = before.map_or("", |r| r.kind.name());
    match (told, held) {
        (true, false) if !host.held.everything() => None,
        (false, _) => Some(format!(
            "not ours: a root of kind {}; its device stays as it is unless told to take over",
            printable(kind)
        )),
        (true, true) => Some(
            "can't be replaced: below it is the class of a container whose section is refused"
                .into(),
        ),
        (true, false) => Some(format!("can't be replaced: {KEPT}")),
    }
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
pub(super) fn below(
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
        while let Some(stray) = old.next_if(|o| o.parent < qdisc.parent) {
            below_inner(&mut work, seen, stray, wanted);
        }
        let same = old.next_if(|o| o.parent == qdisc.parent);
        leaf::leaf(&mut work, seen, same, Some(qdisc));
    }
    old.for_each(|stray| below_inner(&mut work, seen, stray, wanted));
    let wanted = |id: Handle| (wanted.class(id).copied(), wanted.qdisc_at(id).cloned());
    work.finish(seen, &wanted, plan);
}

/// A leaf that is not wanted. One below a class that is not wanted either goes with that class, and one below a class that gets its first
/// child is purged by the kernel; an inner class that has no children yet keeps it until it is taken off.
fn below_inner(work: &mut Work<'_>, seen: &Device, stray: &Qdisc, wanted: &Device) {
    let child = |op: &Op| matches!(&op.object, Object::Class(c) if op.action == Action::Add && c.parent == stray.parent);
    if wanted.class(stray.parent).is_some() && !work.grow.iter().any(child) {
        leaf::leaf(work, seen, Some(stray), None);
    }
}

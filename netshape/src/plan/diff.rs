//! From observed to wanted, by the way that loses least.
//!
//! Order on a device: what is stale or in the way goes, deepest first; then classes shrink; then classes grow and new
//! ones come, parents first, each with its leaf. So the sum below a class is never over it on the way, and an inner
//! class exists before a leaf carries traffic.

use super::leaf;
use super::op::{Action, Before, Loss, Object, Op, Reason};
use super::{LeftAlone, Plan};
use crate::device::{DevName, Device};
use crate::handle::Handle;
use crate::host::{Host, Touch};
use crate::kernel::Kernel;
use crate::object::{Class, Htb, Qdisc, QdiscKind};
use crate::policy::Direction;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// The plan from what was observed to all that the host wants. O(n) in classes, observed and wanted.
#[must_use]
pub fn diff(observed: &Kernel, host: &Host) -> Plan {
    let mut plan = Plan::new(host.caps.era);
    if let Some(uplink) = &host.uplink {
        let name = DevName {
            netns: None,
            dev: uplink.dev.clone(),
        };
        whole_uplink(observed, &name, host, &mut plan);
    }
    let mut wanted = Device::new();
    for (slot, _) in host.containers() {
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(name) = host.device(slot, direction) {
                host.veth_tree(slot, direction, &mut wanted);
                device(observed.device(&name), &wanted, &name, host, &mut plan);
            }
        }
    }
    for touch in &host.touched {
        if let Touch::Dropped(name) = touch {
            dropped(observed, name, &mut plan);
        }
    }
    plan
}

/// The plan for what changed in the host since the last call, and nothing else. O(changes · log n).
#[must_use]
pub fn diff_touched(observed: &Kernel, host: &mut Host) -> Plan {
    let mut plan = Plan::new(host.caps.era);
    let touched = core::mem::take(&mut host.touched);
    let host = &*host;
    let mut classes: Vec<Handle> = Vec::new();
    let whole = touched.contains(&Touch::Uplink);
    for touch in &touched {
        match touch {
            Touch::Uplink => {}
            Touch::Class(id) => classes.push(*id),
            Touch::Dropped(name) => dropped(observed, name, &mut plan),
            Touch::Device(slot, direction) => {
                let Some(name) = host.device(*slot, *direction) else {
                    continue;
                };
                let mut wanted = Device::new();
                host.veth_tree(*slot, *direction, &mut wanted);
                device(observed.device(&name), &wanted, &name, host, &mut plan);
            }
        }
    }
    if let Some(uplink) = host
        .uplink
        .as_ref()
        .filter(|_| whole || !classes.is_empty())
    {
        let name = DevName {
            netns: None,
            dev: uplink.dev.clone(),
        };
        if whole {
            whole_uplink(observed, &name, host, &mut plan);
            return plan;
        }
        uplink_classes(observed.device(&name), &classes, &name, host, &mut plan);
    }
    plan
}

fn whole_uplink(observed: &Kernel, name: &DevName, host: &Host, plan: &mut Plan) {
    let mut wanted = Device::new();
    host.uplink_tree(&mut wanted);
    device(observed.device(name), &wanted, name, host, plan);
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
        host.uplink_tree(&mut wanted);
        return device(seen, &wanted, name, host, plan);
    };
    let mut work = Work::new(plan.device_number(name), host.caps.tick_tolerance);
    for id in ids {
        let (wanted, leaf) = (host.uplink_class(id.minor()), host.uplink_leaf(id.minor()));
        work.class(seen, seen.class(*id), wanted.as_ref());
        if wanted.is_some() {
            leaf::leaf(&mut work, seen.qdisc_at(*id), leaf.as_ref());
        }
    }
    let wanted = |id: Handle| (host.uplink_class(id.minor()), host.uplink_leaf(id.minor()));
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
        let why = String::from("not ours; its device stays as it is");
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
    below(&nothing, wanted, name, host, plan);
}

/// What is below a root that is ours: one merge of the two sorted lists.
fn below(seen: &Device, wanted: &Device, name: &DevName, host: &Host, plan: &mut Plan) {
    let mut work = Work::new(plan.device_number(name), host.caps.tick_tolerance);
    let major = wanted.root().map_or(0, |r| r.handle.major());
    let mut old = seen
        .classes()
        .iter()
        .filter(|c| c.id.major() == major)
        .peekable();
    for class in wanted.classes() {
        while let Some(stale) = old.next_if(|o| o.id < class.id) {
            work.class(seen, Some(stale), None);
        }
        let same = old.next_if(|o| o.id == class.id);
        work.class(seen, same, Some(class));
    }
    for stale in old {
        work.class(seen, Some(stale), None);
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
        leaf::leaf(&mut work, same, Some(qdisc));
    }
    let wanted = |id: Handle| (wanted.class(id).copied(), wanted.qdisc_at(id).cloned());
    work.finish(seen, &wanted, plan);
}

/// Steps of one device, sorted into the phases of the module's text.
pub(super) struct Work {
    pub(super) device: u32,
    tolerance: u32,
    /// Leaf qdiscs that go.
    pub(super) off: Vec<Op>,
    pub(super) gone: Vec<Op>,
    pub(super) shrink: Vec<Op>,
    pub(super) grow: Vec<Op>,
    /// Leaf qdiscs that come.
    pub(super) on: Vec<Op>,
}

impl Work {
    fn new(device: u32, tolerance: u32) -> Self {
        let (off, gone, shrink, grow, on) = Default::default();
        Self {
            device,
            tolerance,
            off,
            gone,
            shrink,
            grow,
            on,
        }
    }

    /// Compares one class.
    fn class(&mut self, seen: &Device, old: Option<&Class>, new: Option<&Class>) {
        let device = self.device;
        let op = |action, loss, reason, class: &Class, before: Option<&Class>| Op {
            device,
            action,
            loss,
            reason,
            object: Object::Class(*class),
            before: before.map_or(Before::Nothing, |b| {
                Before::Object(Box::new(Object::Class(*b)))
            }),
        };
        match (old, new) {
            (None, None) => {}
            (Some(o), None) => {
                self.gone.push(op(
                    Action::Delete,
                    Loss::LosesLeaf,
                    Reason::Stale,
                    o,
                    Some(o),
                ));
            }
            (None, Some(n)) => {
                // A leaf that becomes an inner class is purged of what waits in it.
                let purges = seen.qdisc_at(n.parent).is_some();
                let loss = if purges { Loss::LosesLeaf } else { Loss::Free };
                self.grow
                    .push(op(Action::Add, loss, Reason::Missing, n, None));
            }
            (Some(o), Some(n)) if o.parent != n.parent => {
                // The kernel takes a change of parent, answers 0 and keeps the old one.
                self.gone.push(op(
                    Action::Delete,
                    Loss::LosesLeaf,
                    Reason::InTheWay,
                    o,
                    Some(o),
                ));
                self.grow
                    .push(op(Action::Add, Loss::Free, Reason::Missing, n, None));
            }
            (Some(o), Some(n)) if !o.htb.same(&n.htb, self.tolerance) => {
                let rate = |c: &Class| c.htb.rate.bytes_per_second;
                let step = op(Action::Change, Loss::Free, Reason::Differs, n, Some(o));
                if rate(n) < rate(o) {
                    self.shrink.push(step)
                } else {
                    self.grow.push(step)
                }
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// Appends the steps in order.
    fn finish(mut self, seen: &Device, wanted: leaf::Wanted<'_>, plan: &mut Plan) {
        if !self.gone.is_empty() {
            self.drag(seen, wanted);
        }
        let depth = |op: &Op| match &op.object {
            Object::Class(c) => depth(seen, c),
            Object::Qdisc(_) => 0,
        };
        self.gone.sort_by_key(|op| core::cmp::Reverse(depth(op)));
        self.shrink.reverse();
        parents_first(&mut self.grow);
        plan.ops.append(&mut self.off);
        plan.ops.append(&mut self.gone);
        plan.ops.append(&mut self.shrink);
        if self.on.is_empty() {
            plan.ops.append(&mut self.grow);
            return;
        }
        // Each new class is followed by its leaf, so that it never takes traffic into the kernel's own default queue.
        let mut on = self.on.into_iter().peekable();
        for op in self.grow {
            let id = leaf::class_id(&op);
            plan.ops.push(op);
            plan.ops.extend(core::iter::from_fn(|| {
                on.next_if(|q| leaf::class_id(q) <= id)
            }));
        }
        plan.ops.extend(on);
    }
}

/// How deep a class is; bounded, since what was observed may be anything.
fn depth(seen: &Device, class: &Class) -> u32 {
    let (mut at, mut depth) = (class.parent, 0);
    while let Some(parent) = seen.class(at).filter(|_| depth < 64) {
        (at, depth) = (parent.parent, depth + 1);
    }
    depth
}

/// Adds in an order such that parents come first. Our own numbering does already.
fn parents_first(grow: &mut [Op]) {
    let key = |op: &Op| match &op.object {
        Object::Class(c) => (c.parent.minor() != 0, c.id),
        Object::Qdisc(q) => (true, q.parent),
    };
    grow.sort_by_key(key);
}

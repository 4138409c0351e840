//! The steps of one device in their order.

use super::classify;
use super::disruption::Disruption;
use super::leaf;
use super::op::{Before, Object, Op};
use super::pins::Pins;
use super::readd::Targets;
use super::reason::{Action, Reason};
use super::steps::Plan;
use crate::object::{Class, DevName, Device, Handle};
use crate::observe::state::ObservedState;
use crate::policy::Host;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Steps of one device, sorted into the phases of the module's text.
pub(super) struct Work<'a> {
    pub(super) device: u32,
    pub(super) name: &'a DevName,
    pub(super) observed: &'a ObservedState,
    pub(super) host: &'a Host,
    /// Whether no address changed: filters are looked at only where classes go.
    pub(super) classes_only: bool,
    /// Names of devices that filters which go send to.
    pub(super) targets: Targets,
    tolerance: u32,
    /// Whether foreign filters may go.
    pub(super) takeover: bool,
    pub(super) pins: Pins,
    /// Filters that go before the classes they point at.
    pub(super) unpinned: Vec<Op>,
    /// Classes that stay for a filter's sake, with the reason.
    pub(super) kept: Vec<(Handle, String)>,
    /// What has such a class below it, and so can't have a leaf.
    pub(super) inner: Vec<Handle>,
    /// Leaf qdiscs that go.
    pub(super) off: Vec<Op>,
    pub(super) gone: Vec<Op>,
    pub(super) shrink: Vec<Op>,
    pub(super) grow: Vec<Op>,
    /// Leaf qdiscs that come.
    pub(super) on: Vec<Op>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        device: u32,
        name: &'a DevName,
        (observed, host): (&'a ObservedState, &'a Host),
    ) -> Self {
        let (off, gone, shrink, grow, on) = Default::default();
        let (pins, unpinned, kept, inner) = Default::default();
        Self {
            device,
            name,
            observed,
            host,
            classes_only: false,
            targets: Targets::new(),
            tolerance: host.caps.tick_tolerance,
            takeover: host.caps.takeover,
            pins,
            unpinned,
            kept,
            inner,
            off,
            gone,
            shrink,
            grow,
            on,
        }
    }

    /// Compares one class; `leaf` says whether it is to have a queue of its own.
    pub(super) fn class(
        &mut self,
        seen: &Device,
        old: Option<&Class>,
        new: Option<&Class>,
        leaf: impl FnOnce() -> bool,
    ) {
        let staying;
        let new = match (old, new) {
            (Some(o), Some(n)) if o.parent != n.parent && !self.may_move(seen, o, n) => {
                staying = Class {
                    parent: o.parent,
                    ..*n
                };
                Some(&staying)
            }
            (Some(o), None) if !self.may_go(seen, o, "no longer wanted, and stays") => return,
            _ => new,
        };
        match (old, new) {
            (None, None) => {}
            (Some(o), None) => {
                // A class with children has no queue of its own.
                let inner = o.htb.level > 0 || seen.has_children(o.id);
                let disruption = match inner {
                    true => Disruption::Free,
                    false => Disruption::LosesLeaf,
                };
                self.gone.push(self.delete(disruption, Reason::Stale, o));
            }
            (None, Some(n)) => self.comes_new(seen, n),
            (Some(o), Some(n)) if o.parent != n.parent => {
                // The kernel takes a change of parent, answers 0 and keeps the old one.
                let delete = self.delete(Disruption::LosesLeaf, Reason::InTheWay, o);
                self.gone.push(delete);
                self.grow
                    .push(self.step(Action::Add, Reason::Missing, n, Before::Nothing));
            }
            (Some(o), Some(n))
                if !o.htb.same_rates(&n.htb, self.tolerance)
                    || (!o.htb.same_quantum_and_prio(&n.htb) && leaf()) =>
            {
                let rate = |c: &Class| c.htb.rate.bytes_per_second;
                let step = self.step(Action::Change, Reason::Differs, n, before(o));
                match rate(n) < rate(o) {
                    true => self.shrink.push(step),
                    false => self.grow.push(step),
                }
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// Whether a class may move below another parent; what a filter holds stays where it is.
    fn may_move(&mut self, seen: &Device, old: &Class, new: &Class) -> bool {
        let instead = format!("stays below {}, not {}", old.parent, new.parent);
        self.may_go(seen, old, &instead)
    }

    fn comes_new(&mut self, seen: &Device, new: &Class) {
        // A leaf that becomes an inner class is purged of what waits in it.
        let purged = seen.qdisc_at(new.parent).filter(|_| {
            let child = |op: &Op| matches!(&op.object, Object::Class(c) if op.action == Action::Add && c.parent == new.parent);
            !self.grow.iter().any(child)
        });
        let mut step = self.step(Action::Add, Reason::Missing, new, Before::Nothing);
        if let Some(leaf) = purged {
            step.disruption = Disruption::LosesLeaf;
            step.before = Before::Tree(Box::new(seen.below(leaf)));
        }
        self.grow.push(step);
    }

    fn step(&self, action: Action, reason: Reason, class: &Class, before: Before) -> Op {
        Op {
            device: self.device,
            action,
            disruption: Disruption::Free,
            reason,
            object: Object::Class(*class),
            before,
        }
    }

    fn delete(&self, disruption: Disruption, reason: Reason, class: &Class) -> Op {
        Op {
            disruption,
            ..self.step(Action::Delete, reason, class, before(class))
        }
    }

    /// A parent that goes itself has lost its leaf by then, and its first child purges nothing.
    fn nothing_purged(&mut self) {
        let going: Vec<Handle> = self.gone.iter().map(leaf::class_id).collect();
        for op in self.grow.iter_mut().filter(|o| o.action == Action::Add) {
            let Object::Class(class) = &op.object else {
                continue;
            };
            if matches!(op.before, Before::Tree(_)) && going.contains(&class.parent) {
                (op.disruption, op.before) = (Disruption::Free, Before::Nothing);
            }
        }
    }

    /// Steps about the filters of an uplink, given which classes go.
    fn filters(&self, seen: &Device) -> classify::Steps {
        let direction = self.host.uplink_direction(self.name);
        let (Some(direction), Some(root)) = (direction, seen.root()) else {
            return classify::Steps::default();
        };
        if self.classes_only && self.gone.is_empty() {
            return classify::Steps::default();
        }
        let mut going: Vec<Handle> = self.gone.iter().map(leaf::class_id).collect();
        going.sort_unstable();
        let classes = classify::Classes {
            host: self.host,
            direction,
            major: root.handle.major(),
            going: &going,
            seen,
        };
        classify::compare(self.device, classes)
    }

    /// Appends the steps in order.
    pub(super) fn finish(mut self, seen: &Device, wanted: leaf::Wanted<'_>, plan: &mut Plan) {
        if !self.gone.is_empty() {
            self.drag(seen, wanted);
            self.nothing_purged();
        }
        let mut filters = self.filters(seen);
        let depth = |op: &Op| match &op.object {
            Object::Class(c) => depth(seen, c),
            _ => 0,
        };
        self.gone.sort_by_key(|op| core::cmp::Reverse(depth(op)));
        self.shrink.reverse();
        parents_first(&mut self.grow);
        plan.know(core::mem::take(&mut self.targets));
        plan.left_alone.extend(self.left());
        plan.refused.append(&mut filters.refused);
        plan.ops.append(&mut filters.off);
        plan.ops.append(&mut self.unpinned);
        plan.ops.append(&mut self.off);
        plan.ops.append(&mut self.gone);
        plan.ops.append(&mut self.shrink);
        if self.on.is_empty() {
            plan.ops.append(&mut self.grow);
            plan.ops.append(&mut filters.on);
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
        plan.ops.append(&mut filters.on);
    }
}

fn before(class: &Class) -> Before {
    Before::Object(Box::new(Object::Class(*class)))
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
        _ => (true, leaf::class_id(op)),
    };
    grow.sort_by_key(key);
}

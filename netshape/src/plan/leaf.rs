//! Leaf qdiscs, and what a class takes with it when it has to go.

use super::disruption::Disruption;
use super::left_alone::KEPT;
use super::op::{Before, Object, Op};
use super::reason::{Action, Reason};
use super::work::Work;
use crate::object::{Class, Device, Handle, Qdisc, QdiscKind};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// Compares the leaf of one class that stays.
pub(super) fn leaf(work: &mut Work<'_>, seen: &Device, old: Option<&Qdisc>, new: Option<&Qdisc>) {
    let device = work.device;
    let op = |action, disruption, reason, qdisc: &Qdisc, before: Before| Op {
        device,
        action,
        disruption,
        reason,
        object: Object::Qdisc(qdisc.clone()),
        before,
    };
    let add = |disruption, q: &Qdisc| {
        let nothing = Before::Nothing;
        op(Action::Add, disruption, Reason::Missing, q, nothing)
    };
    let delete = |reason, q: &Qdisc| {
        let all = with_all(seen, q);
        op(Action::Delete, Disruption::LosesLeaf, reason, q, all)
    };
    let was = |q: &Qdisc| Before::Object(Box::new(Object::Qdisc(q.clone())));
    // Below what stays an inner class there is no room for a leaf.
    let new = new.filter(|n| !work.inner.contains(&n.parent));
    match (old, new) {
        (Some(o), Some(n)) if has(o, n) => {}
        // What it is stays, where it can't be changed without taking it off.
        (Some(o), n) if work.host.held.everything() && !n.is_some_and(|n| alike(o, n)) => {
            work.kept
                .push((o.parent, format!("its leaf {} stays: {KEPT}", o.handle)));
        }
        (Some(o), Some(n)) if alike(o, n) => {
            work.on.push(op(
                Action::Change,
                Disruption::Free,
                Reason::Differs,
                n,
                was(o),
            ));
        }
        (Some(o), Some(n)) => {
            // Another kind under the same handle is refused, and a handle in use elsewhere would be shared: off first.
            work.off.push(delete(Reason::InTheWay, o));
            work.on.push(add(Disruption::Free, n));
        }
        (None, Some(n)) => {
            // A class that stood there with the kernel's own queue loses that; a new one holds nothing yet.
            let fresh = work.comes(n.parent);
            let disruption = if fresh {
                Disruption::Free
            } else {
                Disruption::LosesLeaf
            };
            work.on.push(add(disruption, n));
        }
        (Some(o), None) => work.off.push(delete(Reason::Stale, o)),
        (None, None) => {}
    }
}

/// Whether a leaf is as it is wanted. What somebody hung on to it (a rate estimator, say) no change would take off.
fn has(seen: &Qdisc, wanted: &Qdisc) -> bool {
    seen.handle == wanted.handle
        && match (&seen.kind, &wanted.kind) {
            (QdiscKind::FqCodel(seen), QdiscKind::FqCodel(wanted)) => seen.satisfies(wanted),
            (seen, wanted) => seen == wanted,
        }
}

/// Whether one can be changed into the other in place, and back: a queue of which nobody says what it holds can't be.
fn alike(old: &Qdisc, new: &Qdisc) -> bool {
    let said = !matches!(old.kind, QdiscKind::Bfifo(None));
    old.handle == new.handle && old.kind.name() == new.kind.name() && said
}

/// A class and its leaf as wanted.
pub(super) type Wanted<'a> = &'a dyn Fn(Handle) -> (Option<Class>, Option<Qdisc>);

impl Work<'_> {
    /// Whether a class is among those that come.
    fn comes(&self, id: Handle) -> bool {
        let same = |op: &&Op| matches!(&op.object, Object::Class(c) if c.id == id);
        // Classes are compared in order just before their leaves, so the last is the likely one.
        if let Some(last) = self.grow.last().filter(same) {
            return last.action == Action::Add;
        }
        let found = self.grow.binary_search_by_key(&id, class_id).ok();
        let found = found.and_then(|i| self.grow.get(i));
        found.is_some_and(|op| op.action == Action::Add)
    }

    /// A class can't go while it has children: those that are wanted again go too and come back. Classes that go take
    /// their leaves along, so each also needs its leaf put back if it returns.
    pub(super) fn drag(&mut self, seen: &Device, wanted: Wanted<'_>) {
        let mut going: Vec<Handle> = self.gone.iter().map(class_id).collect();
        going.sort_unstable();
        // Each round goes one level deeper; HTB has eight.
        for _ in 0..seen.classes().len() {
            let dragged: Vec<Class> = seen
                .classes()
                .iter()
                .filter(|c| holds(&going, c.parent) && !holds(&going, c.id))
                .copied()
                .collect();
            if dragged.is_empty() {
                break;
            }
            for class in dragged {
                self.uproot(seen, &class, wanted);
                going.push(class.id);
            }
            going.sort_unstable();
        }
        // A leaf is not taken off a class that goes anyway, and it comes back where the class does.
        self.off.retain(|op| !holds(&going, class_id(op)));
        for id in &going {
            let (Some(_), Some(leaf)) = wanted(*id) else {
                continue;
            };
            self.on.retain(|op| class_id(op) != *id);
            let at = self.on.partition_point(|op| class_id(op) < *id);
            self.on.insert(
                at,
                Op {
                    device: self.device,
                    action: Action::Add,
                    disruption: Disruption::Free,
                    reason: Reason::Missing,
                    object: Object::Qdisc(leaf),
                    before: Before::Nothing,
                },
            );
        }
        for op in &mut self.gone {
            keep_leaf(op, seen);
        }
    }

    /// Turns whatever was to be done to a class into taking it away and bringing it back.
    fn uproot(&mut self, seen: &Device, class: &Class, wanted: Wanted<'_>) {
        // What holds it holds its parent too, so that either may go here.
        let _ = self.may_go(seen, class, "is to move");
        self.grow.retain(|op| class_id(op) != class.id);
        self.shrink.retain(|op| class_id(op) != class.id);
        let op = |action, disruption, reason, class: Class, before| Op {
            device: self.device,
            action,
            disruption,
            reason,
            object: Object::Class(class),
            before,
        };
        let was = Before::Object(Box::new(Object::Class(*class)));
        let gone = op(
            Action::Delete,
            Disruption::LosesLeaf,
            Reason::InTheWay,
            *class,
            was,
        );
        let back = wanted(class.id).0;
        let back = back.map(|c| {
            op(
                Action::Add,
                Disruption::Free,
                Reason::Missing,
                c,
                Before::Nothing,
            )
        });
        self.gone.push(gone);
        self.grow.extend(back);
    }
}

/// A leaf as it was, with whatever hangs below it.
fn with_all(seen: &Device, leaf: &Qdisc) -> Before {
    let tree = seen.below(leaf);
    if tree.classes().is_empty() {
        return Before::Object(Box::new(Object::Qdisc(leaf.clone())));
    }
    Before::Tree(Box::new(tree))
}

/// A class that goes with a leaf of its own remembers both, so that it can be put back whole.
fn keep_leaf(op: &mut Op, seen: &Device) {
    let Object::Class(class) = &op.object else {
        return;
    };
    let Some(leaf) = seen.qdisc_at(class.id) else {
        return;
    };
    let mut tree = seen.below(leaf);
    tree.put_class(*class);
    op.before = Before::Tree(Box::new(tree));
}

/// The class that a step is about, or whose leaf.
pub(super) fn class_id(op: &Op) -> Handle {
    match &op.object {
        Object::Class(c) => c.id,
        Object::Qdisc(q) => q.parent,
        Object::Redirect(r) => r.parent,
        Object::Filter(f) => f.parent,
    }
}

/// Whether a sorted list holds a handle; short ones are just walked.
fn holds(sorted: &[Handle], id: Handle) -> bool {
    if sorted.len() <= 4 {
        sorted.contains(&id)
    } else {
        sorted.binary_search(&id).is_ok()
    }
}

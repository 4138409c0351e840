//! One step of a plan.

use super::pins;
use super::redirect::Redirect;
use crate::device::Device;
use crate::object::{Class, Filter, Qdisc, QdiscKind};
use crate::rate::Rate;
use crate::text::printable;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Action {
    /// Made; an error if it is there.
    Add,
    /// Changed in place; an error if it is not there.
    Change,
    /// Taken away.
    Delete,
}

impl Action {
    /// tc's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }
}

/// What a step may cost, measured on Linux 6.18 (each class holds the ones before it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Loss {
    /// No packet is lost and no bucket refilled.
    Free,
    /// No packet is lost; the bucket is filled anew, so one burst more passes.
    Refills,
    /// What waits in one leaf is lost.
    LosesLeaf,
    /// What waits on the device is lost.
    LosesAll,
    /// What waits on the device is lost, and until later steps are done traffic passes unshaped.
    Unshaped,
}

impl Loss {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Refills => "refills",
            Self::LosesLeaf => "loses_leaf",
            Self::LosesAll => "loses_all",
            Self::Unshaped => "unshaped",
        }
    }
}

/// Steps by loss class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Losses {
    /// Steps that cost nothing.
    pub free: u64,
    /// Steps that refill a bucket.
    pub refills: u64,
    /// Steps that lose one leaf's queue.
    pub loses_leaf: u64,
    /// Steps that lose a device's queues.
    pub loses_all: u64,
    /// Steps that open an unshaped window.
    pub unshaped: u64,
}

impl Losses {
    /// Counts one step.
    pub const fn count(&mut self, loss: Loss) {
        match loss {
            Loss::Free => self.free += 1,
            Loss::Refills => self.refills += 1,
            Loss::LosesLeaf => self.loses_leaf += 1,
            Loss::LosesAll => self.loses_all += 1,
            Loss::Unshaped => self.unshaped += 1,
        }
    }

    /// The sums of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            free: self.free + other.free,
            refills: self.refills + other.refills,
            loses_leaf: self.loses_leaf + other.loses_leaf,
            loses_all: self.loses_all + other.loses_all,
            unshaped: self.unshaped + other.unshaped,
        }
    }
}

/// A qdisc, a class or a redirecting filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A qdisc.
    Qdisc(Qdisc),
    /// A class.
    Class(Class),
    /// A filter that redirects to an ifb.
    Redirect(Box<Redirect>),
    /// Somebody else's filter, which goes where it holds a class that has to, if what is foreign may go.
    Filter(Box<Filter>),
}

impl Object {
    /// `qdisc`, `class` or `filter`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Qdisc(_) => "qdisc",
            Self::Class(_) => "class",
            Self::Redirect(_) | Self::Filter(_) => "filter",
        }
    }
}

/// What was there before a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    #[default]
    Nothing,
    /// The object as it was.
    Object(Box<Object>),
    /// A qdisc with everything below it: goes as a whole.
    Tree(Box<Device>),
}

/// Why a step is taken; [`crate::Plan::why`] says it with the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is wanted and not there.
    Missing,
    /// Its figures differ.
    Differs,
    /// It is no longer wanted.
    Stale,
    /// It stands where another is wanted, and can't be changed into that in place.
    InTheWay,
    /// A filter of somebody else's that comes before ours: it goes, and comes again behind ours.
    Moved,
    /// A filter of somebody else's that sends packets past our classes.
    Bypasses,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    pub(crate) device: u32,
    /// What is done.
    pub action: Action,
    /// What it costs.
    pub loss: Loss,
    /// Why.
    pub reason: Reason,
    /// The object as it shall be; as it was where it is deleted.
    pub object: Object,
    /// What was there before.
    pub before: Before,
}

impl Op {
    /// The steps that take this one back, in order: one, save where a whole tree was deleted.
    #[must_use]
    pub fn inverse(&self) -> Vec<Self> {
        let step = |action, object: &Object, before| Self {
            device: self.device,
            action,
            loss: if action == Action::Delete {
                Loss::LosesLeaf
            } else {
                Loss::Free
            },
            reason: Reason::Differs,
            object: object.clone(),
            before,
        };
        match (&self.before, self.action) {
            (Before::Nothing, Action::Delete) => {
                vec![step(Action::Add, &self.object, Before::Nothing)]
            }
            (Before::Nothing, _) => {
                let before = Before::Object(Box::new(self.object.clone()));
                vec![step(Action::Delete, &self.object, before)]
            }
            (Before::Object(old), Action::Delete) => vec![step(Action::Add, old, Before::Nothing)],
            (Before::Object(old), _) => {
                let before = Before::Object(Box::new(self.object.clone()));
                vec![step(Action::Change, old, before)]
            }
            (Before::Tree(device), action) => {
                // What a first child put an end to comes back once the child is gone.
                let made = (action == Action::Add).then(|| {
                    let before = Before::Object(Box::new(self.object.clone()));
                    step(Action::Delete, &self.object, before)
                });
                let adds = in_order(device).into_iter();
                let adds = adds.map(|o| step(Action::Add, &o, Before::Nothing));
                made.into_iter().chain(adds).collect()
            }
        }
    }

    pub(crate) fn why(&self) -> String {
        let what = match &self.object {
            Object::Qdisc(q) => format!("{} qdisc {}", printable(q.kind.name()), q.handle),
            Object::Class(c) => format!("class {}", c.id),
            Object::Redirect(r) => format!("redirect to {}", printable(&r.to)),
            Object::Filter(f) => pins::said(f),
        };
        match self.reason {
            Reason::Missing => match &self.object {
                Object::Class(c) => {
                    format!(
                        "{what} is missing: rate {}, ceiling {}",
                        rate(c.htb.rate),
                        rate(c.htb.ceil)
                    )
                }
                _ => format!("{what} is missing"),
            },
            Reason::Stale => format!("{what} is no longer wanted"),
            Reason::Moved if self.action == Action::Add => {
                format!("{what} comes again as it was, behind ours")
            }
            Reason::Moved => format!("{what} comes before ours, and is moved behind it"),
            Reason::Bypasses => format!("{what} sends packets past our classes"),
            Reason::InTheWay if matches!(self.object, Object::Filter(_)) => {
                format!("{what} holds a class that has to go")
            }
            Reason::InTheWay => format!("{what} is in the way and can't be changed in place"),
            Reason::Differs => self.difference().unwrap_or(what),
        }
    }

    /// The figures that differ.
    fn difference(&self) -> Option<String> {
        let Before::Object(before) = &self.before else {
            return None;
        };
        let mut parts: Vec<String> = Vec::new();
        match (&**before, &self.object) {
            (Object::Class(old), Object::Class(new)) => {
                let (o, n) = (&old.htb, &new.htb);
                let mut say = |name: &str, old: String, new: String| {
                    if old != new {
                        parts.push(format!("{name} {old} to {new}"));
                    }
                };
                say("rate", rate(o.rate).to_string(), rate(n.rate).to_string());
                say(
                    "ceiling",
                    rate(o.ceil).to_string(),
                    rate(n.ceil).to_string(),
                );
                say(
                    "buffer",
                    format!("{} ticks", o.buffer),
                    format!("{} ticks", n.buffer),
                );
                say(
                    "cbuffer",
                    format!("{} ticks", o.cbuffer),
                    format!("{} ticks", n.cbuffer),
                );
                say("quantum", o.quantum.to_string(), n.quantum.to_string());
                say("priority", o.prio.to_string(), n.prio.to_string());
            }
            (Object::Qdisc(old), Object::Qdisc(new)) => match (&old.kind, &new.kind) {
                (QdiscKind::Bfifo(Some(o)), QdiscKind::Bfifo(Some(n))) => {
                    parts.push(format!("limit {o} to {n} bytes"));
                }
                _ => parts.push(format!(
                    "options of {} qdisc {}",
                    printable(new.kind.name()),
                    new.handle
                )),
            },
            _ => return None,
        }
        Some(parts.join(", "))
    }
}

fn rate(spec: crate::object::RateSpec) -> Rate {
    Rate::from_bytes_per_second(spec.bytes_per_second)
}

/// The objects of a tree such that each comes after what it needs.
fn in_order(device: &Device) -> Vec<Object> {
    let mut out = Vec::with_capacity(device.qdiscs().len() + device.classes().len());
    let roots = device
        .qdiscs()
        .iter()
        .filter(|q| device.class(q.parent).is_none());
    let mut wave: Vec<Object> = roots.map(|q| Object::Qdisc(q.clone())).collect();
    let known = |h| device.class(h).is_some() || device.qdisc(h).is_some();
    let tops = device.classes().iter().filter(|c| !known(c.parent));
    wave.extend(tops.map(|c| Object::Class(*c)));
    // Each wave holds what hangs below the one before; the bound is the number of objects.
    while !wave.is_empty() && out.len() <= device.qdiscs().len() + device.classes().len() {
        let mut next = Vec::new();
        for object in wave {
            let handle = match &object {
                Object::Qdisc(q) => q.handle,
                Object::Class(c) => c.id,
                Object::Redirect(_) | Object::Filter(_) => continue,
            };
            let classes = device.classes().iter().filter(|c| c.parent == handle);
            next.extend(classes.map(|c| Object::Class(*c)));
            if matches!(object, Object::Class(_)) {
                next.extend(device.qdisc_at(handle).map(|q| Object::Qdisc(q.clone())));
            }
            out.push(object);
        }
        wave = next;
    }
    // The rows of priorities and tables come by themselves with the filters.
    let filters = device.filters().iter().filter(|f| f.handle & 0xfff != 0);
    out.extend(filters.map(|f| Object::Filter(Box::new(f.clone()))));
    out
}

//! One step of a plan.

use super::disruption::Disruption;
use super::filter_words::{plain, said};
use super::ownership::REDIRECT_PRIO;
use super::ownership::is_node;
use super::reason::Action;
use super::reason::Reason;
use super::redirect::Redirect;
use crate::netlink::ObjectKind;
use crate::object::{Class, Device, Filter, FilterKind, Handle, Qdisc, QdiscKind};
use crate::text::printable;
use crate::unit::Rate;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// A qdisc, a class or a redirecting filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Object {
    /// A qdisc.
    Qdisc(Qdisc),
    /// A class.
    Class(Class),
    /// A filter that redirects to an ifb.
    Redirect(Box<Redirect>),
    /// A filter of the uplink that leads packets to classes; or somebody else's, where it is in the way and what is foreign may go.
    Filter(Box<Filter>),
}

impl Object {
    /// Whether it is a qdisc, a class or a filter.
    #[must_use]
    pub const fn kind(&self) -> ObjectKind {
        match self {
            Self::Qdisc(_) => ObjectKind::Qdisc,
            Self::Class(_) => ObjectKind::Class,
            Self::Redirect(_) | Self::Filter(_) => ObjectKind::Filter,
        }
    }
}

/// What was there before a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Before {
    /// Nothing.
    #[default]
    Nothing,
    /// The object as it was.
    Object(Box<Object>),
    /// A qdisc with everything below it: goes as a whole.
    Tree(Box<Device>),
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Op {
    pub(crate) device: u32,
    /// What is done.
    pub action: Action,
    /// What it may cost in packets.
    pub disruption: Disruption,
    /// Why it is done; [`Plan::reason`](crate::plan::Plan::reason) says it with the figures.
    pub reason: Reason,
    /// The object as it will be; as it was, where it is deleted.
    pub object: Object,
    /// What was there before.
    pub before: Before,
}

impl Op {
    /// The steps that take this one back, in order: one, save where a whole tree was deleted; none where a priority without filters
    /// was, which nothing can make again and nobody misses.
    ///
    /// ```
    /// # use netshape::{Capabilities, Container, Direction, Host, ObservedState, Rate, Shape};
    /// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
    /// # let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
    /// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
    /// # let plan = netshape::plan::diff(&ObservedState::new(), &host);
    /// use netshape::plan::Action;
    ///
    /// assert_eq!(plan.ops()[0].action, Action::Add);
    /// assert_eq!(plan.ops()[0].inverse()[0].action, Action::Delete);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn inverse(&self) -> Vec<Self> {
        let step = |action, object: &Object, before| Self {
            device: self.device,
            action,
            disruption: if action == Action::Delete {
                Disruption::LosesLeaf
            } else {
                Disruption::Free
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
            (Before::Object(old), Action::Delete) => match &**old {
                Object::Filter(head) if head.handle == 0 && !is_node(head) => Vec::new(),
                old => vec![step(Action::Add, old, Before::Nothing)],
            },
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

    /// The same about a filter in its priority's own table by the number that the kernel gave that table, where another was expected.
    pub(crate) fn numbered(mut self, seen: &Device) -> Self {
        const FIRST_ROOT: u32 = 0x8000_0000;
        let (place, handle) = match &mut self.object {
            Object::Filter(f) => ((f.parent, f.chain, f.prio), &mut f.handle),
            Object::Redirect(r) => ((r.parent, 0, REDIRECT_PRIO), &mut r.handle),
            Object::Qdisc(_) | Object::Class(_) => return self,
        };
        let own = *handle >= FIRST_ROOT || *handle >> 20 == 0;
        let here = |f: &&Filter| (f.parent, f.chain, f.prio) == place && f.handle >= FIRST_ROOT;
        let rows = || seen.filters().iter().filter(here);
        if own && *handle & 0xfff != 0 && rows().all(|f| f.handle != *handle) {
            let node = *handle & 0xf_ffff;
            let same = rows().find(|f| f.handle & 0xf_ffff == node);
            *handle = same.map_or(*handle, |f| f.handle);
        }
        self
    }

    pub(crate) fn reason_text(&self) -> String {
        let object = match &self.object {
            Object::Qdisc(q) => format!("{} qdisc {}", printable(q.kind.name()), q.handle),
            Object::Class(c) => format!("class {}", c.id),
            Object::Redirect(r) => format!("redirect to {}", printable(&r.to)),
            Object::Filter(f) => said(f),
        };
        match self.reason {
            Reason::Missing => match &self.object {
                Object::Class(c) => {
                    format!(
                        "{object} is missing: rate {}, ceiling {}",
                        rate(c.htb.rate),
                        rate(c.htb.ceil)
                    )
                }
                _ => format!("{object} is missing"),
            },
            Reason::Stale => format!("{object} is no longer wanted"),
            Reason::Moved if self.action == Action::Add => {
                format!("{object} comes again as it was, behind ours")
            }
            Reason::Moved => format!("{object} comes before ours, and is moved behind it"),
            Reason::Bypasses => format!("{object} sends packets past our classes"),
            Reason::InTheWay if matches!(self.object, Object::Filter(_)) => {
                format!("{object} holds a class that has to go")
            }
            Reason::InTheWay => format!("{object} is in the way and can't be changed in place"),
            Reason::Differs => self.difference().unwrap_or(object),
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
            (Object::Filter(old), Object::Filter(new)) => {
                let class = |f: &Filter| match &f.kind {
                    FilterKind::U32(u32) => u32.classid().unwrap_or_default(),
                    FilterKind::Other(_) => Handle::NONE,
                };
                let (from, to) = (class(old), class(new));
                parts.push(format!("{}: class {from} to {to}", said(new)));
            }
            _ => return None,
        }
        Some(parts.join(", "))
    }
}

impl fmt::Display for Op {
    /// The action, and the reason with the figures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action.word(), self.reason_text())
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
    // What leads to a table that is not there no request can make. (A priority alone may lead into another's.)
    let whole = device.root().is_some();
    let tables: BTreeSet<u32> = device.filters().iter().map(|f| f.handle).collect();
    let leads = |f: &&Filter| match &f.kind {
        FilterKind::U32(u32) => u32
            .link()
            .is_none_or(|l| !whole || l == 0 || tables.contains(&l)),
        FilterKind::Other(_) => true,
    };
    let mut filters: Vec<&Filter> = device.filters().iter().filter(leads).collect();
    filters.retain(|f| rank(f).is_some());
    filters.sort_by_key(|f| rank(f));
    out.extend(
        filters
            .into_iter()
            .map(|f| Object::Filter(Box::new(plain(f)))),
    );
    out
}

/// In which order filters come: tables, what is in them, what leads to them, deepest first. The rows of priorities and their own tables
/// come by themselves.
fn rank(filter: &Filter) -> Option<u8> {
    const FIRST_ROOT: u32 = 0x8000_0000;
    let own = filter.handle < FIRST_ROOT;
    let link = match &filter.kind {
        FilterKind::U32(u32) => u32.link().is_some(),
        FilterKind::Other(_) => false,
    };
    match (filter.handle & 0xfff, own, link) {
        (0, true, _) if filter.handle != 0 => Some(0),
        (0, ..) => None,
        (_, _, false) => Some(1),
        (_, true, true) => Some(2),
        (_, false, true) => Some(3),
    }
}

//! Filters that hold classes in place: HTB does not let a class go while a filter points at it, nor its ancestors, since those
//! have children then.

use super::LeftAlone;
use super::op::{Action, Before, Loss, Object, Op, Reason};
use super::work::Work;
use crate::device::{DevName, Device};
use crate::handle::Handle;
use crate::object::{Class, Filter, FilterKind};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Levels to climb at the most; what was observed may be anything.
const LEVELS: usize = 64;

/// Which classes of a device can't go, and for which filters. Looked up when the first class is to go.
#[derive(Debug, Default)]
pub(super) struct Pins {
    /// A class and the index of a filter that holds it, sorted.
    held: Option<Vec<(Handle, usize)>>,
}

impl Pins {
    /// The filters that hold a class.
    fn of(&mut self, seen: &Device, class: Handle) -> impl Iterator<Item = usize> {
        let held = self.held.get_or_insert_with(|| pins(seen));
        let first = held.partition_point(|(c, _)| *c < class);
        let rest = held.get(first..).unwrap_or(&[]).iter();
        rest.take_while(move |(c, _)| *c == class)
            .map(|(_, filter)| *filter)
    }
}

fn pins(seen: &Device) -> Vec<(Handle, usize)> {
    let mut held = Vec::new();
    for (i, filter) in seen.filters().iter().enumerate() {
        let mut at = target(filter).and_then(|t| seen.class(t));
        for _ in 0..LEVELS {
            let Some(class) = at else { break };
            held.push((class.id, i));
            at = seen.class(class.parent);
        }
    }
    held.sort_unstable();
    held
}

/// The class that a filter sends to.
fn target(filter: &Filter) -> Option<Handle> {
    match &filter.kind {
        FilterKind::U32(u32) => u32.classid(),
        FilterKind::Other(_) => None,
    }
}

/// A filter by the words of tc: `800::800 of prio 1 on 1:`.
pub(super) fn said(filter: &Filter) -> String {
    let (parent, prio) = (filter.parent, filter.prio);
    format!(
        "filter {} of prio {prio} on {parent}",
        number(filter.handle)
    )
}

/// A u32 handle as tc writes it.
pub(super) fn number(handle: u32) -> String {
    let (table, bucket, node) = (handle >> 20, (handle >> 12) & 0xff, handle & 0xfff);
    match (bucket, node) {
        (0, 0) => format!("{table:x}:"),
        (0, node) => format!("{table:x}::{node:x}"),
        (bucket, node) => format!("{table:x}:{bucket:x}:{node:x}"),
    }
}

impl Work {
    /// Whether a class that is to go may. Where filters hold it they go first if what is foreign may go; else the class stays
    /// and is reported.
    pub(super) fn may_go(&mut self, seen: &Device, class: &Class, instead: &str) -> bool {
        let holders: Vec<usize> = self.pins.of(seen, class.id).collect();
        let Some(first) = holders.first().and_then(|i| seen.filters().get(*i)) else {
            return true;
        };
        if !self.takeover {
            let why = format!(
                "{instead}: {} points at it or at a class below it, and HTB keeps a class in use",
                said(first)
            );
            self.kept.push((class.id, why));
            self.inner.push(class.parent);
            return false;
        }
        for filter in holders.iter().filter_map(|i| seen.filters().get(*i)) {
            self.unpin(filter);
        }
        true
    }

    /// Takes a filter away, once.
    fn unpin(&mut self, filter: &Filter) {
        let object = Object::Filter(Box::new(filter.clone()));
        if self.unpinned.iter().any(|op| op.object == object) {
            return;
        }
        self.unpinned.push(Op {
            device: self.device,
            action: Action::Delete,
            loss: Loss::Free,
            reason: Reason::InTheWay,
            before: Before::Object(Box::new(object.clone())),
            object,
        });
    }

    /// What stayed, for the plan's report.
    pub(super) fn left(&mut self, device: &DevName) -> impl Iterator<Item = LeftAlone> {
        let kept = core::mem::take(&mut self.kept).into_iter();
        kept.map(|(handle, why)| LeftAlone {
            object: "class",
            device: device.clone(),
            handle,
            why,
        })
    }
}

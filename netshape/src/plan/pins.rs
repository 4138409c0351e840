//! Filters that hold classes in place: HTB does not let a class go while a filter points at it, nor its ancestors, since those
//! have children then.

use super::classify;
use super::disruption::Disruption;
use super::filter_words::said;
use super::left_alone::KEPT;
use super::left_alone::LeftAlone;
use super::op::{Before, Object, Op};
use super::readd;
use super::reason::{Action, Reason};
use super::work::Work;
use crate::netlink::ObjectKind;
use crate::object::{Class, Device, Filter, FilterKind, Handle};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Levels to climb at the most; what was observed may be anything.
const LEVELS: usize = 64;

/// What holds a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pin {
    /// It is the class of a container whose section is refused, or above it: that class's minor number.
    Refused(u16),
    /// A filter, by index.
    Filter(usize),
}

/// Which classes of a device can't go, and why. Looked up when the first class is to go.
#[derive(Debug, Default)]
pub(super) struct Pins {
    /// A class and what holds it, sorted.
    held: Option<Vec<(Handle, Pin)>>,
}

impl Pins {
    /// What holds a class: first what nobody may take off.
    fn of(
        &mut self,
        (seen, classified): (&Device, bool),
        refused: impl Iterator<Item = u16>,
        class: Handle,
    ) -> impl Iterator<Item = Pin> {
        let held = self
            .held
            .get_or_insert_with(|| pins(seen, classified, refused));
        let first = held.partition_point(|(c, _)| *c < class);
        let rest = held.get(first..).unwrap_or(&[]).iter();
        rest.take_while(move |(c, _)| *c == class)
            .map(|(_, pin)| *pin)
    }
}

/// `classified`: whether the device is an uplink, whose filters of ours lead to classes.
fn pins(seen: &Device, classified: bool, refused: impl Iterator<Item = u16>) -> Vec<(Handle, Pin)> {
    let mut held = Vec::new();
    let mut climb = |from: Option<Handle>, pin| {
        let mut at = from.and_then(|c| seen.class(c));
        for _ in 0..LEVELS {
            let Some(class) = at else { break };
            held.push((class.id, pin));
            at = seen.class(class.parent);
        }
    };
    // Ours go with the steps that need them gone.
    let others = seen.filters().iter().enumerate();
    for (i, filter) in others.filter(|(_, f)| !(classified && classify::is_ours(f))) {
        climb(target(filter), Pin::Filter(i));
    }
    let major = seen.root().map_or(0, |r| r.handle.major());
    for minor in refused {
        climb(Some(Handle::new(major, minor)), Pin::Refused(minor));
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

impl Work<'_> {
    /// Whether a class that is to go may. Where filters hold it they go first if what is foreign may go and can be put back; else
    /// the class stays and is reported, and so does the class of a container whose section is refused.
    pub(super) fn may_go(&mut self, seen: &Device, class: &Class, instead: &str) -> bool {
        let why = match self.holder(seen, class) {
            Ok(filters) => {
                filters.into_iter().for_each(|f| self.unpin(f));
                return true;
            }
            Err(why) => format!("{instead}: {why}"),
        };
        self.kept.push((class.id, why));
        self.inner.push(class.parent);
        false
    }

    /// The filters that have to go before a class.
    ///
    /// # Errors
    /// Why it can't go at all.
    fn holder(&mut self, seen: &Device, class: &Class) -> Result<Vec<Filter>, String> {
        if self.host.held.everything() {
            return Err(KEPT.into());
        }
        let uplink = self.host.uplink_direction(self.name).is_some();
        let refused = self.host.held.minors().filter(|_| uplink).map(|(m, _)| m);
        let pins: Vec<Pin> = self.pins.of((seen, uplink), refused, class.id).collect();
        let mut filters = Vec::new();
        for pin in pins {
            let filter = match pin {
                Pin::Refused(minor) => {
                    let mut held = self.host.held.minors();
                    let id = held.find(|(m, _)| *m == minor).map_or("", |(_, id)| id);
                    return Err(format!(
                        "it is, or is above, the class of container {id}, whose section is refused"
                    ));
                }
                Pin::Filter(i) => seen.filters().get(i),
            };
            let Some(filter) = filter else { continue };
            let said = said(filter);
            if !self.takeover {
                return Err(format!(
                    "{said} points at it or at a class below it, and HTB keeps a class in use"
                ));
            }
            match readd::again(filter, self.name, self.observed, &mut self.targets) {
                Ok(again) => filters.push(again),
                Err(why) => {
                    return Err(format!(
                        "{said} points at it or at a class below it, and could not be put back: {why}"
                    ));
                }
            }
        }
        Ok(filters)
    }

    /// Takes a filter away, once.
    fn unpin(&mut self, filter: Filter) {
        let object = Object::Filter(Box::new(filter));
        if self.unpinned.iter().any(|op| op.object == object) {
            return;
        }
        self.unpinned.push(Op {
            device: self.device,
            action: Action::Delete,
            disruption: Disruption::Free,
            reason: Reason::InTheWay,
            before: Before::Object(Box::new(object.clone())),
            object,
        });
    }

    /// What stayed, for the plan's report.
    pub(super) fn left(&mut self) -> impl Iterator<Item = LeftAlone> {
        let (kept, device) = (core::mem::take(&mut self.kept), self.name);
        kept.into_iter().map(|(handle, why)| LeftAlone {
            object: ObjectKind::Class,
            device: device.clone(),
            handle,
            reason: why,
        })
    }
}

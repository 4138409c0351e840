//! Priorities that can't be mended filter by filter, and the numbers that the kernel gives their own tables.

use super::rows::{FIRST_ROOT, NODE, WITHIN, is_ours, protocol};
use super::steps::{Classes, Steps, op, u32_of};
use crate::object::{Device, Filter, FilterKind, Handle, U32};
use crate::plan::filter_words::plain;
use crate::plan::op::{Before, Object};
use crate::plan::reason::{Action, Reason};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

/// Whether tables would be left alone by steps that count on them: the kernel drops a priority with the last filter that is in one.
pub(super) fn empties(classes: Classes<'_>, steps: &Steps) -> bool {
    let parent = Handle::qdisc(classes.major);
    let rows = classes.seen.filters().iter().filter(|f| f.parent == parent);
    let nodes = rows
        .clone()
        .filter(|f| is_ours(f) && f.handle & NODE != 0)
        .count();
    let gone = steps
        .off
        .iter()
        .filter(|op| op.action == Action::Delete)
        .count();
    let tables = rows.filter(|f| is_ours(f) && f.handle != 0).count() > nodes;
    tables && gone >= nodes && !steps.on.is_empty()
}

/// Whether something of ours leads to a table that is not there, or to one of another size: somebody took a whole priority off, whose
/// tables the kernel shows no longer and whose numbers stay taken while another of ours is there.
pub(super) fn is_torn(rows: &[&Filter]) -> bool {
    let is_table = |f: &&&Filter| f.handle & WITHIN == 0 && f.handle < FIRST_ROOT;
    let tables: BTreeSet<u32> = rows.iter().filter(is_table).map(|f| f.handle).collect();
    let mut rows = rows.iter().filter_map(|f| Some((f, u32_of(f)?)));
    rows.any(|(f, u32)| {
        let table = is_table(&f) && u32.divisor() != Some(256);
        table || u32.link().is_some_and(|l| l != 0 && !tables.contains(&l))
    })
}

/// Takes our priorities off whole, those first whose filters lead into others' tables. What leads to no table that is there could not be put
/// back, and is not.
pub(super) fn rebuild(device: u32, seen: &Device, parent: Handle, steps: &mut Steps) {
    let rows = || {
        seen.filters()
            .iter()
            .filter(|f| f.parent == parent && f.chain == 0)
    };
    let there = |l: u32| l == 0 || rows().any(|f| f.handle == l);
    let whole = |f: &&Filter| u32_of(f).and_then(U32::link).is_none_or(there);
    let mut prios: Vec<(u16, u16)> = rows()
        .filter(|f| is_ours(f))
        .map(|f| (f.prio, f.protocol))
        .collect();
    prios.dedup();
    for (prio, protocol) in prios.into_iter().rev() {
        let mut tree = Device::new();
        for row in rows().filter(|f| f.prio == prio).filter(whole) {
            tree.put_filter(plain(row));
        }
        let head = Filter {
            parent,
            chain: 0,
            prio,
            protocol,
            handle: 0,
            kind: FilterKind::U32(Box::new(U32 { parts: vec![] })),
        };
        let object = Object::Filter(Box::new(head));
        let before = Before::Tree(Box::new(tree));
        let delete = op(device, Action::Delete, Reason::InTheWay, object, before);
        steps.off.push(delete);
    }
}

/// Numbers of the priorities' own tables, which steps that take a new filter off again have to say. The kernel gives the first priority
/// of a qdisc 800:, and each that comes then the number behind the last one (where others came and went it may be a later one).
pub(super) struct Roots {
    known: Vec<(u16, u32)>,
    next: u32,
}

impl Roots {
    /// `torn`: whether ours go first.
    pub(super) fn new(seen: &Device, parent: Handle, torn: bool) -> Self {
        let here = |f: &&Filter| f.parent == parent && matches!(f.kind, FilterKind::U32(_));
        let table = |f: &&Filter| f.handle >= FIRST_ROOT && f.handle & WITHIN == 0;
        let stays = |f: &&Filter| !torn || protocol(f.prio) != Some(f.protocol);
        let rows = seen.filters().iter().filter(here).filter(table);
        let rows = rows.filter(stays).map(|f| (f.prio, f.handle));
        let known: Vec<(u16, u32)> = rows.collect();
        let last = known.iter().map(|(_, handle)| *handle).max();
        let next = last.map_or(FIRST_ROOT, |l| l.saturating_add(1 << 20));
        Self { known, next }
    }

    pub(super) fn come(&mut self, prio: u16) {
        if self.known.iter().all(|(p, _)| *p != prio) {
            self.known.push((prio, self.next));
            self.next = self.next.saturating_add(1 << 20);
        }
    }

    pub(super) fn of(&self, prio: u16) -> u32 {
        let found = self.known.iter().find(|(p, _)| *p == prio);
        found.map_or(0, |(_, handle)| *handle)
    }
}

//! From the filters that are there to those that are wanted.

use super::layout::{FAMILIES, Family, Layout, Octets, hash_key, octets};
use super::rows::{
    FIRST_ROOT, Maker, NODE, TAGGED_PRIO, alike, is_in_own_table, is_ours, selector,
};
use super::torn::{Roots, empties, is_torn, rebuild};
use crate::object::{Device, Filter, FilterKind, Handle, U32};
use crate::plan::disruption::Disruption;
use crate::plan::filter_words::plain;
use crate::plan::op::{Before, Object, Op};
use crate::plan::reason::{Action, Reason};
use crate::policy::{Direction, Host, Refusal, RefusalKind};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Most filters that the kernel keeps apart in one bucket: past that it hands the last number out again.
const NODES: u32 = 0xfff;

/// What is known of the classes that filters point at.
#[derive(Clone, Copy)]
pub(in crate::plan) struct Classes<'a> {
    pub(in crate::plan) host: &'a Host,
    pub(in crate::plan) direction: Direction,
    /// Major number of the root.
    pub(in crate::plan) major: u16,
    /// Those that go, be it to come again elsewhere; sorted.
    pub(in crate::plan) going: &'a [Handle],
    /// The device as it is.
    pub(in crate::plan) seen: &'a Device,
}

impl Classes<'_> {
    fn goes(&self, class: Handle) -> bool {
        self.going.binary_search(&class).is_ok()
    }

    /// Whether a class is there all along.
    fn stays(&self, class: Handle) -> bool {
        self.seen.class(class).is_some() && !self.goes(class)
    }

    /// Whether a filter of ours has to stay though nobody wants it: what is refused keeps what it has.
    fn keeps(&self, row: &Filter) -> bool {
        let to = u32_of(row).and_then(U32::classid);
        let held = |to: Handle| {
            self.host
                .held
                .minors()
                .any(|(minor, _)| minor == to.minor())
        };
        self.host.held.everything() || to.is_some_and(held)
    }

    /// The addresses of one family and the classes that they lead to, in order.
    fn wanted(&self, family: &Family) -> Vec<(IpAddr, Handle)> {
        let mut wanted = Vec::new();
        for (slot, container) in self.host.containers() {
            let shared = self.host.shared(container, self.direction).is_some();
            let Some(member) = self.host.member(slot).filter(|_| shared) else {
                continue;
            };
            let class = Handle::new(self.major, member.minor);
            let here = |a: &&IpAddr| Family::of(**a) == family;
            let addresses = container.addresses.iter().filter(here);
            wanted.extend(addresses.map(|a| (*a, class)));
        }
        wanted.sort_unstable();
        wanted
    }
}

/// Steps about filters, by when they are taken.
#[derive(Default)]
pub(in crate::plan) struct Steps {
    /// Before classes go.
    pub(in crate::plan) off: Vec<Op>,
    /// Once classes are there.
    pub(in crate::plan) on: Vec<Op>,
    pub(in crate::plan) refused: Vec<Refusal>,
}

impl Steps {
    fn delete(&mut self, device: u32, row: &Filter, reason: Reason) {
        let object = Object::Filter(Box::new(plain(row)));
        let before = Before::Object(Box::new(object.clone()));
        self.off
            .push(op(device, Action::Delete, reason, object, before));
    }

    /// Takes a link off just before another comes: were all taken off first, the kernel would drop the priority with its tables.
    fn replaced(&mut self, device: u32, row: &Filter) {
        let object = Object::Filter(Box::new(plain(row)));
        let before = Before::Object(Box::new(object.clone()));
        let delete = op(device, Action::Delete, Reason::InTheWay, object, before);
        self.on.push(delete);
    }

    fn add(&mut self, device: u32, row: Filter) {
        let object = Object::Filter(Box::new(row));
        let add = op(
            device,
            Action::Add,
            Reason::Missing,
            object,
            Before::Nothing,
        );
        self.on.push(add);
    }
}

pub(super) fn op(
    device: u32,
    action: Action,
    reason: Reason,
    object: Object,
    before: Before,
) -> Op {
    Op {
        device,
        action,
        disruption: Disruption::Free,
        reason,
        object,
        before,
    }
}

pub(super) fn u32_of(filter: &Filter) -> Option<&U32> {
    match &filter.kind {
        FilterKind::U32(u32) => Some(u32),
        FilterKind::Other(_) => None,
    }
}

/// Compares the filters of one direction of the uplink. O(n log n) in addresses and filters.
pub(in crate::plan) fn compare(device: u32, classes: Classes<'_>) -> Steps {
    let steps = compared(device, classes, false);
    match empties(classes, &steps) {
        true => compared(device, classes, true),
        false => steps,
    }
}

/// The same; `anew` where our priorities are to go first.
fn compared(device: u32, classes: Classes<'_>, anew: bool) -> Steps {
    let seen = classes.seen;
    let parent = Handle::qdisc(classes.major);
    let maker = Maker {
        parent,
        direction: classes.direction,
    };
    let on_root = |f: &&Filter| f.parent == parent;
    let ours = |f: &&Filter| is_ours(f) && f.handle != 0;
    let mut rows: Vec<&Filter> = seen.filters().iter().filter(on_root).filter(ours).collect();
    let mut steps = Steps::default();
    let here = seen.filters().iter().filter(on_root);
    let strayed = here.filter(|f| is_in_own_table(f)).any(|f| !is_ours(f));
    let torn = (anew || strayed || is_torn(&rows)) && !classes.host.held.everything();
    if torn {
        rebuild(device, seen, parent, &mut steps);
        rows.clear();
    }
    let mut roots = Roots::new(seen, parent, torn);
    let mut entries = Vec::new();
    for family in FAMILIES {
        let mut one = One {
            family,
            maker,
            classes,
            device,
            steps: &mut steps,
            taken: BTreeSet::new(),
        };
        let wanted = classes.wanted(family);
        let mine =
            |f: &&&Filter| f.prio == family.prio || family.tagged.contains(&(f.handle & NODE));
        let rows: Vec<&Filter> = rows.iter().filter(mine).copied().collect();
        if wanted.is_empty() && rows.is_empty() {
            continue;
        }
        let layout = one.layout(&wanted, &rows);
        one.tables(layout, &wanted, &rows);
        one.leaves(layout, &wanted, &rows);
        one.links(layout, &wanted, &rows);
        roots.come(family.prio);
        entries.push((family, layout, wanted.is_empty(), rows));
    }
    roots.come(TAGGED_PRIO);
    for (family, layout, unused, rows) in entries {
        let wanted = maker.entries(family, layout, |prio| roots.of(prio));
        for entry in wanted {
            let same = |f: &&&Filter| {
                f.prio == entry.prio
                    && f.handle >= FIRST_ROOT
                    && f.handle & NODE == entry.handle & NODE
            };
            match rows.iter().find(same) {
                Some(row) if alike(row, &entry) => {}
                Some(row) if classes.keeps(row) => {}
                Some(row) => {
                    steps.replaced(device, row);
                    steps.add(device, entry);
                }
                None if unused => {}
                None => steps.add(device, entry),
            }
        }
    }
    steps
}

/// One family being compared.
struct One<'a> {
    family: &'static Family,
    maker: Maker,
    classes: Classes<'a>,
    device: u32,
    steps: &'a mut Steps,
    /// Filters of addresses that stay or come.
    taken: BTreeSet<u32>,
}

impl One<'_> {
    /// What tables are looked up by, given what they are looked up by now.
    fn layout(&self, wanted: &[(IpAddr, Handle)], rows: &[&Filter]) -> Layout {
        let key = |f: &&&Filter| hash_key(selector(f)?, self.family, self.maker.direction);
        let entry = rows
            .iter()
            .find(|f| f.prio == self.family.prio && f.handle >= FIRST_ROOT && f.handle & NODE != 0);
        let mut links = rows
            .iter()
            .filter(|f| f.handle >> 20 == self.family.top && f.handle & NODE != 0);
        let seen = entry
            .as_ref()
            .and_then(key)
            .zip(links.next().as_ref().and_then(key));
        let seen = seen.map(|(first, second)| Layout { first, second });
        let addresses: Vec<Octets> = wanted.iter().map(|(a, _)| octets(*a)).collect();
        Layout::choose(self.family, &addresses, seen)
    }

    /// Tables that an address needs.
    fn needed(&self, layout: Layout, wanted: &[(IpAddr, Handle)]) -> BTreeSet<u32> {
        let below = wanted
            .iter()
            .map(|(a, _)| layout.bucket(self.family, &octets(*a)) >> 20);
        below.collect()
    }

    fn tables(&mut self, layout: Layout, wanted: &[(IpAddr, Handle)], rows: &[&Filter]) {
        let there = |number: u32| rows.iter().any(|f| f.handle == number << 20);
        let top = (!wanted.is_empty()).then_some(self.family.top);
        for number in top.into_iter().chain(self.needed(layout, wanted)) {
            if !there(number) {
                let table = self.maker.table(self.family, number);
                self.steps.add(self.device, table);
            }
        }
    }

    /// The filters of addresses.
    fn leaves(&mut self, layout: Layout, wanted: &[(IpAddr, Handle)], rows: &[&Filter]) {
        let (first, family) = (self.family.below << 20, self.family);
        let within =
            |f: &&&Filter| (first..first + (256 << 20)).contains(&f.handle) && f.handle & NODE != 0;
        let mut found = vec![false; wanted.len()];
        let mut again = Vec::new();
        for row in rows.iter().filter(within) {
            let place = self
                .address(layout, row)
                .and_then(|a| wanted.binary_search_by_key(&a, |(a, _)| *a).ok());
            let place = place.filter(|i| !found.get(*i).copied().unwrap_or(true));
            let Some((i, (address, to))) = place.and_then(|i| Some((i, *wanted.get(i)?))) else {
                match self.classes.keeps(row) {
                    true => drop(self.taken.insert(row.handle)),
                    false => self.steps.delete(self.device, row, Reason::Stale),
                }
                continue;
            };
            if let Some(found) = found.get_mut(i) {
                *found = true;
            }
            self.taken.insert(row.handle);
            let leaf = self.maker.leaf(family, &octets(address), row.handle, to);
            again.extend(self.redirected(row, leaf));
        }
        for ((address, to), _) in wanted.iter().zip(&found).filter(|(_, found)| !**found) {
            let octets = octets(*address);
            let bucket = layout.bucket(family, &octets);
            let free = (1..=NODES).find(|n| !self.taken.contains(&(bucket | n)));
            let Some(node) = free else {
                self.refuse();
                break;
            };
            self.taken.insert(bucket | node);
            again.push(self.maker.leaf(family, &octets, bucket | node, *to));
        }
        again
            .into_iter()
            .for_each(|leaf| self.steps.add(self.device, leaf));
    }

    /// The address of a filter that compares one, and is where that is looked for.
    fn address(&self, layout: Layout, row: &Filter) -> Option<IpAddr> {
        let sel = selector(row)?;
        let address = self.family.address(&sel.keys, self.maker.direction)?;
        let octets = octets(address);
        let leaf = self
            .maker
            .leaf(self.family, &octets, row.handle, Handle::NONE);
        let here = layout.bucket(self.family, &octets) == row.handle & !NODE;
        (here && alike(row, &leaf)).then_some(address)
    }

    /// Has a filter that is there lead to the class that is wanted: in place where both classes are there, else off and on again.
    /// `change` moves the class and would keep what is matched, whatever it said.
    fn redirected(&mut self, row: &Filter, leaf: Filter) -> Option<Filter> {
        let target = |f: &Filter| u32_of(f).and_then(U32::classid).unwrap_or_default();
        let (from, to) = (target(row), target(&leaf));
        if from == to && !self.classes.goes(to) {
            return None;
        }
        if from != to && self.classes.stays(to) {
            let object = Object::Filter(Box::new(leaf));
            let before = Before::Object(Box::new(Object::Filter(Box::new(plain(row)))));
            self.steps.off.push(op(
                self.device,
                Action::Change,
                Reason::Differs,
                object,
                before,
            ));
            return None;
        }
        self.steps.delete(self.device, row, Reason::InTheWay);
        Some(leaf)
    }

    fn refuse(&mut self) {
        let (given, limit) = (NODES as usize + 1, NODES as usize);
        let kind = RefusalKind::TooMany { given, limit };
        let refusal = Refusal::new("container.addresses alike in all but two bytes", kind);
        self.steps.refused.push(refusal);
    }

    /// From the first level to the second.
    fn links(&mut self, layout: Layout, wanted: &[(IpAddr, Handle)], rows: &[&Filter]) {
        let (top, below) = (self.family.top, self.family.below);
        let mut needed = self.needed(layout, wanted);
        for row in rows
            .iter()
            .filter(|f| f.handle >> 20 == top && f.handle & NODE != 0)
        {
            let number = below + (row.handle >> 12 & 0xff);
            let link = self.maker.link(self.family, layout, number);
            if (row.handle == link.handle && alike(row, &link)) || self.classes.keeps(row) {
                if row.handle == link.handle {
                    needed.remove(&number);
                }
                continue;
            }
            self.steps.replaced(self.device, row);
        }
        for number in needed {
            let link = self.maker.link(self.family, layout, number);
            self.steps.add(self.device, link);
        }
    }
}

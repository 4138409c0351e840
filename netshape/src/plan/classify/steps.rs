//! From the filters that are there to those that are wanted.

use super::layout::{FAMILIES, Family, Layout, Octets, hash_key, octets};
use super::rows::{
    FIRST_ROOT, Maker, NODE, TAGGED_PRIO, WITHIN, alike, is_in_own_table, is_ours, protocol,
    selector,
};
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

fn op(device: u32, action: Action, reason: Reason, object: Object, before: Before) -> Op {
    Op {
        device,
        action,
        disruption: Disruption::Free,
        reason,
        object,
        before,
    }
}

fn u32_of(filter: &Filter) -> Option<&U32> {
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

/// Whether tables would be left alone by steps that count on them: the kernel drops a priority with the last filter that is in one.
fn empties(classes: Classes<'_>, steps: &Steps) -> bool {
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

/// Whether something of ours leads to a table that is not there, or to one of another size: somebody took a whole priority off, whose
/// tables the kernel shows no longer and whose numbers stay taken while another of ours is there.
fn is_torn(rows: &[&Filter]) -> bool {
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
fn rebuild(device: u32, seen: &Device, parent: Handle, steps: &mut Steps) {
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
struct Roots {
    known: Vec<(u16, u32)>,
    next: u32,
}

impl Roots {
    /// `torn`: whether ours go first.
    fn new(seen: &Device, parent: Handle, torn: bool) -> Self {
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

    fn come(&mut self, prio: u16) {
        if self.known.iter().all(|(p, _)| *p != prio) {
            self.known.push((prio, self.next));
            self.next = self.next.saturating_add(1 << 20);
        }
    }

    fn of(&self, prio: u16) -> u32 {
        let found = self.known.iter().find(|(p, _)| *p == prio);
        found.map_or(0, |(_, handle)| *handle)
    }
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

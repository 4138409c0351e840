//! Counters per service: on nodes, in locations, in neighbourhoods, and how many of its tasks have moved.

use crate::model::Model;
use alloc::vec;
use alloc::vec::Vec;

/// Entries that one table may have at most; a larger one is not kept and the service's members are
/// scanned instead.
const TABLE_LIMIT: usize = 1 << 28;
const NONE: u32 = u32::MAX;

/// A count per (service that takes part, place).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Row of each service, or `NONE`.
    row: Vec<u32>,
    places: usize,
    /// Empty when the table would be too large.
    counts: Vec<u32>,
}

impl Counts {
    fn new(services: usize, places: usize, takes_part: impl Fn(usize) -> bool) -> Self {
        let mut rows = 0_u32;
        let row = (0..services)
            .map(|s| {
                let row = if takes_part(s) { rows } else { return NONE };
                rows += 1;
                row
            })
            .collect();
        let size = (rows as usize).saturating_mul(places);
        let counts = if size <= TABLE_LIMIT {
            vec![0; size]
        } else {
            Vec::new()
        };
        Self {
            row,
            places,
            counts,
        }
    }

    /// Whether the constraint touches the service at all.
    #[inline]
    pub(crate) fn has(&self, service: usize) -> bool {
        self.row[service] != NONE
    }

    /// The count, or nothing where no table is kept.
    #[inline]
    fn get(&self, service: usize, place: usize) -> Option<u32> {
        self.counts
            .get(self.row[service] as usize * self.places + place)
            .copied()
    }

    #[inline]
    fn add(&mut self, service: usize, place: usize, by: i32) {
        if self.row[service] == NONE {
            return;
        }
        if let Some(c) = self
            .counts
            .get_mut(self.row[service] as usize * self.places + place)
        {
            *c = c.wrapping_add_signed(by);
        }
    }
}

/// All counters of a placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tables {
    pub(crate) nodes: Counts,
    pub(crate) locations: Counts,
    pub(crate) neighbourhoods: Counts,
    /// Moved tasks per service, how many services have each number, and the largest number.
    moved: Vec<u32>,
    having: Vec<u32>,
    worst: usize,
    /// Locations with tasks of each service, where a table of locations is kept.
    places: Vec<u32>,
}

impl Tables {
    pub(crate) fn new(model: &Model, at: &[u32]) -> Self {
        let services = model.services();
        let size = |s: usize| model.members.of(s).len();
        let depends =
            |s: usize| !model.depends.of(s).is_empty() || !model.dependents.of(s).is_empty();
        let largest = (0..services).map(size).max().unwrap_or(0);
        let mut having = vec![0; largest + 2];
        having[0] = services as u32;
        let mut tables = Self {
            nodes: Counts::new(services, model.nodes, |s| {
                size(s) > model.per_node[s] as usize
            }),
            locations: Counts::new(services, model.locations, |s| model.spread[s] > 1),
            neighbourhoods: Counts::new(services, model.neighbourhoods, depends),
            moved: vec![0; services],
            having,
            worst: 0,
            places: vec![0; services],
        };
        for (task, node) in at.iter().enumerate() {
            tables.count(model, model.service_of[task] as usize, *node as usize, 1);
        }
        tables
    }

    fn count(&mut self, model: &Model, service: usize, node: usize, by: i32) {
        self.nodes.add(service, node, by);
        if self.locations.has(service) {
            let location = model.location[node] as usize;
            self.locations.add(service, location, by);
            // Its first task there, or its last one gone.
            if self.locations.get(service, location) == Some(u32::from(by > 0)) {
                self.places[service] = self.places[service].wrapping_add_signed(by);
            }
        }
        self.neighbourhoods
            .add(service, model.neighbourhood[node] as usize, by);
    }

    /// Follows a task from one node to another.
    pub(crate) fn shift(
        &mut self,
        model: &Model,
        task: usize,
        (from, to): (usize, usize),
        home: usize,
    ) {
        let service = model.service_of[task] as usize;
        self.count(model, service, from, -1);
        self.count(model, service, to, 1);
        if from == home {
            self.count_moved(service, 1);
        } else if to == home {
            self.count_moved(service, -1);
        }
    }

    /// A moved task of the service is at home again where it stands.
    pub(crate) fn settle(&mut self, model: &Model, task: usize) {
        self.count_moved(model.service_of[task] as usize, -1);
    }

    fn count_moved(&mut self, service: usize, by: i32) {
        let before = self.moved[service] as usize;
        let after = before.saturating_add_signed(by as isize);
        self.having[before] -= 1;
        self.having[after] += 1;
        self.moved[service] = after as u32;
        let last_of_worst = before == self.worst && self.having[before] == 0;
        if after > self.worst || last_of_worst {
            self.worst = after;
        }
    }

    /// The largest number of moved tasks in one service.
    #[inline]
    pub(crate) fn worst_moved(&self) -> usize {
        self.worst
    }

    /// What [`Tables::worst_moved`] would be after the services' counts changed by so much.
    pub(crate) fn worst_after(&self, changes: [(usize, i32); 2]) -> usize {
        let [(a, by_a), (b, by_b)] = changes;
        if by_a == 0 && by_b == 0 {
            return self.worst;
        }
        let changes = if a == b {
            [(a, by_a + by_b), (a, 0)]
        } else {
            changes
        };
        let after = |(s, by): (usize, i32)| self.moved[s].wrapping_add_signed(by) as usize;
        let changed = after(changes[0]).max(if a == b { 0 } else { after(changes[1]) });
        let mut level = self.worst;
        while level > changed {
            let mut others = self.having[level];
            others -= u32::from(self.moved[a] as usize == level);
            others -= u32::from(a != b && self.moved[b] as usize == level);
            if others > 0 {
                return level;
            }
            level -= 1;
        }
        changed
    }

    /// Tasks of the service on a node.
    pub(crate) fn on_node(&self, model: &Model, at: &[u32], service: usize, node: usize) -> u32 {
        let here = |n: usize| n == node;
        self.nodes
            .get(service, node)
            .unwrap_or_else(|| scan(model, at, service, here))
    }

    /// Tasks of the service in a location.
    pub(crate) fn in_location(&self, model: &Model, at: &[u32], service: usize, l: usize) -> u32 {
        let here = |n: usize| model.location[n] as usize == l;
        self.locations
            .get(service, l)
            .unwrap_or_else(|| scan(model, at, service, here))
    }

    /// Tasks of the service in a neighbourhood.
    pub(crate) fn in_neighbourhood(
        &self,
        model: &Model,
        at: &[u32],
        service: usize,
        b: usize,
    ) -> u32 {
        let here = |n: usize| model.neighbourhood[n] as usize == b;
        self.neighbourhoods
            .get(service, b)
            .unwrap_or_else(|| scan(model, at, service, here))
    }

    /// Number of locations where the service has tasks; O(its tasks) where no table is kept.
    pub(crate) fn spread(&self, model: &Model, at: &[u32], service: usize) -> u32 {
        if !self.locations.counts.is_empty() {
            return self.places[service];
        }
        let members = model.members.of(service);
        let mut seen: Vec<u32> = members
            .iter()
            .map(|t| model.location[at[*t as usize] as usize])
            .collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len() as u32
    }
}

fn scan(model: &Model, at: &[u32], service: usize, here: impl Fn(usize) -> bool) -> u32 {
    let members = model.members.of(service);
    members
        .iter()
        .filter(|t| here(at[**t as usize] as usize))
        .count() as u32
}

//! What one stream wants of one type, what it has been told, and what is due to it.

use super::catalog::{Catalog, Kind, Resource};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most resources and bytes of one response; a single larger resource goes alone.
const MOST_RESOURCES: usize = 256;
const MOST_BYTES: usize = 1 << 20;
/// The most responses of which it is remembered what was in them; a client that acknowledges none cannot make it more.
const MOST_SENT: usize = 1024;
/// Stands for all resources of a type.
const WILDCARD: &str = "*";

/// A response's resources.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) present: Vec<(Box<str>, Resource)>,
    pub(super) absent: Vec<Box<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Subscription {
    wildcard: bool,
    /// Whether names were ever asked for: a list that is empty from then on is none, and not all.
    named: bool,
    names: BTreeSet<Box<str>>,
    /// Versions of what it was told last, taken or not.
    told: BTreeMap<Box<str>, u64>,
    /// To be answered, whatever it was told.
    asked: BTreeSet<Box<str>>,
    /// To be compared with what it was told.
    pending: BTreeSet<Box<str>>,
    /// Rejected in the company of others: each is told once more, alone.
    alone: BTreeSet<Box<str>>,
    /// A response is due, be there something in it or not.
    answer: bool,
    /// Responses by nonce, and what was in those that were not acknowledged.
    sent: VecDeque<(u64, Option<Vec<Box<str>>>)>,
}

impl Subscription {
    /// How many bytes the names have that are remembered.
    pub(super) fn size(&self) -> usize {
        let names = self.names.iter().chain(self.told.keys());
        names.map(|name| name.len()).sum()
    }

    /// Delta's first request: without names it is for everything. What the client has from before is compared like anything else;
    /// what it names is answered all the same.
    pub(super) fn begin(&mut self, initial: impl IntoIterator<Item = (String, String)>) {
        self.answer = true;
        for (name, version) in initial {
            // One that is not ours fits nothing.
            let version = u64::from_str_radix(&version, 16).unwrap_or(0);
            self.told.insert(name.into(), version);
        }
    }

    /// Delta's changes of what is wanted.
    pub(super) fn change(&mut self, subscribe: Vec<String>, unsubscribe: Vec<String>, first: bool) {
        if first && subscribe.is_empty() {
            self.wildcard = true;
        }
        for name in subscribe {
            if name == WILDCARD {
                self.wildcard = true;
                self.answer = true;
                continue;
            }
            let name: Box<str> = name.into();
            self.asked.insert(name.clone());
            self.names.insert(name);
        }
        for name in unsubscribe {
            if name == WILDCARD {
                self.wildcard = false;
                self.told.retain(|name, _| self.names.contains(name));
                continue;
            }
            let held = self.names.remove(&*name);
            if self.wildcard && held {
                // Still wanted, as one of all: the client has thrown it away.
                self.asked.insert(name.into());
            } else if !self.wildcard {
                self.told.remove(&*name);
                self.asked.remove(&*name);
            }
        }
    }

    /// State of the world: all that is wanted from now on. Another list than before is answered, be there something new in it or not.
    pub(super) fn replace(&mut self, names: Vec<String>, first: bool) {
        let wildcard = (names.is_empty() && !self.named) || names.iter().any(|n| n == WILDCARD);
        let names = names.into_iter().filter(|name| name != WILDCARD);
        let names: BTreeSet<Box<str>> = names.map(Into::into).collect();
        if !first && wildcard == self.wildcard && names == self.names {
            return;
        }
        self.named |= !names.is_empty();
        self.answer = true;
        let new = names.difference(&self.names).cloned();
        let before = self.asked.len();
        self.asked.extend(new);
        if self.asked.len() == before {
            self.asked.extend(names.iter().cloned());
        }
        self.asked.retain(|name| names.contains(name));
        self.told.retain(|name, _| wildcard || names.contains(name));
        (self.wildcard, self.names) = (wildcard, names);
    }

    /// Whether this is the latest response's nonce.
    pub(super) fn is_latest(&self, nonce: u64) -> bool {
        self.sent.back().is_some_and(|(latest, _)| *latest == nonce)
    }

    /// A response was taken, or rejected. What was rejected with others is told once more by itself, so that one that is bad does
    /// not keep the rest; what was alone waits until it is another one. False if it is of none, or was said before.
    pub(super) fn acknowledged(&mut self, nonce: u64, rejected: bool) -> bool {
        let Some(place) = self.sent.iter().position(|(sent, _)| *sent == nonce) else {
            return false;
        };
        self.sent.drain(..place);
        // It stays, if only as the latest: a request that names it is no stale one.
        let Some(names) = self.sent.front_mut().and_then(|(_, names)| names.take()) else {
            return false;
        };
        if rejected && names.len() > 1 {
            self.alone.extend(names);
        }
        true
    }

    /// Everything may have changed.
    pub(super) fn look(&mut self, kind: &Kind, catalog: &Catalog) {
        let told = self.told.keys().cloned();
        self.pending.extend(told);
        self.pending.extend(self.names.iter().cloned());
        if self.wildcard {
            self.pending.extend(catalog.names(kind).map(Into::into));
        }
    }

    /// What is due, as much as fits in one response; it counts as told. None if nothing is.
    pub(super) fn next(&mut self, kind: &Kind, catalog: &Catalog, nonce: u64) -> Option<Batch> {
        let mut batch = Batch::default();
        if let Some(name) = self.alone.pop_first() {
            self.add(kind, catalog, name, &mut batch);
        } else {
            self.gather(kind, catalog, &mut batch);
        }
        let answers = std::mem::take(&mut self.answer);
        if batch == Batch::default() && !answers {
            return None;
        }
        Some(self.noted(batch, nonce))
    }

    /// State of the world, for types whose response holds all there is: all of it if some of it is due.
    pub(super) fn next_whole(
        &mut self,
        kind: &Kind,
        catalog: &Catalog,
        nonce: u64,
    ) -> Option<Batch> {
        let answers = std::mem::take(&mut self.answer);
        (self.asked, self.pending, self.alone) = Default::default();
        let all: Vec<Box<str>> = match self.wildcard {
            true => catalog.names(kind).map(Into::into).collect(),
            false => self.names.iter().cloned().collect(),
        };
        let before = std::mem::take(&mut self.told);
        let mut batch = Batch::default();
        for name in all {
            self.add(kind, catalog, name, &mut batch);
        }
        if self.told == before && !answers {
            return None;
        }
        Some(self.noted(batch, nonce))
    }

    /// Whether something may be due.
    pub(super) fn is_due(&self) -> bool {
        self.answer || !(self.asked.is_empty() && self.pending.is_empty() && self.alone.is_empty())
    }

    fn gather(&mut self, kind: &Kind, catalog: &Catalog, batch: &mut Batch) {
        let mut bytes = 0;
        while bytes < MOST_BYTES && batch.present.len() + batch.absent.len() < MOST_RESOURCES {
            let asked = self.asked.pop_first();
            let is_asked = asked.is_some();
            let Some(name) = asked.or_else(|| self.pending.pop_first()) else {
                return;
            };
            self.pending.remove(&name);
            let told = self.told.get(&name).copied();
            let wanted = self.wildcard || self.names.contains(&name);
            let resource = catalog.get(kind, &name).filter(|_| wanted);
            let version = resource.as_ref().map(|r| r.version);
            if is_asked || told != version {
                bytes += resource.map_or(0, |r| r.content.len());
                self.add(kind, catalog, name, batch);
            }
        }
    }

    fn add(&mut self, kind: &Kind, catalog: &Catalog, name: Box<str>, batch: &mut Batch) {
        match catalog.get(kind, &name) {
            Some(resource) => {
                self.told.insert(name.clone(), resource.version);
                batch.present.push((name, resource));
            }
            None => {
                self.told.remove(&name);
                batch.absent.push(name);
            }
        }
    }

    fn noted(&mut self, batch: Batch, nonce: u64) -> Batch {
        let names = batch.present.iter().map(|(name, _)| name.clone());
        self.sent.push_back((nonce, Some(names.collect())));
        if self.sent.len() > MOST_SENT {
            self.sent.pop_front();
        }
        batch
    }
}

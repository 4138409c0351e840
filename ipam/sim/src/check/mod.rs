//! What must hold, by the stored records and by what the hosts know; none of the allocator's own code is asked.

mod moves_on;
mod quiet;
mod relations;
mod seen;

use crate::setup::Setup;
use crate::world::{Operation, World};
use ipam::Timestamp;
use seen::Mirror;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// An owner with one of its tokens.
pub(crate) type Token = (String, u64);

/// The end of a hold of an address.
#[derive(Clone, Debug)]
struct Ended {
    at: Timestamp,
    owner: String,
    workload: Option<String>,
}

/// A suspicion, as it was committed.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    /// When the operation began that raised it.
    began: Timestamp,
    /// When it was committed.
    committed: Timestamp,
}

/// Everything that is remembered to judge what comes next.
#[derive(Debug)]
pub(crate) struct Checks {
    /// What is wrong.
    pub(crate) broken: Option<String>,
    /// Whether commits are looked at.
    pub(crate) watching: bool,
    mirror: Mirror,
    slack: Duration,
    /// Whose release was asked for.
    asked: BTreeSet<Token>,
    suspected: BTreeMap<Token, Suspicion>,
    ended: BTreeMap<IpAddr, Ended>,
    /// Workloads whose records were rebuilt: what waited for the end of a move stays with them for a day.
    rebuilt: BTreeSet<String>,
    /// The highest token of each owner and of each address.
    of_owner: BTreeMap<String, u64>,
    of_address: BTreeMap<IpAddr, u64>,
}

impl Checks {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            broken: None,
            watching: true,
            mirror: Mirror::default(),
            slack: setup.slack(),
            asked: BTreeSet::new(),
            suspected: BTreeMap::new(),
            ended: BTreeMap::new(),
            rebuilt: BTreeSet::new(),
            of_owner: BTreeMap::new(),
            of_address: BTreeMap::new(),
        }
    }

    /// Notes what is wrong; the first counts.
    pub(crate) fn fail(&mut self, line: impl FnOnce() -> String) {
        self.broken.get_or_insert_with(line);
    }

    /// Whether somebody suspected this claim, and it gave no sign of life since.
    pub(crate) fn is_suspected(&self, owner: &str, sequence: u64) -> bool {
        self.suspected.contains_key(&(owner.to_owned(), sequence))
    }

    /// The keys of damaged records.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = &String> {
        self.mirror.damaged.iter()
    }

    /// Whether nobody holds anything.
    pub(crate) fn is_unused(&self) -> bool {
        self.mirror.claims.is_empty()
    }

    /// Whether the store vouches for its records proving each other.
    pub(crate) fn vouched(&self) -> bool {
        self.mirror.vouched
    }

    /// The workloads that move, as their records say.
    pub(crate) fn moving(&self) -> Vec<String> {
        let workloads = self.mirror.workloads.values();
        workloads
            .filter(|w| w.moving)
            .map(|w| w.name.clone())
            .collect()
    }
}

impl World {
    /// A release of this very claim is asked for: its end is rightful from now on.
    pub(crate) fn release_asked(&mut self, owner: &str, sequence: u64) {
        self.checks.asked.insert((owner.to_owned(), sequence));
    }

    /// An owner's claim or renewal, sent then, was answered: whatever suspected it before is over.
    pub(crate) fn sign_of_life(&mut self, owner: &str, sequence: u64, sent: Timestamp) {
        let token = (owner.to_owned(), sequence);
        let suspicion = self.checks.suspected.get(&token);
        if suspicion.is_some_and(|s| s.committed <= sent) {
            self.checks.suspected.remove(&token);
        }
    }

    /// A commit took effect.
    pub(crate) fn committed(
        &mut self,
        operation: &Operation,
        put: Vec<(String, Vec<u8>)>,
        delete: Vec<String>,
    ) {
        if !self.checks.watching {
            return;
        }
        let deleted = delete.into_iter().map(|key| (key, None));
        let changed = put.into_iter().map(|(key, value)| (key, Some(value)));
        let changed: Vec<_> = changed.chain(deleted).collect();
        self.check_damaged_stays(operation, &changed);
        let keys: Vec<String> = changed.iter().map(|(key, _)| key.clone()).collect();
        let before = self.checks.mirror.take_over(changed);
        match before {
            Ok(before) => self.check_moves_on(operation, &before),
            Err(line) => self.checks.fail(|| format!("{}: {line}", operation.name)),
        }
        self.check_relations(&keys);
    }

    /// A record is damaged: what was known of it stays so until it is written again.
    pub(crate) fn note_damage(&mut self, key: &str) {
        self.checks.mirror.damaged.insert(key.to_owned());
    }

    /// What is damaged is written over by nobody who does not repair it.
    fn check_damaged_stays(
        &mut self,
        operation: &Operation,
        changed: &[(String, Option<Vec<u8>>)],
    ) {
        let guarded = |key: &str| {
            ["b/", "c/", "w/", "p/"]
                .iter()
                .any(|kind| key.starts_with(kind))
        };
        let Checks {
            mirror, rebuilt, ..
        } = &mut self.checks;
        let damaged = &mirror.damaged;
        let workloads = changed.iter().filter(|(key, _)| damaged.contains(key));
        rebuilt.extend(workloads.filter_map(|(key, _)| Some(key.strip_prefix("w/")?.to_owned())));
        let over = changed.iter().map(|(key, _)| key);
        let mut over = over.filter(|key| guarded(key) && damaged.contains(*key));
        if let Some(key) = over.next().filter(|_| !operation.repairs) {
            let line = format!("{}: wrote over the damaged record `{key}`", operation.name);
            self.checks.fail(|| line);
        }
    }
}

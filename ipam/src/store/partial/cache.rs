//! Records as they were last known, for who asks for the same ones again and again. Nothing is believed of them but that a
//! transaction which rests on them fails where they are no longer so.

use super::view::{Entries, Entry, Source};
use crate::store::seam::{Event, Revision, Txn};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

/// Records that are held at the most: those of a few hundred claims, their workloads and blocks, several times over. Of more than
/// that a quarter goes, those that were used longest ago.
const MOST: usize = 16_384;

/// What is known of a key, and when it was last used.
#[derive(Clone, Debug)]
struct Cached {
    bytes: Option<Vec<u8>>,
    since: Revision,
    used: u64,
}

/// The records of one host.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    records: BTreeMap<String, Cached>,
    /// Whether every pool is among them.
    pools: bool,
    /// The store's latest revision that was seen.
    latest: Revision,
    /// Counts uses.
    turn: u64,
    most: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            pools: false,
            latest: 0,
            turn: 0,
            most: MOST,
        }
    }
}

impl Cache {
    /// The store's latest revision that was seen.
    pub(super) fn latest(&self) -> Revision {
        self.latest
    }

    /// A commit of that revision was seen.
    pub(super) fn saw(&mut self, revision: Revision) {
        self.latest = self.latest.max(revision);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.records.contains_key(key)
    }

    /// Takes a record that was committed at a revision.
    pub(super) fn put_one(&mut self, key: String, bytes: Vec<u8>, since: Revision) {
        self.turn += 1;
        let (bytes, source) = (Some(bytes), Source::Cache);
        self.put(
            key,
            Entry {
                bytes,
                since,
                source,
            },
        );
        self.evict();
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Nothing is known any more, but how far the store had come.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.pools = false;
    }

    /// Hands a record over to an operation: it is back once that is done.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        self.records.remove(key).map(entry)
    }

    /// Hands over all pools, if they are known.
    pub(super) fn take_pools(&mut self) -> Option<Entries> {
        if !self.pools {
            return None;
        }
        self.pools = false;
        let pools = self.keys("p/");
        let take = |key: String| Some((key.clone(), self.take(&key)?));
        Some(pools.into_iter().filter_map(take).collect())
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let below = self.records.range::<str, _>(from);
        let below = below.take_while(|(key, _)| key.starts_with(prefix));
        below.map(|(key, _)| key.clone()).collect()
    }

    /// Takes an operation's pools back, after a conflict about something else.
    pub(super) fn put_back_pools(&mut self, entries: Entries) {
        let pools = entries.into_iter().filter(|(key, _)| key.starts_with("p/"));
        pools.for_each(|(key, entry)| self.put(key, entry));
        self.pools = true;
    }

    /// Takes an operation's records, and what it committed. All pools are among them.
    pub(super) fn put_all(&mut self, entries: Entries, committed: Option<(Txn, Revision)>) {
        self.turn += 1;
        for (key, entry) in entries {
            if entry.source != Source::Assumed {
                self.put(key, entry);
            }
        }
        self.pools = true;
        if let Some((txn, revision)) = committed {
            self.note_commit(txn, revision);
        }
        self.evict();
    }

    fn put(&mut self, key: String, entry: Entry) {
        let Entry { bytes, since, .. } = entry;
        self.latest = self.latest.max(since);
        let used = self.turn;
        self.records.insert(key, Cached { bytes, since, used });
    }

    fn note_commit(&mut self, txn: Txn, revision: Revision) {
        self.latest = self.latest.max(revision);
        // Nobody else had altered them until then.
        for guard in &txn.guards {
            if let Some(known) = self.records.get_mut(&guard.key) {
                known.since = known.since.max(revision);
            }
        }
        for (key, bytes) in txn.put {
            let entry = Entry {
                bytes: Some(bytes),
                since: revision,
                source: Source::Cache,
            };
            self.put(key, entry);
        }
        // Whoever ended has nothing more to be asked.
        for key in &txn.delete {
            self.records.remove(key);
        }
    }

    /// Takes over what others changed after [`Cache::floor`], up to a revision.
    pub(super) fn note_events(&mut self, events: Vec<Event>, revision: Revision) {
        for event in events {
            if let Some(known) = self.records.get_mut(&event.key) {
                known.bytes = event.value;
            } else if event.key.starts_with("p/") {
                let (bytes, used) = (event.value, self.turn);
                let since = revision;
                self.records
                    .insert(event.key, Cached { bytes, since, used });
            }
        }
        self.records.retain(|key, known| {
            known.since = known.since.max(revision);
            // A pool that is gone is none of the pools.
            known.bytes.is_some() || !key.starts_with("p/")
        });
        self.latest = self.latest.max(revision);
    }

    /// The revision up to which all records are known, if there are any.
    pub(super) fn floor(&self) -> Option<Revision> {
        self.records.values().map(|known| known.since).min()
    }

    /// Keeps to the bound.
    fn evict(&mut self) {
        if self.records.len() <= self.most {
            return;
        }
        let mut uses: Vec<u64> = self.records.values().map(|known| known.used).collect();
        let quarter = uses.len() / 4;
        let (_, &mut oldest, _) = uses.select_nth_unstable(quarter);
        self.records
            .retain(|key, known| known.used > oldest || key.starts_with("p/"));
    }
}

fn entry(known: Cached) -> Entry {
    Entry {
        bytes: known.bytes,
        since: known.since,
        source: Source::Cache,
    }
}

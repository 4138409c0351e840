//! One operation on parts of the state, tried until it is done, refused, or others were quicker too often.

use super::build::{Known, Part};
use super::plan::Goal;
use super::view::{Entry, Source, Trust, View};
use super::warm::Warm;
use super::{ATTEMPTS, PartialReplica};
use crate::change::Change;
use crate::state::Ipam;
use crate::store::record::Record;
use crate::store::seam::{Guard, Revision, Store, StoreError, Txn};
use crate::store::subject::subject;
use crate::store::write::Altered;
use crate::time::Timestamp;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// What an attempt on a part of the state came to.
enum Attempt<T> {
    Done(T),
    /// The part cannot tell.
    Unknown,
    /// It can't by what was known from before: these keys are to be read.
    Unsure(Vec<String>),
    /// Others were quicker.
    Contended(Conflict),
}

/// What was in the way, and what is to be read again.
struct Conflict {
    key: String,
    subject: String,
    again: Vec<String>,
    /// Whether pools were in the way.
    pools: bool,
}

impl Conflict {
    /// Others committed while the keys were read.
    fn mixed(keys: Vec<String>) -> Self {
        Self {
            key: keys.first().cloned().unwrap_or_default(),
            subject: "what was read while others committed".into(),
            again: keys,
            pools: true,
        }
    }

    fn error(self) -> StoreError {
        StoreError::Contended {
            key: self.key,
            subject: self.subject,
            attempts: ATTEMPTS,
        }
    }
}

/// What an attempt begins with.
struct Beginning {
    trust: Trust,
    again: Vec<String>,
}

impl<S: Store> PartialReplica<S> {
    /// Tries until it is done. Nothing where only the whole state tells.
    pub(super) async fn operate<T, E, W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        goal: Goal<'_, '_>,
        mut decide: impl FnMut(&Ipam) -> Result<(T, Vec<Change<'static>>), E>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<Option<T>, StoreError> {
        self.cool();
        let (mut trust, mut attempt) = (goal.trust(), 0);
        let mut again = core::mem::take(&mut self.again);
        if trust == Trust::All && !again.is_empty() {
            trust = Trust::Pools;
        }
        loop {
            let beginning = Beginning { trust, again };
            let conflict = match self.attempt(now, goal, &mut decide, beginning).await? {
                Attempt::Done(answer) => return Ok(Some(answer)),
                Attempt::Unknown => return Ok(None),
                Attempt::Unsure(keys) => {
                    (trust, again) = (Trust::Nothing, keys);
                    continue;
                }
                Attempt::Contended(conflict) => conflict,
            };
            attempt += 1;
            if attempt == ATTEMPTS {
                return Err(conflict.error());
            }
            trust = match attempt == 1 && !conflict.pools {
                true => Trust::Pools,
                false => Trust::Nothing,
            };
            again = conflict.again;
            wait(self.pause(attempt - 1)).await;
        }
    }

    /// Reads, decides and commits.
    async fn attempt<T, E>(
        &mut self,
        now: Timestamp,
        goal: Goal<'_, '_>,
        decide: impl FnOnce(&Ipam) -> Result<(T, Vec<Change<'static>>), E>,
        beginning: Beginning,
    ) -> Result<Attempt<T>, StoreError> {
        let Beginning { trust, again } = beginning;
        let view = View::new(&mut self.store, now);
        let mut view = view.with(self.cache.as_mut(), trust, again);
        let part = goal.read(&mut view).await?;
        let (keys, trusting) = match &part {
            Part::State(known) => (known.keys(), known.is_trusting()),
            _ => (view.keys(), view.is_trusting()),
        };
        let stays = view.stays;
        let unsure = |keys| match trusting {
            true => Attempt::Unsure(keys),
            false => Attempt::Unknown,
        };
        let mut part = match part {
            Part::State(part) => part,
            Part::Unknown => return Ok(unsure(keys)),
            Part::Mixed => return Ok(Attempt::Contended(Conflict::mixed(keys))),
        };
        part.ipam.advance(now);
        let Ok((answer, changes)) = decide(&part.ipam) else {
            return Ok(unsure(keys));
        };
        if changes.is_empty() {
            if trusting {
                return Ok(Attempt::Unsure(keys));
            }
            self.keep(*part, None);
            return Ok(Attempt::Done(answer));
        }
        let mut altered = Altered::of_part();
        if altered.apply(&mut part.ipam, &changes).is_err() {
            return Ok(unsure(keys));
        }
        altered.count(&mut part.ipam, part.since);
        if !part.summarise(&mut altered, &mut self.store).await?
            || !altered.is_within(|key| part.entries.contains_key(key), &part.summaries)
        {
            return Ok(unsure(keys));
        }
        let txn = part.transaction(&altered);
        let kept = self.cache.is_some().then(|| txn.clone());
        match self.store.commit(txn).await {
            Ok(revision) => {
                let committed = kept.map(|txn| (txn, revision));
                match (goal, stays, committed, &mut self.cache) {
                    (Goal::Claim(request), Some(until), Some(committed), Some(cache)) => {
                        self.warm = Warm::new(*part, request, until, cache, committed);
                    }
                    (.., committed, _) => self.keep(*part, committed),
                }
                Ok(Attempt::Done(answer))
            }
            Err(StoreError::Conflict { key }) => {
                Ok(Attempt::Contended(self.conflict(*part, key, keys)))
            }
            Err(error) => Err(error),
        }
    }

    /// Others altered a key that an attempt on a part rests on. Pools are known all the same, if it is none of theirs.
    fn conflict(&mut self, part: Known, key: String, again: Vec<String>) -> Conflict {
        let subject = part.subject(&key);
        let pools = key.starts_with("p/") || key.starts_with("m/");
        if let Some(cache) = self.cache.as_mut().filter(|_| !pools) {
            cache.put_back_pools(part.entries);
        }
        Conflict {
            key,
            subject,
            again,
            pools,
        }
    }

    /// What was read, and committed, is known from now on.
    fn keep(&mut self, part: Known, committed: Option<(Txn, Revision)>) {
        if let Some(cache) = &mut self.cache {
            cache.put_all(part.entries, committed);
        }
    }
}

impl Known {
    /// The keys that were needed, but for the pools'.
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.entries.keys().filter(|key| !key.starts_with("p/"));
        keys.cloned().collect()
    }

    fn is_trusting(&self) -> bool {
        let read = |entry: &Entry| entry.source == Source::Read;
        !self.entries.values().all(read)
    }

    /// Brings the summaries up to what was altered. Pages that this alters and that are known only from before are read first: every
    /// host alters them, and what they say besides is not what was decided on. False where one is damaged.
    async fn summarise<S: Store>(
        &mut self,
        altered: &mut Altered,
        store: &mut S,
    ) -> Result<bool, StoreError> {
        altered.summarise(&self.ipam, &mut self.summaries);
        let old = |(key, entry): &(&String, &Entry)| {
            key.starts_with("s/") && entry.source == Source::Cache
        };
        let keys = self.entries.iter().filter(old).map(|(key, _)| key.clone());
        let keys: Vec<String> = keys.collect();
        if altered.pages.is_empty() || keys.is_empty() {
            return Ok(true);
        }
        self.summaries.undo(core::mem::take(&mut altered.pages));
        let (values, since) = store.get(&keys).await?;
        for (key, bytes) in keys.into_iter().zip(values) {
            let noted = match bytes
                .as_deref()
                .map(|b| Record::decode(&key, b))
                .transpose()
            {
                Ok(Some(record)) => {
                    record.has_key(&key) && self.summaries.take(&self.ipam, &record)
                }
                Ok(None) => self.summaries.drop_key(&self.ipam, &key),
                Err(_) => false,
            };
            if !noted {
                return Ok(false);
            }
            let source = Source::Read;
            self.entries.insert(
                key,
                Entry {
                    bytes,
                    since,
                    source,
                },
            );
        }
        altered.summarise(&self.ipam, &mut self.summaries);
        Ok(true)
    }

    /// The transaction that stores what was altered. It rests on that, and on all that was not read just now.
    pub(super) fn transaction(&self, altered: &Altered) -> Txn {
        let guard = |key: &str| match self.entries.get(key) {
            Some(entry) => entry.guard(key),
            None => Guard::unchanged(key, 0),
        };
        let mut txn = altered.transaction(&self.ipam, &self.summaries, guard);
        let hints = ["s/", "r/", "p/"];
        let guarded: BTreeSet<String> = txn.guards.iter().map(|g| g.key.clone()).collect();
        let rests = self.entries.iter().filter(|(key, entry)| {
            let hint = hints.iter().any(|kind| key.starts_with(kind));
            entry.source != Source::Read && !hint && !guarded.contains(*key)
        });
        txn.guards
            .extend(rests.map(|(key, entry)| entry.guard(key)));
        txn
    }

    /// A key as words.
    fn subject(&self, key: &str) -> String {
        let bytes = self.entries.get(key).and_then(|e| e.bytes.as_deref());
        let record = bytes.and_then(|bytes| Record::decode(key, bytes).ok());
        subject(&self.ipam, key, record.as_ref())
    }
}

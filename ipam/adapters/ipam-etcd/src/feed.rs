//! What a watch of etcd's has told so far.
//!
//! etcd's watch never ends, and does not say when it has told all. The head does: every commit writes it last, so a reader who knows the
//! head's revision has seen everything once its event has come.

use crate::client::Client;
use crate::digest::{digest, is_proved};
use crate::failure::Failure;
use crate::keys::Keys;
use crate::proto::{
    EventKind, WatchCreateRequest, WatchEvent, WatchRequest, WatchResponse, path, signed, unsigned,
};
use ipam::store::{Event, Revision, StoreError};
use std::collections::BTreeMap;
use tokio::time::{Instant, timeout_at};
use tonic::Streaming;
use tonic::codegen::tokio_stream::{self, StreamExt as _};

/// Changed keys and bytes that are remembered: whoever watches too seldom asks for what changed instead.
const MOST_KEYS: usize = 65_536;
const MOST_BYTES: usize = 32 << 20;

/// An open watch of a store's records, tombstones and head.
#[derive(Debug)]
pub(crate) struct Feed {
    answers: Streaming<WatchResponse>,
    changes: Changes,
}

/// The changes that have come from a watch.
#[derive(Debug)]
struct Changes {
    /// All changes after this revision are here or on their way.
    start: Revision,
    /// The latest head that has come.
    head: Revision,
    /// Each changed key's latest revision and value.
    changed: BTreeMap<String, (Revision, Option<Vec<u8>>)>,
    /// The digests that came with records, by these records' keys.
    digests: BTreeMap<String, (Revision, Vec<u8>)>,
    bytes: usize,
}

impl Feed {
    /// Watches everything after `start`.
    pub(crate) async fn open(
        client: &mut Client,
        keys: &Keys,
        start: Revision,
    ) -> Result<Self, Failure> {
        let request = WatchRequest {
            create: Some(WatchCreateRequest {
                key: keys.tombstone(""),
                range_end: keys.records_end(),
                start_revision: signed(start.saturating_add(1)),
                // Else a commit longer than an answer may be would come as one all the same.
                fragment: true,
            }),
        };
        // The watch lasts as long as the requests do.
        let requests = tokio_stream::once(request).chain(tokio_stream::pending());
        let answers = client.stream(path::WATCH, requests).await?;
        let changes = Changes::after(start);
        Ok(Self { answers, changes })
    }

    /// Whether it can tell what changed since `from`.
    pub(crate) fn covers(&self, from: Revision) -> bool {
        self.changes.start <= from
    }

    /// Waits until everything up to the commit of `head` has come, or `until`; `false` when it will not.
    ///
    /// # Errors
    /// A key that no store wrote.
    pub(crate) async fn catch_up(
        &mut self,
        keys: &Keys,
        head: Revision,
        until: Instant,
    ) -> Result<bool, StoreError> {
        let changes = &mut self.changes;
        while changes.head < head {
            let answer = match timeout_at(until, self.answers.message()).await {
                Ok(Ok(Some(answer))) if !answer.canceled => answer,
                // Compacted, the member is gone or without a leader, or it is too slow.
                _ => return Ok(false),
            };
            for event in answer.events {
                changes.take(keys, event)?;
            }
            let much = changes.changed.len() > MOST_KEYS || changes.bytes > MOST_BYTES;
            // Whoever talks without a pause is not waited for either.
            if much || Instant::now() >= until {
                return Ok(changes.head >= head);
            }
        }
        Ok(true)
    }

    /// What changed below `prefix` since `from`; nothing where a record came without its digest. What is older is dropped: nobody asks for
    /// it again.
    pub(crate) fn since(&mut self, prefix: &str, from: Revision) -> Option<Vec<Event>> {
        self.changes.since(prefix, from)
    }
}

impl Changes {
    fn after(start: Revision) -> Self {
        Self {
            start,
            head: start,
            changed: BTreeMap::new(),
            digests: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn take(&mut self, keys: &Keys, event: WatchEvent) -> Result<(), StoreError> {
        let deleted = event.kind == i32::from(EventKind::Delete);
        let Some(kv) = event.kv else {
            return Ok(());
        };
        let revision = unsigned(kv.mod_revision);
        if kv.key == keys.head() {
            self.head = self.head.max(revision);
        } else if kv.key == keys.horizon() {
            // How far tombstones were swept is asked for where it matters.
        } else if keys.is_digest(&kv.key) {
            if !deleted {
                self.digests
                    .insert(keys.proved_of(&kv)?, (revision, kv.value));
            }
        } else if kv.key < keys.head() {
            // A deletion is believed by its tombstone: etcd before 3.4.33 and 3.5.15 may drop the deletion's own event from a
            // watch of a revision that was compacted just then (etcd-io/etcd#18089). Sweeping a tombstone alters no record.
            if !deleted {
                self.note(keys.deleted_of(&kv)?, revision, None);
            }
        } else if !deleted {
            self.note(keys.record_of(&kv)?, revision, Some(kv.value));
        }
        Ok(())
    }

    fn note(&mut self, key: String, revision: Revision, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        if let Some((_, Some(old))) = self.changed.insert(key, (revision, value)) {
            self.bytes = self.bytes.saturating_sub(old.len());
        }
    }

    fn since(&mut self, prefix: &str, from: Revision) -> Option<Vec<Event>> {
        self.changed.retain(|_, (revision, _)| *revision > from);
        self.digests.retain(|_, (revision, _)| *revision > from);
        let length = |(key, (_, value)): (&String, &(Revision, Option<Vec<u8>>))| {
            key.len() + value.as_ref().map_or(0, Vec::len)
        };
        self.bytes = self.changed.iter().map(length).sum();
        self.start = self.start.max(from);
        let below = self.changed.range(prefix.to_owned()..);
        let below = below.take_while(|(key, _)| key.starts_with(prefix));
        let is_proved = |(key, (_, value)): (&String, &(Revision, Option<Vec<u8>>))| match value {
            Some(value) if is_proved(key) => {
                let told = self.digests.get(key);
                told.is_some_and(|(_, told)| *told == digest(value))
            }
            _ => true,
        };
        if !below.clone().all(is_proved) {
            return None;
        }
        let event = |(key, (_, value)): (&String, &(Revision, Option<Vec<u8>>))| Event {
            key: key.clone(),
            value: value.clone(),
        };
        Some(below.map(event).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::KeyValue;

    fn event(kind: EventKind, key: Vec<u8>, revision: i64, value: &[u8]) -> WatchEvent {
        WatchEvent {
            kind: kind.into(),
            kv: Some(KeyValue {
                key,
                mod_revision: revision,
                value: value.to_vec(),
            }),
        }
    }

    #[test]
    fn a_deletion_is_known_by_its_tombstone_where_its_own_event_is_dropped() {
        let keys = Keys::new("/p/".into());
        let mut changes = Changes::after(4);
        let put = |key, revision, value| event(EventKind::Put, key, revision, value);
        let mut take = |event| changes.take(&keys, event).expect("ours");
        take(put(keys.record("c/a"), 5, b"1"));
        take(put(keys.head(), 5, b""));
        take(put(keys.tombstone("c/a"), 6, b""));
        take(put(keys.tombstone("c/b"), 6, b""));
        take(put(keys.head(), 6, b""));
        // Written again, and a tombstone swept.
        take(put(keys.record("c/b"), 7, b"2"));
        take(event(EventKind::Delete, keys.tombstone("c/b"), 8, b""));
        take(put(keys.horizon(), 8, b"6"));
        assert_eq!(changes.head, 6);
        let told: Vec<(String, Option<Vec<u8>>)> = changes
            .since("", 5)
            .expect("no blocks")
            .into_iter()
            .map(|event| (event.key, event.value))
            .collect();
        let expected = [
            ("c/a".to_owned(), None),
            ("c/b".to_owned(), Some(b"2".to_vec())),
        ];
        assert_eq!(told, expected);
    }
}

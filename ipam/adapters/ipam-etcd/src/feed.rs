//! What a watch of etcd's has told so far.
//!
//! etcd's watch never ends, and does not say when it has told all. The head does: every commit writes it last, so a reader who knows the
//! head's revision has seen everything once its event has come.

use crate::client::Client;
use crate::failure::Failure;
use crate::keys::Keys;
use crate::proto::{
    EventKind, KeyValue, WatchCreateRequest, WatchEvent, WatchRequest, WatchResponse, path, signed,
    unsigned,
};
use ipam::store::{Event, Revision, StoreError};
use std::collections::BTreeMap;
use tokio::time::{Instant, timeout_at};
use tonic::Streaming;
use tonic::codegen::tokio_stream::{self, StreamExt as _};

/// Changed keys and bytes that are remembered: whoever watches too seldom asks for what changed instead.
const MOST_KEYS: usize = 65_536;
const MOST_BYTES: usize = 32 << 20;

/// An open watch of a store's records and head, and the changes that have come from it.
#[derive(Debug)]
pub(crate) struct Feed {
    answers: Streaming<WatchResponse>,
    /// All changes after this revision are here or on their way.
    start: Revision,
    /// The latest head that has come.
    head: Revision,
    /// Each changed key's latest revision and value.
    changed: BTreeMap<String, (Revision, Option<Vec<u8>>)>,
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
                key: keys.head(),
                range_end: keys.records_end(),
                start_revision: signed(start.saturating_add(1)),
                // Else a commit longer than an answer may be would come as one all the same.
                fragment: true,
            }),
        };
        // The watch lasts as long as the requests do.
        let requests = tokio_stream::once(request).chain(tokio_stream::pending());
        let answers = client.stream(path::WATCH, requests).await?;
        Ok(Self {
            answers,
            start,
            head: start,
            changed: BTreeMap::new(),
            bytes: 0,
        })
    }

    /// Whether it can tell what changed since `from`.
    pub(crate) fn covers(&self, from: Revision) -> bool {
        self.start <= from
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
        while self.head < head {
            let answer = match timeout_at(until, self.answers.message()).await {
                Ok(Ok(Some(answer))) if !answer.canceled => answer,
                // Compacted, the member is gone or without a leader, or it is too slow.
                _ => return Ok(false),
            };
            for event in answer.events {
                self.take(keys, event)?;
            }
            let much = self.changed.len() > MOST_KEYS || self.bytes > MOST_BYTES;
            // Whoever talks without a pause is not waited for either.
            if much || Instant::now() >= until {
                return Ok(self.head >= head);
            }
        }
        Ok(true)
    }

    fn take(&mut self, keys: &Keys, event: WatchEvent) -> Result<(), StoreError> {
        let deleted = event.kind == i32::from(EventKind::Delete);
        let Some(kv) = event.kv else {
            return Ok(());
        };
        let revision = unsigned(kv.mod_revision);
        if kv.key == keys.head() {
            self.head = self.head.max(revision);
            return Ok(());
        }
        // The range from the head to the records also holds the horizon.
        if kv.key < keys.record("") {
            return Ok(());
        }
        let key = keys.record_of(&kv)?;
        let KeyValue { value, .. } = kv;
        self.bytes += key.len() + value.len();
        let value = (!deleted).then_some(value);
        if let Some((_, Some(old))) = self.changed.insert(key, (revision, value)) {
            self.bytes = self.bytes.saturating_sub(old.len());
        }
        Ok(())
    }

    /// What changed below `prefix` since `from`. What is older is dropped: nobody asks for it again.
    pub(crate) fn since(&mut self, prefix: &str, from: Revision) -> Vec<Event> {
        self.changed.retain(|_, (revision, _)| *revision > from);
        let length = |(key, (_, value)): (&String, &(Revision, Option<Vec<u8>>))| {
            key.len() + value.as_ref().map_or(0, Vec::len)
        };
        self.bytes = self.changed.iter().map(length).sum();
        self.start = self.start.max(from);
        let below = self.changed.range(prefix.to_owned()..);
        let below = below.take_while(|(key, _)| key.starts_with(prefix));
        let event = |(key, (_, value)): (&String, &(Revision, Option<Vec<u8>>))| Event {
            key: key.clone(),
            value: value.clone(),
        };
        below.map(event).collect()
    }
}

//! What changed since a revision.

use super::EtcdStore;
use crate::commit;
use crate::digest::{digest, is_proved};
use crate::keys::after_prefix;
use crate::proto::{RangeRequest, RangeResponse, signed};
use ipam::store::{Event, Revision, StoreError, Watched};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Changed keys told of at once: whoever missed more reads everything, page by page.
const MOST_CHANGED: usize = 10_000;

impl EtcdStore {
    /// What changed below `prefix` since `from`, as far as the feed can tell.
    pub(super) async fn told(
        &mut self,
        prefix: &str,
        from: Revision,
        head: Revision,
    ) -> Result<Option<Vec<Event>>, StoreError> {
        let Some(mut feed) = self.feed.take().filter(|feed| feed.covers(from)) else {
            return Ok(None);
        };
        let until = Instant::now() + self.client.config.attempt_timeout;
        if !feed.catch_up(&self.keys, head, until).await? {
            return Ok(None);
        }
        let events = feed.since(prefix, from);
        if events.is_some() {
            self.feed = Some(feed);
        }
        Ok(events)
    }

    /// What changed below `prefix` since `from`, by asking for keys of later revisions: costs etcd a walk through all below it.
    pub(super) async fn changed(
        &mut self,
        prefix: &str,
        from: Revision,
    ) -> Result<Watched, StoreError> {
        let since = |key: Vec<u8>, keys_only| RangeRequest {
            range_end: after_prefix(&key),
            key,
            keys_only,
            limit: i64::try_from(MOST_CHANGED).unwrap_or(i64::MAX),
            min_mod_revision: signed(from.saturating_add(1)),
            ..RangeRequest::default()
        };
        let requests = vec![
            since(self.keys.record(prefix), false),
            since(self.keys.tombstone(prefix), true),
            since(self.keys.digest(prefix), false),
            RangeRequest {
                key: self.keys.horizon(),
                ..RangeRequest::default()
            },
        ];
        let answer = match self.ranges(requests).await {
            Ok(answer) => answer,
            Err(failure) if failure.is_long_answer() => return Ok(Watched::Compacted),
            Err(failure) => return Err(failure.into()),
        };
        let Ok([written, deleted, proofs, horizon]) = <[RangeResponse; 4]>::try_from(answer.parts)
        else {
            return Err(self.client.odd("fewer answers than questions").into());
        };
        let forgotten = commit::horizon_of(&horizon.kvs)? > from;
        if forgotten || written.more || deleted.more || proofs.more {
            return Ok(Watched::Compacted);
        }
        let mut told = BTreeMap::new();
        for kv in proofs.kvs {
            told.insert(self.keys.proved_of(&kv)?, kv.value);
        }
        let mut events = BTreeMap::new();
        for kv in &deleted.kvs {
            events.insert(self.keys.deleted_of(kv)?, None);
        }
        for kv in written.kvs {
            let key = self.keys.record_of(&kv)?;
            // Whoever wrote it is no store: what it is beside its digest is told by reading it.
            if is_proved(&key) && told.get(&key) != Some(&digest(&kv.value)) {
                return Ok(Watched::Compacted);
            }
            // Written again after it was deleted.
            events.insert(key, Some(kv.value));
        }
        let event = |(key, value)| Event { key, value };
        let events = events.into_iter().map(event).collect();
        Ok(Watched::Events(events, answer.revision))
    }
}

//! The seam on etcd.

mod horizon;
mod stopwatch;
mod watching;

use crate::client::Client;
use crate::commit::{self, Outcome};
use crate::config::{ConfigError, EtcdConfig};
use crate::digest::{believed, is_proved};
use crate::failure::Failure;
use crate::feed::Feed;
use crate::keys::{Keys, after, after_prefix, next_start};
use crate::proto::{
    Answer, Headed, Op, RangeRequest, RangeResponse, RequestOp, TxnRequest, TxnResponse, path,
    signed,
};
use horizon::draw;
use ipam::Store;
use ipam::store::{Elapsed, Page, Revision, Started, StoreError, Txn, Watched};
use std::collections::BTreeMap;

/// A store in etcd: several hosts share it.
///
/// Needs a tokio runtime with time and I/O; nothing is sent before the first operation. A store has one connection; two stores of the
/// same configuration share their records, and nothing else.
///
/// # Cancellation
/// An operation whose future is dropped is given up; whether a commit took place is unknown then.
#[derive(Debug)]
pub struct EtcdStore {
    pub(crate) client: Client,
    pub(crate) keys: Keys,
    /// The revision of the last commit that was seen: a store whose last one is older was set back.
    seen: Revision,
    /// Once it pays.
    feed: Option<Feed>,
    /// Watches that had to ask for what changed.
    asked: u32,
}

/// Records asked for at once; fewer where they turn out long.
const PAGE: usize = 1000;
/// After so many questions for what changed, a feed is opened: a command that ends soon needs none.
const FEED_AFTER: u32 = 2;
/// Beginnings of a read of several parts whose revision was compacted meanwhile.
const READS: u32 = 5;
/// Attempts at a commit to a store whose horizon is missing: one finds that out, one commits, one is spare.
const HORIZONS: u32 = 3;

impl EtcdStore {
    /// The store of a configuration.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(config: EtcdConfig) -> Result<Self, ConfigError> {
        let keys = Keys::new(config.prefix.clone());
        let client = Client::new(config)?;
        Ok(Self {
            client,
            keys,
            seen: 0,
            feed: None,
            asked: 0,
        })
    }

    async fn range(&mut self, request: &RangeRequest) -> Result<RangeResponse, Failure> {
        self.client.read(path::RANGE, request).await
    }

    /// Several ranges, all of one revision.
    async fn ranges(&mut self, requests: Vec<RangeRequest>) -> Result<Ranges, Failure> {
        let success: Vec<RequestOp> = requests.into_iter().map(|r| Op::Range(r).into()).collect();
        let (count, txn) = (
            success.len(),
            TxnRequest {
                success,
                ..TxnRequest::default()
            },
        );
        let answer: TxnResponse = self.client.read(path::TXN, &txn).await?;
        let revision = answer.revision();
        let range = |op: crate::proto::ResponseOp| match op.response {
            Some(Answer::Range(range)) => Some(range),
            _ => None,
        };
        let parts: Vec<_> = answer.responses.into_iter().filter_map(range).collect();
        match parts.len() == count {
            true => Ok(Ranges { parts, revision }),
            false => Err(self.client.odd("fewer answers than questions")),
        }
    }

    /// The revision of the last commit, and the store's.
    async fn head(&mut self) -> Result<(Revision, Revision), Failure> {
        let request = RangeRequest {
            key: self.keys.head(),
            ..RangeRequest::default()
        };
        let answer = self.range(&request).await?;
        Ok((commit::head_of(&answer.kvs), answer.revision()))
    }

    /// The values of keys in parts of at most `part`, all of one revision.
    async fn values(
        &mut self,
        keys: &[String],
        part: usize,
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), Failure> {
        let (mut values, mut revision) = (Vec::with_capacity(keys.len()), 0);
        let part = match keys.iter().any(|key| is_proved(key)) {
            true => part.div_ceil(2),
            false => part,
        };
        for part in keys.chunks(part) {
            let point = |key| RangeRequest {
                key,
                revision: signed(revision),
                ..RangeRequest::default()
            };
            let proved = part.iter().filter(|key| is_proved(key));
            let digests = proved.map(|key| point(self.keys.digest(key)));
            let requests = part.iter().map(|key| point(self.keys.record(key)));
            let answer = self.ranges(requests.chain(digests).collect()).await?;
            let mut found = answer.parts.into_iter();
            let mut next = || found.next()?.kvs.into_iter().next().map(|kv| kv.value);
            let records: Vec<_> = part.iter().map(|_| next()).collect();
            for (key, record) in part.iter().zip(records) {
                let told = is_proved(key).then(&mut next).flatten();
                values.push(record.map(|value| believed(value, told.as_deref())));
            }
            if revision == 0 {
                revision = answer.revision;
            }
        }
        Ok((values, revision))
    }

    /// One page of a listing in requests of at most `part`, all of one revision.
    async fn page(
        &mut self,
        mut start: Vec<u8>,
        end: &[u8],
        limit: usize,
        part: usize,
    ) -> Result<Page, PageFailure> {
        let (mut page, mut left) = (Page::default(), limit);
        loop {
            // None at all is asked for as one, since etcd takes 0 for all.
            let asked = left.clamp(1, part);
            let request = RangeRequest {
                key: start.clone(),
                range_end: end.to_vec(),
                limit: i64::try_from(asked).unwrap_or(i64::MAX),
                revision: signed(page.revision),
                ..RangeRequest::default()
            };
            let answer = self.range(&request).await.map_err(PageFailure::Call)?;
            if page.revision == 0 {
                page.revision = answer.revision();
            }
            page.more = answer.more || answer.kvs.len() > left;
            if page.more || !answer.kvs.is_empty() {
                let next = next_start(&start, end, &answer.kvs);
                let odd = || PageFailure::Call(self.client.odd("a page of other keys"));
                start = next.ok_or_else(odd)?;
            }
            let first = page.entries.len();
            for kv in answer.kvs.into_iter().take(left) {
                let key = self.keys.record_of(&kv).map_err(PageFailure::Foreign)?;
                page.entries.push((key, kv.value));
                left -= 1;
            }
            self.prove(&mut page.entries[first..], page.revision)
                .await?;
            if !page.more || left == 0 {
                return Ok(page);
            }
        }
    }

    /// Reads the digests of those of a listing's records that have one, of the same revision, and believes the records as far.
    async fn prove(
        &mut self,
        entries: &mut [(String, Vec<u8>)],
        revision: Revision,
    ) -> Result<(), PageFailure> {
        let mut proved = entries.iter().filter(|(key, _)| is_proved(key));
        let Some((first, _)) = proved.next() else {
            return Ok(());
        };
        let last = proved.next_back().map_or(first, |(key, _)| key);
        let request = RangeRequest {
            key: self.keys.digest(first),
            range_end: after(self.keys.digest(last)),
            revision: signed(revision),
            ..RangeRequest::default()
        };
        let answer = self.range(&request).await.map_err(PageFailure::Call)?;
        let mut told = BTreeMap::new();
        for kv in answer.kvs {
            let key = self.keys.proved_of(&kv).map_err(PageFailure::Foreign)?;
            told.insert(key, kv.value);
        }
        for (key, value) in entries {
            let told = told.get(key).map(Vec::as_slice);
            *value = believed(std::mem::take(value), told);
        }
        Ok(())
    }
}

/// Why there is no page.
enum PageFailure {
    Call(Failure),
    /// A key that no store wrote.
    Foreign(StoreError),
}

/// The answers to [`EtcdStore::ranges`].
struct Ranges {
    parts: Vec<RangeResponse>,
    revision: Revision,
}

#[async_trait::async_trait]
impl Store for EtcdStore {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        if keys.is_empty() {
            return Ok((Vec::new(), self.head().await?.1));
        }
        let (mut part, mut reads) = (self.client.config.max_txn_ops, 0);
        loop {
            match self.values(keys, part).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.is_compacted() && reads < READS => reads += 1,
                Err(failure) if failure.is_long_answer() && part > 1 => part = part.div_ceil(4),
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn list(
        &mut self,
        prefix: &str,
        after_key: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let first = self.keys.record(prefix);
        let end = after_prefix(&first);
        let start = match after_key {
            Some(key) => first.max(after(self.keys.record(key))),
            None => first,
        };
        if start >= end {
            let revision = self.head().await?.1;
            return Ok(Page {
                revision,
                ..Page::default()
            });
        }
        let (mut part, mut reads) = (PAGE, 0);
        loop {
            match self.page(start.clone(), &end, limit, part).await {
                Err(PageFailure::Call(f)) if f.is_compacted() && reads < READS => reads += 1,
                Err(PageFailure::Call(f)) if f.is_long_answer() && part > 1 => {
                    part = part.div_ceil(4);
                }
                Err(PageFailure::Call(failure)) => return Err(failure.into()),
                Err(PageFailure::Foreign(error)) => return Err(error),
                Ok(page) => return Ok(page),
            }
        }
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        if txn.guards.is_empty() && txn.put.is_empty() && txn.delete.is_empty() {
            return Ok(self.head().await?.1);
        }
        let most = self.client.config.max_txn_ops;
        let request = commit::request(&self.keys, &txn, self.seen, most)?;
        for _ in 0..HORIZONS {
            let answer: TxnResponse = self.client.write(path::TXN, &request).await?;
            match commit::outcome(&self.keys, &txn, self.seen, &answer, answer.revision())? {
                Outcome::Committed(revision) => {
                    if !request.success.is_empty() {
                        self.seen = revision;
                    }
                    let deleted = u64::try_from(txn.delete.len()).unwrap_or(u64::MAX);
                    if draw(revision) < deleted {
                        // The commit stands, whatever becomes of this.
                        let _ = self.sweep(revision).await;
                    }
                    return Ok(revision);
                }
                Outcome::NoHorizon(since) => {
                    let first = commit::first_horizon(&self.keys, since);
                    let _: TxnResponse = self.client.write(path::TXN, &first).await?;
                }
            }
        }
        let why = "the key `horizon` below the prefix is gone whenever it has been written";
        Err(StoreError::Io(why.into()))
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        let (head, now) = self.head().await?;
        // A store that was set back to an older one: what was known of it is of no use.
        if from > now || head < self.seen {
            return Ok(Watched::Compacted);
        }
        self.seen = head;
        if head <= from {
            return Ok(Watched::Events(Vec::new(), now));
        }
        if let Some(events) = self.told(prefix, from, head).await? {
            return Ok(Watched::Events(events, now));
        }
        let watched = self.changed(prefix, from).await?;
        self.asked = self.asked.saturating_add(1);
        if let (Watched::Events(_, upto), true) = (&watched, self.asked >= FEED_AFTER) {
            // Without one, the next is asked for again.
            self.feed = Feed::open(&mut self.client, &self.keys, *upto).await.ok();
        }
        Ok(watched)
    }

    async fn start_stopwatch(&mut self) -> Result<Option<Started>, StoreError> {
        self.start().await.map(Some)
    }

    async fn stopwatch(&mut self, stopwatch: u64) -> Result<Option<Elapsed>, StoreError> {
        self.elapsed(stopwatch).await
    }

    async fn stop_stopwatch(&mut self, stopwatch: u64) -> Result<(), StoreError> {
        self.stop(stopwatch).await
    }

    /// Whether the store was set back to an older one, such as a backup, since this handle saw its last commit. Then nothing is
    /// committed through it until [`Store::accept`].
    async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        let (head, _) = self.head().await?;
        match commit::set_back(head, self.seen) {
            Some(damage) => Ok(vec![damage]),
            None => {
                self.seen = head;
                Ok(Vec::new())
            }
        }
    }

    /// Whether its horizon can be read; [`Store::mend`] writes it anew where not.
    async fn inspect(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.bad_horizon().await?.map(|(why, _)| why))
    }

    async fn mend(&mut self) -> Result<(), StoreError> {
        self.mend_horizon().await
    }

    async fn accept(&mut self) -> Result<(), StoreError> {
        self.seen = self.head().await?.0;
        Ok(())
    }
}

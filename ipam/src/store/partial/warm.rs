//! The part of the state that a host's claims are made from, kept from one claim to the next: the fast path for a claim of a new owner in
//! the host's own block. It decides by the same code, on the same records, as the part that is built anew for every other operation.

use super::PartialReplica;
use super::build::Known;
use super::cache::Cache;
use super::view::{Entry, Source};
use crate::change::ChangeKind;
use crate::claim::{Families, Grant, Request, Retention};
use crate::identity::Identity;
use crate::store::record::{claim_key, workload_key};
use crate::store::seam::{Revision, Store, StoreError, Txn};
use crate::store::write::Altered;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;

/// A part whose block is the one that the next claim of the same kind is made from.
#[derive(Debug)]
pub(super) struct Warm {
    known: Known,
    /// From then on an address of another of the host's blocks may be free, which would come first.
    until: Timestamp,
    wish: Wish,
}

/// Of what a request's pools and block depend.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    host: String,
    families: Families,
    pools: Vec<String>,
    labels: Vec<(String, String)>,
}

impl Wish {
    fn of(request: &Request<'_>) -> Option<Self> {
        Some(Self {
            host: request.host?.into(),
            families: request.families,
            pools: request.pools.iter().map(|&name| name.into()).collect(),
            labels: request
                .labels
                .iter()
                .map(|&(key, value)| (key.into(), value.into()))
                .collect(),
        })
    }

    fn is(&self, request: &Request<'_>) -> bool {
        let labels = request.labels.iter().copied();
        Some(&*self.host) == request.host
            && self.families == request.families
            && self.pools.iter().eq(request.pools)
            && labels.eq(self.labels.iter().map(|(key, value)| (&**key, &**value)))
    }
}

/// Whether a request can be any block's.
fn is_plain(request: &Request<'_>) -> bool {
    let fixed = matches!(request.retention, Retention::Fixed(_));
    request.after.is_none() && request.addresses.is_empty() && !fixed
}

impl Warm {
    /// A part that a claim was made from, and what became of its records. Nothing where the next claim may need others.
    pub(super) fn new(
        mut known: Known,
        request: &Request<'_>,
        until: Timestamp,
        cache: &mut Cache,
        (txn, revision): (Txn, Revision),
    ) -> Option<Self> {
        let entries = core::mem::take(&mut known.entries);
        let count = |kinds: &[&str]| {
            let of = |key: &&String| kinds.iter().any(|kind| key.starts_with(kind));
            entries.keys().filter(of).count()
        };
        let one = count(&["b/"]) == 1 && count(&["c/"]) == 1 && count(&["w/", "x/"]) <= 1;
        let wish = Wish::of(request).filter(|_| one && is_plain(request) && count(&["g/"]) == 0);
        let own = |key: &String| !["c/", "w/", "x/"].iter().any(|kind| key.starts_with(kind));
        let kept: Vec<String> = entries.keys().filter(|key| own(key)).cloned().collect();
        cache.put_all(entries, Some((txn, revision)));
        let wish = wish?;
        known.entries.extend(cache.take_pools()?);
        for key in kept {
            if let Some(entry) = cache.take(&key) {
                known.entries.insert(key, entry);
            }
        }
        known.since = revision;
        known.ipam.tokens.count(revision);
        Some(Self { known, until, wish })
    }

    /// Nobody altered anything up to a revision.
    pub(super) fn saw(&mut self, revision: Revision) {
        let entries = self.known.entries.values_mut();
        entries.for_each(|entry| entry.since = entry.since.max(revision));
        self.known.since = self.known.since.max(revision);
        self.known.ipam.tokens.count(revision);
    }

    pub(super) fn len(&self) -> usize {
        self.known.entries.len()
    }

    /// Up to which revision all of its records are known.
    pub(super) fn floor(&self) -> Option<Revision> {
        self.known.entries.values().map(|entry| entry.since).min()
    }

    /// Decides and applies. Nothing where the general path must do it; the records are what they were then.
    fn decide(
        &mut self,
        now: Timestamp,
        request: &Request<'_>,
        cache: &Cache,
    ) -> Option<(Grant, Altered)> {
        let known = &mut self.known;
        let ready = self.wish.is(request) && is_plain(request) && now < self.until;
        let new =
            own_keys(request).all(|key| !cache.has(&key) && !known.entries.contains_key(&key));
        if !ready || !new || now < known.ipam.now() {
            return None;
        }
        known.ipam.advance(now);
        let decision = known.ipam.decide_claim(request).ok()?;
        let [change] = decision.changes.as_slice() else {
            return None;
        };
        if !matches!(change.kind, ChangeKind::Claimed { .. }) || decision.grant.early() {
            return None;
        }
        let mut altered = Altered::of_part();
        altered.apply(&mut known.ipam, &decision.changes).ok()?;
        altered.count(&mut known.ipam, known.since);
        altered.summarise(&known.ipam, &mut known.summaries);
        let since = known.since;
        let absent = |key| {
            let (bytes, source) = (None, Source::Assumed);
            (
                key,
                Entry {
                    bytes,
                    since,
                    source,
                },
            )
        };
        known.entries.extend(own_keys(request).map(absent));
        let within = altered.is_within(|key| known.entries.contains_key(key), &known.summaries);
        // Pages are every host's: they are read before they are altered.
        (within && altered.pages.is_empty()).then_some((decision.grant, altered))
    }

    /// It was committed.
    fn note(&mut self, txn: Txn, revision: Revision, cache: &mut Cache) {
        let known = &mut self.known;
        known
            .entries
            .retain(|_, entry| entry.source != Source::Assumed);
        for guard in &txn.guards {
            if let Some(entry) = known.entries.get_mut(&guard.key) {
                entry.since = revision;
            }
        }
        for (key, bytes) in txn.put {
            match known.entries.get_mut(&key) {
                Some(entry) => (entry.bytes, entry.since) = (Some(bytes), revision),
                None => cache.put_one(key, bytes, revision),
            }
        }
        cache.saw(revision);
        known.since = revision;
        known.ipam.tokens.count(revision);
    }
}

/// The keys of what a claim makes.
fn own_keys<'r>(request: &'r Request<'_>) -> impl Iterator<Item = String> + 'r {
    let identity = request
        .workload
        .map(|w| Identity::from((w, request.interface)));
    let keys = [Some(claim_key(request.owner)), identity.map(workload_key)];
    keys.into_iter().flatten()
}

impl<S: Store> PartialReplica<S> {
    /// A claim on the fast path; nothing where the general one must make it.
    pub(super) async fn claim_warm(
        &mut self,
        now: Timestamp,
        request: &Request<'_>,
    ) -> Result<Option<Grant>, StoreError> {
        let Some(mut warm) = self.warm.take() else {
            return Ok(None);
        };
        let Some(cache) = &mut self.cache else {
            return Ok(None);
        };
        let Some((grant, altered)) = warm.decide(now, request, cache) else {
            cache.put_all(warm.known.entries, None);
            return Ok(None);
        };
        let txn = warm.known.transaction(&altered);
        match self.store.commit(txn.clone()).await {
            Ok(revision) => {
                warm.note(txn, revision, cache);
                self.warm = Some(warm);
                Ok(Some(grant))
            }
            Err(StoreError::Conflict { key }) => {
                self.again = warm.known.keys();
                if !key.starts_with("p/") {
                    cache.put_back_pools(warm.known.entries);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the records of the fast path back to the cache.
    pub(super) fn cool(&mut self) {
        if let (Some(warm), Some(cache)) = (self.warm.take(), &mut self.cache) {
            cache.put_all(warm.known.entries, None);
        }
    }
}

//! A store that others write to without a pause.

use async_trait::async_trait;
use ipam::store::{MemoryStore, Page, Revision, StoreError, Txn, Watched, ready};
use ipam::{PoolSpec, Replica, Request, Store, Timestamp};
use std::collections::VecDeque;

const NOW: Timestamp = Timestamp::from_secs(1);

/// Notes what is committed.
#[derive(Default)]
struct Recorder {
    store: MemoryStore,
    commits: VecDeque<Txn>,
}

/// Others commit something before each reading.
struct Busy {
    store: MemoryStore,
    to_come: VecDeque<Txn>,
}

impl Busy {
    async fn others(&mut self) -> Result<(), StoreError> {
        if let Some(txn) = self.to_come.pop_front() {
            self.store.commit(txn).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Recorder {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.store.get(keys).await
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.store.list(prefix, after, limit).await
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        self.commits.push_back(txn.clone());
        self.store.commit(txn).await
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.store.watch(prefix, from).await
    }
}

#[async_trait]
impl Store for Busy {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.others().await?;
        self.store.get(keys).await
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.others().await?;
        self.store.list(prefix, after, limit).await
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        self.others().await?;
        self.store.commit(txn).await
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.others().await?;
        self.store.watch(prefix, from).await
    }
}

/// 6,000 claims, more than a page of records, and a release of every third of the last thousand.
fn commits() -> VecDeque<Txn> {
    let wait = |_| std::future::ready(());
    let done = async {
        let mut replica = Replica::open(Recorder::default(), NOW, 7).await?;
        let spec = PoolSpec::new("p", "10.0.0.0/16".parse().expect("a prefix"));
        replica.add_pool(NOW, spec, wait).await.expect("a pool");
        for i in 0..6000 {
            let (owner, host) = (format!("c{i}"), format!("h{}", i % 40));
            let request = Request::new(&owner).host(&host);
            let grant = replica
                .claim(NOW, &request, wait)
                .await
                .expect("an address");
            if i > 5000 && i % 3 == 0 {
                let released = replica.release(NOW, &owner, grant.sequence, wait).await;
                released.expect("released");
            }
        }
        Ok::<_, StoreError>(replica.into_store().commits)
    };
    ready(done).expect("never waits").expect("a store")
}

#[test]
fn a_store_that_never_stands_still_is_read_as_it_was_at_one_revision() {
    let commits = commits();
    for begun in [4_000, 5_500] {
        let mut to_come = commits.clone();
        let mut store = MemoryStore::default();
        for txn in to_come.drain(..begun) {
            ready(store.commit(txn))
                .expect("never waits")
                .expect("a commit");
        }
        let busy = Busy { store, to_come };
        let opened = ready(Replica::open(busy, NOW, 7)).expect("never waits");
        let replica = opened.expect("opens");
        assert_eq!(replica.rejected(), []);
        replica.ipam().check_invariants().expect("sound");
        let claims = replica.ipam().claim_count();
        // The same as a store that stood still there.
        let left = replica.into_store().to_come.len();
        let mut store = MemoryStore::default();
        for txn in commits.iter().take(commits.len() - left) {
            ready(store.commit(txn.clone()))
                .expect("never waits")
                .expect("a commit");
        }
        let still = ready(Replica::open(store, NOW, 7))
            .expect("never waits")
            .expect("opens");
        assert_eq!(claims, still.ipam().claim_count());
        assert!(left > 0, "others were still writing");
    }
}

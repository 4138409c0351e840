//! A store in memory that several processes share.

use async_trait::async_trait;
use ipam::Store;
use ipam::store::{MemoryStore, Page, Revision, StoreError, Txn, Watched, ready};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<MemoryStore>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// What is asked of the store at once, after others had their turn.
    async fn ask<T>(&self, ask: impl FnOnce(&mut MemoryStore) -> T) -> T {
        tokio::task::yield_now().await;
        let answer = ask(&mut self.0.lock().unwrap());
        tokio::task::yield_now().await;
        answer
    }
}

#[async_trait]
impl Store for Shared {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.ask(|store| ready(store.get(keys)).unwrap()).await
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.ask(|store| ready(store.list(prefix, after, limit)).unwrap())
            .await
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        self.ask(|store| ready(store.commit(txn)).unwrap()).await
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.ask(|store| ready(store.watch(prefix, from)).unwrap())
            .await
    }
}

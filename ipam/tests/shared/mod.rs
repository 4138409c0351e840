//! One store behind several handles.

use ipam::{
    Store,
    store::{MemoryStore, Page, Revision, StoreError, Txn, Watched, ready},
};
use std::sync::{Arc, Mutex};

/// One memory store behind several handles, which counts what it is asked.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<(MemoryStore, u64)>>);

impl Shared {
    #[allow(dead_code)]
    pub(crate) fn new(store: MemoryStore) -> Self {
        Self(Arc::new(Mutex::new((store, 0))))
    }

    /// Messages since the last time that this was asked.
    #[allow(dead_code)]
    pub(crate) fn messages(&self) -> u64 {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }

    fn ask<T>(&self, work: impl FnOnce(&mut MemoryStore) -> T) -> T {
        let mut shared = self.0.lock().unwrap();
        shared.1 += 1;
        work(&mut shared.0)
    }
}

#[async_trait::async_trait]
impl Store for Shared {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.ask(|store| ready(store.get(keys)).unwrap())
    }
    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.ask(|store| ready(store.list(prefix, after, limit)).unwrap())
    }
    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        self.ask(|store| ready(store.commit(txn)).unwrap())
    }
    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.ask(|store| ready(store.watch(prefix, from)).unwrap())
    }
}

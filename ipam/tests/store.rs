//! The store in memory passes what every store must pass.

use ipam::{MemoryStore, Page, Revision, Store, StoreError, Txn, Watched, ready};
use std::sync::{Arc, Mutex};

/// One memory store behind several handles.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<MemoryStore>>);

#[async_trait::async_trait]
impl Store for Shared {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        ready(self.0.lock().unwrap().get(keys)).unwrap()
    }
    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        ready(self.0.lock().unwrap().list(prefix, after, limit)).unwrap()
    }
    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        ready(self.0.lock().unwrap().commit(txn)).unwrap()
    }
    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        ready(self.0.lock().unwrap().watch(prefix, from)).unwrap()
    }
}

#[test]
fn memory_conforms() {
    let store = Shared::default();
    ready(ipam::testing::check_store(|| store.clone())).expect("memory never waits");
}

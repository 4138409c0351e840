//! The store in memory passes what every store must pass.

use ipam::{
    Store,
    store::{MemoryStore, Page, Revision, StoreError, Txn, Watched, ready},
};
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

fn put(store: &mut Shared, key: &str) -> Revision {
    let (_, since) = ready(store.get(&[])).unwrap().expect("a read");
    let txn = Txn {
        since,
        put: vec![(key.into(), vec![1])],
        ..Txn::default()
    };
    ready(store.commit(txn)).unwrap().expect("a write")
}

fn delete(store: &mut Shared, key: &str) -> Revision {
    let (_, since) = ready(store.get(&[])).unwrap().expect("a read");
    let txn = Txn {
        since,
        delete: vec![key.into()],
        ..Txn::default()
    };
    ready(store.commit(txn)).unwrap().expect("a write")
}

#[test]
fn history_is_bounded_and_what_lies_before_it_is_compacted() {
    let mut store = Shared::default();
    let first = put(&mut store, "a");
    for i in 0..5000u32 {
        put(&mut store, &format!("owner-{}", i % 7));
    }
    let asked = ready(store.watch("", first)).unwrap().expect("a watch");
    assert_eq!(asked, Watched::Compacted);
    let (_, now) = ready(store.get(&[])).unwrap().expect("a read");
    let recent = ready(store.watch("owner", now - 3)).unwrap();
    match recent.expect("a watch") {
        Watched::Events(events, revision) => assert_eq!((events.len(), revision), (3, now)),
        Watched::Compacted => panic!("three commits are not too many to remember"),
    }
}

#[test]
fn a_deletion_that_history_has_dropped_is_still_a_conflict_for_who_is_behind() {
    let mut store = Shared(Arc::new(Mutex::new(MemoryStore::with_history(4))));
    let seen = put(&mut store, "key");
    delete(&mut store, "key");
    let write = |since| Txn {
        unchanged: vec!["key".into()],
        since,
        put: vec![("key".into(), vec![2])],
        delete: vec![],
    };
    for i in 0..20 {
        put(&mut store, &format!("other-{i}"));
        let conflict = ready(store.commit(write(seen))).unwrap();
        assert!(matches!(conflict, Err(StoreError::Conflict { .. })), "{i}");
    }
    let (_, now) = ready(store.get(&[])).unwrap().expect("a read");
    ready(store.commit(write(now)))
        .unwrap()
        .expect("who knows the latest revision may write");
}

#[test]
fn two_replicas_agree_across_a_history_of_any_length() {
    for history in [0, 1, 3] {
        let shared = Arc::new(Mutex::new(MemoryStore::with_history(history)));
        let store = Shared(shared);
        ready(ipam::testing::check_replicas(|| store.clone())).expect("memory never waits");
    }
}
